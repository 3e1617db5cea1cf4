//! Where in a certificate the device's identity stands.

use std::fmt;
use std::str::FromStr;

use x509_parser::asn1_rs::{Any, FromDer as _, OctetString, Oid, Tag, oid};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{OID_X509_COMMON_NAME, OID_X509_SERIALNUMBER};

use super::certificate::Certificate;
use super::refusal::Refusal;

/// id-on-hardwareModuleName (RFC 4108 section 5).
const HARDWARE_MODULE_NAME: Oid<'static> = oid!(1.3.6.1.5.5.7.8.4);

/// Which field of a certificate names the device. Written `subject.serialNumber`,
/// `subject.commonName`, `san.uri`, `san.hwModuleName` or `san.hwModuleName:TYPE-OID`, and
/// `otherName:OID`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum IdentityRule {
    /// The subject's serialNumber attribute (2.5.4.5), where IEEE 802.1AR puts it.
    SubjectSerialNumber,
    /// The subject's commonName (2.5.4.3).
    SubjectCommonName,
    /// The serial number in a hardwareModuleName of the subject alternative name, of this
    /// hardware type if one is given.
    HardwareModuleName(Option<Oid<'static>>),
    /// A URI of the subject alternative name.
    Uri,
    /// An otherName of this type in the subject alternative name; its value is a string, an
    /// OCTET STRING, or a sequence like that of hardwareModuleName.
    OtherName(Oid<'static>),
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The bytes that name the device; never empty.
    pub(super) identity: Vec<u8>,
    /// The hardware type beside it, dotted, where there is one.
    pub(super) hardware_type: Option<String>,
}

impl IdentityRule {
    /// The rules that `pki verify` tries when it is told none, likeliest first.
    pub const ANY: [Self; 4] = [
        Self::HardwareModuleName(None),
        Self::SubjectSerialNumber,
        Self::SubjectCommonName,
        Self::Uri,
    ];

    /// The one identity this rule finds.
    pub(super) fn find(&self, certificate: &Certificate<'_>) -> Result<Found, Refusal> {
        // One entry for each field of the kind asked for, usable or not, so that a second field
        // is seen however it is spelled.
        let fields = match self {
            Self::SubjectSerialNumber => subject(certificate, &OID_X509_SERIALNUMBER),
            Self::SubjectCommonName => subject(certificate, &OID_X509_COMMON_NAME),
            Self::Uri => uris(certificate),
            Self::HardwareModuleName(wanted) => hardware_modules(certificate, wanted.as_ref()),
            Self::OtherName(oid) => other_names(certificate, oid)
                .map(|value| value.and_then(other_value))
                .collect(),
        };
        match <[Option<Found>; 1]>::try_from(fields) {
            Ok([Some(found)]) if !found.identity.is_empty() => Ok(found),
            Err(fields) if fields.len() > 1 => Err(Refusal::DuplicateIdentity {
                rule: self.to_string(),
            }),
            _ => Err(Refusal::NoUsableIdentity {
                rule: self.to_string(),
            }),
        }
    }
}

fn plain(identity: &[u8]) -> Found {
    Found {
        identity: identity.to_vec(),
        hardware_type: None,
    }
}

fn subject(certificate: &Certificate<'_>, attribute: &Oid<'_>) -> Vec<Option<Found>> {
    certificate
        .x509()
        .subject()
        .iter_by_oid(attribute)
        // T61String and the like have no one reading as text.
        .map(|found| found.as_str().ok().map(|text| plain(text.as_bytes())))
        .collect()
}

fn uris(certificate: &Certificate<'_>) -> Vec<Option<Found>> {
    alternative_names(certificate)
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(Some(plain(uri.as_bytes()))),
            _ => None,
        })
        .collect()
}

fn hardware_modules(
    certificate: &Certificate<'_>,
    wanted: Option<&Oid<'static>>,
) -> Vec<Option<Found>> {
    let wanted = wanted.map(Oid::to_id_string);
    let is_wanted = |found: &Option<Found>| match (found, &wanted) {
        (Some(found), Some(_)) => found.hardware_type == wanted,
        _ => true,
    };
    other_names(certificate, &HARDWARE_MODULE_NAME)
        .map(|value| value.and_then(|value| hardware_module(&value)))
        .filter(is_wanted)
        .collect()
}

