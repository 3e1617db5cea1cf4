//! Five years in a drawer, while the authority changed its key every year and lost one, and one
//! root retired the other.

use fleetgrant_agent::{Event, Instant, Refusal, Taken};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::{DeviceNonce, KeyId};
use fleetgrant_schemas::keys::{AuthorityKey, KeySet, Role};
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;

use crate::support::*;

const YEAR: u64 = 365 * DAY;
const NOW: Instant = Instant(0);
/// Seed of the key of an epoch after the first.
const fn seed(epoch: u32) -> u8 {
    40 + epoch as u8
}

/// The key of an epoch: each is good for a year and a month from the beginning of its own.
fn key_of(epoch: u32) -> AuthorityKey {
    let begin = EPOCH + u64::from(epoch - 1) * YEAR;
    AuthorityKey {
        key: key(seed(epoch)).public_key(),
        not_before: begin,
        not_after: begin + 395 * DAY,
        epoch,
        role: Role::Grants,
    }
}

fn kid(seed: u8) -> KeyId {
    key(seed).public_key().thumbprint().key_id()
}

/// The key set of a generation, with the key of the same epoch.
fn set_of(generation: u32, signer: u8, retired: &[KeyId]) -> Vec<u8> {
    let keys = [key_of(generation)];
    let set = KeySet {
        issued_at: keys[0].not_before,
        retired_roots: Seq::new(retired),
        ..key_set(generation, &keys)
    };
    signed(signer, &set)
}

fn grant_of(epoch: u32, generation: u64, nonce: Option<DeviceNonce>) -> Vec<u8> {
    let issued_at = EPOCH + u64::from(epoch - 1) * YEAR + 40 * DAY;
    let rights = [right(1, "decode")];
    let grant = Grant {
        epoch,
        issued_at,
        install_until: issued_at + 30 * DAY,
        entitlements: Seq::new(&rights),
        ..grant(generation, nonce)
    };
    signed(seed(epoch), &grant)
}

#[test]
fn after_five_years_the_newest_key_set_is_all_that_is_needed() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    install(&mut agent, 1, &[right(1, "bandwidth")], NOW);
    drop(agent);

    // Five years later. What it holds is in force, and what answers it is signed by a stranger.
    let mut agent = start(&profile, &flash, 2);
    assert!(agent.is_on("bandwidth", NOW).is_on());
    let nonce = nonce_of(&requested(&mut agent, NOW));
    events(&mut agent);
    let answer = grant_of(6, 1, Some(nonce));
    let took = take(&mut agent, &answer, MessageType::Grant, NOW).map(drop);
    assert_eq!(took, Err(Refusal::UnknownKey));

    // The third key set, of years ago, retired the first root; the broker still has one of its.
    let retired = [kid(ROOT_SEED)];
    let newest = set_of(6, OTHER_ROOT_SEED, &retired);
    let taken = take(&mut agent, &newest, MessageType::Keys, NOW);
    assert!(matches!(taken, Ok(Taken::Keys(set)) if set.generation == 6));
    let of_the_retired = set_of(7, ROOT_SEED, &[]);
    let took = take(&mut agent, &of_the_retired, MessageType::Keys, NOW).map(drop);
    assert_eq!(took, Err(Refusal::UnknownRoot));
    let older = set_of(4, OTHER_ROOT_SEED, &retired);
    let took = take(&mut agent, &older, MessageType::Keys, NOW).map(drop);
    assert_eq!(took, Err(Refusal::OldKeySet));

    // It asks anew, and says which keys it has; that is answered by the new authority.
    agent.handle_timeout(Instant(60_000));
    let sent = sent(&mut agent);
    let (_, request) = sent.last().unwrap();
    let request = read_request(request);
    assert_eq!((request.key_set, request.held), (6, Some(held(1))));
    assert_ne!(request.nonce, nonce);
    let answer = grant_of(6, 1, Some(request.nonce));
    take(&mut agent, &answer, MessageType::Grant, Instant(60_000)).unwrap();
    assert_eq!(agent.held().unwrap().epoch, 6);
    assert!(agent.is_on("decode", Instant(60_000)).is_on());
    assert!(!agent.is_on("bandwidth", Instant(60_000)).is_on());

    // Whoever has the key of the first epoch can sign what he likes.
    let mut agent = start(&profile, &flash, 3);
    let nonce = nonce_of(&requested(&mut agent, NOW));
    let leaked = Grant {
        generation: (1 << 48) - 1,
        ..grant(1, Some(nonce))
    };
    let leaked = signed(AUTHORITY_SEED, &leaked);
    let took = take(&mut agent, &leaked, MessageType::Grant, NOW).map(drop);
    assert_eq!(took, Err(Refusal::UnknownKey));
    assert!(agent.is_on("decode", NOW).is_on());
}

#[test]
fn a_leaked_key_that_is_still_in_the_set_is_outranked_by_its_epoch() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    install(&mut agent, 1, &[right(1, "bandwidth")], NOW);
    // Both keys for a while, so that devices that were away can still be answered.
    let keys = [authority_key(AUTHORITY_SEED, 1), authority_key(NEW_SEED, 2)];
    let set = signed(ROOT_SEED, &key_set(1, &keys));
    take(&mut agent, &set, MessageType::Keys, NOW).unwrap();
    let nonce = nonce_of(&requested(&mut agent, NOW));
    let new = Grant {
        epoch: 2,
        ..grant(1, Some(nonce))
    };
    let new = signed(NEW_SEED, &new);
    take(&mut agent, &new, MessageType::Grant, NOW).unwrap();
    for nonce in [None, Some(nonce)] {
        let leaked = Grant {
            generation: (1 << 48) - 1,
            ..grant(1, nonce)
        };
        let leaked = signed(AUTHORITY_SEED, &leaked);
        let took = take(&mut agent, &leaked, MessageType::Grant, NOW).map(drop);
        assert_eq!(took, Err(Refusal::Superseded));
        // Nor can it say that it is of the newer epoch.
        let lying = Grant {
            epoch: 2,
            ..grant(9, nonce)
        };
        let lying = signed(AUTHORITY_SEED, &lying);
        let took = take(&mut agent, &lying, MessageType::Grant, NOW).map(drop);
        assert_eq!(took, Err(Refusal::KeyEpoch));
    }
}

#[test]
fn each_of_many_key_sets_in_a_row_is_taken_and_the_set_in_force_survives_them_all() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    install(&mut agent, 1, &[right(1, "bandwidth")], NOW);
    drop(agent);
    for generation in 2..8 {
        let mut agent = start(&profile, &flash, generation.into());
        events(&mut agent);
        let set = set_of(generation, ROOT_SEED, &[]);
        take(&mut agent, &set, MessageType::Keys, NOW).unwrap();
        let told = events(&mut agent);
        assert_eq!(told, [Event::KeysInstalled { generation }]);
        // The gateway is not reached: the set signed by the first key stays.
        assert!(agent.is_on("bandwidth", NOW).is_on());
        let reason = read_request(&requested(&mut agent, NOW)).reason;
        assert_eq!(reason, Reason::Boot, "the first request is still open");
    }
}

const NEW_SEED: u8 = 21;
