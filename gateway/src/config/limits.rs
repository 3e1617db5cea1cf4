//! Rates, threads and queues.

use std::num::{NonZeroU32, NonZeroUsize};
use std::thread;
use std::time::Duration;

use super::ConfigError;
use super::file::{BucketSection, LimitsSection};
use crate::crypto::LanesConfig;

/// Rates, threads and queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages of one device.
    pub device: Bucket,
    /// Messages of all devices together.
    pub all_devices: Bucket,
    /// Threads that verify and sign, and the jobs that wait for them.
    pub lanes: LanesConfig,
    /// Connections that read the database beside its one writer.
    pub database_readers: NonZeroUsize,
    /// Operations that wait for the writer before callers have to.
    pub queue: NonZeroUsize,
    /// Messages in one database transaction.
    pub batch: NonZeroUsize,
    /// How long a transaction waits for more messages, if the one before had several.
    pub batch_wait: Duration,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The time in which one token comes back.
    pub every: Duration,
    /// Tokens it holds when full.
    pub burst: NonZeroU32,
}

/// Messages of 8 KiB each: a queue may take a gibibyte.
const LONGEST_QUEUE: usize = 1 << 17;
/// A device waits for two transactions.
const LONGEST_BATCH_WAIT: Duration = Duration::from_secs(1);

impl Limits {
    pub(super) fn parse(section: LimitsSection) -> Result<Self, ConfigError> {
        let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = |key: &str, count: usize| match NonZeroUsize::new(count) {
            None => Ok(cores),
            Some(count) if count.get() <= 256 => Ok(count),
            Some(count) => Err(ConfigError::invalid(
                key,
                count,
                "0 (as many as cores) to 256",
            )),
        };
        let within = |key: &str, count: usize, most: usize| {
            NonZeroUsize::new(count)
                .filter(|count| count.get() <= most)
                .ok_or_else(|| ConfigError::invalid(key, count, format!("1 to {most}")))
        };
        Ok(Self {
            device: Bucket::parse("limits.device", section.device)?,
            all_devices: Bucket::parse("limits.all_devices", section.all_devices)?,
            lanes: LanesConfig {
                verify_threads: threads("limits.verify_threads", section.verify_threads)?,
                chain_threads: threads("limits.chain_threads", section.chain_threads)?,
                sign_threads: threads("limits.sign_threads", section.sign_threads)?,
                queue: within("limits.queue", section.queue, LONGEST_QUEUE)?,
            },
            database_readers: within("limits.database_readers", section.database_readers, 64)?,
            queue: within("limits.queue", section.queue, LONGEST_QUEUE)?,
            batch: within("limits.batch", section.batch, 1_000)?,
            batch_wait: Some(section.batch_wait.get())
                .filter(|wait| *wait <= LONGEST_BATCH_WAIT)
                .ok_or_else(|| {
                    ConfigError::invalid("limits.batch_wait", section.batch_wait, "0s to 1s")
                })?,
        })
    }
}

impl Bucket {
    pub(super) fn parse(key: &str, section: BucketSection) -> Result<Self, ConfigError> {
        let every = section.every.get();
        if every.is_zero() {
            return Err(ConfigError::invalid(
                &format!("{key}.every"),
                "0s",
                "above zero: the time in which one is allowed",
            ));
        }
        let burst = NonZeroU32::new(section.burst)
            .ok_or_else(|| ConfigError::invalid(&format!("{key}.burst"), 0, "1 or more"))?;
        Ok(Self { every, burst })
    }
}
