//! The key a message is checked with.

use std::path::Path;

use anyhow::anyhow;
use fleetgrant_schemas::envelope::{SigStructure, Signature, Signer};
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey};
use x509_parser::parse_x509_certificate;
use x509_parser::pem::parse_x509_pem;

use crate::cli::{Failure, OrUnavailable};
use crate::crypto::{Es256 as _, P256PublicKey, Ring};

/// A P-256 public key.
#[derive(Debug)]
pub(super) struct PublicKey(P256PublicKey);

impl PublicKey {
    pub(super) fn verifies(&self, signed: &SigStructure<'_>, signature: &Signature) -> bool {
        let mut message = Vec::new();
        signed.for_each_part(|part| message.extend_from_slice(part));
        Ring.verify(&self.0, &message, signature).is_ok()
    }

    fn of_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = parse_x509_certificate(der).ok()?;
        let point = &certificate.public_key().subject_public_key.data;
        P256PublicKey::from_sec1(point).ok().map(Self)
    }
}

/// The key of the leaf that a message bears.
pub(super) fn of_signer(signer: &Signer<'_>) -> Option<PublicKey> {
    match signer {
        Signer::Chain(chain) => PublicKey::of_certificate(chain.iter().next()?.0),
        Signer::Thumbprint(_) | Signer::Key(_) => None,
    }
}

/// Reads a certificate, a public key, or the public half of a private key.
pub(super) fn read(path: &Path) -> Result<PublicKey, Failure> {
    let text = std::fs::read(path).or_unavailable(|| format!("cannot read {}", path.display()))?;
    parse(&text).ok_or_else(|| {
        Failure::refused(anyhow!(
            "{} holds no P-256 key: give a certificate, a public key or a PKCS#8 key in PEM",
            path.display()
        ))
    })
}

fn parse(text: &[u8]) -> Option<PublicKey> {
    let (_, pem) = parse_x509_pem(text).ok()?;
    match pem.label.as_str() {
        "CERTIFICATE" => PublicKey::of_certificate(&pem.contents),
        "PUBLIC KEY" => p256::PublicKey::from_public_key_der(&pem.contents)
            .ok()
            .map(|public| PublicKey(public.into())),
        "PRIVATE KEY" => p256::SecretKey::from_pkcs8_der(&pem.contents)
            .ok()
            .map(|secret| PublicKey(secret.public_key().into())),
        _ => None,
    }
}
