//! A device and its authority, made up for measuring.

use fleetgrant_agent::{KeyError, Profile};
use fleetgrant_schemas::entitlement::{Entitlement, Model};
use fleetgrant_schemas::envelope::{Draft, Signer};
use fleetgrant_schemas::grant::{Flags, Grant};
use fleetgrant_schemas::id::{ActivationId, Challenge, Cti, DeviceId, DeviceNonce};
use fleetgrant_schemas::keys::{AuthorityKey, Role};
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::{OemId, Platform};

use fleetgrant_agent::software::SoftwareKey;

/// Where tests begin: 2026-01-01, in seconds since 1970.
pub const EPOCH: u64 = 1_767_225_600;
/// Features that are sold.
pub const FEATURES: &[&str] = &[
    "bandwidth-500",
    "bandwidth-1000",
    "decode-serial",
    "decode-can",
    "spectrum",
    "mask-test",
    "power",
    "remote",
];
/// Rights there is room for.
pub const RIGHTS: usize = 8;
/// As long as a certificate of P-256 is.
pub const LEAF: &[u8] = &[0x30; 400];
const DEVICE: &str = "scope-4711";
const REALM: &str = "acme";

/// A private key.
#[must_use]
pub fn key(seed: u8) -> Option<SoftwareKey> {
    SoftwareKey::new(&[seed; 32])
}

/// The authority as the device knows it.
#[must_use]
pub fn authority(key: &SoftwareKey) -> [AuthorityKey; 1] {
    [AuthorityKey {
        key: key.public_key(),
        not_before: EPOCH - 86_400,
        not_after: EPOCH + 300 * 86_400,
        epoch: 1,
        role: Role::Grants,
    }]
}

/// The device's profile.
#[must_use]
pub fn profile(authority: &[AuthorityKey]) -> Option<Profile<'_>> {
    Some(Profile {
        device: DeviceId::new(DEVICE).ok()?,
        realm: REALM,
        platform: Platform {
            oem_id: Some(OemId::Pen(99_999)),
            hw_model: Some(b"mk2"),
            sw_name: Some("scope-fw"),
            sw_version: Some("2.3.1"),
            boot_count: None,
        },
        features: FEATURES,
        authority_keys: authority,
        roots: &[],
        sw_built: Some(EPOCH - 86_400),
        min_key_set: 0,
        max_down: 2_048,
    })
}

/// A grant of the first `rights` features, as subscriptions; its length.
pub fn grant(
    authority: &SoftwareKey,
    device: &SoftwareKey,
    generation: u64,
    nonce: Option<DeviceNonce>,
    rights: usize,
    buffer: &mut [u8],
) -> Option<usize> {
    const BLANK: Entitlement<'_> = Entitlement {
        activation: ActivationId([0; 16]),
        feature: "",
        version_ceiling: Some("2.x"),
        model: Model::Subscription,
        start: None,
        end: Some(EPOCH + 365 * 86_400),
        count: None,
        grace: Some(30 * 86_400),
        vendor_data: None,
        usage_base: None,
        lease_end: None,
        build_ceiling: None,
        end_effect: None,
    };
    let mut entitlements = [BLANK; RIGHTS];
    for ((slot, feature), number) in entitlements.iter_mut().zip(FEATURES).zip(1..) {
        slot.feature = feature;
        slot.activation = ActivationId([number; 16]);
    }
    let grant = Grant {
        realm: REALM,
        device: DeviceId::new(DEVICE).ok()?,
        install_until: EPOCH + 30 * 86_400,
        issued_at: EPOCH,
        cti: Cti([generation as u8; 16]),
        confirmation: device.public_key().thumbprint(),
        nonce,
        epoch: 1,
        generation,
        renew_after: 30 * 86_400,
        entitlements: Seq::new(entitlements.get(..rights)?),
        next_challenge: Challenge([generation as u8; 16]),
        denials: Seq::empty(),
        flags: Flags::default(),
    };
    let signer = Signer::Key(authority.public_key().thumbprint().key_id());
    let draft = Draft::new(buffer, &signer, &grant).ok()?;
    let signature = authority.sign(&draft.to_sign()).ok()?;
    Some(draft.finish(&signature).len())
}

/// Bytes that differ from call to call, and are no secret.
#[must_use]
pub fn random() -> impl FnMut(&mut [u8]) -> Result<(), KeyError> {
    let mut state = 1_u32;
    move |bytes| {
        for byte in bytes {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        Ok(())
    }
}
