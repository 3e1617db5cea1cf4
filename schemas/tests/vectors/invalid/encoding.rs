//! Encodings with two readings, or with none.

use fleetgrant_schemas::Malformed;
use fleetgrant_schemas::limits;
use fleetgrant_schemas::topic::MessageType;

use super::{Forge, Invalid, Layer};
use crate::item::{Item, head, long_head};
use crate::valid;

const OURS: i64 = -65537;

pub(crate) fn cases() -> Vec<Invalid> {
    let mut all = Vec::new();
    for message in ["worked-request", "worked-grant"] {
        let forge = Forge::of(valid::named(message));
        all.extend(cut_or_continued(&forge));
        all.extend(outer_heads(&forge));
        all.extend(bombs(&forge));
    }
    all.extend(inner_heads(&Forge::full(MessageType::Grant)));
    all.extend(too_long());
    all
}

fn cut_or_continued(forge: &Forge) -> Vec<Invalid> {
    let whole = forge.sign1().encode();
    let raw = |bytes: &[u8], reason: Malformed, name: &str, description: &str| {
        let (bytes, reason) = (bytes.to_vec(), reason.as_str());
        forge.case_of(bytes, Layer::Envelope, reason, name, description)
    };
    let mut all = vec![raw(&[], Malformed::Truncated, "empty", "no byte at all")];
    for len in [1, 2, 3, 4, 50, whole.len() - 64, whole.len() - 1] {
        all.push(raw(
            &whole[..len],
            Malformed::Truncated,
            &format!("cut-{len}"),
            &format!("the first {len} bytes of a message"),
        ));
    }
    all.push(raw(
        &[whole.clone(), vec![0]].concat(),
        Malformed::TrailingBytes,
        "trailing-zero",
        "a byte follows the message",
    ));
    all.push(raw(
        &[whole.clone(), whole].concat(),
        Malformed::TrailingBytes,
        "twice",
        "the message stands there twice",
    ));
    let longer = |item: &Item| Item::Raw([item.encode(), vec![0xf6]].concat());
    all.push(forge.header(|header| *header = longer(header)).in_envelope(
        Malformed::TrailingBytes,
        "trailing-in-header",
        "null follows the header",
    ));
    all.push(
        forge
            .payload(|payload| *payload = longer(payload))
            .in_payload(
                Malformed::TrailingBytes,
                "trailing-in-payload",
                "null follows the claims",
            ),
    );
    let shorter = |item: &Item| {
        let bytes = item.encode();
        Item::Raw(bytes[..bytes.len() - 1].to_vec())
    };
    all.push(
        forge
            .header(|header| *header = shorter(header))
            .in_envelope(
                Malformed::Truncated,
                "cut-header",
                "the last byte of the header is missing",
            ),
    );
    all.push(
        forge
            .payload(|payload| *payload = shorter(payload))
            .in_payload(
                Malformed::Truncated,
                "cut-payload",
                "the last byte of the claims is missing",
            ),
    );
    for (text, name) in [("{\"iss\":\"scope-4711\"}", "json"), ("hello", "text")] {
        all.push(raw(
            text.as_bytes(),
            Malformed::NotSign1,
            name,
            "no CBOR that begins with a tag",
        ));
    }
    all
}

/// Heads of the envelope itself.
fn outer_heads(forge: &Forge) -> Vec<Invalid> {
    let signature = forge.key.sign(&forge.digest());
    let (header, payload) = (forge.header.encode(), forge.payload.encode());
    let good: [Vec<u8>; 9] = [
        head(6, 18),
        head(4, 4),
        head(2, header.len() as u64),
        header,
        head(5, 0),
        head(2, payload.len() as u64),
        payload,
        head(2, 64),
        signature.to_vec(),
    ];
    let with = |position: usize, bytes: Vec<u8>| {
        let mut parts = good.clone();
        parts[position] = bytes;
        parts.concat()
    };
    let heads = [
        (0, 6, 18, "tag"),
        (1, 4, 4, "array"),
        (2, 2, good[3].len(), "header"),
        (4, 5, 0, "unprotected"),
        (5, 2, good[6].len(), "payload"),
        (7, 2, 64, "signature"),
    ];
    let mut all = Vec::new();
    for (position, major, argument, name) in heads {
        let shortest = good[position].len();
        for width in [1, 2, 4, 8]
            .into_iter()
            .filter(|width| width + 1 > shortest)
        {
            all.push(forge.case_of(
                with(position, long_head(major, argument as u64, width)),
                Layer::Envelope,
                Malformed::NotShortest.as_str(),
                &format!("long-{name}-{width}"),
                &format!("the head of the {name} has {width} bytes of argument"),
            ));
        }
    }
    let indefinite = |bytes, name: &str, what: &str| {
        let reason = Malformed::Indefinite.as_str();
        let description = format!("{what} of indefinite length");
        forge.case_of(bytes, Layer::Envelope, reason, name, &description)
    };
    let mut array = with(1, vec![0x9f]);
    array.push(0xff);
    all.push(indefinite(array, "indefinite-array", "the array"));
    all.push(indefinite(
        with(4, vec![0xbf, 0xff]),
        "indefinite-unprotected",
        "the empty map",
    ));
    for (position, name) in [(2, "header"), (5, "payload"), (7, "signature")] {
        let mut parts = good.clone();
        parts[position].insert(0, 0x5f);
        parts[position + 1].push(0xff);
        let name_of = format!("indefinite-{name}");
        all.push(indefinite(parts.concat(), &name_of, &format!("a {name}")));
    }
    all
}

