//! What policies allow the fleet.

use crate::tier::{Permit, Quota, TierPolicy, shipped};

/// A generous policy, and one under which little is given unasked.
pub(in crate::model::tests) fn policies() -> Vec<TierPolicy> {
    let [strategic, standard, mut volume] = shipped();
    let mut tight = standard.clone();
    tight.rules.rehost = volume.rules.rehost.map(|permit| match permit {
        Permit::SelfService(quota) => Permit::SelfService(Quota {
            units: 1,
            per_units: None,
            ..quota
        }),
        Permit::Approval => Permit::Approval,
    });
    volume.rules.temporary = None;
    vec![strategic, standard, tight, volume]
}
