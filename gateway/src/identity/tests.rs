#![allow(clippy::unwrap_used)]

//! A table of certificates, and what each wall says of them.

mod accepted;
mod identity_rules;
mod pinned;
mod refused;
mod remembered;
mod revocation;
mod tls;
mod walls;

use fleetgrant_core::domain::Timestamp;

use super::*;
use crate::pki::forge::{Forge, ForgeKey};

/// 2027-01-15, within the validity of everything the forge makes unless told otherwise.
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// A CA: its key, name and certificate.
struct Ca {
    key: ForgeKey,
    name: Vec<u8>,
    der: Vec<u8>,
}

impl Ca {
    fn root() -> Self {
        Self::root_with(ForgeKey::p256(), |_| {})
    }

    fn root_with(key: ForgeKey, change: impl FnOnce(&mut Forge)) -> Self {
        let forge = Forge::ca("Factory Root", &key).with(change);
        let name = forge.subject.clone();
        let der = forge.self_signed(&key);
        Self { key, name, der }
    }

    fn below(&self, common_name: &str) -> Self {
        self.below_with(common_name, ForgeKey::p256(), |_| {})
    }

    fn below_with(&self, name: &str, key: ForgeKey, change: impl FnOnce(&mut Forge)) -> Self {
        let forge = Forge::ca(name, &key).with(change);
        let name = forge.subject.clone();
        let der = forge.signed(&self.name, &self.key);
        Self { key, name, der }
    }

    fn device(&self) -> Vec<u8> {
        self.device_with(|_| {})
    }

    fn device_with(&self, change: impl FnOnce(&mut Forge)) -> Vec<u8> {
        self.sign(Forge::device("SN1", &ForgeKey::p256()).with(change))
    }

    fn sign(&self, forge: Forge) -> Vec<u8> {
        forge.signed(&self.name, &self.key)
    }
}

fn config(rule: IdentityRule) -> AnchorConfig {
    AnchorConfig {
        name: "factory".to_owned(),
        product_line: "presses".to_owned(),
        id_prefix: "acme".parse().unwrap(),
        identity: rule,
        admission: AdmissionMode::Open,
        roots: Vec::new(),
        intermediates: Vec::new(),
        crls: Vec::new(),
        refuse_stale_crls: false,
        crl_coverage: CrlCoverage::default(),
        pinned_devices_outlive_issuing_ca: false,
    }
}

fn material(root: &Ca) -> AnchorMaterial {
    AnchorMaterial {
        roots: vec![root.der.clone()],
        ..AnchorMaterial::default()
    }
}

fn verifier(config: AnchorConfig, material: AnchorMaterial) -> DeviceVerifier {
    DeviceVerifier::new(vec![TrustAnchor::new(config, material).unwrap()], 1 << 20).unwrap()
}

fn slices(chain: &[Vec<u8>]) -> Vec<&[u8]> {
    chain.iter().map(Vec::as_slice).collect()
}

/// One line of the table.
struct Case {
    name: &'static str,
    config: AnchorConfig,
    material: AnchorMaterial,
    chain: Vec<Vec<u8>>,
    now: Timestamp,
    /// The device id, or the name of the refusal.
    expected: Result<&'static str, &'static str>,
}

impl Case {
    /// A chain under a root, whose device is found by its serialNumber.
    fn new(
        name: &'static str,
        root: &Ca,
        chain: impl Into<Vec<Vec<u8>>>,
        expected: Result<&'static str, &'static str>,
    ) -> Self {
        Self {
            name,
            config: config(IdentityRule::SubjectSerialNumber),
            material: material(root),
            chain: chain.into(),
            now: NOW,
            expected,
        }
    }

    fn by(mut self, rule: &str) -> Self {
        self.config.identity = rule.parse().unwrap();
        self
    }

    fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    fn preloaded(mut self, ca: &Ca) -> Self {
        self.material.intermediates.push(ca.der.clone());
        self
    }

    fn crl(mut self, crl: Vec<u8>) -> Self {
        self.material.crls.push(crl);
        self
    }

    fn verifier(&self) -> DeviceVerifier {
        verifier(self.config.clone(), self.material.clone())
    }
}

/// Every case there is.
fn table() -> Vec<Case> {
    [
        accepted::cases(),
        refused::cases(),
        identity_rules::cases(),
        revocation::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn every_case_is_judged_as_the_table_says() {
    let mut failures = Vec::new();
    for case in table() {
        let verdict = case.verifier().verify(&slices(&case.chain), case.now);
        let found = match &verdict {
            Ok(verified) => Ok(verified.device().as_str()),
            Err(refusal) => Err(refusal.name()),
        };
        if found != case.expected {
            failures.push(format!(
                "{}: expected {:?}, found {verdict:?}",
                case.name, case.expected
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn refusals_have_names_for_machines_and_sentences_for_people() {
    for case in table().iter().filter(|case| case.expected.is_err()) {
        let refusal = case
            .verifier()
            .verify(&slices(&case.chain), case.now)
            .unwrap_err();
        let name = refusal.name();
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        );
        assert!(refusal.to_string().len() > 20, "{name}: {refusal}");
    }
}
