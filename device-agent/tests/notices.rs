//! What each notice makes the device do, and how often.
#![allow(clippy::unwrap_used)]

mod support;

use fleetgrant_agent::{Ask, AskError, Event, Instant, Refusal, Taken};
use fleetgrant_schemas::code::ActivationCode;
use fleetgrant_schemas::envelope::{Envelope, Signer};
use fleetgrant_schemas::id::*;
use fleetgrant_schemas::notice::{Notice, NoticeCode};
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::topic::MessageType;
use fleetgrant_schemas::{Want, limits};
use support::*;

const HOUR: u64 = 3_600;

fn upgrade<'a>() -> Ask<'a> {
    Ask {
        features: &[("decode", 2), ("bandwidth", 1)],
        ..Ask::for_what_is_owed(Reason::Upgrade)
    }
}

/// A device that holds generation 1 and has asked for more; the request.
fn asking<'c>(
    profile: &'c fleetgrant_agent::Profile<'c>,
    flash: &Flash,
) -> (TestAgent<'c>, Vec<u8>) {
    let mut agent = start(profile, flash, 1);
    install(&mut agent, 1, &[right(1, "bandwidth")], Instant(0));
    sent(&mut agent);
    agent.ask(&upgrade(), Instant(0)).unwrap();
    let (_, request) = sent(&mut agent).pop().unwrap();
    events(&mut agent);
    (agent, request)
}

fn tell(agent: &mut TestAgent<'_>, notice: Notice<'_>, now: Instant) -> Result<(), Refusal> {
    let bytes = signed(NOTICES_SEED, &notice);
    take(agent, &bytes, MessageType::Notice, now).map(|taken| {
        assert!(matches!(taken, Taken::Notice(_)));
    })
}

/// What the agent sends at once; nothing if it waits.
fn sends(agent: &mut TestAgent<'_>, now: Instant) -> Option<Vec<u8>> {
    agent.handle_timeout(now);
    sent(agent).pop().map(|(_, bytes)| bytes)
}

fn wants_of(request: &[u8]) -> Vec<(&str, u32)> {
    let wants = read_request(request).wants;
    let wants = wants.iter().map(|want| match want {
        Want::Feature { feature, total } => (feature, total),
        Want::Code(_) => panic!("no code was wanted"),
    });
    wants.collect()
}

#[test]
fn stale_seq_raises_the_seq_never_lowers_it_and_is_followed_once_an_hour() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let (mut agent, request) = asking(&profile, &flash);
    let stale = |request: &[u8], seq| Notice {
        seq_expected: Some(seq),
        challenge: Some(Challenge([0xcc; 16])),
        ..notice(NoticeCode::StaleSeq, Some(nonce_of(request)))
    };
    tell(&mut agent, stale(&request, 1_000), Instant(0)).unwrap();
    let second = sends(&mut agent, Instant(0)).unwrap();
    let read = read_request(&second);
    assert_eq!(
        (read.seq, read.challenge),
        (1_000, Some(Challenge([0xcc; 16])))
    );
    assert_ne!(read.nonce, nonce_of(&request));
    assert_eq!(wants_of(&second), wants_of(&request));

    assert_eq!(
        tell(&mut agent, stale(&second, 5_000), Instant(0)),
        Err(Refusal::TooSoon)
    );
    let hour = Instant(HOUR * 1_000);
    tell(&mut agent, stale(&second, 10), hour).unwrap();
    let third = requested(&mut agent, hour.plus_secs(11));
    assert_eq!(read_request(&third).seq, 1_001, "it only rises");

    // What was raised was stored before it was used.
    let restarted = requested(&mut start(&profile, &flash, 9), Instant(0));
    assert!(read_request(&restarted).seq > 1_001);
}

#[test]
fn send_chain_is_followed_with_and_without_nonce_and_only_while_asking() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let (mut agent, request) = asking(&profile, &flash);
    let is_thumbprint = |bytes: &[u8]| {
        matches!(
            Envelope::parse(bytes).unwrap().signer(),
            Signer::Thumbprint(_)
        )
    };
    assert!(is_thumbprint(&request));
    tell(&mut agent, notice(NoticeCode::SendChain, None), Instant(0)).unwrap();
    let chained = sends(&mut agent, Instant(0)).unwrap();
    assert!(!is_thumbprint(&chained));
    assert_eq!(wants_of(&chained), wants_of(&request));
    assert!(read_request(&chained).seq > read_request(&request).seq);
    let again = notice(NoticeCode::SendChain, Some(nonce_of(&chained)));
    assert_eq!(tell(&mut agent, again, Instant(0)), Err(Refusal::TooSoon));

    install(&mut agent, 2, &[], Instant(20_000));
    sent(&mut agent);
    let later = Instant(2 * HOUR * 1_000);
    let unasked = notice(NoticeCode::SendChain, None);
    assert_eq!(tell(&mut agent, unasked, later), Err(Refusal::NotAsked));
}

