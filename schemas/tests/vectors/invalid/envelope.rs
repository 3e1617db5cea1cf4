//! Envelopes that are well encoded and not ours.

use fleetgrant_schemas::Malformed;
use fleetgrant_schemas::topic::MessageType;

use super::{Forge, Invalid, Layer};
use crate::item::Item;
use crate::material::{Key, device_certificate};
use crate::valid;

const ALG: i64 = 1;
const KID: i64 = 4;
const TYP: i64 = 16;
const X5CHAIN: i64 = 33;
const X5T: i64 = 34;

pub(crate) fn cases() -> Vec<Invalid> {
    let request = Forge::of(valid::named("worked-request"));
    let grant = Forge::of(valid::named("worked-grant"));
    let mut all = Vec::new();
    for forge in [&request, &grant] {
        all.extend(structure(forge));
        all.extend(algorithms(forge));
        all.extend(header_keys(forge));
    }
    for kind in MessageType::ALL {
        all.extend(types(&Forge::full(*kind)));
    }
    all.extend(device_signers(&request));
    all.extend(authority_signers(&grant));
    all
}

fn structure(forge: &Forge) -> Vec<Invalid> {
    let outer = |name: &str, reason: Malformed, description: &str, edit: &dyn Fn(Item) -> Item| {
        let bytes = edit(forge.sign1()).encode();
        forge.case_of(bytes, Layer::Envelope, reason.as_str(), name, description)
    };
    let element = |position: usize, item: Item| {
        move |mut message: Item| {
            if let Item::Tag(_, sign1) = &mut message {
                sign1.items()[position] = item.clone();
            }
            message
        }
    };
    let tagged = |tag: u64| {
        move |message| match message {
            Item::Tag(_, sign1) => Item::Tag(tag, sign1),
            other => other,
        }
    };
    let not_ours = Malformed::NotSign1;
    vec![
        outer(
            "untagged",
            not_ours,
            "no tag 18",
            &|message| match message {
                Item::Tag(_, sign1) => *sign1,
                other => other,
            },
        ),
        outer("cwt-tag", not_ours, "tag 61 of CWT around it", &|message| {
            Item::Tag(61, Box::new(message))
        }),
        outer("mac0", not_ours, "tag 17: a COSE_Mac0", &tagged(17)),
        outer("sign", not_ours, "tag 98: a COSE_Sign", &tagged(98)),
        outer("three", not_ours, "three elements", &|mut message| {
            if let Item::Tag(_, sign1) = &mut message {
                sign1.items().pop();
            }
            message
        }),
        outer("five", not_ours, "five elements", &|mut message| {
            if let Item::Tag(_, sign1) = &mut message {
                sign1.items().push(Item::Null);
            }
            message
        }),
        outer(
            "header-as-map",
            Malformed::WrongType,
            "the protected header is no byte string",
            &element(0, forge.header.clone()),
        ),
        outer(
            "empty-header",
            Malformed::Truncated,
            "a protected header of no bytes",
            &element(0, Item::Bytes(Vec::new())),
        ),
        outer(
            "header-array",
            Malformed::WrongType,
            "the protected header is an array",
            &element(0, Item::Bytes(vec![0x80])),
        ),
        outer(
            "unprotected-kid",
            Malformed::UnprotectedHeader,
            "a kid in the unprotected header",
            &element(
                1,
                Item::Map(vec![(Item::int(KID), Item::bytes(&Key::Authority.kid().0))]),
            ),
        ),
        outer(
            "unprotected-text",
            Malformed::UnprotectedHeader,
            "text in the unprotected header",
            &element(1, Item::Map(vec![(Item::text("a"), Item::Null)])),
        ),
        outer(
            "unprotected-null",
            Malformed::WrongType,
            "null for the unprotected header",
            &element(1, Item::Null),
        ),
        outer(
            "detached",
            Malformed::WrongType,
            "a detached payload",
            &element(2, Item::Null),
        ),
        outer(
            "payload-as-map",
            Malformed::WrongType,
            "the payload is no byte string",
            &element(2, forge.payload.clone()),
        ),
        outer(
            "no-signature",
            Malformed::WrongLength,
            "a signature of no bytes",
            &element(3, Item::Bytes(Vec::new())),
        ),
        outer(
            "signature-null",
            Malformed::WrongType,
            "null for the signature",
            &element(3, Item::Null),
        ),
    ]
}

