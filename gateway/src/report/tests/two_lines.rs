//! A ledger of two product lines, and what of its history belongs to one.

use fleetgrant_core::domain::ProductLineId;

use super::*;
use crate::store::{Db, StoreError, product_line};

/// The two lines: a name, the prefix of its devices, and its products. A is for both.
pub(super) const LINES: [(&str, &str, &[&str]); 2] = [
    ("devices", "d-", &["P", "PM"]),
    ("valves", "v-", &["V", "VM"]),
];

/// Devices of two lines whose one owner has products of each, and of both.
pub(super) fn of_two_lines() -> Ledger {
    let mut ledger = Ledger::of_two_lines();
    ledger.import(Kind::Models, "model,kind,uses\npay,metered,10\n");
    ledger.import(
        Kind::Products,
        "product,title,product_line,feature\n\
         P,Pump,devices,pump\nPM,Count,devices,count\n\
         V,Valve,valves,valve\nVM,Tally,valves,tally\n\
         A,Any,,any\nN,Net,,net\n",
    );
    ledger.import(
        Kind::Skus,
        "sku,title,product,model,term,start_basis\n\
         PUMP,Pump,P,perpetual,,fixed\nVALVE,Valve,V,perpetual,,fixed\n\
         ANY,Any,A,perpetual,,fixed\n\
         BOTH,Both,P,perpetual,,fixed\nBOTH,Both,V,perpetual,,fixed\n",
    );
    ledger.import(Kind::Parties, "system,party,name\nerp,C-1,Acme\n");
    ledger.import(
        Kind::Orders,
        "system,order,ordered_at,sold_to,line,sku,quantity,purpose\n\
         erp,O-1,2026-10-20,C-1,1,PUMP,4,production\n\
         erp,O-2,2026-10-21,C-1,1,VALVE,3,production\n\
         erp,O-3,2026-10-22,C-1,1,BOTH,2,production\n\
         erp,O-4,2026-10-23,C-1,1,ANY,3,production\n\
         erp,O-5,2027-06-01,C-1,1,PUMP,2,production\n",
    );
    ledger.import(
        Kind::Entitlements,
        "system,entitlement,owner,product,model,units,source,start_basis,starts_at,term,state\n\
         erp,PAY-P,C-1,PM,pay,1,goodwill,fixed,2026-10-01,,active\n\
         erp,PAY-V,C-1,VM,pay,1,goodwill,fixed,2026-10-01,,active\n\
         erp,YEAR-P,C-1,P,subscription,2,goodwill,fixed,2026-10-01,P1Y,active\n\
         erp,YEAR-V,C-1,V,subscription,3,goodwill,fixed,2026-10-02,P1Y,active\n\
         erp,YEAR-A,C-1,A,subscription,4,goodwill,fixed,2026-10-03,P1Y,active\n",
    );
    let mut manifest = "serial,product_line,system,owner,hwmodel\n".to_owned();
    for device in (1..=7).chain(101..=107) {
        let line = if device < ledger::SECOND_LINE {
            "devices"
        } else {
            "valves"
        };
        manifest.push_str(&format!("{device},{line},erp,C-1,board-{line}\n"));
    }
    ledger.import(Kind::Manifest, &manifest);
    ledger.import(
        Kind::Shipments,
        "system,shipment,order,line,quantity,shipped_at,product_line,serials,state\n\
         erp,N-1,O-1,1,2,2026-10-28,devices,1;7,shipped\n\
         erp,N-2,O-2,1,3,2026-10-29,valves,101;107,shipped\n\
         erp,N-3,O-3,1,1,2026-10-30,,,shipped\n\
         erp,N-4,O-4,1,1,2026-10-31,,,shipped\n",
    );
    for (device, model, feature) in [(1, "pump-2", "pump"), (101, "valve-3", "valve")] {
        let and_any = [(feature, 1), ("any", 1)];
        ledger.runs(device, model.as_bytes(), "1.0");
        ledger.runs(device + 1, model.as_bytes(), "1.1");
        ledger.activate(device, &[(feature, 1)]);
        ledger.wait(HOUR + u64::from(device));
        ledger.activate(device + 1, &and_any);
        ledger.wait(DAY);
        // It is answered and never signs.
        ledger.ask(device + 2, &[(feature, 1)]);
        for pause in [1, DAY] {
            ledger.ask(device + 3, &[("net", 1)]);
            ledger.babble(device + 3, 1);
            ledger.wait(pause);
        }
        let metered = if feature == "pump" { "count" } else { "tally" };
        ledger.activate(device + 4, &[(metered, 1)]);
        let counted = activation_on(&ledger, device + 4);
        ledger.uses(device + 4, counted, 10 + u64::from(device));
        ledger.activate(device + 4, &[]);
        ledger.give_back(device + 1, &[(feature, 0), ("any", 1)]);
        ledger.activate(device + 1, &[]);
        ledger.lose_number(device);
    }
    // A unit of what is for both moves from one line to the other; it is no first one there.
    let moved = ledger.read(|db| {
        let filter = listing::ActivationFilter {
            device: Some(ledger::device_id(2)),
            state: Some(fleetgrant_core::domain::ActivationState::Activated),
            ..listing::ActivationFilter::default()
        };
        Ok(listing::activations(db, &filter, 1)?[0].id.0)
    });
    rehost_of(&mut ledger, "O-4/1/A/perpetual", 2, moved, 106);
    // What is of one line on a device of the other, as the catalogue came to say so after, and
    // before its order, says the file.
    let pumps_for =
        |line: &str| format!("product,title,product_line,feature\nP,Pump,{line},pump\n");
    ledger.runs(106, b"valve-3", "1.2");
    ledger.activate(106, &[]);
    ledger.ask(106, &[]);
    ledger.amend(Kind::Products, &pumps_for(""));
    ledger.assign(106, "O-5/1/P/perpetual", |_| {});
    ledger.activate(106, &[]);
    ledger.amend(Kind::Products, &pumps_for("devices"));
    ledger.wait(40 * DAY);
    ledger
}

