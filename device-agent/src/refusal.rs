//! Why a message from the authority is not taken.

use fleetgrant_schemas::Malformed;

use crate::crypto::KeyError;
use crate::storage::StorageError;

macro_rules! refusals {
    ($($(#[$doc:meta])* $variant:ident $name:literal $text:literal,)*) => {
        /// Why a message from the authority was not taken. Nothing has changed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Refusal {
            /// It is no message of this version.
            Malformed(Malformed),
            $($(#[$doc])* $variant,)*
        }

        impl Refusal {
            /// A stable name for logs and metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    Self::Malformed(reason) => reason.as_str(),
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl core::fmt::Display for Refusal {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self {
                    Self::Malformed(reason) => reason.fmt(f),
                    $(Self::$variant => f.write_str($text),)*
                }
            }
        }
    };
}

refusals! {
    /// More messages than the device checks: one a second, ten at once.
    RateLimited "rate-limited" "more messages came than the device checks",
    /// Its type is not that of its topic, or not one that comes down.
    OtherTopic "other-topic" "the message does not fit its topic",
    /// No key of the authority has this id; a request for keys follows.
    UnknownKey "unknown-key-id" "no key of the authority with this id is known here",
    /// The key may not sign this message.
    KeyRole "key-role" "the key may not sign such a message",
    /// The key's validity has ended.
    KeyExpired "key-expired" "the authority's key has expired",
    /// The signature is wrong.
    BadSignature "signature" "the signature does not verify",
    /// It is of another realm.
    OtherRealm "other-realm" "the message is of another realm",
    /// It is for another device.
    OtherDevice "other-device" "the message is for another device",
    /// It is for another key than this device's.
    OtherKey "other-key" "the message is for another key than this device's",
    /// Its epoch is not that of the key that signed it.
    KeyEpoch "key-epoch" "the grant's epoch is not that of its key",
    /// It was issued outside of its key's validity.
    IssuedOutsideKey "issued-outside-key" "the message was issued outside of its key's validity",
    /// The time in which it could be installed is over.
    InstallWindow "install-window" "the time in which the grant could be installed is over",
    /// A device that holds nothing takes only what answers its own request.
    BlankWithoutNonce "blank-without-nonce" "a blank device takes only the answer to its request",
    /// A factory grant has generation 1.
    FactoryGeneration "factory-generation" "a factory grant must have generation 1",
    /// It is older than the set in force.
    Superseded "superseded" "the grant is older than the set in force",
    /// It has the number of the set in force and is another one; someone should be told.
    Conflict "conflict" "another grant with the generation of the set in force",
    /// The device has no room for so many rights.
    SetTooLarge "set-too-large" "the grant holds more rights than the device has room for",
    /// It answers no request of this device.
    NotAsked "not-asked" "the notice answers no open request",
    /// It may be followed once an hour only.
    TooSoon "too-soon" "the notice was followed less than an hour ago",
    /// It is signed by no pinned root, or by a retired one.
    UnknownRoot "unknown-root" "the key set is not signed by a root that is trusted",
    /// It is not newer than the key set in force, or older than the firmware allows.
    OldKeySet "old-key-set" "the key set is not newer than the one in force",
    /// It names a key twice, no key for grants, an older epoch, or retires its own signer.
    BadKeySet "bad-key-set" "the key set contradicts itself or the one in force",
    /// It could not be stored.
    Storage "storage" "the message could not be stored",
    /// The key store failed.
    KeyStore "key-store" "the key store failed",
}

impl core::error::Error for Refusal {}

impl From<Malformed> for Refusal {
    fn from(reason: Malformed) -> Self {
        Self::Malformed(reason)
    }
}

impl From<StorageError> for Refusal {
    fn from(_: StorageError) -> Self {
        Self::Storage
    }
}

impl From<KeyError> for Refusal {
    fn from(_: KeyError) -> Self {
        Self::KeyStore
    }
}
