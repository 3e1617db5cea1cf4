//! Devices without a clock, and with one that is wrong.

use fleetgrant_agent::{Instant, Off, Status};
use fleetgrant_schemas::entitlement::{Entitlement, Model};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::limits::MAX_INSTANT;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;

use crate::support::*;

const NOW: Instant = Instant(0);
const HOUR: u64 = 3_600;

fn subscription<'b>() -> Entitlement<'b> {
    Entitlement {
        model: Model::Subscription,
        end: Some(EPOCH + 300 * DAY),
        ..right(1, "bandwidth")
    }
}

fn holder<'c>(profile: &'c fleetgrant_agent::Profile<'c>, flash: &Flash) -> TestAgent<'c> {
    let mut agent = start(profile, flash, 1);
    install(&mut agent, 1, &[subscription()], NOW);
    sent(&mut agent);
    events(&mut agent);
    agent
}

#[test]
fn without_a_clock_time_runs_by_the_uptime_and_by_what_the_authority_says() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    drop(holder(&profile, &flash));
    // Switched on for an hour a day, for 299 days, without contact: 299 hours have passed for it.
    for day in 1..300 {
        let mut agent = start(&profile, &flash, day);
        for quarter in 1..=4 {
            agent.handle_timeout(Instant(quarter * 900_000));
        }
        assert!(agent.is_on("bandwidth", Instant(3_600_000)).is_on());
    }
    let mut agent = start(&profile, &flash, 1_000);
    let floor = agent.clock_floor(NOW) - EPOCH;
    assert!((299 * HOUR..305 * HOUR).contains(&floor), "{floor}");
    // The first contact says what time it is: in that set the right has ended.
    let nonce = nonce_of(&requested(&mut agent, NOW));
    let rights = [subscription()];
    let later = Grant {
        issued_at: EPOCH + 301 * DAY,
        install_until: EPOCH + 331 * DAY,
        entitlements: Seq::new(&rights),
        ..grant(2, Some(nonce))
    };
    let later = signed(AUTHORITY_SEED, &later);
    take(&mut agent, &later, MessageType::Grant, NOW).unwrap();
    assert_eq!(agent.is_on("bandwidth", NOW), Status::Off(Off::Ended));
    let agent = start(&profile, &flash, 1_001);
    assert_eq!(agent.is_on("bandwidth", NOW), Status::Off(Off::Ended));
}

#[test]
fn a_clock_in_the_far_future_stops_what_has_an_end_only_until_the_next_answer() {
    let factory = Factory::new();
    let profile = factory.profile();
    for wrong in [
        EPOCH + 50 * 365 * DAY,
        MAX_INSTANT,
        MAX_INSTANT + 1,
        u64::MAX / 1_000,
        u64::MAX,
    ] {
        let flash = Flash::default();
        let mut agent = holder(&profile, &flash);
        agent.set_clock(wrong, NOW);
        assert_eq!(agent.is_on("bandwidth", NOW), Status::Off(Off::Ended));
        // It does not wait a month for its renewal: it asks what time it is.
        let request = requested(&mut agent, NOW);
        let asked = read_request(&request);
        assert!(
            asked.issued_at.is_none_or(|at| at <= MAX_INSTANT),
            "{wrong}"
        );
        // The power fails meanwhile, and the clock still says so.
        let mut agent = start(&profile, &flash, 2);
        agent.set_clock(wrong, NOW);
        let nonce = nonce_of(&requested(&mut agent, NOW));
        let rights = [subscription()];
        let answer = Grant {
            issued_at: EPOCH + DAY,
            entitlements: Seq::new(&rights),
            ..grant(2, Some(nonce))
        };
        let answer = signed(AUTHORITY_SEED, &answer);
        take(&mut agent, &answer, MessageType::Grant, NOW).unwrap();
        assert!(agent.is_on("bandwidth", NOW).is_on(), "{wrong}");
        assert_eq!(agent.clock_floor(NOW), EPOCH + DAY);
        let agent = start(&profile, &flash, 3);
        assert!(agent.is_on("bandwidth", NOW).is_on(), "healed for good");
    }
}

#[test]
fn a_clock_that_stays_wrong_makes_no_loop_of_requests() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = holder(&profile, &flash);
    let (mut asked, mut generation) = (0, 1);
    for minute in 0..180 {
        let now = Instant(minute * 60_000);
        agent.set_clock(EPOCH + 50 * 365 * DAY, now);
        agent.handle_timeout(now);
        let nonces: Vec<_> = sent(&mut agent)
            .iter()
            .filter(|(message, _)| *message == MessageType::Request)
            .map(|(_, bytes)| nonce_of(bytes))
            .collect();
        for nonce in nonces {
            asked += 1;
            generation += 1;
            let answer = Grant {
                issued_at: EPOCH + minute * 60,
                ..grant(generation, Some(nonce))
            };
            let answer = signed(AUTHORITY_SEED, &answer);
            take(&mut agent, &answer, MessageType::Grant, now).unwrap();
        }
    }
    assert!((1..=4).contains(&asked), "{asked} requests in three hours");
}

#[test]
fn a_clock_that_is_set_back_and_forth_gains_nothing() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = holder(&profile, &flash);
    agent.set_clock(EPOCH + 299 * DAY, NOW);
    for clock in [0, 1, EPOCH, EPOCH - 365 * DAY, EPOCH + 10 * DAY] {
        agent.set_clock(clock, NOW);
        assert_eq!(agent.clock_floor(NOW), EPOCH + 299 * DAY);
    }
    let mut agent = start(&profile, &flash, 2);
    agent.set_clock(EPOCH, NOW);
    assert!(agent.clock_floor(NOW) >= EPOCH);
    agent.set_clock(EPOCH + 300 * DAY, NOW);
    agent.set_clock(EPOCH, NOW);
    assert_eq!(agent.is_on("bandwidth", NOW), Status::Off(Off::Ended));
}
