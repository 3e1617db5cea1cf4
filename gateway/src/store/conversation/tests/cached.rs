//! What is kept from one transaction to the next is forgotten when anybody changes it.

use fleetgrant_core::domain::{EntitlementId, TierName};
use fleetgrant_core::tier::{Mode, Policies, TierPolicy, standard};

use super::*;
use crate::policy_layers::{Named, Terms};
use crate::store::listing::{self, EntitlementFilter};
use crate::store::policy_override::{self, Subject};
use crate::store::{policy, product};

const OCCASION: Occasion<'static> = Occasion {
    at: NOW,
    actor: "operator",
    cause: &[],
};

/// The policies that device 1 is under, in the eyes of a gateway that keeps what it read.
fn policies_of(fixture: &Fixture) -> Policies {
    let handset = fixture.handset(1);
    let load = move |db: &mut Db| load_holdings(db, &handset.cache, &handset.id);
    let holdings = fixture.store.read_blocking("test", load).unwrap();
    holdings.unwrap().policies
}

fn policy_of(fixture: &Fixture) -> TierPolicy {
    policies_of(fixture).device().clone()
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
    let before = policies_of(&fixture);
    let kept = policies_of(&fixture);
    assert!(std::ptr::eq(before.device(), kept.device()));
    let before = before.device();
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

fn override_of(fixture: &Fixture, of: fn(&mut Db) -> Subject, json: &'static str) {
    let put = move |db: &mut Db| {
        let subject = of(db);
        let named = Named {
            reference: "R-1".to_owned(),
            terms: Terms::parse(json).unwrap(),
        };
        policy_override::put_in_force(db, subject, &named, OCCASION)
    };
    let put = fixture.another().write_blocking("test", put).unwrap();
    assert_eq!(put, policy_override::Put::InForce);
}

fn first_sold(db: &mut Db) -> EntitlementId {
    let found = listing::entitlements(db, &EntitlementFilter::default(), 1).unwrap();
    found[0].id.0
}

#[test]
fn a_policy_of_a_right_put_in_force_by_another_process_is_seen_at_once_and_read_once() {
    let fixture = Fixture::new(1, 1);
    let mut handset = fixture.handset(1);
    handset.admit(&fixture.store, 1);
    let sold = fixture
        .store
        .read_blocking("test", |db| Ok(first_sold(db)))
        .unwrap();
    let before = policies_of(&fixture);
    assert_eq!(before.of(sold).tag.to_string(), "standard/1");
    override_of(
        &fixture,
        |db| Subject::Product(product::by_code(db, "P").unwrap().unwrap().id.0),
        r#"{"grace_days":5}"#,
    );
    let of_product = policies_of(&fixture);
    assert_eq!(
        of_product.of(sold).tag.to_string(),
        "standard/1+product:R-1"
    );
    assert!(std::ptr::eq(
        of_product.of(sold),
        policies_of(&fixture).of(sold)
    ));
    assert_eq!(of_product.device().tag.to_string(), "standard/1");
    override_of(
        &fixture,
        |db| Subject::Entitlement(first_sold(db)),
        r#"{"returns":"approval"}"#,
    );
    let of_both = policies_of(&fixture);
    assert_eq!(
        of_both.of(sold).tag.to_string(),
        "standard/1+product:R-1+entitlement:R-1"
    );
    let rules = of_both.rules(sold);
    assert_eq!((rules.grace, rules.returns), (5 * 86_400, Mode::Approval));
}
