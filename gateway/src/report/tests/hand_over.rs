//! What changes hands on a ledger whose devices answer.

use fleetgrant_core::ask::Reason;
use fleetgrant_core::domain::PartyId;
use fleetgrant_core::hand_over::HandOverError;

use super::*;
use crate::clock::Clock;
use crate::lifecycle::{Deed, Direction, EntitlementActError, Split, Upgrade};
use crate::operator::{Attempt, Operator};
use crate::store::{Db, entitlement, party};

const OLD: &str = "O-1/1/P/perpetual";

/// A customer of two units and another of none; device 1 uses a unit.
fn two_customers() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.import(
        Kind::Products,
        "product,title,feature,replaces\nP,Pump,pump,\nP2,Pump 2,pump-2,P\n",
    );
    ledger.import(
        Kind::Skus,
        "sku,title,product,model,term,start_basis\nPUMP,Pump,P,perpetual,,fixed\n",
    );
    ledger.import(
        Kind::Parties,
        "system,party,name\nerp,C-1,Acme\nerp,C-2,Bolt\n",
    );
    ledger.import(
        Kind::Orders,
        "system,order,ordered_at,sold_to,line,sku,quantity,purpose\n\
         erp,O-1,2026-10-20,C-1,1,PUMP,2,production\n",
    );
    ledger.import(
        Kind::Manifest,
        "serial,system,owner,hwmodel\n1,erp,C-1,pump-1\n",
    );
    ledger.activate(1, &[("pump", 1)]);
    ledger
}

fn operator(ledger: &Ledger) -> Operator {
    Operator {
        store: ledger.store.clone(),
        rules: super::campaigns::rules(),
        clock: Clock::manual(ledger.now).0,
        actor: "tester".to_owned(),
    }
}

fn party(ledger: &Ledger, name: &'static str) -> PartyId {
    let found = ledger.read(move |db: &mut Db| party::by_external_id(db, "erp", name));
    found.unwrap().id.0
}

fn units(ledger: &Ledger, reference: &str) -> (u32, u32) {
    let id = ledger.entitlement(reference);
    let found = ledger.read(move |db| entitlement::find(db, id)).unwrap();
    let stock = found.stock().unwrap();
    (stock.units, stock.live)
}

fn sell_on(ledger: &Ledger, to: &'static str) -> Vec<(String, String, u32)> {
    let (operator, to, now) = (operator(ledger), party(ledger, to), ledger.now);
    let id = ledger::device_id(1);
    let tried = ledger
        .store
        .write_blocking("t", move |db| operator.attempt_transfer(db, &id, to, now));
    match tried.unwrap() {
        Attempt::Done(resale) => resale.moved,
        other => panic!("{other:?}"),
    }
}

fn act(ledger: &Ledger, reference: &str, deed: Deed) -> Result<(), EntitlementActError> {
    let (operator, id, now) = (operator(ledger), ledger.entitlement(reference), ledger.now);
    let tried = ledger
        .store
        .write_blocking("t", move |db| operator.attempt_on(db, id, &deed, now));
    match tried.unwrap() {
        Attempt::Done(_) => Ok(()),
        Attempt::Refused(reason) => Err(reason),
        Attempt::Stale => panic!("nobody else writes"),
    }
}

/// Whoever gives a unit back and sells the device has the unit when the device has signed.
#[test]
fn what_was_given_back_does_not_go_along_with_the_device() {
    let mut ledger = two_customers();
    ledger.ask_for(Reason::Return, 1, &[("pump", 0)]);
    assert_eq!(units(&ledger, OLD), (2, 1));
    assert_eq!(sell_on(&ledger, "C-2"), []);
    assert_eq!(units(&ledger, OLD), (2, 1), "it is not proven yet");
    ledger.acknowledge(1);
    assert_eq!(units(&ledger, OLD), (2, 0));
}

#[test]
fn what_a_device_has_goes_along_with_it() {
    let mut ledger = two_customers();
    let part = format!("{OLD}/{}", ledger::device_id(1));
    let moved = [(OLD.to_owned(), part.clone(), 1)];
    assert_eq!(sell_on(&ledger, "C-2"), moved);
    assert_eq!(
        (units(&ledger, OLD), units(&ledger, &part)),
        ((1, 0), (1, 1))
    );
    // Its word counts for what is its new owner's.
    ledger.give_back(1, &[("pump", 0)]);
    assert_eq!(
        (units(&ledger, OLD), units(&ledger, &part)),
        ((1, 0), (1, 0))
    );
}

/// What has units on their way to it would get them from whoever has it then, and as many as it has
/// tell how many are still to come.
#[test]
fn nothing_leaves_what_devices_are_just_getting() {
    let ledger = two_customers();
    let upgrade = Upgrade {
        product: "P2".to_owned(),
        reference: "NEW".to_owned(),
        direction: Direction::Up,
    };
    act(&ledger, OLD, Deed::Upgrade(upgrade)).unwrap();
    assert_eq!(
        (units(&ledger, OLD), units(&ledger, "NEW")),
        ((1, 1), (1, 0))
    );
    let split = Split {
        units: 1,
        reference: "PART".to_owned(),
        to: None,
    };
    let to = party(&ledger, "C-2");
    for deed in [Deed::Split(split), Deed::Transfer(to)] {
        let refused = act(&ledger, "NEW", deed.clone());
        let is_upgraded = matches!(
            &refused,
            Err(EntitlementActError::HandOver {
                reason: HandOverError::BeingUpgraded,
                ..
            })
        );
        assert!(is_upgraded, "{deed:?}: {refused:?}");
    }
}
