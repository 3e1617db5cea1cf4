//! Certificates for one test: a factory CA for devices, an installation CA for the roles and the
//! broker, and a rogue one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use fleetgrant::broker::{PeerIdentity, ResolveIdentity};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

type Authority = Issuer<'static, KeyPair>;

pub(crate) struct Pki {
    factory: Authority,
    installation: Authority,
    rogue: Authority,
    roots: Vec<CertificateDer<'static>>,
    identities: Arc<Identities>,
}

/// Knows the certificates it has seen made.
#[derive(Default)]
struct Identities(Mutex<HashMap<Vec<u8>, PeerIdentity>>);

impl ResolveIdentity for Identities {
    fn resolve(&self, chain: &[CertificateDer<'_>]) -> Option<PeerIdentity> {
        self.0.lock().unwrap().get(chain.first()?.as_ref()).cloned()
    }
}

impl Pki {
    pub(crate) fn new() -> Self {
        let (factory, factory_root) = authority("factory");
        let (installation, installation_root) = authority("installation");
        let (rogue, _) = authority("rogue");
        Self {
            factory,
            installation,
            rogue,
            roots: vec![factory_root, installation_root],
            identities: Arc::default(),
        }
    }

    pub(crate) fn identities(&self) -> Arc<dyn ResolveIdentity> {
        Arc::clone(&self.identities) as Arc<dyn ResolveIdentity>
    }

    pub(crate) fn broker(&self) -> Arc<ServerConfig> {
        let (chain, key) = leaf(&self.installation, "broker", &["localhost", "127.0.0.1"]);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(self.store()), provider.clone())
                .build()
                .unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }

    pub(crate) fn device(&self, id: &str) -> Arc<ClientConfig> {
        self.known(&self.factory, id, PeerIdentity::Device(id.to_owned()))
    }

    pub(crate) fn role(&self, name: &str) -> Arc<ClientConfig> {
        self.known(
            &self.installation,
            name,
            PeerIdentity::Role(name.to_owned()),
        )
    }

    /// A certificate that verifies and stands for nobody.
    pub(crate) fn nobody(&self) -> Arc<ClientConfig> {
        self.client(Some(leaf(&self.factory, "nobody", &[])))
    }

    /// A certificate of a CA that the broker does not know, for the name of one it does.
    pub(crate) fn rogue(&self, id: &str) -> Arc<ClientConfig> {
        let (chain, key) = leaf(&self.rogue, id, &[]);
        let identity = PeerIdentity::Device(id.to_owned());
        self.remember(&chain[0], identity);
        self.client(Some((chain, key)))
    }

    pub(crate) fn without_certificate(&self) -> Arc<ClientConfig> {
        self.client(None)
    }

    fn known(&self, issuer: &Authority, name: &str, identity: PeerIdentity) -> Arc<ClientConfig> {
        let (chain, key) = leaf(issuer, name, &[]);
        self.remember(&chain[0], identity);
        self.client(Some((chain, key)))
    }

    fn remember(&self, certificate: &CertificateDer<'_>, identity: PeerIdentity) {
        let mut known = self.identities.0.lock().unwrap();
        known.insert(certificate.to_vec(), identity);
    }

    fn client(&self, certificate: Option<Leaf>) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.store());
        Arc::new(match certificate {
            Some((chain, key)) => config.with_client_auth_cert(chain, key).unwrap(),
            None => config.with_no_client_auth(),
        })
    }

    fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        for root in &self.roots {
            store.add(root.clone()).unwrap();
        }
        store
    }
}

type Leaf = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn authority(name: &str) -> (Authority, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let root = params.self_signed(&key).unwrap().der().clone();
    (Issuer::new(params, key), root)
}

fn leaf(issuer: &Authority, name: &str, hosts: &[&str]) -> Leaf {
    let key = KeyPair::generate().unwrap();
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
    ];
    let certificate = params.signed_by(&key, issuer).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    (vec![certificate], key)
}
