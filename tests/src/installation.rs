//! An installation in a temporary folder, with a gateway in this process.

use std::net::{SocketAddr, TcpListener};

use fleetgrant::clock::Clock;
use fleetgrant::gateway::{Gateway, WithBroker};
use fleetgrant::identity::AdmissionMode;
use fleetgrant::quickstart::{Installation, InstallationOptions};
use fleetgrant::store::SchemaPolicy;
use tempfile::TempDir;

use crate::within;

/// Rates that no test runs into unless it means to.
pub const UNLIMITED: &str = "\n[limits.device]\nevery = \"1ms\"\nburst = 1000\n";

/// A port that was free a moment ago.
pub fn free_port() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap()
}

/// An installation, and the folder that goes when it does.
pub struct TestInstallation {
    /// The installation.
    pub installation: Installation,
    _folder: TempDir,
}

impl TestInstallation {
    /// Makes one. `more` is configuration beside what every installation has.
    pub fn new(admission: AdmissionMode, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = InstallationOptions {
            realm: "test".to_owned(),
            listen: free_port(),
            admission,
            more: more.to_owned(),
        };
        let now = Clock::system().now();
        let installation = Installation::open_or_create(folder.path(), &options, now).unwrap();
        Self {
            installation,
            _folder: folder,
        }
    }

    /// Starts a gateway with the embedded broker, and waits until it serves.
    pub async fn serve(&self) -> Gateway {
        let config = &self.installation.config;
        let (schema, broker) = (SchemaPolicy::Migrate, WithBroker::IfConfigured);
        let gateway = Gateway::start(config, schema, broker, Clock::system())
            .await
            .unwrap();
        let mut link = gateway.link();
        within("the gateway serves", link.wait_for(|s| s.is_connected()))
            .await
            .unwrap();
        gateway
    }
}
