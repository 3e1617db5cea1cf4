//! What the authority sends.

use fleetgrant_schemas::entitlement::{EndEffect, Entitlement, Model};
use fleetgrant_schemas::envelope::Signer;
use fleetgrant_schemas::grant::{Flags, Grant};
use fleetgrant_schemas::id::*;
use fleetgrant_schemas::keys::{AuthorityKey, KeySet, Role};
use fleetgrant_schemas::limits;
use fleetgrant_schemas::notice::{Notice, NoticeCode};
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::{Denial, Want};

use super::{Valid, with_mirrored_s};
use crate::material::{Key, NOW, REALM, device};
use crate::{codes, worked};

const YEAR: u64 = 365 * 86_400;

fn grant() -> Grant<'static> {
    Grant {
        realm: REALM,
        device: device(),
        install_until: NOW + limits::INSTALL_WINDOW,
        issued_at: NOW,
        cti: Cti([0xc7; 16]),
        confirmation: Key::Device.thumbprint(),
        nonce: None,
        epoch: 1,
        generation: 7,
        renew_after: 86_400,
        entitlements: Seq::empty(),
        next_challenge: Challenge([0xcb; 16]),
        denials: Seq::empty(),
        flags: Flags::default(),
    }
}

fn right(number: u8, feature: &str, model: Model) -> Entitlement<'_> {
    Entitlement {
        activation: ActivationId([number; 16]),
        feature,
        version_ceiling: None,
        model,
        start: None,
        end: None,
        count: None,
        grace: None,
        vendor_data: None,
        usage_base: None,
        lease_end: None,
        build_ceiling: None,
        end_effect: None,
    }
}

fn signed(name: &'static str, description: &'static str, grant: &Grant<'_>) -> Valid {
    Valid::new(name, description, Key::Authority, bytes_of(grant))
}

fn bytes_of(grant: &Grant<'_>) -> Vec<u8> {
    Key::Authority.message(&Signer::Key(Key::Authority.kid()), grant)
}

pub(crate) fn grants() -> Vec<Valid> {
    let models = [
        right(0xa1, "bandwidth-500", Model::Perpetual),
        Entitlement {
            start: Some(NOW),
            end: Some(NOW + YEAR),
            grace: Some(14 * 86_400),
            ..right(0xa2, "decode-can", Model::Subscription)
        },
        Entitlement {
            end: Some(NOW + 30 * 86_400),
            ..right(0xa3, "jitter", Model::Evaluation)
        },
        Entitlement {
            end: Some(NOW + 7 * 86_400),
            ..right(0xa4, "power", Model::Temporary)
        },
        Entitlement {
            lease_end: Some(NOW + 90 * 86_400),
            ..right(0xa5, "minutes", Model::Metered)
        },
        Entitlement {
            count: Some(100),
            usage_base: Some(41),
            ..right(0xa6, "captures", Model::Counted)
        },
        Entitlement {
            version_ceiling: Some("3.x"),
            ..right(0xa1, "firmware", Model::Maintenance)
        },
    ];
    let ceilings = [
        Entitlement {
            build_ceiling: Some(NOW + YEAR),
            ..right(0xa1, "bandwidth-500", Model::Perpetual)
        },
        Entitlement {
            end: Some(NOW + YEAR),
            grace: Some(14 * 86_400),
            end_effect: Some(EndEffect::NextBoot),
            ..right(0xa2, "decode-can", Model::Subscription)
        },
    ];
    let denials = [
        Denial {
            want: Want::Feature {
                feature: "decode-lin",
                total: 1,
            },
            rule: "not-owned",
            retry_after: None,
        },
        Denial {
            want: Want::Code(codes::claim_of_the_first()),
            rule: "code-limit",
            retry_after: Some(3600),
        },
    ];
    vec![
        worked::grant(),
        signed("grant-least", "no right at all, unsolicited", &grant()),
        signed(
            "grant-models",
            "a right of each model; one activation gives two features",
            &Grant {
                entitlements: Seq::new(&models),
                ..grant()
            },
        ),
        signed(
            "grant-ceilings",
            "a perpetual right for firmware built before an instant, and a term whose end takes \
             effect at the next start",
            &Grant {
                entitlements: Seq::new(&ceilings),
                ..grant()
            },
        ),
        signed(
            "grant-denials",
            "what was asked for is denied, one for good and one for an hour",
            &Grant {
                nonce: Some(DeviceNonce([0x0e; 16])),
                denials: Seq::new(&denials),
                ..grant()
            },
        ),
        signed(
            "grant-factory",
            "made on the factory line, ahead of the device's first start",
            &Grant {
                install_until: NOW + limits::INSTALL_WINDOW_FACTORY,
                generation: 1,
                entitlements: Seq::new(&models[..1]),
                flags: Flags { factory: true },
                ..grant()
            },
        ),
        Valid::new(
            "grant-next-epoch",
            "signed by the key of epoch 2",
            Key::NextAuthority,
            Key::NextAuthority.message(
                &Signer::Key(Key::NextAuthority.kid()),
                &Grant {
                    epoch: 2,
                    generation: 8,
                    entitlements: Seq::new(&models[..1]),
                    ..grant()
                },
            ),
        ),
        signed(
            "grant-full",
            "every field there is, those of a right and the counters at their limits",
            &Grant {
                nonce: Some(DeviceNonce([0x0e; 16])),
                denials: Seq::new(&denials),
                flags: Flags { factory: true },
                install_until: limits::MAX_INSTANT,
                issued_at: limits::MAX_INSTANT,
                epoch: u32::MAX,
                generation: limits::MAX_COUNTER,
                renew_after: u32::MAX,
                entitlements: Seq::new(&[Entitlement {
                    activation: ActivationId([0xff; 16]),
                    feature: "ffffffffffffffffffffffffffffffff",
                    version_ceiling: Some("vvvvvvvvvvvvvvvv"),
                    model: Model::Maintenance,
                    start: Some(limits::MAX_INSTANT),
                    end: Some(limits::MAX_INSTANT),
                    count: Some(u64::MAX),
                    grace: Some(u32::MAX),
                    vendor_data: Some(&[0xff; 64]),
                    usage_base: Some(u64::MAX),
                    lease_end: Some(limits::MAX_INSTANT),
                    build_ceiling: Some(limits::MAX_INSTANT),
                    end_effect: Some(EndEffect::NextBoot),
                }]),
                ..grant()
            },
        ),
        Valid::new(
            "grant-most",
            "64 rights, and 4,096 bytes in all",
            Key::Authority,
            largest_grant(),
        ),
        Valid::new(
            "grant-other-s",
            "the grant of the worked activation with n − s for s",
            Key::Authority,
            with_mirrored_s(&worked::grant().bytes),
        ),
    ]
}

