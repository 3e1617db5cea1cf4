//! Activation codes.

use fleetgrant_schemas::code::ActivationCode;

use crate::ask::{Reason, Request, Want};
use crate::domain::{CodeId, EntitlementId, PartyId};
use crate::entitlement::{Code, Quantity};
use crate::event::EventKind;
use crate::outcome::{Outcome, WantVerdict};
use crate::rule::Rule;
use crate::testkit::{Bench, DAY, Handset, denials};

const ID: CodeId = CodeId([3; 5]);
const PARTNER: PartyId = PartyId([9; 16]);

fn code() -> ActivationCode {
    ActivationCode {
        id: ID,
        secret: *b"0123456789",
    }
}

/// A bench with a code for two units of an entitlement that was sold to nobody known.
fn bench(change: impl FnOnce(&mut Code)) -> (Bench, EntitlementId) {
    let mut bench = Bench::new();
    let sold = bench.sell_as("scan", 10, |e| e.owner = None);
    let mut stored = Code {
        id: ID,
        key: code().key(),
        entitlement: sold,
        units: 2,
        uses_left: 2,
        expires_at: None,
        void: false,
        failures: 0,
        partner: None,
    };
    change(&mut stored);
    bench.world.add_code(stored);
    (bench, sold)
}

fn redeem(bench: &mut Bench, device: &mut Handset, code: &ActivationCode) -> Outcome {
    let mut request = device.request(Reason::Upgrade, &[]);
    prove(&mut request, code);
    let outcome = bench.receive(device, &request);
    if let Some(ack) = bench.deliver(device, &outcome) {
        bench.acknowledge(device, &ack);
    }
    outcome
}

fn prove(request: &mut Request, code: &ActivationCode) {
    let claim = code.claim("realm", &request.sender.key, &request.ask.nonce);
    request.ask.wants = vec![Want::Code {
        id: claim.id,
        proof: claim.proof,
    }];
}

#[test]
fn a_code_gives_its_units_once_to_a_device_and_as_often_as_it_may() {
    let (mut bench, sold) = bench(|_| {});
    let mut one = bench.admitted("one");
    let mut other = bench.admitted("other");
    let mut third = bench.admitted("third");
    assert_eq!(denials(&redeem(&mut bench, &mut one, &code())), [None]);
    assert_eq!(bench.live(sold), 2);
    assert_eq!(one.features(), ["scan"]);
    let again = redeem(&mut bench, &mut one, &code());
    assert_eq!(again.decided[0].verdict, WantVerdict::Served);
    assert_eq!(bench.world.code(ID).unwrap().uses_left, 1);
    assert_eq!(denials(&redeem(&mut bench, &mut other, &code())), [None]);
    assert_eq!(
        denials(&redeem(&mut bench, &mut third, &code())),
        [Some(Rule::CodeRefused)]
    );
    assert_eq!(bench.live(sold), 4);
    assert_eq!(bench.count(EventKind::CodeUsed), 2);
    assert_eq!(bench.count(EventKind::CodeFailed), 0);
}

/// Nobody learns which codes exist, or what became of them.
#[test]
fn whatever_is_wrong_with_a_code_is_answered_alike() {
    type Change = fn(&mut Code);
    let cases: [Change; 4] = [
        |code| code.void = true,
        |code| code.uses_left = 0,
        |code| code.expires_at = Some(crate::domain::Timestamp::from_seconds(1)),
        |code| code.failures = 100,
    ];
    let mut answers = Vec::new();
    for change in cases {
        let (mut bench, _) = bench(change);
        let mut device = bench.admitted("d");
        answers.push(redeem(&mut bench, &mut device, &code()));
    }
    let wrong = ActivationCode {
        secret: *b"9876543210",
        ..code()
    };
    let unknown = ActivationCode {
        id: CodeId([9; 5]),
        ..code()
    };
    for code in [wrong, unknown] {
        let (mut bench, _) = bench(|_| {});
        let mut device = bench.admitted("d");
        answers.push(redeem(&mut bench, &mut device, &code));
        assert_eq!(bench.count(EventKind::CodeFailed), 1);
    }
    for outcome in answers {
        assert_eq!(
            outcome.decided[0].verdict,
            WantVerdict::Denied {
                rule: Rule::CodeRefused,
                retry_after: None,
                lifts_at: None,
            }
        );
        assert!(outcome.activations.is_empty());
    }
}

/// What was redeemed stays, and nobody redeems what is left.
#[test]
fn a_code_that_became_void_gives_no_more_and_takes_nothing_back() {
    let (mut bench, sold) = bench(|_| {});
    let mut early = bench.admitted("early");
    let mut late = bench.admitted("late");
    assert_eq!(denials(&redeem(&mut bench, &mut early, &code())), [None]);
    bench.world.code_mut(ID).unwrap().void = true;
    assert_eq!(
        denials(&redeem(&mut bench, &mut late, &code())),
        [Some(Rule::CodeRefused)]
    );
    let again = redeem(&mut bench, &mut early, &code());
    assert_eq!(again.decided[0].verdict, WantVerdict::Served);
    assert_eq!(early.features(), ["scan"]);
    assert_eq!(bench.live(sold), 2);
    let of = bench.world.entitlement(sold).unwrap();
    assert_eq!(of.quantity, Quantity::Units(10));
}

