//! The same request again gets the same answer, and does nothing twice.

use crate::ask::Reason;
use crate::delivery::{Due, on_due};
use crate::device::StoredAnswer;
use crate::domain::Epoch;
use crate::event::EventKind;
use crate::outcome::{Answer, Deliveries};
use crate::testkit::{Bench, DAY, noticed, want};

#[test]
fn a_retry_gets_the_same_set_and_takes_no_unit_twice() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 5);
    let mut device = bench.admitted("d");
    let request = device.request(Reason::Upgrade, &[want("scan", 1)]);
    let first = bench.receive(&device, &request);
    let key = first.issued.unwrap().set.key;
    let before = bench.world.clone();

    let again = bench.receive(&device, &request);

    assert_eq!(again.answer, Answer::Repeat(StoredAnswer::Grant(key)));
    assert_eq!(again.deliveries, Deliveries::Unchanged);
    assert!(again.activations.is_empty() && again.events.is_empty() && again.issued.is_none());
    assert_eq!(bench.live(sold), 1);
    assert_eq!(bench.device(&device), before.device(&device.id).unwrap());
}

#[test]
fn a_retry_of_what_a_notice_answered_gets_the_same_notice() {
    let mut bench = Bench::new();
    let mut device = bench.expected("d");
    let request = device.request(Reason::Boot, &[]);
    let Answer::Notice(notice) = bench.receive(&device, &request).answer else {
        panic!("a first contact is asked for a challenge");
    };
    bench.wait(60);
    let again = bench.receive(&device, &request);
    assert_eq!(
        again.answer,
        Answer::Repeat(StoredAnswer::Notice(notice.payload))
    );
}

/// The broker replays the last request of a device that is switched off.
#[test]
fn a_replay_is_no_contact() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.admitted("d");
    let request = device.request(Reason::Upgrade, &[want("scan", 1)]);
    bench.receive(&device, &request);
    let heard = bench.device(&device).last_contact_at;
    bench.wait(DAY);
    bench.receive(&device, &request);
    assert_eq!(bench.device(&device).last_contact_at, heard);
}

/// A denied want must not be granted later because the broker replays it.
#[test]
fn a_replay_is_not_decided_again() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 0);
    let mut device = bench.admitted("d");
    let request = device.request(Reason::Upgrade, &[want("scan", 1)]);
    bench.receive(&device, &request);
    bench.world.entitlement_mut(sold).unwrap().quantity = crate::entitlement::Quantity::Units(1);
    bench.receive(&device, &request);
    assert_eq!(bench.live(sold), 0);
}

#[test]
fn the_same_number_with_other_content_is_stale() {
    let mut bench = Bench::new();
    let mut device = bench.admitted("d");
    device.seq -= 1;
    let request = device.request(Reason::Boot, &[]);
    let outcome = bench.receive(&device, &request);
    assert_eq!(
        noticed(&outcome),
        Some(fleetgrant_schemas::notice::NoticeCode::StaleSeq)
    );
}

/// A set of the old epoch would be signed by the new key, and refused by every device.
#[test]
fn a_retry_after_the_authority_has_another_key_gets_a_new_set_of_its_epoch() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.admitted("d");
    let request = device.request(Reason::Upgrade, &[want("scan", 1)]);
    let first = bench.receive(&device, &request).issued.unwrap().set;
    bench.authority.epoch = Epoch(2);
    let snapshot = bench.world.snapshot(&device.id, None);
    let due = bench.decide(|ctx, entropy| on_due(snapshot, first.key, ctx, entropy));
    assert!(matches!(due, Due::Reissue(_)));

    let again = bench.receive(&device, &request);

    assert_eq!(again.answer, Answer::Grant);
    let new = again.issued.unwrap().set;
    assert_eq!(
        (new.key.epoch, new.activations),
        (Epoch(2), first.activations)
    );
    assert_eq!(bench.live(sold), 1);
}

#[test]
fn a_retry_after_the_installation_window_gets_a_new_set_that_answers_it() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.admitted("d");
    let request = device.request(Reason::Upgrade, &[want("scan", 1)]);
    let first = bench.receive(&device, &request);
    bench.wait(bench.policy.install_window);

    let again = bench.receive(&device, &request);

    let (old, new) = (first.issued.unwrap().set, again.issued.clone().unwrap().set);
    assert!(new.key > old.key);
    assert_eq!(new.nonce, Some(request.ask.nonce));
    assert_eq!(new.activations, old.activations);
    assert!(bench.deliver(&mut device, &again).is_some());
    assert_eq!(device.features(), ["scan"]);
    assert_eq!(bench.live(sold), 1);
    // And that is what the next retry gets.
    let third = bench.receive(&device, &request);
    assert_eq!(third.answer, Answer::Repeat(StoredAnswer::Grant(new.key)));
    assert_eq!(bench.count(EventKind::Published), 1);
}
