//! Messages that must be read: the least and the most of each of the five, and what lies between.

mod down;
mod up;

use std::sync::OnceLock;

use fleetgrant_schemas::envelope::Envelope;
use fleetgrant_schemas::topic::MessageType;
use p256::ecdsa::Signature;
use serde::Serialize;

use crate::item::Item;
use crate::material::Key;
use crate::{hex, names};

#[derive(Serialize)]
pub(crate) struct Valid {
    pub name: &'static str,
    pub description: &'static str,
    /// Whose signature it bears.
    pub signed_by: Key,
    pub size: usize,
    /// SHA-256 of the Sig_structure: what is signed, and what identifies the message.
    pub digest: String,
    pub header: String,
    pub payload: String,
    pub message: String,
    #[serde(skip)]
    pub kind: MessageType,
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

impl Valid {
    pub(crate) fn new(
        name: &'static str,
        description: &'static str,
        signed_by: Key,
        bytes: Vec<u8>,
    ) -> Self {
        let envelope = Envelope::parse(&bytes).unwrap_or_else(|reason| panic!("{name}: {reason}"));
        let kind = envelope.message();
        let digest = envelope.signed().digest().to_string();
        let (header, payload) = parts(&bytes);
        let size = bytes.len();
        Self {
            name,
            description,
            signed_by,
            size,
            digest,
            header: header.diagnostic(&names::of_header),
            payload: payload.diagnostic(&|path| names::of_payload(kind, path)),
            message: hex(&bytes),
            kind,
            bytes,
        }
    }
}

/// The protected header and the payload of a message.
pub(crate) fn parts(message: &[u8]) -> (Item, Item) {
    let mut message = Item::parse(message);
    let Item::Tag(18, sign1) = &mut message else {
        panic!("no COSE_Sign1")
    };
    match sign1.items().as_slice() {
        [Item::Bytes(header), _, Item::Bytes(payload), _] => {
            (Item::parse(header), Item::parse(payload))
        }
        other => panic!("{other:?} is no COSE_Sign1"),
    }
}

/// Every one of them, signed once a run.
pub(crate) fn all() -> &'static [Valid] {
    static ALL: OnceLock<Vec<Valid>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = up::requests();
        all.extend(up::acks());
        all.extend(down::grants());
        all.extend(down::notices());
        all.extend(down::key_sets());
        all
    })
}

pub(crate) fn named(name: &str) -> &'static Valid {
    let found = all().iter().find(|valid| valid.name == name);
    found.unwrap_or_else(|| panic!("no vector is called {name}"))
}

/// The same message with the other of the two signatures that fit it.
pub(crate) fn with_mirrored_s(message: &[u8]) -> Vec<u8> {
    let (start, signature) = message.split_at(message.len() - 64);
    let signature = Signature::from_slice(signature).expect("a signature");
    let mirrored = Signature::from_scalars(signature.r(), -signature.s()).expect("s is not zero");
    [start, &mirrored.to_bytes()].concat()
}
