//! An end that takes effect when the device next starts: what was on stays on until then, and
//! nobody wins more than that run by cutting the power, by a clock, or by keeping sets back.
#![allow(clippy::unwrap_used)]

mod support;

use fleetgrant_agent::{Event, Instant, Off, Profile, Status};
use fleetgrant_schemas::ack::{Exception, Outcome, OutcomeReason};
use fleetgrant_schemas::entitlement::{EndEffect, Entitlement, Model};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::{ActivationId, DeviceNonce};
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;
use support::*;

const HOUR: u64 = 3_600;
/// When the right of these tests ends, from the beginning of each.
const END: u64 = 10 * HOUR;
const GRACE: u64 = 2 * HOUR;
const PAST: u64 = END + GRACE;
const ON_UNTIL_THE_NEXT_START: Status = Status::Grace {
    until: None,
    remaining: None,
};
const ENDED: Status = Status::Off(Off::Ended);

fn after(secs: u64) -> Instant {
    Instant(secs * 1_000)
}

fn term<'b>(activation: u8, feature: &'b str) -> Entitlement<'b> {
    Entitlement {
        model: Model::Subscription,
        end: Some(EPOCH + END),
        grace: Some(GRACE as u32),
        end_effect: Some(EndEffect::NextBoot),
        ..right(activation, feature)
    }
}

/// A device that holds these rights since the beginning.
fn holder<'c>(
    profile: &'c Profile<'c>,
    flash: &Flash,
    rights: &[Entitlement<'_>],
) -> TestAgent<'c> {
    let mut agent = start(profile, flash, 1);
    install(&mut agent, 1, rights, Instant(0));
    sent(&mut agent);
    events(&mut agent);
    agent
}

/// Does all that is due until then, without contact.
fn run(agent: &mut TestAgent<'_>, from: Instant, until: Instant) {
    let mut now = from;
    loop {
        now = agent.poll_timeout().unwrap().max(now);
        if now > until {
            return;
        }
        agent.handle_timeout(now);
        sent(agent);
        now = Instant(now.0 + 1);
    }
}

fn set(
    agent: &mut TestAgent<'_>,
    generation: u64,
    issued_at: u64,
    nonce: Option<DeviceNonce>,
    rights: &[Entitlement<'_>],
    now: Instant,
) {
    let grant = Grant {
        issued_at,
        install_until: issued_at + 30 * DAY,
        entitlements: Seq::new(rights),
        ..grant(generation, nonce)
    };
    let bytes = signed(AUTHORITY_SEED, &grant);
    take(agent, &bytes, MessageType::Grant, now).unwrap();
}

fn bandwidth(agent: &TestAgent<'_>, secs: u64) -> Status {
    agent.is_on("bandwidth", after(secs))
}

fn exceptions(agent: &mut TestAgent<'_>) -> Vec<Exception> {
    let sent = sent(agent);
    let (_, ack) = sent.iter().find(|(m, _)| *m == MessageType::Ack).unwrap();
    read_ack(ack).exceptions.iter().collect()
}

#[test]
fn what_was_on_stays_on_until_the_next_start_and_is_off_after_that() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let hard = Entitlement {
        end_effect: None,
        ..term(2, "decode")
    };
    let mut agent = holder(&profile, &flash, &[term(1, "bandwidth"), hard]);
    assert!(matches!(bandwidth(&agent, END - 1), Status::On { .. }));
    for secs in [END, PAST - 1, PAST, PAST + 1_000 * HOUR] {
        assert_eq!(bandwidth(&agent, secs), ON_UNTIL_THE_NEXT_START);
    }
    assert_eq!(agent.is_on("decode", after(PAST)), ENDED);
    run(&mut agent, Instant(0), after(PAST + 100 * HOUR));
    let off = |feature| Event::FeatureChanged { feature, on: false };
    let told = events(&mut agent);
    assert!(
        told.contains(&off(1)) && !told.contains(&off(0)),
        "{told:?}"
    );

    let agent = start(&profile, &flash, 2);
    assert_eq!(agent.is_on("bandwidth", Instant(0)), ENDED);
    let agent = start(&profile, &flash, 3);
    assert_eq!(agent.is_on("bandwidth", Instant(0)), ENDED);
}

