//! Who is served, and who cannot touch what a device has.

use fleetgrant_schemas::notice::NoticeCode;

use crate::ask::{Facts, Hardware, Reason, Verdict};
use crate::domain::{DeviceState, KeyThumbprint};
use crate::event::{Event, EventKind, Field};
use crate::testkit::{Bench, Handset, noticed, want};

/// Somebody has a certificate of the same anchor for the same id, with another key.
fn impostor(device: &Handset) -> Handset {
    Handset {
        key: KeyThumbprint([0x66; 32]),
        salt: 66,
        ..device.clone()
    }
}

#[test]
fn another_key_changes_nothing_of_the_device_and_leaves_one_trace() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 5);
    let device = bench.activated("d", "scan", 1);
    let before = bench.device(&device).clone();
    let mut other = impostor(&device);
    other.verdict = Verdict::IdentityConflict;
    other.seq = 50;
    let request = other.request(Reason::Return, &[want("scan", 0)]);
    for _ in 0..3 {
        let outcome = bench.receive(&device, &request);
        assert_eq!(noticed(&outcome), Some(NoticeCode::IdentityConflict));
    }
    let after = bench.device(&device);
    assert_eq!(
        (&after.last, &after.challenges),
        (&before.last, &before.challenges)
    );
    assert_eq!(
        (after.acked, after.generation),
        (before.acked, before.generation)
    );
    assert_eq!(bench.count(EventKind::IdentityConflict), 1);
    assert_eq!(bench.live(sold), 1);
}

/// The broker plays two such messages in turn, or somebody signs many.
#[test]
fn the_history_tells_of_a_few_refusals_a_day() {
    let mut bench = Bench::new();
    let device = bench.admitted("d");
    let mut other = impostor(&device);
    other.verdict = Verdict::IdentityConflict;
    for _ in 0..50 {
        let request = other.request(Reason::Boot, &[]);
        bench.receive(&device, &request);
    }
    let limit = usize::from(bench.policy.refusals_told_per_day);
    assert_eq!(bench.count(EventKind::IdentityConflict), limit);
    bench.wait(86_400);
    let request = other.request(Reason::Boot, &[]);
    bench.receive(&device, &request);
    assert_eq!(bench.count(EventKind::IdentityConflict), limit + 1);
}

/// Two keys were found admissible for one id at the same moment; the transaction decides.
#[test]
fn the_pin_is_looked_at_again_in_the_transaction() {
    let mut bench = Bench::new();
    let mut device = bench.admitted("d");
    let mut other = impostor(&device);
    other.verdict = Verdict::Admissible;
    let request = other.request(Reason::Boot, &[]);
    let outcome = bench.receive(&device, &request);
    assert_eq!(noticed(&outcome), Some(NoticeCode::IdentityConflict));
    assert_eq!(bench.device(&device).key(), Some(device.key));
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(bench.count(EventKind::DeviceAdmitted), 1);
}

#[test]
fn an_acknowledgement_by_another_key_proves_nothing() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let request = device.request(Reason::Return, &[want("scan", 0)]);
    let outcome = bench.receive(&device, &request);
    let mut ack = bench.deliver(&mut device, &outcome).unwrap();
    ack.sender.key = KeyThumbprint([0x66; 32]);
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.live(sold), 1);
    ack.sender.key = device.key;
    ack.sender.verdict = Verdict::Revoked;
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.live(sold), 1, "a key that leaked proves nothing");
    ack.sender.verdict = Verdict::Pinned;
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.live(sold), 0);
}

#[test]
fn a_revoked_key_gets_nothing() {
    let mut bench = Bench::new();
    bench.sell("scan", 5);
    let mut device = bench.activated("d", "scan", 1);
    device.verdict = Verdict::Revoked;
    let outcome = bench.ask(&mut device, Reason::Upgrade, &[want("scan", 2)]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::Revoked));
    assert!(outcome.activations.is_empty());
}

