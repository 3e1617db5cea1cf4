//! One activation, from the request to the acknowledgement: the example of PROTOCOL.md.

use fleetgrant_schemas::Want;
use fleetgrant_schemas::ack::Ack;
use fleetgrant_schemas::entitlement::{Entitlement, Model};
use fleetgrant_schemas::envelope::Signer;
use fleetgrant_schemas::grant::{Flags, Grant};
use fleetgrant_schemas::id::*;
use fleetgrant_schemas::limits;
use fleetgrant_schemas::request::{Reason, Receiver, Request};
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::{OemId, Platform};

use crate::material::{Key, NOW, REALM, device, known_device};
use crate::valid::Valid;

const NONCE: DeviceNonce = DeviceNonce(*b"nonce of request");

pub(crate) fn request() -> Valid {
    let wants = [Want::Feature {
        feature: "bandwidth-500",
        total: 1,
    }];
    let request = Request {
        device: device(),
        realm: REALM,
        issued_at: None,
        challenge: Some(Challenge(*b"first challenge.")),
        platform: Platform {
            oem_id: Some(OemId::Pen(32_473)),
            hw_model: Some(b"MK2"),
            boot_count: Some(12),
            sw_name: Some("scope-fw"),
            sw_version: Some("2.4.1"),
        },
        seq: 17,
        held: None,
        key_set: 0,
        reason: Reason::Upgrade,
        nonce: NONCE,
        wants: Seq::new(&wants),
        usage: Seq::empty(),
        concerned: Seq::empty(),
        receiver: Receiver {
            max_down: 4096,
            capabilities: 0,
        },
    };
    Valid::new(
        "worked-request",
        "the worked activation: a device that holds nothing wants one unit of a feature",
        Key::Device,
        Key::Device.message(&known_device(), &request),
    )
}

fn grant_set<'b>(entitlements: &'b [Entitlement<'b>]) -> Grant<'b> {
    Grant {
        realm: REALM,
        device: device(),
        install_until: NOW + limits::INSTALL_WINDOW,
        issued_at: NOW,
        cti: Cti(*b"cti of the grant"),
        confirmation: Key::Device.thumbprint(),
        nonce: Some(NONCE),
        epoch: 1,
        generation: 1,
        renew_after: 30 * 86_400,
        entitlements: Seq::new(entitlements),
        next_challenge: Challenge(*b"second challenge"),
        denials: Seq::empty(),
        flags: Flags::default(),
    }
}

pub(crate) fn grant() -> Valid {
    let entitlements = [Entitlement {
        activation: ActivationId(*b"first activation"),
        feature: "bandwidth-500",
        version_ceiling: None,
        model: Model::Subscription,
        start: Some(NOW),
        end: Some(NOW + 365 * 86_400),
        count: None,
        grace: Some(14 * 86_400),
        vendor_data: None,
        usage_base: None,
        lease_end: None,
        build_ceiling: None,
        end_effect: None,
    }];
    Valid::new(
        "worked-grant",
        "the worked activation: the set that the device should have, answering its nonce",
        Key::Authority,
        Key::Authority.message(
            &Signer::Key(Key::Authority.kid()),
            &grant_set(&entitlements),
        ),
    )
}

pub(crate) fn ack() -> Valid {
    let ack = Ack {
        device: device(),
        realm: REALM,
        issued_at: Some(NOW + 2),
        n: 1,
        held: grant_set(&[]).held(),
        exceptions: Seq::empty(),
        shown_grant: None,
        usage: Seq::empty(),
    };
    Valid::new(
        "worked-ack",
        "the worked activation: the device has installed the set",
        Key::Device,
        Key::Device.message(&known_device(), &ack),
    )
}
