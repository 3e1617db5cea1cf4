//! How a request is written.

use fleetgrant_schemas::envelope::{Certificate, Draft, Signer};
use fleetgrant_schemas::id::{ActivationId, CertificateThumbprint, Challenge, DeviceNonce, sha256};
use fleetgrant_schemas::request::{Receiver, Request};
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::{Held, Platform, Usage, Want, limits};

use super::{AskError, Wish};
use crate::crypto::KeyOperations;
use crate::profile::Profile;
use crate::rights::{self, Right};

/// Everything a request is written from, but the key.
pub(crate) struct RequestParts<'a> {
    pub(crate) profile: &'a Profile<'a>,
    pub(crate) wish: &'a Wish,
    pub(crate) rights: &'a [Right],
    pub(crate) held: &'a Option<Held>,
    pub(crate) challenge: &'a Option<Challenge>,
    pub(crate) issued_at: u64,
    pub(crate) boots: u32,
    pub(crate) seq: u64,
    pub(crate) key_set: u32,
    pub(crate) nonce: &'a DeviceNonce,
    pub(crate) with_chain: bool,
}

impl RequestParts<'_> {
    /// Writes and signs the request; its length.
    pub(crate) fn write<K: KeyOperations, const RIGHTS: usize>(
        &self,
        keys: &mut K,
        buffer: &mut [u8],
    ) -> Result<usize, AskError> {
        let draft = self.draft::<K, RIGHTS>(keys, buffer)?;
        let signature = keys.sign(&draft.to_sign())?;
        Ok(draft.finish(&signature).len())
    }

    fn draft<'b, K: KeyOperations, const RIGHTS: usize>(
        &self,
        keys: &K,
        buffer: &'b mut [u8],
    ) -> Result<Draft<'b>, AskError> {
        let profile = self.profile;
        let mut wants = [Want::Feature {
            feature: "",
            total: 0,
        }; limits::MAX_WANTS];
        let claim = self.wish.code.as_ref().map(|code| {
            let thumbprint = keys.public_key().thumbprint();
            code.claim(profile.realm, &thumbprint, self.nonce)
        });
        let wants_len = self.wish.wants(profile, claim, &mut wants);
        let mut usage = [NO_USAGE; RIGHTS];
        let usage_len = rights::usage(self.rights, &mut usage);
        let mut concerned = [ActivationId([0; 16]); RIGHTS];
        let concerned_len = rights::in_slots(self.rights, self.wish.concerned, &mut concerned);
        let request = Request {
            device: profile.device,
            realm: profile.realm,
            issued_at: (self.issued_at > 0).then_some(self.issued_at),
            challenge: *self.challenge,
            platform: Platform {
                boot_count: Some(self.boots),
                ..profile.platform
            },
            seq: self.seq,
            held: *self.held,
            key_set: self.key_set,
            reason: self.wish.reason,
            nonce: *self.nonce,
            wants: Seq::new(wants.get(..wants_len).unwrap_or_default()),
            usage: Seq::new(usage.get(..usage_len).unwrap_or_default()),
            concerned: Seq::new(concerned.get(..concerned_len).unwrap_or_default()),
            receiver: Receiver {
                max_down: profile.max_down(),
                capabilities: 0,
            },
        };
        let mut chain = [Certificate(&[]); limits::MAX_CHAIN];
        let signer = signer(keys, self.with_chain, &mut chain)?;
        Draft::new(buffer, &signer, &request).map_err(|_| AskError::BufferTooSmall)
    }
}

/// The device as signer, by its certificate chain, which `chain` holds then, or its certificate's
/// thumbprint.
pub(crate) fn signer<'c, 'k: 'c, K: KeyOperations>(
    keys: &'k K,
    with_chain: bool,
    chain: &'c mut [Certificate<'k>; limits::MAX_CHAIN],
) -> Result<Signer<'c>, AskError> {
    if !with_chain {
        return thumbprint(keys);
    }
    match fill_chain(keys, chain) {
        0 => Err(AskError::NoCertificate),
        len => Ok(Signer::Chain(Seq::new(
            chain.get(..len).unwrap_or_default(),
        ))),
    }
}

fn thumbprint<K: KeyOperations>(keys: &K) -> Result<Signer<'static>, AskError> {
    let leaf = keys.certificate(0).ok_or(AskError::NoCertificate)?;
    Ok(Signer::Thumbprint(CertificateThumbprint(sha256(&[leaf]))))
}

pub(crate) const NO_USAGE: Usage = Usage {
    activation: ActivationId([0; 16]),
    total: 0,
};

fn fill_chain<'k, K: KeyOperations>(
    keys: &'k K,
    chain: &mut [Certificate<'k>; limits::MAX_CHAIN],
) -> usize {
    let mut len = 0;
    for (place, slot) in chain.iter_mut().enumerate() {
        let Some(certificate) = keys.certificate(place) else {
            break;
        };
        *slot = Certificate(certificate);
        len += 1;
    }
    len
}