fn algorithms(forge: &Forge) -> Vec<Invalid> {
    let with = |value: Item, reason, name: &str, description: &str| {
        forge
            .header(|header| *header.at(&[ALG]) = value)
            .in_envelope(reason, name, description)
    };
    let wrong = Malformed::Algorithm;
    vec![
        with(
            Item::int(-9),
            wrong,
            "alg-esp256",
            "ESP256 (RFC 9864): the same under a newer label",
        ),
        with(Item::int(-35), wrong, "alg-es384", "ES384"),
        with(Item::int(-36), wrong, "alg-es512", "ES512"),
        with(Item::int(-8), wrong, "alg-eddsa", "EdDSA"),
        with(Item::int(-37), wrong, "alg-ps256", "PS256"),
        with(Item::int(5), wrong, "alg-hmac", "HMAC 256/256"),
        with(
            Item::int(0),
            wrong,
            "alg-reserved",
            "the reserved algorithm",
        ),
        with(
            Item::text("ES256"),
            Malformed::WrongType,
            "alg-text",
            "the algorithm as text",
        ),
        forge
            .header(|header| drop(header.entries().remove(0)))
            .in_envelope(wrong, "alg-missing", "no algorithm"),
    ]
}

fn header_keys(forge: &Forge) -> Vec<Invalid> {
    let added = |key: i64, value: Item, description: &str| {
        let name = format!("header-{key}");
        forge
            .header(|header| insert(header, key, value))
            .in_envelope(Malformed::UnknownKey, &name, description)
    };
    vec![
        added(
            2,
            Item::Array(vec![Item::int(TYP)]),
            "crit: typ is to be understood",
        ),
        added(3, Item::text("application/cwt"), "a content type"),
        added(5, Item::bytes(&[0; 13]), "an IV"),
        added(
            15,
            Item::Map(Vec::new()),
            "CWT claims in the header (RFC 9597)",
        ),
        added(32, Item::bytes(&[0x30]), "x5bag"),
        added(35, Item::text("https://example.com/ca"), "x5u"),
        forge
            .header(|header| header.entries().swap(0, 1))
            .in_envelope(
                Malformed::UnsortedKeys,
                "header-unsorted",
                "the header's keys out of order",
            ),
        forge
            .header(|header| {
                let first = header.entries()[0].clone();
                header.entries().insert(0, first);
            })
            .in_envelope(
                Malformed::DuplicateKey,
                "header-duplicate",
                "the algorithm stands twice",
            ),
    ]
}

fn types(forge: &Forge) -> Vec<Invalid> {
    let with = |value: Item, reason, name: &str, description: &str| {
        forge
            .header(|header| *header.at(&[TYP]) = value)
            .in_envelope(reason, name, description)
    };
    let own = forge.kind.media_type();
    let mut all = vec![
        forge
            .header(|header| header.entries().retain(|(key, _)| *key != Item::int(TYP)))
            .in_envelope(Malformed::Type, "typ-missing", "no typ"),
        with(
            Item::text("application/cwt"),
            Malformed::Type,
            "typ-cwt",
            "the typ of any CWT",
        ),
        with(
            Item::text(&own.to_uppercase()),
            Malformed::Type,
            "typ-upper",
            "the typ in capitals",
        ),
        with(
            Item::text(own.trim_start_matches("application/")),
            Malformed::Type,
            "typ-short",
            "the typ without application/",
        ),
        with(
            Item::int(61),
            Malformed::WrongType,
            "typ-number",
            "the typ as a number",
        ),
    ];
    let others = MessageType::ALL
        .iter()
        .filter(|other| **other != forge.kind);
    for other in others {
        let reason = if other.is_up() == forge.kind.is_up() {
            Malformed::Type
        } else {
            Malformed::Signer
        };
        all.push(with(
            Item::text(other.media_type()),
            reason,
            &format!("typ-{other}"),
            &format!("the typ of a message of type {other} on the topic of another"),
        ));
    }
    all
}

