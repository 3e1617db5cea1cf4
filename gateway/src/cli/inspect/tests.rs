#![allow(clippy::unwrap_used)]

use fleetgrant_schemas::envelope::{Draft, Signer};
use fleetgrant_schemas::id::{Challenge, Cti, DeviceId, DeviceNonce, KeyId};
use fleetgrant_schemas::notice::{Notice, NoticeCode};
use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::EncodePublicKey;

use super::*;

fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn notice(key: &SigningKey) -> Vec<u8> {
    notice_saying(key, "a \"text\"")
}

fn notice_saying(key: &SigningKey, text: &str) -> Vec<u8> {
    let notice = Notice {
        realm: "acme",
        device: DeviceId::new("scope-4711").unwrap(),
        issued_at: 1_800_000_000,
        cti: Cti([7; 16]),
        confirmation: None,
        nonce: Some(DeviceNonce([8; 16])),
        code: NoticeCode::StaleSeq,
        seq_expected: Some(17),
        retry_after: None,
        text: Some(text),
        challenge: Some(Challenge([9; 16])),
    };
    let mut buffer = [0; limits::MAX_DOWN];
    let draft = Draft::new(&mut buffer, &Signer::Key(KeyId([1; 8])), &notice).unwrap();
    let mut message = Vec::new();
    draft
        .to_sign()
        .for_each_part(|part| message.extend_from_slice(part));
    let signature: p256::ecdsa::Signature = key.sign(&message);
    draft.finish(&signature.to_bytes().into()).to_vec()
}

fn public(key: &SigningKey) -> key::PublicKey {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let pem = key
        .verifying_key()
        .to_public_key_pem(p256::pkcs8::LineEnding::LF)
        .unwrap();
    std::fs::write(&path, pem).unwrap();
    key::read(&path).unwrap()
}

fn described(bytes: &[u8], by: Option<&key::PublicKey>) -> (String, Result<(), Fault>) {
    let mut out = Vec::new();
    let verdict = describe(bytes, by, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), verdict)
}

#[test]
fn a_message_is_shown_with_names_words_and_instants() {
    let key = signing_key(1);
    let (text, verdict) = described(&notice(&key), Some(&public(&key)));
    assert_eq!(verdict, Ok(()));
    for shown in [
        "message    notice, ",
        "signer     the authority, by key id 0101010101010101",
        "signature  good, by the key given",
        "/ protected / << {",
        "1: / alg / -7 / ES256 /,",
        "1: / iss: realm / \"acme\",",
        "6: / iat / 1800000000 / 2027-01-15T08:00:00Z /,",
        "1: / code / 1 / stale-seq /,",
        "2: / seq expected / 17,",
        "4: / text / \"a \\\"text\\\"\",",
        "/ unprotected / {},",
    ] {
        assert!(text.contains(shown), "{shown} is missing in\n{text}");
    }
}

#[test]
fn a_text_that_would_steer_a_terminal_is_refused_and_shown_harmless() {
    let (text, verdict) = described(&notice_saying(&signing_key(1), "\u{1b}[31m"), None);
    assert!(verdict.unwrap_err().contains("control-character"));
    assert!(text.contains("\"\\u001b[31m\""), "{text}");
}

#[test]
fn without_a_key_it_says_that_nothing_was_checked() {
    let (text, verdict) = described(&notice(&signing_key(1)), None);
    assert_eq!(verdict, Ok(()));
    assert!(text.contains("signature  not checked"), "{text}");
}

#[test]
fn a_signature_by_another_key_is_a_fault_and_the_message_is_still_shown() {
    let (text, verdict) = described(&notice(&signing_key(1)), Some(&public(&signing_key(2))));
    assert!(verdict.is_err());
    assert!(text.contains("signature  BAD"), "{text}");
    assert!(text.contains("stale-seq"), "{text}");
}

#[test]
fn what_is_no_message_is_shown_without_names_and_refused_with_the_reason() {
    let (text, verdict) = described(&[0xa1, 0x01, 0x02], None);
    assert!(verdict.unwrap_err().contains("not-cose-sign1"));
    assert!(text.ends_with("{\n  1: 2\n}\n"), "{text}");
}

#[test]
fn what_is_no_cbor_is_refused() {
    let (_, verdict) = described(&[0xff, 0xff], None);
    assert!(verdict.unwrap_err().starts_with("no CBOR"));
}

#[test]
fn every_cut_of_a_message_is_refused_without_a_panic() {
    let bytes = notice(&signing_key(1));
    for cut in 0..bytes.len() {
        assert!(described(&bytes[..cut], None).1.is_err(), "cut at {cut}");
    }
}
