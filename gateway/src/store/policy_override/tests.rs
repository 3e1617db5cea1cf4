#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use fleetgrant_core::domain::Timestamp;
use fleetgrant_core::tier::TierRules;

use super::*;
use crate::import::{self, ImportOptions, Kind};
use crate::store::Store;
use crate::store::scratch::Scratch;
use crate::store::{entitlement, party, product};

const OCCASION: Occasion<'static> = Occasion {
    at: Timestamp::from_seconds(1_796_126_400),
    actor: "operator",
    cause: &[],
};

/// Two parties, one of the tier volume, that have two units of a product each.
fn store(scratch: &Scratch) -> Store {
    let store = scratch.open();
    let files = [
        (
            Kind::Products,
            "product,title,feature\nP,Pump,pump\nQ,Quiet,quiet\n",
        ),
        (
            Kind::Parties,
            "system,party,name,tier\nerp,C-1,Acme,volume\nerp,C-2,Bright,\n",
        ),
        (
            Kind::Entitlements,
            "system,entitlement,owner,product,model,units\nerp,E-1,C-1,P,perpetual,2\n\
             erp,E-2,C-2,P,perpetual,2\n",
        ),
    ];
    for (kind, text) in files {
        let options = ImportOptions {
            dry_run: false,
            amend: false,
            skip_bad: false,
            actor: "tester".to_owned(),
            now: OCCASION.at,
            product_lines: Vec::new(),
            time_zone: jiff::tz::TimeZone::UTC,
            manufacturer: None,
        };
        let source = Cursor::new(text.as_bytes().to_vec());
        let report = import::run(kind, source, options, &store).unwrap();
        assert!(report.committed, "{:?}", report.errors);
    }
    store
}

/// Ids of what the files bring.
struct There {
    acme: PartyId,
    pump: Subject,
    quiet: ProductId,
    first: EntitlementId,
    second: EntitlementId,
}

fn there(db: &mut Db) -> There {
    let mut product = |code| product::by_code(db, code).unwrap().unwrap().id.0;
    let (pump, quiet) = (product("P"), product("Q"));
    let mut right = |name| {
        entitlement::by_reference(db, "erp", name)
            .unwrap()
            .unwrap()
            .id
            .0
    };
    let (first, second) = (right("E-1"), right("E-2"));
    There {
        acme: party::by_external_id(db, "erp", "C-1")
            .unwrap()
            .unwrap()
            .id
            .0,
        pump: Subject::Product(pump),
        quiet,
        first,
        second,
    }
}

fn named(reference: &str, json: &str) -> Named {
    Named {
        reference: reference.to_owned(),
        terms: Terms::parse(json).unwrap(),
    }
}

fn put(db: &mut Db, subject: Subject, reference: &str, json: &str) -> Put {
    put_in_force(db, subject, &named(reference, json), OCCASION).unwrap()
}

/// The name of the policy of the first entitlement, or of another right of its owner.
fn tag(db: &mut Db, of: &There, product: ProductId, entitlement: Option<EntitlementId>) -> String {
    let policy = of_right(db, Some(of.acme), product, entitlement).unwrap();
    policy.tag.to_string()
}

/// Runs it on the two parties.
fn with_store(test: impl Fn(&mut Db, &There) + Send + 'static) {
    let scratch = Scratch::new();
    store(&scratch)
        .write_blocking("test", move |db| {
            let there = there(db);
            test(db, &there);
            Ok(())
        })
        .unwrap();
}

