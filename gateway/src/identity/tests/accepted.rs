//! What real devices bear, and must be taken.

use super::*;
use crate::pki::forge::{
    ANY_USAGE, Attribute, CLIENT_AUTH, Extension, HARDWARE_MODULE_NAME, Padding, SERVER_AUTH,
    generalized, hardware_module, name, other_name, uri, utc,
};

const OK: Result<&str, &str> = Ok("acme-SN1");

pub(super) fn cases() -> Vec<Case> {
    let root = Ca::root();
    let issuing = root.below("Issuing");
    let leaf = |change: fn(&mut Forge)| vec![issuing.device_with(change), issuing.der.clone()];
    let case = |name, change| Case::new(name, &root, leaf(change), OK);

    let mut cases = vec![
        case("plain", |_| {}),
        case("without any extension", |it| it.extensions.clear()),
        case("without extendedKeyUsage", |it| {
            it.extensions = vec![Extension::key_usage(&[0])];
        }),
        case("without keyUsage", |it| {
            it.extensions = vec![Extension::extended_key_usage(&[CLIENT_AUTH])];
        }),
        case("any purpose", |it| {
            it.extensions = vec![Extension::extended_key_usage(&[ANY_USAGE])];
        }),
        case("client among other purposes", |it| {
            it.extensions = vec![Extension::extended_key_usage(&[SERVER_AUTH, CLIENT_AUTH])];
        }),
        case("basicConstraints that say it is no CA", |it| {
            it.extensions.push(Extension::no_ca());
        }),
        case("more key usages than it needs", |it| {
            it.extensions = vec![Extension::key_usage(&[0, 2, 4])];
        }),
        case("an unknown extension that is not critical", |it| {
            it.extensions
                .push(Extension::new(&[1, 3, 6, 1, 4, 1, 32_473, 9], vec![5, 0]));
        }),
        case("certificatePolicies that are not critical", |it| {
            it.extensions.push(Extension::any_policy());
        }),
        case("ends with 9999, to the second", |it| {
            it.not_after = generalized("99991231235959Z");
        }),
        case("ends with 9999, not to the second", |it| {
            it.not_after = generalized("99991231000000Z");
        }),
        case("ends in 2999", |it| {
            it.not_after = generalized("29990101000000Z")
        }),
        case("GeneralizedTime before 2050", |it| {
            it.not_before = generalized("20200101000000Z");
            it.not_after = generalized("20300101000000Z");
        }),
        case("serial number zero", |it| it.serial = vec![0]),
        case("serial number of one byte", |it| it.serial = vec![7]),
        case("negative serial number", |it| it.serial = vec![0x80, 1]),
        case("serial number of 21 bytes", |it| it.serial = vec![0x7f; 21]),
        case("a name whose SET is out of order", |it| {
            it.subject = out_of_order_name();
        }),
        Case::new(
            "the issuing CA preloaded, not presented",
            &root,
            [issuing.device()],
            OK,
        )
        .preloaded(&issuing),
        Case::new("issued by the root itself", &root, [root.device()], OK),
        Case::new(
            "the root presented as well",
            &root,
            [issuing.device(), issuing.der.clone(), root.der.clone()],
            OK,
        ),
        Case::new(
            "in the last second of its life",
            &root,
            leaf(|it| it.not_after = utc("270115080000Z")),
            OK,
        )
        .at(NOW.plus_seconds(0)),
        Case::new(
            "critical alternative name, empty subject",
            &root,
            leaf(|it| {
                it.subject = name(&[]);
                let module = hardware_module(&[1, 3, 6, 1, 4, 1, 32_473, 1], b"SN1");
                it.extensions.push(
                    Extension::alternative_names(&[other_name(HARDWARE_MODULE_NAME, &module)])
                        .critical(),
                );
            }),
            OK,
        )
        .by("san.hwModuleName"),
        Case::new(
            "critical alternative name beside a serialNumber",
            &root,
            leaf(|it| {
                it.extensions
                    .push(Extension::alternative_names(&[uri("urn:x")]).critical());
            }),
            OK,
        ),
    ];
    cases.extend(issuers(&root));
    cases.extend(deep(&root));
    cases
}

/// A relative distinguished name of two attributes, the greater first, which DER forbids.
fn out_of_order_name() -> Vec<u8> {
    let pair = [Attribute::unit("zzz"), Attribute::serial_number("SN1")];
    let sets: Vec<_> = pair
        .iter()
        .map(|one| name(std::slice::from_ref(one)))
        .collect();
    // A name of one attribute is SEQUENCE { SET { attribute } } with lengths below 128.
    let attributes: Vec<u8> = sets.iter().flat_map(|set| set[4..].to_vec()).collect();
    let length = u8::try_from(attributes.len()).unwrap();
    [vec![0x30, length + 2, 0x31, length], attributes].concat()
}