/// 64 rights in as many bytes as a device reads.
pub(crate) fn largest_grant() -> Vec<u8> {
    let names: Vec<String> = (0..64).map(|n| format!("feature-{n:02}")).collect();
    let with_padding = |padding: usize| {
        // Two bytes are the shortest head of the longest vendor data.
        let data = [0xda; 64];
        let rights: Vec<Entitlement<'_>> = names
            .iter()
            .enumerate()
            .map(|(n, feature)| Entitlement {
                end: Some(NOW + YEAR),
                vendor_data: data.get(..(padding / 64 + usize::from(padding % 64 > n))),
                ..right(n as u8, feature, Model::Subscription)
            })
            .collect();
        bytes_of(&Grant {
            entitlements: Seq::new(&rights),
            ..grant()
        })
    };
    let padding = 64 + limits::MAX_DOWN - with_padding(64).len();
    let bytes = with_padding(padding);
    assert_eq!(bytes.len(), limits::MAX_DOWN);
    bytes
}

pub(crate) fn notices() -> Vec<Valid> {
    let signer = Signer::Key(Key::Authority.kid());
    let own = |name, description, notice: &Notice<'_>| {
        Valid::new(
            name,
            description,
            Key::Authority,
            Key::Authority.message(&signer, notice),
        )
    };
    let bare = |code| Notice {
        realm: REALM,
        device: device(),
        issued_at: NOW,
        cti: Cti([0xc9; 16]),
        confirmation: None,
        nonce: None,
        code,
        seq_expected: None,
        retry_after: None,
        text: None,
        challenge: None,
    };
    let answer = |code| Notice {
        confirmation: Some(Key::Device.thumbprint()),
        nonce: Some(DeviceNonce([0x0e; 16])),
        ..bare(code)
    };
    let challenge = Some(Challenge([0xcc; 16]));
    vec![
        own(
            "notice-stale-seq",
            "the seq was used before: the one expected, and a challenge to echo",
            &Notice {
                seq_expected: Some(4_712),
                challenge,
                ..answer(NoticeCode::StaleSeq)
            },
        ),
        own(
            "notice-send-chain",
            "answers a request that could not be verified, so without a key to confirm",
            &Notice {
                confirmation: None,
                ..answer(NoticeCode::SendChain)
            },
        ),
        own(
            "notice-retry-later",
            "not now",
            &Notice {
                retry_after: Some(30),
                ..answer(NoticeCode::RetryLater)
            },
        ),
        own(
            "notice-challenge",
            "ask again with this challenge",
            &Notice {
                challenge,
                ..answer(NoticeCode::Challenge)
            },
        ),
        own(
            "notice-not-admitted",
            "not admitted here",
            &answer(NoticeCode::NotAdmitted),
        ),
        own(
            "notice-quarantined",
            "waits for an operator",
            &Notice {
                retry_after: Some(3600),
                ..answer(NoticeCode::Quarantined)
            },
        ),
        own("notice-revoked", "revoked", &answer(NoticeCode::Revoked)),
        own(
            "notice-denied",
            "denied whole, with a word for the log",
            &Notice {
                text: Some("owner-on-hold"),
                ..answer(NoticeCode::Denied)
            },
        ),
        own(
            "notice-too-large",
            "the set does not fit",
            &answer(NoticeCode::TooLarge),
        ),
        own(
            "notice-malformed",
            "signed well, and not understood",
            &Notice {
                nonce: None,
                text: Some("unknown-key"),
                ..answer(NoticeCode::Malformed)
            },
        ),
        own(
            "notice-wrong-realm",
            "for another realm",
            &answer(NoticeCode::WrongRealm),
        ),
        own(
            "notice-show-grant",
            "show what you hold",
            &answer(NoticeCode::ShowGrant),
        ),
        own(
            "notice-poke",
            "unsolicited and as little as a notice can hold",
            &bare(NoticeCode::Poke),
        ),
        own(
            "notice-identity-conflict",
            "another key holds this id",
            &Notice {
                confirmation: None,
                ..answer(NoticeCode::IdentityConflict)
            },
        ),
        own(
            "notice-most",
            "every field at its limit",
            &Notice {
                realm: &"R".repeat(64),
                device: DeviceId::new(&"z".repeat(64)).expect("64 characters"),
                issued_at: limits::MAX_INSTANT,
                seq_expected: Some(limits::MAX_COUNTER),
                retry_after: Some(u32::MAX),
                text: Some("tttttttttttttttttttttttttttttttt"),
                challenge,
                ..answer(NoticeCode::StaleSeq)
            },
        ),
    ]
}

