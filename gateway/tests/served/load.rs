//! `fleetgrant load` is killed while devices activate: what it started ends by itself.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fleetgrant::store::conversation::acknowledged;
use fleetgrant::store::{SchemaPolicy, Store, StoreOptions};

use crate::site::until;

/// More than are done before the first is seen.
const DEVICES: &str = "2000";

/// What measures; it is killed with what it started if a test fails.
struct Load(Child);

impl Drop for Load {
    fn drop(&mut self) {
        // Both have nothing to say where it is killed already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_a_killed_load_has_started_ends_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut load = Load(
        Command::new(env!("CARGO_BIN_EXE_fleetgrant"))
            .args(["load", "--devices", DEVICES, "--data"])
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    until("its gateway and its broker are started", || {
        started(&data) == ["broker", "serve"]
    });
    let database = format!("sqlite:{}", data.join("fleetgrant.db").display());
    let options = StoreOptions {
        schema: SchemaPolicy::Require,
        ..StoreOptions::default()
    };
    let store = Store::open(&database, options).unwrap();
    until("devices activate", || {
        let all = store.read_blocking("load", acknowledged).unwrap();
        !all.is_empty()
    });
    load.0.kill().unwrap();
    load.0.wait().unwrap();
    until("both have ended", || started(&data).is_empty());
}

/// The commands of the processes that run with a configuration in this folder. One that has ended has
/// no arguments, also where nobody has asked what became of it.
fn started(data: &Path) -> Vec<String> {
    let config = data.join("fleetgrant.toml").display().to_string();
    let processes = fs::read_dir("/proc").unwrap();
    let mut commands: Vec<_> = processes
        .filter_map(|process| fs::read_to_string(process.unwrap().path().join("cmdline")).ok())
        .filter_map(|line| {
            let mut args = line.split('\0').skip_while(|arg| **arg != config);
            args.nth(1).map(str::to_owned)
        })
        .collect();
    commands.sort();
    commands
}
