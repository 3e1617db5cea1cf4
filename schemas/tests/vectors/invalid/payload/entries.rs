//! Every key of every map: too many, twice, out of order, of another type, or missing.

use fleetgrant_schemas::Malformed;
use fleetgrant_schemas::topic::MessageType;

use super::OURS;
use crate::invalid::{Forge, Invalid};
use crate::item::Item;
use crate::names;

/// Every map in a payload, the first of each list standing for all.
pub(super) fn maps(payload: &Item) -> Vec<Vec<i64>> {
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

pub(super) fn keys(payload: &Item, path: &[i64]) -> Vec<i64> {
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
pub(super) fn wrong_keys(forge: &Forge, path: &[i64]) -> Vec<Invalid> {
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
pub(super) fn wrong_entry(forge: &Forge, path: &[i64], key: i64) -> Vec<Invalid> {
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
