//! What the history keeps of an amendment: what was there before, and what is there after.

use fleetgrant_core::event::EventKind;
use serde_cbor::Value as Cbor;
use serde_json::{Value, json};

use super::*;
use crate::store::event;

/// The last event of a kind: what was before and after, what it says of personal columns, and what
/// it keeps outside the hash.
struct Told {
    before: Value,
    after: Value,
    columns: Option<String>,
    personal: Option<String>,
    body: Vec<u8>,
}

fn last(fixture: &Fixture, kind: EventKind) -> Told {
    let event = fixture
        .store
        .read_blocking("read", move |db| {
            let all = event::after(db, 0, 10_000)?;
            Ok(all.into_iter().rfind(|event| event.kind.0 == kind))
        })
        .unwrap()
        .unwrap();
    let fields = event.fields().unwrap();
    let text = |name: &str| match fields.get(name) {
        Some(Cbor::Text(text)) => Some(text.clone()),
        None => None,
        Some(other) => panic!("{name} is {other:?}"),
    };
    let object = |name| text(name).map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
    Told {
        before: object("before"),
        after: object("after"),
        columns: text("personal"),
        personal: event.personal.clone(),
        body: event.body,
    }
}

fn amended(fixture: &Fixture, kind: Kind, text: &str) {
    let report = fixture.amend(kind, text);
    assert!(report.committed, "{:?}", report.errors);
    assert_eq!(report.unchanged, 0);
}

#[test]
fn of_a_party_without_its_name_in_what_is_hashed() {
    let fixture = Fixture::with_samples(Kind::Parties);
    let header = "system,party,name,tier,time_zone,parent\n";
    amended(
        &fixture,
        Kind::Parties,
        &format!("{header}erp,C-200,Lakeside Clinic,strategic,Europe/Vienna,C-100\n"),
    );
    let told = last(&fixture, EventKind::PartyAmended);
    assert_eq!(
        told.before,
        json!({"tier": null, "time_zone": "America/Chicago", "parent": null})
    );
    assert_eq!(
        told.after,
        json!({"tier": "strategic", "time_zone": "Europe/Vienna", "parent": "C-100"})
    );
    assert_eq!(told.columns, None);
    assert_eq!(told.personal.as_deref(), Some("Lakeside Clinic"));

    amended(
        &fixture,
        Kind::Parties,
        &format!("{header}erp,C-200,Ann O'Hara,volume,Europe/Vienna,C-100\n"),
    );
    let told = last(&fixture, EventKind::PartyAmended);
    assert_eq!(told.before, json!({"tier": "strategic"}));
    assert_eq!(told.after, json!({"tier": "volume"}));
    assert_eq!(told.columns.as_deref(), Some("name"));
    assert_eq!(
        told.personal.as_deref(),
        Some("Lakeside Clinic\nAnn O'Hara")
    );
    let body = String::from_utf8_lossy(&told.body).into_owned();
    assert!(
        !body.contains("Lakeside") && !body.contains("Ann"),
        "{body}"
    );
}

#[test]
fn of_the_catalogue() {
    let fixture = Fixture::with_samples(Kind::Skus);
    // The product, its feature, and what the product gives of it, by one row.
    amended(
        &fixture,
        Kind::Products,
        "product,title,state,feature,feature_title,version_ceiling,requires\n\
         PUMP-PRO,Infusion pump pro,active,profiles,Profiles,5.x,PUMP-BASE\n",
    );
    let told = last(&fixture, EventKind::CatalogueAmended);
    assert_eq!(
        told.before,
        json!({"title": "Infusion pump professional", "feature_title": "Infusion profiles",
            "version_ceiling": "4.x", "requires": "none"})
    );
    assert_eq!(
        told.after,
        json!({"title": "Infusion pump pro", "feature_title": "Profiles",
            "version_ceiling": "5.x", "requires": "PUMP-BASE"})
    );

    amended(
        &fixture,
        Kind::Skus,
        "sku,title,state,product,model,term,start_basis,units_per_copy\n\
         4711-PRO,Pump professional for two years,active,PUMP-PRO,subscription,P2Y,first-activation,2\n",
    );
    let told = last(&fixture, EventKind::CatalogueAmended);
    assert_eq!(
        told.before,
        json!({"title": "Pump professional for a year", "term": "P1Y", "units_per_copy": "1"})
    );
    assert_eq!(
        told.after,
        json!({"title": "Pump professional for two years", "term": "P2Y", "units_per_copy": "2"})
    );
}

