//! A certificate that is renewed over the same key.

use fleetgrant_agent::software::SoftwareKeys;
use fleetgrant_agent::{Agent, Instant};
use fleetgrant_schemas::envelope::{Envelope, Signer};
use fleetgrant_schemas::notice::NoticeCode;
use fleetgrant_schemas::topic::MessageType;
use sha2::{Digest as _, Sha256};

use crate::support::*;

const NOW: Instant = Instant(0);
const RENEWED: &[u8] = &[0x31; 420];
const ISSUER: &[u8] = &[0x32; 500];

#[test]
fn rights_outlive_the_certificate_and_the_new_one_is_shown_when_asked_for() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    install(&mut agent, 1, &[right(1, "bandwidth")], NOW);
    let keys = [authority_key(AUTHORITY_SEED, 1)];
    let set = signed(ROOT_SEED, &key_set(1, &keys));
    take(&mut agent, &set, MessageType::Keys, NOW).unwrap();
    drop(agent);

    let keys = SoftwareKeys::new(key(DEVICE_SEED), &[RENEWED, ISSUER], random(2));
    let mut scratch = vec![0; 4_096];
    let mut agent: TestAgent<'_> = Agent::start(
        &profile,
        keys,
        flash.clone(),
        vec![0; 2_048],
        &mut scratch,
        NOW,
    )
    .unwrap();
    assert!(agent.is_on("bandwidth", NOW).is_on());
    assert_eq!(events(&mut agent).len(), 1, "on, and nothing was lost");

    // By the new certificate's thumbprint; the gateway does not know it yet.
    let request = requested(&mut agent, NOW);
    let envelope = Envelope::parse(&request).unwrap();
    let Signer::Thumbprint(thumbprint) = envelope.signer() else {
        panic!("a device that holds a set is known by its thumbprint")
    };
    assert_eq!(thumbprint.0, <[u8; 32]>::from(Sha256::digest(RENEWED)));
    let first = read_request(&request);
    let unknown = signed(AUTHORITY_SEED, &notice(NoticeCode::SendChain, None));
    take(&mut agent, &unknown, MessageType::Notice, NOW).unwrap();
    let request = requested(&mut agent, NOW);
    let envelope = Envelope::parse(&request).unwrap();
    let Signer::Chain(chain) = envelope.signer() else {
        panic!("it was asked for its chain")
    };
    let chain: Vec<_> = chain.iter().map(|certificate| certificate.0).collect();
    assert_eq!(chain, [RENEWED, ISSUER]);
    let again = read_request(&request);
    assert!(again.seq > first.seq);
    assert_eq!((again.held, again.key_set), (Some(held(1)), 1));

    let answer = signed(AUTHORITY_SEED, &grant(2, Some(again.nonce)));
    take(&mut agent, &answer, MessageType::Grant, NOW).unwrap();
}
