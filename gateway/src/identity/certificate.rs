//! A certificate that has been read, and one way only.

use x509_parser::asn1_rs::FromDer as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, ParsedExtension, X509Extension};
use x509_parser::time::ASN1Time;

use fleetgrant_core::domain::Timestamp;

use super::refusal::{Place, Refusal};

/// A parsed certificate and where in the path it stands.
pub(super) struct Certificate<'a> {
    place: Place,
    x509: X509Certificate<'a>,
}

impl<'a> Certificate<'a> {
    /// Reads one certificate; nothing may follow it.
    pub(super) fn parse(place: Place, der: &'a [u8]) -> Result<Self, Refusal> {
        let (rest, x509) = X509Certificate::from_der(der).map_err(|error| Refusal::Malformed {
            place,
            detail: error.to_string(),
        })?;
        if !rest.is_empty() {
            return Err(Refusal::TrailingBytes {
                place,
                count: rest.len(),
            });
        }
        Ok(Self { place, x509 })
    }

    pub(super) const fn place(&self) -> Place {
        self.place
    }

    pub(super) const fn x509(&self) -> &X509Certificate<'a> {
        &self.x509
    }

    pub(super) fn extensions(&self) -> &[X509Extension<'a>] {
        self.x509.extensions()
    }

    pub(super) fn is_ca(&self) -> bool {
        self.path_length().is_some()
    }

    /// `None` if this is no CA; else the CAs it allows below it, `Some(None)` being any number.
    pub(super) fn path_length(&self) -> Option<Option<u32>> {
        self.find(|parsed| match parsed {
            ParsedExtension::BasicConstraints(found) => {
                Some(found.ca.then_some(found.path_len_constraint))
            }
            _ => None,
        })
        .flatten()
    }

    /// keyUsage, if there is one.
    pub(super) fn key_usage(&self) -> Option<x509_parser::extensions::KeyUsage> {
        self.find(|parsed| match parsed {
            ParsedExtension::KeyUsage(usage) => Some(*usage),
            _ => None,
        })
    }

    /// extendedKeyUsage, if there is one.
    pub(super) fn extended_key_usage(&self) -> Option<&ExtendedKeyUsage<'a>> {
        self.find(|parsed| match parsed {
            ParsedExtension::ExtendedKeyUsage(usage) => Some(usage),
            _ => None,
        })
    }

    pub(super) fn not_before(&self) -> Timestamp {
        timestamp(&self.x509.validity().not_before)
    }

    pub(super) fn not_after(&self) -> Timestamp {
        timestamp(&self.x509.validity().not_after)
    }

    fn find<'s, T: 's>(&'s self, pick: impl Fn(&'s ParsedExtension<'a>) -> Option<T>) -> Option<T> {
        self.extensions()
            .iter()
            .find_map(|extension| pick(extension.parsed_extension()))
    }
}

/// Splits DER certificates that were stored one after the other.
pub(super) fn split(mut concatenated: &[u8]) -> Result<Vec<&[u8]>, Refusal> {
    let mut certificates = Vec::new();
    while !concatenated.is_empty() {
        let place = match certificates.len() {
            0 => Place::Leaf,
            n => Place::Issuer(n),
        };
        let (rest, _) =
            X509Certificate::from_der(concatenated).map_err(|error| Refusal::Malformed {
                place,
                detail: error.to_string(),
            })?;
        certificates.push(&concatenated[..concatenated.len() - rest.len()]);
        concatenated = rest;
    }
    Ok(certificates)
}

fn timestamp(time: &ASN1Time) -> Timestamp {
    Timestamp::from_micros(time.timestamp().saturating_mul(1_000_000))
}
