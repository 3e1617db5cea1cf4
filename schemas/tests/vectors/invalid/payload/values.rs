//! Strings and numbers beyond what they may be.

use fleetgrant_schemas::Malformed;
use fleetgrant_schemas::topic::MessageType;

use super::{OURS, replaced};
use crate::invalid::{Forge, Invalid};
use crate::item::Item;

pub(super) fn strings() -> Vec<Invalid> {
    use MessageType::{Ack, Grant, Keys, Notice, Request};
    let mut all = Vec::new();
    let texts: &[(MessageType, &[i64], usize, &str)] = &[
        (Request, &[1], 64, "device"),
        (Request, &[3], 64, "realm"),
        (Request, &[270], 32, "swname"),
        (Request, &[271, 0], 32, "swversion"),
        (Request, &[OURS, 6, 0, 1], 32, "want"),
        (Grant, &[2], 64, "device"),
        (Grant, &[OURS, 4, 0, 1], 32, "feature"),
        (Grant, &[OURS, 4, 0, 2], 16, "ceiling"),
        (Grant, &[OURS, 6, 0, 1], 32, "rule"),
        (Ack, &[1], 64, "device"),
        (Ack, &[3], 64, "realm"),
        (Notice, &[1], 64, "realm"),
        (Notice, &[OURS, 4], 32, "text"),
        (Keys, &[1], 64, "realm"),
    ];
    for (kind, path, most, name) in texts {
        let with = |text: &str| replaced(*kind, path, Item::text(text));
        all.push(with("").in_payload(
            Malformed::WrongLength,
            &format!("empty-{name}"),
            &format!("{name} of no characters"),
        ));
        all.push(with(&"x".repeat(most + 1)).in_payload(
            Malformed::WrongLength,
            &format!("long-{name}-text"),
            &format!("{name} of {} bytes", most + 1),
        ));
        all.push(with("a\u{1b}[2Jb").in_payload(
            Malformed::ControlCharacter,
            &format!("escape-{name}"),
            &format!("{name} that clears a terminal"),
        ));
    }
    for (text, name) in [
        ("a/b", "slash"),
        ("a+b", "plus"),
        ("#", "hash"),
        ("é", "letter"),
        ("a b", "space"),
    ] {
        all.push(replaced(Request, &[1], Item::text(text)).in_payload(
            Malformed::OutOfRange,
            &format!("device-{name}"),
            &format!("a device called {text}"),
        ));
    }
    for (kind, path, name) in [
        (Request, &[OURS, 6, 0, 1][..], "want"),
        (Grant, &[OURS, 4, 0, 1], "feature"),
        (Grant, &[OURS, 4, 0, 2], "ceiling"),
        (Grant, &[OURS, 6, 0, 1], "rule"),
    ] {
        for (text, what) in [("a b", "space"), ("é", "letter")] {
            all.push(replaced(kind, path, Item::text(text)).in_payload(
                Malformed::OutOfRange,
                &format!("{name}-{what}"),
                &format!("{name} with a character that is not visible ASCII"),
            ));
        }
    }
    for (control, name) in [("a\u{0}", "nul"), ("a\u{7f}", "delete"), ("a\u{85}", "c1")] {
        all.push(replaced(Grant, &[1], Item::text(control)).in_payload(
            Malformed::ControlCharacter,
            &format!("control-{name}"),
            "a realm with a control character",
        ));
    }
    let bytes: &[(MessageType, &[i64], &[usize], &str)] = &[
        (Request, &[10], &[0, 15, 17], "challenge"),
        (Request, &[258], &[0, 2, 4, 15], "oemid"),
        (Request, &[259], &[0, 33], "hwmodel"),
        (Request, &[OURS, 2, 2], &[15, 17], "held-cti"),
        (Request, &[OURS, 5], &[8, 15, 17], "nonce"),
        (Request, &[OURS, 6, 1, 1], &[4, 6], "code"),
        (Request, &[OURS, 6, 1, 2], &[31, 33], "proof"),
        (Request, &[OURS, 7, 0, 0], &[15, 17], "usage-activation"),
        (Request, &[OURS, 8, 0], &[15, 17], "concerned"),
        (Grant, &[7], &[15, 17], "cti"),
        (Grant, &[8, 5], &[20, 31, 33], "thumbprint"),
        (Grant, &[10], &[15, 17], "nonce"),
        (Grant, &[OURS, 4, 0, 0], &[15, 17], "activation"),
        (Grant, &[OURS, 4, 0, 8], &[0, 65], "vendor-data"),
        (Grant, &[OURS, 5], &[15, 17], "challenge"),
        (Ack, &[OURS, 3, 0, 0], &[15, 17], "exception"),
        (Ack, &[OURS, 6], &[0, 4097], "shown-grant"),
        (Notice, &[OURS, 5], &[15, 17], "challenge"),
        (Keys, &[OURS, 2, 0, 0, -2], &[31, 33], "x"),
        (Keys, &[OURS, 2, 0, 0, -3], &[31, 33], "y"),
        (Keys, &[OURS, 3, 0], &[7, 9], "root"),
    ];
    for (kind, path, lengths, name) in bytes {
        for len in *lengths {
            all.push(
                replaced(*kind, path, Item::Bytes(vec![0x55; *len])).in_payload(
                    Malformed::WrongLength,
                    &format!("{name}-{len}"),
                    &format!("{name} of {len} bytes"),
                ),
            );
        }
    }
    all.push(
        replaced(Request, &[OURS, 5], Item::text("0123456789abcdef")).in_payload(
            Malformed::WrongType,
            "nonce-text",
            "a nonce as text",
        ),
    );
    all
}

