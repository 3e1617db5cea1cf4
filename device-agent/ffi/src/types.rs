//! What C sees. Values that C gives are plain numbers, checked when they are read; the enums name
//! them.
#![allow(non_camel_case_types, reason = "they are named as in C")]

use core::ffi::{c_char, c_void};

/// The five messages: the last level of their topic.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fg_message {
    /// Device to gateway: what it wants. Topic `request`.
    Request = 1,
    /// Device to gateway: what it installed. Topic `ack`.
    Ack = 2,
    /// Gateway to device: the whole set of rights. Topic `grant`.
    Grant = 3,
    /// Gateway to device: why there is no grant. Topic `notice`.
    Notice = 4,
    /// Gateway to device: the authority's keys. Topic `keys`.
    Keys = 5,
}

/// What the agent keeps. Each is replaced whole.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fg_record {
    /// The signed grant in force: as long as the largest message and 24 bytes for each right.
    Set = 0,
    /// Counters, below 128 bytes. Written at every start, every 15 minutes, for every ack and
    /// every 16th request.
    State = 1,
    /// The authority's keys, below 1 kB.
    Keys = 2,
    /// Usage: 24 bytes for each counted right. Written for each use.
    Usage = 3,
}

/// Why a device asks.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fg_reason {
    /// It started.
    Boot = 0,
    /// It is on the factory line.
    Factory = 1,
    /// Its set is due for renewal.
    Renew = 2,
    /// Its owner wants more.
    Upgrade = 3,
    /// It gives something back.
    Return = 4,
    /// It takes over from another device.
    Rehost = 5,
    /// It needs a stop-gap.
    Temporary = 6,
    /// It lacks the authority's keys.
    Keys = 7,
}

/// What a notice says.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fg_notice {
    /// The seq was used before.
    StaleSeq = 1,
    /// The certificate is not known; the agent sends the chain.
    SendChain = 2,
    /// Not now.
    RetryLater = 3,
    /// The agent asks again with a fresh challenge.
    Challenge = 4,
    /// Not admitted here.
    NotAdmitted = 5,
    /// Waits for an operator.
    Quarantined = 6,
    /// The device, its key or its certificate was revoked.
    Revoked = 7,
    /// The whole request was denied.
    Denied = 8,
    /// The answer does not fit into what the device takes.
    TooLarge = 9,
    /// Signed well, and not understood.
    Malformed = 10,
    /// For another realm.
    WrongRealm = 11,
    /// The gateway wants to see the grant; the agent shows it.
    ShowGrant = 12,
    /// There is something for the device; the agent asks.
    Poke = 13,
    /// Another key holds this id, or another id this key.
    IdentityConflict = 14,
}

/// What a key of the authority may sign.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fg_role {
    /// Grants and notices.
    Grants = 1,
    /// Notices only.
    Notices = 2,
}

/// Bytes that somebody else owns. Null only if the length is 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fg_slice {
    /// The first byte.
    pub data: *const u8,
    /// How many.
    pub len: usize,
}

impl fg_slice {
    pub(crate) const fn of(bytes: &[u8]) -> Self {
        Self {
            data: bytes.as_ptr(),
            len: bytes.len(),
        }
    }
}

/// A P-256 public key by its coordinates, big-endian.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fg_public_key {
    /// x.
    pub x: [u8; 32],
    /// y.
    pub y: [u8; 32],
}

/// A key of the authority.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fg_authority_key {
    /// The key.
    pub key: fg_public_key,
    /// What it signed before this instant is refused (seconds since 1970).
    pub not_before: u64,
    /// What it signed at or after this instant is refused.
    pub not_after: u64,
    /// A grant's epoch must be its key's.
    pub epoch: u32,
    /// One of `fg_role`.
    pub role: u32,
}

