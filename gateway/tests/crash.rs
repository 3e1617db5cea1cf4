//! The gateway is killed at random moments while a fleet activates, and so is the broker, with
//! and without its state: every device ends activated, each activation counted once.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use diesel::prelude::*;
use fleetgrant::clock::Clock;
use fleetgrant::quickstart::fleet::{self, Fleet, Run};
use fleetgrant::quickstart::{Installation, InstallationOptions, sample};
use fleetgrant::store::conversation::acknowledged;
use fleetgrant::store::schema::activations;
use fleetgrant::store::{SchemaPolicy, Store, StoreOptions};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

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
    Broker,
    BrokerAndItsState,
}

struct Scene {
    _folder: tempfile::TempDir,
    installation: Installation,
    store: Store,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let options = InstallationOptions {
            listen: listener.local_addr().unwrap(),
            more: "\n[limits.device]\nevery = \"10ms\"\nburst = 100\n".to_owned(),
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
        }
    }

    fn gateway(&self) -> Process {
        Process::start(
            &self.installation.config_file(),
            &["serve", "--without-broker"],
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
        let running = tokio::spawn(fleet::run(devices, |_, _| {}));
        for _ in 0..KILLS {
            tokio::time::sleep(Duration::from_millis(random.random_range(150..1_500))).await;
            match victim {
                Victim::Gateway => {
                    drop(gateway);
                    gateway = self.gateway();
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
        let units: Vec<i64> = self
            .store
            .read("test", |db| {
                Ok(fleetgrant::on!(db, c => activations::table.select(activations::units).load(c))?)
            })
            .await
            .unwrap();
        let wanted = (DEVICES * sample::FEATURES.len()) as i64;
        assert_eq!(units.iter().sum::<i64>(), wanted, "seed {seed}");
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
