//! A device that takes every signature for good, so that the fuzzer reaches what comes after.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::LazyLock;

use fleetgrant_agent::{
    Agent, Instant, KeyError, KeyOperations, Profile, Record, Storage, StorageError,
};
use fleetgrant_schemas::Platform;
use fleetgrant_schemas::envelope::{SigStructure, Signature};
use fleetgrant_schemas::id::DeviceId;
use fleetgrant_schemas::keys::{AuthorityKey, PublicKey, Role};
use fleetgrant_schemas::limits::MAX_INSTANT;

/// Rights it has room for.
pub const RIGHTS: usize = 8;
/// The features its firmware knows, of which the vectors name the first.
pub const FEATURES: &[&str] = &["bandwidth-500", "decode", "meter", "prepaid"];

/// The agent of the targets.
pub type Device<'c> = Agent<'c, Credulous, Records, Vec<u8>, RIGHTS>;

/// A profile as the vectors' device has it, with the vectors' keys.
#[must_use]
pub fn profile<'c>(vectors: &'c Vectors, keys: &'c [AuthorityKey]) -> Profile<'c> {
    Profile {
        device: DeviceId::new(&vectors.device).unwrap_or_else(|_| panic!("a device id")),
        realm: &vectors.realm,
        platform: Platform {
            sw_name: Some("fuzz"),
            sw_version: Some("2.3.1"),
            ..Platform::default()
        },
        features: FEATURES,
        authority_keys: keys,
        roots: &vectors.roots,
        sw_built: Some(1_700_000_000),
        min_key_set: 0,
        max_down: 4_096,
    }
}

/// The parties of the vectors.
pub struct Vectors {
    device: String,
    realm: String,
    key: PublicKey,
    /// The authority's key.
    pub authority: PublicKey,
    roots: Vec<PublicKey>,
}

impl Vectors {
    /// From `schemas/vectors/material.json`, read once.
    ///
    /// # Panics
    /// The file is not as it was when this was written.
    #[must_use]
    pub fn get() -> &'static Self {
        static VECTORS: LazyLock<Vectors> = LazyLock::new(Vectors::read);
        &VECTORS
    }

    /// The id of the device.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The device's key.
    #[must_use]
    pub const fn device_key(&self) -> PublicKey {
        self.key
    }

    fn read() -> Self {
        let text = include_str!("../../schemas/vectors/material.json");
        let material: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let key = |name: &str| {
            let mut keys = material["keys"].as_array().into_iter().flatten();
            let key = keys.find(|key| key["name"] == name);
            let half = |axis: &str| -> [u8; 32] {
                let hex = key.map_or_else(String::new, |key| text(&key[axis]));
                let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes());
                bytes
                    .unwrap_or_default()
                    .try_into()
                    .unwrap_or_else(|_| panic!("{name} {axis}"))
            };
            PublicKey {
                x: half("x"),
                y: half("y"),
            }
        };
        Self {
            device: text(&material["device"]),
            realm: text(&material["realm"]),
            key: key("device"),
            authority: key("authority"),
            roots: vec![key("root"), key("spare-root")],
        }
    }

    /// The authority's key, good for ever.
    #[must_use]
    pub fn authority_keys(&self) -> [AuthorityKey; 1] {
        [AuthorityKey {
            key: self.authority,
            not_before: 0,
            not_after: MAX_INSTANT,
            epoch: 1,
            role: Role::Grants,
        }]
    }
}

/// Starts the device.
#[must_use]
pub fn start<'c>(
    profile: &'c Profile<'c>,
    vectors: &Vectors,
    records: &Records,
    now: u64,
) -> Option<Device<'c>> {
    let keys = Credulous {
        key: vectors.key,
        nonces: 0,
    };
    let mut scratch = vec![0; 4_096];
    Agent::start(
        profile,
        keys,
        records.clone(),
        vec![0; 2_048],
        &mut scratch,
        Instant(now),
    )
    .ok()
}

/// Key operations that find every signature good, and nonces that the vectors echo.
pub struct Credulous {
    key: PublicKey,
    nonces: u8,
}

impl KeyOperations for Credulous {
    fn public_key(&self) -> PublicKey {
        self.key
    }

    fn certificate(&self, index: usize) -> Option<&[u8]> {
        (index == 0).then_some(&[0x30; 100])
    }

    fn sign(&mut self, _: &SigStructure<'_>) -> Result<Signature, KeyError> {
        Ok([1; 64])
    }

    fn verify(&mut self, _: &PublicKey, _: &SigStructure<'_>, signature: &Signature) -> bool {
        // So that the fuzzer can make a bad one too.
        signature[0] != 0xff
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), KeyError> {
        // The nonce of the worked request, so that the worked grant answers it.
        let nonce = b"nonce of request";
        self.nonces = self.nonces.wrapping_add(1);
        for (byte, from) in bytes.iter_mut().zip(nonce.iter().cycle()) {
            *byte = *from;
        }
        Ok(())
    }
}

/// Records in memory that outlive the device.
#[derive(Clone, Default)]
pub struct Records(Rc<RefCell<HashMap<Record, Vec<u8>>>>);

impl Records {
    /// Puts a record there, whatever is in it.
    pub fn put(&self, record: Record, bytes: Vec<u8>) {
        self.0.borrow_mut().insert(record, bytes);
    }
}

impl Storage for Records {
    fn load(
        &mut self,
        record: Record,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        let records = self.0.borrow();
        let rest = records.get(&record).and_then(|bytes| bytes.get(offset..));
        let rest = rest.unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn store(&mut self, record: Record, parts: &[&[u8]]) -> Result<(), StorageError> {
        self.put(record, parts.concat());
        Ok(())
    }
}
