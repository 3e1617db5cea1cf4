//! The gateway is killed at random moments while a fleet activates, and so is the broker, with
//! and without its state: every device ends activated, each activation counted once.
#![allow(clippy::unwrap_used)]

#[macro_use]
extern crate fleetgrant;

#[path = "http/store.rs"]
mod store;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use diesel::prelude::*;
use fleetgrant::clock::Clock;
use fleetgrant::quickstart::fleet::{self, Fleet, Run};
use fleetgrant::quickstart::{Installation, InstallationOptions, sample};
use fleetgrant::store::conversation::acknowledged;
use fleetgrant::store::schema::{activations, entitlements};
use fleetgrant::store::{SchemaPolicy, Store, StoreOptions};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::store::scratch::{self, Scratch};

const DEVICES: usize = 200;
const KILLS: usize = 6;

/// A process of the binary, killed without warning when it is dropped.
struct Process(Child);

impl Process {
    fn start(config: &Path, command: &[&str]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_fleetgrant"))
            .arg("--config")
            .arg(config)
            .args(command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// What is killed each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Gateway,
    /// One of two gateways on one database, this one and that in turn.
    OneOfTwo,
    Broker,
    BrokerAndItsState,
}

struct Scene {
    _folder: tempfile::TempDir,
    installation: Installation,
    store: Store,
    _scratch: Scratch,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scratch = tokio::task::block_in_place(Scratch::new);
        let limits = "\n[limits.device]\nevery = \"10ms\"\nburst = 100\n";
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let options = InstallationOptions {
            listen: listener.local_addr().unwrap(),
            more: limits.to_owned() + &scratch.table(),
            ..InstallationOptions::default()
        };
        drop(listener);
        let now = Clock::system().now();
        let installation =
            Installation::open_or_create(&folder.path().join("data"), &options, now).unwrap();
        let store = Store::open_at(
            &installation.config.database,
            StoreOptions {
                schema: SchemaPolicy::Migrate,
                ..StoreOptions::default()
            },
        )
        .unwrap();
        tokio::task::block_in_place(|| {
            sample::import(&installation, &store, 0, DEVICES, now).unwrap();
        });
        Self {
            _folder: folder,
            installation,
            store,
            _scratch: scratch,
        }
    }

    fn gateway(&self) -> Process {
        Process::start(
            &self.installation.config_file(),
            &["serve", "--without-broker"],
        )
    }

    /// Another on the same database.
    fn second(&self) -> Process {
        Process::start(
            &self.installation.config_file(),
            &[
                "serve",
                "--without-broker",
                "--set",
                "broker.client_id=gateway:b",
            ],
        )
    }

    fn broker(&self) -> Process {
        Process::start(&self.installation.config_file(), &["broker"])
    }

    async fn run(&self, victim: Victim, seed: u64) {
        println!("{victim:?}, seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let fleet = Fleet::new(&self.installation, &sample::FEATURES).unwrap();
        let devices = (0..DEVICES)
            .map(|index| {
                fleet
                    .device(&self.installation, &sample::serial(index))
                    .unwrap()
            })
            .collect();
        let mut broker = self.broker();
        let mut gateway = self.gateway();
        let mut second = (victim == Victim::OneOfTwo).then(|| self.second());
        let running = tokio::spawn(fleet::run(devices, |_, _| {}));
        for kill in 0..KILLS {
            tokio::time::sleep(Duration::from_millis(random.random_range(150..1_500))).await;
            match victim {
                Victim::Gateway => {
                    drop(gateway);
                    gateway = self.gateway();
                }
                Victim::OneOfTwo if kill % 2 == 0 => {
                    drop(gateway);
                    gateway = self.gateway();
                }
                Victim::OneOfTwo => {
                    drop(second.take());
                    second = Some(self.second());
                }
                Victim::Broker | Victim::BrokerAndItsState => {
                    drop(broker);
                    if victim == Victim::BrokerAndItsState {
                        let state = self.installation.folder().join("broker");
                        // It may not have written any yet.
                        let _ = std::fs::remove_dir_all(state);
                    }
                    broker = self.broker();
                }
            }
        }
        let runs = running.await.unwrap();
        let failed: Vec<_> = runs
            .iter()
            .filter(|(_, run)| *run != Run::Acknowledged)
            .collect();
        assert!(failed.is_empty(), "seed {seed}: {failed:?}");
        self.settles(seed).await;
    }

    /// What a device sent last may have been lost with a broker: then its `held` says it at its
    /// next contact, or it acknowledges the grant that is pushed again.
    async fn settles(&self, seed: u64) {
        let wanted = DEVICES * sample::FEATURES.len();
        for _ in 0..4 {
            for _ in 0..40 {
                let activated = self.store.read("test", acknowledged).await.unwrap().len();
                assert!(activated <= wanted, "seed {seed}: {activated} activations");
                if activated == wanted {
                    return self.counts_agree(seed).await;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let fleet = Fleet::new(&self.installation, &sample::FEATURES).unwrap();
            let devices = (0..DEVICES)
                .map(|index| {
                    fleet
                        .device(&self.installation, &sample::serial(index))
                        .unwrap()
                })
                .collect();
            fleet::run(devices, |_, _| {}).await;
        }
        panic!("seed {seed}: not every device ended activated");
    }

    async fn counts_agree(&self, seed: u64) {
        type Activation = (String, Vec<u8>, i64);
        let all: Vec<Activation> = self
            .store
            .read("test", |db| {
                Ok(on!(db, c => activations::table
                    .select((
                        activations::device_id,
                        activations::entitlement_id,
                        activations::units,
                    ))
                    .load(c))?)
            })
            .await
            .unwrap();
        let wanted = DEVICES * sample::FEATURES.len();
        let units: i64 = all.iter().map(|(.., units)| units).sum();
        assert_eq!(units, wanted as i64, "seed {seed}");
        let once: BTreeSet<_> = all.iter().map(|(device, of, _)| (device, of)).collect();
        assert_eq!(
            once.len(),
            wanted,
            "seed {seed}: something is twice on a device"
        );
        let sold: Vec<(i64, i64, i64)> = self
            .store
            .read("test", |db| {
                Ok(on!(db, c => entitlements::table
                    .select((
                        entitlements::live_units,
                        entitlements::units,
                        entitlements::overdraft,
                    ))
                    .load(c))?)
            })
            .await
            .unwrap();
        for (live, units, overdraft) in &sold {
            assert!(*live <= units + overdraft, "seed {seed}: {live} of {units}");
        }
        let live: i64 = sold.iter().map(|(live, ..)| live).sum();
        assert_eq!(live, wanted as i64, "seed {seed}");
    }
}

fn seed() -> u64 {
    std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gateway_loses_nothing_and_counts_nothing_twice() {
    Scene::new().await.run(Victim::Gateway, seed()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_on_one_database_take_each_others_place() {
    if !scratch::is_postgres() {
        println!("skipped on SQLite, which is for one gateway");
        return;
    }
    Scene::new().await.run(Victim::OneOfTwo, seed()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_loses_nothing_that_counts() {
    Scene::new().await.run(Victim::Broker, seed()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_forgot_everything_loses_nothing_that_counts() {
    Scene::new()
        .await
        .run(Victim::BrokerAndItsState, seed())
        .await;
}
