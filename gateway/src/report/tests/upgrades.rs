//! Upgrades on a ledger whose devices answer.

use std::sync::Arc;

use super::*;
use crate::activation::Rules;
use crate::clock::Clock;
use crate::lifecycle::{Deed, Direction, Upgrade, settle_upgrades};
use crate::operator::{Attempt, Operator};
use crate::store::entitlement;

fn upgrade(ledger: &Ledger, rules: &Arc<Rules>, entitlement: &str, reference: &str) {
    let operator = Operator {
        store: ledger.store.clone(),
        rules: Arc::clone(rules),
        clock: Clock::manual(ledger.now).0,
        actor: "tester".to_owned(),
    };
    let deed = Deed::Upgrade(Upgrade {
        product: "P2".to_owned(),
        reference: reference.to_owned(),
        direction: Direction::Up,
    });
    let (id, now) = (ledger.entitlement(entitlement), ledger.now);
    let tried = ledger
        .store
        .write_blocking("t", move |db| operator.attempt_on(db, id, &deed, now));
    assert!(matches!(tried.unwrap(), Attempt::Done(change) if change.changed));
}

#[test]
fn an_upgrade_that_waits_for_its_device_holds_up_no_other() {
    let mut ledger = Ledger::new();
    let products = "product,title,feature,replaces\nP,Pump,pump,\nP2,Pump 2,pump-2,P\n";
    ledger.import(Kind::Products, products);
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
         erp,O-1,2026-10-20,C-1,1,PUMP,1,production\n\
         erp,O-2,2026-10-20,C-2,1,PUMP,1,production\n",
    );
    ledger.import(
        Kind::Manifest,
        "serial,system,owner,hwmodel\n1,erp,C-1,pump-1\n2,erp,C-2,pump-1\n",
    );
    for device in [1, 2] {
        ledger.activate(device, &[("pump", 1)]);
    }
    let rules = super::campaigns::rules();
    upgrade(&ledger, &rules, "O-1/1/P/perpetual", "U-1");
    ledger.wait(1);
    upgrade(&ledger, &rules, "O-2/1/P/perpetual", "U-2");
    ledger.give_back(2, &[("pump", 0)]);

    let now = ledger.now;
    let settled = ledger
        .store
        .write_blocking("t", move |db| settle_upgrades(db, now, 1));
    settled.unwrap();
    let units = |reference| {
        let id = ledger.entitlement(reference);
        let found = ledger.read(move |db| entitlement::find(db, id));
        found.unwrap().units
    };
    assert_eq!((units("U-1"), units("U-2")), (0, 1));
}
