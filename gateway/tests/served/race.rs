//! Two gateways on one database: what there are few of is given once, whichever of them is asked.

use std::collections::BTreeSet;

use fleetgrant::identity::AdmissionMode;
use fleetgrant::quickstart::fleet::Fleet;
use fleetgrant_agent::host::Device;
use serde_json::Value;

use crate::site::{Site, until};
use crate::store::scratch;

const UNITS: usize = 3;
const DEVICES: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_give_the_last_units_once() {
    if !scratch::is_postgres() {
        println!("skipped on SQLite, which is for one gateway");
        return;
    }
    let site = Site::new(AdmissionMode::Open);
    let second = site.second();
    let serials: Vec<_> = (1..=DEVICES).map(|n| format!("P-{n}")).collect();
    let mut manifest = "serial,system,order,line\n".to_owned();
    for serial in &serials {
        manifest.push_str(&format!("{serial},erp,O,1\n"));
    }
    for (kind, csv) in [
        ("products", "product,title,feature\nPUMP,Pump,turbo\n"),
        ("skus", "sku,title,product,model\nT,Turbo,PUMP,perpetual\n"),
        ("parties", "system,party,name\nerp,C,Customer\n"),
        (
            "orders",
            &format!(
                "system,order,ordered_at,sold_to,line,sku,quantity\nerp,O,2026-01-10,C,1,T,{UNITS}\n"
            ),
        ),
        ("manifest", &manifest),
    ] {
        site.import(kind, csv);
    }
    let fleet = Fleet::new(&site.installation, &["turbo"]).unwrap();
    let configs: Vec<_> = serials
        .iter()
        .map(|serial| fleet.device(&site.installation, serial).unwrap())
        .collect();
    let devices: Vec<_> = configs.into_iter().map(Device::spawn).collect();
    until("each device has a unit or is denied one", || {
        told(&site, "activated").len() == UNITS && told(&site, "denied").len() == DEVICES - UNITS
    });
    let (has, has_not) = (told(&site, "activated"), told(&site, "denied"));
    assert!(has.is_disjoint(&has_not), "{has:?} {has_not:?}");
    let sheet = site.json(&["entitlements", "show", "O/1/PUMP/perpetual"]);
    assert_eq!(
        (&sheet["units"], &sheet["in_use"]),
        (&UNITS.into(), &UNITS.into())
    );
    // What one gateway began the other went on with, in one history.
    site.command(&["history", "verify"]);
    for device in devices {
        device.stop().await.unwrap();
    }
    drop(second);
}

/// The devices of which the history tells this.
fn told(site: &Site, kind: &str) -> BTreeSet<String> {
    let events = site.command(&["report", "events", "--kind", kind]);
    let stream = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["stream"].as_str().unwrap().to_owned()
    };
    events.lines().map(stream).collect()
}
