//! A small authority, a storage that loses power when told to, and a device to try them on.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

#[cfg(feature = "flash")]
pub mod nor;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use fleetgrant_agent::software::{self, SoftwareKey, SoftwareKeys};
use fleetgrant_agent::{
    Agent, Event, Instant, KeyError, Profile, Record, Refusal, Storage, StorageError, Taken,
};
use fleetgrant_schemas::ack::Ack;
use fleetgrant_schemas::entitlement::{Entitlement, Model};
use fleetgrant_schemas::envelope::{Draft, Envelope, Signer};
use fleetgrant_schemas::grant::{Flags, Grant};
use fleetgrant_schemas::id::*;
use fleetgrant_schemas::keys::{AuthorityKey, KeySet, PublicKey, Role};
use fleetgrant_schemas::notice::{Notice, NoticeCode};
use fleetgrant_schemas::request::Request;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;
use fleetgrant_schemas::{Held, Message, Platform, Usage};

/// The true time at which every test begins: 2026-01-01.
pub const EPOCH: u64 = 1_767_225_600;
/// When its firmware was built.
pub const BUILT: u64 = EPOCH - DAY;
pub const DAY: u64 = 86_400;
pub const DEVICE: &str = "scope-4711";
pub const REALM: &str = "acme";
pub const RIGHTS: usize = 8;
pub const FEATURES: &[&str] = &["bandwidth", "decode", "meter", "prepaid"];
pub const LEAF: &[u8] = &[0x30; 400];

pub fn key(seed: u8) -> SoftwareKey {
    SoftwareKey::new(&[seed; 32]).unwrap()
}

pub fn authority_key(seed: u8, epoch: u32) -> AuthorityKey {
    AuthorityKey {
        key: key(seed).public_key(),
        not_before: EPOCH - 30 * DAY,
        not_after: EPOCH + 335 * DAY,
        epoch,
        role: Role::Grants,
    }
}

pub const DEVICE_SEED: u8 = 7;
pub const AUTHORITY_SEED: u8 = 1;
pub const NOTICES_SEED: u8 = 2;
pub const ROOT_SEED: u8 = 3;
pub const OTHER_ROOT_SEED: u8 = 4;

/// What a profile borrows.
pub struct Factory {
    keys: Vec<AuthorityKey>,
    roots: Vec<PublicKey>,
}

impl Factory {
    pub fn new() -> Self {
        let notices = AuthorityKey {
            role: Role::Notices,
            ..authority_key(NOTICES_SEED, 1)
        };
        Self {
            keys: vec![authority_key(AUTHORITY_SEED, 1), notices],
            roots: vec![
                key(ROOT_SEED).public_key(),
                key(OTHER_ROOT_SEED).public_key(),
            ],
        }
    }

    pub fn profile(&self) -> Profile<'_> {
        Profile {
            device: DeviceId::new(DEVICE).unwrap(),
            realm: REALM,
            platform: Platform {
                sw_name: Some("scope-fw"),
                sw_version: Some("2.3.1"),
                ..Platform::default()
            },
            features: FEATURES,
            authority_keys: &self.keys,
            roots: &self.roots,
            sw_built: Some(BUILT),
            min_key_set: 0,
            max_down: 4_096,
        }
    }
}

/// Records that outlive the agent, and a switch that cuts the power at a write.
#[derive(Clone, Default)]
pub struct Flash {
    records: Rc<RefCell<HashMap<Record, Vec<u8>>>>,
    pub writes: Rc<Cell<usize>>,
    cut: Rc<Cell<Option<Cut>>>,
}

/// The power goes at write number `at` (from 0): before it counts, or right after.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub at: usize,
    pub after: bool,
}

impl Flash {
    pub fn cut_at(&self, cut: Cut) {
        self.writes.set(0);
        self.cut.set(Some(cut));
    }

    /// Whether the power is gone.
    pub fn is_cut(&self) -> bool {
        self.cut.get().is_some_and(|cut| self.writes.get() > cut.at)
    }