#[test]
fn a_lease_and_a_count_end_it_all_the_same() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let counted = Entitlement {
        model: Model::Counted,
        count: Some(2),
        ..term(2, "prepaid")
    };
    let leased = Entitlement {
        lease_end: Some(EPOCH + PAST + HOUR),
        ..term(1, "bandwidth")
    };
    let mut agent = holder(&profile, &flash, &[leased, counted]);
    let until = Some(EPOCH + PAST + HOUR);
    let remaining = None;
    assert_eq!(bandwidth(&agent, PAST), Status::Grace { until, remaining });
    assert_eq!(bandwidth(&agent, PAST + HOUR), Status::Off(Off::LeaseEnded));
    agent.use_one("prepaid", after(PAST)).unwrap();
    assert_eq!(
        agent.use_one("prepaid", after(PAST + 1)),
        Ok(Status::Off(Off::UsedUp))
    );
}

/// Power cuts: what is stored when it comes to its end is all that a start needs.
#[test]
fn a_power_cut_after_the_end_is_a_start_after_the_end() {
    let factory = Factory::new();
    let profile = factory.profile();
    for later in [0, 1, 60, 14 * 60] {
        let flash = Flash::default();
        let mut agent = holder(&profile, &flash, &[term(1, "bandwidth")]);
        run(&mut agent, Instant(0), after(PAST + later));
        assert_eq!(bandwidth(&agent, PAST + later), ON_UNTIL_THE_NEXT_START);
        drop(agent);
        let agent = start(&profile, &flash, 2);
        assert_eq!(bandwidth(&agent, 0), ENDED, "{later} s past its end");
    }
}

/// Cut in the very write that tells the end: each start is a minute, and the floor is stored at
/// each and every 15 minutes.
#[test]
fn a_power_cut_at_the_end_itself_wins_no_more_than_some_minutes_each() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = holder(&profile, &flash, &[term(1, "bandwidth")]);
    let (mut starts, mut floor) = (1, EPOCH);
    while agent.is_on("bandwidth", Instant(0)).is_on() {
        let end = after((EPOCH + PAST).saturating_sub(floor));
        run(&mut agent, Instant(0), Instant(end.0 - 1));
        flash.cut_at(Cut {
            at: 0,
            after: false,
        });
        agent.handle_timeout(end);
        flash.mend();
        starts += 1;
        agent = start(&profile, &flash, starts);
        floor = agent.clock_floor(Instant(0));
    }
    assert!(starts <= 17, "{starts}");
}

#[test]
fn a_device_without_a_clock_that_was_off_at_the_end_learns_it_by_the_first_answer() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    drop(holder(&profile, &flash, &[term(1, "bandwidth")]));
    // Off for a year. As far as it knows it is still on; then it hears what time it is.
    let mut agent = start(&profile, &flash, 2);
    assert!(bandwidth(&agent, 0).is_on());
    let nonce = nonce_of(&requested(&mut agent, after(1)));
    let issued_at = EPOCH + 300 * DAY;
    let rights = [term(1, "bandwidth")];
    set(&mut agent, 2, issued_at, Some(nonce), &rights, after(2));
    assert_eq!(
        bandwidth(&agent, 2),
        ENDED,
        "it was past its end at the start"
    );
    let ended = Exception {
        activation: ActivationId([1; 16]),
        outcome: Outcome::Refused,
        reason: OutcomeReason::Ended,
    };
    assert_eq!(exceptions(&mut agent), [ended], "and says so");
    let mut agent = start(&profile, &flash, 3);
    assert_eq!(bandwidth(&agent, 0), ENDED);
    assert!(
        !sent(&mut agent).iter().any(|(m, _)| *m == MessageType::Ack),
        "once"
    );
}