/// Where records are kept. When the power fails during `store`, afterwards the old record or the
/// new one must be there, never a mix and never neither.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fg_storage {
    /// Passed to both.
    pub user: *mut c_void,
    /// Copies the record's bytes from `offset` on into `buffer`, as many as there are and fit, and
    /// writes their number to `loaded`: 0 past the end, or if there is no such record. Returns
    /// `FG_STATUS_OK`; `FG_STATUS_STORAGE_ROLLED_BACK` if the hardware can count and the record is
    /// not the last that was written; or anything else if reading failed.
    pub load: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            record: u32,
            offset: usize,
            buffer: *mut u8,
            len: usize,
            loaded: *mut usize,
        ) -> i32,
    >,
    /// Replaces the record by the parts, one behind the other, and returns when that is durable:
    /// `FG_STATUS_OK`, `FG_STATUS_STORAGE_FULL`, or anything else if writing failed.
    pub store: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            record: u32,
            parts: *const fg_slice,
            parts_len: usize,
        ) -> i32,
    >,
}

/// The device's key, its certificates, and randomness. With `private_key` the agent signs in
/// software, and `sign` and `public_key` are not used; without it, a secure element signs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fg_keys {
    /// Passed to all functions.
    pub user: *mut c_void,
    /// The private scalar, 32 bytes big-endian, copied during the start; or null.
    pub private_key: *const u8,
    /// The public key that the certificate bears, copied during the start.
    pub public_key: *const fg_public_key,
    /// Writes the DER of a certificate of the chain to `certificate`: the leaf at 0, then its
    /// issuers, the root left out. The bytes must stay until the agent's call returns. Returns
    /// `FG_STATUS_OK`, or `FG_STATUS_NOTHING` past the last.
    pub certificate: Option<
        unsafe extern "C" fn(user: *mut c_void, index: usize, certificate: *mut fg_slice) -> i32,
    >,
    /// Signs the SHA-256 digest (32 bytes) with ECDSA: r and s, 32 bytes each, big-endian. Returns
    /// `FG_STATUS_OK`, or anything else if it failed.
    pub sign: Option<
        unsafe extern "C" fn(user: *mut c_void, digest: *const u8, signature: *mut u8) -> i32,
    >,
    /// Whether the signature (64 bytes) over the digest (32 bytes) is good under the key: returns
    /// `FG_STATUS_OK` only then. It must refuse r or s of zero or not below the group's order, and
    /// a key that is no point of the curve. Null: checked in software.
    pub verify: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            key: *const fg_public_key,
            digest: *const u8,
            signature: *const u8,
        ) -> i32,
    >,
    /// Fills the buffer with bytes that nobody can guess. Returns `FG_STATUS_OK`, or anything else
    /// if it failed.
    pub random: Option<unsafe extern "C" fn(user: *mut c_void, buffer: *mut u8, len: usize) -> i32>,
}

