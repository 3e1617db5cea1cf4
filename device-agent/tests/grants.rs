//! Every check of a grant, with the attack that it stops.
#![allow(clippy::unwrap_used)]

mod support;

use fleetgrant_agent::{Event, Instant, Record, Refusal, Taken};
use fleetgrant_schemas::Malformed;
use fleetgrant_schemas::entitlement::Entitlement;
use fleetgrant_schemas::envelope::{Draft, Signer};
use fleetgrant_schemas::grant::{Flags, Grant};
use fleetgrant_schemas::id::*;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;
use support::*;

const NOW: Instant = Instant(1_000);

/// A device that holds generation 5 and has an outstanding request.
fn device<'c>(
    profile: &'c fleetgrant_agent::Profile<'c>,
    flash: &Flash,
) -> (TestAgent<'c>, DeviceNonce) {
    let mut agent = start(profile, flash, 1);
    install(&mut agent, 5, &[right(1, "bandwidth")], Instant(0));
    sent(&mut agent);
    let mut agent = start(profile, flash, 2);
    let nonce = nonce_of(&requested(&mut agent, Instant(0)));
    events(&mut agent);
    (agent, nonce)
}

/// The message is refused for that reason, and nothing has changed.
fn refused(agent: &mut TestAgent<'_>, flash: &Flash, bytes: &[u8], reason: Refusal) {
    let records = |flash: &Flash| {
        Record::ALL
            .iter()
            .map(|r| flash.bytes(*r))
            .collect::<Vec<_>>()
    };
    let before = (agent.held(), agent.clock_floor(NOW), records(flash));
    let taken = take(agent, bytes, MessageType::Grant, NOW);
    assert_eq!(taken, Err(reason));
    let after = (agent.held(), agent.clock_floor(NOW), records(flash));
    assert_eq!(before, after, "{reason:?}");
    let message = MessageType::Grant;
    assert_eq!(events(agent), [Event::Refused { message, reason }]);
    assert!(sent(agent).is_empty());
}

#[test]
fn what_is_wrong_with_a_grant_is_told_and_changes_nothing() {
    let factory = Factory::new();
    let profile = factory.profile();
    let too_many: Vec<String> = (0..=RIGHTS).map(|n| format!("feature-{n}")).collect();
    let too_many: Vec<Entitlement<'_>> = (1..).zip(&too_many).map(|(n, f)| right(n, f)).collect();
    let flash = Flash::default();
    let (_, nonce) = device(&profile, &flash);
    let good = grant(6, Some(nonce));
    let other_key = key(AUTHORITY_SEED).public_key().thumbprint();
    type Attack<'a> = (&'a str, Grant<'a>, Refusal);
    let attacks: &[Attack<'_>] = &[
        (
            "another realm",
            Grant {
                realm: "acme-test",
                ..good
            },
            Refusal::OtherRealm,
        ),
        (
            "another device",
            Grant {
                device: DeviceId::new("scope-4712").unwrap(),
                ..good
            },
            Refusal::OtherDevice,
        ),
        (
            "a device's former key",
            Grant {
                confirmation: other_key,
                ..good
            },
            Refusal::OtherKey,
        ),
        (
            "an epoch its key has not",
            Grant { epoch: 2, ..good },
            Refusal::KeyEpoch,
        ),
        (
            "issued before its key",
            Grant {
                issued_at: EPOCH - 31 * DAY,
                ..good
            },
            Refusal::IssuedOutsideKey,
        ),
        (
            "issued after its key",
            Grant {
                issued_at: EPOCH + 335 * DAY,
                ..good
            },
            Refusal::IssuedOutsideKey,
        ),
        (
            "kept back for years",
            Grant {
                install_until: EPOCH,
                ..good
            },
            Refusal::InstallWindow,
        ),
        (
            "kept back, and nobody asked",
            Grant {
                install_until: EPOCH,
                nonce: None,
                ..good
            },
            Refusal::InstallWindow,
        ),
        (
            "a factory grant of later",
            Grant {
                flags: Flags { factory: true },
                ..good
            },
            Refusal::FactoryGeneration,
        ),
        (
            "rolled back",
            Grant {
                generation: 4,
                ..good
            },
            Refusal::Superseded,
        ),
        (
            "rolled back to the factory",
            Grant {
                generation: 1,
                flags: Flags { factory: true },
                ..good
            },
            Refusal::Superseded,
        ),
        (
            "a second set of one generation",
            Grant {
                generation: 5,
                ..good
            },
            Refusal::Conflict,
        ),
        (
            "more than there is room for",
            Grant {
                entitlements: Seq::new(&too_many),
                ..good
            },
            Refusal::SetTooLarge,
        ),
    ];
    for (attack, grant, reason) in attacks {
        let flash = flash.copy();
        let (mut agent, nonce) = device_again(&profile, &flash);
        let grant = Grant {
            nonce: grant.nonce.and(Some(nonce)),
            ..*grant
        };
        println!("{attack}");
        refused(&mut agent, &flash, &signed(AUTHORITY_SEED, &grant), *reason);
    }
}