pub(crate) fn key_sets() -> Vec<Valid> {
    let one = |key: Key, epoch, role| AuthorityKey {
        key: key.public(),
        not_before: NOW - 86_400,
        not_after: NOW + YEAR,
        epoch,
        role,
    };
    let both = [
        one(Key::Authority, 1, Role::Grants),
        one(Key::NextAuthority, 2, Role::Grants),
        one(Key::OtherDevice, 2, Role::Notices),
    ];
    let retired = [Key::SpareRoot.kid()];
    let least = KeySet {
        realm: REALM,
        issued_at: NOW,
        generation: 1,
        keys: Seq::new(&both[..1]),
        retired_roots: Seq::empty(),
    };
    // Points are for whoever uses them to check: six of these are none.
    let mut most: Vec<AuthorityKey> = both[..2].to_vec();
    for number in 0..6 {
        let mut key = one(Key::Authority, u32::MAX, Role::Notices);
        key.key.x = [number; 32];
        most.push(key);
    }
    let own = |name, description, signer: Key, set: &KeySet<'_>| {
        let bytes = signer.message(&Signer::Key(signer.kid()), set);
        Valid::new(name, description, signer, bytes)
    };
    vec![
        own("keys-least", "one key", Key::Root, &least),
        own(
            "keys-rollover",
            "the key of epoch 2 beside that of epoch 1, a key for notices, and a root retired",
            Key::Root,
            &KeySet {
                generation: 2,
                keys: Seq::new(&both),
                retired_roots: Seq::new(&retired),
                ..least
            },
        ),
        own(
            "keys-spare-root",
            "signed by the second root",
            Key::SpareRoot,
            &least,
        ),
        own(
            "keys-most",
            "every field at its limit; well encoded, though six keys are no points of the curve",
            Key::Root,
            &KeySet {
                realm: &"R".repeat(64),
                issued_at: limits::MAX_INSTANT,
                generation: u32::MAX,
                keys: Seq::new(&most),
                retired_roots: Seq::new(&[KeyId([0; 8]), KeyId([0xff; 8])]),
            },
        ),
    ]
}