    /// The power is back.
    pub fn mend(&self) {
        self.cut.set(None);
    }

    pub fn bytes(&self, record: Record) -> Option<Vec<u8>> {
        self.records.borrow().get(&record).cloned()
    }

    pub fn put(&self, record: Record, bytes: Vec<u8>) {
        self.records.borrow_mut().insert(record, bytes);
    }

    pub fn wipe(&self) {
        self.records.borrow_mut().clear();
    }

    pub fn copy(&self) -> Self {
        let copy = Self::default();
        *copy.records.borrow_mut() = self.records.borrow().clone();
        copy
    }
}

impl Storage for Flash {
    fn load(
        &mut self,
        record: Record,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        let records = self.records.borrow();
        let rest = records.get(&record).and_then(|bytes| bytes.get(offset..));
        let rest = rest.unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn store(&mut self, record: Record, parts: &[&[u8]]) -> Result<(), StorageError> {
        let write = self.writes.get();
        self.writes.set(write + 1);
        match self.cut.get() {
            Some(cut) if write > cut.at || (write == cut.at && !cut.after) => {
                return Err(StorageError::Write);
            }
            _ => {}
        }
        self.put(record, parts.concat());
        match self.cut.get() {
            Some(cut) if write == cut.at => Err(StorageError::Write),
            _ => Ok(()),
        }
    }
}

pub type Random = Box<dyn FnMut(&mut [u8]) -> Result<(), KeyError>>;
pub type TestAgent<'c> = Agent<'c, SoftwareKeys<'static, Random>, Flash, Vec<u8>, RIGHTS>;

/// Deterministic, never the same twice (SplitMix64).
pub fn random(seed: u64) -> Random {
    let mut state = seed;
    Box::new(move |bytes| {
        for chunk in bytes.chunks_mut(8) {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            chunk.copy_from_slice(&z.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    })
}

pub fn start<'c>(profile: &'c Profile<'c>, flash: &Flash, seed: u64) -> TestAgent<'c> {
    start_at(profile, flash, seed, Instant(0))
}

pub fn start_at<'c>(
    profile: &'c Profile<'c>,
    flash: &Flash,
    seed: u64,
    now: Instant,
) -> TestAgent<'c> {
    let keys = SoftwareKeys::new(key(DEVICE_SEED), &[LEAF], random(seed));
    let mut scratch = vec![0; 4_096];
    Agent::start(
        profile,
        keys,
        flash.clone(),
        vec![0; 2_048],
        &mut scratch,
        now,
    )
    .unwrap()
}

/// Everything the agent wants to send now.
pub fn sent(agent: &mut TestAgent<'_>) -> Vec<(MessageType, Vec<u8>)> {
    let mut buffer = vec![0; 9_000];
    let mut sent = Vec::new();
    while let Some(transmit) = agent.poll_transmit(&mut buffer) {
        sent.push((transmit.message, buffer[..transmit.len].to_vec()));
    }
    sent
}

pub fn events(agent: &mut TestAgent<'_>) -> Vec<Event> {
    std::iter::from_fn(|| agent.poll_event()).collect()
}

/// The one request the agent sends when its time has come.
pub fn requested(agent: &mut TestAgent<'_>, now: Instant) -> Vec<u8> {
    agent.handle_timeout(now);
    let mut sent = sent(agent);
    let (message, bytes) = sent.pop().unwrap();
    assert_eq!(message, MessageType::Request);
    bytes
}

/// Verifies under the device's key and reads.
pub fn read<'b, M: Message<'b>>(bytes: &'b [u8]) -> M {
    let device = key(DEVICE_SEED).public_key();
    let verified = Envelope::parse(bytes)
        .unwrap()
        .verify(|signed, signature| software::verify(&device, signed, signature))
        .expect("the device's signature");
    verified.read().unwrap()
}

pub fn read_request(bytes: &[u8]) -> Request<'_> {
    read(bytes)
}

