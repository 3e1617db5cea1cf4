//! What devices send.

use fleetgrant_schemas::ack::{Ack, Exception, Outcome, OutcomeReason};
use fleetgrant_schemas::envelope::{Certificate, Signer};
use fleetgrant_schemas::id::*;
use fleetgrant_schemas::limits;
use fleetgrant_schemas::request::{Reason, Receiver, Request};
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::{Held, OemId, Platform, Usage, Want};

use super::{Valid, down, with_mirrored_s};
use crate::material::{
    Key, NOW, REALM, device, device_certificate, issuing_certificate, known_device,
};
use crate::{codes, worked};

pub(crate) const HELD: Held = Held {
    epoch: 1,
    generation: 7,
    cti: Cti([0xc7; 16]),
};

const MOST_HELD: Held = Held {
    epoch: u32::MAX,
    generation: limits::MAX_COUNTER,
    cti: Cti([0xff; 16]),
};

fn least() -> Request<'static> {
    Request {
        device: DeviceId::new("a").expect("a character"),
        realm: "r",
        issued_at: None,
        challenge: None,
        platform: Platform::default(),
        seq: 1,
        held: None,
        key_set: 0,
        reason: Reason::Boot,
        nonce: DeviceNonce([0x0e; 16]),
        wants: Seq::empty(),
        usage: Seq::empty(),
        concerned: Seq::empty(),
        receiver: Receiver {
            max_down: 512,
            capabilities: 0,
        },
    }
}

pub(crate) fn requests() -> Vec<Valid> {
    let own = |name, description, signer: &Signer<'_>, request: &Request<'_>| {
        Valid::new(
            name,
            description,
            Key::Device,
            Key::Device.message(signer, request),
        )
    };
    let (leaf, issuing) = (device_certificate(), issuing_certificate());
    let blank = Request {
        device: device(),
        realm: REALM,
        receiver: Receiver {
            max_down: 4096,
            capabilities: 0,
        },
        ..least()
    };
    let leaf_only = [Certificate(&leaf)];
    let chain = [Certificate(&leaf), Certificate(&issuing)];
    let mut all = vec![
        worked::request(),
        own(
            "request-least",
            "as little as a request can hold",
            &known_device(),
            &least(),
        ),
        own(
            "request-leaf",
            "a first contact; x5chain is one certificate and so no array",
            &Signer::Chain(Seq::new(&leaf_only)),
            &blank,
        ),
        own(
            "request-chain",
            "a first contact; x5chain is an array, the leaf first",
            &Signer::Chain(Seq::new(&chain)),
            &blank,
        ),
    ];
    let code = [Want::Code(codes::claim_of_the_first())];
    all.push(own(
        "request-code",
        "wants what the first code of codes.json gives",
        &known_device(),
        &Request {
            nonce: codes::NONCE,
            challenge: Some(Challenge([0xca; 16])),
            seq: 2,
            reason: Reason::Upgrade,
            wants: Seq::new(&code),
            ..blank
        },
    ));
    let concerned = [ActivationId([0xa1; 16])];
    let usage = [Usage {
        activation: ActivationId([0xa1; 16]),
        total: 41,
    }];
    let fewer = [Want::Feature {
        feature: "bandwidth-500",
        total: 0,
    }];
    all.push(own(
        "request-return",
        "gives back a feature, naming the activation it came from",
        &known_device(),
        &Request {
            issued_at: Some(NOW),
            challenge: Some(Challenge([0xca; 16])),
            seq: 300,
            held: Some(HELD),
            key_set: 1,
            reason: Reason::Return,
            wants: Seq::new(&fewer),
            usage: Seq::new(&usage),
            concerned: Seq::new(&concerned),
            ..blank
        },
    ));
    all.push(own(
        "request-ieee-oui",
        "names its maker by an IEEE OUI",
        &known_device(),
        &Request {
            platform: Platform {
                oem_id: Some(OemId::Bytes(&[0x02, 0x00, 0x5e])),
                ..Platform::default()
            },
            ..blank
        },
    ));
    all.push(own(
        "request-full",
        "every field there is",
        &known_device(),
        &Request {
            issued_at: Some(NOW),
            challenge: Some(Challenge([0xca; 16])),
            platform: Platform {
                oem_id: Some(OemId::Pen(32_473)),
                hw_model: Some(b"MK2"),
                boot_count: Some(12),
                sw_name: Some("scope-fw"),
                sw_version: Some("2.4.1"),
            },
            seq: 70_000,
            held: Some(HELD),
            key_set: 1,
            reason: Reason::Rehost,
            wants: Seq::new(&[
                Want::Feature {
                    feature: "bandwidth-500",
                    total: 1,
                },
                Want::Code(codes::claim_of_the_first()),
            ]),
            usage: Seq::new(&usage),
            concerned: Seq::new(&concerned),
            ..blank
        },
    ));
    all.extend(reasons(&blank));
    all.push(most());
    let mirrored = with_mirrored_s(&worked::request().bytes);
    all.push(Valid::new(
        "request-other-s",
        "the request of the worked activation with n − s for s: just as good, and the same message",
        Key::Device,
        mirrored,
    ));
    all
}

fn reasons(blank: &Request<'_>) -> Vec<Valid> {
    let named = [
        (Reason::Factory, "request-reason-factory"),
        (Reason::Renew, "request-reason-renew"),
        (Reason::Rehost, "request-reason-rehost"),
        (Reason::Temporary, "request-reason-temporary"),
        (Reason::Keys, "request-reason-keys"),
    ];
    named
        .into_iter()
        .map(|(reason, name)| {
            let request = Request { reason, ..*blank };
            let bytes = Key::Device.message(&known_device(), &request);
            Valid::new(name, "asks for this reason", Key::Device, bytes)
        })
        .collect()
}

