//! How a call ended: one list for everything, so that C has one thing to look at.

use core::ffi::{CStr, c_char};

use fleetgrant_agent::{AskError, InvalidProfile, KeyError, Refusal, StartError, StorageError};
use fleetgrant_schemas::Malformed;

/// How a call ended. 0 is good; `fg_status_name` names it for a log.
#[repr(i32)]
#[allow(non_camel_case_types, reason = "it is named as in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fg_status {
    /// It went well.
    Ok = 0,
    /// There is nothing to give.
    Nothing = 1,
    /// A pointer is null or misaligned, or its length impossible.
    NullPointer = 2,
    /// The memory is smaller than `fg_agent_size`, or not aligned as `fg_agent_align` says.
    Memory = 3,
    /// Memory, request buffer and scratch overlap.
    Overlap = 4,
    /// The agent was called from one of its own callbacks.
    Busy = 5,
    /// There is no agent in this memory: it was not started, or has ended.
    NotStarted = 6,
    /// A text is missing, too long or not UTF-8.
    Text = 7,
    /// A number is none of its enum.
    Number = 8,
    /// A list is longer than there is room for.
    TooMany = 9,
    /// A callback that is needed is missing.
    Callback = 10,
    /// A device id is 1 to 64 of `A-Z a-z 0-9 . _ -`.
    DeviceId = 20,
    /// The realm has 1 to 64 bytes, without control characters.
    Realm = 21,
    /// Features are names of 1 to 32 visible characters, all different.
    Features = 22,
    /// What the platform says is too long, or lacks what it belongs to.
    Platform = 23,
    /// There are too many roots.
    Roots = 24,
    /// The private key is zero or not below the order of the curve.
    PrivateKey = 25,
    /// A key of the authority has no validity or an unknown role.
    AuthorityKey = 26,
    /// The scratch buffer is shorter than the stored set.
    ScratchTooSmall = 27,
    /// A stored record cannot be read.
    StorageRead = 40,
    /// A record cannot be stored; the old one is still there.
    StorageWrite = 41,
    /// There is no room to store a record.
    StorageFull = 42,
    /// A stored record is damaged.
    StorageDamaged = 43,
    /// A stored record is older than the last that was written.
    StorageRolledBack = 44,
    /// A record was stored and is what counts from the next start on, but the hardware did not count
    /// it: until it does, the record before could be put back.
    StorageUncounted = 45,
    /// An earlier ask is not answered yet.
    Outstanding = 50,
    /// A request holds at most eight wants.
    TooManyWants = 51,
    /// A feature stands twice among the wants.
    RepeatedWant = 52,
    /// The configuration does not name this feature.
    UnknownFeature = 53,
    /// No such activation is held.
    UnknownActivation = 54,
    /// The buffer is too small for the message.
    BufferTooSmall = 55,
    /// The key operations gave no certificate.
    NoCertificate = 56,
    /// The key store failed.
    KeyStore = 57,
    /// The activation code is mistyped.
    Code = 58,
    /// The feature is off.
    FeatureOff = 60,
    /// More messages than the device checks: one a second, ten at once.
    RateLimited = 100,
    /// Its type is not that of its topic, or not one that comes down.
    OtherTopic = 101,
    /// No key of the authority has this id; a request for keys follows.
    UnknownKey = 102,
    /// The key may not sign this message.
    KeyRole = 103,
    /// The key's validity has ended.
    KeyExpired = 104,
    /// The signature is wrong.
    BadSignature = 105,
    /// It is of another realm.
    OtherRealm = 106,
    /// It is for another device.
    OtherDevice = 107,
    /// It is for another key than this device's.
    OtherKey = 108,
    /// Its epoch is not that of the key that signed it.
    KeyEpoch = 109,
    /// It was issued outside of its key's validity.
    IssuedOutsideKey = 110,
    /// The time in which it could be installed is over.
    InstallWindow = 111,
    /// A device that holds nothing takes only what answers its own request.
    BlankWithoutNonce = 112,
    /// A factory grant has generation 1.
    FactoryGeneration = 113,
    /// It is older than the set in force.
    Superseded = 114,
    /// It has the number of the set in force and is another one; someone should be told.
    Conflict = 115,
    /// The device has no room for so many rights.
    SetTooLarge = 116,
    /// It answers no request of this device.
    NotAsked = 117,
    /// It may be followed once an hour only.
    TooSoon = 118,
    /// It is signed by no pinned root, or by a retired one.
    UnknownRoot = 119,
    /// It is not newer than the key set in force, or older than the firmware allows.
    OldKeySet = 120,
    /// It names a key twice, no key for grants, an older epoch, or retires its own signer.
    BadKeySet = 121,
    /// A message could not be stored.
    NotStored = 150,
    /// Longer than the limit of its direction.
    MalformedOversize = 200,
    /// The bytes end inside a value.
    MalformedTruncated = 201,
    /// Bytes follow the last value.
    MalformedTrailingBytes = 202,
    /// An array, map or string of indefinite length.
    MalformedIndefinite = 203,
    /// A head longer than its value needs (RFC 8949 section 4.2.1).
    MalformedNotShortest = 204,
    /// Map keys out of bytewise order (RFC 8949 section 4.2.1).
    MalformedUnsortedKeys = 205,
    /// A map key stands twice.
    MalformedDuplicateKey = 206,
    /// A value of another type than its place asks for.
    MalformedWrongType = 207,
    /// A text string that is not UTF-8.
    MalformedInvalidUtf8 = 208,
    /// A key that this version does not know.
    MalformedUnknownKey = 209,
    /// A text string with a control character.
    MalformedControlCharacter = 210,
    /// A required key is absent.
    MalformedMissingKey = 211,
    /// A string longer or shorter than its field allows.
    MalformedWrongLength = 212,
    /// A number, or a character of a name, outside its field's range.
    MalformedOutOfRange = 213,
    /// More elements than the field allows.
    MalformedTooMany = 214,
    /// Two elements of an array speak of the same thing.
    MalformedRepeated = 215,
    /// Not a tagged COSE_Sign1 (RFC 9052 section 4.2).
    MalformedNotSign1 = 216,
    /// The unprotected header holds something.
    MalformedUnprotectedHeader = 217,
    /// An algorithm other than ES256.
    MalformedAlgorithm = 218,
    /// A `typ` that is none of the five, or not the one expected here.
    MalformedType = 219,
    /// No signer, two, or one of the other direction.
    MalformedSigner = 220,
    /// A protocol version other than 1.
    MalformedVersion = 221,
}

