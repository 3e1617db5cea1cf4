//! Grants that come too often, once more, or too late: what they make a device do is bounded.
#![allow(clippy::unwrap_used)]

mod support;

use fleetgrant_agent::{Ask, Instant, Refusal};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::topic::MessageType;
use support::*;

const NOW: Instant = Instant(1_000);

#[test]
fn more_messages_than_it_checks_are_dropped_unread() {
    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, &Flash::default(), 1);
    let nonce = nonce_of(&requested(&mut agent, Instant(0)));
    let garbage = signed(99, &grant(1, Some(nonce)));
    for _ in 0..10 {
        let taken = take(&mut agent, &garbage, MessageType::Grant, NOW);
        assert_eq!(taken, Err(Refusal::UnknownKey));
    }
    let answer = signed(AUTHORITY_SEED, &grant(1, Some(nonce)));
    let taken = take(&mut agent, &answer, MessageType::Grant, NOW);
    assert_eq!(taken, Err(Refusal::RateLimited));
    let later = NOW.plus_secs(1);
    assert!(take(&mut agent, &answer, MessageType::Grant, later).is_ok());
}

#[test]
fn a_key_it_does_not_know_makes_it_ask_for_keys_once_an_hour() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    install(&mut agent, 1, &[], Instant(0));
    sent(&mut agent);
    let strange = signed(99, &grant(2, None));
    let asked = |at: Instant, agent: &mut TestAgent<'_>| {
        let _ = take(agent, &strange, MessageType::Grant, at);
        agent.handle_timeout(at);
        sent(agent).pop().map(|(_, bytes)| bytes)
    };
    let request = asked(NOW, &mut agent).unwrap();
    assert_eq!(read_request(&request).reason, Reason::Keys);
    let answer = signed(AUTHORITY_SEED, &grant(2, Some(nonce_of(&request))));
    take(&mut agent, &answer, MessageType::Grant, NOW).unwrap();
    sent(&mut agent);
    assert_eq!(asked(NOW.plus_secs(3_599), &mut agent), None);
    assert!(asked(NOW.plus_secs(3_600), &mut agent).is_some());
}

#[test]
fn repeats_that_nobody_asked_for_are_acknowledged_twenty_times_a_day() {
    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, &Flash::default(), 1);
    let bytes = install(&mut agent, 1, &[], Instant(0));
    sent(&mut agent);
    let mut now = NOW;
    let mut acks = 0;
    for _ in 0..200 {
        now = now.plus_secs(60);
        take(&mut agent, &bytes, MessageType::Grant, now).unwrap();
        acks += sent(&mut agent).len();
    }
    // 200 minutes earn two more.
    assert_eq!(acks, 22);
}

#[test]
fn an_answer_that_a_push_overtook_is_asked_for_anew() {
    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, &Flash::default(), 1);
    install(&mut agent, 1, &[], Instant(0));
    agent
        .ask(&Ask::for_what_is_owed(Reason::Upgrade), NOW)
        .unwrap();
    let request = sent(&mut agent).pop().unwrap().1;
    // By now it is too old to be installed, too.
    let answer = Grant {
        install_until: EPOCH + 1,
        ..grant(2, Some(nonce_of(&request)))
    };
    let answer = signed(AUTHORITY_SEED, &answer);
    let pushed = signed(AUTHORITY_SEED, &grant(3, None));
    take(&mut agent, &pushed, MessageType::Grant, NOW).unwrap();
    sent(&mut agent);
    let taken = take(&mut agent, &answer, MessageType::Grant, NOW);
    assert_eq!(taken, Err(Refusal::Superseded));
    assert_eq!(agent.held().unwrap().generation, 3);
    let anew = requested(&mut agent, NOW);
    assert_ne!(nonce_of(&anew), nonce_of(&request));
    assert_eq!(read_request(&anew).reason, Reason::Upgrade);
    // Whoever repeats the answer brings about nothing more.
    let taken = take(&mut agent, &answer, MessageType::Grant, NOW);
    assert_eq!(taken, Err(Refusal::InstallWindow));
    agent.handle_timeout(NOW);
    assert!(sent(&mut agent).is_empty());
}