/// What an agent is started with. Texts end with a zero byte. What a field says stays with the
/// agent must stay in place, unchanged, until `fg_agent_end`; the rest is needed during the start
/// only.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fg_config {
    /// The id that the certificate proves: 1 to 64 of `A-Z a-z 0-9 . _ -`. Stays with the agent.
    pub device: *const c_char,
    /// The realm the device was provisioned for, 1 to 64 bytes. Stays with the agent.
    pub realm: *const c_char,
    /// Maker of the hardware, as a private enterprise number; 0: none, or `oem_id`.
    pub oem_pen: u32,
    /// Maker of the hardware: an OUI (3 bytes) or a random id (16); or empty. Stays with the agent.
    pub oem_id: fg_slice,
    /// Model, 1 to 32 bytes, only with a maker; or empty. Stays with the agent.
    pub hw_model: fg_slice,
    /// Name of the firmware, 1 to 32 bytes, or null. Stays with the agent.
    pub sw_name: *const c_char,
    /// Version of the firmware, or null; without it every right with a version ceiling is refused.
    /// Stays with the agent.
    pub sw_version: *const c_char,
    /// When the firmware was built, in seconds since 1970, or 0; without it every right with a
    /// build ceiling is refused.
    pub sw_built: u64,
    /// The features this firmware knows. The names stay with the agent, the list need not.
    pub features: *const *const c_char,
    /// How many: at most `FLEETGRANT_FEATURES` of the build, which is 32 if not set.
    pub features_len: usize,
    /// The authority's keys that the firmware was built with.
    pub authority_keys: *const fg_authority_key,
    /// How many: at most `FLEETGRANT_KEYS` of the build, which is 2 if not set.
    pub authority_keys_len: usize,
    /// The authority's offline roots, which sign key sets.
    pub roots: *const fg_public_key,
    /// How many: at most 2. None: the device takes no key set.
    pub roots_len: usize,
    /// A key set below this generation is refused.
    pub min_key_set: u32,
    /// The largest message the device takes, 512 to 4096 bytes.
    pub max_down: u32,
    /// Holds the request that is outstanding: 512 bytes for one by thumbprint, 2 kB with a chain
    /// of P-256 certificates, 6 kB with RSA issuers. Stays with the agent, which alone uses it.
    pub request: *mut u8,
    /// Its length.
    pub request_len: usize,
    /// To check the stored grant: as long as `max_down`.
    pub scratch: *mut u8,
    /// Its length.
    pub scratch_len: usize,
    /// Where records are kept. What `user` leads to stays with the agent.
    pub storage: fg_storage,
    /// The device's key. What `user` leads to stays with the agent.
    pub keys: fg_keys,
}

/// A feature and the units wanted of it in all; fewer than held is a return.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fg_want {
    /// The feature's name.
    pub feature: *const c_char,
    /// Units in all.
    pub total: u32,
}

/// What is asked for. All empty: whatever is owed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fg_ask {
    /// One of `fg_reason`.
    pub reason: u32,
    /// Features wanted, at most 8.
    pub wants: *const fg_want,
    /// How many.
    pub wants_len: usize,
    /// An activation code as somebody typed it, or null.
    pub code: *const c_char,
    /// The activations (16 bytes each) that a return, rehost or temporary is about.
    pub concerned: *const [u8; 16],
    /// How many, at most 64.
    pub concerned_len: usize,
}

/// A message to publish, in the buffer that was handed over.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct fg_transmit {
    /// Its type: one of `fg_message`.
    pub message: u32,
    /// Its length.
    pub len: usize,
}

/// The set in force.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct fg_held {
    /// Epoch of the key that signed it.
    pub epoch: u32,
    /// Its number.
    pub generation: u64,
    /// Its id.
    pub cti: [u8; 16],
}

/// What happened.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fg_event_kind {
    /// A set is in force and will be acknowledged: `generation`, `denied`.
    Installed = 1,
    /// The authority answered without a grant: `notice`.
    Notice = 2,
    /// A key set is in force: `generation`.
    KeysInstalled = 3,
    /// A feature went on or off: `feature`, `on`.
    FeatureChanged = 4,
    /// A message was refused: `message`, `reason`.
    Refused = 5,
    /// A record was lost or cannot be written: `record`, `reason`.
    Storage = 6,
    /// A request that was due could not be made, and is tried again: `reason`.
    CannotAsk = 7,
}

/// Something happened. Fields that its kind does not name are 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct fg_event {
    /// One of `fg_event_kind`.
    pub kind: u32,
    /// Number of the set or key set.
    pub generation: u64,
    /// Wants that were denied.
    pub denied: u32,
    /// One of `fg_notice`.
    pub notice: u32,
    /// Place in the list of features.
    pub feature: u32,
    /// 1 if it went on.
    pub on: u32,
    /// One of `fg_message`.
    pub message: u32,
    /// One of `fg_record`.
    pub record: u32,
    /// Why: one of `fg_status`.
    pub reason: i32,
}

/// What a message was taken as.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fg_taken_kind {
    /// A new set, in force now: `generation`, `rights`, `denials`.
    Installed = 1,
    /// The set in force once more: the same fields.
    Again = 2,
    /// A notice: `notice`, `retry_after`, `text`.
    Notice = 3,
    /// A key set, in force now: `generation`.
    Keys = 4,
}

