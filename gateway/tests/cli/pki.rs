//! `fleetgrant pki`: making certificates, and judging them.

use std::fs;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;

use crate::folder::{Folder, Outcome, REFUSED, USAGE};

const DEVICE: &str = "pki/devices/SN-0007.pem";

fn with_a_device() -> Folder {
    let folder = Folder::new();
    folder.run(&["pki", "init", "--dir", "pki"]).done().shows(&[
        "[[trust_anchor]]",
        "identity = \"san.hwModuleName:1.3.6.1.4.1.32473.1\"",
        "[authority]",
        "epoch = 1",
    ]);
    folder
        .run(&[
            "pki",
            "device",
            "--serial",
            "SN-0007",
            "--hwmodel",
            "FG-100",
        ])
        .done()
        .shows(&["dev-SN-0007"]);
    folder
}

fn verify(folder: &Folder, args: &[&str]) -> Outcome {
    folder.run(&[&["pki", "verify"], args].concat())
}

#[test]
fn a_device_is_accepted_by_its_own_factory() {
    let folder = with_a_device();
    verify(
        &folder,
        &["--roots", "pki/device-root.pem", "--leaf", DEVICE],
    )
    .done()
    .shows(&["accepted", "SN-0007", "san.hwModuleName", "no end"]);
    let rule = ["--identity", "subject.serialNumber"];
    let args = ["--roots", "pki/device-root.pem", "--leaf", DEVICE];
    verify(&folder, &[&args[..], &rule].concat())
        .done()
        .shows(&["SN-0007", "subject.serialNumber"]);
}

#[test]
fn der_and_pem_are_read_alike() {
    let folder = with_a_device();
    let in_folder = |name: &str| folder.path().join(name);
    for (pem, der) in [(DEVICE, "leaf.der"), ("pki/device-issuing.pem", "ca.der")] {
        let first = CertificateDer::from_pem_file(in_folder(pem)).unwrap();
        fs::write(in_folder(der), first).unwrap();
    }
    let args = ["--roots", "pki/device-root.pem", "--leaf", "leaf.der"];
    verify(&folder, &args)
        .ends(REFUSED, &["unknown-issuer"])
        .shows(&["refused", "unknown-issuer"]);
    let with_ca = [&args[..], &["--intermediates", "ca.der"]].concat();
    verify(&folder, &with_ca).done().shows(&["SN-0007"]);

    let mut followed = fs::read(in_folder("leaf.der")).unwrap();
    followed.push(0);
    fs::write(in_folder("leaf.der"), followed).unwrap();
    verify(&folder, &with_ca).ends(REFUSED, &["trailing-bytes"]);
}

#[test]
fn a_refusal_bears_its_name_and_ends_with_1() {
    let folder = with_a_device();
    let roots = ["--roots", "pki/device-root.pem", "--leaf", DEVICE];
    let with = |more: &[&str]| verify(&folder, &[&roots[..], more].concat());
    with(&["--time", "2019-12-31T23:59:59Z"])
        .ends(REFUSED, &["not-yet-valid"])
        .shows(&["the device's certificate is not valid yet"]);
    with(&["--time", "2070-01-01T00:00:00Z"]).ends(REFUSED, &["issuer-expired"]);
    with(&["--identity", "san.uri"]).ends(REFUSED, &["no-usable-identity"]);

    let broker = ["--roots", "pki/service-ca.pem", "--leaf", "pki/broker.pem"];
    verify(&folder, &broker).ends(REFUSED, &["leaf-extended-key-usage"]);
    let any = [&broker[..], &["--purpose", "any"]].concat();
    verify(&folder, &any)
        .done()
        .shows(&["broker", "subject.commonName"]);
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    let folder = with_a_device();
    let root = "pki/device-root.pem";
    fs::write(folder.path().join("note.txt"), "no certificate").unwrap();
    let nowhere = ["--roots", root, "--leaf", "nowhere.pem"];
    verify(&folder, &nowhere).ends(USAGE, &["nowhere.pem"]);
    let note = ["--roots", "note.txt", "--leaf", DEVICE];
    verify(&folder, &note).ends(USAGE, &["note.txt", "no certificate"]);
    let crl = ["--roots", root, "--leaf", DEVICE, "--crl", "note.txt"];
    verify(&folder, &crl).ends(USAGE, &["note.txt"]);
    let rule = ["--roots", root, "--leaf", DEVICE, "--identity", "serial"];
    verify(&folder, &rule).ends(USAGE, &["subject.serialNumber"]);
    let time = ["--roots", root, "--leaf", DEVICE, "--time", "yesterday"];
    verify(&folder, &time).ends(USAGE, &["--time"]);
}