/// As [`device`], from what is stored.
fn device_again<'c>(
    profile: &'c fleetgrant_agent::Profile<'c>,
    flash: &Flash,
) -> (TestAgent<'c>, DeviceNonce) {
    let mut agent = start(profile, flash, 3);
    let nonce = nonce_of(&requested(&mut agent, Instant(0)));
    events(&mut agent);
    (agent, nonce)
}

#[test]
fn only_the_authority_key_for_grants_signs_grants() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let (mut agent, nonce) = device(&profile, &flash);
    let good = grant(6, Some(nonce));
    refused(
        &mut agent,
        &flash,
        &signed(NOTICES_SEED, &good),
        Refusal::KeyRole,
    );
    refused(
        &mut agent,
        &flash,
        &signed(ROOT_SEED, &good),
        Refusal::UnknownKey,
    );
    refused(&mut agent, &flash, &signed(99, &good), Refusal::UnknownKey);

    // The right kid over another key's signature.
    let kid = key(AUTHORITY_SEED).public_key().thumbprint().key_id();
    let mut buffer = [0; 1_024];
    let draft = Draft::new(&mut buffer, &Signer::Key(kid), &good).unwrap();
    let forged = key(99).sign(&draft.to_sign()).unwrap();
    let forged = draft.finish(&forged).to_vec();
    refused(&mut agent, &flash, &forged, Refusal::BadSignature);

    // One bit of the payload.
    let mut changed = signed(AUTHORITY_SEED, &good);
    let place = changed.len() - 80;
    changed[place] ^= 1;
    let taken = take(&mut agent, &changed, MessageType::Grant, NOW);
    assert!(matches!(
        taken,
        Err(Refusal::BadSignature | Refusal::Malformed(_))
    ));
}

#[test]
fn signatures_at_the_edges() {
    /// The order of P-256 (SEC 2 section 2.4.2).
    const N: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    fn negated(s: &[u8]) -> [u8; 32] {
        let mut result = [0; 32];
        let mut borrow = 0;
        for place in (0..32).rev() {
            let difference = i16::from(N[place]) - i16::from(s[place]) - borrow;
            borrow = i16::from(difference < 0);
            result[place] = difference.rem_euclid(256) as u8;
        }
        result
    }
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let (mut agent, nonce) = device(&profile, &flash);
    let good = signed(AUTHORITY_SEED, &grant(6, Some(nonce)));
    let split = good.len() - 32;
    let with = |r: Option<[u8; 32]>, s: Option<[u8; 32]>| {
        let mut bytes = good.clone();
        r.inspect(|r| bytes[split - 32..split].copy_from_slice(r));
        s.inspect(|s| bytes[split..].copy_from_slice(s));
        bytes
    };
    for bad in [
        with(Some([0; 32]), None),
        with(None, Some([0; 32])),
        with(Some([0; 32]), Some([0; 32])),
        with(Some(N), None),
        with(None, Some(N)),
        with(Some([0xff; 32]), Some([0xff; 32])),
    ] {
        refused(&mut agent, &flash, &bad, Refusal::BadSignature);
    }
    // 63 and 65 bytes: the head of the byte string says so, and it is no signature then.
    let mut short = good.clone();
    short[split - 33] = 63;
    short.pop();
    let mut long = good.clone();
    long[split - 33] = 65;
    long.push(0);
    for bad in [short, long] {
        refused(
            &mut agent,
            &flash,
            &bad,
            Refusal::Malformed(Malformed::WrongLength),
        );
    }

    // Both s and n − s are valid: the other one of a message is the same message.
    let other_s = negated(&good[split..]);
    assert_ne!(other_s, good[split..]);
    let other = with(None, Some(other_s));
    let taken = take(&mut agent, &other, MessageType::Grant, NOW);
    assert!(matches!(taken, Ok(Taken::Installed(_))));
    let taken = take(&mut agent, &good, MessageType::Grant, NOW);
    assert!(matches!(taken, Ok(Taken::Again(_))));
}

#[test]
fn bytes_that_are_no_grant() {
    let factory = Factory::new();
    let mut profile = factory.profile();
    profile.max_down = 600;
    let flash = Flash::default();
    let (mut agent, nonce) = device(&profile, &flash);
    let vendor_data = [7; 64];
    let rights: Vec<Entitlement<'_>> = FEATURES
        .iter()
        .zip(1..)
        .map(|(feature, n)| Entitlement {
            vendor_data: Some(&vendor_data),
            ..right(n, feature)
        })
        .collect();
    let large = Grant {
        entitlements: Seq::new(&rights),
        ..grant(6, Some(nonce))
    };
    let large = signed(AUTHORITY_SEED, &large);
    assert!((601..4_096).contains(&large.len()), "{}", large.len());
    refused(
        &mut agent,
        &flash,
        &large,
        Refusal::Malformed(Malformed::Oversize),
    );

    let good = signed(AUTHORITY_SEED, &grant(6, Some(nonce)));
    let mut trailing = good.clone();
    trailing.push(0);
    refused(
        &mut agent,
        &flash,
        &trailing,
        Refusal::Malformed(Malformed::TrailingBytes),
    );
    refused(
        &mut agent,
        &flash,
        &[],
        Refusal::Malformed(Malformed::Truncated),
    );
    refused(
        &mut agent,
        &flash,
        b"\xf6",
        Refusal::Malformed(Malformed::NotSign1),
    );
    let (mut agent, nonce) = device_again(&profile, &flash);
    let notice = signed(
        AUTHORITY_SEED,
        &notice(fleetgrant_schemas::notice::NoticeCode::Poke, Some(nonce)),
    );
    refused(&mut agent, &flash, &notice, Refusal::OtherTopic);
    let mut any_topic = start(&profile, &Flash::default(), 6);
    let taken = take(&mut any_topic, &good, MessageType::Request, NOW);
    assert_eq!(
        taken,
        Err(Refusal::OtherTopic),
        "what goes up never comes down"
    );
}