impl fg_status {
    /// Every status.
    const ALL: &[Self] = &[
        Self::Ok,
        Self::Nothing,
        Self::NullPointer,
        Self::Memory,
        Self::Overlap,
        Self::Busy,
        Self::NotStarted,
        Self::Text,
        Self::Number,
        Self::TooMany,
        Self::Callback,
        Self::DeviceId,
        Self::Realm,
        Self::Features,
        Self::Platform,
        Self::Roots,
        Self::PrivateKey,
        Self::AuthorityKey,
        Self::ScratchTooSmall,
        Self::StorageRead,
        Self::StorageWrite,
        Self::StorageFull,
        Self::StorageDamaged,
        Self::StorageRolledBack,
        Self::StorageUncounted,
        Self::Outstanding,
        Self::TooManyWants,
        Self::RepeatedWant,
        Self::UnknownFeature,
        Self::UnknownActivation,
        Self::BufferTooSmall,
        Self::NoCertificate,
        Self::KeyStore,
        Self::Code,
        Self::FeatureOff,
        Self::RateLimited,
        Self::OtherTopic,
        Self::UnknownKey,
        Self::KeyRole,
        Self::KeyExpired,
        Self::BadSignature,
        Self::OtherRealm,
        Self::OtherDevice,
        Self::OtherKey,
        Self::KeyEpoch,
        Self::IssuedOutsideKey,
        Self::InstallWindow,
        Self::BlankWithoutNonce,
        Self::FactoryGeneration,
        Self::Superseded,
        Self::Conflict,
        Self::SetTooLarge,
        Self::NotAsked,
        Self::TooSoon,
        Self::UnknownRoot,
        Self::OldKeySet,
        Self::BadKeySet,
        Self::NotStored,
        Self::MalformedOversize,
        Self::MalformedTruncated,
        Self::MalformedTrailingBytes,
        Self::MalformedIndefinite,
        Self::MalformedNotShortest,
        Self::MalformedUnsortedKeys,
        Self::MalformedDuplicateKey,
        Self::MalformedWrongType,
        Self::MalformedInvalidUtf8,
        Self::MalformedUnknownKey,
        Self::MalformedControlCharacter,
        Self::MalformedMissingKey,
        Self::MalformedWrongLength,
        Self::MalformedOutOfRange,
        Self::MalformedTooMany,
        Self::MalformedRepeated,
        Self::MalformedNotSign1,
        Self::MalformedUnprotectedHeader,
        Self::MalformedAlgorithm,
        Self::MalformedType,
        Self::MalformedSigner,
        Self::MalformedVersion,
    ];

