//! The board of a device is replaced while the old one is still connected.

use std::time::Duration;

use fleetgrant::identity::AdmissionMode;
use fleetgrant::pki::DeviceCredentials;
use fleetgrant::quickstart::fleet::Fleet;
use fleetgrant_agent::Event;
use fleetgrant_agent::host::{AnyStorage, Device, DeviceEvent, MemoryStorage};
use fleetgrant_schemas::notice::NoticeCode;
use fleetgrant_schemas::topic::MessageType;

use crate::site::{Site, until};

const SERIAL: &str = "P-1";
const ID: &str = "dev-P-1";

/// A blank board with this key and certificate.
fn board(site: &Site, made: &DeviceCredentials) -> Device {
    let fleet = Fleet::new(&site.installation, &["turbo"]).unwrap();
    let storage = AnyStorage::Memory(MemoryStorage::default());
    let config = fleet.assemble(SERIAL, made.chain().to_vec(), made.key_der(), storage);
    Device::spawn(config.unwrap())
}

async fn happens(device: &mut Device, found: impl Fn(&DeviceEvent) -> bool) {
    let wait = async { while !found(&device.next_event().await.unwrap()) {} };
    let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
    waited.expect("it happens in time");
}

async fn is_told(device: &mut Device, code: NoticeCode) {
    happens(
        device,
        |event| matches!(event, DeviceEvent::Agent(Event::Notice(told)) if *told == code),
    )
    .await;
}

async fn acknowledges(device: &mut Device) {
    happens(
        device,
        |event| matches!(event, DeviceEvent::Sent(sent) if sent.message == MessageType::Ack),
    )
    .await;
}

fn count(site: &Site, kind: &str) -> usize {
    let exported = site.command(&["history", "export", "--device", ID]);
    let of_kind = format!("\"kind\":\"{kind}\"");
    exported
        .lines()
        .filter(|line| line.contains(&of_kind))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_board_is_activated_and_the_old_one_is_refused() {
    let site = Site::new(AdmissionMode::Open);
    for (kind, csv) in [
        ("products", "product,title,feature\nPUMP,Pump,turbo\n"),
        ("skus", "sku,title,product,model\nT,Turbo,PUMP,perpetual\n"),
        ("parties", "system,party,name\nerp,C,Customer\n"),
        (
            "orders",
            "system,order,ordered_at,sold_to,line,sku,quantity\nerp,O,2026-01-10,C,1,T,1\n",
        ),
        ("manifest", "serial,system,order,line\nP-1,erp,O,1\n"),
    ] {
        site.import(kind, csv);
    }
    let make = || site.installation.pki.issue_device(SERIAL, "mk2").unwrap();
    let (first, second, third) = (make(), make(), make());
    let mut old = board(&site, &first);
    acknowledges(&mut old).await;
    let activations = || site.json(&["activations", "list"]);
    until("the unit is in force", || {
        activations()[0]["state"] == "activated"
    });
    let before = activations();
    old.stop().await.unwrap();

    // The workshop is faster than the office.
    let mut new = board(&site, &second);
    is_told(&mut new, NoticeCode::IdentityConflict).await;
    new.stop().await.unwrap();
    let shown = site.json(&["devices", "show", ID]);
    let waiting = second.key_thumbprint().to_string();
    assert_eq!(shown["waiting_keys"][0]["key"], waiting);
    site.command(&["devices", "repair", ID]);
    let mut other = board(&site, &third);
    is_told(&mut other, NoticeCode::IdentityConflict).await;
    other.stop().await.unwrap();
    let mut new = board(&site, &second);
    acknowledges(&mut new).await;
    until("the new board has signed for its set", || {
        site.json(&["devices", "show", ID])["acknowledged"].is_number()
    });
    assert_eq!(
        activations(),
        before,
        "nothing moved or was activated again"
    );
    new.stop().await.unwrap();
    let mut old = board(&site, &first);
    is_told(&mut old, NoticeCode::Revoked).await;
    old.stop().await.unwrap();

    // A key that leaked.
    site.command(&["devices", "revoke-key", ID]);
    let mut new = board(&site, &second);
    is_told(&mut new, NoticeCode::Revoked).await;
    new.stop().await.unwrap();
    for suspicion in ["resynced", "clone-suspected", "rolled-back"] {
        assert_eq!(count(&site, suspicion), 0, "{suspicion}");
    }
    assert_eq!(count(&site, "device-repaired"), 1);
    assert_eq!(count(&site, "activated"), 1);
    let report = site.json(&["report", "operations"]);
    assert_eq!(
        (&report["repairs"], &report["keys_revoked"]),
        (&1.into(), &1.into())
    );
}
