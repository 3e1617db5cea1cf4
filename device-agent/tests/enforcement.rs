//! Start, end, grace, lease, count and version ceiling, with and without contact.
#![allow(clippy::unwrap_used)]

mod support;

use fleetgrant_agent::{Ask, Event, Instant, Off, Record, Status, UseError};
use fleetgrant_schemas::ack::{Outcome, OutcomeReason};
use fleetgrant_schemas::entitlement::{Entitlement, Model};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;
use support::*;

const HOUR: u64 = 3_600;

fn after(secs: u64) -> Instant {
    Instant(secs * 1_000)
}

fn with<'c>(
    profile: &'c fleetgrant_agent::Profile<'c>,
    entitlements: &[Entitlement<'_>],
) -> (TestAgent<'c>, Flash) {
    let flash = Flash::default();
    let mut agent = start(profile, &flash, 1);
    install(&mut agent, 1, entitlements, Instant(0));
    sent(&mut agent);
    events(&mut agent);
    (agent, flash)
}

#[test]
fn start_end_and_grace_hold_without_any_contact() {
    let factory = Factory::new();
    let profile = factory.profile();
    let term = Entitlement {
        start: Some(EPOCH + HOUR),
        end: Some(EPOCH + 10 * HOUR),
        grace: Some(2 * HOUR as u32),
        ..right(1, "bandwidth")
    };
    let (mut agent, _) = with(&profile, &[term]);
    let on = Status::On {
        until: Some(EPOCH + 10 * HOUR),
        remaining: None,
    };
    let grace = Status::Grace {
        until: Some(EPOCH + 12 * HOUR),
        remaining: None,
    };
    for (secs, status) in [
        (0, Status::Off(Off::NotStarted)),
        (HOUR - 1, Status::Off(Off::NotStarted)),
        (HOUR, on),
        (10 * HOUR - 1, on),
        (10 * HOUR, grace),
        (12 * HOUR - 1, grace),
        (12 * HOUR, Status::Off(Off::Ended)),
        (1_000 * HOUR, Status::Off(Off::Ended)),
    ] {
        assert_eq!(agent.is_on("bandwidth", after(secs)), status, "at {secs} s");
    }

    // The firmware is told when it happens, if it calls when it is asked to.
    let mut changes = Vec::new();
    let mut now = Instant(0);
    while now < after(13 * HOUR) {
        now = agent.poll_timeout().unwrap();
        agent.handle_timeout(now);
        changes.extend(
            events(&mut agent)
                .into_iter()
                .map(|event| (now.0 / 1_000, event)),
        );
    }
    let feature = 0;
    assert_eq!(
        changes,
        [
            (HOUR, Event::FeatureChanged { feature, on: true }),
            (12 * HOUR, Event::FeatureChanged { feature, on: false }),
        ]
    );
}

#[test]
fn a_restart_forgets_at_most_what_was_not_persisted_and_adds_a_minute() {
    let factory = Factory::new();
    let profile = factory.profile();
    let term = Entitlement {
        end: Some(EPOCH + 2 * HOUR),
        ..right(1, "bandwidth")
    };
    let (mut agent, flash) = with(&profile, &[term]);
    let mut now = Instant(0);
    while now < after(HOUR) {
        now = agent.poll_timeout().unwrap();
        agent.handle_timeout(now);
    }
    drop(agent);
    let mut agent = start(&profile, &flash, 2);
    let floor = agent.clock_floor(Instant(0));
    assert!(
        (EPOCH + HOUR - 900 + 60..=EPOCH + HOUR + 60).contains(&floor),
        "{}",
        floor - EPOCH
    );
    // Cycling the power does not stop the clock.
    for cycle in 0..120 {
        agent = start(&profile, &flash, cycle);
    }
    assert_eq!(
        agent.is_on("bandwidth", Instant(0)),
        Status::Off(Off::Ended)
    );
}

#[test]
fn a_clock_that_is_set_back_revives_nothing() {
    let factory = Factory::new();
    let profile = factory.profile();
    let term = Entitlement {
        end: Some(EPOCH + 10 * HOUR),
        ..right(1, "bandwidth")
    };
    let (mut agent, flash) = with(&profile, &[term]);
    agent.set_clock(EPOCH + 20 * HOUR, Instant(0));
    let feature = 0;
    assert_eq!(
        events(&mut agent),
        [Event::FeatureChanged { feature, on: false }]
    );
    agent.set_clock(EPOCH + HOUR, Instant(0));
    assert!(!agent.is_on("bandwidth", Instant(0)).is_on());
    agent.handle_timeout(after(900));
    let mut agent = start(&profile, &flash, 2);
    agent.set_clock(EPOCH + HOUR, Instant(0));
    assert!(!agent.is_on("bandwidth", Instant(0)).is_on());
}

