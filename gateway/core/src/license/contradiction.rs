//! What of a licence model contradicts itself.

use super::{AtEnd, Model, Renewal, TermRule, Trial};
use crate::domain::{LicenseModel, StartBasis};

/// The longest grace of a model, in days.
pub const MAX_GRACE_DAYS: u32 = 3_660;
/// The most uses beyond their number that are tolerated, in percent.
pub const MAX_OVERDRAFT_PERCENT: u16 = 1_000;

/// Why a licence model is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// What runs for ever has a term.
    #[error("a perpetual right has no term: term must be none")]
    PerpetualWithTerm,
    /// What is rented has none.
    #[error("{kind} needs an end: term cannot be {term}")]
    NeverEnds {
        /// What devices are told.
        kind: LicenseModel,
        /// The rule by which it might have none.
        term: TermRule,
    },
    /// Nothing ends, so nothing comes after the end.
    #[error("it never ends, so nothing goes on after the end: leave it out, or give it a term")]
    AfterNoEnd(Field),
    /// More than there is a number for.
    #[error("it is more than {most}")]
    TooLarge {
        /// Which.
        field: Field,
        /// What it may be.
        most: u64,
    },
    /// A move begins with a return.
    #[error("a unit moves when it was given back, and returns_credit is false")]
    MoveWithoutReturn,
    /// Whoever takes up the unit would begin to count anew.
    #[error(
        "uses that are counted down on a device are not counted on by the next: returns_credit must \
         be false"
    )]
    CountReturned,
    /// Nobody would know.
    #[error("uses are counted down and not reported: metered must be true")]
    CountedUnreported,
    /// The device would not count.
    #[error(
        "a device that is told {0} counts no uses: the kind must be metered or counted, or counted \
         true"
    )]
    NotCountedOnDevices(LicenseModel),
    /// A number that nobody looks at.
    #[error("nobody counts the uses: metered must be true, or leave it out")]
    UsesUncounted(Field),
    /// A tolerance of nothing.
    #[error("there is no number of uses to go beyond: say how many, or leave it out")]
    OverdraftOfNoLimit,
    /// Devices that are told it counts uses expect a number.
    #[error("what devices are told to be counted must be: counted must be true")]
    NotCounted,
    /// What devices are told to be for trying is.
    #[error("an evaluation is for trying: trial cannot be no")]
    NoTrial,
    /// What is for trying is told so.
    #[error("what is for trying is of the kind evaluation, or leave it out")]
    TrialOfAnotherKind,
    /// Who tries and then pays buys.
    #[error("a trial is not renewed: sell what comes after it")]
    TrialRenewed,
    /// The dates of sales are not those of a trial.
    #[error("a trial starts on a device: first-activation or each-activation")]
    TrialBeforeItIsTried,
}

/// A column of a model.
pub type Field = &'static str;

impl Contradiction {
    /// The field it is about.
    #[must_use]
    pub const fn field(&self) -> Field {
        match self {
            Self::PerpetualWithTerm | Self::NeverEnds { .. } => "term",
            Self::AfterNoEnd(field) | Self::TooLarge { field, .. } | Self::UsesUncounted(field) => {
                field
            }
            Self::MoveWithoutReturn => "rehost",
            Self::CountReturned => "returns_credit",
            Self::CountedUnreported | Self::NotCountedOnDevices(_) => "metered",
            Self::OverdraftOfNoLimit => "uses_overdraft_percent",
            Self::NotCounted => "counted",
            Self::NoTrial | Self::TrialOfAnotherKind => "trial",
            Self::TrialRenewed => "renewal",
            Self::TrialBeforeItIsTried => "start_basis",
        }
    }
}

impl Model {
    /// The model, unless it contradicts itself.
    ///
    /// # Errors
    /// [`Contradiction`].
    pub fn checked(self) -> Result<Self, Contradiction> {
        self.check_end()?;
        self.check_units()?;
        self.check_uses()?;
        self.check_trial()?;
        Ok(self)
    }