pub(super) fn line(ledger: &Ledger, name: &'static str) -> ProductLineId {
    ledger.read(move |db| Ok(product_line::by_name(db, name)?.unwrap().id.0))
}

/// What happened to devices of a line, and all that happened to no device.
pub(super) fn of_devices(events: &[Told], prefix: &str) -> Vec<Told> {
    let is_own = |event: &&Told| event.device().is_none_or(|id| id.starts_with(prefix));
    events.iter().filter(is_own).cloned().collect()
}

/// What happened to entitlements of these products, on whichever device, and all that happened to
/// no entitlement.
pub(super) fn of_products(events: &[Told], products: &[String]) -> Vec<Told> {
    let sold = hand::sold(events);
    let is_own = |id: &str| {
        sold.get(id)
            .is_some_and(|sold| products.contains(&sold.product))
    };
    let rights = hand::rights(events);
    let own = events.iter().filter(|event| {
        let of = match (event.text("entitlement"), event.text("activation")) {
            ("", "") => return true,
            ("", activation) => &rights[activation].entitlement,
            (entitlement, _) => entitlement,
        };
        is_own(of)
    });
    own.cloned().collect()
}

/// The ids of the products of a line, as events have them.
pub(super) fn ids(ledger: &Ledger, codes: &'static [&'static str]) -> Vec<String> {
    ledger.read(move |db| {
        let mut ids = Vec::new();
        for code in codes {
            let filter = listing::ProductFilter {
                code: Some((*code).to_owned()),
                ..listing::ProductFilter::default()
            };
            ids.push(listing::products(db, &filter, 1)?[0].id.0.to_string());
        }
        Ok(ids)
    })
}

/// A report of each line, and of all.
pub(super) fn each<T: Send + 'static>(
    ledger: &Ledger,
    read: impl Fn(&mut Db, Option<ProductLineId>) -> Result<T, StoreError> + Clone + Send + 'static,
) -> ([T; 2], T) {
    let of = |line: Option<ProductLineId>| {
        let read = read.clone();
        ledger.read(move |db| read(db, line))
    };
    let lines = LINES.map(|(name, ..)| of(Some(line(ledger, name))));
    (lines, of(None))
}
