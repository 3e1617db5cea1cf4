//! Step 1: cost before identity. What comes too often is told apart before anything is parsed.

use std::num::NonZeroU32;

use fleetgrant_core::domain::DeviceId;
use governor::clock::DefaultClock;
use governor::state::keyed::DashMapStateStore;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::authenticate::Dropped;
use crate::config::{Bucket, Limits};

/// Devices remembered before those with full buckets are forgotten.
const REMEMBERED: usize = 200_000;

type Keyed = RateLimiter<DeviceId, DashMapStateStore<DeviceId>, DefaultClock>;

/// Token buckets: one for each device, and one for all.
pub struct Buckets {
    devices: Keyed,
    /// A second bucket of the same size: as many messages over the rate are still verified, so
    /// that their sender can be told to wait.
    told: Keyed,
    all: DefaultDirectRateLimiter,
}

/// Whether a message came within its device's rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    Within,
    /// Over it: if it verifies, its device is told to retry later.
    Over,
}

impl Buckets {
    /// Full buckets.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            devices: RateLimiter::keyed(quota(limits.device)),
            told: RateLimiter::keyed(quota(limits.device)),
            all: RateLimiter::direct(quota(limits.all_devices)),
        }
    }

    /// Takes a token for a message of this device.
    pub(super) fn take(&self, device: &DeviceId) -> Result<Rate, Dropped> {
        if self.all.check().is_err() {
            return Err(Dropped::Busy);
        }
        self.forget_the_quiet();
        if self.devices.check_key(device).is_ok() {
            Ok(Rate::Within)
        } else if self.told.check_key(device).is_ok() {
            Ok(Rate::Over)
        } else {
            Err(Dropped::TooOften)
        }
    }

    fn forget_the_quiet(&self) {
        for limiter in [&self.devices, &self.told] {
            if limiter.len() > REMEMBERED {
                limiter.retain_recent();
                limiter.shrink_to_fit();
            }
        }
    }
}

fn quota(bucket: Bucket) -> Quota {
    Quota::with_period(bucket.every)
        .unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN))
        .allow_burst(bucket.burst)
}

impl std::fmt::Debug for Buckets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buckets")
            .field("devices", &self.devices.len())
            .finish_non_exhaustive()
    }
}
