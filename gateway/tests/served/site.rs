//! A data folder, and the process that serves from it.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fleetgrant::clock::Clock;
use fleetgrant::identity::AdmissionMode;
use fleetgrant::quickstart::{Installation, InstallationOptions};
use serde_json::Value;

use crate::store::scratch::Scratch;

/// Longer than anything takes on a busy machine; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// Rates that no test runs into unless it means to.
const UNLIMITED: &str = "\n[limits.device]\nevery = \"1ms\"\nburst = 1000\n";

/// An installation that is served while this lives.
pub(crate) struct Site {
    pub(crate) installation: Installation,
    _gateway: Process,
    folder: tempfile::TempDir,
    scratch: Scratch,
}

/// A process that is killed when it is dropped.
pub(crate) struct Process(Child);

impl Site {
    /// Makes one, and waits until its gateway serves.
    pub(crate) fn new(admission: AdmissionMode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let options = InstallationOptions {
            listen: listener.local_addr().unwrap(),
            admission,
            more: UNLIMITED.to_owned() + &scratch.table(),
            ..InstallationOptions::default()
        };
        drop(listener);
        let (data, now) = (folder.path().join("data"), Clock::system().now());
        let installation = Installation::open_or_create(&data, &options, now).unwrap();
        command(folder.path(), &["migrate"]);
        let gateway = Process::serve(folder.path(), &[]);
        Self {
            installation,
            _gateway: gateway,
            folder,
            scratch,
        }
    }

    /// Stops its gateway, and serves again with a configuration that was changed so.
    pub(crate) fn restarted(self, change: impl FnOnce(String) -> String) -> Self {
        let Self {
            installation,
            _gateway: gateway,
            folder,
            scratch,
        } = self;
        drop(gateway);
        let file = installation.config_file();
        let changed = change(std::fs::read_to_string(&file).unwrap());
        std::fs::write(&file, changed).unwrap();
        let (data, now) = (folder.path().join("data"), Clock::system().now());
        let options = InstallationOptions::default();
        Self {
            installation: Installation::open_or_create(&data, &options, now).unwrap(),
            _gateway: Process::serve(folder.path(), &[]),
            folder,
            scratch,
        }
    }

    /// Another gateway on the same database and the broker of the first.
    pub(crate) fn second(&self) -> Process {
        let client = "broker.client_id=gateway:b";
        let more = ["--without-broker", "--set", client];
        Process::serve(self.folder.path(), &more)
    }

    /// What a command that must succeed prints.
    pub(crate) fn command(&self, args: &[&str]) -> String {
        command(self.folder.path(), args)
    }

    /// The same as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let printed = self.command(&[args, &["--output", "json"]].concat());
        serde_json::from_str(&printed).unwrap()
    }

    /// A file beside the data folder.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Imports a file of this kind whole.
    pub(crate) fn import(&self, kind: &str, csv: &str) -> Value {
        let path = self.file(&format!("{kind}.csv"), csv);
        self.json(&["import", kind, path.to_str().unwrap()])
    }
}

fn command(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_fleetgrant"))
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

impl Process {
    fn serve(folder: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fleetgrant"))
            .arg("serve")
            .args(more)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let process = Self(child);
        let (lines, logged) = mpsc::sync_channel(64);
        // It reads to the end, so that the gateway never waits for its log.
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                // Once it serves, nobody listens any more.
                let _ = lines.try_send(line);
            }
        });
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while !seen
            .iter()
            .any(|line: &String| line.contains("connected to the broker"))
        {
            let left = deadline.saturating_duration_since(Instant::now());
            match logged.recv_timeout(left) {
                Ok(line) => seen.push(line),
                Err(_) => panic!("the gateway does not serve: {seen:#?}"),
            }
        }
        process
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Waits until something holds that must come to hold.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
