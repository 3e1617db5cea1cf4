//! Certificates for one test: a factory CA for devices, an installation CA for the roles and the
//! broker, and a rogue one.

use std::sync::Arc;

use fleetgrant::clock::Clock;
use fleetgrant::identity::{
    AdmissionMode, AnchorConfig, AnchorMaterial, CrlCoverage, DeviceVerifier, IdentityRule,
    PeerVerifier, RoleVerifier, TrustAnchor,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Every device id of these tests is this, a hyphen, and the common name of a certificate.
const PREFIX: &str = "dev";

type Authority = Issuer<'static, KeyPair>;

pub(crate) struct Pki {
    factory: Authority,
    factory_root: CertificateDer<'static>,
    installation: Authority,
    installation_root: CertificateDer<'static>,
    rogue: Authority,
    pub(crate) clock: Clock,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let (factory, factory_root) = authority("factory");
        let (installation, installation_root) = authority("installation");
        let (rogue, _) = authority("rogue");
        Self {
            factory,
            factory_root,
            installation,
            installation_root,
            rogue,
            clock: Clock::system(),
        }
    }

    /// What the embedded broker judges its clients by.
    pub(crate) fn peers(&self) -> Arc<PeerVerifier> {
        let anchor = AnchorConfig {
            name: "factory".to_owned(),
            product_line: "scope".to_owned(),
            id_prefix: PREFIX.parse().unwrap(),
            identity: IdentityRule::SubjectCommonName,
            admission: AdmissionMode::Open,
            roots: Vec::new(),
            intermediates: Vec::new(),
            crls: Vec::new(),
            refuse_stale_crls: false,
            crl_coverage: CrlCoverage::default(),
            pinned_devices_outlive_issuing_ca: false,
        };
        let material = AnchorMaterial {
            roots: vec![self.factory_root.to_vec()],
            ..AnchorMaterial::default()
        };
        let anchor = TrustAnchor::new(anchor, material).unwrap();
        let devices = DeviceVerifier::new(vec![anchor], 1 << 20).unwrap();
        let roles = RoleVerifier::new(vec![self.installation_root.to_vec()]).unwrap();
        Arc::new(PeerVerifier::new(Arc::new(devices), roles).unwrap())
    }

    /// The broker's certificate and key.
    pub(crate) fn broker(&self) -> Leaf {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf(&self.installation, params)
    }

    /// TLS for a broker that lets everybody in.
    pub(crate) fn lenient_broker(&self) -> Arc<ServerConfig> {
        let (chain, key) = self.broker();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }

    pub(crate) fn device(&self, id: &str) -> Arc<ClientConfig> {
        self.client(Some(leaf(&self.factory, subject(id))))
    }

    pub(crate) fn role(&self, name: &str) -> Arc<ClientConfig> {
        self.client(Some(leaf(&self.installation, role(name))))
    }

    /// A role certificate from the factory of the devices.
    pub(crate) fn forged_role(&self, name: &str) -> Arc<ClientConfig> {
        self.client(Some(leaf(&self.factory, role(name))))
    }

    /// A device certificate of a CA that the broker does not know.
    pub(crate) fn rogue(&self, id: &str) -> Arc<ClientConfig> {
        self.client(Some(leaf(&self.rogue, subject(id))))
    }

    pub(crate) fn without_certificate(&self) -> Arc<ClientConfig> {
        self.client(None)
    }

    fn client(&self, certificate: Option<Leaf>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.installation_root.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match certificate {
            Some((chain, key)) => config.with_client_auth_cert(chain, key).unwrap(),
            None => config.with_no_client_auth(),
        })
    }
}

pub(crate) type Leaf = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn authority(name: &str) -> (Authority, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let root = params.self_signed(&key).unwrap().der().clone();
    (Issuer::new(params, key), root)
}

fn subject(id: &str) -> CertificateParams {
    let name = id.strip_prefix(PREFIX).and_then(|id| id.strip_prefix('-'));
    let mut params = CertificateParams::default();
    params.distinguished_name.push(
        DnType::CommonName,
        name.expect("a device id of these tests"),
    );
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn role(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    let subject = &mut params.distinguished_name;
    subject.push(DnType::OrganizationalUnitName, name);
    subject.push(DnType::CommonName, "one");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn leaf(issuer: &Authority, params: CertificateParams) -> Leaf {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    (vec![certificate], key)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
