//! Counters that only grow.

use std::fmt;

use fleetgrant_schemas::limits;

/// A counter beyond what the wire can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not below 2^48")]
pub struct CounterTooLarge(pub u64);

/// The epoch of an authority key. A grant of a newer epoch outranks any generation of an older.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Before the first.
            pub const ZERO: Self = Self(0);
            /// The last.
            pub const MAX: Self = Self(limits::MAX_COUNTER);

            /// Takes a number below 2^48.
            pub const fn new(value: u64) -> Result<Self, CounterTooLarge> {
                if value <= limits::MAX_COUNTER {
                    Ok(Self(value))
                } else {
                    Err(CounterTooLarge(value))
                }
            }

            /// As a number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The next one, if the counter is not used up.
            #[must_use]
            pub const fn next(self) -> Option<Self> {
                match Self::new(self.0 + 1) {
                    Ok(next) => Some(next),
                    Err(_) => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter!(
    /// The number of a grant set. Grows with every set issued for a device and is never used twice.
    Generation
);
counter!(
    /// The number of a request, counted by the device.
    Seq
);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which grant set of a device: a newer epoch first, then the higher generation, is the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetKey {
    /// Of the key that signed the set.
    pub epoch: Epoch,
    /// Of the set.
    pub generation: Generation,
}

impl fmt::Display for SetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.generation)
    }
}
