//! What the maker allows the parties of a tier: policy as data, in versions.
//!
//! A policy is written by people, so it is parsed (see [`draft`]): what contradicts itself never
//! becomes [`TierRules`]. Every decision is made under one version, and says which.
//!
//! What is the same for every tier (the protocol's own limits) is [`crate::policy::Policy`].

pub mod draft;
mod layer;
mod shipped;
mod window;

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::{TierName, named};
use crate::entitlement::Quantity;

pub use layer::{Layer, Policies};
pub use shipped::{DEFAULT_TIER, shipped, standard};
pub use window::{InvalidWindow, Window};

/// A version of the policy of a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierPolicy {
    /// Which version of which tier.
    pub tag: PolicyTag,
    /// What it says.
    pub rules: TierRules,
}

/// Names a version of a tier's policy, as decisions record it: `standard/1`, or, where others lie over
/// it, with the reference of each, the lowest first: `standard/1+product:P-2+C-7+entitlement:E-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyTag {
    /// The tier.
    pub tier: TierName,
    /// From 1, and never changed once it was in force.
    pub version: u32,
    /// The product's policy that lies over it, by its reference.
    pub product: Option<String>,
    /// The contract whose policy lies over those, by its reference.
    pub contract: Option<String>,
    /// The entitlement's policy that lies over those, by its reference.
    pub entitlement: Option<String>,
}

/// What the parties of a tier may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierRules {
    /// Whether a want draws on the owner's pool.
    pub activation: Mode,
    /// Whether a device may give units back.
    pub returns: Mode,
    /// Whether a unit that a device gave back may go to another; none: to none.
    pub rehost: Option<Permit>,
    /// Whether a device may be declared dead and its units go to another at once; none: no.
    pub rehost_unconfirmed: Option<Permit>,
    /// Whether there are temporary licences; none: there are none.
    pub temporary: Option<Temporary>,
    /// Seconds that an activation goes on after its end at least, whatever its licence model says.
    pub grace: u32,
    /// Whether devices are served in files.
    pub offline: bool,
    /// Seconds after which a device asks again; none: as the installation says.
    pub renew_after: Option<u32>,
    /// Seconds that a device runs without contact; none: for ever.
    pub lease: Option<NonZeroU32>,
    /// How a device of the tier is admitted.
    pub admission: Admission,
    /// Requests of a device in a day that are served; none: as many as come.
    pub requests_per_day: Option<NonZeroU16>,
    /// Units beyond those that were bought that are given all the same.
    pub overdraft: Overdraft,
    /// From which value of what was bought on the tier is suggested; none: never.
    pub suggested: Option<Suggestion>,
}

/// Units of what is sold that are given beyond those bought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overdraft {
    /// So many of each entitlement.
    pub units: u32,
    /// One more for each so many that were bought.
    pub per_units: Option<NonZeroU32>,
}

/// From which value of what was bought on a tier is suggested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// Of orders that are no longer ago.
    pub window: Window,
    /// In each currency by its ISO 4217 code, whole units of it: as much as one of these, or parts
    /// of several that come to a whole together.
    pub values: BTreeMap<String, NonZeroU32>,
}

impl Overdraft {
    /// Units beyond so many that were bought.
    #[must_use]
    pub fn of(self, units: u32) -> u32 {
        let more = self.per_units.map_or(0, |per| units / per);
        self.units.saturating_add(more)
    }
}

impl Suggestion {
    /// How much of what it takes was bought, in parts of which [`Suggestion::WHOLE`] are all, by
    /// value in ten-thousandths of each currency. What has no value here counts for nothing.
    ///
    /// Each currency is rounded up, so that a third in one and two thirds in another are a whole.
    /// One part is far less of a whole than the smallest amount is of the largest value.
    #[must_use]
    pub fn reached<'a>(&self, bought: impl Iterator<Item = (&'a str, i64)>) -> i128 {
        bought
            .filter_map(|(currency, value)| {
                let whole = i128::from(self.values.get(currency)?.get()) * 10_000;
                // Below 2^63 × 10^18, which fits.
                let parts = i128::from(value) * Self::WHOLE;
                let rest = i128::from(parts.rem_euclid(whole) > 0);
                Some(parts.div_euclid(whole) + rest)
            })
            .sum()
    }

    /// What [`Suggestion::reached`] must come to.
    pub const WHOLE: i128 = 1_000_000_000_000_000_000;
}

