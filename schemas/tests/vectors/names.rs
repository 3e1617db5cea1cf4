//! What the keys of the messages are called.

use fleetgrant_schemas::topic::MessageType;

const OURS: i64 = -65537;

pub(crate) fn of_header(path: &[i64]) -> Option<&'static str> {
    Some(match path {
        [1] => "alg: ES256",
        [4] => "kid",
        [16] => "typ",
        [33] => "x5chain",
        [34] => "x5t",
        [34, 0] => "SHA-256",
        _ => return None,
    })
}

pub(crate) fn of_payload(message: MessageType, path: &[i64]) -> Option<&'static str> {
    let (first, rest) = path.split_first()?;
    if *first == OURS && !rest.is_empty() {
        return match message {
            MessageType::Request => of_request(rest),
            MessageType::Grant => of_grant(rest),
            MessageType::Ack => of_ack(rest),
            MessageType::Notice => of_notice(rest),
            MessageType::Keys => of_keys(rest),
        };
    }
    Some(match (path, message.is_up()) {
        ([1], true) => "iss: device",
        ([1], false) => "iss: realm",
        ([2], false) => "sub: device",
        ([3], true) => "aud: realm",
        ([4], false) => "exp: install until",
        ([6], _) => "iat",
        ([7], _) => "cti",
        ([8], _) => "cnf",
        ([8, 5], _) => "key thumbprint",
        ([10], true) => "nonce: challenge echoed",
        ([10], false) => "nonce: of the request answered",
        ([258], _) => "oemid",
        ([259], _) => "hwmodel",
        ([267], _) => "bootcount",
        ([270], _) => "swname",
        ([271], _) => "swversion",
        ([OURS], _) => "fleetgrant",
        _ => return None,
    })
}

fn of_request(path: &[i64]) -> Option<&'static str> {
    Some(match path {
        [0] => "version",
        [1] => "seq",
        [2] => "held",
        [2, rest @ ..] => return of_held(rest),
        [3] => "key-set generation",
        [4] => "reason",
        [5] => "device nonce",
        [6] => "wants",
        [6, _, 0] => "by feature 0, by code 1",
        [7] => "usage totals",
        [8] => "activations concerned",
        [9] => "receiver",
        [9, 0] => "max-down",
        [9, 1] => "capabilities",
        _ => return None,
    })
}

fn of_grant(path: &[i64]) -> Option<&'static str> {
    Some(match path {
        [0] => "version",
        [1] => "epoch",
        [2] => "generation",
        [3] => "renew after, s",
        [4] => "entitlements",
        [4, _, rest @ ..] => return of_entitlement(rest),
        [5] => "next challenge",
        [6] => "denials",
        [6, _, 0] => "want",
        [6, _, 1] => "rule",
        [6, _, 2] => "retry after, s",
        [7] => "flags",
        _ => return None,
    })
}

fn of_entitlement(path: &[i64]) -> Option<&'static str> {
    Some(match path {
        [0] => "activation",
        [1] => "feature",
        [2] => "version ceiling",
        [3] => "model",
        [4] => "start",
        [5] => "end",
        [6] => "count",
        [7] => "grace, s",
        [8] => "vendor data",
        [9] => "usage base",
        [10] => "lease end",
        [11] => "build ceiling",
        [12] => "end effect",
        _ => return None,
    })
}

fn of_ack(path: &[i64]) -> Option<&'static str> {
    Some(match path {
        [0] => "version",
        [1] => "n",
        [2] => "held",
        [2, rest @ ..] => return of_held(rest),
        [3] => "exceptions",
        [3, _, 1] => "outcome",
        [3, _, 2] => "reason",
        [6] => "shown grant",
        [7] => "usage totals",
        _ => return None,
    })
}

fn of_notice(path: &[i64]) -> Option<&'static str> {
    Some(match path {
        [0] => "version",
        [1] => "code",
        [2] => "seq expected",
        [3] => "retry after, s",
        [4] => "text",
        [5] => "challenge",
        _ => return None,
    })
}

fn of_keys(path: &[i64]) -> Option<&'static str> {
    Some(match path {
        [0] => "version",
        [1] => "key-set generation",
        [2] => "keys",
        [2, _, 0] => "COSE key",
        [2, _, 0, 1] => "kty: EC2",
        [2, _, 0, -1] => "crv: P-256",
        [2, _, 0, -2] => "x",
        [2, _, 0, -3] => "y",
        [2, _, 1] => "nbf",
        [2, _, 2] => "exp",
        [2, _, 3] => "epoch",
        [2, _, 4] => "role",
        [3] => "retired roots",
        _ => return None,
    })
}

fn of_held(path: &[i64]) -> Option<&'static str> {
    Some(match path {
        [0] => "epoch",
        [1] => "generation",
        [2] => "cti",
        _ => return None,
    })
}