/// `SEQUENCE { hwType OBJECT IDENTIFIER, hwSerialNum OCTET STRING }`
fn hardware_module(value: &Any<'_>) -> Option<Found> {
    if value.tag() != Tag::Sequence {
        return None;
    }
    let (rest, hardware_type) = Oid::from_der(value.data).ok()?;
    let (rest, serial) = OctetString::from_der(rest).ok()?;
    rest.is_empty().then(|| Found {
        identity: serial.as_ref().to_vec(),
        hardware_type: Some(hardware_type.to_id_string()),
    })
}

fn other_value(value: Any<'_>) -> Option<Found> {
    match value.tag() {
        Tag::OctetString
        | Tag::Utf8String
        | Tag::PrintableString
        | Tag::Ia5String
        | Tag::NumericString => Some(plain(value.data)),
        Tag::Sequence => hardware_module(&value),
        _ => None,
    }
}

/// The values of the otherNames of one type, without their `[0]`; `None` for what is no value.
fn other_names<'c, 'a: 'c>(
    certificate: &'c Certificate<'a>,
    wanted: &'c Oid<'static>,
) -> impl Iterator<Item = Option<Any<'a>>> + 'c {
    alternative_names(certificate).filter_map(move |name| match name {
        GeneralName::OtherName(oid, tagged) if oid == wanted => Some(untagged(tagged)),
        _ => None,
    })
}

fn untagged(explicit: &[u8]) -> Option<Any<'_>> {
    let (rest, explicit) = Any::from_der(explicit).ok()?;
    let (inner_rest, value) = Any::from_der(explicit.data).ok()?;
    (rest.is_empty() && inner_rest.is_empty()).then_some(value)
}

fn alternative_names<'c, 'a>(
    certificate: &'c Certificate<'a>,
) -> impl Iterator<Item = &'c GeneralName<'a>> {
    certificate
        .extensions()
        .iter()
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        })
        .flatten()
}

/// The text is no identity rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no identity rule; known: subject.serialNumber, subject.commonName, san.uri, \
     san.hwModuleName[:TYPE-OID], otherName:OID"
)]
pub struct InvalidIdentityRule(String);

impl FromStr for IdentityRule {
    type Err = InvalidIdentityRule;
    fn from_str(text: &str) -> Result<Self, InvalidIdentityRule> {
        let invalid = || InvalidIdentityRule(text.chars().take(80).collect());
        let (name, oid) = match text.split_once(':') {
            Some((name, oid)) => (name, Some(oid.parse().map_err(|_| invalid())?)),
            None => (text, None),
        };
        match (name, oid) {
            ("subject.serialNumber", None) => Ok(Self::SubjectSerialNumber),
            ("subject.commonName", None) => Ok(Self::SubjectCommonName),
            ("san.uri", None) => Ok(Self::Uri),
            ("san.hwModuleName", oid) => Ok(Self::HardwareModuleName(oid)),
            ("otherName" | "san.otherName", Some(oid)) => Ok(Self::OtherName(oid)),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for IdentityRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubjectSerialNumber => f.write_str("subject.serialNumber"),
            Self::SubjectCommonName => f.write_str("subject.commonName"),
            Self::Uri => f.write_str("san.uri"),
            Self::HardwareModuleName(None) => f.write_str("san.hwModuleName"),
            Self::HardwareModuleName(Some(oid)) => write!(f, "san.hwModuleName:{oid}"),
            Self::OtherName(oid) => write!(f, "otherName:{oid}"),
        }
    }
}

impl TryFrom<String> for IdentityRule {
    type Error = InvalidIdentityRule;
    fn try_from(text: String) -> Result<Self, InvalidIdentityRule> {
        text.parse()
    }
}

impl From<IdentityRule> for String {
    fn from(rule: IdentityRule) -> Self {
        rule.to_string()
    }
}