/// Every field at its limit, and the whole of it as long as a message can be.
fn most() -> Valid {
    let names: Vec<String> = (0..8).map(|n| format!("{n:0>32}")).collect();
    let wants: Vec<Want<'_>> = names
        .iter()
        .map(|feature| Want::Feature {
            feature,
            total: u32::MAX,
        })
        .collect();
    let usage: Vec<Usage> = (0..64)
        .map(|n| Usage {
            activation: ActivationId([n; 16]),
            total: u64::MAX,
        })
        .collect();
    let concerned: Vec<ActivationId> = (64..128).map(|n| ActivationId([n; 16])).collect();
    let id = "A".repeat(64);
    let realm = "é".repeat(32);
    let request = Request {
        device: DeviceId::new(&id).expect("64 characters"),
        realm: &realm,
        issued_at: Some(limits::MAX_INSTANT),
        challenge: Some(Challenge([0xff; 16])),
        platform: Platform {
            oem_id: Some(OemId::Bytes(&[0xff; 16])),
            hw_model: Some(&[0xff; 32]),
            boot_count: Some(u32::MAX),
            sw_name: Some("nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"),
            sw_version: Some("vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"),
        },
        seq: limits::MAX_COUNTER,
        held: Some(MOST_HELD),
        key_set: u32::MAX,
        reason: Reason::Keys,
        nonce: DeviceNonce([0xff; 16]),
        wants: Seq::new(&wants),
        usage: Seq::new(&usage),
        concerned: Seq::new(&concerned),
        receiver: Receiver {
            max_down: 4096,
            capabilities: u32::MAX,
        },
    };
    let with_chain = |last: usize| {
        let certificates = [
            vec![0x30; 1],
            vec![0x30; 256],
            vec![0x30; 256],
            vec![0x30; last],
        ];
        let chain: Vec<Certificate<'_>> = certificates.iter().map(|der| Certificate(der)).collect();
        Key::Device.message(&Signer::Chain(Seq::new(&chain)), &request)
    };
    let last = 2048 + limits::MAX_UP - with_chain(2048).len();
    let bytes = with_chain(last);
    assert_eq!(bytes.len(), limits::MAX_UP);
    Valid::new(
        "request-most",
        "every field at its limit, and 8,192 bytes in all; the certificates are filler",
        Key::Device,
        bytes,
    )
}

pub(crate) fn acks() -> Vec<Valid> {
    let own = |name, description, ack: &Ack<'_>| {
        Valid::new(
            name,
            description,
            Key::Device,
            Key::Device.message(&known_device(), ack),
        )
    };
    let ack = Ack {
        device: device(),
        realm: REALM,
        issued_at: None,
        n: 1,
        held: HELD,
        exceptions: Seq::empty(),
        shown_grant: None,
        usage: Seq::empty(),
    };
    let exceptions: Vec<Exception> = OutcomeReason::ALL
        .iter()
        .map(|&reason| Exception {
            activation: ActivationId([0xa0 + reason.number(); 16]),
            outcome: match reason {
                OutcomeReason::NextBoot => Outcome::Deferred,
                _ => Outcome::Refused,
            },
            reason,
        })
        .collect();
    let usage = [Usage {
        activation: ActivationId([0xa1; 16]),
        total: 42,
    }];
    let leaf = device_certificate();
    let leaf = [Certificate(&leaf)];
    let shown = down::largest_grant();
    let most_exceptions: Vec<Exception> = (0..64)
        .map(|n| Exception {
            activation: ActivationId([n; 16]),
            outcome: Outcome::Deferred,
            reason: OutcomeReason::NextBoot,
        })
        .collect();
    let most_usage: Vec<Usage> = (0..64)
        .map(|n| Usage {
            activation: ActivationId([n; 16]),
            total: u64::MAX,
        })
        .collect();
    let id = "z".repeat(64);
    vec![
        worked::ack(),
        own("ack-least", "everything in the set is in force", &ack),
        Valid::new(
            "ack-leaf",
            "signed under a certificate instead of its thumbprint",
            Key::Device,
            Key::Device.message(&Signer::Chain(Seq::new(&leaf)), &ack),
        ),
        own(
            "ack-exceptions",
            "one exception for each reason, and a total used",
            &Ack {
                issued_at: Some(NOW + 60),
                n: 2,
                exceptions: Seq::new(&exceptions),
                usage: Seq::new(&usage),
                ..ack
            },
        ),
        own(
            "ack-full",
            "every field there is; shows the grant it holds, as show-grant asked",
            &Ack {
                issued_at: Some(NOW + 60),
                n: 3,
                exceptions: Seq::new(&exceptions[..1]),
                usage: Seq::new(&usage),
                shown_grant: Some(&worked::grant().bytes),
                ..ack
            },
        ),
        own(
            "ack-most",
            "every field at its limit",
            &Ack {
                device: DeviceId::new(&id).expect("64 characters"),
                realm: &"R".repeat(64),
                issued_at: Some(limits::MAX_INSTANT),
                n: u32::MAX,
                held: MOST_HELD,
                exceptions: Seq::new(&most_exceptions),
                shown_grant: Some(&shown),
                usage: Seq::new(&most_usage),
            },
        ),
        Valid::new(
            "ack-other-s",
            "the ack of the worked activation with n − s for s",
            Key::Device,
            with_mirrored_s(&worked::ack().bytes),
        ),
    ]
}
