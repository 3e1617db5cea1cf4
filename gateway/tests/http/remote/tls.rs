//! The same over TLS, as a proxy before the gateway has it.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;

use super::Elsewhere;
use crate::desk::DEVICE;
use crate::folder::{CONFIG, UNAVAILABLE};

/// A CA of the house, which no system trusts.
struct House {
    root: String,
    issuer: Issuer<'static, KeyPair>,
}

impl House {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "House");
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().pem();
        Self {
            root,
            issuer: Issuer::new(params, key),
        }
    }

    /// What ends TLS for a name, and hands on what it reads.
    async fn proxy(&self, name: &str, to: SocketAddr) -> SocketAddr {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::from(key))
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut outer) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut inner = TcpStream::connect(to).await.unwrap();
                    let copied = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
                    // Who has its answer may go without a word.
                    drop(copied);
                });
            }
        });
        address
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_gateway_is_asked_over_tls_if_its_certificate_is_good() {
    let it = Elsewhere::with_samples().await;
    let (house, other) = (House::new(), House::new());
    let (root, others) = (
        it.file("root.pem", &house.root),
        it.file("other.pem", &other.root),
    );
    let port = house.proxy("localhost", it.api.address).await.port();
    let elsewhere = house.proxy("gateway.example", it.api.address).await.port();
    let ask = |port: u16, more: &[&str]| {
        let server = format!("https://localhost:{port}");
        let args = [&["devices", "list", "--server", &server], more].concat();
        let key = [("FLEETGRANT_KEY", it.key.as_str())];
        it.folder.run_with(&args, &key)
    };
    ask(port, &["--server-ca", &root]).done().shows(&[DEVICE]);
    // Neither what the system trusts, nor another's root, nor a certificate for another name.
    for (port, more) in [
        (port, vec![]),
        (port, vec!["--server-ca", &others]),
        (elsewhere, vec!["--server-ca", &root]),
    ] {
        ask(port, &more).ends(
            UNAVAILABLE,
            &["cannot ask https://localhost:", "certificate"],
        );
    }
    let none = it.file("none.pem", "no certificate");
    ask(port, &["--server-ca", &none]).ends(CONFIG, &["none.pem"]);

    it.file(
        "fleetgrant.toml",
        &format!("[remote]\nserver = \"https://localhost:{port}\"\nca = \"root.pem\"\n"),
    );
    let key = [("FLEETGRANT_KEY", it.key.as_str())];
    let configured = it.folder.run_with(&["devices", "list"], &key);
    configured.done().shows(&[DEVICE]);
}