#[test]
fn of_an_entitlement() {
    let fixture = Fixture::with_samples(Kind::Entitlements);
    amended(
        &fixture,
        Kind::Entitlements,
        "system,entitlement,owner,product,model,units,overdraft,source,purpose,start_basis,starts_at,ends_at\n\
         crm,OLD-77,,PUMP-PRO,subscription,6,1,migration,production,fixed,2026-01-01,2028-01-01\n",
    );
    let told = last(&fixture, EventKind::EntitlementAmended);
    assert_eq!(
        told.before,
        json!({"units": "4", "ends_at": "2027-01-01T00:00:00Z"})
    );
    assert_eq!(
        told.after,
        json!({"units": "6", "ends_at": "2028-01-01T00:00:00Z"})
    );
}

#[test]
fn of_an_order_and_what_came_of_it() {
    let fixture = Fixture::with_samples(Kind::Orders);
    fixture.execute("UPDATE entitlements SET live_units = 2 WHERE reference LIKE 'SO-5001/10/%'");
    amended(
        &fixture,
        Kind::Orders,
        "system,order,revision,ordered_at,sold_to,ship_to,end_user,line,sku,quantity,value,currency\n\
         erp,SO-5001,2,2026-09-01,P-10,C-101,C-101,10,4711-SUITE,1,3500.00,EUR\n",
    );
    let told = last(&fixture, EventKind::OrderAmended);
    assert_eq!(
        told.before,
        json!({"revision": "1", "quantity": "3", "value": "10500.0000"})
    );
    assert_eq!(
        told.after,
        json!({"revision": "2", "quantity": "1", "value": "3500.0000"})
    );
    let told = last(&fixture, EventKind::EntitlementAmended);
    assert_eq!(told.before, json!({"units": "3", "pending_credit": "0"}));
    assert_eq!(told.after, json!({"units": "2", "pending_credit": "1"}));
}

#[test]
fn of_a_shipment_and_of_a_device() {
    let fixture = Fixture::with_samples(Kind::Manifest);
    amended(
        &fixture,
        Kind::Shipments,
        "system,shipment,order,line,quantity,shipped_at,serials\n\
         erp,DN-9001,SO-5001,10,3,2026-09-10T06:00:00Z,SN-0001;SN-0002;SN-0005\n",
    );
    let told = last(&fixture, EventKind::ShipmentAmended);
    assert_eq!(
        told.before,
        json!({"quantity": "2", "serials": "SN-0001;SN-0002"})
    );
    assert_eq!(
        told.after,
        json!({"quantity": "3", "serials": "SN-0001;SN-0002;SN-0005"})
    );
    // SN-0005 was nobody's.
    let told = last(&fixture, EventKind::DeviceAmended);
    assert_eq!(told.before, json!({"owner": null, "order_line": null}));
    assert!(told.after["owner"].is_string(), "{}", told.after);

    amended(
        &fixture,
        Kind::Manifest,
        "serial,hwmodel,system,owner,batch,manufacturer,storage_class,site\n\
         SN-0004,pump-2,erp,C-200,B-26-09,M-1,unprotected,Room of Ann\n",
    );
    let told = last(&fixture, EventKind::DeviceAmended);
    assert_eq!(told.before, json!({"hwmodel": "pump-1"}));
    assert_eq!(told.after, json!({"hwmodel": "pump-2"}));
    // Where it stands can name a person: that it changed is told, and no more.
    assert_eq!(told.columns.as_deref(), Some("site"));
    assert_eq!(told.personal, None);
    assert!(!String::from_utf8_lossy(&told.body).contains("Ann"));
}