#[test]
fn devices_are_numbered_and_listed_for_programs() {
    let folder = with_a_device();
    let args = [
        "--serial",
        "SN-0099",
        "--hwmodel",
        "FG-100",
        "--count",
        "3",
        "--output",
        "json",
    ];
    let listed = folder.run(&[&["pki", "device"], &args[..]].concat()).done();
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    let serials: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["serial"])
        .collect();
    assert_eq!(serials, ["SN-0099", "SN-0100", "SN-0101"]);
    for one in listed.as_array().unwrap() {
        assert_eq!(one["key_thumbprint"].as_str().unwrap().len(), 64);
        assert!(folder.path().join(one["key"].as_str().unwrap()).exists());
    }
}

#[test]
fn nothing_is_made_twice() {
    let folder = with_a_device();
    folder
        .run(&["pki", "init"])
        .ends(REFUSED, &["never overwritten"]);
    folder
        .run(&[
            "pki",
            "device",
            "--serial",
            "SN-0007",
            "--hwmodel",
            "FG-100",
        ])
        .ends(REFUSED, &["SN-0007"]);
    folder
        .run(&["pki", "authority", "--epoch", "1"])
        .ends(REFUSED, &["authority.key"]);
    folder
        .run(&["pki", "authority", "--epoch", "2"])
        .done()
        .shows(&["authority-2.key", "epoch = 2"]);
    Folder::new()
        .run(&["pki", "device", "--serial", "SN-1", "--hwmodel", "FG-100"])
        .ends(REFUSED, &["pki init"]);
}

#[test]
fn a_root_signs_key_sets_but_none_that_no_device_would_take() {
    const KEY: &str = "pki/authority.pub,1,2026-01-01T00:00:00Z,2027-01-01T00:00:00Z";
    let folder = with_a_device();
    folder
        .run(&["pki", "roots"])
        .done()
        .shows(&["roots/root-1.key", "roots/root-2.pub", "key id"]);
    folder.run(&["pki", "roots"]).ends(REFUSED, &["exists"]);
    let keys = |more: &[&str]| {
        let root = ["--root", "roots/root-1.key", "--realm", "acme"];
        folder.run(&[&["pki", "keys"], &root[..], &["--generation", "7"], more].concat())
    };
    keys(&["--grants", KEY])
        .done()
        .shows(&["keys.cbor: generation 7, 1 keys"]);
    let by = |root| folder.run(&["inspect", "keys.cbor", "--by", root]);
    by("roots/root-1.pub").done().shows(&["message    keys"]);
    by("roots/root-2.pub").ends(REFUSED, &["the signature is not by"]);

    // More keys than the smallest devices read: it is made, with a warning.
    let mut many = Vec::new();
    let named: Vec<_> = (2..7)
        .map(|epoch| {
            let epoch = epoch.to_string();
            folder.run(&["pki", "authority", "--epoch", &epoch]).done();
            KEY.replace(".pub,1,", &format!("-{epoch}.pub,{epoch},"))
        })
        .collect();
    for key in &named {
        many.extend(["--grants", key]);
    }
    keys(&many)
        .ends(0, &["warning", "will not get it", "max_down"])
        .shows(&["keys.cbor: generation 7, 5 keys"]);

    keys(&["--grants", KEY, "--notices", KEY]).ends(USAGE, &["no device would read it"]);
    let itself = ["--grants", KEY, "--retire", "roots/root-1.pub"];
    keys(&itself).ends(USAGE, &["a root cannot retire itself"]);
    let backwards = "pki/authority.pub,1,2027-01-01T00:00:00Z,2026-01-01T00:00:00Z";
    keys(&["--grants", backwards]).ends(USAGE, &["no device would read it"]);
    let private = "pki/authority.key,1,2026-01-01T00:00:00Z,2027-01-01T00:00:00Z";
    keys(&["--grants", private]).ends(USAGE, &["no P-256 public key"]);
    keys(&["--grants", "pki/authority.pub,1"]).ends(USAGE, &["FILE,EPOCH,FROM,UNTIL"]);
    keys(&["--grants", "pki/authority.pub,1,soon,later"]).ends(USAGE, &["is no instant"]);
}
