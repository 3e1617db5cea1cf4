//! What an operator does at the command line reaches a device that is connected.

use std::time::Duration;

use fleetgrant::identity::AdmissionMode;
use fleetgrant::quickstart::fleet::Fleet;
use fleetgrant_agent::host::{Device, DeviceEvent};
use fleetgrant_schemas::topic::MessageType;

use crate::site::{Site, until};

/// Shorter than the pause before a set is pushed again, a minute.
const AT_ONCE: Duration = Duration::from_secs(40);

async fn acknowledges(device: &mut Device) {
    let sends = async {
        loop {
            match device.next_event().await.unwrap() {
                DeviceEvent::Sent(sent) if sent.message == MessageType::Ack => return,
                _ => {}
            }
        }
    };
    let sent = tokio::time::timeout(AT_ONCE, sends).await;
    sent.expect("the device acknowledges at once");
}

/// A site whose device `dev-P-1` has one of the two units of `O/1/PUMP/perpetual`.
async fn activated() -> (Site, Device) {
    activated_of(2, None).await
}

/// As [`activated`], of so many units, on firmware that was built then.
async fn activated_of(units: u32, sw_built: Option<u64>) -> (Site, Device) {
    let site = Site::new(AdmissionMode::Open);
    for (kind, csv) in [
        (
            "products",
            "product,title,feature,replaces\nPUMP,Pump,turbo,\nPUMP2,Pump 2,turbo,PUMP\n",
        ),
        ("skus", "sku,title,product,model\nT,Turbo,PUMP,perpetual\n"),
        ("parties", "system,party,name\nerp,C,Customer\n"),
        (
            "orders",
            &format!(
                "system,order,ordered_at,sold_to,line,sku,quantity\nerp,O,2026-01-10,C,1,T,{units}\n"
            ),
        ),
        ("manifest", "serial,system,order,line\nP-1,erp,O,1\n"),
    ] {
        site.import(kind, csv);
    }
    let fleet = Fleet::new(&site.installation, &["turbo"]).unwrap();
    let mut config = fleet.device(&site.installation, "P-1").unwrap();
    config.platform.sw_built = sw_built;
    let mut device = Device::spawn(config);
    acknowledges(&mut device).await;
    in_force(&site, 1);
    (site, device)
}

