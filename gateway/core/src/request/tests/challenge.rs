//! What must not work with a request that was signed beforehand.

use fleetgrant_schemas::Message;
use fleetgrant_schemas::notice::{Notice, NoticeCode};

use crate::ask::{Channel, Reason, Want};
use crate::domain::{Challenge, CodeId, CodeProof, DeviceState};
use crate::outcome::Answer;
use crate::testkit::{Bench, DAY, noticed, want};

#[test]
fn a_first_admission_needs_one() {
    let mut bench = Bench::new();
    let mut device = bench.expected("d");
    let request = device.request(Reason::Boot, &[]);
    let outcome = bench.receive(&device, &request);
    assert_eq!(noticed(&outcome), Some(NoticeCode::Challenge));
    assert_eq!(bench.device(&device).state, DeviceState::Expected);
    assert_eq!(bench.device(&device).key(), None);

    bench.deliver(&mut device, &outcome);
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(bench.device(&device).state, DeviceState::Admitted);
    assert_eq!(bench.device(&device).key(), Some(device.key));
}

#[test]
fn a_return_a_rehost_a_stop_gap_and_a_code_need_one() {
    let code = Want::Code {
        id: CodeId([1; 5]),
        proof: CodeProof([2; 32]),
    };
    let cases = [
        (Reason::Return, vec![want("scan", 0)], true),
        (Reason::Rehost, vec![want("scan", 1)], true),
        (Reason::Temporary, vec![want("scan", 1)], true),
        (Reason::Boot, vec![code], true),
        (Reason::Upgrade, vec![want("scan", 1)], false),
        (Reason::Renew, vec![], false),
    ];
    for (reason, wants, needed) in cases {
        let mut bench = Bench::new();
        bench.sell("scan", 3);
        let mut device = bench.activated("d", "scan", 1);
        let before = bench.activations(&device);
        device.challenge = None;
        let outcome = bench.ask(&mut device, reason, &wants);
        let asked = noticed(&outcome) == Some(NoticeCode::Challenge);
        assert_eq!(asked, needed, "{reason}");
        if needed {
            assert_eq!(bench.activations(&device), before);
            let outcome = bench.ask(&mut device, reason, &wants);
            assert_ne!(noticed(&outcome), Some(NoticeCode::Challenge));
        }
    }
}

/// Somebody had the key for an hour and signed a pile of returns.
#[test]
fn one_challenge_serves_one_request() {
    let mut bench = Bench::new();
    bench.sell("scan", 3);
    let mut device = bench.activated("d", "scan", 3);
    let pile: Vec<_> = (0..3)
        .map(|left| device.request(Reason::Return, &[want("scan", 2 - left)]))
        .collect();
    let answers: Vec<_> = pile
        .iter()
        .map(|request| noticed(&bench.receive(&device, request)))
        .collect();
    assert_eq!(
        answers,
        [
            None,
            Some(NoticeCode::Challenge),
            Some(NoticeCode::Challenge)
        ]
    );
}

#[test]
fn a_challenge_is_worthless_after_its_day() {
    for (wait, refused) in [(DAY - 1, false), (DAY, true)] {
        let mut bench = Bench::new();
        bench.sell("scan", 1);
        let mut device = bench.activated("d", "scan", 1);
        bench.wait(wait);
        let outcome = bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
        assert_eq!(noticed(&outcome).is_some(), refused);
    }
}

#[test]
fn a_challenge_in_a_file_lasts_ninety_days() {
    for (wait, refused) in [(90 * DAY - 1, false), (90 * DAY, true)] {
        let mut bench = Bench::new();
        bench.sell("scan", 1);
        let mut device = bench.admitted("d");
        device.channel = Channel::File;
        bench.ask(&mut device, Reason::Upgrade, &[want("scan", 1)]);
        bench.wait(wait);
        let outcome = bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
        assert_eq!(noticed(&outcome).is_some(), refused);
    }
}

#[test]
fn a_guess_is_no_challenge() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    device.challenge = Some(Challenge([0xee; 16]));
    let outcome = bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::Challenge));
}

/// A set that nobody asked for crosses the request on the wire, or is lost.
#[test]
fn a_push_on_its_way_does_not_make_the_devices_challenge_worthless() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    bench.wait(DAY / 2 + 1);
    bench
        .operate(&device, |s, ctx, dice| crate::operator::push(s, ctx, dice))
        .unwrap();
    let outcome = bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
    assert_eq!(outcome.answer, Answer::Grant);
}

#[test]
fn a_challenge_notice_bears_one_and_the_nonce() {
    let mut bench = Bench::new();
    let mut device = bench.expected("d");
    let request = device.request(Reason::Boot, &[]);
    let Answer::Notice(notice) = bench.receive(&device, &request).answer else {
        panic!("a first contact is asked for a challenge");
    };
    let notice = Notice::decode(&notice.payload).unwrap();
    assert_eq!(notice.nonce, Some(request.ask.nonce));
    assert_eq!(
        notice.challenge,
        bench.device(&device).challenges.newest.map(|c| c.value)
    );
}
