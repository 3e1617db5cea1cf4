//! What a device takes and refuses of messages that are well formed and well signed: it depends on
//! who the device is, what it holds and what it asked.

use fleetgrant_schemas::entitlement::{Entitlement, Model};
use fleetgrant_schemas::envelope::Signer;
use fleetgrant_schemas::grant::{Flags, Grant};
use fleetgrant_schemas::id::{ActivationId, Challenge, Cti, DeviceId, DeviceNonce};
use fleetgrant_schemas::keys::{AuthorityKey, KeySet, Role};
use fleetgrant_schemas::notice::{Notice, NoticeCode};
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;
use fleetgrant_schemas::{Message, limits};
use serde::Serialize;

use crate::hex;
use crate::material::{DEVICE, Key, NOW, REALM, device};
use crate::valid::with_mirrored_s;

const DAY: u64 = 86_400;
const NOT_BEFORE: u64 = NOW - DAY;
const NOT_AFTER: u64 = NOW + 365 * DAY;
const NONCE: DeviceNonce = DeviceNonce([0x0e; 16]);
const OTHER_NONCE: DeviceNonce = DeviceNonce([0x0f; 16]);

#[derive(Serialize)]
pub(crate) struct Judgements {
    description: &'static str,
    device: &'static str,
    realm: &'static str,
    key: Key,
    authority: TrustedKey,
    roots: [Key; 2],
    max_down: usize,
    scenarios: Vec<Scenario>,
}

#[derive(Serialize)]
struct TrustedKey {
    key: Key,
    nbf: u64,
    exp: u64,
    epoch: u32,
    role: u8,
}

#[derive(Serialize)]
struct Scenario {
    name: &'static str,
    steps: Vec<Step>,
}

#[derive(Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
enum Step {
    /// The device makes a new request, with this nonce.
    Ask { nonce: String },
    /// A message comes in.
    Receive {
        says: &'static str,
        topic: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        taken: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        refused: Option<&'static str>,
        message: String,
    },
}

fn ask() -> Step {
    Step::Ask {
        nonce: hex(&NONCE.0),
    }
}

fn taken(how: &'static str, says: &'static str, kind: MessageType, message: &[u8]) -> Step {
    Step::Receive {
        says,
        topic: kind.as_str(),
        taken: Some(how),
        refused: None,
        message: hex(message),
    }
}

fn refused(why: &'static str, says: &'static str, kind: MessageType, message: &[u8]) -> Step {
    Step::Receive {
        says,
        topic: kind.as_str(),
        taken: None,
        refused: Some(why),
        message: hex(message),
    }
}

fn signed<'m, M: Message<'m>>(key: Key, message: &M) -> Vec<u8> {
    key.message(&Signer::Key(key.kid()), message)
}

fn grant() -> Grant<'static> {
    Grant {
        realm: REALM,
        device: device(),
        install_until: NOW + limits::INSTALL_WINDOW,
        issued_at: NOW,
        cti: Cti([0xc7; 16]),
        confirmation: Key::Device.thumbprint(),
        nonce: Some(NONCE),
        epoch: 1,
        generation: 7,
        renew_after: 86_400,
        entitlements: Seq::empty(),
        next_challenge: Challenge([0xcb; 16]),
        denials: Seq::empty(),
        flags: Flags::default(),
    }
}

fn installed(says: &'static str, grant: &Grant<'_>) -> Step {
    taken(
        "installed",
        says,
        MessageType::Grant,
        &signed(Key::Authority, grant),
    )
}

fn refused_grant(why: &'static str, says: &'static str, grant: &Grant<'_>) -> Step {
    refused(
        why,
        says,
        MessageType::Grant,
        &signed(Key::Authority, grant),
    )
}

pub(crate) fn judgements() -> Judgements {
    Judgements {
        description: "A device that is made with this profile goes through each scenario from \
            its first start, its storage empty and its clock unknown, a second of uptime between \
            the steps. taken is what it does with a message; refused is the name in section 8 of \
            PROTOCOL.md.",
        device: DEVICE,
        realm: REALM,
        key: Key::Device,
        authority: TrustedKey {
            key: Key::Authority,
            nbf: NOT_BEFORE,
            exp: NOT_AFTER,
            epoch: 1,
            role: Role::Grants.number(),
        },
        roots: [Key::Root, Key::SpareRoot],
        max_down: limits::MAX_DOWN,
        scenarios: vec![
            scenario("blank", blank()),
            scenario("factory", factory()),
            scenario("addressed", addressed()),
            scenario("key-of-the-grant", key_of_the_grant()),
            scenario("order", order()),
            scenario("window", window()),
            scenario("time-is-proven", time_is_proven()),
            scenario("notices", notices()),
            scenario("key-sets", key_sets()),
            scenario("epochs", epochs()),
        ],
    }
}