#[test]
fn a_challenge_is_echoed_in_a_new_request_and_no_notice_makes_a_tight_loop() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let (mut agent, mut request) = asking(&profile, &flash);
    let mut now = Instant(0);
    let mut gaps = Vec::new();
    for n in 1..6 {
        let challenge = Challenge([n; 16]);
        let told = Notice {
            challenge: Some(challenge),
            ..notice(NoticeCode::Challenge, Some(nonce_of(&request)))
        };
        tell(&mut agent, told, now).unwrap();
        let before = now;
        request = loop {
            if let Some(request) = sends(&mut agent, now) {
                break request;
            }
            now = agent.poll_timeout().unwrap();
        };
        gaps.push(now.millis_since(before));
        assert_eq!(read_request(&request).challenge, Some(challenge));
    }
    assert_eq!(gaps[0], 0);
    assert!(gaps[1..].iter().all(|gap| *gap >= 1_000), "{gaps:?}");
}

#[test]
fn retry_later_repeats_the_same_bytes_after_it_and_not_for_a_new_connection() {
    let factory = Factory::new();
    let profile = factory.profile();
    let (mut agent, request) = asking(&profile, &Flash::default());
    let told = Notice {
        retry_after: Some(600),
        ..notice(NoticeCode::RetryLater, Some(nonce_of(&request)))
    };
    tell(&mut agent, told, Instant(0)).unwrap();
    agent.resend(Instant(1_000));
    assert_eq!(sends(&mut agent, Instant(599_999)), None);
    let at = Instant(660_000);
    assert_eq!(sends(&mut agent, at), Some(request.clone()));

    let forever = Notice {
        retry_after: Some(u32::MAX),
        ..told
    };
    tell(&mut agent, forever, at).unwrap();
    assert_eq!(
        sends(&mut agent, at.plus_secs(limits::MAX_RETRY_AFTER - 1)),
        None
    );
    let latest = at.plus_secs(limits::MAX_RETRY_AFTER * 11 / 10);
    assert_eq!(sends(&mut agent, latest), Some(request));
}

#[test]
fn what_waits_for_an_operator_is_asked_again_and_what_is_denied_is_not() {
    let cases = [
        (NoticeCode::NotAdmitted, true),
        (NoticeCode::Quarantined, true),
        (NoticeCode::Revoked, false),
        (NoticeCode::Denied, false),
        (NoticeCode::TooLarge, false),
        (NoticeCode::Malformed, false),
        (NoticeCode::WrongRealm, false),
        (NoticeCode::IdentityConflict, false),
    ];
    for (code, is_asked_again) in cases {
        let factory = Factory::new();
        let profile = factory.profile();
        let (mut agent, request) = asking(&profile, &Flash::default());
        let told = Notice {
            retry_after: Some(900),
            ..notice(code, Some(nonce_of(&request)))
        };
        tell(&mut agent, told, Instant(0)).unwrap();
        assert_eq!(events(&mut agent), [Event::Notice(code)]);
        assert!(
            agent.is_on("bandwidth", Instant(0)).is_on(),
            "{code}: no right changes"
        );
        assert_eq!(sends(&mut agent, Instant(899_999)), None, "{code}");
        let next = sends(&mut agent, Instant(990_000)).unwrap();
        let wants = if is_asked_again {
            wants_of(&request)
        } else {
            Vec::new()
        };
        assert_eq!(wants_of(&next), wants, "{code}");
        assert_ne!(nonce_of(&next), nonce_of(&request));

        // Told twice, the second is no answer to anything.
        assert_eq!(
            tell(&mut agent, told, Instant(990_000)),
            Err(Refusal::NotAsked)
        );
    }
}

