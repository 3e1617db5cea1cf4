//! Grants: whom they are for, by which key, in which order and when.

use fleetgrant_schemas::entitlement::{Entitlement, Model};
use fleetgrant_schemas::envelope::Signer;
use fleetgrant_schemas::grant::{Flags, Grant};
use fleetgrant_schemas::id::{ActivationId, Cti, DeviceId};
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;

use super::{
    DAY, NONCE, NOT_AFTER, NOT_BEFORE, OTHER_NONCE, Step, ask, grant, installed, refused,
    refused_grant, signed, taken,
};
use crate::material::{Key, NOW};
use crate::valid::with_mirrored_s;

pub(super) fn blank() -> Vec<Step> {
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

pub(super) fn factory() -> Vec<Step> {
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

pub(super) fn addressed() -> Vec<Step> {
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

pub(super) fn key_of_the_grant() -> Vec<Step> {
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

pub(super) fn order() -> Vec<Step> {
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

pub(super) fn window() -> Vec<Step> {
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

pub(super) fn time_is_proven() -> Vec<Step> {
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
