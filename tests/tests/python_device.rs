//! A device in Python that was written from `schemas/` alone talks to the gateway: request, grant
//! and acknowledgement, over the embedded broker and mutual TLS.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use diesel::prelude::*;
use fleetgrant::gateway::Gateway;
use fleetgrant::identity::AdmissionMode;
use fleetgrant::import::{ImportReport, Kind};
use fleetgrant::store::Db;
use fleetgrant::store::schema::deliveries;
use fleetgrant_core::domain::DeliveryState;
use fleetgrant_tests::back_office::{CATALOGUE, import};
use fleetgrant_tests::installation::{TestInstallation, UNLIMITED};
use fleetgrant_tests::{ledger, within};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// The first run makes the virtual environment.
const PYTHON_PATIENCE: Duration = Duration::from_secs(300);

struct Scene {
    test: TestInstallation,
    gateway: Gateway,
}

/// The device's files, in a folder of their own.
struct PythonDevice {
    arguments: Vec<String>,
    state: PathBuf,
    _folder: TempDir,
}

/// What it printed, and its exit code.
#[derive(Debug)]
struct Report {
    code: i32,
    said: Value,
}

impl Scene {
    async fn new() -> Self {
        let test = TestInstallation::new(AdmissionMode::Open, UNLIMITED);
        let gateway = test.serve().await;
        Self { test, gateway }
    }

    async fn with_catalogue() -> Self {
        let scene = Self::new().await;
        for (kind, csv) in CATALOGUE {
            scene.import(kind, csv).await;
        }
        scene
    }

    async fn import(&self, kind: Kind, csv: &str) -> ImportReport {
        import(self.gateway.store(), kind, csv).await
    }

