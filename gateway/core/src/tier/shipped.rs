//! The policies that an installation begins with.

use std::num::{NonZeroU16, NonZeroU32};

use super::{
    Admission, Beyond, Causes, Mode, Overdraft, Permit, PolicyTag, Quota, QuotaScope, Temporary,
    TierPolicy, TierRules, Window,
};
use crate::domain::TierName;

/// The tier of a party that has none, and of a device that nobody owns.
pub const DEFAULT_TIER: &str = "standard";

const DAY: u32 = 86_400;
const YEAR: Window = Window::new(12, 0).expect("a year is a window");

/// The policies that an installation begins with, in their first version.
#[must_use]
pub fn shipped() -> [TierPolicy; 3] {
    [strategic(), standard(), volume()]
}

/// Few customers, each known by name: much is given at once, and what is not waits for a person.
fn strategic() -> TierPolicy {
    first(
        "strategic",
        TierRules {
            rehost: Some(quota(12, Some(1), Beyond::Approval)),
            rehost_unconfirmed: Some(quota(2, Some(10), Beyond::Approval)),
            temporary: Some(Temporary {
                permit: quota(4, Some(4), Beyond::Approval),
                days: days(14),
                causes: Causes::Both,
            }),
            grace: 30 * DAY,
            ..common()
        },
    )
}

/// The policy of whoever has no tier.
#[must_use]
pub fn standard() -> TierPolicy {
    first(
        DEFAULT_TIER,
        TierRules {
            rehost: Some(quota(3, Some(1), Beyond::Approval)),
            rehost_unconfirmed: Some(Permit::Approval),
            temporary: Some(Temporary {
                permit: quota(1, Some(10), Beyond::Approval),
                days: days(7),
                causes: Causes::Both,
            }),
            ..common()
        },
    )
}

/// Very many customers, so that nobody is asked: looser rules, and beyond them a refusal.
fn volume() -> TierPolicy {
    first(
        "volume",
        TierRules {
            rehost: Some(quota(6, Some(1), Beyond::Refused)),
            rehost_unconfirmed: Some(quota(1, Some(20), Beyond::Refused)),
            temporary: Some(Temporary {
                permit: quota(2, Some(10), Beyond::Refused),
                days: days(3),
                causes: Causes::Both,
            }),
            grace: 7 * DAY,
            renew_after: Some(14 * DAY),
            requests_per_day: NonZeroU16::new(500),
            ..common()
        },
    )
}

fn first(tier: &str, rules: TierRules) -> TierPolicy {
    TierPolicy {
        tag: PolicyTag {
            tier: TierName::new(tier).expect("a shipped tier has a name"),
            version: 1,
            product: None,
            contract: None,
            entitlement: None,
        },
        rules,
    }
}

const fn common() -> TierRules {
    TierRules {
        activation: Mode::SelfService,
        returns: Mode::SelfService,
        rehost: None,
        rehost_unconfirmed: None,
        temporary: None,
        grace: 0,
        offline: true,
        renew_after: None,
        lease: None,
        admission: Admission::Automatic,
        requests_per_day: None,
        overdraft: Overdraft {
            units: 0,
            per_units: None,
        },
        suggested: None,
    }
}

const fn quota(units: u32, per_units: Option<u32>, beyond: Beyond) -> Permit {
    Permit::SelfService(Quota {
        units,
        per_units: match per_units {
            Some(per) => NonZeroU32::new(per),
            None => None,
        },
        window: YEAR,
        scope: QuotaScope::Entitlement,
        beyond,
    })
}

const fn days(days: u16) -> NonZeroU16 {
    NonZeroU16::new(days).expect("a temporary licence runs for a day at least")
}