    /// The refusals and reasons have the names they have in every log of Fleetgrant.
    const fn name(self) -> &'static CStr {
        match self {
            Self::Ok => c"ok",
            Self::Nothing => c"nothing",
            Self::NullPointer => c"null-pointer",
            Self::Memory => c"memory",
            Self::Overlap => c"overlap",
            Self::Busy => c"busy",
            Self::NotStarted => c"not-started",
            Self::Text => c"text",
            Self::Number => c"number",
            Self::TooMany => c"too-many-of-a-list",
            Self::Callback => c"callback",
            Self::DeviceId => c"device-id",
            Self::Realm => c"realm",
            Self::Features => c"features",
            Self::Platform => c"platform",
            Self::Roots => c"roots",
            Self::PrivateKey => c"private-key",
            Self::AuthorityKey => c"authority-key",
            Self::ScratchTooSmall => c"scratch-too-small",
            Self::StorageRead => c"storage-read",
            Self::StorageWrite => c"storage-write",
            Self::StorageFull => c"storage-full",
            Self::StorageDamaged => c"storage-damaged",
            Self::StorageRolledBack => c"storage-rolled-back",
            Self::StorageUncounted => c"storage-uncounted",
            Self::Outstanding => c"outstanding",
            Self::TooManyWants => c"too-many-wants",
            Self::RepeatedWant => c"repeated-want",
            Self::UnknownFeature => c"unknown-feature",
            Self::UnknownActivation => c"unknown-activation",
            Self::BufferTooSmall => c"buffer-too-small",
            Self::NoCertificate => c"no-certificate",
            Self::KeyStore => c"key-store",
            Self::Code => c"code",
            Self::FeatureOff => c"feature-off",
            Self::RateLimited => c"rate-limited",
            Self::OtherTopic => c"other-topic",
            Self::UnknownKey => c"unknown-key-id",
            Self::KeyRole => c"key-role",
            Self::KeyExpired => c"key-expired",
            Self::BadSignature => c"signature",
            Self::OtherRealm => c"other-realm",
            Self::OtherDevice => c"other-device",
            Self::OtherKey => c"other-key",
            Self::KeyEpoch => c"key-epoch",
            Self::IssuedOutsideKey => c"issued-outside-key",
            Self::InstallWindow => c"install-window",
            Self::BlankWithoutNonce => c"blank-without-nonce",
            Self::FactoryGeneration => c"factory-generation",
            Self::Superseded => c"superseded",
            Self::Conflict => c"conflict",
            Self::SetTooLarge => c"set-too-large",
            Self::NotAsked => c"not-asked",
            Self::TooSoon => c"too-soon",
            Self::UnknownRoot => c"unknown-root",
            Self::OldKeySet => c"old-key-set",
            Self::BadKeySet => c"bad-key-set",
            Self::NotStored => c"storage",
            Self::MalformedOversize => c"oversize",
            Self::MalformedTruncated => c"truncated",
            Self::MalformedTrailingBytes => c"trailing-bytes",
            Self::MalformedIndefinite => c"indefinite-length",
            Self::MalformedNotShortest => c"not-shortest",
            Self::MalformedUnsortedKeys => c"unsorted-keys",
            Self::MalformedDuplicateKey => c"duplicate-key",
            Self::MalformedWrongType => c"wrong-type",
            Self::MalformedInvalidUtf8 => c"invalid-utf8",
            Self::MalformedUnknownKey => c"unknown-key",
            Self::MalformedControlCharacter => c"control-character",
            Self::MalformedMissingKey => c"missing-key",
            Self::MalformedWrongLength => c"wrong-length",
            Self::MalformedOutOfRange => c"out-of-range",
            Self::MalformedTooMany => c"too-many",
            Self::MalformedRepeated => c"repeated",
            Self::MalformedNotSign1 => c"not-cose-sign1",
            Self::MalformedUnprotectedHeader => c"unprotected-header",
            Self::MalformedAlgorithm => c"algorithm",
            Self::MalformedType => c"type",
            Self::MalformedSigner => c"signer",
            Self::MalformedVersion => c"version",
        }
    }
}

