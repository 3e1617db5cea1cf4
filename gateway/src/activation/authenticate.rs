//! Step 2: who signed this, and does the topic tell the truth about it?

use std::sync::Arc;

use bytes::Bytes;
use fleetgrant_core::domain::{DeviceId, Realm, Timestamp};
use fleetgrant_core::wire::{self, Said};
use fleetgrant_schemas::envelope::{Envelope, Signer};
use fleetgrant_schemas::id::CertificateThumbprint;
use fleetgrant_schemas::topic::MessageType;

use super::{Again, Intake};
use crate::crypto::Ring;
use crate::identity::{AuthenticatedDevice, Refusal, VerifiedCertificate};
use crate::store::conversation::chain_of_certificate;

/// A message as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    /// What it should be.
    pub(super) kind: MessageType,
    /// Whose topic it came on; none in a file, where the certificate alone tells.
    pub(super) device: Option<&'a DeviceId>,
    pub(super) payload: &'a Bytes,
}

/// A message whose signature is good, and what it says.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) sender: AuthenticatedDevice,
    pub(super) said: Said,
}

/// Why a message that was not verified is dropped. It is counted and logged, and never written
/// to the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// All devices together send too much.
    Busy,
    /// This device sends too much.
    TooOften,
    /// The bytes are no envelope of the topic's message.
    Malformed(fleetgrant_schemas::Malformed),
    /// The certificate is not known here: it must come with its chain.
    UnknownCertificate,
    /// The chain was refused; the reason is in a counter and in the log.
    Chain(&'static str),
    /// The certificate is another device's than the topic's.
    OtherDevice,
    /// The signature is not that of the certificate's key.
    Signature,
}

impl Dropped {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::TooOften => "too-often",
            Self::Malformed(reason) => reason.as_str(),
            Self::UnknownCertificate => "unknown-certificate",
            Self::Chain(reason) => reason,
            Self::OtherDevice => "other-device",
            Self::Signature => "signature",
        }
    }
}

impl Intake {
    /// Reads the envelope, finds its signer's certificate, and checks the signature on the
    /// verify lane; a known device costs that one check.
    pub(super) async fn authenticate(
        &self,
        message: Received<'_>,
        now: Timestamp,
    ) -> Result<Result<Opened, Dropped>, Again> {
        let envelope = match Envelope::parse(message.payload) {
            Ok(envelope) if envelope.message() == message.kind => envelope,
            Ok(_) => return Ok(Err(Dropped::Malformed(fleetgrant_schemas::Malformed::Type))),
            Err(reason) => return Ok(Err(Dropped::Malformed(reason))),
        };
        let certificate = match envelope.signer() {
            Signer::Thumbprint(thumbprint) => self.known(thumbprint, now).await?,
            Signer::Chain(chain) => {
                let chain = chain.iter().map(|c| c.0.to_vec()).collect();
                self.presented(chain, now).await?
            }
            Signer::Key(_) => Err(Dropped::Malformed(fleetgrant_schemas::Malformed::Signer)),
        };
        let certificate = match certificate {
            Ok(found) if message.device.is_some_and(|d| d != found.device()) => {
                return Ok(Err(Dropped::OtherDevice));
            }
            Ok(found) => found,
            Err(dropped) => return Ok(Err(dropped)),
        };
        let payload = message.payload.clone();
        let rules = Arc::clone(self.recorder.rules());
        let opened = self
            .lanes
            .verify
            .run(move || open(&payload, &certificate, &rules.authority.realm))
            .await?;
        Ok(opened)
    }

    /// The certificate that an `x5t` stands for: verified lately, or recorded.
    async fn known(
        &self,
        thumbprint: CertificateThumbprint,
        now: Timestamp,
    ) -> Result<Result<VerifiedCertificate, Dropped>, Again> {
        if let Some(remembered) = self.verifier.remembered(&thumbprint, now) {
            return Ok(Ok(remembered));
        }
        let stored = self
            .recorder
            .store()
            .read("chain", move |db| chain_of_certificate(db, thumbprint))
            .await?;
        let Some(stored) = stored else {
            return Ok(Err(Dropped::UnknownCertificate));
        };
        let verifier = self.verifier.clone();
        let recalled = self
            .lanes
            .chain
            .run(move || verifier.recall(&stored, now))
            .await?;
        Ok(recalled.map_err(|refusal| refused(&refusal)))
    }

    async fn presented(
        &self,
        chain: Vec<Vec<u8>>,
        now: Timestamp,
    ) -> Result<Result<VerifiedCertificate, Dropped>, Again> {
        let verifier = self.verifier.clone();
        let verified = self
            .lanes
            .chain
            .run(move || {
                let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
                verifier.verify(&chain, now)
            })
            .await?;
        Ok(verified.map_err(|refusal| refused(&refusal)))
    }
}

fn refused(refusal: &Refusal) -> Dropped {
    tracing::warn!(reason = refusal.name(), %refusal, "the certificate chain was refused");
    Dropped::Chain(refusal.name())
}

/// Checks the signature, and only then reads what was signed.
fn open(
    payload: &Bytes,
    certificate: &VerifiedCertificate,
    realm: &Realm,
) -> Result<Opened, Dropped> {
    let envelope = Envelope::parse(payload).map_err(Dropped::Malformed)?;
    let mut signed = Vec::with_capacity(payload.len());
    envelope
        .signed()
        .for_each_part(|part| signed.extend_from_slice(part));
    let mut sender = None;
    let verified = envelope
        .verify(|_, signature| {
            sender = certificate.authenticate(&Ring, &signed, signature).ok();
            sender.is_some()
        })
        .map_err(|_| Dropped::Signature)?;
    let sender = sender.ok_or(Dropped::Signature)?;
    Ok(Opened {
        said: wire::read(&verified, sender.device(), realm),
        sender,
    })
}