#[test]
fn a_renewal_that_is_due_does_not_hurry_a_refusal() {
    let factory = Factory::new();
    let profile = factory.profile();
    let (mut agent, request) = asking(&profile, &Flash::default());
    let denied = |request: &[u8]| Notice {
        retry_after: Some(900),
        ..notice(NoticeCode::Denied, Some(nonce_of(request)))
    };
    tell(&mut agent, denied(&request), Instant(0)).unwrap();
    // Long past renew-after.
    let late = Instant(0).plus_secs(60 * DAY);
    let renewal = sends(&mut agent, late).unwrap();
    tell(&mut agent, denied(&renewal), late).unwrap();
    assert_eq!(sends(&mut agent, late.plus_secs(899)), None);
    assert!(agent.poll_timeout().unwrap() > late);
    assert!(sends(&mut agent, late.plus_secs(991)).is_some());
}

#[test]
fn an_operator_who_admits_a_device_pokes_it_and_it_asks_for_what_it_wanted() {
    let factory = Factory::new();
    let profile = factory.profile();
    let (mut agent, request) = asking(&profile, &Flash::default());
    tell(
        &mut agent,
        notice(NoticeCode::Quarantined, Some(nonce_of(&request))),
        Instant(0),
    )
    .unwrap();
    let now = Instant(60_000);
    assert_eq!(sends(&mut agent, now), None);
    tell(&mut agent, notice(NoticeCode::Poke, None), now).unwrap();
    let next = sends(&mut agent, now).unwrap();
    assert_eq!(wants_of(&next), wants_of(&request));
}

#[test]
fn a_poke_is_followed_once_an_hour() {
    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, &Flash::default(), 1);
    install(&mut agent, 1, &[], Instant(0));
    sent(&mut agent);
    let poke = || notice(NoticeCode::Poke, None);
    tell(&mut agent, poke(), Instant(0)).unwrap();
    assert!(sends(&mut agent, Instant(0)).is_some());
    install(&mut agent, 2, &[], Instant(0));
    sent(&mut agent);
    let almost = Instant(HOUR * 1_000 - 1);
    assert_eq!(tell(&mut agent, poke(), almost), Err(Refusal::TooSoon));
    assert_eq!(sends(&mut agent, almost), None);
    tell(&mut agent, poke(), Instant(HOUR * 1_000)).unwrap();
    assert!(sends(&mut agent, Instant(HOUR * 1_000)).is_some());
}

#[test]
fn without_the_nonce_of_an_open_request_all_else_is_ignored() {
    let factory = Factory::new();
    let profile = factory.profile();
    for code in NoticeCode::ALL {
        if matches!(code, NoticeCode::Poke | NoticeCode::SendChain) {
            continue;
        }
        let (mut agent, _) = asking(&profile, &Flash::default());
        for nonce in [None, Some(DeviceNonce([0; 16]))] {
            let told = Notice {
                seq_expected: Some(9_999),
                retry_after: Some(1),
                challenge: Some(Challenge([0xee; 16])),
                issued_at: EPOCH + 100 * DAY,
                ..notice(*code, nonce)
            };
            assert_eq!(tell(&mut agent, told, Instant(0)), Err(Refusal::NotAsked));
        }
        assert_eq!(agent.clock_floor(Instant(0)), EPOCH, "{code} told no time");
    }
}

#[test]
fn notices_are_checked_like_grants() {
    let factory = Factory::new();
    let profile = factory.profile();
    let (mut agent, request) = asking(&profile, &Flash::default());
    let good = notice(NoticeCode::Denied, Some(nonce_of(&request)));
    let other = key(AUTHORITY_SEED).public_key().thumbprint();
    let attacks = [
        (
            Notice {
                realm: "acme-test",
                ..good
            },
            Refusal::OtherRealm,
        ),
        (
            Notice {
                device: DeviceId::new("scope-1").unwrap(),
                ..good
            },
            Refusal::OtherDevice,
        ),
        (
            Notice {
                confirmation: Some(other),
                ..good
            },
            Refusal::OtherKey,
        ),
        (
            Notice {
                issued_at: EPOCH - 31 * DAY,
                ..good
            },
            Refusal::IssuedOutsideKey,
        ),
    ];
    for (attack, reason) in attacks {
        assert_eq!(tell(&mut agent, attack, Instant(0)), Err(reason));
    }
    let foreign = signed(99, &good);
    let taken = take(&mut agent, &foreign, MessageType::Notice, Instant(0));
    assert_eq!(taken, Err(Refusal::UnknownKey));
    tell(
        &mut agent,
        Notice {
            confirmation: None,
            ..good
        },
        Instant(0),
    )
    .unwrap();
}

