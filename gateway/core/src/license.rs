//! Licence models: how what is sold under one of them behaves, as data.
//!
//! A model is made of rules. What decides about devices is [`ModelRules`], of which an entitlement
//! keeps those it was sold under; what decides about a sale and a renewal is [`SaleRules`]. The
//! built-in kind of a model is only what devices and people are told: no decision looks at it.
//! A model is written by people, so what contradicts itself is refused ([`Model::checked`]).

mod contradiction;
mod shipped;
mod term;

use serde::{Deserialize, Serialize};

use crate::domain::{LicenseModel, StartBasis, named};
use crate::entitlement::{Entitlement, Feature, Quantity};
use crate::renewal::Base;

pub use contradiction::{Contradiction, Field, MAX_GRACE_DAYS, MAX_OVERDRAFT_PERCENT};
pub use shipped::shipped;
pub use term::{InvalidTerm, TermRule, months_and_days};

/// A version of a licence model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// From 1; grows with each change. What was sold keeps the version it was sold under.
    #[serde(default = "first")]
    pub version: u32,
    /// How it behaves on devices.
    #[serde(flatten)]
    pub rules: ModelRules,
    /// How it is sold and renewed.
    #[serde(flatten)]
    pub sale: SaleRules,
}

/// The rules of a licence model that decide about devices. What stored rules leave out is as
/// [`ModelRules::of`] has it for a perpetual right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelRules {
    /// Which of the built-in models, as the device is told.
    #[serde(skip, default = "perpetual")]
    pub model: LicenseModel,
    /// Seconds an activation goes on after its end.
    #[serde(rename = "grace_seconds")]
    pub grace: u32,
    /// Whether a device may give it back, and so free the unit.
    pub returns_credit: bool,
    /// Whether a unit that one device gave back may go to another.
    pub rehost: bool,
    /// Whether it is for trying.
    pub trial: Trial,
    /// What its end does to the features.
    pub at_end: AtEnd,
    /// Whether devices report how much they use.
    pub metered: bool,
    /// Whether a device counts its uses down, and stops at the last.
    pub counted: bool,
    /// Uses that each unit gives, where the feature of the product says no other number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<u64>,
    /// Uses beyond them that are tolerated, in percent.
    pub uses_overdraft_percent: u16,
}

/// The rules of a licence model that decide about a sale and a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SaleRules {
    /// How long what is sold runs.
    pub term: TermRule,
    /// When its term starts, where the sale says nothing else.
    #[serde(with = "start_basis")]
    pub start_basis: StartBasis,
    /// From where a renewal runs on.
    pub renewal: Renewal,
}

named! {
    /// Whether a right is for trying. What is for trying is given when it is asked for and nothing
    /// else serves, and has no stop-gap.
    Trial("trial") {
        /// It is not.
        No = 1 "no",
        /// It is, once for each device and product.
        Once = 2 "once",
        /// It is, as often as a device asks.
        Repeatable = 3 "repeatable",
    }
}

named! {
    /// What the end of a right does, its grace over.
    AtEnd("effect of an end") {
        /// The features go off, but for those that are essential.
        Hard = 1 "hard",
        /// They go on, with a warning, and the unit stays taken until the device gave it up.
        Warn = 2 "warn",
        /// What is on stays on until the device next starts, and the unit stays taken until the
        /// device says that it has ended.
        NextBoot = 3 "next-boot",
    }
}

named! {
    /// From where a renewal runs on, where nobody says another.
    Renewal("renewal base") {
        /// From the end so far.
        End = 1 "end",
        /// From the day of the renewal, if the end has passed.
        Now = 2 "now",
        /// It is not renewed.
        No = 3 "no",
    }
}

/// A name of the domain in JSON.
macro_rules! by_name {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

by_name!(Trial, AtEnd, Renewal);

mod start_basis {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::domain::StartBasis;

    pub(super) fn serialize<S: Serializer>(basis: &StartBasis, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(basis.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<StartBasis, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

const fn first() -> u32 {
    1
}

const fn perpetual() -> LicenseModel {
    LicenseModel::Perpetual
}

impl Default for ModelRules {
    fn default() -> Self {
        Self::of(LicenseModel::Perpetual)
    }
}

impl Renewal {
    /// As a renewal takes it; none where there is none.
    #[must_use]
    pub const fn base(self) -> Option<Base> {
        match self {
            Self::End => Some(Base::End),
            Self::Now => Some(Base::Now),
            Self::No => None,
        }
    }
}

impl ModelRules {
    /// Uses that an activation of so many units may have on its device before that stops; none if
    /// the device stops at no number.
    #[must_use]
    pub fn count(&self, feature: &Feature, units: u32) -> Option<u64> {
        // Who pays by use is not stopped by a number of the product.
        if self.metered && !self.counted {
            return None;
        }
        let each = feature.uses.or(self.uses)?;
        Some(self.with_overdraft(each.saturating_mul(u64::from(units))))
    }

    /// Uses that so many units of a product give together, whose features give so many each; none
    /// where they are not limited. What the features say differently is counted together, so the
    /// fewest count.
    #[must_use]
    pub fn uses_allowed(
        &self,
        of_features: impl Iterator<Item = u64>,
        quantity: Quantity,
    ) -> Option<u64> {
        let Quantity::Units(units) = quantity else {
            return None;
        };
        let each = of_features.min().or(self.uses)?;
        Some(each.saturating_mul(u64::from(units)))
    }

    /// Whether so many uses, those that are tolerated included, use up what is allowed, so that
    /// nothing new is given. Where devices stop by themselves, nothing else has to.
    #[must_use]
    pub fn are_spent(&self, used: u64, allowed: Option<u64>) -> bool {
        let limited = self.metered && !self.counted;
        limited && allowed.is_some_and(|allowed| used >= self.with_overdraft(allowed))
    }

    /// Uses with what is tolerated beyond them.
    #[must_use]
    pub fn with_overdraft(&self, uses: u64) -> u64 {
        let percent = u128::from(self.uses_overdraft_percent) + 100;
        u64::try_from(u128::from(uses) * percent / 100).unwrap_or(u64::MAX)
    }
}

impl Entitlement {
    /// Uses that all its units give together; none where they are not limited.
    #[must_use]
    pub fn uses_allowed(&self) -> Option<u64> {
        let of_features = self.features.iter().filter_map(|feature| feature.uses);
        self.rules.uses_allowed(of_features, self.quantity)
    }

    /// Whether its uses are used up: [`ModelRules::are_spent`].
    #[must_use]
    pub fn uses_are_spent(&self) -> bool {
        self.rules.are_spent(self.used, self.uses_allowed())
    }

    /// Whether a feature of it stays on after the end, with a warning. What is revoked does not.
    pub(crate) fn outlives_its_end(&self, feature: &Feature) -> bool {
        self.revoked_from.is_none() && (feature.essential || self.rules.at_end == AtEnd::Warn)
    }

    /// Whether its end takes effect at the next start of a device. What is revoked does not wait.
    pub(crate) fn ends_at_next_boot(&self) -> bool {
        self.revoked_from.is_none() && self.rules.at_end == AtEnd::NextBoot
    }

    /// Whether anything of it stays on after the end, with a warning.
    pub(crate) fn warns(&self) -> bool {
        self.features
            .iter()
            .any(|feature| self.outlives_its_end(feature))
    }

    /// Whether anything of it may run after the end, so that time alone does not free its units.
    pub(crate) fn outlives(&self) -> bool {
        self.warns() || self.ends_at_next_boot()
    }
}

#[cfg(test)]
mod tests;