pub(super) fn numbers() -> Vec<Invalid> {
    use MessageType::{Ack, Grant, Keys, Notice, Request};
    const U32: u64 = 1 << 32;
    const U48: u64 = 1 << 48;
    const YEAR_10000: u64 = 253_402_300_800;
    let numbers: &[(MessageType, &[i64], &[u64], &str)] = &[
        (Request, &[6], &[YEAR_10000], "iat"),
        (Request, &[258], &[U32], "oemid"),
        (Request, &[267], &[U32], "bootcount"),
        (Request, &[OURS, 1], &[U48], "seq"),
        (Request, &[OURS, 2, 0], &[U32], "held-epoch"),
        (Request, &[OURS, 2, 1], &[U48], "held-generation"),
        (Request, &[OURS, 3], &[U32], "key-set"),
        (Request, &[OURS, 4], &[8, 255, u64::MAX], "reason"),
        (Request, &[OURS, 6, 0, 0], &[2], "want-kind"),
        (Request, &[OURS, 6, 0, 2], &[U32], "want-total"),
        (
            Request,
            &[OURS, 9, 0],
            &[0, 511, 4097, 65_536 + 512],
            "max-down",
        ),
        (Request, &[OURS, 9, 1], &[U32], "capabilities"),
        (Grant, &[4], &[YEAR_10000], "exp"),
        (Grant, &[OURS, 1], &[U32], "epoch"),
        (Grant, &[OURS, 2], &[U48], "generation"),
        (Grant, &[OURS, 3], &[U32], "renew-after"),
        (Grant, &[OURS, 4, 0, 3], &[0, 8, 257], "model"),
        (Grant, &[OURS, 4, 0, 4], &[YEAR_10000], "start"),
        (Grant, &[OURS, 4, 0, 5], &[YEAR_10000], "end"),
        (Grant, &[OURS, 4, 0, 7], &[U32], "grace"),
        (Grant, &[OURS, 4, 0, 10], &[YEAR_10000], "lease-end"),
        (Grant, &[OURS, 4, 0, 11], &[YEAR_10000], "build-ceiling"),
        (Grant, &[OURS, 4, 0, 12], &[0, 2, 257], "end-effect"),
        (Grant, &[OURS, 6, 0, 2], &[U32], "retry-after"),
        (Grant, &[OURS, 7], &[0, 2, 3], "flags"),
        (Ack, &[OURS, 1], &[0, U32], "n"),
        (Ack, &[OURS, 3, 0, 1], &[0, 3], "outcome"),
        (Ack, &[OURS, 3, 0, 2], &[8], "outcome-reason"),
        (Notice, &[6], &[YEAR_10000], "iat"),
        (Notice, &[OURS, 1], &[0, 15, 257], "code"),
        (Notice, &[OURS, 2], &[U48], "seq-expected"),
        (Notice, &[OURS, 3], &[U32], "retry-after"),
        (Keys, &[OURS, 1], &[U32], "generation"),
        (Keys, &[OURS, 2, 0, 2], &[YEAR_10000], "exp"),
        (Keys, &[OURS, 2, 0, 3], &[U32], "epoch"),
        (Keys, &[OURS, 2, 0, 4], &[0, 3], "role"),
    ];
    let mut all = Vec::new();
    for (kind, path, values, name) in numbers {
        for value in *values {
            all.push(replaced(*kind, path, Item::Uint(*value)).in_payload(
                Malformed::OutOfRange,
                &format!("{name}-{value}"),
                &format!("{name} is {value}"),
            ));
        }
        all.push(replaced(*kind, path, Item::int(-1)).in_payload(
            Malformed::WrongType,
            &format!("{name}-negative"),
            &format!("{name} is −1"),
        ));
    }
    for kind in MessageType::ALL {
        for version in [0, 2, 257] {
            all.push(replaced(*kind, &[OURS, 0], Item::Uint(version)).in_payload(
                Malformed::Version,
                &format!("version-{version}"),
                &format!("version {version} of the protocol"),
            ));
        }
    }
    for (path, value, name) in [
        (&[OURS, 2, 0, 0, 1][..], 3, "kty-rsa"),
        (&[OURS, 2, 0, 0, -1], 2, "crv-p384"),
    ] {
        all.push(replaced(Keys, path, Item::int(value)).in_payload(
            Malformed::Algorithm,
            name,
            "a key that is not on P-256",
        ));
    }
    let reversed = Forge::full(Keys).payload(|payload| {
        let entry = payload.at(&[OURS, 2, 0]).items();
        entry.swap(1, 2);
    });
    all.push(reversed.in_payload(Malformed::OutOfRange, "reversed", "exp before nbf"));
    all
}
