//! A process of this binary, and what it used.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::LoadError;

/// The kernel's clock ticks a second, as /proc counts them (`man 5 proc`): 100 on every Linux
/// that is in use.
const TICKS: u64 = 100;

/// A process that is killed when this is dropped, and ends by itself when this process is killed.
pub(super) struct Child {
    name: &'static str,
    child: std::process::Child,
}

/// Processor time, user and system.
#[derive(Clone, Copy)]
pub(super) struct Used(Duration);

impl Used {
    pub(super) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Child {
    pub(super) fn start(
        name: &'static str,
        config: &Path,
        command: &[&str],
    ) -> Result<Self, LoadError> {
        let process = |source| LoadError::Process { name, source };
        let this = std::env::current_exe().map_err(process)?;
        let child = Command::new(this)
            .arg("--config")
            .arg(config)
            .args(command)
            // Nothing is written to it. The system closes it when this process ends.
            .arg("--until-input-ends")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(process)?;
        Ok(Self { name, child })
    }

    pub(super) fn used(&self) -> Result<Used, LoadError> {
        let stat = self.proc("stat")?;
        // After the name, which may hold anything, come the fields from the third on.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks: Option<u64> = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().ok())
            .sum();
        let ticks = ticks.ok_or_else(|| self.unreadable("stat"))?;
        Ok(Used(Duration::from_millis(ticks * 1_000 / TICKS)))
    }

    pub(super) fn peak_memory(&self) -> Result<u64, LoadError> {
        self.proc("status")?
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"))
            .and_then(|kilobytes| kilobytes.trim().parse::<u64>().ok())
            .map(|kilobytes| kilobytes * 1_024)
            .ok_or_else(|| self.unreadable("status"))
    }

    fn proc(&self, file: &str) -> Result<String, LoadError> {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).map_err(|source| {
            LoadError::Process {
                name: self.name,
                source,
            }
        })
    }

    fn unreadable(&self, file: &str) -> LoadError {
        LoadError::Process {
            name: self.name,
            source: io::Error::other(format!("/proc/…/{file} is not as expected")),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