fn bombs(forge: &Forge) -> Vec<Invalid> {
    let raw = |bytes: Vec<u8>, reason: Malformed, name: &str, description: &str| {
        forge.case_of(bytes, Layer::Envelope, reason.as_str(), name, description)
    };
    let many = |byte: u8| vec![byte; forge.kind.max_len() - 2];
    let after = |start: &[u8], byte| [start.to_vec(), many(byte)].concat();
    let in_payload = |bytes: Vec<u8>, reason, name: &str, description: &str| {
        let forge = forge.payload(|payload| *payload = Item::Raw(bytes));
        forge.in_payload(reason, name, description)
    };
    let deep = |byte: u8| vec![byte; 2000];
    vec![
        raw(
            many(0x81),
            Malformed::NotSign1,
            "deep-arrays",
            "arrays in arrays",
        ),
        raw(
            many(0xd2),
            Malformed::WrongType,
            "deep-tags",
            "a tag on a tag on a tag",
        ),
        raw(
            many(0x9f),
            Malformed::Indefinite,
            "deep-indefinite",
            "open arrays in open arrays",
        ),
        raw(
            after(&[0xd2], 0x9f),
            Malformed::Indefinite,
            "tagged-deep-indefinite",
            "the same, tagged",
        ),
        raw(
            after(&[0xd2, 0x84], 0x81),
            Malformed::WrongType,
            "deep-header",
            "arrays for a header",
        ),
        raw(
            [&[0xd2], &head(4, u64::MAX)[..]].concat(),
            Malformed::NotSign1,
            "huge-array",
            "an array that claims 2^64 − 1 elements",
        ),
        raw(
            [&[0xd2, 0x84], &head(2, u64::MAX)[..]].concat(),
            Malformed::Truncated,
            "huge-header",
            "a byte string that claims 2^64 − 1 bytes",
        ),
        raw(
            [&[0xd2, 0x84, 0x40], &head(5, u64::MAX)[..]].concat(),
            Malformed::UnprotectedHeader,
            "huge-unprotected",
            "a map that claims 2^64 − 1 entries",
        ),
        in_payload(
            deep(0x81),
            Malformed::WrongType,
            "deep-payload",
            "2,000 arrays for claims",
        ),
        in_payload(
            deep(0xa1),
            Malformed::WrongType,
            "deep-maps",
            "a map as the key of a map",
        ),
        in_payload(
            deep(0xbf),
            Malformed::Indefinite,
            "deep-open-maps",
            "open maps in open maps",
        ),
        in_payload(
            [&[0xa1, 0x18, 0x63], &deep(0x81)[..]].concat(),
            Malformed::UnknownKey,
            "deep-unknown",
            "an unknown claim with 2,000 arrays in it",
        ),
        in_payload(
            head(5, u64::MAX),
            Malformed::Truncated,
            "huge-claims",
            "a claim set that claims 2^64 − 1 entries",
        ),
        in_payload(
            Vec::new(),
            Malformed::Truncated,
            "no-payload",
            "a payload of no bytes",
        ),
        in_payload(
            vec![0xf6],
            Malformed::WrongType,
            "null-payload",
            "null for claims",
        ),
        in_payload(
            vec![0xff],
            Malformed::WrongType,
            "break-payload",
            "a break for claims",
        ),
        in_payload(
            vec![0x1c],
            Malformed::WrongType,
            "reserved-payload",
            "a reserved head",
        ),
    ]
}