/// The name of a status, for a log: it stays for ever and ends with a zero byte. "unknown" for a
/// number that is no status.
#[unsafe(no_mangle)]
pub extern "C" fn fg_status_name(status: i32) -> *const c_char {
    let mut all = fg_status::ALL.iter();
    let found = all.find(|known| **known as i32 == status);
    found.map_or(c"unknown", |known| known.name()).as_ptr()
}

impl From<StartError> for fg_status {
    fn from(reason: StartError) -> Self {
        match reason {
            StartError::Profile(InvalidProfile::Realm) => Self::Realm,
            StartError::Profile(InvalidProfile::Features) => Self::Features,
            StartError::Profile(InvalidProfile::Platform) => Self::Platform,
            StartError::Profile(InvalidProfile::Roots) => Self::Roots,
            StartError::Storage(reason) => reason.into(),
            StartError::ScratchTooSmall => Self::ScratchTooSmall,
        }
    }
}

impl From<StorageError> for fg_status {
    fn from(reason: StorageError) -> Self {
        match reason {
            StorageError::Read => Self::StorageRead,
            StorageError::Write => Self::StorageWrite,
            StorageError::Full => Self::StorageFull,
            StorageError::Damaged => Self::StorageDamaged,
            StorageError::RolledBack => Self::StorageRolledBack,
            StorageError::Uncounted => Self::StorageUncounted,
        }
    }
}

impl From<KeyError> for fg_status {
    fn from(_: KeyError) -> Self {
        Self::KeyStore
    }
}

impl From<AskError> for fg_status {
    fn from(reason: AskError) -> Self {
        match reason {
            AskError::Outstanding => Self::Outstanding,
            AskError::TooManyWants => Self::TooManyWants,
            AskError::RepeatedWant => Self::RepeatedWant,
            AskError::UnknownFeature => Self::UnknownFeature,
            AskError::UnknownActivation => Self::UnknownActivation,
            AskError::BufferTooSmall => Self::BufferTooSmall,
            AskError::NoCertificate => Self::NoCertificate,
            AskError::KeyStore => Self::KeyStore,
            AskError::Storage(reason) => reason.into(),
        }
    }
}

