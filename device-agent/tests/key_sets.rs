//! Key sets: who may sign one, what may stand in it, and what follows.
#![allow(clippy::unwrap_used)]

mod support;

use fleetgrant_agent::{Event, Instant, Refusal, Taken};
use fleetgrant_schemas::id::KeyId;
use fleetgrant_schemas::keys::{AuthorityKey, KeySet, Role};
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;
use support::*;

const NEW_SEED: u8 = 21;
const NOW: Instant = Instant(0);

fn holder<'c>(profile: &'c fleetgrant_agent::Profile<'c>, flash: &Flash) -> TestAgent<'c> {
    let mut agent = start(profile, flash, 1);
    install(&mut agent, 1, &[right(1, "bandwidth")], NOW);
    sent(&mut agent);
    events(&mut agent);
    agent
}

fn tell(agent: &mut TestAgent<'_>, signer: u8, set: &KeySet<'_>) -> Result<(), Refusal> {
    let bytes = signed(signer, set);
    take(agent, &bytes, MessageType::Keys, NOW).map(|taken| {
        assert!(matches!(taken, Taken::Keys(_)));
    })
}

fn kid(seed: u8) -> KeyId {
    key(seed).public_key().thumbprint().key_id()
}

#[test]
fn a_new_key_takes_over_and_the_set_in_force_outlives_its_key() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = holder(&profile, &flash);
    let keys = [authority_key(NEW_SEED, 2)];
    tell(&mut agent, ROOT_SEED, &key_set(1, &keys)).unwrap();
    assert_eq!(events(&mut agent), [Event::KeysInstalled { generation: 1 }]);
    let request = requested(&mut agent, NOW);
    let request = read_request(&request);
    assert_eq!((request.reason, request.key_set), (Reason::Keys, 1));

    // The old key signs nothing new, in this life or the next.
    let old = signed(AUTHORITY_SEED, &grant(2, Some(request.nonce)));
    assert_eq!(
        take(&mut agent, &old, MessageType::Grant, NOW),
        Err(Refusal::UnknownKey)
    );
    let mut agent = start(&profile, &flash, 2);
    assert!(
        agent.is_on("bandwidth", NOW).is_on(),
        "what it signed stays in force"
    );
    let nonce = nonce_of(&requested(&mut agent, NOW));
    let old = signed(AUTHORITY_SEED, &grant(2, Some(nonce)));
    assert_eq!(
        take(&mut agent, &old, MessageType::Grant, NOW),
        Err(Refusal::UnknownKey)
    );

    let new = fleetgrant_schemas::grant::Grant {
        epoch: 2,
        ..grant(1, Some(nonce))
    };
    let new = signed(NEW_SEED, &new);
    assert!(take(&mut agent, &new, MessageType::Grant, NOW).is_ok());
    let agent = start(&profile, &flash, 3);
    assert_eq!(agent.held().unwrap().epoch, 2);
}

#[test]
fn only_a_root_that_was_not_retired_signs_key_sets() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = holder(&profile, &flash);
    let keys = [authority_key(AUTHORITY_SEED, 1)];
    for signer in [AUTHORITY_SEED, NOTICES_SEED, DEVICE_SEED, 99] {
        let told = tell(&mut agent, signer, &key_set(1, &keys));
        assert_eq!(told, Err(Refusal::UnknownRoot));
    }
    let retired = [kid(ROOT_SEED)];
    let set = KeySet {
        retired_roots: Seq::new(&retired),
        ..key_set(1, &keys)
    };
    assert_eq!(
        tell(&mut agent, ROOT_SEED, &set),
        Err(Refusal::BadKeySet),
        "not itself"
    );
    tell(&mut agent, OTHER_ROOT_SEED, &set).unwrap();
    assert_eq!(
        tell(&mut agent, ROOT_SEED, &key_set(2, &keys)),
        Err(Refusal::UnknownRoot)
    );

    // Retired for good: a later set that does not name it changes nothing, nor does a restart.
    let mut agent = start(&profile, &flash, 2);
    tell(&mut agent, OTHER_ROOT_SEED, &key_set(2, &keys)).unwrap();
    let mut agent = start(&profile, &flash, 3);
    assert_eq!(
        tell(&mut agent, ROOT_SEED, &key_set(3, &keys)),
        Err(Refusal::UnknownRoot)
    );
}

#[test]
fn key_sets_never_go_back() {
    let factory = Factory::new();
    let mut profile = factory.profile();
    profile.min_key_set = 4;
    let flash = Flash::default();
    let mut agent = holder(&profile, &flash);
    let keys = [authority_key(AUTHORITY_SEED, 1), authority_key(NEW_SEED, 2)];
    assert_eq!(
        tell(&mut agent, ROOT_SEED, &key_set(3, &keys)),
        Err(Refusal::OldKeySet)
    );
    tell(&mut agent, ROOT_SEED, &key_set(4, &keys)).unwrap();
    assert_eq!(
        tell(&mut agent, ROOT_SEED, &key_set(4, &keys)),
        Err(Refusal::OldKeySet)
    );

    let older_epoch = [authority_key(AUTHORITY_SEED, 1)];
    let told = tell(&mut agent, ROOT_SEED, &key_set(5, &older_epoch));
    assert_eq!(told, Err(Refusal::BadKeySet));
    let notices_only = [AuthorityKey {
        role: Role::Notices,
        ..authority_key(NEW_SEED, 2)
    }];
    let told = tell(&mut agent, ROOT_SEED, &key_set(5, &notices_only));
    assert_eq!(told, Err(Refusal::BadKeySet));
    let other_realm = KeySet {
        realm: "acme-test",
        ..key_set(5, &keys)
    };
    assert_eq!(
        tell(&mut agent, ROOT_SEED, &other_realm),
        Err(Refusal::OtherRealm)
    );
    let mut agent = start(&profile, &flash, 2);
    assert_eq!(
        tell(&mut agent, ROOT_SEED, &key_set(4, &keys)),
        Err(Refusal::OldKeySet)
    );
}

#[test]
fn a_device_without_roots_takes_no_key_set() {
    let factory = Factory::new();
    let mut profile = factory.profile();
    profile.roots = &[];
    let mut agent = holder(&profile, &Flash::default());
    let keys = [authority_key(NEW_SEED, 2)];
    assert_eq!(
        tell(&mut agent, ROOT_SEED, &key_set(1, &keys)),
        Err(Refusal::UnknownRoot)
    );
}

#[test]
fn as_many_keys_as_a_set_holds_are_kept_and_found() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = holder(&profile, &flash);
    let keys: Vec<_> = (0..8).map(|n| authority_key(30 + n, 2)).collect();
    tell(&mut agent, ROOT_SEED, &key_set(1, &keys)).unwrap();
    for n in 0..8 {
        let mut agent = start(&profile, &flash, u64::from(n));
        assert!(agent.held().is_some());
        let nonce = nonce_of(&requested(&mut agent, NOW));
        let next = fleetgrant_schemas::grant::Grant {
            epoch: 2,
            ..grant(u64::from(n) + 1, Some(nonce))
        };
        let bytes = signed(30 + n, &next);
        assert!(
            take(&mut agent, &bytes, MessageType::Grant, NOW).is_ok(),
            "key {n}"
        );
    }
}