#[test]
fn an_answer_in_a_run_that_began_before_the_end_leaves_it_on() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    drop(holder(&profile, &flash, &[term(1, "bandwidth")]));
    // The floor lags by the three hours that it was off; it runs for ten hours more.
    let mut agent = start(&profile, &flash, 2);
    let nonce = nonce_of(&requested(&mut agent, after(10 * HOUR)));
    let issued_at = EPOCH + 13 * HOUR;
    let rights = [term(1, "bandwidth")];
    set(
        &mut agent,
        2,
        issued_at,
        Some(nonce),
        &rights,
        after(10 * HOUR),
    );
    assert_eq!(bandwidth(&agent, 10 * HOUR), ON_UNTIL_THE_NEXT_START);
    assert_eq!(exceptions(&mut agent), []);
}

#[test]
fn a_clock_that_says_the_device_started_after_the_end_ends_it() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    drop(holder(&profile, &flash, &[term(1, "bandwidth")]));
    let other = flash.copy();
    let mut agent = start(&profile, &flash, 2);
    agent.set_clock(EPOCH + PAST + 100, after(100));
    assert_eq!(bandwidth(&agent, 100), ENDED);
    assert_eq!(
        exceptions_if_any(&mut agent),
        None,
        "a claim proves nothing"
    );
    // Set back, it gains nothing.
    agent.set_clock(EPOCH, after(101));
    assert_eq!(bandwidth(&agent, 101), ENDED);
    // One that says that it started a second before does not.
    let mut agent = start(&profile, &other, 2);
    agent.set_clock(EPOCH + PAST + 99, after(100));
    assert_eq!(bandwidth(&agent, 100), ON_UNTIL_THE_NEXT_START);
}

fn exceptions_if_any(agent: &mut TestAgent<'_>) -> Option<Vec<Exception>> {
    let sent = sent(agent);
    let (_, ack) = sent.iter().find(|(m, _)| *m == MessageType::Ack)?;
    Some(read_ack(ack).exceptions.iter().collect())
}

#[test]
fn a_clock_that_was_wrong_is_healed_by_a_proof() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let rights = [term(1, "bandwidth")];
    let mut agent = holder(&profile, &flash, &rights);
    agent.set_clock(EPOCH + 50 * 365 * DAY, after(HOUR));
    assert_eq!(bandwidth(&agent, HOUR), ENDED);
    let nonce = nonce_of(&requested(&mut agent, after(HOUR)));
    set(
        &mut agent,
        2,
        EPOCH + HOUR,
        Some(nonce),
        &rights,
        after(HOUR),
    );
    assert!(matches!(bandwidth(&agent, HOUR), Status::On { .. }));
    assert_eq!(bandwidth(&agent, PAST), ON_UNTIL_THE_NEXT_START);
}

/// A set that replaces another while the feature is past its end.
#[test]
fn a_new_set_past_the_end_neither_ends_what_is_on_nor_turns_on_what_is_off() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let hard = Entitlement {
        end_effect: None,
        ..term(2, "decode")
    };
    let rights = [term(1, "bandwidth"), hard];
    let mut agent = holder(&profile, &flash, &rights);
    let (now, issued_at) = (PAST + HOUR, EPOCH + PAST + HOUR);
    // What was on is; what had ended does not come back by another effect of its end, and what was
    // never held is not on.
    let rights = [term(3, "meter"), term(2, "decode"), term(1, "bandwidth")];
    set(&mut agent, 2, issued_at, None, &rights, after(now));
    assert_eq!(bandwidth(&agent, now), ON_UNTIL_THE_NEXT_START);
    for feature in ["decode", "meter"] {
        assert_eq!(agent.is_on(feature, after(now)), ENDED, "{feature}");
    }
    // Left out, and granted again past its end.
    set(&mut agent, 3, issued_at, None, &[], after(now + 1));
    assert!(!bandwidth(&agent, now + 1).is_on());
    set(&mut agent, 4, issued_at, None, &rights, after(now + 2));
    assert_eq!(bandwidth(&agent, now + 2), ENDED);
    // A renewal turns it on, and its own end may wait again.
    let renewed = Entitlement {
        end: Some(EPOCH + 100 * HOUR),
        ..term(1, "bandwidth")
    };
    set(&mut agent, 5, issued_at, None, &[renewed], after(now + 3));
    assert!(matches!(bandwidth(&agent, now + 3), Status::On { .. }));
    assert_eq!(bandwidth(&agent, 103 * HOUR), ON_UNTIL_THE_NEXT_START);
}