const fn scenario(name: &'static str, steps: Vec<Step>) -> Scenario {
    Scenario { name, steps }
}

fn blank() -> Vec<Step> {
    let unasked = Grant {
        nonce: None,
        ..grant()
    };
    let foreign = Grant {
        nonce: Some(OTHER_NONCE),
        ..grant()
    };
    let why = "blank-without-nonce";
    vec![
        refused_grant(
            why,
            "a blank device that asked nothing takes nothing",
            &grant(),
        ),
        ask(),
        refused_grant(why, "a recorded grant without a nonce", &unasked),
        refused_grant(
            why,
            "a recorded grant that answers another request",
            &foreign,
        ),
        installed("the answer to its own request", &grant()),
        taken(
            "again",
            "the same grant with the other s is the same grant",
            MessageType::Grant,
            &with_mirrored_s(&signed(Key::Authority, &grant())),
        ),
    ]
}

fn factory() -> Vec<Step> {
    let made = Grant {
        nonce: None,
        generation: 1,
        flags: Flags { factory: true },
        ..grant()
    };
    let later = Grant {
        generation: 2,
        ..made
    };
    vec![
        refused_grant(
            "factory-generation",
            "a factory grant of generation 2",
            &later,
        ),
        installed("a factory grant, and nobody asked", &made),
    ]
}

fn addressed() -> Vec<Step> {
    let elsewhere = Grant {
        realm: "other.example",
        ..grant()
    };
    let other = Grant {
        device: DeviceId::new("scope-4712").expect("a device id"),
        ..grant()
    };
    let other_key = Grant {
        confirmation: Key::OtherDevice.thumbprint(),
        ..grant()
    };
    vec![
        ask(),
        refused_grant("other-realm", "of another realm", &elsewhere),
        refused_grant("other-device", "for another device", &other),
        refused_grant("other-key", "for another key of this device", &other_key),
        installed("for this one", &grant()),
    ]
}

fn key_of_the_grant() -> Vec<Step> {
    let newer_epoch = Grant {
        epoch: 2,
        ..grant()
    };
    let too_early = Grant {
        issued_at: NOT_BEFORE - 1,
        ..grant()
    };
    let too_late = Grant {
        issued_at: NOT_AFTER,
        install_until: NOT_AFTER + 30 * DAY,
        ..grant()
    };
    let unknown = signed(Key::NextAuthority, &newer_epoch);
    let forged = Key::OtherDevice.message(&Signer::Key(Key::Authority.kid()), &grant());
    vec![
        ask(),
        refused_grant("key-epoch", "an epoch that is not its key's", &newer_epoch),
        refused_grant(
            "issued-outside-key",
            "a second before its key's nbf",
            &too_early,
        ),
        refused_grant("issued-outside-key", "at its key's exp", &too_late),
        refused(
            "unknown-key-id",
            "by a key it does not have",
            MessageType::Grant,
            &unknown,
        ),
        refused(
            "signature",
            "forged under the kid of one it has",
            MessageType::Grant,
            &forged,
        ),
        installed("by the key it has", &grant()),
    ]
}

fn order() -> Vec<Step> {
    let unasked = Grant {
        nonce: None,
        ..grant()
    };
    let other = Grant {
        cti: Cti([0xc8; 16]),
        ..unasked
    };
    let lower = Grant {
        generation: 6,
        ..other
    };
    let richer = [Entitlement {
        activation: ActivationId([0xa1; 16]),
        feature: "bandwidth-500",
        version_ceiling: None,
        model: Model::Perpetual,
        start: None,
        end: None,
        count: None,
        grace: None,
        vendor_data: None,
        usage_base: None,
        lease_end: None,
        build_ceiling: None,
        end_effect: None,
    }];
    let older_answer = Grant {
        entitlements: Seq::new(&richer),
        nonce: Some(NONCE),
        ..lower
    };
    let higher = Grant {
        generation: 9,
        ..other
    };
    let again = signed(Key::Authority, &grant());
    vec![
        ask(),
        installed("generation 7", &grant()),
        taken("again", "the same once more", MessageType::Grant, &again),
        refused_grant("conflict", "generation 7 with another cti", &other),
        refused_grant("superseded", "generation 6", &lower),
        ask(),
        refused_grant(
            "superseded",
            "generation 6, though it answers",
            &older_answer,
        ),
        installed("generation 9, which nobody asked for", &higher),
        refused_grant("superseded", "generation 7 after that", &grant()),
    ]
}