fn device_signers(forge: &Forge) -> Vec<Invalid> {
    let leaf = Item::Bytes(device_certificate());
    let signer = |entries: Vec<(i64, Item)>, reason, name: &str, description: &str| {
        forge
            .header(|header| {
                header.entries().retain(|(key, _)| *key != Item::int(X5T));
                entries
                    .into_iter()
                    .for_each(|(key, value)| insert(header, key, value));
            })
            .in_envelope(reason, name, description)
    };
    let kid = Item::bytes(&Key::Authority.kid().0);
    let x5t = forge.header.clone().at(&[X5T]).clone();
    let x5t_of = |hash: i64, digest: &[u8]| Item::Array(vec![Item::int(hash), Item::bytes(digest)]);
    let chain = |certificates: &[Item]| Item::Array(certificates.to_vec());
    vec![
        signer(
            vec![],
            Malformed::Signer,
            "no-signer",
            "nobody is named as the signer",
        ),
        signer(
            vec![(X5CHAIN, leaf.clone()), (X5T, x5t.clone())],
            Malformed::Signer,
            "two-signers",
            "both x5chain and x5t",
        ),
        signer(
            vec![(KID, kid.clone()), (X5T, x5t)],
            Malformed::Signer,
            "kid-and-x5t",
            "both kid and x5t",
        ),
        signer(
            vec![(KID, kid)],
            Malformed::Signer,
            "signer-kid",
            "named as the authority is",
        ),
        signer(
            vec![(X5T, x5t_of(-14, &[0; 20]))],
            Malformed::Algorithm,
            "x5t-sha1",
            "x5t with SHA-1",
        ),
        signer(
            vec![(X5T, x5t_of(-15, &[0; 8]))],
            Malformed::Algorithm,
            "x5t-short-sha256",
            "x5t with SHA-256 cut to 64 bits",
        ),
        signer(
            vec![(X5T, x5t_of(-16, &[0; 31]))],
            Malformed::WrongLength,
            "x5t-31",
            "x5t with 31 bytes",
        ),
        signer(
            vec![(X5T, Item::Array(vec![Item::int(-16)]))],
            Malformed::WrongLength,
            "x5t-one",
            "x5t of one element",
        ),
        signer(
            vec![(X5T, Item::bytes(&[0; 32]))],
            Malformed::WrongType,
            "x5t-bytes",
            "x5t that is no array",
        ),
        signer(
            vec![(X5CHAIN, chain(&[]))],
            Malformed::WrongLength,
            "chain-empty",
            "x5chain of no certificate",
        ),
        signer(
            vec![(X5CHAIN, chain(std::slice::from_ref(&leaf)))],
            Malformed::WrongLength,
            "chain-of-one",
            "x5chain of one certificate in an array (RFC 9360 wants it bare)",
        ),
        signer(
            vec![(X5CHAIN, chain(&vec![leaf.clone(); 5]))],
            Malformed::TooMany,
            "chain-of-five",
            "x5chain of five certificates",
        ),
        signer(
            vec![(X5CHAIN, chain(&[leaf, Item::Bytes(Vec::new())]))],
            Malformed::WrongLength,
            "chain-hollow",
            "x5chain with a certificate of no bytes",
        ),
        signer(
            vec![(X5CHAIN, Item::Bytes(vec![0x30; 4097]))],
            Malformed::WrongLength,
            "certificate-4097",
            "a certificate of 4,097 bytes",
        ),
        signer(
            vec![(X5CHAIN, Item::text("PEM"))],
            Malformed::WrongType,
            "chain-text",
            "x5chain as text",
        ),
    ]
}

fn authority_signers(forge: &Forge) -> Vec<Invalid> {
    let x5t = Item::Array(vec![Item::int(-16), Item::bytes(&[0; 32])]);
    let with_kid = |value: Item, reason, name: &str, description: &str| {
        forge
            .header(|header| *header.at(&[KID]) = value)
            .in_envelope(reason, name, description)
    };
    let without_kid = |edit: &dyn Fn(&mut Item)| {
        forge.header(|header| {
            header.entries().retain(|(key, _)| *key != Item::int(KID));
            edit(header);
        })
    };
    vec![
        without_kid(&|_| ()).in_envelope(
            Malformed::Signer,
            "no-signer",
            "nobody is named as the signer",
        ),
        without_kid(&|header| insert(header, X5T, x5t.clone())).in_envelope(
            Malformed::Signer,
            "signer-x5t",
            "named as a device is",
        ),
        without_kid(&|header| insert(header, X5CHAIN, Item::bytes(&[0x30]))).in_envelope(
            Malformed::Signer,
            "signer-chain",
            "named as a device is, by a certificate",
        ),
        forge
            .header(|header| insert(header, X5T, x5t.clone()))
            .in_envelope(Malformed::Signer, "two-signers", "both kid and x5t"),
        with_kid(
            Item::bytes(&[0; 7]),
            Malformed::WrongLength,
            "kid-7",
            "a kid of 7 bytes",
        ),
        with_kid(
            Item::bytes(&[0; 9]),
            Malformed::WrongLength,
            "kid-9",
            "a kid of 9 bytes",
        ),
        with_kid(
            Item::text("authority"),
            Malformed::WrongType,
            "kid-text",
            "a kid that is text",
        ),
    ]
}

/// Puts an entry where its key belongs.
fn insert(map: &mut Item, key: i64, value: Item) {
    let key = Item::int(key);
    let entries = map.entries();
    let position = entries.iter().position(|(k, _)| k.encode() > key.encode());
    entries.insert(position.unwrap_or(entries.len()), (key, value));
}