#[test]
fn layers_come_and_go_in_order_and_are_named() {
    with_store(|db, it| {
        let Subject::Product(pump) = it.pump else {
            unreachable!("it is a product");
        };
        let first = Subject::Entitlement(it.first);
        assert_eq!(tag(db, it, pump, Some(it.first)), "volume/1");
        assert_eq!(put(db, it.pump, "P-1", r#"{"grace_days":1}"#), Put::InForce);
        assert_eq!(put(db, first, "E-1", r#"{"grace_days":3}"#), Put::InForce);
        let terms = Terms::parse(r#"{"grace_days":2}"#).unwrap();
        let contract =
            contract::put_in_force(db, it.acme, "C-1", &terms.clone().into(), OCCASION).unwrap();
        assert_eq!(contract, contract::Put::InForce);
        assert_eq!(
            tag(db, it, pump, Some(it.first)),
            "volume/1+product:P-1+C-1+entitlement:E-1"
        );
        assert_eq!(tag(db, it, pump, None), "volume/1+product:P-1+C-1");
        assert_eq!(tag(db, it, it.quiet, None), "volume/1+C-1");
        assert_eq!(
            policy::of_owner(db, Some(it.acme)).unwrap().tag.to_string(),
            "volume/1+C-1"
        );
        // Never changed: the same reference says the same for good.
        assert_eq!(put(db, first, "E-1", r#"{"grace_days":3}"#), Put::Unchanged);
        assert_eq!(
            put(db, first, "E-1", r#"{"grace_days":4}"#),
            Put::ReferenceTaken
        );
        assert_eq!(put(db, first, "E-2", r#"{"grace_days":4}"#), Put::InForce);
        assert_eq!(
            put(db, first, "E-1", r#"{"grace_days":3}"#),
            Put::ReferenceTaken
        );
        assert_eq!(
            end(db, first, OCCASION).unwrap(),
            Ended::Ended("E-2".to_owned())
        );
        assert_eq!(end(db, first, OCCASION).unwrap(), Ended::None);
        assert_eq!(
            tag(db, it, pump, Some(it.first)),
            "volume/1+product:P-1+C-1"
        );
        let told = event::of_stream(db, Stream::Entitlement(it.first)).unwrap();
        let kinds = told
            .iter()
            .filter(|told| told.kind.0 == EventKind::PolicyOverridden);
        assert_eq!(kinds.count(), 3);
        let told = event::of_stream(db, Stream::Catalogue).unwrap();
        assert!(
            told.iter()
                .any(|told| told.kind.0 == EventKind::PolicyOverridden)
        );
    });
}

fn contradicted(put: &Put, words: &[&str]) {
    let Put::Contradicted(told) = put else {
        panic!("{put:?}");
    };
    for word in words {
        assert!(told.to_string().contains(word), "{word}: {told}");
    }
}

#[test]
fn a_product_must_go_with_every_tier_and_contract() {
    with_store(|db, it| {
        // No tier but volume says when a device asks again.
        let lease = r#"{"lease_days":30}"#;
        contradicted(
            &put(db, it.pump, "P-1", lease),
            &["in the tier s", "lease_days"],
        );
    });
    with_store(|db, it| {
        let moves = r#"{"rehost_unconfirmed":{"mode":"refused"}}"#;
        let terms = Terms::parse(moves).unwrap();
        contract::put_in_force(db, it.acme, "C-1", &terms.clone().into(), OCCASION).unwrap();
        let none = r#"{"rehost":{"mode":"refused"},"rehost_unconfirmed":{"mode":"refused"}}"#;
        assert_eq!(put(db, it.pump, "P-1", none), Put::InForce);
        // Its moves would begin with returns that the product refuses.
        let none = r#"{"returns":"refused","rehost":{"mode":"refused"},"rehost_unconfirmed":{"mode":"refused"}}"#;
        assert_eq!(put(db, it.pump, "P-2", none), Put::InForce);
        let terms = Terms::parse(r#"{"rehost":{"mode":"approval"}}"#).unwrap();
        let put =
            contract::put_in_force(db, it.acme, "C-2", &terms.clone().into(), OCCASION).unwrap();
        let contract::Put::Contradicted(told) = put else {
            panic!("{put:?}");
        };
        assert!(
            told.to_string()
                .contains("Acme: the policy C-2 of the contract"),
            "{told}"
        );
    });
    with_store(|db, it| {
        let terms = Terms::parse(
            r#"{"rehost":{"mode":"approval"},"rehost_unconfirmed":{"mode":"approval"}}"#,
        );
        contract::put_in_force(db, it.acme, "C-1", &terms.unwrap().clone().into(), OCCASION)
            .unwrap();
        let none = r#"{"returns":"refused","rehost":{"mode":"refused"},"rehost_unconfirmed":{"mode":"refused"}}"#;
        contradicted(
            &put(db, it.pump, "P-1", none),
            &["Acme", "C-1 of the contract", "product:P-1"],
        );
    });
}

#[test]
fn what_lies_over_a_contract_keeps_it_from_ending() {
    with_store(|db, it| {
        // Bright is of no tier, and `standard` has no lease.
        let second = Subject::Entitlement(it.second);
        let lease = r#"{"lease_days":30}"#;
        contradicted(
            &put(db, second, "E-1", lease),
            &["E-2: ", "over the policy of the tier standard"],
        );
    });
    with_store(|db, it| {
        let bright = entitlement::find(db, it.second)
            .unwrap()
            .unwrap()
            .owner_id
            .unwrap()
            .0;
        let terms = Terms::parse(r#"{"renew_after_days":10}"#).unwrap();
        contract::put_in_force(db, bright, "C-1", &terms.clone().into(), OCCASION).unwrap();
        let second = Subject::Entitlement(it.second);
        assert_eq!(put(db, second, "E-1", r#"{"lease_days":30}"#), Put::InForce);
        let ended = contract::end(db, bright, OCCASION).unwrap();
        assert!(
            matches!(ended, contract::Ended::Contradicted(_)),
            "{ended:?}"
        );
    });
}

#[test]
fn a_tier_keeps_to_what_lies_over_it() {
    with_store(|db, it| {
        let first = Subject::Entitlement(it.first);
        assert_eq!(put(db, first, "E-1", r#"{"lease_days":30}"#), Put::InForce);
        let volume = policy::of_tier(db, Some(it.acme)).unwrap();
        let later = TierRules {
            renew_after: Some(29 * 86_400),
            ..volume.rules.clone()
        };
        let set = policy::put_in_force(db, &volume.tag.tier, &later, OCCASION).unwrap();
        let policy::Put::Contradicted(told) = set else {
            panic!("{set:?}");
        };
        assert!(
            told.to_string()
                .contains("E-1: the policy E-1 of the entitlement"),
            "{told}"
        );
        let strict = TierRules {
            grace: 86_400,
            ..volume.rules
        };
        // As it was undone, were it not for this test.
        let set = policy::put_in_force(db, &volume.tag.tier, &strict, OCCASION).unwrap();
        assert!(matches!(set, policy::Put::InForce(_)), "{set:?}");
    });
}

#[test]
fn a_part_is_under_what_the_whole_is_under() {
    with_store(|db, it| {
        assert_eq!(
            put(
                db,
                Subject::Entitlement(it.first),
                "E-1",
                r#"{"grace_days":3}"#
            ),
            Put::InForce
        );
        copy(db, it.first, it.second, OCCASION).unwrap();
        let own = in_force(db, Subject::Entitlement(it.second)).unwrap();
        assert_eq!(own, Some(named("E-1", r#"{"grace_days":3}"#)));
    });
}
