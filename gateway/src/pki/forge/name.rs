//! Names and times in DER.

use super::super::der;

/// An attribute of a name: its OID, the tag of its string, its bytes.
#[derive(Clone, Debug)]
pub struct Attribute(pub Vec<u64>, pub u8, pub Vec<u8>);

/// Tag of a UTF8String.
pub const UTF8: u8 = 0x0c;
/// Tag of a T61String.
pub const T61: u8 = 0x14;

impl Attribute {
    /// commonName.
    #[must_use]
    pub fn common_name(text: &str) -> Self {
        Self(vec![2, 5, 4, 3], UTF8, text.as_bytes().to_vec())
    }

    /// serialNumber.
    #[must_use]
    pub fn serial_number(text: &str) -> Self {
        Self(vec![2, 5, 4, 5], UTF8, text.as_bytes().to_vec())
    }

    /// organizationalUnitName.
    #[must_use]
    pub fn unit(text: &str) -> Self {
        Self(vec![2, 5, 4, 11], UTF8, text.as_bytes().to_vec())
    }
}

/// A name in DER, one relative distinguished name for each attribute.
#[must_use]
pub fn name(attributes: &[Attribute]) -> Vec<u8> {
    let sets: Vec<_> = attributes
        .iter()
        .map(|Attribute(oid, tag, text)| {
            der::tlv(
                0x31,
                &der::sequence(&[&der::oid(oid), &der::tlv(*tag, text)]),
            )
        })
        .collect();
    der::sequence(&sets.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// UTCTime, as `350101000000Z`.
#[must_use]
pub fn utc(text: &str) -> Vec<u8> {
    der::tlv(0x17, text.as_bytes())
}

/// GeneralizedTime, as `20350101000000Z`.
#[must_use]
pub fn generalized(text: &str) -> Vec<u8> {
    der::tlv(0x18, text.as_bytes())
}
