//! The TLS wall and the message wall say the same, of every certificate in the table.

use std::sync::Arc;

use rustls::server::danger::ClientCertVerifier as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::crypto::{Es256, Portable, Ring, SignatureRefused};

#[test]
fn neither_wall_refuses_what_the_other_admits() {
    for case in table().iter().filter(|case| !case.chain.is_empty()) {
        let services = Ca::root();
        let roles = RoleVerifier::new(vec![services.der]).unwrap();
        let peers = PeerVerifier::new(Arc::new(case.verifier()), roles).unwrap();
        let chain: Vec<_> = case
            .chain
            .iter()
            .map(|der| CertificateDer::from(der.as_slice()))
            .collect();

        let at_message = case.verifier().verify(&slices(&case.chain), case.now);
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(case.now.seconds()));
        let at_tls = peers.verify_client_cert(&chain[0], &chain[1..], now);
        assert_eq!(
            at_tls.is_ok(),
            at_message.is_ok(),
            "{}: {at_tls:?}",
            case.name
        );

        let identified = peers.identify(&chain, case.now);
        match (identified, at_message) {
            (Ok(PeerIdentity::Device(id)), Ok(verified)) => {
                assert_eq!(id, *verified.device(), "{}", case.name);
            }
            (Err(tls), Err(message)) => assert_eq!(tls.name(), message.name(), "{}", case.name),
            (tls, message) => panic!("{}: {tls:?} at TLS, {message:?}", case.name),
        }
    }
}

#[test]
fn a_certificate_alone_authenticates_nobody() {
    let root = Ca::root();
    let (key, thief) = (ForgeKey::p256(), ForgeKey::p256());
    let leaf = root.sign(Forge::device("SN1", &key));
    let verifier = verifier(config(IdentityRule::SubjectSerialNumber), material(&root));
    let verified = verifier.verify(&[&leaf], NOW).unwrap();
    let sign = |key: &ForgeKey| {
        use p256::pkcs8::DecodePrivateKey as _;
        let secret = p256::SecretKey::from_pkcs8_der(key.pkcs8()).unwrap();
        Ring.signing_key(&secret)
            .unwrap()
            .sign(b"a message")
            .unwrap()
    };
    for backend in [&Ring as &dyn Es256, &Portable] {
        let device = verified
            .authenticate(backend, b"a message", &sign(&key))
            .unwrap();
        assert_eq!(device.device().as_str(), "acme-SN1");
        assert_eq!(device.message().0, Sha256::digest(b"a message").as_slice());
        for (message, signature) in [(b"a message", sign(&thief)), (b"A message", sign(&key))] {
            let refused = verified.authenticate(backend, message, &signature);
            assert_eq!(refused.unwrap_err(), SignatureRefused::Mismatch);
        }
    }
}

#[test]
fn a_device_anchor_may_not_contain_the_role_ca() {
    let root = Ca::root();
    let devices = Arc::new(verifier(config(IdentityRule::Uri), material(&root)));
    let roles = RoleVerifier::new(vec![root.der.clone()]).unwrap();
    assert!(PeerVerifier::new(devices, roles).is_err());
}

#[test]
fn nothing_secret_and_no_certificate_is_in_a_log() {
    let root = Ca::root();
    let leaf = root.device();
    let verifier = verifier(config(IdentityRule::SubjectSerialNumber), material(&root));
    let verified = verifier.verify(&[&leaf], NOW).unwrap();
    let logged = format!("{verified:?}");
    assert!(
        logged.contains("acme-SN1") && logged.len() < 400,
        "{logged}"
    );
}