/// Heads inside a grant, which has every kind of item.
fn inner_heads(forge: &Forge) -> Vec<Invalid> {
    let replaced = |path: &[i64], bytes: Vec<u8>| {
        forge.payload(|payload| *payload.at(path) = Item::Raw(bytes))
    };
    let mut all = Vec::new();
    for (path, major, argument, name) in [
        (&[OURS, 0][..], 0, 1, "version"),
        (&[6], 0, limits::MAX_INSTANT, "instant"),
        (&[OURS, 6, 1, 2], 0, 3600, "retry-after"),
    ] {
        let shortest = head(major, argument).len();
        for width in [1, 2, 4, 8]
            .into_iter()
            .filter(|width| width + 1 > shortest)
        {
            all.push(
                replaced(path, long_head(major, argument, width)).in_payload(
                    Malformed::NotShortest,
                    &format!("long-{name}-{width}"),
                    &format!("{name} with {width} bytes of argument"),
                ),
            );
        }
    }
    for (path, major, content, name) in [
        (&[1][..], 3, &b"acme.example"[..], "realm"),
        (&[7], 2, &[0xc7; 16], "cti"),
        (&[OURS, 4, 0, 8], 2, &[0xff; 64], "vendor-data"),
    ] {
        let long = [long_head(major, content.len() as u64, 2), content.to_vec()].concat();
        all.push(replaced(path, long).in_payload(
            Malformed::NotShortest,
            &format!("long-{name}"),
            &format!("the length of {name} with two bytes of argument"),
        ));
        let open = [
            &[major << 5 | 31],
            &head(major, content.len() as u64)[..],
            content,
            &[0xff],
        ];
        all.push(replaced(path, open.concat()).in_payload(
            Malformed::Indefinite,
            &format!("indefinite-{name}"),
            &format!("{name} in chunks"),
        ));
    }
    for (path, what, name) in [
        (&[][..], "the claim set", "claims"),
        (&[8], "cnf", "cnf"),
        (&[OURS], "our claim", "ours"),
        (&[OURS, 4], "the list of rights", "rights"),
        (&[OURS, 4, 0], "a right", "right"),
        (&[OURS, 6, 0], "a denial", "denial"),
        (&[OURS, 6, 0, 0], "a want", "want"),
    ] {
        let mut payload = forge.payload.clone();
        let item = payload.at(path);
        let bytes = item.encode();
        let (major, len) = match item {
            Item::Map(entries) => (5, entries.len()),
            Item::Array(items) => (4, items.len()),
            other => panic!("{other:?} has no elements"),
        };
        let open = [&[major << 5 | 31], &bytes[1..], &[0xff]].concat();
        all.push(replaced(path, open).in_payload(
            Malformed::Indefinite,
            &format!("indefinite-{name}"),
            &format!("{what} of indefinite length"),
        ));
        let long = [&long_head(major, len as u64, 1), &bytes[1..]].concat();
        all.push(replaced(path, long).in_payload(
            Malformed::NotShortest,
            &format!("long-{name}"),
            &format!("the length of {what} with a byte of argument"),
        ));
    }
    let long_key = |key: Vec<u8>| forge.payload(|payload| payload.entries()[0].0 = Item::Raw(key));
    all.push(long_key(vec![0x18, 1]).in_payload(
        Malformed::NotShortest,
        "long-key",
        "key 1 with a byte of argument",
    ));
    all.push(long_key(vec![0x61, b'1']).in_payload(
        Malformed::WrongType,
        "text-key",
        "a claim key that is text",
    ));
    all.push(long_key(vec![0xc2, 0x41, 1]).in_payload(
        Malformed::WrongType,
        "bignum-key",
        "a claim key that is a bignum",
    ));
    all.push(
        replaced(&[6], vec![0xfb, 0x41, 0xda, 0xd2, 0x74, 0x80, 0, 0, 0]).in_payload(
            Malformed::WrongType,
            "float-instant",
            "an instant as a float, as CWT at large allows",
        ),
    );
    all.push(
        replaced(&[6], vec![0xc2, 0x44, 0x6b, 0x49, 0xd2, 0]).in_payload(
            Malformed::WrongType,
            "bignum-instant",
            "an instant as a bignum",
        ),
    );
    all.push(replaced(&[1], vec![0x61, 0xff]).in_payload(
        Malformed::InvalidUtf8,
        "utf8",
        "text that is not UTF-8",
    ));
    all.push(replaced(&[1], vec![0x63, 0xed, 0xa0, 0x80]).in_payload(
        Malformed::InvalidUtf8,
        "surrogate",
        "text with a surrogate",
    ));
    all.push(replaced(&[6], vec![0x61, 0xff]).in_payload(
        Malformed::WrongType,
        "utf8-for-instant",
        "text that is not UTF-8 where a number belongs",
    ));
    all
}

fn too_long() -> Vec<Invalid> {
    let grown = |name: &str, grow: &dyn Fn(&mut Item)| {
        let forge = Forge::of(valid::named(name));
        let forge = forge.payload(grow);
        assert_eq!(forge.sign1().encode().len(), forge.kind.max_len() + 1);
        forge.in_envelope(
            Malformed::Oversize,
            "oversize",
            "one byte more than the limit",
        )
    };
    let zeros = Forge::of(valid::named("worked-request"));
    vec![
        // max-down in one byte more or less: the request was full to the last.
        grown("request-most", &|payload| {
            let Item::Text(id) = payload.at(&[1]) else {
                panic!("no device id")
            };
            id.push('A');
        }),
        grown("grant-most", &|payload| {
            let Item::Text(realm) = payload.at(&[1]) else {
                panic!("no realm")
            };
            realm.push('x');
        }),
        zeros.case_of(
            vec![0; limits::MAX_UP + 1],
            Layer::Envelope,
            Malformed::Oversize.as_str(),
            "oversize-zeros",
            "8,193 zeros: refused before they are read",
        ),
    ]
}
