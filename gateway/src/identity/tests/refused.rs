//! What must not be taken, each for its own reason.

use proptest::prelude::*;
use rustls_pki_types::alg_id;

use super::*;
use crate::pki::forge::{
    Attribute, Extension, Padding, SERVER_AUTH, algorithm, dns, generalized, name, spki, utc,
};

pub(super) fn cases() -> Vec<Case> {
    let root = Ca::root();
    let issuing = root.below("Issuing");
    [
        presented(&root, &issuing),
        encodings(&root, &issuing),
        leaves(&root, &issuing),
        issuers(&root),
        roots(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn presented(root: &Ca, issuing: &Ca) -> Vec<Case> {
    let five = vec![
        issuing.device(),
        issuing.der.clone(),
        root.der.clone(),
        root.der.clone(),
        root.der.clone(),
    ];
    let long = issuing.device_with(|it| {
        it.extensions.push(Extension::new(
            &[1, 3, 6, 1, 4, 1, 32_473, 9],
            vec![0; 4_096],
        ));
    });
    let stranger = Ca::root_with(ForgeKey::p256(), |it| {
        it.subject = name(&[Attribute::common_name("Other")]);
    });
    let impostor = Ca::root();
    vec![
        Case::new("no certificate", root, [], Err("no-certificate")),
        Case::new("five certificates", root, five, Err("chain-too-long")),
        Case::new(
            "over-long leaf",
            root,
            [long.clone()],
            Err("certificate-too-long"),
        ),
        Case::new(
            "over-long issuer",
            root,
            [issuing.device(), long],
            Err("certificate-too-long"),
        ),
        Case::new(
            "unknown root",
            root,
            [stranger.device()],
            Err("unknown-issuer"),
        ),
        Case::new(
            "issuing CA missing",
            root,
            [issuing.device()],
            Err("unknown-issuer"),
        ),
        Case::new(
            "a namesake of the root",
            root,
            [impostor.device()],
            Err("bad-signature"),
        ),
        Case::new(
            "issuer first",
            root,
            [issuing.der.clone(), issuing.device()],
            Err("leaf-is-ca"),
        ),
    ]
}

fn encodings(root: &Ca, issuing: &Ca) -> Vec<Case> {
    let under = |name, leaf: Vec<u8>, refusal| {
        Case::new(name, root, [leaf, issuing.der.clone()], Err(refusal))
    };
    let with =
        |name, change: fn(&mut Forge), refusal| under(name, issuing.device_with(change), refusal);
    let issuer_with = |name, change: fn(&mut Forge), refusal| {
        let issuing = root.below_with("Issuing", ForgeKey::p256(), change);
        Case::new(name, root, [issuing.device(), issuing.der], Err(refusal))
    };
    let mut truncated = issuing.device();
    truncated.pop();
    let mut unsigned = issuing.device();
    *unsigned.last_mut().unwrap() ^= 1;
    vec![
        under("empty", Vec::new(), "malformed"),
        under("text", b"0-----BEGIN".to_vec(), "malformed"),
        under("truncated", truncated, "malformed"),
        under("a bit of the signature flipped", unsigned, "bad-signature"),
        with(
            "trailing bytes",
            |it| it.trailing = vec![0],
            "trailing-bytes",
        ),
        issuer_with(
            "trailing bytes at an issuer",
            |it| it.trailing = vec![5, 0],
            "trailing-bytes",
        ),
        with(
            "version 1",
            |it| {
                it.version = None;
                it.extensions.clear();
            },
            "not-version-3",
        ),
        with("version 2", |it| it.version = Some(1), "not-version-3"),
        issuer_with(
            "version 1 at an issuer",
            |it| it.version = None,
            "not-version-3",
        ),
        with(
            "the same extension twice",
            |it| it.extensions.push(Extension::key_usage(&[0])),
            "duplicate-extension",
        ),
        with(
            "an unknown extension twice",
            |it| {
                let twice = Extension::new(&[1, 3, 6, 1, 4, 1, 32_473, 9], vec![5, 0]);
                it.extensions.extend([twice.clone(), twice]);
            },
            "duplicate-extension",
        ),
        with(
            "an alternative name that cannot be read",
            |it| {
                it.extensions
                    .push(Extension::new(&[2, 5, 29, 17], vec![0x30, 9]))
            },
            "malformed",
        ),
        with(
            "a keyUsage that cannot be read",
            |it| it.extensions = vec![Extension::new(&[2, 5, 29, 15], vec![1])],
            "malformed",
        ),
        with(
            "an unknown critical extension",
            |it| {
                let unknown = Extension::new(&[1, 3, 6, 1, 4, 1, 32_473, 9], vec![5, 0]);
                it.extensions.push(unknown.critical());
            },
            "unknown-critical-extension",
        ),
        with(
            "critical certificatePolicies",
            |it| it.extensions.push(Extension::any_policy().critical()),
            "unknown-critical-extension",
        ),
        issuer_with(
            "an unknown critical extension at an issuer",
            |it| it.extensions.push(Extension::any_policy().critical()),
            "unknown-critical-extension",
        ),
    ]
}

fn leaves(root: &Ca, issuing: &Ca) -> Vec<Case> {
    let under = |name, leaf: Vec<u8>, refusal| {
        Case::new(name, root, [leaf, issuing.der.clone()], Err(refusal))
    };
    let with =
        |name, change: fn(&mut Forge), refusal| under(name, issuing.device_with(change), refusal);
    let key = |name, key: &ForgeKey| {
        under(
            name,
            issuing.sign(Forge::device("SN1", key)),
            "leaf-key-not-p256",
        )
    };
    let point = |name, point: fn(&[u8]) -> Vec<u8>| {
        let point = point(ForgeKey::p256().public());
        let spki = spki(&algorithm(&alg_id::ECDSA_P256), &point);
        under(
            name,
            issuing.device_with(|it| it.spki = spki),
            "leaf-key-invalid",
        )
    };
    vec![
        with(
            "a CA",
            |it| it.extensions = vec![Extension::ca(None)],
            "leaf-is-ca",
        ),
        key("RSA key", &ForgeKey::rsa(Padding::Pkcs1)),
        key("P-384 key", &ForgeKey::p384()),
        key("Ed25519 key", &ForgeKey::ed25519()),
        point("compressed point", |point| {
            [&[2 + (point[64] & 1)], &point[1..33]].concat()
        }),
        point("a point off the curve", |point| {
            let mut off = point.to_vec();
            off[64] ^= 1;
            off
        }),
        with(
            "keyUsage without digitalSignature",
            |it| it.extensions = vec![Extension::key_usage(&[2])],
            "leaf-key-usage",
        ),
        with(
            "extendedKeyUsage without clientAuth",
            |it| it.extensions = vec![Extension::extended_key_usage(&[SERVER_AUTH])],
            "leaf-extended-key-usage",
        ),
        with(
            "not valid yet",
            |it| it.not_before = utc("270115080001Z"),
            "not-yet-valid",
        ),
        with(
            "expired",
            |it| it.not_after = utc("270115075959Z"),
            "expired",
        ),
        with(
            "never valid",
            |it| it.not_before = generalized("99991231235959Z"),
            "not-yet-valid",
        ),
    ]
}

fn issuers(root: &Ca) -> Vec<Case> {
    let with_key = |name, key, change: fn(&mut Forge), refusal| {
        let issuing = root.below_with("Issuing", key, change);
        Case::new(name, root, [issuing.device(), issuing.der], Err(refusal))
    };
    let with = |name, change, refusal| with_key(name, ForgeKey::p256(), change, refusal);
    let short = root.below_with("Short", ForgeKey::p256(), |it| {
        it.extensions = vec![Extension::ca(Some(0)), Extension::key_usage(&[5])];
    });
    let below_short = short.below("Below");
    let constrained = root.below_with("Constrained", ForgeKey::p256(), |it| {
        it.extensions
            .push(Extension::only_dns_names_below("example.com"));
    });
    let outside = constrained.device_with(|it| {
        it.extensions
            .push(Extension::alternative_names(&[dns("device.example.org")]));
    });
    let device_as_issuer = {
        let key = ForgeKey::p256();
        let forge = Forge::device("SN0", &key);
        let name = forge.subject.clone();
        let der = root.sign(forge);
        let leaf = Forge::device("SN1", &ForgeKey::p256()).signed(&name, &key);
        Case::new(
            "issued by a device",
            root,
            [leaf, der],
            Err("issuer-not-ca"),
        )
    };
    vec![
        device_as_issuer,
        with(
            "issuer that says it is no CA",
            |it| it.extensions = vec![Extension::no_ca(), Extension::key_usage(&[5])],
            "issuer-not-ca",
        ),
        with(
            "issuer without any extension",
            |it| it.extensions.clear(),
            "issuer-not-ca",
        ),
        with(
            "issuer whose keyUsage lacks keyCertSign",
            |it| it.extensions = vec![Extension::ca(None), Extension::key_usage(&[0, 6])],
            "issuer-key-usage",
        ),
        with(
            "issuer for servers only",
            |it| {
                it.extensions
                    .push(Extension::extended_key_usage(&[SERVER_AUTH]))
            },
            "issuer-extended-key-usage",
        ),
        with(
            "issuer expired",
            |it| it.not_after = utc("260101000000Z"),
            "issuer-expired",
        ),
        with(
            "issuer not valid yet",
            |it| it.not_before = utc("280101000000Z"),
            "issuer-not-yet-valid",
        ),
        with_key(
            "issuer with a key of type id-RSASSA-PSS",
            ForgeKey::rsa(Padding::PssOnly),
            |_| {},
            "issuer-key-rsassa-pss",
        ),
        with(
            "signature algorithm that is not supported",
            |it| it.signature_algorithm = Some(algorithm(&alg_id::ECDSA_SHA512)),
            "unsupported-algorithm",
        ),
        Case::new(
            "one CA more than an issuer allows",
            root,
            [below_short.device(), below_short.der, short.der],
            Err("path-too-long"),
        ),
        Case::new(
            "a name outside an issuer's constraints",
            root,
            [outside, constrained.der],
            Err("name-constraint"),
        ),
    ]
}

fn roots() -> Vec<Case> {
    let with = |name, change: fn(&mut Forge), refusal| {
        let root = Ca::root_with(ForgeKey::p256(), change);
        let issuing = root.below("Issuing");
        Case::new(name, &root, [issuing.device(), issuing.der], Err(refusal))
    };
    let pss = Ca::root_with(ForgeKey::rsa(Padding::PssOnly), |_| {});
    let pss = Case::new(
        "root with a key of type id-RSASSA-PSS",
        &pss,
        [pss.device()],
        Err("issuer-key-rsassa-pss"),
    );
    vec![
        with(
            "root expired",
            |it| it.not_after = utc("260101000000Z"),
            "anchor-expired",
        ),
        with(
            "root not valid yet",
            |it| it.not_before = utc("280101000000Z"),
            "anchor-not-yet-valid",
        ),
        with(
            "root without CA:TRUE",
            |it| it.extensions.clear(),
            "issuer-not-ca",
        ),
        with(
            "root whose keyUsage lacks keyCertSign",
            |it| it.extensions = vec![Extension::ca(None), Extension::key_usage(&[6])],
            "issuer-key-usage",
        ),
        with(
            "version 1 at the root",
            |it| {
                it.version = None;
                it.extensions.clear();
            },
            "not-version-3",
        ),
        with(
            "an unknown critical extension at the root",
            |it| it.extensions.push(Extension::any_policy().critical()),
            "unknown-critical-extension",
        ),
        pss,
        with(
            "one CA more than the root allows",
            |it| it.extensions = vec![Extension::ca(Some(0)), Extension::key_usage(&[5])],
            "path-too-long",
        ),
    ]
}

#[test]
fn a_root_that_cannot_be_read_stops_the_start() {
    let made = |material| {
        TrustAnchor::new(config(IdentityRule::SubjectSerialNumber), material)
            .map(|_| ())
            .map_err(|error| match error {
                AnchorError::Invalid { source, .. } => source,
                other => panic!("{other}"),
            })
    };
    let followed = Ca::root_with(ForgeKey::p256(), |it| it.trailing = vec![0]);
    let refused = made(material(&followed)).unwrap_err();
    assert_eq!(
        refused,
        InvalidTrust::Certificate(Refusal::TrailingBytes {
            place: Place::Root,
            count: 1
        })
    );
    let none = made(AnchorMaterial::default()).unwrap_err();
    assert_eq!(none, InvalidTrust::NoRoot);
}

#[test]
fn a_broken_root_or_intermediate_stops_only_its_own_devices() {
    let root = Ca::root();
    let other = Ca::root_with(ForgeKey::rsa(Padding::PssOnly), |it| {
        it.subject = name(&[Attribute::common_name("Other Root")]);
        it.extensions.push(Extension::any_policy().critical());
    });
    let unrelated = other.below_with("Unrelated", ForgeKey::p256(), |it| it.version = None);
    let mut material = material(&root);
    material.roots.insert(0, other.der.clone());
    material.intermediates.push(unrelated.der.clone());
    let anchor = TrustAnchor::new(config(IdentityRule::SubjectSerialNumber), material).unwrap();
    let faults = anchor.faults(NOW);
    assert_eq!(faults.len(), 2, "{faults:?}");
    let verifier = DeviceVerifier::new(vec![anchor], 1 << 20).unwrap();
    let ours = root.device();
    assert!(verifier.verify(&[&ours], NOW).is_ok());
    assert!(verifier.verify(&[&ours, &unrelated.der], NOW).is_ok());
    let theirs = verifier.verify(&[&unrelated.device()], NOW).unwrap_err();
    assert_eq!(theirs.name(), "not-version-3");
}

#[test]
fn any_purpose_lifts_only_what_the_usages_say() {
    let root = Ca::root();
    let leaf = root.device_with(|it| {
        it.extensions = vec![
            Extension::key_usage(&[2]),
            Extension::extended_key_usage(&[SERVER_AUTH]),
        ];
    });
    let verifier = verifier(config(IdentityRule::SubjectSerialNumber), material(&root));
    let judged = |purpose| verifier.verify_afresh(&[&leaf], NOW, purpose).map(|_| ());
    assert_eq!(judged(Purpose::Any), Ok(()));
    assert_eq!(judged(Purpose::Client), Err(Refusal::LeafKeyUsage));
    let expired = root.device_with(|it| it.not_after = utc("260101000000Z"));
    let judged = verifier.verify_afresh(&[&expired], NOW, Purpose::Any);
    assert_eq!(judged.map(|_| ()), Err(Refusal::Expired));
}

#[test]
fn an_operator_is_told_which_certificate_has_expired() {
    let root = Ca::root_with(ForgeKey::p256(), |it| it.not_after = utc("260101000000Z"));
    let config = config(IdentityRule::SubjectSerialNumber);
    let anchor = TrustAnchor::new(config, material(&root)).unwrap();
    let faults = anchor.faults(NOW);
    assert_eq!(faults.len(), 1);
    assert!(
        faults[0].contains("Factory Root") && faults[0].contains("expired"),
        "{faults:?}"
    );
    assert!(
        anchor
            .faults(Timestamp::from_seconds(1_700_000_000))
            .is_empty()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// No change to any byte that is presented is accepted, and none panics.
    #[test]
    fn a_changed_byte_is_never_accepted(at: prop::sample::Index, with: u8, truncate: bool) {
        let root = Ca::root();
        let issuing = root.below("Issuing");
        let mut chain = vec![issuing.device(), issuing.der.clone()];
        let total = chain[0].len() + chain[1].len();
        let at = at.index(total);
        let (which, at) = if at < chain[0].len() { (0, at) } else { (1, at - chain[0].len()) };
        let unchanged = chain[which][at] == with && !truncate;
        chain[which][at] = with;
        if truncate {
            chain[which].truncate(at);
        }
        let verifier = verifier(config(IdentityRule::SubjectSerialNumber), material(&root));
        let accepted = verifier.verify(&slices(&chain), NOW).is_ok();
        prop_assert_eq!(accepted, unchanged);
    }
}