#[test]
fn a_device_out_of_service_gets_nothing() {
    let cases = [
        (DeviceState::Retired, NoticeCode::NotAdmitted),
        (DeviceState::Tombstoned, NoticeCode::Revoked),
    ];
    for (state, code) in cases {
        let mut bench = Bench::new();
        bench.sell("scan", 5);
        let mut device = bench.activated("d", "scan", 1);
        bench.world.device_mut(&device.id).unwrap().state = state;
        let outcome = bench.ask(&mut device, Reason::Upgrade, &[want("scan", 2)]);
        assert_eq!(noticed(&outcome), Some(code));
        assert!(outcome.activations.is_empty());
    }
}

#[test]
fn a_serial_on_no_manifest_is_refused_until_it_is() {
    let mut bench = Bench::new();
    let mut device = bench.expected("d");
    device.verdict = Verdict::NotOnManifest;
    for _ in 0..2 {
        let outcome = bench.ask(&mut device, Reason::Boot, &[]);
        assert_eq!(noticed(&outcome), Some(NoticeCode::NotAdmitted));
    }
    assert_eq!(bench.device(&device).key(), None);
    device.verdict = Verdict::Admissible;
    bench.ask(&mut device, Reason::Boot, &[]);
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(bench.device(&device).state, DeviceState::Admitted);
}

#[test]
fn a_device_waits_for_the_operator_and_is_served_then() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.expected("d");
    device.verdict = Verdict::NeedsOperator;
    bench.ask(&mut device, Reason::Boot, &[]);
    for _ in 0..2 {
        let outcome = bench.ask(&mut device, Reason::Upgrade, &[want("scan", 1)]);
        assert!(outcome.activations.is_empty());
    }
    assert_eq!(bench.device(&device).state, DeviceState::Quarantined);
    assert_eq!(bench.count(EventKind::DeviceQuarantined), 1);
    let key = device.key;
    bench
        .operate(&device, |s, ctx, _| crate::operator::admit(s, key, ctx))
        .unwrap();
    device.verdict = Verdict::Pinned;
    bench.ask(&mut device, Reason::Upgrade, &[want("scan", 1)]);
    assert_eq!(device.features(), ["scan"]);
}

#[test]
fn a_device_nobody_bought_for_is_told_that_nothing_is_bound_to_it() {
    let mut bench = Bench::new();
    let mut device = bench.expected("d");
    bench.ask(&mut device, Reason::Boot, &[]);
    let outcome = bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::Denied));
    assert!(outcome.issued.is_none());
}

#[test]
fn what_a_device_says_of_itself_is_told_when_it_changes() {
    let mut bench = Bench::new();
    let mut device = bench.expected("d");
    let mut ask = |version: &str, boots: u32| {
        let request = device.request_as(Reason::Boot, &[], |ask| {
            ask.facts = Facts {
                hardware: Some(Hardware {
                    maker: "32473".to_owned(),
                    model: vec![0, 0xff],
                }),
                boot_count: Some(boots),
                version: Some(version.to_owned()),
                ..Facts::default()
            };
        });
        let outcome = bench.receive(&device, &request);
        if let Some(ack) = bench.deliver(&mut device, &outcome) {
            bench.acknowledge(&device, &ack);
        }
        let told = |event: &&Event| event.kind == EventKind::DeviceDescribed;
        outcome.events.iter().find(told).cloned()
    };
    let field = |text: &str| Some(Field::Text(text.to_owned()));
    let told = ask("1.0", 1).unwrap();
    assert_eq!(told.body.field("maker").cloned(), field("32473"));
    assert_eq!(told.body.field("hwmodel").cloned(), field("0x00ff"));
    assert_eq!(ask("1.0", 2), None);
    let told = ask("1.1", 3).unwrap();
    assert_eq!(told.body.field("version").cloned(), field("1.1"));
}