#[test]
fn a_blank_device_takes_only_what_echoes_its_nonce() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    let recorded = install(&mut agent, 5, &[right(1, "bandwidth")], Instant(0));
    sent(&mut agent);
    flash.wipe();

    let mut agent = start(&profile, &flash, 2);
    let asked = requested(&mut agent, Instant(0));
    refused(&mut agent, &flash, &recorded, Refusal::BlankWithoutNonce);
    let unasked = signed(AUTHORITY_SEED, &grant(9, None));
    refused(&mut agent, &flash, &unasked, Refusal::BlankWithoutNonce);
    let guessed = signed(AUTHORITY_SEED, &grant(9, Some(DeviceNonce([0; 16]))));
    refused(&mut agent, &flash, &guessed, Refusal::BlankWithoutNonce);
    let answer = signed(AUTHORITY_SEED, &grant(6, Some(nonce_of(&asked))));
    assert!(take(&mut agent, &answer, MessageType::Grant, NOW).is_ok());

    // The nonce of a request that a power cut took is no longer live.
    flash.wipe();
    let mut agent = start(&profile, &flash, 2_000);
    requested(&mut agent, Instant(0));
    refused(&mut agent, &flash, &answer, Refusal::BlankWithoutNonce);
}

#[test]
fn a_factory_grant_needs_no_nonce_and_tells_no_more_than_a_lower_bound_of_the_time() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    let rights = [Entitlement {
        start: Some(EPOCH - DAY),
        ..right(1, "bandwidth")
    }];
    let factory_grant = Grant {
        flags: Flags { factory: true },
        entitlements: Seq::new(&rights),
        ..grant(1, None)
    };
    let bytes = signed(AUTHORITY_SEED, &factory_grant);
    assert!(take(&mut agent, &bytes, MessageType::Grant, NOW).is_ok());
    assert!(agent.is_on("bandwidth", NOW).is_on());
    assert_eq!(agent.clock_floor(NOW), EPOCH);
    let pushed = signed(AUTHORITY_SEED, &grant(2, None));
    assert!(
        take(&mut agent, &pushed, MessageType::Grant, NOW).is_ok(),
        "no longer blank"
    );
}

#[test]
fn a_newer_epoch_outranks_every_generation_of_an_older_one() {
    let factory = Factory::new();
    let keys = [authority_key(AUTHORITY_SEED, 1), authority_key(8, 2)];
    let mut profile = factory.profile();
    profile.authority_keys = &keys;
    let flash = Flash::default();
    let (mut agent, _) = device(&profile, &flash);
    let newer = Grant {
        epoch: 2,
        ..grant(1, None)
    };
    assert!(take(&mut agent, &signed(8, &newer), MessageType::Grant, NOW).is_ok());
    sent(&mut agent);
    events(&mut agent);
    // The leaked key of epoch 1 signs as high as it likes.
    let leaked = grant((1 << 48) - 1, None);
    refused(
        &mut agent,
        &flash,
        &signed(AUTHORITY_SEED, &leaked),
        Refusal::Superseded,
    );
}

#[test]
fn an_expired_key_signs_nothing_even_dated_back() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let (mut agent, nonce) = device(&profile, &flash);
    let year = Instant(366 * DAY * 1_000);
    let old = Grant {
        install_until: EPOCH + 4_000 * DAY,
        ..grant(6, Some(nonce))
    };
    let old = signed(AUTHORITY_SEED, &old);
    let taken = take(&mut agent, &old, MessageType::Grant, year);
    assert_eq!(taken, Err(Refusal::KeyExpired));
}

#[test]
fn a_clock_in_the_far_future_shuts_out_a_push_but_not_the_answer_to_a_request() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let (mut agent, nonce) = device(&profile, &flash);
    agent.set_clock(EPOCH + 300 * DAY, NOW);
    let pushed = signed(AUTHORITY_SEED, &grant(6, None));
    refused(&mut agent, &flash, &pushed, Refusal::InstallWindow);
    let answer = signed(AUTHORITY_SEED, &grant(6, Some(nonce)));
    assert!(take(&mut agent, &answer, MessageType::Grant, NOW).is_ok());
    assert!(
        agent.clock_floor(NOW) < EPOCH + DAY,
        "and the answer set the clock right"
    );
}