fn issuers(root: &Ca) -> Vec<Case> {
    let under = |name, key, change: fn(&mut Forge)| {
        let issuing = root.below_with("Issuing", key, change);
        Case::new(name, root, [issuing.device(), issuing.der], OK)
    };
    let root_of = |name, key| {
        let root = Ca::root_with(key, |_| {});
        let issuing = root.below("Issuing");
        Case::new(name, &root, [issuing.device(), issuing.der], OK)
    };
    vec![
        under("P-384 issuer", ForgeKey::p384(), |_| {}),
        under("Ed25519 issuer", ForgeKey::ed25519(), |_| {}),
        under("RSA issuer", ForgeKey::rsa(Padding::Pkcs1), |_| {}),
        under(
            "RSA issuer that signs with PSS",
            ForgeKey::rsa(Padding::Pss),
            |_| {},
        ),
        root_of("P-384 root", ForgeKey::p384()),
        root_of("RSA root", ForgeKey::rsa(Padding::Pkcs1)),
        root_of("RSA root that signs with PSS", ForgeKey::rsa(Padding::Pss)),
        under("issuer without keyUsage", ForgeKey::p256(), |it| {
            it.extensions = vec![Extension::ca(None)];
        }),
        under("issuer for clients", ForgeKey::p256(), |it| {
            it.extensions
                .push(Extension::extended_key_usage(&[CLIENT_AUTH]));
        }),
        under(
            "issuer that allows no CA below it",
            ForgeKey::p256(),
            |it| {
                it.extensions = vec![Extension::ca(Some(0)), Extension::key_usage(&[5])];
            },
        ),
    ]
}

fn deep(root: &Ca) -> Vec<Case> {
    let exact = Ca::root_with(ForgeKey::p256(), |it| {
        it.extensions = vec![Extension::ca(Some(3)), Extension::key_usage(&[5])];
    });
    let chain = |root: &Ca| {
        let first = root.below("First");
        let second = first.below("Second");
        let third = second.below("Third");
        [third.device(), third.der, second.der, first.der]
    };
    let mut shuffled = chain(root);
    shuffled[1..].reverse();
    vec![
        Case::new("four certificates", root, chain(root), OK),
        Case::new("issuers in another order", root, shuffled, OK),
        Case::new("as deep as the root allows", &exact, chain(&exact), OK),
    ]
}

#[test]
fn what_a_certificate_says_is_what_is_found() {
    let root = Ca::root();
    let key = ForgeKey::p256();
    let leaf = root.sign(Forge::device("SN1", &key));
    let verifier = verifier(config(IdentityRule::SubjectSerialNumber), material(&root));
    let verified = verifier.verify(&[&leaf], NOW).unwrap();
    assert_eq!(verified.identity(), b"SN1");
    assert_eq!(verified.hardware_type(), None);
    assert_eq!(verified.public_key().as_bytes(), key.public());
    assert_eq!(
        verified.key_thumbprint(),
        verified.public_key().thumbprint()
    );
    assert_eq!(verified.anchor().name(), "factory");
    assert_eq!(verified.anchor().product_line(), "presses");
    assert_eq!(verified.admission(), Admission::Open);
    assert_eq!(verified.chain(), leaf);
    assert_eq!(
        verified.not_after(),
        Timestamp::from_seconds(253_402_300_799)
    );
}

#[test]
fn the_anchor_that_knows_the_issuer_says_whose_device_it_is() {
    let (first, second) = (Ca::root(), Ca::root());
    let named = |name: &str, prefix: &str, admission| AnchorConfig {
        name: name.to_owned(),
        product_line: name.to_owned(),
        id_prefix: prefix.parse().unwrap(),
        admission,
        ..config(IdentityRule::SubjectSerialNumber)
    };
    let anchors = vec![
        TrustAnchor::new(named("a", "a", AdmissionMode::Manifest), material(&first)).unwrap(),
        TrustAnchor::new(
            named("b", "b", AdmissionMode::Quarantine),
            material(&second),
        )
        .unwrap(),
    ];
    let verifier = DeviceVerifier::new(anchors, 1 << 20).unwrap();
    let found = |ca: &Ca| verifier.verify(&[&ca.device()], NOW).unwrap();
    assert_eq!(found(&first).device().as_str(), "a-SN1");
    assert_eq!(found(&first).admission(), Admission::Manifest);
    assert_eq!(found(&second).device().as_str(), "b-SN1");
    assert_eq!(found(&second).admission(), Admission::Quarantine);

    let stranger = Ca::root();
    let refusal = verifier.verify(&[&stranger.device()], NOW).unwrap_err();
    // Its name is known, its key is not.
    assert_eq!(refusal.name(), "bad-signature");
}

#[test]
fn anchors_that_do_not_go_together_are_refused() {
    let anchor = |name: &str, line: &str, prefix: &str| {
        let config = AnchorConfig {
            name: name.to_owned(),
            product_line: line.to_owned(),
            id_prefix: prefix.parse().unwrap(),
            ..config(IdentityRule::SubjectSerialNumber)
        };
        TrustAnchor::new(config, material(&Ca::root())).unwrap()
    };
    let together = |anchors| DeviceVerifier::new(anchors, 0).map(|_| ());
    assert_eq!(together(vec![]), Err(VerifierError::NoAnchor));
    assert!(matches!(
        together(vec![anchor("a", "l", "p"), anchor("a", "m", "q")]),
        Err(VerifierError::SameName(_))
    ));
    assert!(matches!(
        together(vec![anchor("a", "l", "p"), anchor("b", "m", "p")]),
        Err(VerifierError::SharedPrefix { .. })
    ));
    // Two factories of one product line.
    assert_eq!(
        together(vec![anchor("a", "l", "p"), anchor("b", "l", "p")]),
        Ok(())
    );
}