pub fn read_ack(bytes: &[u8]) -> Ack<'_> {
    read(bytes)
}

pub fn nonce_of(request: &[u8]) -> DeviceNonce {
    read_request(request).nonce
}

/// Signs whatever it is given.
pub fn signed<'m, M: Message<'m>>(seed: u8, message: &M) -> Vec<u8> {
    let key = key(seed);
    let signer = Signer::Key(key.public_key().thumbprint().key_id());
    let mut buffer = vec![0; 8_192];
    let draft = Draft::new(&mut buffer, &signer, message).unwrap();
    let signature = key.sign(&draft.to_sign()).unwrap();
    draft.finish(&signature).to_vec()
}

pub fn grant<'b>(generation: u64, nonce: Option<DeviceNonce>) -> Grant<'b> {
    Grant {
        realm: REALM,
        device: DeviceId::new(DEVICE).unwrap(),
        install_until: EPOCH + 30 * DAY,
        issued_at: EPOCH,
        cti: Cti([generation as u8; 16]),
        confirmation: key(DEVICE_SEED).public_key().thumbprint(),
        nonce,
        epoch: 1,
        generation,
        renew_after: 30 * DAY as u32,
        entitlements: Seq::empty(),
        next_challenge: Challenge([generation as u8; 16]),
        denials: Seq::empty(),
        flags: Flags::default(),
    }
}

pub fn right(activation: u8, feature: &str) -> Entitlement<'_> {
    Entitlement {
        activation: ActivationId([activation; 16]),
        feature,
        version_ceiling: None,
        model: Model::Perpetual,
        start: None,
        end: None,
        count: None,
        grace: None,
        vendor_data: None,
        usage_base: None,
        lease_end: None,
        build_ceiling: None,
        end_effect: None,
    }
}

pub fn notice<'b>(code: NoticeCode, nonce: Option<DeviceNonce>) -> Notice<'b> {
    Notice {
        realm: REALM,
        device: DeviceId::new(DEVICE).unwrap(),
        issued_at: EPOCH,
        cti: Cti([0x99; 16]),
        confirmation: Some(key(DEVICE_SEED).public_key().thumbprint()),
        nonce,
        code,
        seq_expected: None,
        retry_after: None,
        text: None,
        challenge: None,
    }
}

pub fn key_set<'b>(generation: u32, keys: &'b [AuthorityKey]) -> KeySet<'b> {
    KeySet {
        realm: REALM,
        issued_at: EPOCH,
        generation,
        keys: Seq::new(keys),
        retired_roots: Seq::empty(),
    }
}

pub fn take<'b>(
    agent: &mut TestAgent<'_>,
    bytes: &'b [u8],
    message: MessageType,
    now: Instant,
) -> Result<Taken<'b>, Refusal> {
    agent.handle_message(bytes, message, now)
}

/// Installs `entitlements` as the answer to the agent's request, and drops the ack.
pub fn install(
    agent: &mut TestAgent<'_>,
    generation: u64,
    entitlements: &[Entitlement<'_>],
    now: Instant,
) -> Vec<u8> {
    agent.resend(now);
    agent.handle_timeout(now);
    let sent_now = sent(agent);
    let request = sent_now.iter().find(|(m, _)| *m == MessageType::Request);
    let nonce = request.map(|(_, bytes)| nonce_of(bytes));
    let grant = Grant {
        entitlements: Seq::new(entitlements),
        ..grant(generation, nonce)
    };
    let bytes = signed(AUTHORITY_SEED, &grant);
    agent
        .handle_message(&bytes, MessageType::Grant, now)
        .unwrap();
    bytes
}

pub fn held(generation: u64) -> Held {
    Held {
        epoch: 1,
        generation,
        cti: Cti([generation as u8; 16]),
    }
}

pub fn usage(activation: u8, total: u64) -> Usage {
    Usage {
        activation: ActivationId([activation; 16]),
        total,
    }
}