#[test]
fn a_lease_ends_without_contact_and_a_later_grant_moves_it() {
    let factory = Factory::new();
    let profile = factory.profile();
    let lease = |end| Entitlement {
        lease_end: Some(EPOCH + end),
        grace: Some(HOUR as u32),
        ..right(1, "bandwidth")
    };
    let (mut agent, _) = with(&profile, &[lease(5 * HOUR)]);
    assert!(agent.is_on("bandwidth", after(5 * HOUR - 1)).is_on());
    assert_eq!(
        agent.is_on("bandwidth", after(5 * HOUR)),
        Status::Off(Off::LeaseEnded),
        "grace belongs to the end"
    );
    install(&mut agent, 2, &[lease(50 * HOUR)], after(6 * HOUR));
    assert!(agent.is_on("bandwidth", after(6 * HOUR)).is_on());
}

#[test]
fn uses_are_counted_stored_first_and_end() {
    let factory = Factory::new();
    let profile = factory.profile();
    let prepaid = Entitlement {
        model: Model::Counted,
        count: Some(3),
        usage_base: Some(10),
        ..right(1, "prepaid")
    };
    let metered = Entitlement {
        model: Model::Metered,
        ..right(2, "meter")
    };
    let (mut agent, flash) = with(&profile, &[prepaid, metered, right(3, "bandwidth")]);
    for left in [2, 1] {
        let status = agent.use_one("prepaid", Instant(0)).unwrap();
        let remaining = Some(left);
        assert_eq!(
            status,
            Status::On {
                until: None,
                remaining
            }
        );
    }
    // A use that cannot be stored is no use, and not allowed.
    flash.cut_at(Cut {
        at: 0,
        after: false,
    });
    assert!(matches!(
        agent.use_one("prepaid", Instant(0)),
        Err(UseError::Storage(_))
    ));
    flash.mend();
    assert_eq!(
        agent.use_one("prepaid", Instant(0)),
        Ok(Status::Off(Off::UsedUp))
    );
    assert_eq!(
        agent.use_one("prepaid", Instant(0)),
        Err(UseError::Off(Off::UsedUp))
    );
    for _ in 0..5 {
        agent.use_one("meter", Instant(0)).unwrap();
    }
    let before = flash.writes.get();
    agent.use_one("bandwidth", Instant(0)).unwrap();
    assert_eq!(
        flash.writes.get(),
        before,
        "what is not counted costs no write"
    );
    assert_eq!(
        agent.use_one("warp", Instant(0)),
        Err(UseError::Off(Off::NotGranted))
    );

    let mut agent = start(&profile, &flash, 2);
    assert_eq!(agent.is_on("prepaid", Instant(0)), Status::Off(Off::UsedUp));
    let request = requested(&mut agent, Instant(0));
    let totals: Vec<_> = read_request(&request).usage.iter().collect();
    assert_eq!(totals, [usage(1, 13), usage(2, 5)]);

    // More is bought: the count goes on from where it was.
    let more = Entitlement {
        count: Some(5),
        ..prepaid
    };
    install(&mut agent, 2, &[more], Instant(0));
    assert_eq!(
        agent.is_on("prepaid", Instant(0)),
        Status::On {
            until: None,
            remaining: Some(2)
        }
    );
}

#[test]
fn prepaid_uses_that_end_first_go_first_and_what_is_not_counted_before_all() {
    let factory = Factory::new();
    let profile = factory.profile();
    let prepaid = |activation, end| Entitlement {
        model: Model::Counted,
        count: Some(1),
        end: Some(EPOCH + end),
        ..right(activation, "prepaid")
    };
    let (mut agent, _) = with(&profile, &[prepaid(1, 20 * HOUR), prepaid(2, 10 * HOUR)]);
    agent.use_one("prepaid", Instant(0)).unwrap();
    let ask = Ask::for_what_is_owed(Reason::Renew);
    let totals = |agent: &mut TestAgent<'_>, now| {
        agent.ask(&ask, now).unwrap();
        let (_, request) = sent(agent).pop().unwrap();
        read_request(&request).usage.iter().collect::<Vec<_>>()
    };
    assert_eq!(totals(&mut agent, Instant(0)), [usage(1, 0), usage(2, 1)]);
    agent.use_one("prepaid", Instant(0)).unwrap();
    assert!(agent.use_one("prepaid", Instant(0)).is_err());
}

