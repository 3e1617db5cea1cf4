//! Key sets, and the epochs of the keys in them.

use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::keys::{AuthorityKey, KeySet, Role};
use fleetgrant_schemas::limits;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;

use super::{NOT_AFTER, NOT_BEFORE, Step, ask, grant, installed, refused, signed, taken};
use crate::material::{Key, NOW, REALM};

fn authority_key(key: Key, epoch: u32, role: Role) -> AuthorityKey {
    AuthorityKey {
        key: key.public(),
        not_before: NOT_BEFORE,
        not_after: NOT_AFTER,
        epoch,
        role,
    }
}

fn key_set<'k>(generation: u32, keys: &'k [AuthorityKey]) -> KeySet<'k> {
    KeySet {
        realm: REALM,
        issued_at: NOW,
        generation,
        keys: Seq::new(keys),
        retired_roots: Seq::empty(),
    }
}

pub(super) fn key_sets() -> Vec<Step> {
    let refuse = |why, says, by: Key, set: &KeySet<'_>| {
        refused(why, says, MessageType::Keys, &signed(by, set))
    };
    let take =
        |says, by: Key, set: &KeySet<'_>| taken("keys", says, MessageType::Keys, &signed(by, set));
    let both = [
        authority_key(Key::Authority, 1, Role::Grants),
        authority_key(Key::NextAuthority, 2, Role::Grants),
    ];
    let retired = [Key::SpareRoot.kid()];
    let own = [Key::Root.kid()];
    let notices_only = [authority_key(Key::NextAuthority, 2, Role::Notices)];
    let elsewhere = KeySet {
        realm: "other.example",
        ..key_set(2, &both)
    };
    vec![
        refuse(
            "unknown-root",
            "by a key that is no root",
            Key::Authority,
            &key_set(1, &both),
        ),
        refuse("other-realm", "of another realm", Key::Root, &elsewhere),
        refuse(
            "bad-key-set",
            "no key in it signs grants",
            Key::Root,
            &key_set(2, &notices_only),
        ),
        refuse(
            "bad-key-set",
            "it retires the root that signs it",
            Key::Root,
            &KeySet {
                retired_roots: Seq::new(&own),
                ..key_set(2, &both)
            },
        ),
        take("generation 2", Key::SpareRoot, &key_set(2, &both)),
        refuse(
            "old-key-set",
            "generation 2 again",
            Key::Root,
            &key_set(2, &both),
        ),
        refuse("old-key-set", "generation 1", Key::Root, &key_set(1, &both)),
        refuse(
            "bad-key-set",
            "its epoch falls",
            Key::Root,
            &key_set(3, &both[..1]),
        ),
        take(
            "the first root retires the second",
            Key::Root,
            &KeySet {
                retired_roots: Seq::new(&retired),
                ..key_set(3, &both)
            },
        ),
        refuse(
            "unknown-root",
            "by the retired root",
            Key::SpareRoot,
            &key_set(4, &both),
        ),
    ]
}

pub(super) fn epochs() -> Vec<Step> {
    let keys = [
        authority_key(Key::NextAuthority, 2, Role::Grants),
        authority_key(Key::OtherDevice, 2, Role::Notices),
    ];
    let set = signed(Key::Root, &key_set(1, &keys));
    let leaked = Grant {
        generation: limits::MAX_COUNTER,
        ..grant()
    };
    let next = Grant {
        epoch: 2,
        generation: 8,
        ..grant()
    };
    let by_notices_key = signed(Key::OtherDevice, &next);
    vec![
        ask(),
        installed("the highest generation there is, by a leaked key", &leaked),
        taken(
            "keys",
            "the next epoch, without that key",
            MessageType::Keys,
            &set,
        ),
        ask(),
        refused(
            "unknown-key-id",
            "the leaked key signs nothing new",
            MessageType::Grant,
            &signed(Key::Authority, &leaked),
        ),
        refused(
            "key-role",
            "a grant by a key for notices",
            MessageType::Grant,
            &by_notices_key,
        ),
        taken(
            "installed",
            "generation 8 of epoch 2 is above every generation of epoch 1",
            MessageType::Grant,
            &signed(Key::NextAuthority, &next),
        ),
    ]
}