    fn check_end(&self) -> Result<(), Contradiction> {
        let (kind, term) = (self.rules.model, self.sale.term);
        match (kind, term) {
            (LicenseModel::Perpetual, TermRule::None) => {}
            (LicenseModel::Perpetual, _) => return Err(Contradiction::PerpetualWithTerm),
            (_, TermRule::None | TermRule::Either) if self.always_ends() => {
                return Err(Contradiction::NeverEnds { kind, term });
            }
            _ => {}
        }
        let most = MAX_GRACE_DAYS * 86_400;
        if self.rules.grace > most {
            return Err(Contradiction::TooLarge {
                field: "grace_days",
                most: u64::from(MAX_GRACE_DAYS),
            });
        }
        if term == TermRule::None {
            if self.rules.grace > 0 {
                return Err(Contradiction::AfterNoEnd("grace_days"));
            }
            if self.rules.at_end != AtEnd::Hard {
                return Err(Contradiction::AfterNoEnd("at_end"));
            }
        }
        Ok(())
    }

    /// Whether whatever is sold under it has an end: its kind is rented, or it says so.
    #[must_use]
    pub const fn always_ends(&self) -> bool {
        use LicenseModel as Kind;
        let is_rented = !matches!(
            self.rules.model,
            Kind::Perpetual | Kind::Metered | Kind::Counted
        );
        is_rented || matches!(self.sale.term, TermRule::Given)
    }

    fn check_units(&self) -> Result<(), Contradiction> {
        if self.rules.rehost && !self.rules.returns_credit {
            return Err(Contradiction::MoveWithoutReturn);
        }
        Ok(())
    }

    fn check_uses(&self) -> Result<(), Contradiction> {
        let rules = &self.rules;
        let told = matches!(rules.model, LicenseModel::Metered | LicenseModel::Counted);
        if rules.model == LicenseModel::Counted && !rules.counted {
            return Err(Contradiction::NotCounted);
        }
        if rules.counted && !rules.metered {
            return Err(Contradiction::CountedUnreported);
        }
        if rules.counted && rules.returns_credit {
            return Err(Contradiction::CountReturned);
        }
        if rules.metered && !rules.counted && !told {
            return Err(Contradiction::NotCountedOnDevices(rules.model));
        }
        if rules.uses.is_some() && !rules.metered {
            return Err(Contradiction::UsesUncounted("uses"));
        }
        if rules.uses_overdraft_percent > 0 {
            if !rules.metered {
                return Err(Contradiction::UsesUncounted("uses_overdraft_percent"));
            }
            if rules.uses.is_none() && !rules.counted {
                return Err(Contradiction::OverdraftOfNoLimit);
            }
        }
        if rules.uses_overdraft_percent > MAX_OVERDRAFT_PERCENT {
            return Err(Contradiction::TooLarge {
                field: "uses_overdraft_percent",
                most: u64::from(MAX_OVERDRAFT_PERCENT),
            });
        }
        Ok(())
    }

    fn check_trial(&self) -> Result<(), Contradiction> {
        let is_trial = self.rules.trial != Trial::No;
        match (self.rules.model == LicenseModel::Evaluation, is_trial) {
            (true, false) => return Err(Contradiction::NoTrial),
            (false, true) => return Err(Contradiction::TrialOfAnotherKind),
            (false, false) => return Ok(()),
            (true, true) => {}
        }
        if self.sale.renewal != Renewal::No {
            return Err(Contradiction::TrialRenewed);
        }
        match self.sale.start_basis {
            StartBasis::FirstActivation | StartBasis::EachActivation => Ok(()),
            StartBasis::Fixed | StartBasis::Order | StartBasis::Shipment => {
                Err(Contradiction::TrialBeforeItIsTried)
            }
        }
    }
}
