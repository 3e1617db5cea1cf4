#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use rustls_pki_types::PrivateKeyDer;

use super::*;
use crate::crypto::{AuthorityKey, Es256 as _, Ring};
use crate::identity::{DeviceVerifier, PeerIdentity, PeerVerifier, RoleVerifier, TrustAnchor};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn new_pki() -> (tempfile::TempDir, DevPki, NewAuthority) {
    let folder = tempfile::tempdir().unwrap();
    let pki = folder.path().join("pki");
    let (pki, authority) = DevPki::create(&pki, &DevPkiOptions::default(), NOW).unwrap();
    (folder, pki, authority)
}

fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn verifier(pki: &DevPki) -> DeviceVerifier {
    let config = DevPki::anchor_config(Path::new(""), AdmissionMode::Open);
    let anchor = TrustAnchor::load(config, pki.folder()).unwrap();
    DeviceVerifier::new(vec![anchor], 1 << 20).unwrap()
}

#[test]
fn its_devices_are_authenticated_under_its_anchor() {
    let (_folder, pki, _) = new_pki();
    let device = pki.issue_device("SN-0001", "FG-100").unwrap();
    let chain: Vec<&[u8]> = device.chain().iter().map(Vec::as_slice).collect();
    let verifier = verifier(&pki);
    for presented in [&chain[..], &chain[..1]] {
        let verified = verifier.verify(presented, NOW).unwrap();
        assert_eq!(verified.device().as_str(), "dev-SN-0001");
        assert_eq!(verified.hardware_type(), Some(DEV_HARDWARE_TYPE));
        assert_eq!(verified.anchor().product_line(), "development");

        use p256::pkcs8::DecodePrivateKey as _;
        let secret = p256::SecretKey::from_pkcs8_der(device.key_der()).unwrap();
        let signature = Ring.signing_key(&secret).unwrap().sign(b"hello").unwrap();
        assert!(verified.authenticate(&Ring, b"hello", &signature).is_ok());
        assert!(verified.authenticate(&Ring, b"hellO", &signature).is_err());
    }
}

#[test]
fn its_gateway_has_the_role_and_its_broker_is_neither_a_role_nor_a_device() {
    let (_folder, pki, _) = new_pki();
    let at = |name: &str| certificates(&pki.folder().join(name));
    let roles = RoleVerifier::new(vec![at("service-ca.pem").remove(0).to_vec()]).unwrap();
    let peers = PeerVerifier::new(verifier(&pki).into(), roles).unwrap();
    match peers.identify(&at("gateway.pem"), NOW).unwrap() {
        PeerIdentity::Role(found) => {
            assert_eq!(found.role, Role::Gateway);
            assert_eq!(found.instance, "gateway-1");
        }
        PeerIdentity::Device(id) => panic!("a gateway passed as device {id}"),
    }
    let refusal = peers.identify(&at("broker.pem"), NOW).unwrap_err();
    assert_eq!(refusal.name(), "leaf-extended-key-usage");
}

#[test]
fn its_authority_signs_for_a_year() {
    let (_folder, pki, authority) = new_pki();
    let load = |not_after| {
        AuthorityKey::load(
            &authority.key,
            authority.epoch,
            authority.not_before,
            not_after,
        )
    };
    let key = load(authority.not_after).unwrap();
    assert_eq!(key.thumbprint(), authority.thumbprint());
    assert_eq!(key.key_id().0, authority.thumbprint().0[..8]);
    let signature = key.sign(b"grant").unwrap();
    assert!(Ring.verify(key.public_key(), b"grant", &signature).is_ok());
    assert!(key.may_sign_at(NOW) && !key.may_sign_at(NOW.plus_seconds(366 * 86_400)));
    assert!(load(authority.not_after.plus_seconds(2 * 86_400)).is_err());
    assert!(load(authority.not_before).is_err());

    let second = pki.create_authority(2, NOW).unwrap();
    assert_eq!(second.key, pki.folder().join("authority-2.key"));
    assert_ne!(second.thumbprint(), authority.thumbprint());
    assert!(matches!(
        pki.create_authority(2, NOW),
        Err(PkiError::Exists(_))
    ));
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_its_keys() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, pki, _) = new_pki();
    pki.issue_device("SN-1", "FG-100")
        .unwrap()
        .write(&pki.devices())
        .unwrap();
    let entries = |path: &Path| -> Vec<_> {
        std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    };
    let mut keys = 0;
    for path in entries(pki.folder())
        .into_iter()
        .chain(entries(&pki.devices()))
    {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        if path.extension().is_some_and(|extension| extension == "key") {
            assert_eq!(mode, 0o600, "{}", path.display());
            keys += 1;
        } else if path.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
        }
    }
    assert_eq!(keys, 7);
}

#[test]
fn nothing_is_overwritten() {
    let (_folder, pki, _) = new_pki();
    let again = DevPki::create(pki.folder(), &DevPkiOptions::default(), NOW);
    assert!(matches!(again, Err(PkiError::Exists(_))));
    let device = pki.issue_device("SN-1", "FG-100").unwrap();
    device.write(&pki.devices()).unwrap();
    assert!(matches!(
        device.write(&pki.devices()),
        Err(PkiError::Exists(_))
    ));
    let missing = DevPki::open(&pki.folder().join("nowhere"));
    assert!(matches!(missing, Err(PkiError::NotAPki(_))));
}

#[test]
fn what_was_left_of_a_broken_start_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let partial = folder.path().join("pki.partial");
    std::fs::create_dir(&partial).unwrap();
    std::fs::write(partial.join("device-root.key"), "half").unwrap();
    let pki = folder.path().join("pki");
    DevPki::create(&pki, &DevPkiOptions::default(), NOW).unwrap();
    assert!(!partial.exists());
}

#[test]
fn a_serial_is_fit_for_a_file_name() {
    let (_folder, pki, _) = new_pki();
    for bad in ["", ".", "../x", "a/b", "a b", "é", &"9".repeat(49)] {
        assert!(
            matches!(pki.issue_device(bad, "FG-100"), Err(PkiError::Serial(_))),
            "{bad:?}"
        );
    }
}

#[test]
fn a_thousand_devices_are_distinct() {
    let (_folder, pki, _) = new_pki();
    let keys: HashSet<Vec<u8>> = (0..1_000)
        .map(|n| {
            let device = pki.issue_device(&format!("SN-{n:06}"), "FG-100").unwrap();
            assert!(PrivateKeyDer::try_from(device.key_der()).is_ok());
            device.key_der().to_vec()
        })
        .collect();
    assert_eq!(keys.len(), 1_000);
}