#[test]
fn show_grant_is_answered_by_an_ack_with_the_signed_grant() {
    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, &Flash::default(), 1);
    let stored = install(&mut agent, 1, &[right(1, "bandwidth")], Instant(0));
    sent(&mut agent);
    agent.ask(&upgrade(), Instant(0)).unwrap();
    let (_, request) = sent(&mut agent).pop().unwrap();
    tell(
        &mut agent,
        notice(NoticeCode::ShowGrant, Some(nonce_of(&request))),
        Instant(0),
    )
    .unwrap();
    let (message, ack) = sent(&mut agent).pop().unwrap();
    assert_eq!(message, MessageType::Ack);
    let ack = read_ack(&ack);
    assert_eq!(ack.n, 2);
    assert_eq!(ack.shown_grant, Some(&stored[..]));
    let next = sends(&mut agent, Instant(66_000)).unwrap();
    assert_eq!(wants_of(&next), wants_of(&request), "and it asks again");
}

#[test]
fn one_ask_is_outstanding_at_a_time_and_can_be_withdrawn() {
    let factory = Factory::new();
    let profile = factory.profile();
    let (mut agent, request) = asking(&profile, &Flash::default());
    let now = Instant(20_000);
    assert_eq!(agent.ask(&upgrade(), now), Err(AskError::Outstanding));
    agent.withdraw(now);
    let routine = sends(&mut agent, now).unwrap();
    assert!(wants_of(&routine).is_empty());
    assert!(read_request(&routine).seq > read_request(&request).seq);
    agent
        .ask(&upgrade(), now)
        .expect("a routine request gives way");
    assert_eq!(sent(&mut agent).len(), 1);
}

#[test]
fn what_cannot_be_asked_is_told() {
    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, &Flash::default(), 1);
    let mut ask = |features: &[(&str, u32)], concerned: &[ActivationId]| {
        let ask = Ask {
            features,
            concerned,
            ..Ask::for_what_is_owed(Reason::Return)
        };
        agent.ask(&ask, Instant(0))
    };
    assert_eq!(ask(&[("warp", 1)], &[]), Err(AskError::UnknownFeature));
    assert_eq!(
        ask(&[("decode", 1), ("decode", 2)], &[]),
        Err(AskError::RepeatedWant)
    );
    assert_eq!(ask(&[("decode", 1); 9], &[]), Err(AskError::TooManyWants));
    assert_eq!(
        ask(&[], &[ActivationId([9; 16])]),
        Err(AskError::UnknownActivation)
    );
}

#[test]
fn a_return_names_the_activations_it_is_about() {
    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, &Flash::default(), 1);
    install(
        &mut agent,
        1,
        &[right(1, "bandwidth"), right(2, "decode")],
        Instant(0),
    );
    sent(&mut agent);
    let ask = Ask {
        concerned: &[ActivationId([2; 16])],
        ..Ask::for_what_is_owed(Reason::Return)
    };
    agent.ask(&ask, Instant(0)).unwrap();
    let (_, request) = sent(&mut agent).pop().unwrap();
    let request = read_request(&request);
    assert_eq!(request.reason, Reason::Return);
    assert!(request.concerned.iter().eq([ActivationId([2; 16])]));
}

#[test]
fn a_code_is_proven_anew_for_each_nonce_and_never_sent() {
    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, &Flash::default(), 1);
    let code = ActivationCode {
        id: CodeId([1; 5]),
        secret: [0xa5; 10],
    };
    let ask = Ask {
        code: Some(code),
        ..Ask::for_what_is_owed(Reason::Upgrade)
    };
    agent.ask(&ask, Instant(0)).unwrap();
    let (_, first) = sent(&mut agent).pop().unwrap();
    let told = Notice {
        challenge: Some(Challenge([1; 16])),
        ..notice(NoticeCode::Challenge, Some(nonce_of(&first)))
    };
    tell(&mut agent, told, Instant(0)).unwrap();
    let second = sends(&mut agent, Instant(0)).unwrap();
    let device = key(DEVICE_SEED).public_key().thumbprint();
    let mut proofs = Vec::new();
    for request in [&first, &second] {
        assert!(!request.windows(10).any(|part| part == code.secret));
        let request = read_request(request);
        let Some(Want::Code(claim)) = request.wants.iter().next() else {
            panic!("a code is wanted");
        };
        assert_eq!(claim.id, code.id);
        let key = code.key();
        assert!(key.proves(&claim.proof, REALM, &device, &request.nonce));
        proofs.push(claim.proof);
    }
    assert_ne!(proofs[0], proofs[1]);
}
