//! A device in C (`device-agent/ffi/examples/device.c`), through the same bridge as the firmware.
//! `tests/checks/ffi.sh` builds both and runs this.

use std::path::{Path, PathBuf};
use std::process::Command;

use fleetgrant_agent::host::{chain_from_pem, key_from_pem, public_key_from_pem};
use p256::pkcs8::DecodePrivateKey as _;

use crate::line::{Running, acknowledged, ordered, tool};
use crate::site::{Site, until};

/// A device's folder, with what the factory wrote into it.
struct Device {
    folder: tempfile::TempDir,
    id: String,
    realm: String,
    bridge: Vec<String>,
}

impl Device {
    fn new(site: &Site, serial: &str) -> Self {
        let installation = &site.installation;
        let folder = tempfile::tempdir().unwrap();
        let credentials = installation.pki.issue_device(serial, "mk2").unwrap();
        let (chain, key) = credentials.write(folder.path()).unwrap();
        let put = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        };
        let certificates = chain_from_pem(&std::fs::read(&chain).unwrap()).unwrap();
        put("leaf.der", &certificates[0]);
        if let Some(issuer) = certificates.get(1) {
            put("issuer.der", issuer);
        }
        let pkcs8 = key_from_pem(&std::fs::read(&key).unwrap()).unwrap();
        let scalar = p256::SecretKey::from_pkcs8_der(&pkcs8).unwrap().to_bytes();
        put("key.bin", &scalar);
        let authority = std::fs::read_to_string(installation.authority_public_key()).unwrap();
        let authority = public_key_from_pem(&authority).unwrap();
        put("authority.bin", &[authority.x, authority.y].concat());
        let broker = &installation.config.broker;
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let id = format!("dev-{serial}");
        let bridge = [
            ("cert", text(&chain)),
            ("key", text(&key)),
            ("device", id.clone()),
            ("broker", format!("localhost:{}", broker.address.port)),
            ("ca", text(&broker.tls.roots)),
            ("serial", text(&folder.path().join("line"))),
        ];
        let bridge = bridge.into_iter();
        Self {
            id,
            realm: installation.config.realm.to_string(),
            bridge: bridge
                .flat_map(|(name, value)| [format!("--{name}"), value])
                .collect(),
            folder,
        }
    }

    fn start(&self) -> Running {
        let running = Running::start(
            Command::new(tool("C_DEVICE"))
                .arg(self.folder.path())
                .args([&self.id, &self.realm, "1", "bandwidth-500"]),
        );
        running.says("started ");
        running
    }

    fn connect(&self, more: &[&str]) -> Running {
        Running::start(
            Command::new(tool("SERIAL_BRIDGE"))
                .arg("connect")
                .args(&self.bridge)
                .args(more)
                .current_dir(self.folder.path()),
        )
    }

    fn recorded(&self, message: &str) -> PathBuf {
        let recorded = std::fs::read_dir(self.folder.path().join("down")).unwrap();
        let recorded = recorded.map(|entry| entry.unwrap().path());
        let mut recorded =
            recorded.filter(|path| path.extension().is_some_and(|kind| kind == message));
        recorded.next().unwrap()
    }
}

#[test]
#[ignore = "needs the device in C: tests/checks/ffi.sh"]
fn a_device_in_c_activates_survives_and_refuses_what_is_old() {
    let site = ordered("C1");
    let device = Device::new(&site, "C1");
    let first = {
        let running = device.start();
        let _bridge = device.connect(&["--record", "down"]);
        running.says("on bandwidth-500");
        assert_eq!(running.says("vendor-data bandwidth-500 "), "00ff5c");
        running.says("sent ack");
        let mut generation = 0;
        until("the gateway has its acknowledgement", || {
            generation = acknowledged(&site, &device.id);
            generation > 0
        });
        let activated = site.json(&["activations", "list", "--state", "activated"]);
        assert_eq!(activated.as_array().unwrap().len(), 1);
        generation
        // It is killed, whatever it does.
    };

    // Without a connection it holds what it signed for.
    let running = device.start();
    assert_eq!(
        running.says(&format!("started {} holds ", device.id)),
        first.to_string()
    );
    assert_eq!(running.says("vendor-data bandwidth-500 "), "00ff5c");
    running.says("on bandwidth-500");
    drop(running);

    // A newer set comes; then the bridge sends the first again, and nothing changes.
    let first_grant = device.recorded("grant");
    {
        let running = device.start();
        let _bridge = device.connect(&[]);
        running.says("installed ");
        until("a newer set is acknowledged", || {
            acknowledged(&site, &device.id) > first
        });
    }
    let running = device.start();
    let _bridge = device.connect(&["--replay", first_grant.to_str().unwrap()]);
    assert_eq!(running.says("refused grant "), "superseded");
}