#[test]
fn features_of_one_activation_share_its_uses() {
    let factory = Factory::new();
    let profile = factory.profile();
    let share = |feature| Entitlement {
        count: Some(2),
        model: Model::Counted,
        ..right(1, feature)
    };
    let (mut agent, flash) = with(&profile, &[share("prepaid"), share("meter")]);
    agent.use_one("prepaid", Instant(0)).unwrap();
    agent.use_one("meter", Instant(0)).unwrap();
    assert_eq!(agent.is_on("prepaid", Instant(0)), Status::Off(Off::UsedUp));
    let request = requested(&mut start(&profile, &flash, 2), Instant(0));
    let totals: Vec<_> = read_request(&request).usage.iter().collect();
    assert_eq!(totals, [usage(1, 2)]);
}

#[test]
fn what_the_firmware_cannot_use_is_refused_in_the_ack_unless_part_of_it_is_used() {
    let factory = Factory::new();
    let profile = factory.profile();
    let ceiling = |activation, ceiling| Entitlement {
        version_ceiling: Some(ceiling),
        ..right(activation, "bandwidth")
    };
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    let rights = [
        ceiling(1, "2.2"),
        ceiling(2, "2.x"),
        right(3, "warp"),
        right(3, "hyperspace"),
        right(4, "warp"),
        right(4, "decode"),
    ];
    install(&mut agent, 1, &rights, Instant(0));
    assert!(
        agent.is_on("bandwidth", Instant(0)).is_on(),
        "by the other right"
    );
    let (_, ack) = sent(&mut agent).pop().unwrap();
    let exceptions: Vec<_> = read_ack(&ack)
        .exceptions
        .iter()
        .map(|e| (e.activation.0[0], e.outcome, e.reason))
        .collect();
    assert_eq!(
        exceptions,
        [
            (1, Outcome::Refused, OutcomeReason::VersionCeiling),
            (3, Outcome::Refused, OutcomeReason::UnknownFeature),
        ]
    );

    // Another firmware judges the same set anew, and says so.
    let mut newer = profile;
    newer.features = &["bandwidth", "decode", "warp", "hyperspace"];
    newer.platform.sw_version = Some("3.0");
    let mut agent = start(&newer, &flash, 2);
    assert_eq!(
        agent.is_on("bandwidth", Instant(0)),
        Status::Off(Off::VersionCeiling)
    );
    assert!(agent.is_on("warp", Instant(0)).is_on());
    let acks = sent(&mut agent);
    let ack = read_ack(&acks[0].1);
    assert_eq!(ack.n, 2);
    let exceptions: Vec<_> = ack.exceptions.iter().map(|e| e.activation.0[0]).collect();
    assert_eq!(exceptions, [1, 2]);
    // And once it has, it does not repeat itself.
    let mut agent = start(&newer, &flash, 3);
    assert!(sent(&mut agent).is_empty());
}

#[test]
fn firmware_built_at_or_after_the_build_ceiling_is_refused_and_older_runs_on() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let maintained = Entitlement {
        build_ceiling: Some(BUILT + 10),
        ..right(1, "bandwidth")
    };
    let mut agent = start(&profile, &flash, 1);
    install(&mut agent, 1, &[maintained, right(2, "decode")], Instant(0));
    assert!(agent.is_on("bandwidth", Instant(0)).is_on());
    let (_, ack) = sent(&mut agent).pop().unwrap();
    assert_eq!(read_ack(&ack).exceptions.len(), 0);
    for (seed, built, is_on) in [
        (2, Some(BUILT + 9), true),
        (3, Some(BUILT + 10), false),
        (4, Some(u64::MAX), false),
        (5, None, false),
        (6, Some(0), true),
    ] {
        let other = fleetgrant_agent::Profile {
            sw_built: built,
            ..profile
        };
        let mut agent = start(&other, &flash, seed);
        // For ever: neither a clock nor time changes what the firmware is.
        agent.set_clock(EPOCH + 100 * 365 * DAY, Instant(0));
        let status = agent.is_on("bandwidth", Instant(0));
        assert_eq!(status.is_on(), is_on, "{built:?}");
        assert!(agent.is_on("decode", Instant(0)).is_on());
        if !is_on {
            assert_eq!(status, Status::Off(Off::BuildCeiling));
        }
        // What changes is acknowledged.
        let ack = sent(&mut agent).into_iter().find_map(|(message, bytes)| {
            (message == MessageType::Ack).then(|| {
                let exceptions = read_ack(&bytes).exceptions;
                let told = exceptions
                    .iter()
                    .map(|e| (e.activation.0[0], e.outcome, e.reason));
                told.collect::<Vec<_>>()
            })
        });
        let refused = (1, Outcome::Refused, OutcomeReason::BuildCeiling);
        match (seed, ack) {
            (2 | 4 | 5, told) => assert_eq!(told, None, "{built:?}"),
            (3, told) => assert_eq!(told, Some(vec![refused])),
            (_, told) => assert_eq!(told, Some(vec![])),
        }
    }
    // A renewal is a set with a later ceiling.
    let newer = fleetgrant_agent::Profile {
        sw_built: Some(BUILT + 10),
        ..profile
    };
    let mut agent = start(&newer, &flash, 7);
    let renewed = Entitlement {
        build_ceiling: Some(BUILT + 11),
        ..maintained
    };
    install(&mut agent, 2, &[renewed], Instant(0));
    assert!(agent.is_on("bandwidth", Instant(0)).is_on());
}

