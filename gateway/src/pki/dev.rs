//! The folder of a development PKI.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use fleetgrant_core::domain::Timestamp;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::authority::NewAuthority;
use super::device::{self, DEV_HARDWARE_TYPE, DeviceCredentials};
use super::error::PkiError;
use super::files::{self, Readable};
use crate::identity::{AdmissionMode, AnchorConfig, CrlCoverage, IdentityRule, Role};

const DEVICE_ROOT: &str = "device-root";
const DEVICE_ISSUING: &str = "device-issuing";
const SERVICE_CA: &str = "service-ca";
const GATEWAY: &str = "gateway";
const BROKER: &str = "broker";
const DEVICES: &str = "devices";

/// What a new development PKI is told.
#[derive(Clone, Debug)]
pub struct DevPkiOptions {
    /// DNS names and IP addresses that the broker's certificate is for.
    pub broker_names: Vec<String>,
}

impl Default for DevPkiOptions {
    fn default() -> Self {
        Self {
            broker_names: ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into(),
        }
    }
}

/// A development PKI, ready to issue.
pub struct DevPki {
    folder: PathBuf,
    issuing: Issuer<'static, KeyPair>,
    issuing_der: Vec<u8>,
}

impl DevPki {
    /// Makes a PKI in a folder that does not exist yet, or is empty. It appears there whole or
    /// not at all. With it comes the authority's key of epoch 1.
    ///
    /// # Errors
    /// The folder holds something, or cannot be written.
    pub fn create(
        folder: &Path,
        options: &DevPkiOptions,
        now: Timestamp,
    ) -> Result<(Self, NewAuthority), PkiError> {
        let taken = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
        if taken || folder.is_file() {
            return Err(PkiError::Exists(folder.to_owned()));
        }
        let mut name = folder.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = folder.with_file_name(name);
        if partial.exists() {
            std::fs::remove_dir_all(&partial)
                .map_err(|source| files::io("remove", &partial, source))?;
        }
        files::make_folder(&partial)?;
        let mut authority = fill(&partial, options, now)?;
        std::fs::rename(&partial, folder)
            .map_err(|source| files::io("rename a folder to", folder, source))?;
        authority.key = folder.join(authority.key.file_name().unwrap_or_default());
        Ok((Self::open(folder)?, authority))
    }

    /// Opens a PKI that [`DevPki::create`] made.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn open(folder: &Path) -> Result<Self, PkiError> {
        let certificate = folder.join(format!("{DEVICE_ISSUING}.pem"));
        let key = folder.join(format!("{DEVICE_ISSUING}.key"));
        if !certificate.exists() {
            return Err(PkiError::NotAPki(folder.to_owned()));
        }
        let damaged = |path: &Path, reason: &dyn ToString| PkiError::Damaged {
            path: path.to_owned(),
            reason: reason.to_string(),
        };
        let der = CertificateDer::from_pem_slice(files::read(&certificate)?.as_bytes())
            .map_err(|error| damaged(&certificate, &error))?;
        let pair = KeyPair::from_pem(&files::read(&key)?).map_err(|error| damaged(&key, &error))?;
        let issuing =
            Issuer::from_ca_cert_der(&der, pair).map_err(|error| damaged(&certificate, &error))?;
        Ok(Self {
            folder: folder.to_owned(),
            issuing,
            issuing_der: der.to_vec(),
        })
    }

    /// Issues a device's certificate, in memory. Takes well below a millisecond.
    ///
    /// # Errors
    /// The serial could not stand in a file name and a device id.
    pub fn issue_device(&self, serial: &str, hwmodel: &str) -> Result<DeviceCredentials, PkiError> {
        device::issue(&self.issuing, &self.issuing_der, serial, hwmodel)
    }

    /// Makes another authority key. [`DevPki::create`] made that of epoch 1.
    ///
    /// # Errors
    /// There is one of that epoch, or it cannot be written.
    pub fn create_authority(&self, epoch: u32, now: Timestamp) -> Result<NewAuthority, PkiError> {
        NewAuthority::create(&self.folder, epoch, now)
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where device certificates and keys are kept.
    #[must_use]
    pub fn devices(&self) -> PathBuf {
        self.folder.join(DEVICES)
    }

    /// A `[[trust_anchor]]` for the devices of a PKI in `folder`.
    #[must_use]
    pub fn anchor_config(folder: &Path, admission: AdmissionMode) -> AnchorConfig {
        AnchorConfig {
            name: "development".to_owned(),
            product_line: "development".to_owned(),
            id_prefix: "dev".parse().expect("lower-case letters"),
            identity: IdentityRule::HardwareModuleName(Some(
                DEV_HARDWARE_TYPE.parse().expect("the constant is an OID"),
            )),
            admission,
            roots: vec![folder.join(format!("{DEVICE_ROOT}.pem"))],
            intermediates: vec![folder.join(format!("{DEVICE_ISSUING}.pem"))],
            crls: Vec::new(),
            refuse_stale_crls: false,
            crl_coverage: CrlCoverage::default(),
            pinned_devices_outlive_issuing_ca: false,
        }
    }
}

