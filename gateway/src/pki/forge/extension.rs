//! Extensions and the names in them.

use super::super::der;
use super::name::UTF8;

/// An extension.
#[derive(Clone, Debug)]
pub struct Extension {
    /// Its OID.
    pub oid: Vec<u64>,
    /// Whether it is critical.
    pub critical: bool,
    /// What is in its OCTET STRING.
    pub value: Vec<u8>,
}

impl Extension {
    /// One that is not critical.
    #[must_use]
    pub fn new(oid: &[u64], value: Vec<u8>) -> Self {
        Self {
            oid: oid.to_vec(),
            critical: false,
            value,
        }
    }

    /// The same, critical.
    #[must_use]
    pub fn critical(self) -> Self {
        Self {
            critical: true,
            ..self
        }
    }

    /// basicConstraints of a CA, with the CAs it allows below it.
    #[must_use]
    pub fn ca(path_length: Option<u8>) -> Self {
        let length = path_length
            .map(|length| der::tlv(0x02, &[length]))
            .unwrap_or_default();
        let value = der::sequence(&[&[0x01, 0x01, 0xff], &length]);
        Self::new(&[2, 5, 29, 19], value).critical()
    }

    /// basicConstraints that say it is no CA.
    #[must_use]
    pub fn no_ca() -> Self {
        Self::new(&[2, 5, 29, 19], der::sequence(&[])).critical()
    }

    /// keyUsage, by the numbers of its bits (0 is digitalSignature, 5 keyCertSign, 6 cRLSign).
    #[must_use]
    pub fn key_usage(bits: &[u8]) -> Self {
        let flags = bits.iter().fold(0u8, |flags, bit| flags | (0x80 >> bit));
        let unused = flags.trailing_zeros().min(7) as u8;
        Self::new(&[2, 5, 29, 15], der::tlv(0x03, &[unused, flags])).critical()
    }

    /// certificatePolicies with anyPolicy.
    #[must_use]
    pub fn any_policy() -> Self {
        let policy = der::sequence(&[&der::oid(&[2, 5, 29, 32, 0])]);
        Self::new(&[2, 5, 29, 32], der::sequence(&[&policy]))
    }

    /// extendedKeyUsage.
    #[must_use]
    pub fn extended_key_usage(purposes: &[&[u64]]) -> Self {
        let purposes: Vec<_> = purposes.iter().map(|oid| der::oid(oid)).collect();
        let value = der::sequence(&purposes.iter().map(Vec::as_slice).collect::<Vec<_>>());
        Self::new(&[2, 5, 29, 37], value)
    }

    /// nameConstraints that permit only DNS names below one.
    #[must_use]
    pub fn only_dns_names_below(name: &str) -> Self {
        let permitted = der::tlv(der::context(0), &der::sequence(&[&dns(name)]));
        Self::new(&[2, 5, 29, 30], der::sequence(&[&permitted])).critical()
    }

    /// subjectAltName of names already in DER.
    #[must_use]
    pub fn alternative_names(names: &[Vec<u8>]) -> Self {
        let value = der::sequence(&names.iter().map(Vec::as_slice).collect::<Vec<_>>());
        Self::new(&[2, 5, 29, 17], value)
    }
}

/// id-kp-clientAuth.
pub const CLIENT_AUTH: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 2];
/// id-kp-serverAuth.
pub const SERVER_AUTH: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 1];
/// anyExtendedKeyUsage.
pub const ANY_USAGE: &[u64] = &[2, 5, 29, 37, 0];

/// A GeneralName that is a URI.
#[must_use]
pub fn uri(text: &str) -> Vec<u8> {
    der::tlv(0x86, text.as_bytes())
}

/// A GeneralName that is a DNS name.
#[must_use]
pub fn dns(text: &str) -> Vec<u8> {
    der::tlv(0x82, text.as_bytes())
}

/// A GeneralName that is an otherName with a value in DER.
#[must_use]
pub fn other_name(oid: &[u64], value: &[u8]) -> Vec<u8> {
    let tagged = der::tlv(der::context(0), value);
    der::tlv(der::context(0), &[der::oid(oid), tagged].concat())
}

/// A UTF8String in DER.
#[must_use]
pub fn utf8(text: &str) -> Vec<u8> {
    der::tlv(UTF8, text.as_bytes())
}

/// An OCTET STRING in DER.
#[must_use]
pub fn octets(bytes: &[u8]) -> Vec<u8> {
    der::tlv(der::OCTET_STRING, bytes)
}

/// The value of a hardwareModuleName, or of what is built like one.
#[must_use]
pub fn hardware_module(hardware_type: &[u64], serial: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::oid(hardware_type), &octets(serial)])
}

/// id-on-hardwareModuleName.
pub const HARDWARE_MODULE_NAME: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 8, 4];
