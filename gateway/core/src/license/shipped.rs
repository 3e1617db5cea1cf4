//! The models that an installation begins with.

use super::{AtEnd, Model, ModelRules, Renewal, SaleRules, TermRule, Trial};
use crate::domain::{LicenseModel, StartBasis};

const DAY: u32 = 86_400;
const DAYS_30: TermRule = TermRule::Length {
    months: 0,
    days: 30,
};
const DAYS_14: TermRule = TermRule::Length {
    months: 0,
    days: 14,
};

/// The models that an installation begins with, one of each kind and named after it.
#[must_use]
pub fn shipped() -> Vec<Model> {
    LicenseModel::ALL.iter().copied().map(Model::of).collect()
}

impl Model {
    /// As the model of a kind is shipped.
    #[must_use]
    pub fn of(kind: LicenseModel) -> Self {
        Self {
            version: 1,
            rules: ModelRules::of(kind),
            sale: SaleRules::of(kind),
        }
    }
}

impl ModelRules {
    /// As the model of a kind is shipped.
    #[must_use]
    pub const fn of(kind: LicenseModel) -> Self {
        let common = Self {
            model: kind,
            grace: 0,
            returns_credit: true,
            rehost: true,
            trial: Trial::No,
            at_end: AtEnd::Hard,
            metered: false,
            counted: false,
            uses: None,
            uses_overdraft_percent: 0,
        };
        match kind {
            LicenseModel::Perpetual | LicenseModel::Maintenance => common,
            LicenseModel::Subscription => Self {
                grace: 14 * DAY,
                ..common
            },
            LicenseModel::Evaluation => Self {
                returns_credit: false,
                rehost: false,
                trial: Trial::Once,
                ..common
            },
            LicenseModel::Temporary => Self {
                returns_credit: false,
                rehost: false,
                ..common
            },
            LicenseModel::Metered => Self {
                metered: true,
                ..common
            },
            // Whoever took up a unit that was given back would begin to count anew.
            LicenseModel::Counted => Self {
                returns_credit: false,
                rehost: false,
                metered: true,
                counted: true,
                ..common
            },
        }
    }
}

impl SaleRules {
    /// As the model of a kind is shipped.
    #[must_use]
    pub const fn of(kind: LicenseModel) -> Self {
        let common = Self {
            term: TermRule::Given,
            start_basis: StartBasis::FirstActivation,
            renewal: Renewal::End,
        };
        match kind {
            LicenseModel::Perpetual => Self {
                term: TermRule::None,
                renewal: Renewal::No,
                ..common
            },
            LicenseModel::Subscription | LicenseModel::Maintenance => common,
            LicenseModel::Evaluation => Self {
                term: DAYS_30,
                start_basis: StartBasis::EachActivation,
                renewal: Renewal::No,
            },
            LicenseModel::Temporary => Self {
                term: DAYS_14,
                start_basis: StartBasis::EachActivation,
                renewal: Renewal::No,
            },
            LicenseModel::Metered | LicenseModel::Counted => Self {
                term: TermRule::Either,
                ..common
            },
        }
    }
}

/// What was sold before renewals were a rule of the model is renewed like a subscription.
impl Default for SaleRules {
    fn default() -> Self {
        Self {
            term: TermRule::Either,
            ..Self::of(LicenseModel::Subscription)
        }
    }
}
