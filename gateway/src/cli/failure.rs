//! How a command ends when it does not end well.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use super::stdout::reader_left;
use crate::config::ConfigError;
use crate::store::OpenError;

/// The exit codes, as `--help` prints them.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused: what was asked for is understood and cannot be done, or a check found a fault
  2  usage: the command line is wrong, or names a file that cannot be used
  3  configuration: it is missing, or something in it is wrong
  4  unavailable: the database, the broker, a gateway, a port or a file cannot be reached; try again
  5  local: the command works on the local database only, and --server names a gateway";

/// Why a command did not do what it was asked. Each kind has an exit code of its own, which
/// scripts rely on. 2 is clap's as well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit code 1.
    Refused(anyhow::Error),
    /// Exit code 2.
    Input(anyhow::Error),
    /// Exit code 3.
    Config(anyhow::Error),
    /// Exit code 4.
    Unavailable(anyhow::Error),
    /// Exit code 5: the gateway that was to be asked, by its address.
    LocalOnly(String),
}

impl Failure {
    pub(crate) fn refused(cause: impl Into<anyhow::Error>) -> Self {
        Self::Refused(cause.into())
    }

    pub(crate) fn input(cause: impl Into<anyhow::Error>) -> Self {
        Self::Input(cause.into())
    }

    pub(crate) fn config(cause: impl Into<anyhow::Error>) -> Self {
        Self::Config(cause.into())
    }

    pub(crate) fn unavailable(cause: impl Into<anyhow::Error>) -> Self {
        Self::Unavailable(cause.into())
    }

    /// A database that cannot be used: what it is, or that it cannot be reached.
    pub(crate) fn database(cause: OpenError) -> Self {
        match cause {
            OpenError::UnknownUrl(_) => Self::Config(cause.into()),
            OpenError::SchemaTooNew { .. } | OpenError::SchemaTooOld { .. } => {
                Self::Refused(cause.into())
            }
            _ => Self::Unavailable(cause.into()),
        }
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Refused(_) => 1,
            Self::Input(_) => 2,
            Self::Config(_) => 3,
            Self::Unavailable(_) => 4,
            Self::LocalOnly(_) => 5,
        })
    }

    /// Whether it failed only because whoever read its output has closed it.
    pub(super) fn is_unread(&self) -> bool {
        self.cause().is_some_and(reader_left)
    }

    fn cause(&self) -> Option<&anyhow::Error> {
        match self {
            Self::Refused(cause)
            | Self::Input(cause)
            | Self::Config(cause)
            | Self::Unavailable(cause) => Some(cause),
            Self::LocalOnly(_) => None,
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(cause: ConfigError) -> Self {
        Self::config(cause)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::LocalOnly(server) = self {
            return writeln!(
                f,
                "error: this works on the local database only, and not on {server}: run it where the \
                 gateway is, or leave the server out with --local"
            );
        }
        let mut causes = self.cause().into_iter().flat_map(anyhow::Error::chain);
        let first = causes.next().map(ToString::to_string).unwrap_or_default();
        writeln!(f, "error: {first}")?;
        // Many errors repeat their cause in their own text.
        let mut said = first;
        for cause in causes {
            let text = cause.to_string();
            if !said.contains(&text) {
                writeln!(f, "  because: {text}")?;
            }
            said = text;
        }
        Ok(())
    }
}

/// Turns any error into [`Failure::Unavailable`], saying what was being done.
pub(crate) trait OrUnavailable<T> {
    fn or_unavailable(self, doing: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Error + Send + Sync + 'static> OrUnavailable<T> for Result<T, E> {
    fn or_unavailable(self, doing: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|cause| Failure::Unavailable(anyhow::Error::new(cause).context(doing())))
    }
}
