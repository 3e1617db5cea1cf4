//! Activation codes, as they are printed, typed and proven.

use fleetgrant_schemas::code::{ActivationCode, CodeClaim, InvalidCode};
use fleetgrant_schemas::id::{CodeId, DeviceNonce};
use serde::Serialize;

use crate::hex;
use crate::material::{Key, REALM};

pub(crate) const NONCE: DeviceNonce = DeviceNonce([0x0c; 16]);

const FIRST: ActivationCode = ActivationCode {
    id: CodeId([0x01, 0x23, 0x45, 0x67, 0x89]),
    secret: [0xf0, 0xe1, 0xd2, 0xc3, 0xb4, 0xa5, 0x96, 0x87, 0x78, 0x69],
};

pub(crate) fn claim_of_the_first() -> CodeClaim {
    FIRST.claim(REALM, &Key::Device.thumbprint(), &NONCE)
}

#[derive(Serialize)]
pub(crate) struct Codes {
    description: &'static str,
    realm: &'static str,
    device_key: Key,
    nonce: String,
    valid: Vec<ValidCode>,
    invalid: Vec<InvalidCodeText>,
}

#[derive(Serialize)]
struct ValidCode {
    code: String,
    /// Other ways to type it.
    typed: Vec<String>,
    id: String,
    secret: String,
    proof: String,
}

#[derive(Serialize)]
struct InvalidCodeText {
    text: String,
    reason: &'static str,
}

pub(crate) fn codes() -> Codes {
    let zero = ActivationCode {
        id: CodeId([0; 5]),
        secret: [0; 10],
    };
    let ones = ActivationCode {
        id: CodeId([0xff; 5]),
        secret: [0xff; 10],
    };
    Codes {
        description: "proof is what the device sends in a request with this nonce: HMAC-SHA-256, \
            keyed with SHA-256(secret), over [\"fg-code-v1\", realm, key thumbprint, nonce].",
        realm: REALM,
        device_key: Key::Device,
        nonce: hex(&NONCE.0),
        valid: [FIRST, zero, ones].iter().map(valid).collect(),
        invalid: invalid(),
    }
}

fn valid(code: &ActivationCode) -> ValidCode {
    let printed = code.to_string();
    let claim = code.claim(REALM, &Key::Device.thumbprint(), &NONCE);
    ValidCode {
        typed: vec![
            printed.replace('-', ""),
            printed.to_lowercase().replace('-', " "),
            printed.replace('0', "O").replace('1', "l"),
        ],
        code: printed,
        id: hex(&code.id.0),
        secret: hex(&code.secret),
        proof: hex(&claim.proof.0),
    }
}

fn invalid() -> Vec<InvalidCodeText> {
    let good = FIRST.to_string();
    let mut swapped = good.clone().into_bytes();
    swapped.swap(8, 9);
    let mut wrong = good.clone().into_bytes();
    wrong[0] = b'9';
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("ASCII");
    [
        (String::new(), "length"),
        (good[..28].to_owned(), "length"),
        (format!("{good}0"), "length"),
        (good.replace('-', "_"), "character"),
        (good.replacen('0', "U", 1), "character"),
        (good.replacen('0', "é", 1), "character"),
        (good.replacen('0', "ı", 1), "character"),
        (text(swapped), "check"),
        (text(wrong), "check"),
    ]
    .map(|(text, reason)| InvalidCodeText { text, reason })
    .into()
}

/// Our reading of every code in the file.
#[test]
fn codes_are_read_as_the_file_says() {
    let codes = codes();
    for valid in &codes.valid {
        for typed in valid.typed.iter().chain([&valid.code]) {
            let code: ActivationCode = typed.parse().expect("a valid code");
            assert_eq!(hex(&code.id.0), valid.id);
            assert_eq!(hex(&code.secret), valid.secret);
        }
    }
    for invalid in &codes.invalid {
        let reason = match invalid.text.parse::<ActivationCode>() {
            Err(InvalidCode::Length) => "length",
            Err(InvalidCode::Character(_)) => "character",
            Err(InvalidCode::Check) => "check",
            Ok(_) => "none",
        };
        assert_eq!(reason, invalid.reason, "{}", invalid.text);
    }
}