/// A want that was denied. Texts lead into the message and have no zero byte at their end.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fg_denial {
    /// The feature; empty for the activation code.
    pub feature: fg_slice,
    /// The name of the rule that denied it.
    pub rule: fg_slice,
    /// Seconds after which it may be asked for again; -1 if waiting does not help.
    pub retry_after: i64,
}

/// What a message said. Fields that its kind does not name are 0 or empty.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fg_taken {
    /// One of `fg_taken_kind`.
    pub kind: u32,
    /// Number of the set or key set.
    pub generation: u64,
    /// Rights in the set.
    pub rights: u32,
    /// One of `fg_notice`.
    pub notice: u32,
    /// Seconds to wait; -1 if the notice does not say.
    pub retry_after: i64,
    /// The notice's text for a log. Leads into the message.
    pub text: fg_slice,
    /// Denials in `denials`.
    pub denials_len: u32,
    /// Wants that were denied.
    pub denials: [fg_denial; 8],
}

/// Whether a feature may be used.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fg_feature_state {
    /// It is off: `off` says why.
    Off = 0,
    /// It is on.
    On = 1,
    /// Its end has passed and its grace has not, or it goes off at the next start: on, with a
    /// warning to the user.
    Grace = 2,
}

/// Why a feature is off.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fg_off {
    /// No right to it is held.
    NotGranted = 1,
    /// The firmware is newer than the right's version ceiling.
    VersionCeiling = 2,
    /// Its start lies ahead.
    NotStarted = 3,
    /// Its end and its grace have passed.
    Ended = 4,
    /// The device was out of contact for longer than its lease.
    LeaseEnded = 5,
    /// Its count is used up.
    UsedUp = 6,
    /// The firmware was built at or after the right's build ceiling.
    BuildCeiling = 7,
}

/// How a feature stands.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct fg_feature {
    /// One of `fg_feature_state`.
    pub state: u32,
    /// One of `fg_off`, or 0.
    pub off: u32,
    /// When that ends without contact, in seconds since 1970; `UINT64_MAX`: never, or, past its
    /// end, at the next start.
    pub until: u64,
    /// Uses left; `UINT64_MAX`: they are not counted down.
    pub remaining: u64,
}

/// Under which licence model a right runs.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fg_model {
    /// No end.
    Perpetual = 1,
    /// A term, renewable.
    Subscription = 2,
    /// Once per device and product.
    Evaluation = 3,
    /// A stop-gap.
    Temporary = 4,
    /// Paid by use.
    Metered = 5,
    /// A count of uses.
    Counted = 6,
    /// A version ceiling on other rights.
    Maintenance = 7,
}

/// A right of the set in force, as the authority signed it. Slices lead into the scratch, and have
/// no zero byte at their end.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fg_right {
    /// The feature's name.
    pub feature: fg_slice,
    /// The maker's own data, at most 64 bytes; empty if there is none.
    pub vendor_data: fg_slice,
    /// The newest firmware version it is good for; empty: any.
    pub version_ceiling: fg_slice,
    /// The activation that gives it; several rights may come from one.
    pub activation: [u8; 16],
    /// One of `fg_model`.
    pub model: u32,
    /// Seconds it goes on past `end`, with a warning.
    pub grace: u32,
    /// From when, in seconds since 1970; 0: from the beginning.
    pub start: u64,
    /// Until when; `UINT64_MAX`: for ever.
    pub end: u64,
    /// How many uses; `UINT64_MAX`: it is not counted down. `fg_agent_is_on` says how many are left.
    pub count: u64,
    /// Firmware built at or after this instant does not turn it on; `UINT64_MAX`: there is none.
    pub build_ceiling: u64,
    /// 1 if what is on at its end, and after its grace, stays on until the device next starts.
    pub ends_at_next_start: u32,
}
