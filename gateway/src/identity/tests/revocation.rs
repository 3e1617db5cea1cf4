//! What CRLs stop, and what they do not.

use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
};

use super::*;
use crate::pki::forge::Extension;

/// A CRL of `ca` that revokes certificates with these serial numbers, with a nextUpdate.
pub(super) fn crl(ca: &Ca, serials: &[&[u8]], next_update_year: i32) -> Vec<u8> {
    crl_signed_by(ca, &ca.key, serials, next_update_year)
}

fn crl_signed_by(ca: &Ca, key: &ForgeKey, serials: &[&[u8]], next_update_year: i32) -> Vec<u8> {
    let key = KeyPair::try_from(key.pkcs8()).unwrap();
    // rcgen itself would refuse an issuer without cRLSign.
    let der = Forge::ca("", &ca.key)
        .with(|it| it.subject = ca.name.clone())
        .self_signed(&ca.key);
    let issuer = Issuer::from_ca_cert_der(&der.into(), key).unwrap();
    let revoked = serials.iter().map(|serial| RevokedCertParams {
        serial_number: SerialNumber::from_slice(serial),
        revocation_time: rcgen::date_time_ymd(2026, 1, 1),
        reason_code: None,
        invalidity_date: None,
    });
    CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2026, 1, 1),
        next_update: rcgen::date_time_ymd(next_update_year, 1, 1),
        crl_number: SerialNumber::from_slice(&[1]),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    }
    .signed_by(&issuer)
    .unwrap()
    .der()
    .to_vec()
}

pub(super) fn cases() -> Vec<Case> {
    const LEAF: &[u8] = &[0x0a, 0x0b];
    const ISSUING: &[u8] = &[0x0c, 0x0d];
    let root = Ca::root();
    let issuing = root.below_with("Issuing", ForgeKey::p256(), |it| {
        it.serial = ISSUING.to_vec()
    });
    let chain = || {
        let leaf = issuing.device_with(|it| it.serial = LEAF.to_vec());
        vec![leaf, issuing.der.clone()]
    };
    let case = |name, crl, expected| Case::new(name, &root, chain(), expected).crl(crl);
    let ok = Ok("acme-SN1");

    let silent = root.below_with("Silent", ForgeKey::p256(), |it| {
        it.extensions = vec![Extension::ca(None), Extension::key_usage(&[5])];
    });
    let silent_root = Ca::root_with(ForgeKey::p256(), |it| {
        it.extensions = vec![Extension::ca(None), Extension::key_usage(&[5])];
    });
    let mut refuse_stale = case(
        "a stale CRL, where it must be fresh",
        crl(&issuing, &[], 2026 + 1),
        Err("crl-unusable"),
    );
    refuse_stale.config.refuse_stale_crls = true;
    let mut refuse_stale_fresh = case(
        "a fresh CRL, where it must be",
        crl(&issuing, &[], 2028),
        ok,
    );
    refuse_stale_fresh.config.refuse_stale_crls = true;

    let covering = |coverage, mut case: Case| {
        case.config.crl_coverage = coverage;
        case
    };

    vec![
        case(
            "a CRL that lists the leaf",
            crl(&issuing, &[&[9], LEAF], 2028),
            Err("revoked"),
        ),
        case(
            "a CRL that lists the issuing CA",
            crl(&root, &[ISSUING], 2028),
            Err("revoked"),
        )
        .crl(crl(&issuing, &[], 2028)),
        covering(
            CrlCoverage::None,
            case(
                "a CRL that lists the issuing CA, and none of its own",
                crl(&root, &[ISSUING], 2028),
                Err("revoked"),
            ),
        ),
        covering(
            CrlCoverage::None,
            case(
                "another CA's CRL with the leaf's number",
                crl(&root, &[LEAF], 2028),
                ok,
            ),
        ),
        case(
            "no CRL of the issuing CA",
            crl(&root, &[], 2028),
            Err("revocation-unknown"),
        ),
        Case::new(
            "no CRL of a root that issues to devices",
            &root,
            [root.device()],
            Err("revocation-unknown"),
        )
        .crl(crl(&issuing, &[], 2028)),
        Case::new("no CRL at all", &root, chain(), ok),
        covering(
            CrlCoverage::Chain,
            case(
                "no CRL of the root, where all must be covered",
                crl(&issuing, &[], 2028),
                Err("revocation-unknown"),
            ),
        ),
        covering(
            CrlCoverage::Chain,
            case(
                "CRLs of both, where all must be covered",
                crl(&issuing, &[], 2028),
                ok,
            )
            .crl(crl(&root, &[], 2028)),
        ),
        case(
            "a CRL that lists others",
            crl(&issuing, &[&[9], ISSUING], 2028),
            ok,
        ),
        case("an empty CRL", crl(&issuing, &[], 2028), ok),
        case(
            "a stale CRL that lists the leaf",
            crl(&issuing, &[LEAF], 2027),
            Err("revoked"),
        ),
        case("a stale CRL", crl(&issuing, &[], 2027), ok),
        refuse_stale,
        refuse_stale_fresh,
        case(
            "a CRL signed by another key",
            crl_signed_by(&issuing, &ForgeKey::p256(), &[], 2028),
            Err("crl-unusable"),
        ),
        Case::new(
            "a CRL of an issuer without cRLSign",
            &root,
            [silent.device(), silent.der.clone()],
            Err("crl-unusable"),
        )
        .crl(crl(&silent, &[], 2028)),
        Case::new(
            "a CRL of a root without cRLSign",
            &silent_root,
            [silent_root.device()],
            Err("crl-unusable"),
        )
        .crl(crl(&silent_root, &[], 2028)),
    ]
}

#[test]
fn a_crl_that_cannot_be_read_stops_the_start() {
    let root = Ca::root();
    let mut material = material(&root);
    material.crls = vec![root.der.clone()];
    let error = TrustAnchor::new(config(IdentityRule::Uri), material).unwrap_err();
    assert!(error.to_string().contains("CRL"), "{error}");
}

#[test]
fn an_operator_is_told_which_crl_is_missing() {
    let root = Ca::root();
    let [covered, missing] = ["Covered", "Missing"].map(|name| root.below(name));
    let told = |coverage| {
        let mut material = material(&root);
        material.intermediates = vec![covered.der.clone(), missing.der.clone()];
        material.crls = vec![crl(&covered, &[], 2030)];
        let mut config = config(IdentityRule::Uri);
        config.crl_coverage = coverage;
        TrustAnchor::new(config, material).unwrap().faults(NOW)
    };
    let faults = told(CrlCoverage::Device);
    assert!(
        faults.len() == 1 && faults[0].contains("Missing"),
        "{faults:?}"
    );
    assert_eq!(told(CrlCoverage::Chain).len(), 2);
    assert!(told(CrlCoverage::None).is_empty());
}

#[test]
fn an_operator_is_told_which_crl_is_stale() {
    let root = Ca::root();
    let mut material = material(&root);
    material.crls = vec![crl(&root, &[], 2027)];
    let anchor = TrustAnchor::new(config(IdentityRule::Uri), material).unwrap();
    let faults = anchor.faults(NOW);
    assert!(
        faults[0].contains("Factory Root") && faults[0].contains("nextUpdate"),
        "{faults:?}"
    );
    assert!(
        anchor
            .faults(Timestamp::from_seconds(1_780_000_000))
            .is_empty()
    );
}
