//! Who takes part: the authority, and a few devices with the identities they were made with.

use std::sync::OnceLock;

use fleetgrant_agent::Profile;
use fleetgrant_core::domain::{DeviceId, KeyThumbprint};
use fleetgrant_schemas::keys::{AuthorityKey, Role};
use fleetgrant_schemas::{Platform, id};

use crate::keys::{KeyPair, Scheme};

pub(crate) const REALM: &str = "sim";
/// What the firmware of every device knows.
pub(crate) const FEATURES: [&str; 7] = [
    "scope", "decode", "limit", "count", "trial", "linger", "care",
];
/// What no firmware knows, so that every device refuses it.
pub(crate) const UNKNOWN_FEATURE: &str = "future";
/// A feature whose rights are good for firmware up to [`CEILING`].
pub(crate) const LIMITED: usize = 2;
/// A feature whose uses are counted.
pub(crate) const COUNTED: usize = 3;
pub(crate) const CEILING: &str = "2.x";
/// Versions of the firmware; the second is above the ceiling.
const VERSIONS: [&str; 2] = ["2.4", "3.0"];
/// When each was built.
pub(crate) const BUILT: [u64; 2] = [BEGIN_SECS - 100 * 86_400, BEGIN_SECS + 50 * 86_400];
/// The largest message that each device takes: room for one right more, or for many.
const MAX_DOWN: [u16; DEVICES] = [1_000, 640, 512, 800];
pub(crate) const DEVICES: usize = 4;

/// When a simulation begins, in seconds since 1970: 1 December 2026.
pub(crate) const BEGIN_SECS: u64 = 1_796_083_200;
const AUTHORITY_SECS: u64 = 2 * 365 * 86_400;
pub(crate) const EPOCH: u32 = 1;

/// A device as the factory made it. Clones share one.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) place: usize,
    pub(crate) id: DeviceId,
    pub(crate) key: KeyPair,
    /// Stands for the DER of its certificate.
    pub(crate) certificate: &'static [u8],
    /// What each version of its firmware is built with.
    pub(crate) profiles: [Profile<'static>; 2],
}

impl Identity {
    pub(crate) fn thumbprint(&self) -> KeyThumbprint {
        self.key.public().thumbprint()
    }
}

/// Everybody who signs.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) authority: KeyPair,
    pub(crate) devices: Vec<Identity>,
}

/// The cast of a scheme; made once, since profiles are borrowed for as long as a device lives.
pub(crate) fn cast(scheme: Scheme) -> &'static Cast {
    static CASTS: [OnceLock<Cast>; 2] = [const { OnceLock::new() }; 2];
    CASTS[scheme as usize].get_or_init(|| assemble(scheme))
}

fn assemble(scheme: Scheme) -> Cast {
    let authority = KeyPair::new(scheme, 99);
    let keys: &'static [AuthorityKey] = Box::leak(Box::new([AuthorityKey {
        key: authority.public(),
        not_before: BEGIN_SECS - 86_400,
        not_after: BEGIN_SECS + AUTHORITY_SECS,
        epoch: EPOCH,
        role: Role::Grants,
    }]));
    let devices = MAX_DOWN.iter().enumerate().map(|(place, max_down)| {
        let id: &'static str = String::leak(format!("scope-{place}"));
        Identity {
            place,
            id: DeviceId::new(id).unwrap(),
            key: KeyPair::new(scheme, place as u8 + 1),
            certificate: id.as_bytes(),
            profiles: [0, 1].map(|version| Profile {
                device: id::DeviceId::new(id).unwrap(),
                realm: REALM,
                platform: Platform {
                    sw_name: Some("scope"),
                    sw_version: Some(VERSIONS[version]),
                    ..Platform::default()
                },
                features: &FEATURES,
                authority_keys: keys,
                roots: &[],
                sw_built: Some(BUILT[version]),
                min_key_set: 0,
                max_down: *max_down,
            }),
        }
    });
    Cast {
        devices: devices.collect(),
        authority,
    }
}