/// A proof seen on the wire is good for its device and its request only.
#[test]
fn a_proof_does_not_serve_another_device_nonce_or_realm() {
    let (mut bench, sold) = bench(|_| {});
    let mut victim = bench.admitted("victim");
    let mut thief = bench.admitted("thief");
    let mut seen = victim.request(Reason::Upgrade, &[]);
    prove(&mut seen, &code());

    let mut stolen = thief.request(Reason::Upgrade, &[]);
    stolen.ask.wants = seen.ask.wants.clone();
    assert_eq!(
        denials(&bench.receive(&thief, &stolen)),
        [Some(Rule::CodeRefused)]
    );

    let claim = code().claim("other", &victim.key, &seen.ask.nonce);
    let mut foreign = seen.clone();
    foreign.ask.wants = vec![Want::Code {
        id: claim.id,
        proof: claim.proof,
    }];
    assert_eq!(
        denials(&bench.receive(&victim, &foreign)),
        [Some(Rule::CodeRefused)]
    );
    assert_eq!(bench.live(sold), 0);
    assert_eq!(bench.world.code(ID).unwrap().failures, 2);
}

#[test]
fn guessing_is_limited_for_the_device() {
    let (mut bench, sold) = bench(|_| {});
    let mut device = bench.admitted("d");
    let wrong = ActivationCode {
        secret: *b"9876543210",
        ..code()
    };
    let limit = bench.policy.code_failures_per_device;
    for _ in 0..limit {
        let outcome = redeem(&mut bench, &mut device, &wrong);
        assert_eq!(denials(&outcome), [Some(Rule::CodeRefused)]);
    }
    // The right one is not looked at any more,
    let outcome = redeem(&mut bench, &mut device, &code());
    assert_eq!(denials(&outcome), [Some(Rule::CodesBlocked)]);
    assert_eq!(bench.world.code(ID).unwrap().failures, limit);
    // until the day is over.
    bench.wait(DAY);
    redeem(&mut bench, &mut device, &code());
    redeem(&mut bench, &mut device, &code());
    assert_eq!(bench.live(sold), 2);
}

/// Eight guesses fit in one request.
#[test]
fn guesses_in_one_request_count_each() {
    let (mut bench, _) = bench(|_| {});
    bench.policy.code_failures_per_device = 3;
    let mut device = bench.admitted("d");
    let guess = |n: u8| Want::Code {
        id: CodeId([n; 5]),
        proof: crate::domain::CodeProof([n; 32]),
    };
    let wants: Vec<_> = (0..5).map(guess).collect();
    let outcome = bench.ask(&mut device, Reason::Upgrade, &wants);
    let (refused, blocked) = (Some(Rule::CodeRefused), Some(Rule::CodesBlocked));
    assert_eq!(
        denials(&outcome),
        [refused, refused, refused, blocked, blocked]
    );
}

#[test]
fn a_code_of_one_owner_is_not_for_the_device_of_another() {
    let (mut bench, sold) = bench(|_| {});
    bench.world.entitlement_mut(sold).unwrap().owner = Some(PARTNER);
    let mut device = bench.admitted("d");
    let outcome = redeem(&mut bench, &mut device, &code());
    assert_eq!(denials(&outcome), [Some(Rule::OtherOwner)]);
    assert_eq!(bench.world.code(ID).unwrap().uses_left, 2);
}

#[test]
fn one_code_twice_in_a_request_is_used_once() {
    let (mut bench, sold) = bench(|_| {});
    let mut device = bench.admitted("d");
    let mut request = device.request(Reason::Upgrade, &[]);
    prove(&mut request, &code());
    let want = request.ask.wants[0].clone();
    request.ask.wants.push(want);
    let outcome = bench.receive(&device, &request);
    assert_eq!(outcome.decided[1].verdict, WantVerdict::Served);
    assert_eq!(bench.live(sold), 2);
    assert_eq!(bench.world.code(ID).unwrap().uses_left, 1);
}

/// What a partner hands out is the partner's until it is used; what anybody else owns is no code's to
/// give to another.
#[test]
fn a_code_gives_what_is_the_partners_who_hands_it_out() {
    for (partner, rule) in [(Some(PARTNER), None), (None, Some(Rule::OtherOwner))] {
        let (mut bench, sold) = bench(|code| code.partner = partner);
        bench.world.entitlement_mut(sold).unwrap().owner = Some(PARTNER);
        let mut device = bench.admitted("d");
        let outcome = redeem(&mut bench, &mut device, &code());
        assert_eq!(denials(&outcome), [rule]);
        let units = if rule.is_none() { 2 } else { 0 };
        assert_eq!(bench.live(sold), units);
    }
}
