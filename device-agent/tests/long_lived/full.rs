//! As much as a set can hold: 64 entitlements, at the size of the largest message.

use fleetgrant_agent::software::SoftwareKeys;
use fleetgrant_agent::{Agent, Instant, Profile, Refusal};
use fleetgrant_schemas::ack::Outcome;
use fleetgrant_schemas::entitlement::{Entitlement, Model};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::DeviceNonce;
use fleetgrant_schemas::limits;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;

use crate::support::*;

const NOW: Instant = Instant(0);
const FULL: usize = limits::MAX_ENTITLEMENTS;

type FullAgent<'c> = Agent<'c, SoftwareKeys<'static, Random>, Flash, Vec<u8>, FULL>;

fn start<'c>(profile: &'c Profile<'c>, flash: &Flash, seed: u64) -> FullAgent<'c> {
    let keys = SoftwareKeys::new(key(DEVICE_SEED), &[LEAF], random(seed));
    let mut scratch = vec![0; limits::MAX_DOWN];
    Agent::start(
        profile,
        keys,
        flash.clone(),
        vec![0; 4_096],
        &mut scratch,
        NOW,
    )
    .unwrap()
}

fn sent(agent: &mut FullAgent<'_>) -> Vec<(MessageType, Vec<u8>)> {
    let (mut buffer, mut sent) = (vec![0; 16_000], Vec::new());
    agent.handle_timeout(NOW);
    while let Some(transmit) = agent.poll_transmit(&mut buffer) {
        assert!(transmit.len <= limits::MAX_UP);
        sent.push((transmit.message, buffer[..transmit.len].to_vec()));
    }
    sent
}

fn nonce(agent: &mut FullAgent<'_>) -> DeviceNonce {
    nonce_of(&sent(agent).pop().unwrap().1)
}

/// 64 counted rights of 64 features, filled up to the largest message with the maker's own data.
fn largest(nonce: DeviceNonce, names: &[String]) -> Vec<u8> {
    let data = [0xda; limits::MAX_VENDOR_DATA];
    let mut best = None;
    for with_data in 0..FULL {
        let rights: Vec<_> = (0_u8..)
            .zip(names)
            .map(|(number, name)| Entitlement {
                model: Model::Counted,
                count: Some(1_000),
                vendor_data: (usize::from(number) < with_data).then_some(&data[..]),
                ..right(number, name)
            })
            .collect();
        let full = Grant {
            entitlements: Seq::new(&rights),
            ..grant(1, Some(nonce))
        };
        let bytes = signed(AUTHORITY_SEED, &full);
        if bytes.len() > limits::MAX_DOWN {
            break;
        }
        best = Some(bytes);
    }
    best.unwrap()
}

#[test]
fn sixty_four_rights_are_installed_used_acknowledged_and_survive() {
    let names: Vec<String> = (0..FULL)
        .map(|number| format!("feature-{number}"))
        .collect();
    let features: Vec<&str> = names.iter().map(String::as_str).collect();
    let factory = Factory::new();
    let profile = Profile {
        features: &features,
        ..factory.profile()
    };
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    let bytes = largest(nonce(&mut agent), &names);
    assert!(bytes.len() > limits::MAX_DOWN - 70, "{} bytes", bytes.len());
    agent
        .handle_message(&bytes, MessageType::Grant, NOW)
        .unwrap();
    for name in &names {
        agent.use_one(name, NOW).unwrap();
    }
    let mut agent = start(&profile, &flash, 2);
    assert!(names.iter().all(|name| agent.is_on(name, NOW).is_on()));
    // Every use is reported, in the request and in the ack.
    let sent = sent(&mut agent);
    let (_, request) = sent.last().unwrap();
    let request = read_request(request);
    assert_eq!(request.usage.len(), FULL);
    assert!(request.usage.iter().all(|usage| usage.total == 1));
    // Of an empty set that follows every right is gone, and its use still told.
    let empty = signed(AUTHORITY_SEED, &grant(2, Some(request.nonce)));
    agent
        .handle_message(&empty, MessageType::Grant, NOW)
        .unwrap();
    assert!(!names.iter().any(|name| agent.is_on(name, NOW).is_on()));
    let agent = start(&profile, &flash, 3);
    assert_eq!(agent.held().unwrap().generation, 2);
}

#[test]
fn sixty_four_rights_that_the_firmware_does_not_know_are_sixty_four_exceptions() {
    let names: Vec<String> = (0..FULL)
        .map(|number| format!("feature-{number}"))
        .collect();
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    let bytes = largest(nonce(&mut agent), &names);
    agent
        .handle_message(&bytes, MessageType::Grant, NOW)
        .unwrap();
    let sent = sent(&mut agent);
    let (message, ack) = &sent[0];
    assert_eq!(*message, MessageType::Ack);
    let ack = read_ack(ack);
    assert_eq!(ack.exceptions.len(), FULL);
    assert!(
        ack.exceptions
            .iter()
            .all(|one| one.outcome == Outcome::Refused)
    );
}

#[test]
fn a_device_with_less_room_refuses_the_set_and_keeps_its_own() {
    let names: Vec<String> = (0..FULL)
        .map(|number| format!("feature-{number}"))
        .collect();
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = crate::support::start(&profile, &flash, 1);
    let nonce = nonce_of(&requested(&mut agent, NOW));
    let bytes = largest(nonce, &names);
    let took = take(&mut agent, &bytes, MessageType::Grant, NOW).map(drop);
    assert_eq!(took, Err(Refusal::SetTooLarge));
    assert_eq!(agent.held(), None);
}
