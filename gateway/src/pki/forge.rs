//! Certificates with any fault, for tests: what no CA library would write.

mod extension;
mod key;
mod name;

use super::der;

pub use extension::*;
pub use key::{ForgeKey, Padding, algorithm, spki};
pub use name::*;

/// A certificate to be: every field can be set, and nothing is checked.
#[derive(Clone, Debug)]
pub struct Forge {
    /// The version field: 2 means version 3; `None` leaves it out, which means version 1.
    pub version: Option<u8>,
    /// The content of the serial number's INTEGER.
    pub serial: Vec<u8>,
    /// The issuer's name in DER.
    pub issuer: Vec<u8>,
    /// The subject's name in DER.
    pub subject: Vec<u8>,
    /// notBefore in DER.
    pub not_before: Vec<u8>,
    /// notAfter in DER.
    pub not_after: Vec<u8>,
    /// The SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// The extensions; none leaves the field out.
    pub extensions: Vec<Extension>,
    /// The AlgorithmIdentifier of the signature, where it is not to be the key's.
    pub signature_algorithm: Option<Vec<u8>>,
    /// Bytes after the certificate.
    pub trailing: Vec<u8>,
}

impl Forge {
    /// A sound root or intermediate: 2020 to 2060.
    #[must_use]
    pub fn ca(common_name: &str, key: &ForgeKey) -> Self {
        Self {
            extensions: vec![Extension::ca(None), Extension::key_usage(&[5, 6])],
            ..Self::bare(common_name, key)
        }
    }

    /// A sound device certificate: 2020 to 9999, its serial in serialNumber.
    #[must_use]
    pub fn device(serial: &str, key: &ForgeKey) -> Self {
        Self {
            subject: name(&[Attribute::serial_number(serial)]),
            not_after: generalized("99991231235959Z"),
            extensions: vec![
                Extension::key_usage(&[0]),
                Extension::extended_key_usage(&[CLIENT_AUTH]),
            ],
            ..Self::bare(serial, key)
        }
    }

    fn bare(common_name: &str, key: &ForgeKey) -> Self {
        Self {
            version: Some(2),
            serial: vec![0x01, 0x23],
            issuer: Vec::new(),
            subject: name(&[Attribute::common_name(common_name)]),
            not_before: utc("200101000000Z"),
            not_after: generalized("20600101000000Z"),
            spki: key.spki(),
            extensions: Vec::new(),
            signature_algorithm: None,
            trailing: Vec::new(),
        }
    }

    /// Changes it in place.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Signs it with its own key, under its own name.
    #[must_use]
    pub fn self_signed(self, key: &ForgeKey) -> Vec<u8> {
        let issuer = self.subject.clone();
        self.signed(&issuer, key)
    }

    /// Signs it under an issuer's name.
    #[must_use]
    pub fn signed(mut self, issuer: &[u8], key: &ForgeKey) -> Vec<u8> {
        if self.issuer.is_empty() {
            self.issuer = issuer.to_vec();
        }
        let algorithm = self
            .signature_algorithm
            .take()
            .unwrap_or_else(|| key.signature_algorithm());
        let tbs = self.to_be_signed(&algorithm);
        let signature = key::bit_string(&key.sign(&tbs));
        let mut certificate = der::sequence(&[&tbs, &algorithm, &signature]);
        certificate.extend_from_slice(&self.trailing);
        certificate
    }

    fn to_be_signed(&self, algorithm: &[u8]) -> Vec<u8> {
        let version = self
            .version
            .map(|version| der::tlv(der::context(0), &der::tlv(0x02, &[version])))
            .unwrap_or_default();
        let extensions: Vec<u8> = self
            .extensions
            .iter()
            .flat_map(|extension| {
                let critical: &[u8] = if extension.critical {
                    &[0x01, 0x01, 0xff]
                } else {
                    &[]
                };
                der::sequence(&[
                    &der::oid(&extension.oid),
                    critical,
                    &octets(&extension.value),
                ])
            })
            .collect();
        let extensions = if extensions.is_empty() {
            Vec::new()
        } else {
            der::tlv(der::context(3), &der::sequence(&[&extensions]))
        };
        der::sequence(&[
            &version,
            &der::tlv(0x02, &self.serial),
            algorithm,
            &self.issuer,
            &der::sequence(&[&self.not_before, &self.not_after]),
            &self.subject,
            &self.spki,
            &extensions,
        ])
    }
}