fn window() -> Vec<Step> {
    let over = Grant {
        install_until: NOW,
        ..grant()
    };
    let late = Grant {
        generation: 8,
        nonce: None,
        issued_at: NOW - DAY + 1,
        install_until: NOW - 60,
        ..grant()
    };
    vec![
        ask(),
        refused_grant("install-window", "its window ends as it is issued", &over),
        installed("within its window", &grant()),
        refused_grant(
            "install-window",
            "kept back until its window had ended",
            &late,
        ),
    ]
}

fn time_is_proven() -> Vec<Step> {
    let latest = Grant {
        issued_at: NOT_AFTER - 2,
        install_until: NOT_AFTER + 30 * DAY,
        ..grant()
    };
    let next = Grant {
        generation: 8,
        nonce: None,
        ..latest
    };
    vec![
        ask(),
        installed("two seconds before its key's exp", &latest),
        taken(
            "again",
            "a second later",
            MessageType::Grant,
            &signed(Key::Authority, &latest),
        ),
        refused_grant(
            "key-expired",
            "at its key's exp, by the time it proved",
            &next,
        ),
    ]
}

fn notice(code: NoticeCode) -> Notice<'static> {
    let needs_challenge = matches!(code, NoticeCode::Challenge | NoticeCode::StaleSeq);
    Notice {
        realm: REALM,
        device: device(),
        issued_at: NOW,
        cti: Cti([0xc9; 16]),
        confirmation: Some(Key::Device.thumbprint()),
        nonce: Some(NONCE),
        code,
        seq_expected: (code == NoticeCode::StaleSeq).then_some(40),
        retry_after: (code == NoticeCode::RetryLater).then_some(3_600),
        text: None,
        challenge: needs_challenge.then_some(Challenge([0xcc; 16])),
    }
}

fn notices() -> Vec<Step> {
    let send = |notice: &Notice<'_>| signed(Key::Authority, notice);
    let unasked = |code| Notice {
        nonce: None,
        ..notice(code)
    };
    let refuse =
        |why, says, notice: &Notice<'_>| refused(why, says, MessageType::Notice, &send(notice));
    let take =
        |says, notice: &Notice<'_>| taken("notice", says, MessageType::Notice, &send(notice));
    vec![
        refuse(
            "not-asked",
            "revoked, and nobody asked",
            &unasked(NoticeCode::Revoked),
        ),
        refuse(
            "not-asked",
            "a challenge to a nonce that is not open",
            &notice(NoticeCode::Challenge),
        ),
        ask(),
        refuse(
            "not-asked",
            "retry-later without the nonce",
            &unasked(NoticeCode::RetryLater),
        ),
        refuse(
            "other-device",
            "for another device",
            &Notice {
                device: DeviceId::new("scope-4712").expect("a device id"),
                ..notice(NoticeCode::Denied)
            },
        ),
        refuse(
            "other-key",
            "for another key",
            &Notice {
                confirmation: Some(Key::OtherDevice.thumbprint()),
                ..notice(NoticeCode::Denied)
            },
        ),
        refuse(
            "issued-outside-key",
            "issued before its key was valid",
            &Notice {
                issued_at: NOT_BEFORE - 1,
                ..notice(NoticeCode::Denied)
            },
        ),
        take("retry-later", &notice(NoticeCode::RetryLater)),
        take(
            "denied, which ends the request",
            &notice(NoticeCode::Denied),
        ),
        refuse(
            "not-asked",
            "denied again: no request is open",
            &notice(NoticeCode::Denied),
        ),
        take("a poke needs no nonce", &unasked(NoticeCode::Poke)),
        refuse(
            "too-soon",
            "another poke within the hour",
            &unasked(NoticeCode::Poke),
        ),
    ]
}

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

fn key_sets() -> Vec<Step> {
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

fn epochs() -> Vec<Step> {
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
