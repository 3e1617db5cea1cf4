#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::thread::{self, JoinHandle};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::*;
use crate::config::{Config, Overrides};
use crate::crypto::tls_provider;

/// A CA with a server's and a client's certificate, as files.
struct Pki {
    folder: tempfile::TempDir,
}

impl Pki {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("ca.pem", ca.self_signed(&ca_key).unwrap().pem());
        let issuer = Issuer::new(ca, ca_key);
        for name in ["broker", "gateway"] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            write(&format!("{name}.pem"), certificate.pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_file(self.path().join("ca.pem")).unwrap();
        roots.add(root).unwrap();
        roots
    }

    fn gateway(&self) -> GatewayTls {
        GatewayTls {
            roots: self.path().join("ca.pem"),
            certificate: self.path().join("gateway.pem"),
            key: self.path().join("gateway.key"),
        }
    }
}

/// Answers one connection as a broker with mutual TLS, that trusts `clients`.
fn serve(pki: &Pki, clients: RootCertStore) -> (u16, JoinHandle<()>) {
    let provider = tls_provider();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(clients), Arc::clone(&provider))
            .build()
            .unwrap();
    let chain = vec![CertificateDer::from_pem_file(pki.path().join("broker.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(pki.path().join("broker.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind("localhost:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
        while connection.is_handshaking() {
            if connection.complete_io(&mut socket).is_err() {
                // What is left is the alert that says why.
                let _ = connection.write_tls(&mut socket);
                return;
            }
        }
        let _ = socket.read(&mut [0; 64]);
    });
    (port, server)
}

fn broker(port: u16, tls: GatewayTls) -> Broker {
    let overrides = Overrides::none()
        .set("realm", "acme")
        .set("broker.mode", "external")
        .set("broker.address", format!("localhost:{port}"));
    let mut broker = Config::load(None, &overrides).unwrap().broker;
    broker.tls = tls;
    broker
}

fn only(findings: Vec<Finding>) -> Finding {
    assert_eq!(findings.len(), 1);
    findings.into_iter().next().unwrap()
}

#[test]
fn a_broker_that_takes_the_certificate_is_ok() {
    let pki = Pki::new();
    let (port, server) = serve(&pki, pki.roots());
    let finding = only(examine(&broker(port, pki.gateway())));
    assert_eq!(finding.verdict, "ok", "{}", finding.found);
    server.join().unwrap();
}

#[test]
fn a_broker_that_refuses_the_certificate_is_found_out() {
    let pki = Pki::new();
    let (port, server) = serve(&pki, Pki::new().roots());
    let finding = only(examine(&broker(port, pki.gateway())));
    assert_eq!(finding.verdict, "fail", "{}", finding.found);
    server.join().unwrap();
}

#[test]
fn a_broker_of_another_root_is_not_trusted() {
    let pki = Pki::new();
    let (port, server) = serve(&pki, pki.roots());
    let mut tls = pki.gateway();
    let other = Pki::new();
    tls.roots = other.path().join("ca.pem");
    let finding = only(examine(&broker(port, tls)));
    assert_eq!(finding.verdict, "fail");
    assert!(
        finding.found.contains("UnknownIssuer") || finding.found.contains("BadSignature"),
        "{}",
        finding.found
    );
    server.join().unwrap();
}

#[test]
fn an_embedded_broker_needs_its_port() {
    let pki = Pki::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let embedded = EmbeddedBroker {
        listen,
        certificate: pki.path().join("broker.pem"),
        key: pki.path().join("broker.key"),
        gateway_roots: pki.path().join("ca.pem"),
        max_connections: 1,
    };
    assert_eq!(idle(&embedded).verdict, "fail");
    drop(taken);
    assert_eq!(idle(&embedded).verdict, "ok");
}