#[test]
fn a_new_set_can_end_it_by_another_effect_or_an_earlier_end() {
    let factory = Factory::new();
    let profile = factory.profile();
    let hard = Entitlement {
        end_effect: None,
        ..term(1, "bandwidth")
    };
    let before_it_was_held = Entitlement {
        end: Some(EPOCH - HOUR),
        grace: None,
        ..term(1, "bandwidth")
    };
    for rights in [hard, before_it_was_held] {
        let flash = Flash::default();
        let mut agent = holder(&profile, &flash, &[term(1, "bandwidth")]);
        assert!(bandwidth(&agent, PAST).is_on());
        set(&mut agent, 2, EPOCH + PAST, None, &[rights], after(PAST));
        assert_eq!(bandwidth(&agent, PAST), ENDED);
    }
}

#[test]
fn features_of_one_activation_keep_their_own_place_in_whatever_order() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let (a, b, c) = (term(1, "bandwidth"), term(1, "decode"), term(1, "meter"));
    let mut agent = holder(&profile, &flash, &[a, b]);
    set(&mut agent, 2, EPOCH + PAST, None, &[c, b, a], after(PAST));
    for feature in ["bandwidth", "decode"] {
        assert_eq!(agent.is_on(feature, after(PAST)), ON_UNTIL_THE_NEXT_START);
    }
    assert_eq!(agent.is_on("meter", after(PAST)), ENDED);
}

/// A broker keeps a set back until the right in it has ended, and the device has no clock.
#[test]
fn a_set_that_was_kept_back_past_the_end_is_on_no_longer_than_until_the_time_is_known() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = holder(&profile, &flash, &[right(9, "decode")]);
    drop(agent);
    agent = start(&profile, &flash, 2);
    // In truth 20 hours later, of which the device was off for 15.
    let rights = [term(1, "bandwidth")];
    set(&mut agent, 2, EPOCH + HOUR, None, &rights, after(5 * HOUR));
    assert!(bandwidth(&agent, 5 * HOUR).is_on());
    assert_eq!(bandwidth(&agent, 20 * HOUR), ON_UNTIL_THE_NEXT_START);
    let nonce = nonce_of(&requested(&mut agent, after(20 * HOUR)));
    set(
        &mut agent,
        3,
        EPOCH + 35 * HOUR,
        Some(nonce),
        &rights,
        after(20 * HOUR),
    );
    assert_eq!(bandwidth(&agent, 20 * HOUR), ENDED, "never on in its time");
}

#[test]
fn what_a_start_ended_is_acknowledged_with_its_last_uses() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let metered = Entitlement {
        model: Model::Metered,
        ..term(1, "bandwidth")
    };
    let mut agent = holder(&profile, &flash, &[metered]);
    run(&mut agent, Instant(0), after(PAST + HOUR));
    for _ in 0..3 {
        agent.use_one("bandwidth", after(PAST + HOUR)).unwrap();
    }
    let mut agent = start(&profile, &flash, 2);
    assert!(agent.use_one("bandwidth", Instant(0)).is_err());
    let sent = sent(&mut agent);
    let (_, ack) = sent.iter().find(|(m, _)| *m == MessageType::Ack).unwrap();
    let ack = read_ack(ack);
    let reasons: Vec<_> = ack.exceptions.iter().map(|e| e.reason).collect();
    assert_eq!(reasons, [OutcomeReason::Ended]);
    assert_eq!(ack.usage.iter().collect::<Vec<_>>(), [usage(1, 3)]);
}
