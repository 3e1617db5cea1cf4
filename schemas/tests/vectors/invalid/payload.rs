//! Claims that are well encoded and well signed, and not of version 1.

mod entries;
mod lists;
mod values;

use fleetgrant_schemas::Malformed;
use fleetgrant_schemas::notice::NoticeCode;
use fleetgrant_schemas::topic::MessageType;

use super::{Forge, Invalid};
use crate::item::Item;
use entries::{keys, maps, wrong_entry, wrong_keys};
use lists::{lists, repetitions};
use values::{numbers, strings};

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

fn replaced(kind: MessageType, path: &[i64], value: Item) -> Forge {
    Forge::full(kind).payload(|payload| *payload.at(path) = value)
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