impl From<Refusal> for fg_status {
    fn from(reason: Refusal) -> Self {
        match reason {
            Refusal::Malformed(reason) => reason.into(),
            Refusal::RateLimited => Self::RateLimited,
            Refusal::OtherTopic => Self::OtherTopic,
            Refusal::UnknownKey => Self::UnknownKey,
            Refusal::KeyRole => Self::KeyRole,
            Refusal::KeyExpired => Self::KeyExpired,
            Refusal::BadSignature => Self::BadSignature,
            Refusal::OtherRealm => Self::OtherRealm,
            Refusal::OtherDevice => Self::OtherDevice,
            Refusal::OtherKey => Self::OtherKey,
            Refusal::KeyEpoch => Self::KeyEpoch,
            Refusal::IssuedOutsideKey => Self::IssuedOutsideKey,
            Refusal::InstallWindow => Self::InstallWindow,
            Refusal::BlankWithoutNonce => Self::BlankWithoutNonce,
            Refusal::FactoryGeneration => Self::FactoryGeneration,
            Refusal::Superseded => Self::Superseded,
            Refusal::Conflict => Self::Conflict,
            Refusal::SetTooLarge => Self::SetTooLarge,
            Refusal::NotAsked => Self::NotAsked,
            Refusal::TooSoon => Self::TooSoon,
            Refusal::UnknownRoot => Self::UnknownRoot,
            Refusal::OldKeySet => Self::OldKeySet,
            Refusal::BadKeySet => Self::BadKeySet,
            Refusal::Storage => Self::NotStored,
            Refusal::KeyStore => Self::KeyStore,
        }
    }
}

impl From<Malformed> for fg_status {
    fn from(reason: Malformed) -> Self {
        match reason {
            Malformed::Oversize => Self::MalformedOversize,
            Malformed::Truncated => Self::MalformedTruncated,
            Malformed::TrailingBytes => Self::MalformedTrailingBytes,
            Malformed::Indefinite => Self::MalformedIndefinite,
            Malformed::NotShortest => Self::MalformedNotShortest,
            Malformed::UnsortedKeys => Self::MalformedUnsortedKeys,
            Malformed::DuplicateKey => Self::MalformedDuplicateKey,
            Malformed::WrongType => Self::MalformedWrongType,
            Malformed::InvalidUtf8 => Self::MalformedInvalidUtf8,
            Malformed::UnknownKey => Self::MalformedUnknownKey,
            Malformed::ControlCharacter => Self::MalformedControlCharacter,
            Malformed::MissingKey => Self::MalformedMissingKey,
            Malformed::WrongLength => Self::MalformedWrongLength,
            Malformed::OutOfRange => Self::MalformedOutOfRange,
            Malformed::TooMany => Self::MalformedTooMany,
            Malformed::Repeated => Self::MalformedRepeated,
            Malformed::NotSign1 => Self::MalformedNotSign1,
            Malformed::UnprotectedHeader => Self::MalformedUnprotectedHeader,
            Malformed::Algorithm => Self::MalformedAlgorithm,
            Malformed::Type => Self::MalformedType,
            Malformed::Signer => Self::MalformedSigner,
            Malformed::Version => Self::MalformedVersion,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_those_of_one_status_each() {
        for (place, status) in fg_status::ALL.iter().enumerate() {
            let others = fg_status::ALL.iter().skip(place + 1);
            assert!(others.clone().all(|other| other.name() != status.name()));
            assert!(others.clone().all(|other| *other as i32 > *status as i32));
            // SAFETY: it is a string of the program's.
            let name = unsafe { CStr::from_ptr(fg_status_name(*status as i32)) };
            assert_eq!(name, status.name());
        }
        for reason in Malformed::ALL {
            let name = fg_status::from(*reason).name();
            assert_eq!(name.to_str(), Ok(reason.as_str()));
        }
        for reason in [Refusal::Superseded, Refusal::Storage, Refusal::UnknownKey] {
            let name = fg_status::from(reason).name();
            assert_eq!(name.to_str(), Ok(reason.as_str()));
        }
    }
}