impl std::fmt::Debug for DevPki {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevPki")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

fn fill(folder: &Path, options: &DevPkiOptions, now: Timestamp) -> Result<NewAuthority, PkiError> {
    let root_params = ca("Development Device Root", 1);
    let root_key = KeyPair::generate()?;
    let root = root_params.self_signed(&root_key)?;
    write(folder, DEVICE_ROOT, &[&root], &root_key)?;

    let issuing_params = ca("Development Device Issuing CA", 0);
    let issuing_key = KeyPair::generate()?;
    let issuing = issuing_params.signed_by(&issuing_key, &Issuer::new(root_params, root_key))?;
    write(folder, DEVICE_ISSUING, &[&issuing], &issuing_key)?;

    let service_params = ca("Development Service CA", 0);
    let service_key = KeyPair::generate()?;
    let service_ca = service_params.self_signed(&service_key)?;
    write(folder, SERVICE_CA, &[&service_ca], &service_key)?;
    let services = Issuer::new(service_params, service_key);

    let gateway_key = KeyPair::generate()?;
    let mut gateway = service("gateway-1", ExtendedKeyUsagePurpose::ClientAuth);
    gateway
        .distinguished_name
        .push(DnType::OrganizationalUnitName, Role::Gateway.as_str());
    let gateway = gateway.signed_by(&gateway_key, &services)?;
    write(folder, GATEWAY, &[&gateway], &gateway_key)?;

    let broker_key = KeyPair::generate()?;
    let mut broker = service("broker", ExtendedKeyUsagePurpose::ServerAuth);
    for name in &options.broker_names {
        broker.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(
                name.as_str()
                    .try_into()
                    .map_err(|_| PkiError::ServerName(name.clone()))?,
            ),
        });
    }
    let broker = broker.signed_by(&broker_key, &services)?;
    write(folder, BROKER, &[&broker], &broker_key)?;

    files::make_folder(&folder.join(DEVICES))?;
    NewAuthority::create(folder, 1, now)
}

fn ca(name: &str, cas_below: u8) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(cas_below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_after = rcgen::date_time_ymd(2060, 1, 1);
    params
}

fn service(name: &str, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = named(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    params.not_after = rcgen::date_time_ymd(2050, 1, 1);
    params
}

fn named(name: &str) -> CertificateParams {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "Example Maker");
    subject.push(DnType::CommonName, name);
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params
}

fn write(folder: &Path, name: &str, chain: &[&Certificate], key: &KeyPair) -> Result<(), PkiError> {
    let pem: String = chain.iter().map(|certificate| certificate.pem()).collect();
    files::write_new(&folder.join(format!("{name}.pem")), &pem, Readable::All)?;
    files::write_new(
        &folder.join(format!("{name}.key")),
        &key.serialize_pem(),
        Readable::Owner,
    )
}

#[cfg(test)]
mod tests;
