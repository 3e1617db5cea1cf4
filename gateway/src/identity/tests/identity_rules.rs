//! Where the identity stands, and what becomes of it.

use super::*;
use crate::pki::forge::{
    Attribute, Extension, HARDWARE_MODULE_NAME, T61, UTF8, hardware_module, name, octets,
    other_name, uri, utf8,
};

const TYPE: &[u64] = &[1, 3, 6, 1, 4, 1, 32_473, 1];
const OTHER_TYPE: &[u64] = &[1, 3, 6, 1, 4, 1, 32_473, 2];
const PRIVATE: &[u64] = &[1, 3, 6, 1, 4, 1, 32_473, 3];

pub(super) fn cases() -> Vec<Case> {
    let root = Ca::root();
    let subject = |name_: &'static str, rule, attributes: &[Attribute], expected| {
        let subject = name(attributes);
        Case::new(
            name_,
            &root,
            [root.device_with(|it| it.subject = subject)],
            expected,
        )
        .by(rule)
    };
    let names = |name_, rule, names: &[Vec<u8>], expected| {
        let extension = Extension::alternative_names(names);
        let leaf = root.device_with(|it| it.extensions.push(extension));
        Case::new(name_, &root, [leaf], expected).by(rule)
    };
    let module = |hardware_type, serial| {
        other_name(
            HARDWARE_MODULE_NAME,
            &hardware_module(hardware_type, serial),
        )
    };
    let cn = Attribute::common_name;
    let sn = Attribute::serial_number;
    let none = Err("no-usable-identity");
    let twice = Err("duplicate-identity");
    let typed = "san.hwModuleName:1.3.6.1.4.1.32473.1";
    let private = "otherName:1.3.6.1.4.1.32473.3";

    vec![
        subject(
            "commonName",
            "subject.commonName",
            &[cn("D1"), sn("S1")],
            Ok("acme-D1"),
        ),
        subject(
            "serialNumber",
            "subject.serialNumber",
            &[cn("D1"), sn("S1")],
            Ok("acme-S1"),
        ),
        subject("no such attribute", "subject.commonName", &[sn("S1")], none),
        subject("an empty attribute", "subject.commonName", &[cn("")], none),
        subject("empty subject", "subject.serialNumber", &[], none),
        subject(
            "the attribute twice",
            "subject.commonName",
            &[cn("D1"), cn("D2")],
            twice,
        ),
        subject(
            "twice the same",
            "subject.serialNumber",
            &[sn("S1"), sn("S1")],
            twice,
        ),
        subject(
            "twice, once empty",
            "subject.serialNumber",
            &[sn(""), sn("S1")],
            twice,
        ),
        subject(
            "no text",
            "subject.commonName",
            &[Attribute(vec![2, 5, 4, 3], T61, b"D1".to_vec())],
            none,
        ),
        subject(
            "not UTF-8",
            "subject.commonName",
            &[Attribute(vec![2, 5, 4, 3], UTF8, vec![0xff])],
            none,
        ),
        subject(
            "characters no topic may bear",
            "subject.commonName",
            &[cn("SN 1")],
            Ok("x-vpaus4qfjqr5yipgfmyotqnnhvep5gm235btvshf42ektzigmrzq"),
        ),
        subject(
            "a wildcard",
            "subject.commonName",
            &[cn("a/+/#")],
            Ok("x-kscxyvnre6gba7ltz6ljn6rsi5da5ziamfzsh4bmdgfyc2exybkq"),
        ),
        names(
            "hwModuleName",
            "san.hwModuleName",
            &[module(TYPE, b"M1")],
            Ok("acme-M1"),
        ),
        names(
            "hwModuleName of the type",
            typed,
            &[module(TYPE, b"M1")],
            Ok("acme-M1"),
        ),
        names(
            "hwModuleName of another type",
            typed,
            &[module(OTHER_TYPE, b"M1")],
            none,
        ),
        names(
            "two hwModuleNames, one of the type",
            typed,
            &[module(OTHER_TYPE, b"M2"), module(TYPE, b"M1")],
            Ok("acme-M1"),
        ),
        names(
            "two hwModuleNames and no type",
            "san.hwModuleName",
            &[module(OTHER_TYPE, b"M2"), module(TYPE, b"M1")],
            twice,
        ),
        names(
            "two hwModuleNames of the type",
            typed,
            &[module(TYPE, b"M1"), module(TYPE, b"M1")],
            twice,
        ),
        names(
            "a hwModuleName that is none",
            "san.hwModuleName",
            &[other_name(HARDWARE_MODULE_NAME, &utf8("M1"))],
            none,
        ),
        names(
            "a serial number of bytes",
            "san.hwModuleName",
            &[module(TYPE, &[0, 0xff])],
            Ok("x-4nor3mlpmka4wxacgdgyxnpvw5lptv6lzanwfmfuv4o4hjhmg6na"),
        ),
        names("URI", "san.uri", &[uri("ok.1")], Ok("acme-ok.1")),
        names("two URIs", "san.uri", &[uri("urn:a"), uri("urn:b")], twice),
        names("no URI", "san.uri", &[module(TYPE, b"M1")], none),
        names(
            "otherName, text",
            private,
            &[other_name(PRIVATE, &utf8("P1"))],
            Ok("acme-P1"),
        ),
        names(
            "otherName, octets",
            private,
            &[other_name(PRIVATE, &octets(b"P1"))],
            Ok("acme-P1"),
        ),
        names(
            "otherName built like hwModuleName",
            private,
            &[other_name(PRIVATE, &hardware_module(TYPE, b"P1"))],
            Ok("acme-P1"),
        ),
        names(
            "otherName twice, once unreadable",
            private,
            &[other_name(PRIVATE, &utf8("P1")), other_name(PRIVATE, &[])],
            twice,
        ),
        names(
            "otherName of another type",
            private,
            &[other_name(TYPE, &utf8("P1"))],
            none,
        ),
    ]
}

#[test]
fn the_hardware_type_comes_with_the_serial() {
    let root = Ca::root();
    let leaf = root.device_with(|it| {
        let value = hardware_module(TYPE, b"M1");
        it.extensions
            .push(Extension::alternative_names(&[other_name(
                HARDWARE_MODULE_NAME,
                &value,
            )]));
    });
    let verifier = verifier(
        config(IdentityRule::HardwareModuleName(None)),
        material(&root),
    );
    let verified = verifier.verify(&[&leaf], NOW).unwrap();
    assert_eq!(verified.hardware_type(), Some("1.3.6.1.4.1.32473.1"));
}

#[test]
fn rules_are_read_as_they_are_written() {
    for text in [
        "subject.serialNumber",
        "subject.commonName",
        "san.uri",
        "san.hwModuleName",
        "san.hwModuleName:1.2.3",
        "otherName:1.3.6.1.4.1.32473.3",
    ] {
        assert_eq!(text.parse::<IdentityRule>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "subject",
        "otherName",
        "otherName:",
        "otherName:x",
        "san.uri:1.2.3",
        "SAN.uri",
    ] {
        assert!(text.parse::<IdentityRule>().is_err(), "{text}");
    }
}
