//! Messages that must be refused, each with the reason.

mod encoding;
mod envelope;
mod payload;
mod signature;

use std::sync::OnceLock;

use fleetgrant_schemas::Malformed;
use fleetgrant_schemas::topic::MessageType;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::hex;
use crate::item::Item;
use crate::material::Key;
use crate::valid::{self, Valid, parts};

#[derive(Serialize)]
pub(crate) struct Invalid {
    pub name: String,
    pub description: String,
    /// Where it is refused: everything before finds it good.
    pub layer: Layer,
    pub reason: &'static str,
    /// Whose key the signature is checked with.
    pub verify_with: Key,
    pub message: String,
    #[serde(skip)]
    pub kind: MessageType,
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Layer {
    Envelope,
    Signature,
    Payload,
}

/// Every one of them, signed once a run.
pub(crate) fn all() -> &'static [Invalid] {
    static ALL: OnceLock<Vec<Invalid>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = encoding::cases();
        all.extend(envelope::cases());
        all.extend(signature::cases());
        all.extend(payload::cases());
        all
    })
}

/// A message taken apart, to be put together wrongly.
#[derive(Clone)]
struct Forge {
    kind: MessageType,
    key: Key,
    header: Item,
    payload: Item,
}

impl Forge {
    /// The valid vector of this kind that holds every field there is.
    fn full(kind: MessageType) -> Self {
        let name = match kind {
            MessageType::Request => "request-full",
            MessageType::Grant => "grant-full",
            MessageType::Ack => "ack-full",
            MessageType::Notice => "notice-most",
            MessageType::Keys => "keys-rollover",
        };
        Self::of(valid::named(name))
    }

    fn of(valid: &Valid) -> Self {
        let (header, payload) = parts(&valid.bytes);
        Self {
            kind: valid.kind,
            key: valid.signed_by,
            header,
            payload,
        }
    }

    /// The digest that ES256 signs, laid out independently of the crate (RFC 9052 section 4.4).
    fn digest(&self) -> Vec<u8> {
        let structure = Item::Array(vec![
            Item::text("Signature1"),
            Item::Bytes(self.header.encode()),
            Item::Bytes(Vec::new()),
            Item::Bytes(self.payload.encode()),
        ]);
        Sha256::digest(structure.encode()).to_vec()
    }

    /// `18([protected, {}, payload, signature])`, the signature good.
    fn sign1(&self) -> Item {
        self.sign1_with(&self.key.sign(&self.digest()))
    }

    fn sign1_with(&self, signature: &[u8]) -> Item {
        Item::Tag(
            18,
            Box::new(Item::Array(vec![
                Item::Bytes(self.header.encode()),
                Item::Map(Vec::new()),
                Item::Bytes(self.payload.encode()),
                Item::bytes(signature),
            ])),
        )
    }

    fn case(&self, layer: Layer, reason: &'static str, name: &str, description: &str) -> Invalid {
        self.case_of(self.sign1().encode(), layer, reason, name, description)
    }

    fn case_of(
        &self,
        bytes: Vec<u8>,
        layer: Layer,
        reason: &'static str,
        name: &str,
        description: &str,
    ) -> Invalid {
        Invalid {
            name: format!("{}-{name}", self.kind),
            description: description.to_owned(),
            layer,
            reason,
            verify_with: self.key,
            message: hex(&bytes),
            kind: self.kind,
            bytes,
        }
    }

    fn in_envelope(&self, reason: Malformed, name: &str, description: &str) -> Invalid {
        self.case(Layer::Envelope, reason.as_str(), name, description)
    }

    fn in_payload(&self, reason: Malformed, name: &str, description: &str) -> Invalid {
        self.case(Layer::Payload, reason.as_str(), name, description)
    }

    /// With another header.
    fn header(&self, edit: impl FnOnce(&mut Item)) -> Self {
        let mut forged = self.clone();
        edit(&mut forged.header);
        forged
    }

    /// With another payload.
    fn payload(&self, edit: impl FnOnce(&mut Item)) -> Self {
        let mut forged = self.clone();
        edit(&mut forged.payload);
        forged
    }
}
