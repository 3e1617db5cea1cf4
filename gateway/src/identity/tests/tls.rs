//! Real handshakes.

use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, SignatureScheme,
};

use super::*;
use crate::clock::Clock;
use crate::crypto::tls_provider;
use crate::pki::forge::{Attribute, Extension, dns, name, utc};

/// A CA for the maker's own services, a TLS server under it, and the devices' root.
struct Installation {
    services: Ca,
    factory: Ca,
    server: (Vec<u8>, ForgeKey),
}

impl Installation {
    fn new() -> Self {
        let services = Ca::root_with(ForgeKey::p256(), |it| {
            it.subject = name(&[Attribute::common_name("Services")]);
        });
        let key = ForgeKey::p256();
        let certificate = services.sign(Forge::device("broker", &key).with(|it| {
            it.extensions = vec![Extension::alternative_names(&[dns("localhost")])];
        }));
        Self {
            services,
            factory: Ca::root(),
            server: (certificate, key),
        }
    }

    fn peers(&self) -> Arc<PeerVerifier> {
        let devices = verifier(
            config(IdentityRule::SubjectSerialNumber),
            material(&self.factory),
        );
        let roles = RoleVerifier::new(vec![self.services.der.clone()]).unwrap();
        Arc::new(PeerVerifier::new(Arc::new(devices), roles).unwrap())
    }

    /// Who the server takes a client for that presents this chain and signs with this key.
    fn handshake(
        &self,
        chain: &[Vec<u8>],
        key: &ForgeKey,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> Result<PeerIdentity, rustls::Error> {
        let peers = self.peers();
        let (certificate, server_key) = &self.server;
        let server = ServerConfig::builder_with_provider(tls_provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(Arc::clone(&peers) as _)
            .with_single_cert(
                vec![CertificateDer::from(certificate.clone())],
                private_key(server_key),
            )
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from(self.services.der.clone()))
            .unwrap();
        let client = ClientConfig::builder_with_provider(tls_provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(Presents::new(chain, key)));
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        pump(&mut client, &mut server)?;
        let presented = server.peer_certificates().unwrap();
        Ok(peers.identify(presented, Clock::system().now()).unwrap())
    }
}

/// Presents whatever it is told, its own or not: rustls's own resolver refuses a wrong pair.
#[derive(Debug)]
struct Presents(Arc<CertifiedKey>);

impl Presents {
    fn new(chain: &[Vec<u8>], key: &ForgeKey) -> Self {
        let key = tls_provider()
            .key_provider
            .load_private_key(private_key(key))
            .unwrap();
        let chain = chain.iter().cloned().map(CertificateDer::from).collect();
        Self(Arc::new(CertifiedKey::new(chain, key)))
    }
}

impl ResolvesClientCert for Presents {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn private_key(key: &ForgeKey) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(key.pkcs8().to_vec()).unwrap()
}

/// Carries bytes both ways until both ends are done, or the server refuses.
fn pump(client: &mut ClientConnection, server: &mut ServerConnection) -> Result<(), rustls::Error> {
    for _ in 0..8 {
        let mut up = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut up).unwrap();
        }
        let mut up = up.as_slice();
        while !up.is_empty() {
            server.read_tls(&mut up).unwrap();
            server.process_new_packets()?;
        }
        let mut down = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut down).unwrap();
        }
        let mut down = down.as_slice();
        while !down.is_empty() {
            client.read_tls(&mut down).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    assert!(!server.is_handshaking());
    Ok(())
}

const VERSIONS: [&rustls::SupportedProtocolVersion; 2] =
    [&rustls::version::TLS12, &rustls::version::TLS13];

#[test]
fn a_device_is_who_its_certificate_says() {
    let installation = Installation::new();
    let issuing = installation.factory.below("Issuing");
    let key = ForgeKey::p256();
    let chain = [
        issuing.sign(Forge::device("SN1", &key)),
        issuing.der.clone(),
    ];
    for version in VERSIONS {
        let peer = installation.handshake(&chain, &key, version).unwrap();
        let id = fleetgrant_core::domain::DeviceId::new("acme-SN1").unwrap();
        assert_eq!(peer, PeerIdentity::Device(id));
    }
}

#[test]
fn the_gateway_is_its_role_and_no_device() {
    let installation = Installation::new();
    let key = ForgeKey::p256();
    let gateway = |units: &[&str]| {
        let mut subject = vec![Attribute::common_name("gateway-1")];
        subject.extend(units.iter().map(|unit| Attribute::unit(unit)));
        let subject = name(&subject);
        installation
            .services
            .sign(Forge::device("", &key).with(|it| it.subject = subject))
    };
    for version in VERSIONS {
        let peer = installation
            .handshake(&[gateway(&["gateway"])], &key, version)
            .unwrap();
        let expected = RoleIdentity {
            role: Role::Gateway,
            instance: "gateway-1".to_owned(),
        };
        assert_eq!(peer, PeerIdentity::Role(expected));
        for units in [&[][..], &["operator"], &["gateway", "gateway"]] {
            let refused = installation.handshake(&[gateway(units)], &key, version);
            assert!(refused.is_err(), "{units:?}");
        }
    }
}

#[test]
fn a_factory_makes_no_gateways() {
    let installation = Installation::new();
    let key = ForgeKey::p256();
    let subject = name(&[
        Attribute::common_name("gateway-1"),
        Attribute::unit("gateway"),
        Attribute::serial_number("SN1"),
    ]);
    let forged = Forge::device("SN1", &key).with(|it| it.subject = subject);
    let peer = installation
        .handshake(
            &[installation.factory.sign(forged)],
            &key,
            &rustls::version::TLS13,
        )
        .unwrap();
    assert!(matches!(peer, PeerIdentity::Device(_)), "{peer:?}");
}

#[test]
fn what_is_refused_is_refused_in_the_handshake() {
    let installation = Installation::new();
    let key = ForgeKey::p256();
    let factory = &installation.factory;
    let with = |change: fn(&mut Forge)| factory.sign(Forge::device("SN1", &key).with(change));
    let stranger = Ca::root().sign(Forge::device("SN1", &key));
    let chains = [
        ("expired", with(|it| it.not_after = utc("210101000000Z"))),
        ("a CA", with(|it| it.extensions = vec![Extension::ca(None)])),
        (
            "for another use",
            with(|it| it.extensions = vec![Extension::key_usage(&[2])]),
        ),
        ("without identity", with(|it| it.subject = name(&[]))),
        ("of a stranger", stranger),
    ];
    for version in VERSIONS {
        for (what, certificate) in &chains {
            let refused = installation.handshake(std::slice::from_ref(certificate), &key, version);
            let error = refused.unwrap_err();
            assert!(
                matches!(error, rustls::Error::InvalidCertificate(_)),
                "{what}: {error:?}"
            );
        }
    }
}

#[test]
fn a_stolen_certificate_is_worth_nothing_without_its_key() {
    let installation = Installation::new();
    let (key, thief) = (ForgeKey::p256(), ForgeKey::p256());
    let certificate = installation.factory.sign(Forge::device("SN1", &key));
    for version in VERSIONS {
        let refused = installation.handshake(std::slice::from_ref(&certificate), &thief, version);
        assert!(refused.is_err());
    }
}
