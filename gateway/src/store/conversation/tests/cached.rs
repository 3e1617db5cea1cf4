//! What is kept from one transaction to the next is forgotten when anybody changes it.

use fleetgrant_core::domain::TierName;
use fleetgrant_core::tier::{Mode, TierPolicy, standard};

use super::*;
use crate::store::policy;

const OCCASION: Occasion<'static> = Occasion {
    at: NOW,
    actor: "operator",
    cause: &[],
};

/// The policy that device 1 is under, in the eyes of a gateway that keeps what it read.
fn policy_of(fixture: &Fixture) -> Arc<TierPolicy> {
    let handset = fixture.handset(1);
    let load = move |db: &mut Db| load_holdings(db, &handset.cache, &handset.id);
    let holdings = fixture.store.read_blocking("test", load).unwrap();
    holdings.unwrap().tier
}

fn put_in_force(fixture: &Fixture, tier: &'static str, mode: Mode) {
    let put = move |db: &mut Db| {
        let mut rules = standard().rules;
        rules.activation = mode;
        policy::put_in_force(db, &TierName::new(tier).unwrap(), &rules, OCCASION)
    };
    fixture.another().write_blocking("test", put).unwrap();
}

#[test]
fn a_policy_put_in_force_by_another_process_is_seen_at_once() {
    let fixture = Fixture::new(1, 1);
    let before = policy_of(&fixture);
    assert!(Arc::ptr_eq(&before, &policy_of(&fixture)));
    put_in_force(&fixture, "standard", Mode::Approval);
    let after = policy_of(&fixture);
    assert_eq!(after.tag.version, before.tag.version + 1);
    assert_eq!(after.rules.activation, Mode::Approval);
}

#[test]
fn an_owner_that_another_process_moves_to_another_tier_is_seen_there_at_once() {
    let fixture = Fixture::new(1, 1);
    assert_eq!(policy_of(&fixture).tag.tier.as_str(), "standard");
    fixture.import_as(
        Kind::Parties,
        "system,party,name,tier\nerp,C,Customer,volume\n",
        true,
    );
    assert_eq!(policy_of(&fixture).tag.tier.as_str(), "volume");
}
