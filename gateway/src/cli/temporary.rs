//! A folder for what a measurement leaves behind.

use std::io;
use std::path::{Path, PathBuf};

/// A folder that goes when this does.
#[derive(Debug)]
pub(super) struct Temporary(PathBuf);

impl Temporary {
    /// A new folder in the system's, for this purpose of this process.
    pub(super) fn new(purpose: &str) -> io::Result<Self> {
        let name = format!("fleetgrant-{purpose}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What is left of it is for the system to tidy up.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
