//! Devices that outlive the CA that issued them, where the anchor lets them.

use super::*;
use crate::pki::forge::{Extension, utc};

/// An issuing CA that expired a year ago, and a chain under it.
fn expired_issuer(serial: &[u8]) -> (Ca, Ca, Vec<Vec<u8>>) {
    let root = Ca::root();
    let issuing = root.below_with("Issuing", ForgeKey::p256(), |it| {
        it.serial = serial.to_vec();
        it.not_after = utc("260101000000Z");
    });
    let chain = vec![issuing.device(), issuing.der.clone()];
    (root, issuing, chain)
}

fn lenient() -> AnchorConfig {
    AnchorConfig {
        pinned_devices_outlive_issuing_ca: true,
        ..config(IdentityRule::SubjectSerialNumber)
    }
}

#[test]
fn only_a_pinned_device_outlives_its_issuing_ca() {
    let (root, _, chain) = expired_issuer(&[7]);
    let verified = verifier(lenient(), material(&root))
        .verify(&slices(&chain), NOW)
        .unwrap();
    assert_eq!(verified.admission(), Admission::PinnedOnly);

    let strict = config(IdentityRule::SubjectSerialNumber);
    let refusal = verifier(strict, material(&root))
        .verify(&slices(&chain), NOW)
        .unwrap_err();
    assert_eq!(refusal, Refusal::IssuerExpired);
}

#[test]
fn the_same_holds_for_an_expired_root() {
    let root = Ca::root_with(ForgeKey::p256(), |it| it.not_after = utc("260101000000Z"));
    let leaf = root.device();
    let verified = verifier(lenient(), material(&root))
        .verify(&[&leaf], NOW)
        .unwrap();
    assert_eq!(verified.admission(), Admission::PinnedOnly);
}

#[test]
fn while_the_issuing_ca_is_in_force_new_devices_are_admitted() {
    let (root, _, chain) = expired_issuer(&[7]);
    let before = Timestamp::from_seconds(1_700_000_000);
    let verifier = verifier(lenient(), material(&root));
    let verified = verifier.verify(&slices(&chain), before).unwrap();
    assert_eq!(verified.admission(), Admission::Open);
    // The verdict is not remembered beyond the issuing CA's end.
    let verified = verifier.verify(&slices(&chain), NOW).unwrap();
    assert_eq!(verified.admission(), Admission::PinnedOnly);
}

#[test]
fn nobody_outlives_a_revocation() {
    let (root, _, chain) = expired_issuer(&[7]);
    let mut material = material(&root);
    material.crls = vec![revocation::crl(&root, &[&[7]], 2028)];
    let refusal = verifier(lenient(), material)
        .verify(&slices(&chain), NOW)
        .unwrap_err();
    assert_eq!(refusal, Refusal::Revoked);
}

#[test]
fn nobody_outlives_the_certificate_itself() {
    let (root, issuing, _) = expired_issuer(&[7]);
    let leaf = issuing.device_with(|it| it.not_after = utc("260601000000Z"));
    let refusal = verifier(lenient(), material(&root))
        .verify(&[&leaf, &issuing.der], NOW)
        .unwrap_err();
    assert_eq!(refusal, Refusal::Expired);
}

#[test]
fn an_issuer_that_was_already_expired_when_it_issued_is_refused() {
    let (root, issuing, _) = expired_issuer(&[7]);
    let leaf = issuing.device_with(|it| it.not_before = utc("260601000000Z"));
    let refusal = verifier(lenient(), material(&root))
        .verify(&[&leaf, &issuing.der], NOW)
        .unwrap_err();
    assert_eq!(refusal, Refusal::IssuerExpired);
}

#[test]
fn every_other_rule_still_holds() {
    let root = Ca::root();
    let issuing = root.below_with("Issuing", ForgeKey::p256(), |it| {
        it.not_after = utc("260101000000Z");
        it.extensions = vec![Extension::ca(None), Extension::key_usage(&[6])];
    });
    let refusal = verifier(lenient(), material(&root))
        .verify(&[&issuing.device(), &issuing.der], NOW)
        .unwrap_err();
    assert_eq!(refusal.name(), "issuer-key-usage");
}
