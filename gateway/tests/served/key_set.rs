//! The authority's key is replaced: a device learns the new one from a root, through the gateway.

use std::path::Path;
use std::time::Duration;

use fleetgrant_agent::Event;
use fleetgrant_agent::host::{
    AnyStorage, Broker, Device, DeviceConfig, DeviceEvent, FileStorage, HostKeys, OwnedPlatform,
    broker_roots, chain_from_pem, key_from_pem, mutual_tls, public_key_from_pem,
};
use fleetgrant_schemas::keys::{AuthorityKey, PublicKey, Role};
use fleetgrant_schemas::limits::MAX_INSTANT;

use crate::line::{acknowledged, ordered};
use crate::site::{Site, until};

const ID: &str = "dev-K1";

/// A device built with the first key of the authority and both roots.
fn device(site: &Site, folder: &Path) -> DeviceConfig {
    let installation = &site.installation;
    let devices = folder.join("credentials");
    let (chain, key) = if devices.exists() {
        (devices.join("K1.pem"), devices.join("K1.key"))
    } else {
        std::fs::create_dir(&devices).unwrap();
        let made = installation.pki.issue_device("K1", "mk2").unwrap();
        made.write(&devices).unwrap()
    };
    let read = |path: &Path| std::fs::read(path).unwrap();
    let public = |path: &Path| -> PublicKey {
        public_key_from_pem(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let (chain, key) = (
        chain_from_pem(&read(&chain)).unwrap(),
        key_from_pem(&read(&key)).unwrap(),
    );
    let broker = &installation.config.broker;
    let roots = broker_roots(&read(&broker.tls.roots)).unwrap();
    DeviceConfig {
        device: ID.to_owned(),
        realm: installation.config.realm.to_string(),
        broker: Broker {
            host: "localhost".to_owned(),
            port: broker.address.port,
            tls: mutual_tls(roots, &chain, &key).unwrap(),
            topic_prefix: broker.topic_prefix.clone(),
            session_expiry: Duration::from_secs(3_600),
        },
        keys: HostKeys::from_pkcs8_der(&key, chain.iter().map(|c| c.to_vec()).collect()).unwrap(),
        storage: AnyStorage::File(FileStorage::new(&folder.join("records")).unwrap()),
        authority_keys: vec![AuthorityKey {
            key: public(&installation.authority_public_key()),
            not_before: 0,
            not_after: MAX_INSTANT,
            epoch: 1,
            role: Role::Grants,
        }],
        roots: ["root-1.pub", "root-2.pub"]
            .map(|name| public(&site.path("roots").join(name)))
            .to_vec(),
        features: vec!["bandwidth-500".to_owned()],
        platform: OwnedPlatform::default(),
    }
}

/// Waits for an event of the device.
async fn happens<T>(device: &mut Device, found: impl Fn(&DeviceEvent) -> Option<T>) -> T {
    let wait = async {
        loop {
            let event = device.next_event().await.unwrap();
            if let Some(found) = found(&event) {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait)
        .await
        .expect("it happens in time")
}

fn granted(event: &DeviceEvent) -> Option<u64> {
    match event {
        DeviceEvent::Granted { generation, .. } => Some(*generation),
        _ => None,
    }
}

fn keys_installed(event: &DeviceEvent) -> Option<u32> {
    match event {
        DeviceEvent::Agent(Event::KeysInstalled { generation }) => Some(*generation),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_follows_the_authority_to_its_next_key() {
    let site = ordered("K1");
    site.command(&["pki", "roots", "--dir", "roots"]);
    let folder = tempfile::tempdir().unwrap();
    {
        let mut first = Device::spawn(device(&site, folder.path()));
        happens(&mut first, granted).await;
        until("the first set is acknowledged", || {
            acknowledged(&site, ID) > 0
        });
        first.stop().await.unwrap();
    }
    let before = acknowledged(&site, ID);

    // The next key, in a key set by a root, beside the one it follows.
    site.command(&["pki", "authority", "--dir", "data/pki", "--epoch", "2"]);
    let config = std::fs::read_to_string(site.installation.config_file()).unwrap();
    let value = |key: &str| {
        let line = config
            .lines()
            .find(|line| line.starts_with(&format!("{key} = ")));
        line.unwrap().split('"').nth(1).unwrap().to_owned()
    };
    let (from, end) = (value("not_before"), value("not_after"));
    let named = |file: &str, epoch: u32| format!("data/pki/{file},{epoch},{from},{end}");
    site.command(&[
        "pki",
        "keys",
        "--root",
        "roots/root-1.key",
        "--realm",
        site.installation.config.realm.as_str(),
        "--generation",
        "1",
        "--grants",
        &named("authority-2.pub", 2),
        "--grants",
        &named("authority.pub", 1),
        "--out",
        "data/keys-1.cbor",
    ]);
    let site = site.restarted(|config| {
        config
            .replace("pki/authority.key", "pki/authority-2.key")
            .replace("\nepoch = 1", "\nepoch = 2\nkey_set = \"keys-1.cbor\"")
    });

    let mut second = Device::spawn(device(&site, folder.path()));
    assert_eq!(happens(&mut second, keys_installed).await, 1);
    happens(&mut second, granted).await;
    until("a set of the new key is acknowledged", || {
        acknowledged(&site, ID) > before
    });
    second.stop().await.unwrap();
    // It says which keys it has, and is sent them no more.
    let mut third = Device::spawn(device(&site, folder.path()));
    let next = happens(&mut third, |event| match event {
        DeviceEvent::Agent(Event::KeysInstalled { .. }) => Some(false),
        DeviceEvent::Granted { .. } => Some(true),
        _ => None,
    })
    .await;
    assert!(next, "the keys came again");
    third.stop().await.unwrap();
}