fn in_force(site: &Site, activations: usize) {
    until("the units are in force", || {
        let found = site.json(&["activations", "list", "--state", "activated"]);
        found.as_array().unwrap().len() == activations
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_assigned_now_is_pushed_at_once() {
    let (site, mut device) = activated().await;
    site.command(&[
        "activations",
        "assign",
        "dev-P-1",
        "O/1/PUMP/perpetual",
        "--now",
    ]);
    acknowledges(&mut device).await;
    in_force(&site, 2);
    device.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_an_entitlement_reaches_its_devices() {
    let (site, mut device) = activated().await;
    let act = |verb| site.command(&["entitlements", verb, "O/1/PUMP/perpetual"]);
    let stands = |state: &str, in_use: u64| {
        until("the entitlement's units stand so", || {
            let sheet = site.json(&["entitlements", "show", "O/1/PUMP/perpetual"]);
            sheet["activations"][0]["state"] == state && sheet["in_use"] == in_use
        });
    };
    act("suspend");
    acknowledges(&mut device).await;
    stands("suspended", 1);
    act("resume");
    acknowledges(&mut device).await;
    stands("activated", 1);
    act("revoke");
    acknowledges(&mut device).await;
    stands("removed", 0);
    device.stop().await.unwrap();
}

/// It is never without the feature, and the old unit is free when it has signed for the new set.
#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_reaches_each_device_in_one_set() {
    let (site, mut device) = activated().await;
    site.command(&[
        "entitlements",
        "upgrade",
        "O/1/PUMP/perpetual",
        "--to",
        "PUMP2",
        "--reference",
        "NEW",
    ]);
    acknowledges(&mut device).await;
    let stands = |reference: &str, units: u64, in_use: u64| {
        let sheet = site.json(&["entitlements", "show", reference]);
        sheet["units"] == units && sheet["in_use"] == in_use
    };
    until("the units have moved", || {
        stands("O/1/PUMP/perpetual", 0, 0) && stands("NEW", 2, 1)
    });
    let old = site.json(&["entitlements", "show", "O/1/PUMP/perpetual"]);
    assert_eq!(old["activations"][0]["removal_reason"], "supersede");
    in_force(&site, 1);
    device.stop().await.unwrap();
}

/// 2090-01-01, when the maintenance that was sold ends, in seconds since 1970.
const MAINTAINED_UNTIL: u64 = 3_786_912_000;

/// The only unit there is went to another device, and comes back from there after the renewal.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_maintained_again_is_given_once_another_device_has_freed_it() {
    let (site, device) = activated_of(1, Some(MAINTAINED_UNTIL)).await;
    let right = "O/1/PUMP/perpetual";
    site.import("products", "product,title,feature\nCARE,Care,care\n");
    site.import(
        "entitlements",
        "system,entitlement,owner,product,model,units,starts_at,ends_at\n\
         erp,CARE,C,CARE,maintenance,1,2026-01-01,2090-01-01T00:00:00Z\n",
    );
    site.import("manifest", "serial,system,owner\nP-2,erp,C\n");
    let stands = |device: &str, state: &str| {
        until("its activation stands so", || {
            let listed = site.json(&["activations", "list", "--device", device]);
            let listed = listed.as_array().unwrap();
            listed.iter().any(|of| of["state"] == state)
        });
    };
    site.command(&["entitlements", "maintain", right, "--by", "CARE"]);
    stands("dev-P-1", "removed");
    site.command(&["activations", "assign", "dev-P-2", right]);
    let fleet = Fleet::new(&site.installation, &["turbo"]).unwrap();
    let second = || {
        let mut config = fleet.device(&site.installation, "P-2").unwrap();
        config.platform.sw_built = Some(MAINTAINED_UNTIL - 1);
        Device::spawn(config)
    };
    let mut other = second();
    acknowledges(&mut other).await;
    stands("dev-P-2", "activated");
    other.stop().await.unwrap();
    let listed = site.json(&["activations", "list", "--device", "dev-P-2"]);
    let activation = listed[0]["activation"].as_str().unwrap();
    site.command(&["activations", "revoke", activation]);
    stands("dev-P-2", "removing");

    let renew = ["entitlements", "renew", "CARE", "--reference", "R-1"];
    site.command(&[&renew[..], &["--until", "2091-01-01"]].concat());
    until("it is denied, for everybody to see", || {
        let sheet = site.json(&["devices", "show", "dev-P-1"]);
        let regrant = &sheet["regrants"][0];
        regrant["denied_by"] == "no-units-left" && regrant["next_try"].is_string()
    });
    let other = second();
    stands("dev-P-2", "removed");
    stands("dev-P-1", "activated");
    let sheet = site.json(&["devices", "show", "dev-P-1"]);
    assert_eq!(sheet["regrants"], serde_json::json!([]));
    for device in [device, other] {
        device.stop().await.unwrap();
    }
}

/// The only unit there is: it is given again when the device has signed that it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_maintained_again_reaches_firmware_that_was_too_new_for_it() {
    let (site, device) = activated_of(1, Some(MAINTAINED_UNTIL)).await;
    site.import("products", "product,title,feature\nCARE,Care,care\n");
    site.import(
        "entitlements",
        "system,entitlement,owner,product,model,units,starts_at,ends_at\n\
         erp,CARE,C,CARE,maintenance,1,2026-01-01,2090-01-01T00:00:00Z\n",
    );
    let right = "O/1/PUMP/perpetual";
    let stands = |state: &str, in_use: u64| {
        until("the right stands so", || {
            let sheet = site.json(&["entitlements", "show", right]);
            let activations = sheet["activations"].as_array().unwrap();
            let has = |state: &str| activations.iter().any(|of| of["state"] == state);
            has(state) && sheet["in_use"] == in_use
        });
    };
    site.command(&["entitlements", "maintain", right, "--by", "CARE"]);
    stands("removed", 0);
    let sheet = site.json(&["entitlements", "show", right]);
    assert_eq!(sheet["activations"][0]["removal_reason"], "build-ceiling");

    let renew = ["entitlements", "renew", "CARE", "--reference", "R-1"];
    site.command(&[&renew[..], &["--until", "2091-01-01"]].concat());
    stands("activated", 1);
    device.stop().await.unwrap();
}
