//! Notices: which a device heeds, and which nobody asked for.

use fleetgrant_schemas::id::{Challenge, Cti, DeviceId};
use fleetgrant_schemas::notice::{Notice, NoticeCode};
use fleetgrant_schemas::topic::MessageType;

use super::{NONCE, NOT_BEFORE, Step, ask, refused, signed, taken};
use crate::material::{Key, NOW, REALM, device};

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

pub(super) fn notices() -> Vec<Step> {
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
