//! Devices of one's own: the real agent, each with its certificate, over real mutual TLS.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fleetgrant_agent::host::{
    AnyStorage, Broker, Device, DeviceConfig, DeviceEvent, FileStorage, HostKeys, InvalidKey,
    OwnedPlatform, mutual_tls,
};
use fleetgrant_schemas::keys::{AuthorityKey, PublicKey, Role};
use fleetgrant_schemas::topic::MessageType;
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Installation;
use crate::crypto::AuthorityKeyError;
use crate::gateway::{StartError, authority_key};
use crate::pki::PkiError;
use crate::tls::{self, TlsError};

/// The private enterprise number that RFC 5612 sets apart for documentation.
const EXAMPLE_PEN: u32 = 32_473;
/// Devices that connect at a time: more only wait for each other's handshakes.
const CONNECTING: usize = 64;
/// How long one device may take from its start to its acknowledgement.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why a device cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// Its certificate cannot be made or read.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// Its key is of no use.
    #[error("the key of device {serial}: {source}")]
    Key {
        /// Which device.
        serial: String,
        /// Why.
        source: InvalidKey,
    },
    /// A file of it cannot be read or written.
    #[error("device {serial}: {source}")]
    File {
        /// Which device.
        serial: String,
        /// What the system said.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The device's certificate or key is of no use to TLS.
    #[error(transparent)]
    DeviceTls(#[from] fleetgrant_agent::host::TlsError),
    /// The authority's key, which devices pin, cannot be read.
    #[error(transparent)]
    Authority(#[from] AuthorityKeyError),
    /// The installation cannot be read.
    #[error(transparent)]
    Installation(#[from] StartError),
}

/// What every device of the fleet is built with.
#[derive(Debug)]
pub struct Fleet {
    realm: String,
    host: String,
    port: u16,
    topic_prefix: String,
    roots: Arc<RootCertStore>,
    authority_keys: Vec<AuthorityKey>,
    features: Vec<String>,
    devices: PathBuf,
}

impl Fleet {
    /// A fleet of this installation, whose firmware knows these features.
    ///
    /// # Errors
    /// The installation's files cannot be read.
    pub fn new(installation: &Installation, features: &[&str]) -> Result<Self, FleetError> {
        let config = &installation.config;
        let key = authority_key(config)?;
        let public = PublicKey::from_sec1(key.public_key().as_bytes());
        let authority_keys = public.map(|public| AuthorityKey {
            key: public,
            not_before: key.not_before().seconds(),
            not_after: key.not_after().seconds(),
            epoch: key.epoch(),
            role: Role::Grants,
        });
        Ok(Self {
            realm: config.realm.to_string(),
            host: config.broker.address.host.clone(),
            port: config.broker.address.port,
            topic_prefix: config.broker.topic_prefix.clone(),
            roots: Arc::new(tls::root_store(&config.broker.tls.roots)?),
            authority_keys: authority_keys.into_iter().collect(),
            features: features
                .iter()
                .map(|feature| (*feature).to_owned())
                .collect(),
            devices: installation.folder().join("devices"),
        })
    }

    /// A device of this serial: its certificate is issued at its first start, and what it stored
    /// is there at the next.
    ///
    /// # Errors
    /// Its files cannot be read or written.
    pub fn device(
        &self,
        installation: &Installation,
        serial: &str,
    ) -> Result<DeviceConfig, FleetError> {
        let file = |source| FleetError::File {
            serial: serial.to_owned(),
            source,
        };
        let folder = installation.pki.devices();
        let (chain, key) = (
            folder.join(format!("{serial}.pem")),
            folder.join(format!("{serial}.key")),
        );
        if !chain.exists() {
            installation
                .pki
                .issue_device(serial, "mk2")?
                .write(&folder)?;
        }
        let chain: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(&fs::read(&chain).map_err(file)?)
            .filter_map(|der| der.ok().map(|der| der.to_vec()))
            .collect();
        let key =
            PrivatePkcs8KeyDer::from_pem_slice(&fs::read(&key).map_err(file)?).map_err(|_| {
                FleetError::Key {
                    serial: serial.to_owned(),
                    source: InvalidKey,
                }
            })?;
        let storage = FileStorage::new(&self.devices.join(serial)).map_err(file)?;
        self.assemble(
            serial,
            chain,
            key.secret_pkcs8_der(),
            AnyStorage::File(storage),
        )
    }

    /// A device of this key, chain and storage.
    ///
    /// # Errors
    /// The key or the certificate is of no use.
    pub fn assemble(
        &self,
        serial: &str,
        chain: Vec<Vec<u8>>,
        key: &[u8],
        storage: AnyStorage,
    ) -> Result<DeviceConfig, FleetError> {
        let tls = mutual_tls(Arc::clone(&self.roots), &chain, key)?;
        let keys = HostKeys::from_pkcs8_der(key, chain).map_err(|source| FleetError::Key {
            serial: serial.to_owned(),
            source,
        })?;
        Ok(DeviceConfig {
            device: format!("dev-{serial}"),
            realm: self.realm.clone(),
            broker: Broker {
                host: self.host.clone(),
                port: self.port,
                tls,
                topic_prefix: self.topic_prefix.clone(),
                session_expiry: Duration::ZERO,
            },
            keys,
            storage,
            authority_keys: self.authority_keys.clone(),
            roots: Vec::new(),
            features: self.features.clone(),
            platform: OwnedPlatform {
                oem_id: Some(EXAMPLE_PEN),
                hw_model: Some(b"mk2".to_vec()),
                sw_name: Some("quickstart".to_owned()),
                sw_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                sw_built: None,
            },
        })
    }
}

/// How one device's run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    /// It signed for its grant.
    Acknowledged,
    /// It was refused; the last thing it was told.
    Refused(String),
    /// Nothing came in time; the last thing that happened.
    Silent(String),
}

/// Runs devices from their start to their signed acknowledgement. `done` is called for each.
pub async fn run(devices: Vec<DeviceConfig>, done: impl Fn(&str, &Run)) -> Vec<(String, Run)> {
    let places = Arc::new(Semaphore::new(CONNECTING));
    let mut running = JoinSet::new();
    for device in devices {
        let places = Arc::clone(&places);
        running.spawn(async move {
            let id = device.device.clone();
            // The semaphore is never closed.
            let _place = places.acquire_owned().await;
            let run = run_one(device).await;
            (id, run)
        });
    }
    let mut runs = Vec::new();
    while let Some(joined) = running.join_next().await {
        if let Ok((id, run)) = joined {
            done(&id, &run);
            runs.push((id, run));
        }
    }
    runs
}

async fn run_one(config: DeviceConfig) -> Run {
    let mut device = Device::spawn(config);
    let mut last = "it did not connect".to_owned();
    let acknowledged = tokio::time::timeout(PATIENCE, watch(&mut device, &mut last)).await;
    let run = match acknowledged {
        Ok(run) => run,
        Err(_) => Run::Silent(last),
    };
    if let Err(error) = device.stop().await {
        return Run::Refused(error.to_string());
    }
    run
}

/// A notice that the agent itself acts on is not the end.
async fn watch(device: &mut Device, last: &mut String) -> Run {
    use fleetgrant_agent::Event;
    use fleetgrant_schemas::notice::NoticeCode as Code;
    while let Some(event) = device.next_event().await {
        match event {
            DeviceEvent::Sent(sent) if sent.message == MessageType::Ack => {
                return Run::Acknowledged;
            }
            DeviceEvent::Agent(Event::Notice(
                code @ (Code::NotAdmitted
                | Code::Quarantined
                | Code::Revoked
                | Code::Denied
                | Code::WrongRealm
                | Code::IdentityConflict),
            )) => return Run::Refused(code.to_string()),
            DeviceEvent::Agent(event) => *last = format!("{event:?}"),
            DeviceEvent::Disconnected(reason) => *last = format!("disconnected: {reason}"),
            _ => {}
        }
    }
    Run::Silent("the device stopped".to_owned())
}
