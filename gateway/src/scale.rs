//! How the time of each read grows with the fleet: data sets of growing size, and the time of
//! every GET of the API over each.
//!
//! The data is what a maker would have after some years: the files of its back office, imported,
//! and devices that ask and acknowledge, decided by the core at the instants at which they would
//! have come. Only signatures and the broker are left out. The same sizes give the same data,
//! whoever makes it, except for the ids that the gateway draws.

mod files;
mod life;
mod phone;
mod walk;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleetgrant_core::context::Authority;
use fleetgrant_core::domain::{Epoch, InvalidText, Realm, Timestamp};
use fleetgrant_core::policy::Policy;
use serde::Serialize;

use crate::activation::Rules;
use crate::import::ImportError;
use crate::store::conversation::Cache;
use crate::store::event;
use crate::store::{Location, OpenError, SchemaPolicy, Store, StoreError, StoreOptions};
use crate::telemetry::Telemetry;

pub use walk::Read;

/// 2026-06-01: when the data sets are looked at. Nothing of them depends on the day they are made.
const NOW: Timestamp = Timestamp::from_seconds(1_780_272_000);

/// What is made and measured.
#[derive(Clone, Debug)]
pub struct ScaleOptions {
    /// Devices of each data set.
    pub devices: Vec<NonZeroUsize>,
    /// Times that each read is measured; the median counts.
    pub runs: NonZeroUsize,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum ScaleError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The API's client cannot be set up.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the data set was not taken.
    #[error("the {kind} of the data set: {source}")]
    Import {
        /// Of what.
        kind: &'static str,
        /// Why.
        source: ImportError,
    },
    /// A row of the data set was not taken.
    #[error("the {kind} of the data set, line {line}: {reason}")]
    Refused {
        /// Of what.
        kind: &'static str,
        /// Where.
        line: u64,
        /// Why.
        reason: String,
    },
    /// A device of the data set did not get what it should have.
    #[error("the data set's device {device}: {reason}")]
    Device {
        /// Which.
        device: String,
        /// What went wrong.
        reason: &'static str,
    },
    /// A name in the data set is none.
    #[error(transparent)]
    Name(#[from] InvalidText),
    /// The API answered what nobody can read.
    #[error("{address} answered what nobody can read: {reason}")]
    Answer {
        /// What was asked.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The result for one data set. Times are microseconds, sizes bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Devices in it.
    pub devices: usize,
    /// Activations in it.
    pub activations: u64,
    /// Events in it.
    pub events: i64,
    /// What the database takes on the disk.
    pub bytes: u64,
    /// How long it took to make.
    #[serde(serialize_with = "seconds")]
    pub made_in: Duration,
    /// Each read, in the order of their addresses.
    pub reads: Vec<Read>,
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// What is told while it goes on: what, how much of it is done, and of how much.
pub trait Progress: Fn(&'static str, usize, usize) + Sync {}
impl<F: Fn(&'static str, usize, usize) + Sync> Progress for F {}

/// Makes a data set of each size in `folder`, and measures every read over it.
///
/// # Errors
/// See [`ScaleError`].
pub async fn run(
    folder: &Path,
    options: &ScaleOptions,
    telemetry: &Telemetry,
    progress: &impl Progress,
) -> Result<Vec<Measured>, ScaleError> {
    let mut measured = Vec::with_capacity(options.devices.len());
    for devices in &options.devices {
        let path = folder.join(format!("scale-{devices}.db"));
        measured.push(one(&path, devices.get(), options, telemetry, progress).await?);
    }
    Ok(measured)
}

async fn one(
    path: &Path,
    devices: usize,
    options: &ScaleOptions,
    telemetry: &Telemetry,
    progress: &impl Progress,
) -> Result<Measured, ScaleError> {
    let rules = Arc::new(rules()?);
    let store_options = StoreOptions {
        schema: SchemaPolicy::Migrate,
        ..StoreOptions::default()
    };
    let store = Store::open_at(&Location::Sqlite(path.to_owned()), store_options)?;
    let began = Instant::now();
    let activations = tokio::task::block_in_place(|| {
        let made = files::import(&store, devices, progress)?;
        life::live(&store, &rules, &made, progress)
    })?;
    let made_in = began.elapsed();
    let events = store.read("scale", event::last_position).await?;
    let reads = walk::walk(&store, rules, telemetry, options.runs, progress).await?;
    Ok(Measured {
        devices,
        activations,
        events,
        bytes: size(path),
        made_in,
        reads,
    })
}

/// What a database takes on the disk: its file, and what is not yet in it.
fn size(path: &Path) -> u64 {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let size = |file: &Path| std::fs::metadata(file).map_or(0, |file| file.len());
    size(path) + size(Path::new(&log))
}

fn rules() -> Result<Rules, ScaleError> {
    Ok(Rules {
        authority: Authority {
            realm: Realm::new("scale")?,
            epoch: Epoch(1),
        },
        policy: Policy::default(),
        cache: Cache::default(),
    })
}
