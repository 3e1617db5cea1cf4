//! What is written is read back, from the caller's buffer alone.
#![allow(clippy::unwrap_used)]

use fleetgrant_schemas::entitlement::{EndEffect, Entitlement, Model};
use fleetgrant_schemas::envelope::{Draft, Envelope, Signer};
use fleetgrant_schemas::grant::{Flags, Grant};
use fleetgrant_schemas::id::*;
use fleetgrant_schemas::request::{Reason, Receiver, Request};
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;
use fleetgrant_schemas::{Denial, Held, Malformed, OemId, Platform, Usage, Want, limits};

fn device() -> DeviceId<'static> {
    DeviceId::new("scope-4711").unwrap()
}

#[test]
fn a_request_comes_back_as_it_went() {
    let wants = [Want::Feature {
        feature: "bandwidth",
        total: 1,
    }];
    let usage = [Usage {
        activation: ActivationId([3; 16]),
        total: 70_000,
    }];
    let request = Request {
        device: device(),
        realm: "acme",
        issued_at: Some(1_800_000_000),
        challenge: Some(Challenge([1; 16])),
        platform: Platform {
            oem_id: Some(OemId::Pen(56_789)),
            hw_model: Some(b"mk2"),
            boot_count: Some(300),
            sw_name: Some("scope-fw"),
            sw_version: Some("1.2.3"),
        },
        seq: 65_536,
        held: Some(Held {
            epoch: 1,
            generation: 2,
            cti: Cti([4; 16]),
        }),
        key_set: 0,
        reason: Reason::Upgrade,
        nonce: DeviceNonce([5; 16]),
        wants: Seq::new(&wants),
        usage: Seq::new(&usage),
        concerned: Seq::empty(),
        receiver: Receiver {
            max_down: 4096,
            capabilities: 0,
        },
    };
    let mut buffer = [0; 1024];
    let signer = Signer::Thumbprint(CertificateThumbprint([6; 32]));
    let draft = Draft::new(&mut buffer, &signer, &request).unwrap();
    let digest = draft.to_sign().digest();
    let bytes = draft.finish(&[7; 64]);

    let envelope = Envelope::parse(bytes).unwrap();
    assert_eq!(envelope.message(), MessageType::Request);
    assert_eq!(envelope.signer(), signer);
    assert!(envelope.clone().verify(|_, _| false).is_err());
    let verified = envelope
        .verify(|_, signature| signature == &[7; 64])
        .unwrap();
    assert_eq!(verified.digest(), digest);
    assert_eq!(verified.read::<Request<'_>>(), Ok(request));
    assert_eq!(verified.read::<Grant<'_>>().unwrap_err(), Malformed::Type);
}

#[test]
fn a_grant_comes_back_as_it_went_and_fits_only_a_buffer_as_long_as_itself() {
    let entitlements = [Entitlement {
        activation: ActivationId([1; 16]),
        feature: "bandwidth",
        version_ceiling: Some("2.x"),
        model: Model::Subscription,
        start: Some(1_800_000_000),
        end: Some(1_831_536_000),
        count: Some(10),
        grace: Some(86_400),
        vendor_data: Some(&[9; 64]),
        usage_base: Some(5),
        lease_end: Some(1_807_776_000),
        build_ceiling: Some(1_812_000_000),
        end_effect: Some(EndEffect::NextBoot),
    }];
    let denials = [Denial {
        want: Want::Feature {
            feature: "decode",
            total: 1,
        },
        rule: "not-owned",
        retry_after: None,
    }];
    let grant = Grant {
        realm: "acme",
        device: device(),
        install_until: 1_802_592_000,
        issued_at: 1_800_000_000,
        cti: Cti([2; 16]),
        confirmation: KeyThumbprint([3; 32]),
        nonce: Some(DeviceNonce([4; 16])),
        epoch: 1,
        generation: 1,
        renew_after: 86_400,
        entitlements: Seq::new(&entitlements),
        next_challenge: Challenge([5; 16]),
        denials: Seq::new(&denials),
        flags: Flags { factory: true },
    };
    let mut buffer = [0; 1024];
    let signer = Signer::Key(KeyId([6; 8]));
    let len = Draft::new(&mut buffer, &signer, &grant)
        .unwrap()
        .finish(&[7; 64])
        .len();
    let verified = Envelope::parse(&buffer[..len])
        .unwrap()
        .verify(|_, _| true)
        .unwrap();
    assert_eq!(verified.read::<Grant<'_>>(), Ok(grant));
    assert!(Draft::new(&mut buffer[..len], &signer, &grant).is_ok());
    assert!(Draft::new(&mut buffer[..len - 1], &signer, &grant).is_err());
    for cut in 0..len {
        assert!(Envelope::parse(&buffer[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn no_grant_is_larger_than_the_largest() {
    for count in [0, 1, 23, 24, 64] {
        let features: Vec<String> = (0..count).map(|n| format!("{n:~>32}")).collect();
        let entitlements: Vec<_> = features
            .iter()
            .map(|feature| Entitlement {
                activation: ActivationId([1; 16]),
                feature,
                version_ceiling: Some("1234567890123456"),
                model: Model::Maintenance,
                start: Some(limits::MAX_INSTANT),
                end: Some(limits::MAX_INSTANT),
                count: Some(u64::MAX),
                grace: Some(u32::MAX),
                vendor_data: Some(&[9; limits::MAX_VENDOR_DATA]),
                usage_base: Some(u64::MAX),
                lease_end: Some(limits::MAX_INSTANT),
                build_ceiling: Some(limits::MAX_INSTANT),
                end_effect: Some(EndEffect::NextBoot),
            })
            .collect();
        let longest = "x".repeat(64);
        let grant = Grant {
            realm: &longest,
            device: DeviceId::new(&longest).unwrap(),
            install_until: limits::MAX_INSTANT,
            issued_at: limits::MAX_INSTANT,
            cti: Cti([2; 16]),
            confirmation: KeyThumbprint([3; 32]),
            nonce: Some(DeviceNonce([4; 16])),
            epoch: u32::MAX,
            generation: limits::MAX_COUNTER,
            renew_after: u32::MAX,
            entitlements: Seq::new(&entitlements),
            next_challenge: Challenge([5; 16]),
            denials: Seq::new(&[]),
            flags: Flags { factory: true },
        };
        let mut buffer = [0; 16_384];
        let size = Draft::new(&mut buffer, &Signer::Key(KeyId([6; 8])), &grant)
            .unwrap()
            .finish(&[7; 64])
            .len();
        let largest = Grant::largest(count);
        // The media type could be longer than it is, and the payload shorter than 256 bytes.
        assert!(size <= largest && largest < size + 40, "{size}, {largest}");
    }
}
