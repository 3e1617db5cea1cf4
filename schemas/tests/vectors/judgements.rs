//! What a device takes and refuses of messages that are well formed and well signed: it depends on
//! who the device is, what it holds and what it asked.

mod grants;
mod key_sets;
mod notices;

use fleetgrant_schemas::envelope::Signer;
use fleetgrant_schemas::grant::{Flags, Grant};
use fleetgrant_schemas::id::{Challenge, Cti, DeviceNonce};
use fleetgrant_schemas::keys::Role;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;
use fleetgrant_schemas::{Message, limits};
use serde::Serialize;

use crate::hex;
use crate::material::{DEVICE, Key, NOW, REALM, device};
use grants::{addressed, blank, factory, key_of_the_grant, order, time_is_proven, window};
use key_sets::{epochs, key_sets};
use notices::notices;

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
