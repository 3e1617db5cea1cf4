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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_assigned_now_is_pushed_at_once() {
    let site = Site::new(AdmissionMode::Open);
    for (kind, csv) in [
        ("products", "product,title,feature\nPUMP,Pump,turbo\n"),
        ("skus", "sku,title,product,model\nT,Turbo,PUMP,perpetual\n"),
        ("parties", "system,party,name\nerp,C,Customer\n"),
        (
            "orders",
            "system,order,ordered_at,sold_to,line,sku,quantity\nerp,O,2026-01-10,C,1,T,2\n",
        ),
        ("manifest", "serial,system,order,line\nP-1,erp,O,1\n"),
    ] {
        site.import(kind, csv);
    }
    let fleet = Fleet::new(&site.installation, &["turbo"]).unwrap();
    let config = fleet.device(&site.installation, "P-1").unwrap();
    let mut device = Device::spawn(config);
    acknowledges(&mut device).await;
    let in_force = |units| {
        until("the units are in force", || {
            let found = site.json(&["activations", "list", "--state", "activated"]);
            found.as_array().unwrap().len() == units
        });
    };
    in_force(1);
    site.command(&[
        "activations",
        "assign",
        "dev-P-1",
        "O/1/PUMP/perpetual",
        "--now",
    ]);
    acknowledges(&mut device).await;
    in_force(2);
    device.stop().await.unwrap();
}
