//! The same bytes in files: request out, grant in, ack out, with and without a network beside it.
#![allow(clippy::unwrap_used)]

mod support;

use fleetgrant_agent::{Ask, Event, Instant, Refusal, Taken};
use fleetgrant_schemas::envelope::{Envelope, Signer};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::notice::NoticeCode;
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;
use support::*;

const NOW: Instant = Instant(0);

fn export(agent: &mut TestAgent<'_>) -> Vec<u8> {
    let mut buffer = [0; 2_048];
    let ask = Ask {
        features: &[("decode", 1)],
        ..Ask::for_what_is_owed(Reason::Upgrade)
    };
    let len = agent.export_request(&ask, &mut buffer, NOW).unwrap();
    buffer[..len].to_vec()
}

fn file_type(bytes: &[u8]) -> MessageType {
    TestAgent::file_type(bytes).unwrap()
}

#[test]
fn a_blank_device_is_activated_by_files_across_a_restart() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    let request_file = export(&mut agent);
    let read = read_request(&request_file);
    assert!(matches!(
        Envelope::parse(&request_file).unwrap().signer(),
        Signer::Chain(_)
    ));
    drop(agent);

    // The file travels for a week; the device is switched off meanwhile.
    let mut agent = start(&profile, &flash, 2);
    let rights = [right(1, "decode")];
    let answer = Grant {
        entitlements: Seq::new(&rights),
        ..grant(1, Some(read.nonce))
    };
    let grant_file = signed(AUTHORITY_SEED, &answer);
    let taken = take(&mut agent, &grant_file, file_type(&grant_file), NOW);
    assert!(matches!(taken, Ok(Taken::Installed(_))));
    assert!(agent.is_on("decode", NOW).is_on());
    let mut buffer = [0; 1_024];
    let len = agent.export_ack(&mut buffer, NOW).unwrap().unwrap();
    let ack = read_ack(&buffer[..len]);
    let envelope = Envelope::parse(&buffer[..len]).unwrap();
    assert!(
        matches!(envelope.signer(), Signer::Chain(_)),
        "nobody could ask for it"
    );
    assert_eq!((ack.held, ack.n), (held(1), 1));
    let len = agent.export_ack(&mut buffer, NOW).unwrap().unwrap();
    assert_eq!(read_ack(&buffer[..len]).n, 2, "each ack counts");
    assert_eq!(TestAgent::file_type(b"no message"), None);
}

#[test]
fn a_file_s_nonce_answers_once_and_only_the_last_file_counts() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    let first = export(&mut agent);
    let second = export(&mut agent);
    assert!(read_request(&second).seq > read_request(&first).seq);
    let answer = |request: &[u8], generation| {
        signed(AUTHORITY_SEED, &grant(generation, Some(nonce_of(request))))
    };
    let to_first = answer(&first, 1);
    let taken = take(&mut agent, &to_first, MessageType::Grant, NOW);
    assert_eq!(taken, Err(Refusal::BlankWithoutNonce));
    let to_second = answer(&second, 2);
    assert!(take(&mut agent, &to_second, MessageType::Grant, NOW).is_ok());
    sent(&mut agent);

    // Wiped, it is no answer any more.
    flash.wipe();
    let mut agent = start(&profile, &flash, 99);
    let taken = take(&mut agent, &to_second, MessageType::Grant, NOW);
    assert_eq!(taken, Err(Refusal::BlankWithoutNonce));
}

#[test]
fn a_request_online_and_one_in_a_file_are_out_at_once() {
    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, &Flash::default(), 1);
    let early = requested(&mut agent, NOW);
    let file = export(&mut agent);
    let online = requested(&mut agent, NOW);
    let seqs = [&early, &file, &online].map(|request| read_request(request).seq);
    assert!(
        seqs.is_sorted(),
        "whichever comes first, none is stale: {seqs:?}"
    );
    assert_ne!(nonce_of(&online), nonce_of(&file));
    let to_file = signed(AUTHORITY_SEED, &grant(1, Some(nonce_of(&file))));
    take(&mut agent, &to_file, MessageType::Grant, NOW).unwrap();
    sent(&mut agent);
    agent.resend(NOW);
    let again = sent(&mut agent).pop().unwrap().1;
    assert_eq!(again, online, "the one online is still out, byte for byte");
    let to_online = signed(AUTHORITY_SEED, &grant(2, Some(nonce_of(&online))));
    take(&mut agent, &to_online, MessageType::Grant, NOW).unwrap();
    sent(&mut agent);
    agent.resend(NOW);
    assert!(sent(&mut agent).is_empty());
}

#[test]
fn a_notice_in_a_file_ends_that_request_only() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    let file = export(&mut agent);
    let online = requested(&mut agent, NOW);
    events(&mut agent);
    let denied = notice(NoticeCode::Denied, Some(nonce_of(&file)));
    let denied = signed(NOTICES_SEED, &denied);
    take(&mut agent, &denied, file_type(&denied), NOW).unwrap();
    assert_eq!(events(&mut agent), [Event::Notice(NoticeCode::Denied)]);
    agent.resend(NOW);
    assert_eq!(sent(&mut agent).pop().unwrap().1, online);
    let taken = take(&mut agent, &denied, MessageType::Notice, NOW);
    assert_eq!(taken, Err(Refusal::NotAsked));
    let mut agent = start(&profile, &flash, 2);
    let taken = take(&mut agent, &denied, MessageType::Notice, NOW);
    assert_eq!(taken, Err(Refusal::NotAsked), "nor after a restart");
}
