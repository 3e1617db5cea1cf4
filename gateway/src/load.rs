//! A load on a gateway: real agents over real mutual TLS, in this process, against a gateway and
//! a broker in processes of their own.
//!
//! What is measured: the time from a device's request to the commit of its acknowledgement, by
//! the clock of this machine; and the processor time of the gateway's process for each
//! activation, as a ratio to the least that the signatures of one activation cost in the
//! cryptographic library in use: measured in the same run, beside the load, since processors that
//! are all busy are slower than one that works alone; and once before it, at rest.

mod drive;
mod floor;
mod latency;
mod process;
mod seed;

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::clock::Clock;
use crate::config::Config;
use crate::identity::AdmissionMode;
use crate::quickstart::fleet::FleetError;
use crate::quickstart::{Installation, InstallationError, InstallationOptions};
use crate::store::{OpenError, SchemaPolicy, Store, StoreError, StoreOptions};

use drive::Driver;
use process::{Child, Used};

/// How much load.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Devices that connect and activate.
    pub devices: NonZeroUsize,
    /// Devices that the database knows besides.
    pub known: usize,
    /// Activations of each device once it is known, 1 to 32.
    pub rounds: NonZeroUsize,
    /// Devices that ask at a time.
    pub concurrency: NonZeroUsize,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The data folder cannot be made.
    #[error(transparent)]
    Installation(#[from] InstallationError),
    /// The devices cannot be made.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A process cannot be started or watched.
    #[error("the {name} process: {source}")]
    Process {
        /// Which.
        name: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The thread that measures the floor cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// Devices did not get through.
    #[error("{failed} of {devices} devices did not get through: {last}")]
    Failed {
        /// How many.
        failed: usize,
        /// Of how many.
        devices: usize,
        /// The last thing one of them was told.
        last: String,
    },
}

/// The result. Times are microseconds, memory bytes.
#[derive(Clone, Debug, Serialize)]
pub struct LoadReport {
    /// Devices that connected.
    pub devices: usize,
    /// Devices in the database.
    pub known_devices: usize,
    /// What two verifications and one signature cost, one thread, median, before the load began.
    pub floor_at_rest_micros: f64,
    /// From the first request of a device to its first acknowledgement.
    pub first_contact: Phase,
    /// Activations of known, connected devices.
    pub activation: Phase,
    /// Most memory the gateway's process had.
    pub gateway_peak_memory: u64,
    /// Most memory the broker's process had.
    pub broker_peak_memory: u64,
}

/// One phase of a load.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// Acknowledgements that were committed.
    pub activations: usize,
    /// Of them in a second.
    pub per_second: f64,
    /// From request to committed acknowledgement: median.
    pub p50_micros: u64,
    /// 95th percentile.
    pub p95_micros: u64,
    /// 99th percentile.
    pub p99_micros: u64,
    /// Processor time of the gateway for each, user and system.
    pub gateway_cpu_micros: f64,
    /// What two verifications and one signature cost beside it, one thread, median.
    pub floor_micros: f64,
    /// The gateway's time as a multiple of that.
    pub gateway_cpu_to_floor: f64,
    /// As a multiple of the floor at rest.
    pub gateway_cpu_to_floor_at_rest: f64,
    /// Processor time of the broker for each.
    pub broker_cpu_micros: f64,
}

/// Puts load on a gateway of its own in `folder`, which must be new. `progress` is told what is
/// going on, and how much of it is done.
pub async fn run(
    folder: &Path,
    options: &LoadOptions,
    progress: &impl Fn(&'static str, usize, usize),
) -> Result<LoadReport, LoadError> {
    let clock = Clock::system();
    let installation = Installation::open_or_create(folder, &installation_options(), clock.now())?;
    let store = open(&installation.config)?;
    let rounds = options.rounds.get().min(seed::MAX_ROUNDS);
    progress("seeding the database", 0, options.known);
    seed::seed(&store, options, rounds, clock.now()).await?;

    let floor_at_rest_micros = floor::at_rest();
    let config = installation.config_file();
    let broker = Child::start("broker", &config, &["broker"])?;
    let gateway = Child::start("gateway", &config, &["serve", "--without-broker"])?;
    let mut driver = Driver::new(&installation, options, rounds, clock.clone())?;

    let phase = Measured::start(&gateway, &broker)?;
    let asked = driver.first_contact(progress).await?;
    let committed = latency::settle(&store, &asked, 0).await?;
    let first_contact = phase.end(&gateway, &broker, &committed, floor_at_rest_micros)?;

    let phase = Measured::start(&gateway, &broker)?;
    let asked = driver.activate(progress).await?;
    let committed = latency::settle(&store, &asked, 1).await?;
    let activation = phase.end(&gateway, &broker, &committed, floor_at_rest_micros)?;

    Ok(LoadReport {
        devices: options.devices.get(),
        known_devices: options.devices.get() + options.known,
        floor_at_rest_micros,
        first_contact,
        activation,
        gateway_peak_memory: gateway.peak_memory()?,
        broker_peak_memory: broker.peak_memory()?,
    })
}

struct Measured {
    started: Instant,
    gateway: Used,
    broker: Used,
    floor: floor::Beside,
}

impl Measured {
    fn start(gateway: &Child, broker: &Child) -> Result<Self, LoadError> {
        Ok(Self {
            started: Instant::now(),
            gateway: gateway.used()?,
            broker: broker.used()?,
            floor: floor::Beside::start().map_err(LoadError::Thread)?,
        })
    }

    fn end(
        self,
        gateway: &Child,
        broker: &Child,
        latencies: &[u64],
        floor_at_rest: f64,
    ) -> Result<Phase, LoadError> {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / latencies.len().max(1) as f64;
        let gateway_cpu = each(gateway.used()?.since(self.gateway));
        let broker_cpu = each(broker.used()?.since(self.broker));
        let elapsed = self.started.elapsed().as_secs_f64();
        let floor = self.floor.end();
        let percentile = latency::percentiles(latencies);
        Ok(Phase {
            activations: latencies.len(),
            per_second: latencies.len() as f64 / elapsed,
            p50_micros: percentile(50),
            p95_micros: percentile(95),
            p99_micros: percentile(99),
            gateway_cpu_micros: gateway_cpu,
            floor_micros: floor,
            gateway_cpu_to_floor: gateway_cpu / floor,
            gateway_cpu_to_floor_at_rest: gateway_cpu / floor_at_rest,
            broker_cpu_micros: broker_cpu,
        })
    }
}

fn open(config: &Config) -> Result<Store, OpenError> {
    let options = StoreOptions {
        schema: SchemaPolicy::Migrate,
        ..StoreOptions::default()
    };
    Store::open_at(&config.database, options)
}

/// Rates that this load does not run into; everything else as it comes.
fn installation_options() -> InstallationOptions {
    InstallationOptions {
        realm: "load".to_owned(),
        listen: free_address(),
        admission: AdmissionMode::Manifest,
        more: "\n[limits.device]\nevery = \"1ms\"\nburst = 1000\n\
               \n[limits.all_devices]\nevery = \"1us\"\nburst = 100000\n\
               \n[log]\nlevel = \"error\"\n"
            .to_owned(),
    }
}

/// A port that was free a moment ago.
fn free_address() -> SocketAddr {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    TcpListener::bind(any)
        .and_then(|listener| listener.local_addr())
        .unwrap_or(any)
}
