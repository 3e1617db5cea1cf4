//! A device in Python that was written from `schemas/` alone talks to the gateway: request, grant
//! and acknowledgement.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fleetgrant::identity::AdmissionMode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::site::{Site, until};

/// One product with one feature, `bandwidth-500`, sold for a year from its first activation.
const CATALOGUE: [(&str, &str); 3] = [
    (
        "products",
        "product,title,feature,feature_title\n\
         SCOPE,Oscilloscope options,bandwidth-500,500 MHz\n",
    ),
    (
        "skus",
        "sku,title,product,model,term,start_basis,units_per_copy\n\
         BW-500,500 MHz for a year,SCOPE,subscription,P1Y,first-activation,1\n",
    ),
    (
        "parties",
        "system,party,name,kind,time_zone\n\
         erp,C-1,First Customer,customer,Europe/Vienna\n",
    ),
];

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

fn site() -> Site {
    Site::new(AdmissionMode::Open)
}

fn with_catalogue() -> Site {
    let site = site();
    for (kind, csv) in CATALOGUE {
        site.import(kind, csv);
    }
    site
}

/// Waits until so many units are in use, by as many activations that devices signed for.
fn units_in_force(site: &Site, units: u64) {
    until("the units are in force", || {
        let entitlements = site.json(&["entitlements", "list"]);
        let activated = site.json(&["activations", "list", "--state", "activated"]);
        let entitlements = entitlements.as_array().unwrap().iter();
        let in_use = entitlements.map(|entitlement| entitlement["in_use"].as_u64().unwrap());
        let signed_for = activated.as_array().unwrap().len() as u64;
        (in_use.sum::<u64>(), signed_for) == (units, units)
    });
}

/// Waits until the device's acknowledgement is recorded.
fn acknowledged(site: &Site, device: &str, generation: u64) {
    until("the acknowledgement is recorded", || {
        site.json(&["devices", "show", device])["acknowledged"] == generation
    });
}

fn device(site: &Site, serial: &str) -> PythonDevice {
    let installation = &site.installation;
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

impl PythonDevice {
    fn run(&self, more: &[&str]) -> Report {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
        let done = Command::new(tests.join("python"))
            .arg(tests.join("python_device/device.py"))
            .args(&self.arguments)
            .args(more)
            .stdin(Stdio::null())
            .output()
            .unwrap();
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

#[test]
fn a_first_contact_is_challenged_answered_and_acknowledged() {
    let site = site();
    let device = device(&site, "0001");
    let report = device.run(&["--want", "bandwidth-500=1"]);
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
    acknowledged(&site, "dev-0001", 1);

    // A second run goes on from its state: known by its thumbprint, and not challenged again.
    let report = device.run(&["--want", "bandwidth-500=2"]);
    assert_eq!(report.said["notices"], json!([]), "{report:?}");
    assert_eq!(report.said["held"]["generation"], 2);
    acknowledged(&site, "dev-0001", 2);
}

#[test]
fn a_device_that_lost_its_memory_finds_its_place_again() {
    let site = site();
    let device = device(&site, "0002");
    device.run(&["--want", "bandwidth-500=1"]);
    acknowledged(&site, "dev-0002", 1);
    std::fs::remove_file(&device.state).unwrap();
    let report = device.run(&["--want", "bandwidth-500=1"]);
    assert_eq!(report.said["result"], "acknowledged", "{report:?}");
    assert_eq!(report.said["notices"], json!(["stale-seq"]));
    assert_eq!(report.said["held"]["generation"], 2);
}

#[test]
fn a_second_key_for_one_id_is_told_so() {
    let site = site();
    let first = device(&site, "0003").run(&[]);
    assert_eq!(first.said["notices"], json!(["challenge", "denied"]));
    let second = device(&site, "0003").run(&[]);
    assert_eq!(second.said["result"], "identity-conflict", "{second:?}");
    assert_eq!(second.code, 3);
}

#[test]
fn what_was_ordered_for_a_device_is_activated_and_given_back() {
    let site = with_catalogue();
    site.import(
        "orders",
        "system,order,ordered_at,sold_to,line,sku,quantity\n\
         erp,SO-1,2026-01-10,C-1,10,BW-500,1\n",
    );
    site.import(
        "manifest",
        "serial,product_line,hwmodel,system,order,line\n\
         0010,development,mk2,erp,SO-1,10\n",
    );

    let device = device(&site, "0010");
    let report = device.run(&[]);
    assert_eq!(report.code, 0, "{report:?}");
    assert_eq!(report.said["features"], json!(["bandwidth-500"]));
    units_in_force(&site, 1);

    let report = device.run(&["--reason", "return", "--want", "bandwidth-500=0"]);
    assert_eq!(report.code, 0, "{report:?}");
    assert_eq!(report.said["features"], json!([]));
    // The acknowledgement of the set without it is the proof that it is gone.
    units_in_force(&site, 0);
}

#[test]
fn an_activation_code_gives_its_unit_once() {
    let site = with_catalogue();
    site.import(
        "entitlements",
        "system,entitlement,product,model,units,source,term\n\
         crm,GW-1,SCOPE,subscription,5,goodwill,P90D\n",
    );
    let pack = site.file(
        "pack.csv",
        "pack,system,entitlement,count\nSHOW,crm,GW-1,1\n",
    );
    let issued = site.path("issued.csv");
    let [pack, issued_to] = [&pack, &issued].map(|path| path.to_str().unwrap());
    site.command(&["import", "codes", pack, "--codes", issued_to]);
    let issued = std::fs::read_to_string(&issued).unwrap();
    let code = issued.lines().last().unwrap().rsplit(',').next().unwrap();
    let code = code.to_lowercase();

    let first = device(&site, "0020").run(&["--code", &code]);
    assert_eq!(first.code, 0, "{first:?}");
    assert_eq!(first.said["features"], json!(["bandwidth-500"]));
    units_in_force(&site, 1);

    let second = device(&site, "0021").run(&["--code", &code]);
    assert_eq!(second.code, 3, "{second:?}");
    assert_eq!(second.said["denials"][0]["rule"], "code-refused");
    assert_eq!(second.said["features"], json!([]));
    units_in_force(&site, 1);
}
