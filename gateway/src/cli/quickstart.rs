//! `fleetgrant quickstart`: the whole path once, on this machine.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use fleetgrant_core::domain::{Role, Roles};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Runtime;

use super::Failure;
use super::serve::Bound;
use super::stdout::stdout;
use super::until::interrupted;
use crate::access::{self, Grant, KeyError, NewKey};
use crate::activation::UNAUTHENTICATED;
use crate::clock::Clock;
use crate::gateway::{Gateway, WithBroker};
use crate::quickstart::fleet::{self, Fleet, FleetError, Run};
use crate::quickstart::sample::{self, SampleError};
use crate::quickstart::{Installation, InstallationError, InstallationOptions};
use crate::report;
use crate::report::delay::{self, Cohort};
use crate::report::group::GroupBy;
use crate::store::{Db, SchemaPolicy, Store, StoreError, device};
use crate::telemetry::{self, Telemetry};

/// Make a data folder with a development PKI and a sample order, serve it, and let devices
/// activate what was ordered
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Devices
    #[arg(long, default_value_t = 100, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    devices: usize,
    /// The data folder; what is in it is taken up
    #[arg(long, default_value = "data", value_name = "DIR")]
    data: PathBuf,
    /// Where a new data folder's broker listens
    #[arg(long, default_value = "127.0.0.1:8883", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where a new data folder's HTTP API listens
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    http: SocketAddr,
    /// End after the report instead of going on serving
    #[arg(long)]
    exit: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let clock = Clock::system();
    let options = InstallationOptions {
        listen: args.listen,
        more: format!("\n[http]\nlisten = \"{}\"\n", args.http),
        ..InstallationOptions::default()
    };
    let installation = Installation::open_or_create(&args.data, &options, clock.now())?;
    let telemetry = telemetry::init(&installation.config.log).map_err(Failure::config)?;
    let runtime = Runtime::new().map_err(Failure::unavailable)?;
    runtime.block_on(async {
        let config = &installation.config;
        let (schema, broker) = (SchemaPolicy::Migrate, WithBroker::IfConfigured);
        let http = Bound::bind(config).await?;
        let gateway = Gateway::start(config, schema, broker, clock.clone()).await?;
        tokio::spawn(telemetry.clone().keep_up());
        say(&format!(
            "Data folder   {}\nBroker        {} (mutual TLS)",
            installation.folder().display(),
            config.broker.address,
        ))?;
        if let Some(http) = &http {
            say(&format!("HTTP API      http://{}", http.local_addr()))?;
        }
        if http.is_some() {
            first_key(gateway.store(), &clock).await?;
        }
        let http = http.map(|http| http.serve(&gateway, clock.clone(), telemetry.clone()));
        let outcome = activate(args, &installation, gateway.store(), &clock, &telemetry).await;
        if outcome.is_ok() && !args.exit {
            say("\nServing until Ctrl-C.")?;
            interrupted().await.map_err(Failure::unavailable)?;
        }
        if let Some(http) = http {
            http.stop().await;
        }
        gateway.stop().await;
        outcome
    })
}

async fn activate(
    args: &Args,
    installation: &Installation,
    store: &Store,
    clock: &Clock,
    telemetry: &Telemetry,
) -> Result<(), Failure> {
    tokio::task::block_in_place(|| {
        let known = known_devices(store)?;
        sample::import(installation, store, known, args.devices, clock.now()).map_err(Failure::from)
    })?;
    let fleet = Fleet::new(installation, &sample::FEATURES)?;
    let devices = (0..args.devices)
        .map(|index| fleet.device(installation, &sample::serial(index)))
        .collect::<Result<Vec<_>, _>>()?;
    let bar = ProgressBar::new(args.devices as u64).with_style(bar_style());
    bar.set_message("activating");
    let runs = fleet::run(devices, |_, _| bar.inc(1)).await;
    bar.finish_and_clear();
    settled(store, args.devices).await?;
    let failed: Vec<_> = runs
        .iter()
        .filter(|(_, run)| *run != Run::Acknowledged)
        .collect();
    let now = clock.now();
    let zone = installation.config.time_zone.clone();
    let report = report::activation(store, now, None, zone)
        .await
        .map_err(Failure::unavailable)?
        .with_unauthenticated(telemetry.counted(UNAUTHENTICATED, "reason"));
    let since_shipment = store
        .read("quickstart-shipments", move |db| {
            delay::shipment_to_activation(db, None, now, Cohort::default(), GroupBy::All)
        })
        .await
        .map_err(Failure::unavailable)?
        .lines("shipment to activation");
    say(&format!("{}{since_shipment}", report.lines()))?;
    match failed.first() {
        None => Ok(()),
        Some((device, run)) => Err(Failure::refused(anyhow::anyhow!(
            "{} of {} devices did not acknowledge; {device}: {run:?}",
            failed.len(),
            args.devices,
        ))),
    }
}

/// The key of a new installation, which is shown once; one that is there stays.
async fn first_key(store: &Store, clock: &Clock) -> Result<(), Failure> {
    let new = NewKey {
        name: "quickstart".parse().map_err(Failure::config)?,
        grant: Grant::All(Roles::of(&[Role::Admin])),
        lives: FIRST_KEY_LIVES,
    };
    let now = clock.now();
    let made = store
        .write("quickstart-key", move |db| {
            match access::create(db, &new, "quickstart", now) {
                Ok(made) => Ok(Some(made)),
                Err(KeyError::Store(error)) => Err(error),
                Err(_) => Ok(None),
            }
        })
        .await
        .map_err(Failure::unavailable)?;
    match made {
        Some(made) => say(&format!("API key       {} (shown this once)", made.token)),
        None => Ok(()),
    }
}

/// How long the first key lives: long enough to try, and to make another.
const FIRST_KEY_LIVES: Duration = Duration::from_secs(30 * 86_400);

/// Devices of the sample that are on the manifest already: they were imported in order.
fn known_devices(store: &Store) -> Result<usize, Failure> {
    store
        .read_blocking("quickstart-known", |db| {
            let mut known = 0;
            while is_on_manifest(db, known)? {
                known += 1;
            }
            Ok(known)
        })
        .map_err(Failure::unavailable)
}

fn is_on_manifest(db: &mut Db, index: usize) -> Result<bool, StoreError> {
    let device = device::find(db, &format!("dev-{}", sample::serial(index)))?;
    Ok(device.is_some_and(|device| device.on_manifest))
}

/// The last acknowledgements may still be on their way when the devices have sent them.
async fn settled(store: &Store, devices: usize) -> Result<(), Failure> {
    for _ in 0..100 {
        let acknowledged = store
            .read(
                "quickstart-settled",
                crate::store::conversation::acknowledged,
            )
            .await
            .map_err(Failure::unavailable)?;
        if acknowledged.len() >= devices * sample::FEATURES.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} devices")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn say(text: &str) -> Result<(), Failure> {
    writeln!(stdout(), "{text}").map_err(Failure::unavailable)
}

impl From<InstallationError> for Failure {
    fn from(error: InstallationError) -> Self {
        match error {
            InstallationError::Unwritable { .. } => Self::unavailable(error),
            InstallationError::Pki(_) | InstallationError::Config(_) => Self::config(error),
        }
    }
}

impl From<SampleError> for Failure {
    fn from(error: SampleError) -> Self {
        match error {
            SampleError::File { .. } => Self::unavailable(error),
            SampleError::Import { .. } | SampleError::Refused { .. } => Self::refused(error),
        }
    }
}

impl From<FleetError> for Failure {
    fn from(error: FleetError) -> Self {
        Self::unavailable(error)
    }
}