    /// Waits until so many units are held, by as many activations that devices signed for.
    async fn units_in_force(&self, units: i64) {
        within("the units are in force", async {
            loop {
                let found = ledger::units(self.gateway.store()).await;
                assert_eq!(found.held, found.counted);
                if (found.held, found.activated) == (units, units) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    fn device(&self, serial: &str) -> PythonDevice {
        let installation = &self.test.installation;
        let folder = tempfile::tempdir().unwrap();
        let credentials = installation.pki.issue_device(serial, "mk2").unwrap();
        let (chain, key) = credentials.write(folder.path()).unwrap();
        let state = folder.path().join("state.json");
        let broker = &installation.config.broker;
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let arguments = [
            ("--port", broker.address.port.to_string()),
            ("--ca", text(&broker.tls.roots)),
            ("--cert", text(&chain)),
            ("--key", text(&key)),
            ("--device", format!("dev-{serial}")),
            ("--realm", installation.config.realm.to_string()),
            ("--authority", text(&installation.authority_public_key())),
            ("--state", text(&state)),
            ("--timeout", "25".to_owned()),
        ];
        let arguments = arguments.into_iter();
        PythonDevice {
            arguments: arguments
                .flat_map(|(name, value)| [name.to_owned(), value])
                .collect(),
            state,
            _folder: folder,
        }
    }

    /// Waits until the device's acknowledgement is recorded.
    async fn acknowledged(&self, device: &'static str, generation: i64) {
        let is_acknowledged = async || {
            let state = self.gateway.store().read("test-delivery", move |db| {
                let Db::Sqlite(c) = db;
                let delivery = deliveries::table.find((device, generation));
                Ok(delivery.select(deliveries::state).first::<i16>(c)?)
            });
            state.await.unwrap() == DeliveryState::Acknowledged.number()
        };
        within("the acknowledgement is recorded", async {
            while !is_acknowledged().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

impl PythonDevice {
    async fn run(&self, more: &[&str]) -> Report {
        let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let run = Command::new(tests.join("python"))
            .arg(tests.join("python_device/device.py"))
            .args(&self.arguments)
            .args(more)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let done = tokio::time::timeout(PYTHON_PATIENCE, run).await;
        let done = done.expect("the device ends in time").unwrap();
        let said = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| {
            panic!(
                "the device failed: {}",
                String::from_utf8_lossy(&done.stderr)
            )
        });
        Report {
            code: done.status.code().unwrap(),
            said,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_contact_is_challenged_answered_and_acknowledged() {
    let scene = Scene::new().await;
    let device = scene.device("0001");
    let report = device.run(&["--want", "bandwidth-500=1"]).await;
    // Nobody bought it, and the grant says so.
    assert_eq!(report.code, 3, "{report:?}");
    assert_eq!(report.said["result"], "acknowledged");
    assert_eq!(report.said["notices"], json!(["challenge"]));
    assert_eq!(
        report.said["denials"],
        json!([{ "want": "bandwidth-500", "rule": "not-owned" }])
    );
    assert_eq!(report.said["held"]["generation"], 1);
    assert_eq!(report.said["refused"], json!([]));
    scene.acknowledged("dev-0001", 1).await;

    // A second run goes on from its state: known by its thumbprint, and not challenged again.
    let report = device.run(&["--want", "bandwidth-500=2"]).await;
    assert_eq!(report.said["notices"], json!([]), "{report:?}");
    assert_eq!(report.said["held"]["generation"], 2);
    scene.acknowledged("dev-0001", 2).await;
    scene.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_lost_its_memory_finds_its_place_again() {
    let scene = Scene::new().await;
    let device = scene.device("0002");
    device.run(&["--want", "bandwidth-500=1"]).await;
    scene.acknowledged("dev-0002", 1).await;
    std::fs::remove_file(&device.state).unwrap();
    let report = device.run(&["--want", "bandwidth-500=1"]).await;
    assert_eq!(report.said["result"], "acknowledged", "{report:?}");
    assert_eq!(report.said["notices"], json!(["stale-seq"]));
    assert_eq!(report.said["held"]["generation"], 2);
    scene.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_key_for_one_id_is_told_so() {
    let scene = Scene::new().await;
    let first = scene.device("0003").run(&[]).await;
    assert_eq!(first.said["notices"], json!(["challenge", "denied"]));
    let second = scene.device("0003").run(&[]).await;
    assert_eq!(second.said["result"], "identity-conflict", "{second:?}");
    assert_eq!(second.code, 3);
    scene.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_ordered_for_a_device_is_activated_and_given_back() {
    let scene = Scene::with_catalogue().await;
    let order = "system,order,ordered_at,sold_to,line,sku,quantity\n\
                 erp,SO-1,2026-01-10,C-1,10,BW-500,1\n";
    scene.import(Kind::Orders, order).await;
    let manifest = "serial,product_line,hwmodel,system,order,line\n\
                    0010,development,mk2,erp,SO-1,10\n";
    scene.import(Kind::Manifest, manifest).await;

    let device = scene.device("0010");
    let report = device.run(&[]).await;
    assert_eq!(report.code, 0, "{report:?}");
    assert_eq!(report.said["features"], json!(["bandwidth-500"]));
    scene.units_in_force(1).await;

    let report = device
        .run(&["--reason", "return", "--want", "bandwidth-500=0"])
        .await;
    assert_eq!(report.code, 0, "{report:?}");
    assert_eq!(report.said["features"], json!([]));
    // The acknowledgement of the set without it is the proof that it is gone.
    scene.units_in_force(0).await;
    scene.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activation_code_gives_its_unit_once() {
    let scene = Scene::with_catalogue().await;
    let entitlement = "system,entitlement,product,model,units,source,term\n\
                       crm,GW-1,SCOPE,subscription,5,goodwill,P90D\n";
    scene.import(Kind::Entitlements, entitlement).await;
    let pack = "pack,system,entitlement,count\nSHOW,crm,GW-1,1\n";
    let codes = scene.import(Kind::Codes, pack).await.codes;
    let code = codes[0].code.to_string().to_lowercase();

    let first = scene.device("0020").run(&["--code", &code]).await;
    assert_eq!(first.code, 0, "{first:?}");
    assert_eq!(first.said["features"], json!(["bandwidth-500"]));
    scene.units_in_force(1).await;

    let second = scene.device("0021").run(&["--code", &code]).await;
    assert_eq!(second.code, 3, "{second:?}");
    assert_eq!(second.said["denials"][0]["rule"], "code-refused");
    assert_eq!(second.said["features"], json!([]));
    scene.units_in_force(1).await;
    scene.gateway.stop().await;
}