/// How a kind of request is answered; the stricter the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// At once.
    SelfService,
    /// When somebody has approved it.
    Approval,
    /// Not at all.
    Refused,
}

/// How a kind of request is answered that is answered at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// When somebody has approved it.
    Approval,
    /// At once, while the quota lasts.
    SelfService(Quota),
}

/// How much is given without asking anybody, in a rolling window that ends at the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Units.
    pub units: u32,
    /// One unit more for each so many of the entitlement.
    pub per_units: Option<NonZeroU32>,
    /// How long a use counts.
    pub window: Window,
    /// Whose uses are counted together.
    pub scope: QuotaScope,
    /// What becomes of a request beyond it.
    pub beyond: Beyond,
}

named! {
    /// Whose uses of a quota are counted together.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    QuotaScope("quota scope") {
        /// Those of one entitlement.
        Entitlement = 1 "entitlement",
        /// Those of one owner, over all its entitlements.
        Customer = 2 "customer",
        /// Those of one device.
        Device = 3 "device",
    }
}

/// What becomes of a request beyond its quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beyond {
    /// It waits for an approval.
    Approval,
    /// It is refused until the window has moved on.
    Refused,
}

/// What temporary licences there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Temporary {
    /// How a request for one is answered.
    pub permit: Permit,
    /// Days that one runs, from when it is given.
    pub days: NonZeroU16,
    /// What it is given for.
    pub causes: Causes,
}

/// What a temporary licence is given for: at least one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Causes {
    /// The right has ended and its renewal is late.
    Expired,
    /// The device that has the right is broken.
    Broken,
    /// Either.
    Both,
}

/// Why a temporary licence is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A stop-gap: the right has ended and its renewal is late.
    Expired,
    /// An emergency: the device that has the right is broken.
    Broken,
}

/// How a device of a tier is admitted, where its trust anchor would admit it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Admission {
    /// At once.
    Automatic,
    /// By an operator.
    Approval,
}

impl TierPolicy {
    /// The policy of whoever has no tier: `standard`, as it is shipped.
    #[must_use]
    pub fn unassigned() -> Arc<Self> {
        Arc::new(standard())
    }
}

impl Quota {
    /// Units that may be given within the window for an entitlement of this quantity.
    #[must_use]
    pub fn allowance(&self, quantity: Quantity) -> u32 {
        let more = match (self.per_units, quantity) {
            (None, _) => 0,
            (Some(per), Quantity::Units(units)) => units / per,
            (Some(_), Quantity::Unlimited) => u32::MAX,
        };
        self.units.saturating_add(more)
    }
}

impl Causes {
    /// Whether this is one of them.
    #[must_use]
    pub const fn include(self, cause: Cause) -> bool {
        matches!(
            (self, cause),
            (Self::Both, _) | (Self::Expired, Cause::Expired) | (Self::Broken, Cause::Broken)
        )
    }
}

impl Cause {
    /// As text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Broken => "broken",
        }
    }
}

impl TierRules {
    /// No use of a quota of these rules counts that is longer ago; seconds.
    #[must_use]
    pub fn longest_window(&self) -> u64 {
        let temporary = self.temporary.map(|temporary| temporary.permit);
        [self.rehost, self.rehost_unconfirmed, temporary]
            .into_iter()
            .flatten()
            .filter_map(|permit| match permit {
                Permit::SelfService(quota) => Some(quota.window.longest()),
                Permit::Approval => None,
            })
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
