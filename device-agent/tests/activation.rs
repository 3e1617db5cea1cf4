//! From a first request to a signed acknowledgement, and what is sent again.
#![allow(clippy::unwrap_used)]

mod support;

use fleetgrant_agent::{Event, Instant, Off, Status, Taken};
use fleetgrant_schemas::envelope::{Envelope, Signer};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;
use support::*;

#[test]
fn a_blank_device_asks_installs_the_answer_and_acknowledges_it() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    assert_eq!(agent.poll_timeout(), Some(Instant(0)));

    let bytes = requested(&mut agent, Instant(0));
    let request = read_request(&bytes);
    assert!(matches!(
        Envelope::parse(&bytes).unwrap().signer(),
        Signer::Chain(chain) if chain.len() == 1
    ));
    assert_eq!(request.reason, Reason::Boot);
    assert_eq!((request.seq, request.held), (1, None));
    assert_eq!(request.platform.boot_count, Some(1));
    assert!(request.wants.is_empty());

    let rights = [right(5, "bandwidth")];
    let grant = Grant {
        entitlements: Seq::new(&rights),
        ..grant(1, Some(request.nonce))
    };
    let answer = signed(AUTHORITY_SEED, &grant);
    let taken = agent.handle_message(&answer, MessageType::Grant, Instant(500));
    assert_eq!(taken, Ok(Taken::Installed(grant)));
    assert_eq!(
        events(&mut agent),
        [
            Event::Installed {
                generation: 1,
                denied: 0
            },
            Event::FeatureChanged {
                feature: 0,
                on: true
            },
        ]
    );

    let acks = sent(&mut agent);
    let [(MessageType::Ack, ack)] = &acks[..] else {
        panic!("one ack and no request: {acks:?}");
    };
    let ack = read_ack(ack);
    assert_eq!((ack.n, ack.held), (1, held(1)));
    assert!(ack.exceptions.is_empty() && ack.usage.is_empty());
    assert!(agent.is_on("bandwidth", Instant(500)).is_on());
    assert_eq!(
        agent.is_on("decode", Instant(500)),
        Status::Off(Off::NotGranted)
    );
    assert_eq!(agent.clock_floor(Instant(500)), EPOCH);
}

#[test]
fn after_a_start_the_set_is_in_force_and_the_request_says_what_is_held() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    install(&mut agent, 3, &[right(5, "decode")], Instant(0));
    sent(&mut agent);

    let mut agent = start(&profile, &flash, 2);
    assert!(agent.is_on("decode", Instant(0)).is_on());
    let bytes = requested(&mut agent, Instant(0));
    let request = read_request(&bytes);
    assert_eq!(request.held, Some(held(3)));
    assert_eq!(request.seq, 17, "a block of 16 was skipped");
    assert_eq!(request.challenge.unwrap().0, [3; 16]);
    assert_eq!(request.platform.boot_count, Some(2));
    assert!(matches!(
        Envelope::parse(&bytes).unwrap().signer(),
        Signer::Thumbprint(_)
    ));
}

#[test]
fn retries_are_the_same_bytes_until_the_answer_comes() {
    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, &Flash::default(), 1);
    let first = requested(&mut agent, Instant(0));
    let mut gaps = Vec::new();
    let mut now = Instant(0);
    for _ in 0..12 {
        let next = agent.poll_timeout().unwrap();
        agent.handle_timeout(Instant(next.0 - 1));
        assert!(sent(&mut agent).is_empty(), "nothing before its time");
        if let [(_, bytes)] = &{
            agent.handle_timeout(next);
            sent(&mut agent)
        }[..]
        {
            assert_eq!(*bytes, first);
            gaps.push(next.0 - now.0);
            now = next;
        }
    }
    assert!(gaps.len() > 6 && gaps.iter().all(|gap| *gap <= 3_601_000));
    agent.resend(now);
    assert_eq!(
        sent(&mut agent)[0].1,
        first,
        "and when a connection is back"
    );
    let again = agent.poll_timeout().unwrap();
    assert!(
        again.0 - now.0 <= 11_000,
        "which explains the silence: the first window follows again"
    );

    install(&mut agent, 1, &[], now);
    sent(&mut agent);
    agent.resend(now);
    assert!(sent(&mut agent).is_empty());
}

#[test]
fn what_comes_twice_is_acknowledged_again_with_the_next_n() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    let bytes = install(&mut agent, 1, &[], Instant(0));
    assert_eq!(read_ack(&sent(&mut agent)[0].1).n, 1);
    for n in 2..4 {
        let taken = take(&mut agent, &bytes, MessageType::Grant, Instant(0));
        assert!(matches!(taken, Ok(Taken::Again(_))));
        let acks = sent(&mut agent);
        assert_eq!(acks.len(), 1);
        assert_eq!(read_ack(&acks[0].1).n, n);
    }
    let mut agent = start(&profile, &flash, 2);
    take(&mut agent, &bytes, MessageType::Grant, Instant(0)).unwrap();
    assert_eq!(read_ack(&sent(&mut agent)[0].1).n, 4, "n was persisted");
    install(&mut agent, 2, &[], Instant(0));
    assert_eq!(read_ack(&sent(&mut agent)[0].1).n, 1, "a new generation");
}
