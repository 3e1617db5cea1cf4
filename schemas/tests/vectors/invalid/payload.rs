//! Claims that are well encoded and well signed, and not of version 1.

use fleetgrant_schemas::Malformed;
use fleetgrant_schemas::notice::NoticeCode;
use fleetgrant_schemas::topic::MessageType;

use super::{Forge, Invalid};
use crate::item::Item;
use crate::names;

const OURS: i64 = -65537;

pub(crate) fn cases() -> Vec<Invalid> {
    let mut all = Vec::new();
    for kind in MessageType::ALL {
        let forge = Forge::full(*kind);
        for path in maps(&forge.payload) {
            all.extend(wrong_keys(&forge, &path));
            for key in keys(&forge.payload, &path) {
                all.extend(wrong_entry(&forge, &path, key));
            }
        }
    }
    all.extend(strings());
    all.extend(numbers());
    all.extend(lists());
    all.extend(repetitions());
    all.extend(dependencies());
    all
}

/// Every map in a payload, the first of each list standing for all.
fn maps(payload: &Item) -> Vec<Vec<i64>> {
    fn walk(item: &Item, path: &mut Vec<i64>, found: &mut Vec<Vec<i64>>) {
        match item {
            Item::Map(entries) => {
                found.push(path.clone());
                for (key, value) in entries {
                    path.push(number(key));
                    walk(value, path, found);
                    path.pop();
                }
            }
            Item::Array(items) => {
                if let Some(first) = items.first() {
                    path.push(0);
                    walk(first, path, found);
                    path.pop();
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(payload, &mut Vec::new(), &mut found);
    found
}

fn keys(payload: &Item, path: &[i64]) -> Vec<i64> {
    let mut payload = payload.clone();
    payload
        .at(path)
        .entries()
        .iter()
        .map(|(key, _)| number(key))
        .collect()
}

fn number(key: &Item) -> i64 {
    match key {
        Item::Uint(value) => *value as i64,
        Item::Negative(value) => -1 - *value as i64,
        other => panic!("{other:?} is no key of ours"),
    }
}

fn label(path: &[i64]) -> String {
    let steps: Vec<String> = path
        .iter()
        .map(|step| format!("{step}").replace("-65537", "p"))
        .collect();
    steps.join(".")
}

/// A key too many, twice the same, and two out of order.
fn wrong_keys(forge: &Forge, path: &[i64]) -> Vec<Invalid> {
    let place = if path.is_empty() {
        "claims".to_owned()
    } else {
        label(path)
    };
    let edited = |edit: fn(&mut Vec<(Item, Item)>)| {
        forge.payload(|payload| edit(payload.at(path).entries()))
    };
    let mut all = vec![
        edited(|entries| entries.push((Item::int(-65538), Item::Null))).in_payload(
            Malformed::UnknownKey,
            &format!("unknown-key-{place}"),
            &format!("a key more in {place}"),
        ),
        edited(|entries| {
            let last = entries.last().expect("an entry").clone();
            entries.push(last);
        })
        .in_payload(
            Malformed::DuplicateKey,
            &format!("duplicate-key-{place}"),
            &format!("the last key of {place} twice"),
        ),
    ];
    if keys(&forge.payload, path).len() > 1 {
        all.push(edited(|entries| entries.swap(0, 1)).in_payload(
            Malformed::UnsortedKeys,
            &format!("unsorted-keys-{place}"),
            &format!("the first two keys of {place} out of order"),
        ));
    }
    all
}

/// A value of another type, and a required key left out.
fn wrong_entry(forge: &Forge, path: &[i64], key: i64) -> Vec<Invalid> {
    let whole: Vec<i64> = path.iter().copied().chain([key]).collect();
    let place = label(&whole);
    let called = names::of_payload(forge.kind, &whole).map_or(String::new(), |n| format!(" ({n})"));
    // No value of version 1 is a boolean.
    let mut all = vec![
        forge
            .payload(|payload| *payload.at(&whole) = Item::Raw(vec![0xf5]))
            .in_payload(
                Malformed::WrongType,
                &format!("wrong-type-{place}"),
                &format!("{place}{called} is a boolean"),
            ),
    ];
    if is_required(forge.kind, &whole) {
        all.push(
            forge
                .payload(|payload| {
                    let entries = payload.at(path).entries();
                    entries.retain(|(k, _)| *k != Item::int(key));
                })
                .in_payload(
                    Malformed::MissingKey,
                    &format!("missing-{place}"),
                    &format!("{place}{called} is missing"),
                ),
        );
    }
    all
}

/// What PROTOCOL.md marks as optional may be left out.
fn is_required(kind: MessageType, path: &[i64]) -> bool {
    let is_optional = matches!(
        (kind, path),
        (MessageType::Request, [6 | 10 | 259 | 267 | 271] | [OURS, 8])
            | (
                MessageType::Grant,
                [10] | [OURS, 6 | 7] | [OURS, 4, 0, 2 | 4..=12]
            )
            | (MessageType::Ack, [6] | [OURS, 6])
            | (MessageType::Notice, [8 | 10] | [OURS, 3 | 4])
            | (MessageType::Keys, [OURS, 3])
    );
    !is_optional
}

fn replaced(kind: MessageType, path: &[i64], value: Item) -> Forge {
    Forge::full(kind).payload(|payload| *payload.at(path) = value)
}

fn strings() -> Vec<Invalid> {
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

fn numbers() -> Vec<Invalid> {
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

fn lists() -> Vec<Invalid> {
    use MessageType::{Ack, Grant, Keys, Request};
    let mut all = Vec::new();
    // The first element again and again, its first bytes counted up so that none repeats.
    let repeated = |kind: MessageType, path: &[i64], count: u8| {
        Forge::full(kind).payload(|payload| {
            let list = payload.at(path).items();
            let first = list[0].clone();
            *list = (0..count).map(|n| renamed(&first, n)).collect();
        })
    };
    let most: &[(MessageType, &[i64], u8, &str)] = &[
        (Request, &[OURS, 6], 9, "wants"),
        (Request, &[OURS, 7], 65, "usage"),
        (Request, &[OURS, 8], 65, "concerned"),
        (Grant, &[OURS, 6], 9, "denials"),
        (Ack, &[OURS, 3], 65, "exceptions"),
        (Ack, &[OURS, 7], 65, "usage"),
        (Keys, &[OURS, 2], 9, "keys"),
        (Keys, &[OURS, 3], 3, "roots"),
    ];
    for (kind, path, count, name) in most {
        all.push(repeated(*kind, path, *count).in_payload(
            Malformed::TooMany,
            &format!("{count}-{name}"),
            &format!("{count} {name}"),
        ));
    }
    let rights = Forge::full(Grant).payload(|payload| {
        let right = |n: u8| {
            Item::Map(vec![
                (Item::int(0), Item::bytes(&[n; 16])),
                (Item::int(1), Item::text("f")),
                (Item::int(3), Item::int(1)),
            ])
        };
        *payload.at(&[OURS, 4]) = Item::Array((0..65).map(right).collect());
    });
    all.push(rights.in_payload(Malformed::TooMany, "65-rights", "65 rights"));
    let none: &[(MessageType, &[i64], &str)] = &[
        (Request, &[OURS, 8], "concerned"),
        (Grant, &[OURS, 6], "denials"),
        (Keys, &[OURS, 2], "keys"),
        (Keys, &[OURS, 3], "roots"),
    ];
    for (kind, path, name) in none {
        all.push(replaced(*kind, path, Item::Array(Vec::new())).in_payload(
            Malformed::WrongLength,
            &format!("no-{name}"),
            &format!("an empty list of {name}"),
        ));
    }
    let tuples: &[(MessageType, &[i64], &str)] = &[
        (Request, &[271], "swversion"),
        (Request, &[OURS, 2], "held"),
        (Request, &[OURS, 6, 0], "want"),
        (Request, &[OURS, 7, 0], "usage"),
        (Request, &[OURS, 9], "receiver"),
        (Grant, &[OURS, 6, 0], "denial"),
        (Ack, &[OURS, 3, 0], "exception"),
        (Keys, &[OURS, 2, 0], "key"),
    ];
    for (kind, path, name) in tuples {
        let shorter = Forge::full(*kind).payload(|payload| drop(payload.at(path).items().pop()));
        all.push(shorter.in_payload(
            Malformed::WrongLength,
            &format!("short-{name}"),
            &format!("{name} with an element less"),
        ));
        let longer =
            Forge::full(*kind).payload(|payload| payload.at(path).items().push(Item::int(0)));
        all.push(longer.in_payload(
            Malformed::WrongLength,
            &format!("more-{name}"),
            &format!("{name} with an element more"),
        ));
    }
    let audiences = Item::Array(vec![
        Item::text("acme.example"),
        Item::text("other.example"),
    ]);
    for kind in [Request, Ack] {
        all.push(replaced(kind, &[3], audiences.clone()).in_payload(
            Malformed::WrongType,
            "two-audiences",
            "a list of two audiences",
        ));
    }
    all.push(
        replaced(Request, &[OURS, 6], Item::Map(Vec::new())).in_payload(
            Malformed::WrongType,
            "wants-map",
            "a map for the list of wants",
        ),
    );
    all.push(replaced(Ack, &[OURS, 2], Item::Null).in_payload(
        Malformed::WrongType,
        "held-nothing",
        "an ack of nothing held",
    ));
    all
}

fn renamed(item: &Item, n: u8) -> Item {
    let mut item = item.clone();
    let subject = match &mut item {
        Item::Array(items) if matches!(items[0], Item::Array(_)) => items[0].at(&[1]),
        Item::Array(items) if matches!(items[0], Item::Uint(_)) => &mut items[1],
        Item::Array(items) if matches!(items[0], Item::Map(_)) => items[0].at(&[-2]),
        Item::Array(items) => &mut items[0],
        other => other,
    };
    match subject {
        Item::Bytes(bytes) => bytes[0] = n,
        Item::Text(text) => text.push((b'a' + n) as char),
        other => panic!("{other:?} names nothing"),
    }
    item
}

fn repetitions() -> Vec<Invalid> {
    use MessageType::{Ack, Grant, Keys, Request};
    let lists: &[(MessageType, &[i64], &str)] = &[
        (Request, &[OURS, 6], "wants"),
        (Request, &[OURS, 7], "usage"),
        (Request, &[OURS, 8], "concerned"),
        (Grant, &[OURS, 4], "rights"),
        (Grant, &[OURS, 6], "denials"),
        (Ack, &[OURS, 3], "exceptions"),
        (Ack, &[OURS, 7], "usage"),
        (Keys, &[OURS, 2], "keys"),
        (Keys, &[OURS, 3], "roots"),
    ];
    let mut all: Vec<Invalid> = lists
        .iter()
        .map(|(kind, path, name)| {
            let twice = Forge::full(*kind).payload(|payload| {
                let list = payload.at(path).items();
                // Not beside each other, where there is room between.
                list.push(list[0].clone());
            });
            twice.in_payload(
                Malformed::Repeated,
                &format!("repeated-{name}"),
                &format!("the first of the {name} again"),
            )
        })
        .collect();
    let totals = Forge::full(Request).payload(|payload| {
        let wants = payload.at(&[OURS, 6]).items();
        let mut other = wants[0].clone();
        *other.at(&[2]) = Item::int(2);
        wants.push(other);
    });
    all.push(totals.in_payload(
        Malformed::Repeated,
        "two-totals",
        "two totals of one feature are wanted",
    ));
    all
}

/// What a notice cannot go without depends on its code; that of the base is stale-seq.
fn dependencies() -> Vec<Invalid> {
    let without = |code: NoticeCode, key: i64| {
        Forge::full(MessageType::Notice).payload(|payload| {
            *payload.at(&[OURS, 1]) = Item::Uint(code.number().into());
            let entries = payload.at(&[OURS]).entries();
            entries.retain(|(k, _)| *k != Item::int(key));
        })
    };
    vec![
        without(NoticeCode::RetryLater, 3).in_payload(
            Malformed::MissingKey,
            "later-without-time",
            "retry-later without the seconds to wait",
        ),
        without(NoticeCode::Challenge, 5).in_payload(
            Malformed::MissingKey,
            "challenge-without-challenge",
            "challenge without a challenge",
        ),
    ]
}
