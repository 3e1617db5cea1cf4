//! What is remembered of a certificate, for how long, and what makes it forgotten.

use super::*;
use crate::pki::forge::utc;

fn serial_numbers() -> AnchorConfig {
    config(IdentityRule::SubjectSerialNumber)
}

#[test]
fn a_verified_certificate_is_known_by_its_thumbprint() {
    let root = Ca::root();
    let leaf = root.device();
    let verifier = verifier(serial_numbers(), material(&root));
    let verified = verifier.verify(&[&leaf], NOW).unwrap();
    let remembered = verifier.remembered(&verified.certificate(), NOW).unwrap();
    assert_eq!(remembered.device(), verified.device());
    let other = root.device();
    let unseen = verifier
        .verify_afresh(&[&other], NOW, Purpose::Client)
        .unwrap();
    assert!(verifier.remembered(&unseen.certificate(), NOW).is_none());
}

#[test]
fn a_refused_certificate_is_not_remembered() {
    let root = Ca::root();
    let leaf = root.device_with(|it| it.not_after = utc("260101000000Z"));
    let verifier = verifier(serial_numbers(), material(&root));
    assert!(verifier.verify(&[&leaf], NOW).is_err());
    // Judged again, it is refused again.
    assert!(verifier.verify(&[&leaf], NOW).is_err());
}

#[test]
fn it_is_forgotten_when_anything_in_its_path_expires() {
    let root = Ca::root();
    let issuing = root.below_with("Issuing", ForgeKey::p256(), |it| {
        it.not_after = utc("270115080010Z");
    });
    let verifier = verifier(serial_numbers(), material(&root));
    let chain = [issuing.device(), issuing.der.clone()];
    let verified = verifier.verify(&slices(&chain), NOW).unwrap();
    let at = |seconds| verifier.remembered(&verified.certificate(), NOW.plus_seconds(seconds));
    assert!(at(10).is_some());
    assert!(at(11).is_none());
    let later = verifier.verify(&slices(&chain), NOW.plus_seconds(11));
    assert_eq!(later.unwrap_err(), Refusal::IssuerExpired);
}

#[test]
fn anchors_and_crls_change_the_trust_digest() {
    let (root, other) = (Ca::root(), Ca::root());
    let digest = |config, material| verifier(config, material).trust();
    let plain = digest(serial_numbers(), material(&root));
    assert_eq!(plain, digest(serial_numbers(), material(&root)));

    let mut with_crl = material(&root);
    with_crl.crls = vec![revocation::crl(&root, &[], 2028)];
    let mut with_intermediate = material(&root);
    with_intermediate.intermediates = vec![root.below("Issuing").der];
    let mut quarantine = serial_numbers();
    quarantine.admission = AdmissionMode::Quarantine;
    for changed in [
        digest(serial_numbers(), material(&other)),
        digest(serial_numbers(), with_crl),
        digest(serial_numbers(), with_intermediate),
        digest(quarantine, material(&root)),
        digest(config(IdentityRule::Uri), material(&root)),
    ] {
        assert_ne!(changed, plain);
    }
}

#[test]
fn a_stored_credential_is_taken_up_without_verifying_it_again() {
    let root = Ca::root();
    let issuing = root.below("Issuing");
    let chain = [issuing.device(), issuing.der.clone()];
    let stored = {
        let verifier = verifier(serial_numbers(), material(&root));
        verifier.verify(&slices(&chain), NOW).unwrap().to_stored()
    };
    assert_eq!(stored.chain, chain.concat());

    let restarted = verifier(serial_numbers(), material(&root));
    let recalled = restarted.recall(&stored, NOW).unwrap();
    assert_eq!(recalled.device().as_str(), "acme-SN1");
    assert_eq!(recalled.to_stored(), stored);

    // A chain that no longer verifies is still taken up under the digest it was stored with, so
    // nothing was verified; under another it is not.
    let mut broken = stored.clone();
    let end = chain[0].len() - 1;
    broken.chain[end] ^= 1;
    assert!(restarted.recall(&broken, NOW).is_ok());
    broken.trust = TrustDigest([0; 32]);
    let restarted = verifier(serial_numbers(), material(&root));
    let refused = restarted.recall(&broken, NOW).unwrap_err();
    assert_eq!(refused, Refusal::BadSignature);
}

#[test]
fn a_stored_credential_is_verified_anew_when_crls_have_changed() {
    let root = Ca::root();
    let leaf = root.device_with(|it| it.serial = vec![7]);
    let before = verifier(serial_numbers(), material(&root));
    let stored = before.verify(&[&leaf], NOW).unwrap().to_stored();

    let with_crl = |serials: &[&[u8]]| {
        let mut material = material(&root);
        material.crls = vec![revocation::crl(&root, serials, 2028)];
        verifier(serial_numbers(), material)
    };
    assert_eq!(
        with_crl(&[&[7]]).recall(&stored, NOW).unwrap_err(),
        Refusal::Revoked
    );
    let spared = with_crl(&[&[8]]);
    let recalled = spared.recall(&stored, NOW).unwrap();
    assert_eq!(recalled.to_stored().trust, spared.trust());
}

#[test]
fn a_stored_credential_ends_with_its_path_and_its_anchor() {
    let root = Ca::root();
    let leaf = root.device_with(|it| it.not_after = utc("270115080010Z"));
    let verifier = verifier(serial_numbers(), material(&root));
    let stored = verifier.verify(&[&leaf], NOW).unwrap().to_stored();
    let later = verifier.recall(&stored, NOW.plus_seconds(11));
    assert_eq!(later.unwrap_err(), Refusal::Expired);

    let mut torn = stored.clone();
    torn.chain.truncate(20);
    assert_eq!(verifier.recall(&torn, NOW).unwrap_err().name(), "malformed");
    let elsewhere = super::verifier(serial_numbers(), material(&Ca::root()));
    assert!(elsewhere.recall(&stored, NOW).is_err());
}

#[test]
fn the_cache_stays_within_its_bytes() {
    let root = Ca::root();
    let anchor = TrustAnchor::new(serial_numbers(), material(&root)).unwrap();
    let verifier = DeviceVerifier::new(vec![anchor], 16 << 10).unwrap();
    let thumbprints: Vec<_> = (0..200)
        .map(|_| {
            verifier
                .verify(&[&root.device()], NOW)
                .unwrap()
                .certificate()
        })
        .collect();
    let kept = thumbprints
        .iter()
        .filter(|thumbprint| verifier.remembered(thumbprint, NOW).is_some())
        .count();
    assert!((1..=20).contains(&kept), "{kept}");
}