#[test]
fn what_is_taken_away_stops_and_its_last_use_is_reported_until_it_arrived() {
    let factory = Factory::new();
    let profile = factory.profile();
    let metered = Entitlement {
        model: Model::Metered,
        ..right(1, "meter")
    };
    let (mut agent, flash) = with(&profile, &[metered]);
    agent.use_one("meter", Instant(0)).unwrap();
    let push = |generation| {
        let rights = [right(2, "bandwidth")];
        let grant = Grant {
            entitlements: Seq::new(&rights),
            ..grant(generation, None)
        };
        signed(AUTHORITY_SEED, &grant)
    };
    for generation in [2, 3] {
        let pushed = push(generation);
        take(&mut agent, &pushed, MessageType::Grant, Instant(0)).unwrap();
        assert!(!agent.is_on("meter", Instant(0)).is_on());
        let (_, ack) = sent(&mut agent).pop().unwrap();
        let totals: Vec<_> = read_ack(&ack).usage.iter().collect();
        assert_eq!(
            totals,
            [usage(1, 1)],
            "nobody said that the last ack arrived"
        );
    }
    drop(agent);
    let mut agent = start(&profile, &flash, 2);
    let request = requested(&mut agent, Instant(0));
    let totals: Vec<_> = read_request(&request).usage.iter().collect();
    assert_eq!(totals, [usage(1, 1)]);
    // That request was answered, so what it reported arrived.
    let answer = signed(AUTHORITY_SEED, &grant(4, Some(nonce_of(&request))));
    take(&mut agent, &answer, MessageType::Grant, Instant(0)).unwrap();
    let (_, ack) = sent(&mut agent).pop().unwrap();
    assert!(read_ack(&ack).usage.is_empty());
}

#[test]
fn renewal_is_asked_for_about_when_the_grant_says() {
    let factory = Factory::new();
    let profile = factory.profile();
    for seed in 0..20 {
        let mut agent = start(&profile, &Flash::default(), seed);
        let asked = requested(&mut agent, Instant(0));
        let answer = Grant {
            renew_after: 1_000_000,
            ..grant(1, Some(nonce_of(&asked)))
        };
        let answer = signed(AUTHORITY_SEED, &answer);
        take(&mut agent, &answer, MessageType::Grant, Instant(0)).unwrap();
        sent(&mut agent);
        let (now, request) = loop {
            let now = agent.poll_timeout().unwrap();
            agent.handle_timeout(now);
            if let Some((_, request)) = sent(&mut agent).pop() {
                break (now, request);
            }
        };
        assert!((900_000..=1_100_000).contains(&(now.0 / 1_000)), "{now:?}");
        assert_eq!(read_request(&request).reason, Reason::Renew);
    }
}

#[test]
fn the_table_is_as_the_set_whatever_order_sets_come_in() {
    let factory = Factory::new();
    let profile = factory.profile();
    let (mut agent, flash) = with(&profile, &[]);
    let sets: [&[(u8, &str)]; 5] = [
        &[(1, "bandwidth"), (2, "decode")],
        &[(2, "decode"), (3, "meter"), (1, "bandwidth")],
        &[(3, "bandwidth")],
        &[],
        &[
            (1, "decode"),
            (1, "meter"),
            (1, "prepaid"),
            (1, "bandwidth"),
        ],
    ];
    for (generation, set) in (2..).zip(sets) {
        let rights: Vec<_> = set.iter().map(|(a, feature)| right(*a, feature)).collect();
        install(
            &mut agent,
            generation,
            &rights,
            Instant(generation * 20_000),
        );
        let restarted = start(&profile, &flash, generation);
        for feature in FEATURES {
            let expected = set.iter().any(|(_, granted)| granted == feature);
            let now = Instant(generation * 20_000);
            assert_eq!(agent.is_on(feature, now).is_on(), expected);
            assert_eq!(restarted.is_on(feature, Instant(0)).is_on(), expected);
        }
    }
    assert!(flash.bytes(Record::Set).is_some());
}
