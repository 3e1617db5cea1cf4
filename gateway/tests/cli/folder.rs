//! A folder to run `fleetgrant` in, and what a run leaves.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

pub(crate) const REFUSED: i32 = 1;
pub(crate) const USAGE: i32 = 2;
pub(crate) const CONFIG: i32 = 3;
pub(crate) const UNAVAILABLE: i32 = 4;
#[allow(dead_code, reason = "each kind of test uses a part of it")]
pub(crate) const LOCAL_ONLY: i32 = 5;

/// A folder to run `fleetgrant` in, without variables that reach it from outside.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn with_config(text: &str) -> Self {
        let folder = Self::new();
        fs::write(folder.path().join("fleetgrant.toml"), text).unwrap();
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        self.run_with(args, &[])
    }

    pub(crate) fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetgrant"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FLEETGRANT_") {
                command.env_remove(name);
            }
        }
        let output = command
            .args(args)
            .envs(variables.iter().copied())
            .current_dir(self.path())
            .output()
            .unwrap();
        Outcome::of(args, &output)
    }
}

/// What a run left; shown whole when it is not as expected.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "the arguments are for whoever reads the failure")]
pub(crate) struct Outcome {
    args: Vec<String>,
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    fn of(args: &[&str], output: &Output) -> Self {
        Self {
            args: args.iter().map(ToString::to_string).collect(),
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn done(self) -> Self {
        self.ends(0, &[])
    }

    /// Ends with `code`, and says all of `words` on standard error.
    #[track_caller]
    pub(crate) fn ends(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is missing: {self:#?}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn shows(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.out.contains(word), "{word:?} is missing: {self:#?}");
        }
        self
    }
}
