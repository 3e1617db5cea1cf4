//! Device certificates in the manner of IEEE 802.1AR.

use std::path::{Path, PathBuf};

use fleetgrant_schemas::id::KeyThumbprint;
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer,
    KeyPair, KeyUsagePurpose,
};

use super::der;
use super::error::PkiError;
use super::files::{self, Readable};
use crate::crypto::P256PublicKey;

/// The hardware type in the hardwareModuleName of every device of the development PKI, below the
/// enterprise number for examples (RFC 5612).
pub const DEV_HARDWARE_TYPE: &str = "1.3.6.1.4.1.32473.1";

const DEV_HARDWARE_TYPE_ARCS: [u64; 8] = [1, 3, 6, 1, 4, 1, 32_473, 1];
const SUBJECT_ALT_NAME: [u64; 4] = [2, 5, 29, 17];
/// serialNumber, the attribute of a name (X.520).
const SERIAL_NUMBER: [u64; 4] = [2, 5, 4, 5];

/// Longest serial, so that file names and readable device ids hold it.
const MAX_SERIAL: usize = 48;

/// A device's key and certificates.
pub struct DeviceCredentials {
    /// Its serial.
    pub serial: String,
    key: KeyPair,
    chain: Vec<Vec<u8>>,
}

impl DeviceCredentials {
    /// The private key, PKCS#8 in PEM.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The private key, PKCS#8 in DER.
    #[must_use]
    pub fn key_der(&self) -> &[u8] {
        self.key.serialized_der()
    }

    /// The COSE Key Thumbprint of the key (RFC 9679): what a manifest may state.
    #[must_use]
    pub fn key_thumbprint(&self) -> KeyThumbprint {
        P256PublicKey::from_sec1(self.key.public_key_raw())
            .expect("the key was generated on P-256")
            .thumbprint()
    }

    /// The certificates in DER, leaf first, root left out.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The certificates in PEM, leaf first, root left out.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        self.chain
            .iter()
            .map(|der| files::certificate_pem(der))
            .collect()
    }

    /// Writes `SERIAL.pem` and `SERIAL.key` to a folder; returns their paths.
    ///
    /// # Errors
    /// A file exists already or cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(PathBuf, PathBuf), PkiError> {
        files::make_folder(folder)?;
        let chain = folder.join(format!("{}.pem", self.serial));
        let key = folder.join(format!("{}.key", self.serial));
        files::write_new(&key, &self.key_pem(), Readable::Owner)?;
        files::write_new(&chain, &self.chain_pem(), Readable::All)?;
        Ok((chain, key))
    }
}

impl std::fmt::Debug for DeviceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceCredentials")
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

/// Issues a device's certificate: serialNumber and hardware model in the subject, the serial
/// again in a hardwareModuleName, and no end (99991231235959Z), as IEEE 802.1AR wants it.
pub(super) fn issue(
    issuer: &Issuer<'_, KeyPair>,
    issuer_der: &[u8],
    serial: &str,
    hwmodel: &str,
) -> Result<DeviceCredentials, PkiError> {
    let fits = (1..=MAX_SERIAL).contains(&serial.len())
        && !serial.starts_with('.')
        && serial
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if !fits {
        return Err(PkiError::Serial(serial.chars().take(64).collect()));
    }
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "Example Maker");
    subject.push(DnType::OrganizationalUnitName, hwmodel);
    subject.push(DnType::CustomDnType(SERIAL_NUMBER.to_vec()), serial);

    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(9999, 12, 31) + std::time::Duration::from_secs(86_399);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params.custom_extensions = vec![CustomExtension::from_oid_content(
        &SUBJECT_ALT_NAME,
        der::hardware_module_name(&DEV_HARDWARE_TYPE_ARCS, serial.as_bytes()),
    )];
    let key = KeyPair::generate()?;
    let leaf = params.signed_by(&key, issuer)?;
    Ok(DeviceCredentials {
        serial: serial.to_owned(),
        key,
        chain: vec![leaf.der().to_vec(), issuer_der.to_vec()],
    })
}
