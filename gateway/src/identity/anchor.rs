//! Trust anchors: whose devices are known, and how.

use std::path::{Path, PathBuf};

use fleetgrant_core::domain::Timestamp;
use sha2::{Digest as _, Sha256};

use super::chain::{InvalidTrust, Trust};
use super::device_id::IdPrefix;
use super::identity_rule::IdentityRule;
use super::pem_files::{self, UnreadableFile};
use super::revocation::CrlRules;

/// What becomes of a device that is seen for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", rename_all = "kebab-case")]
pub enum AdmissionMode {
    /// It is admitted.
    Open,
    /// It is admitted if it stands on a factory manifest.
    Manifest,
    /// It waits for an operator.
    Quarantine,
}

impl AdmissionMode {
    /// Its name in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Manifest => "manifest",
            Self::Quarantine => "quarantine",
        }
    }
}

impl TryFrom<String> for AdmissionMode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "open" => Ok(Self::Open),
            "manifest" => Ok(Self::Manifest),
            "quarantine" => Ok(Self::Quarantine),
            _ => Err(format!(
                "{text:?} is no admission; use \"open\", \"manifest\" or \"quarantine\""
            )),
        }
    }
}

/// Which certificates a CRL must cover, where an anchor has any: for the others nobody could say
/// whether they were revoked.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    clap::ValueEnum,
    serde::Deserialize,
    serde::Serialize,
)]
#[serde(try_from = "String", rename_all = "kebab-case")]
pub enum CrlCoverage {
    /// None: what no CRL covers passes.
    None,
    /// The device's, by a complete CRL of the CA that issued it.
    #[default]
    Device,
    /// The device's and that of every CA between it and the root.
    Chain,
}

impl TryFrom<String> for CrlCoverage {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        <Self as clap::ValueEnum>::from_str(&text, false)
            .map_err(|_| format!("{text:?} is no coverage; use \"none\", \"device\" or \"chain\""))
    }
}

/// One `[[trust_anchor]]` of the configuration. Paths are relative to the file they stand in;
/// each file is PEM, with any number of entries, or one entry in DER.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorConfig {
    /// What logs and the database call this anchor.
    pub name: String,
    /// The product line its devices belong to.
    pub product_line: String,
    /// What the ids of that product line begin with.
    pub id_prefix: IdPrefix,
    /// Where the device's identity stands.
    pub identity: IdentityRule,
    /// What becomes of a new device.
    pub admission: AdmissionMode,
    /// Root certificates.
    pub roots: Vec<PathBuf>,
    /// Certificates of CAs that devices may leave out of their chain.
    #[serde(default)]
    pub intermediates: Vec<PathBuf>,
    /// Certificate revocation lists, read at start.
    #[serde(default)]
    pub crls: Vec<PathBuf>,
    /// Whether a CRL past its nextUpdate stops its issuer's devices. By default it does not: a
    /// fleet should not stand still because a file was not fetched.
    #[serde(default)]
    pub refuse_stale_crls: bool,
    /// Which certificates must be covered, where there are CRLs.
    #[serde(default)]
    pub crl_coverage: CrlCoverage,
    /// Whether devices that are already pinned outlive the expiry (never the revocation) of the
    /// CA that issued them. New devices do not.
    #[serde(default)]
    pub pinned_devices_outlive_issuing_ca: bool,
}

/// The bytes that the files of an [`AnchorConfig`] hold, in DER.
#[derive(Clone, Debug, Default)]
pub struct AnchorMaterial {
    /// Root certificates.
    pub roots: Vec<Vec<u8>>,
    /// Intermediate certificates.
    pub intermediates: Vec<Vec<u8>>,
    /// CRLs.
    pub crls: Vec<Vec<u8>>,
}

/// A trust anchor that can be used.
#[derive(Debug)]
pub struct TrustAnchor {
    config: AnchorConfig,
    trust: Trust,
    digest: [u8; 32],
}

/// Why a trust anchor cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// A file cannot be read.
    #[error("trust anchor {anchor:?}: {source}")]
    Unreadable {
        /// The anchor's name.
        anchor: String,
        /// Which file, and why.
        source: UnreadableFile,
    },
    /// What the files hold does not serve.
    #[error("trust anchor {anchor:?}: {source}")]
    Invalid {
        /// The anchor's name.
        anchor: String,
        /// Why.
        source: InvalidTrust,
    },
}

impl TrustAnchor {
    /// Reads the files of a configured anchor, relative to `base`.
    ///
    /// # Errors
    /// A file cannot be read, or what it holds does not serve.
    pub fn load(config: AnchorConfig, base: &Path) -> Result<Self, AnchorError> {
        let read = |paths: &[PathBuf], kind| {
            let mut ders = Vec::new();
            for path in paths {
                ders.extend(pem_files::read(&base.join(path), kind)?);
            }
            Ok(ders)
        };
        let material = (|| {
            Ok(AnchorMaterial {
                roots: read(&config.roots, pem_files::Kind::Certificate)?,
                intermediates: read(&config.intermediates, pem_files::Kind::Certificate)?,
                crls: read(&config.crls, pem_files::Kind::Crl)?,
            })
        })()
        .map_err(|source| AnchorError::Unreadable {
            anchor: config.name.clone(),
            source,
        })?;
        Self::new(config, material)
    }

    /// Makes an anchor of bytes; the paths in `config` are not looked at.
    ///
    /// # Errors
    /// The bytes do not serve.
    pub fn new(config: AnchorConfig, material: AnchorMaterial) -> Result<Self, AnchorError> {
        let trust = Trust::new(
            material.roots,
            material.intermediates,
            &material.crls,
            CrlRules {
                refuse_stale: config.refuse_stale_crls,
                coverage: config.crl_coverage,
            },
        )
        .map_err(|source| AnchorError::Invalid {
            anchor: config.name.clone(),
            source,
        })?;
        let digest = digest(&config, &trust);
        Ok(Self {
            config,
            trust,
            digest,
        })
    }

    /// What logs and the database call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The product line of its devices.
    #[must_use]
    pub fn product_line(&self) -> &str {
        &self.config.product_line
    }

    /// What the ids of its devices begin with.
    #[must_use]
    pub const fn id_prefix(&self) -> &IdPrefix {
        &self.config.id_prefix
    }

    /// Where the identity of its devices stands.
    #[must_use]
    pub const fn identity_rule(&self) -> &IdentityRule {
        &self.config.identity
    }

    /// What becomes of a new device.
    #[must_use]
    pub const fn admission(&self) -> AdmissionMode {
        self.config.admission
    }

    /// What an operator should know: certificates that could not issue now, stale CRLs.
    #[must_use]
    pub fn faults(&self, now: Timestamp) -> Vec<String> {
        self.trust.faults(now)
    }

    pub(super) const fn pinned_devices_outlive_issuing_ca(&self) -> bool {
        self.config.pinned_devices_outlive_issuing_ca
    }

    pub(super) const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Changes whenever anything does that decides what is accepted, or as which device.
    pub(super) const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

fn digest(config: &AnchorConfig, trust: &Trust) -> [u8; 32] {
    let identity = config.identity.to_string();
    let words = [
        config.name.as_str(),
        &config.product_line,
        config.id_prefix.as_str(),
        &identity,
    ];
    let mut hash = Sha256::new_with_prefix(trust.digest());
    for word in words {
        hash.update(word.len().to_be_bytes());
        hash.update(word);
    }
    hash.update([
        config.admission as u8,
        u8::from(config.pinned_devices_outlive_issuing_ca),
    ]);
    hash.finalize().into()
}
