//! Lists too long, empty, of another shape, or with something in them twice.

use fleetgrant_schemas::Malformed;
use fleetgrant_schemas::topic::MessageType;

use super::{OURS, replaced};
use crate::invalid::{Forge, Invalid};
use crate::item::Item;

pub(super) fn lists() -> Vec<Invalid> {
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

pub(super) fn repetitions() -> Vec<Invalid> {
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
