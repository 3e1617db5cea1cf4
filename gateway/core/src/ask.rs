//! What a device said, parsed and owned: the input of the conversation.
//!
//! Whoever makes one of these has verified the device's signature and that topic and type fit.

use fleetgrant_schemas::Malformed;
use fleetgrant_schemas::ack::{self, OutcomeReason};
pub use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::topic::MessageType;

use crate::domain::{
    ActivationId, Challenge, CodeId, CodeProof, Cti, DeviceNonce, Epoch, FeatureName, Generation,
    KeyThumbprint, MessageDigest, Seq, SetKey, Timestamp,
};

/// A verified request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// SHA-256 of what was signed: the same for a retry, whatever the bytes of its signature.
    pub digest: MessageDigest,
    /// Who signed, and what is known of them.
    pub sender: Sender,
    /// What is asked.
    pub ask: Ask,
}

/// Who signed a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Thumbprint of the key that signed.
    pub key: KeyThumbprint,
    /// What pins, manifests and revocations say of that key.
    pub verdict: Verdict,
    /// How the message came.
    pub channel: Channel,
}

/// What pins, manifests and revocations say of the key that signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The id is pinned to this key.
    Pinned,
    /// Not pinned yet, and may be admitted: the anchor is open, or the manifest names the device.
    Admissible,
    /// Not pinned yet, and an operator must look first.
    NeedsOperator,
    /// Not pinned yet; the anchor wants a manifest entry and there is none.
    NotOnManifest,
    /// The id is pinned to another key, or the key to another id.
    IdentityConflict,
    /// The board that has the key was replaced.
    Superseded,
    /// The key, its certificate or the device was revoked.
    Revoked,
}

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Over the broker.
    Online,
    /// As a file that people carry.
    File,
}

/// A request's payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Its number.
    pub seq: Seq,
    /// The grant set the device holds; none if it is blank.
    pub held: Option<Held>,
    /// Generation of the key set the device holds; 0 for the one it was built with.
    pub key_set: u32,
    /// Why it asks.
    pub reason: Reason,
    /// What the answer must echo.
    pub nonce: DeviceNonce,
    /// What it wants, at most 8. None: what is bound to it.
    pub wants: Vec<Want>,
    /// What was used in total, by activation, at most 64.
    pub usage: Vec<Usage>,
    /// The activations a return is about, at most 64; without them the newest go first.
    pub concerned: Vec<ActivationId>,
    /// The challenge of the last grant or notice.
    pub challenge: Option<Challenge>,
    /// The largest grant it takes, bytes of the whole message.
    pub max_down: u16,
    /// What it says of itself; for people, decides nothing.
    pub facts: Facts,
}

/// A grant set the device says it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub key: SetKey,
    /// The id in it.
    pub cti: Cti,
}

impl Held {
    /// From the parts a wire message has.
    pub fn new(
        epoch: u32,
        generation: u64,
        cti: Cti,
    ) -> Result<Self, crate::domain::CounterTooLarge> {
        Ok(Self {
            key: SetKey {
                epoch: Epoch(epoch),
                generation: Generation::new(generation)?,
            },
            cti,
        })
    }
}

/// One thing wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// So many units of a feature in total, those already there included.
    Feature {
        /// Which.
        feature: FeatureName,
        /// How many in total.
        total: u32,
    },
    /// What an activation code gives.
    Code {
        /// Its public half.
        id: CodeId,
        /// Proof of the secret half, bound to the device's key and nonce.
        proof: CodeProof,
    },
}

impl Want {
    /// When it is looked at, whatever its place in the request: a code before what the owner has,
    /// then by name.
    pub(crate) fn turn(&self) -> (Option<&FeatureName>, Option<CodeId>) {
        match self {
            Self::Feature { feature, .. } => (Some(feature), None),
            Self::Code { id, .. } => (None, Some(*id)),
        }
    }
}

/// What was used of an activation, in total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Which.
    pub activation: ActivationId,
    /// In total since the activation began.
    pub total: u64,
}

/// A verified acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedAck {
    /// SHA-256 of what was signed.
    pub digest: MessageDigest,
    /// Who signed, and what is known of them.
    pub sender: Sender,
    /// What is said.
    pub ack: Acknowledgement,
}

/// An acknowledgement's payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Its number within the generation, from 1.
    pub n: u32,
    /// The set it speaks of.
    pub held: Held,
    /// The device's own clock at the acknowledgement; for reports, decides nothing.
    pub issued_at: Option<Timestamp>,
    /// What is not simply in force, at most 64.
    pub exceptions: Vec<Exception>,
    /// What was used in total, by activation, at most 64.
    pub usage: Vec<Usage>,
}

/// An activation in the set that was not simply put in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Which.
    pub activation: ActivationId,
    /// What the device did with it.
    pub outcome: ack::Outcome,
    /// Why.
    pub reason: OutcomeReason,
}

/// A verified message that cannot be decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedUnfit {
    /// SHA-256 of what was signed.
    pub digest: MessageDigest,
    /// Who signed, and what is known of them.
    pub sender: Sender,
    /// What is wrong with it.
    pub unfit: Unfit,
}

/// A payload that cannot be decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// What it should be.
    pub message: MessageType,
    /// Why it is not.
    pub fault: Fault,
    /// What the answer must echo, where that can be told.
    pub nonce: Option<DeviceNonce>,
}

/// Why a verified message cannot be decided on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not what the specification says.
    #[error("it is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// It is for this realm, and not for the gateway's.
    #[error("it is for the realm {0:?}")]
    OtherRealm(String),
}

/// What a device says of itself (EAT, RFC 9711). For people and reports; decides nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `oemid` with `hwmodel`.
    pub hardware: Option<Hardware>,
    /// `bootcount`.
    pub boot_count: Option<u32>,
    /// `swname`.
    pub software: Option<String>,
    /// `swversion`.
    pub version: Option<String>,
    /// The device's own clock at the request.
    pub clock: Option<Timestamp>,
}

/// Maker and model of the hardware (RFC 9711 sections 4.2.3 and 4.2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardware {
    /// `oemid`, as text: the enterprise number, or hex.
    pub maker: String,
    /// `hwmodel`, at most 32 bytes.
    pub model: Vec<u8>,
}

impl Hardware {
    /// The model for people; see [`model_text`].
    #[must_use]
    pub fn model_text(&self) -> String {
        model_text(&self.model)
    }
}

/// An `hwmodel` for people: as it is where it is visible ASCII, as most are, else in hex after
/// `0x`.
#[must_use]
pub fn model_text(model: &[u8]) -> String {
    let is_visible = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    match std::str::from_utf8(model) {
        Ok(text) if !model.is_empty() && model.iter().all(is_visible) => text.to_owned(),
        _ => model.iter().fold("0x".to_owned(), |mut hex, byte| {
            hex.push_str(&format!("{byte:02x}"));
            hex
        }),
    }
}
