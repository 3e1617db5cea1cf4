//! Uses that were imported beside those that devices report.

use super::*;
use crate::report::uses;

#[test]
fn imported_uses_are_told_with_those_of_devices_and_found_by_device_and_feature() {
    let mut ledger = Ledger::new();
    ledger.import(
        Kind::Products,
        "product,title,feature,uses\nP,Pump,scan,1000\n",
    );
    ledger.import(
        Kind::Skus,
        "sku,title,product,model,term,start_basis\nPUMP,Pump,P,metered,,fixed\n",
    );
    ledger.import(Kind::Parties, "system,party,name\nerp,C-1,Acme\n");
    ledger.import(
        Kind::Orders,
        "system,order,ordered_at,sold_to,line,sku,quantity,purpose\n\
         erp,O-1,2026-10-20,C-1,1,PUMP,1,production\n",
    );
    ledger.import(
        Kind::Manifest,
        "serial,system,owner,hwmodel\n1,erp,C-1,pump-1\n",
    );
    ledger.activate(1, &[("scan", 1)]);
    let scanned = activation_on(&ledger, 1);
    ledger.uses(1, scanned, 40);
    ledger.activate(1, &[]);
    ledger.import(
        Kind::Usage,
        "system,usage,device,feature,total\nold,T-1,d-1,scan,970\n",
    );
    let now = ledger.now;
    let report = ledger.read(move |db| uses::read(db, None, now, GroupBy::All));
    let all = report.groups.last().unwrap();
    let entries = (all.uses, all.allowed, all.beyond, all.overdrawn);
    assert_eq!(entries, (1_010, 1_000, 10, 1));
    // As many as the history says.
    let events = history(&ledger);
    let told = events
        .iter()
        .filter(|event| matches!(&*event.kind, "usage-reported" | "usage-imported"));
    assert_eq!(told.map(|event| event.number("uses")).sum::<u64>(), 1_010);
}
