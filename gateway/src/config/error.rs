//! What can be wrong with a configuration, told so that a person can mend it.

use std::fmt::{self, Display};
use std::path::PathBuf;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file named on the command line or in the environment cannot be read.
    #[error("cannot read the configuration {path}: {cause}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The text is not TOML.
    #[error("{path} is no TOML: {message}", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        message: String,
    },
    /// A key that does not exist.
    #[error("{place}: {key} is no key; {}", did_you_mean(.nearest.as_deref(), .known))]
    UnknownKey {
        /// The file, variable or option it stands in.
        place: Place,
        /// The key, dotted.
        key: String,
        /// The known key nearest to it, if one is near.
        nearest: Option<String>,
        /// Every key known there.
        known: Vec<String>,
    },
    /// A value of the wrong type.
    #[error("{place}: {key}: {message}")]
    Malformed {
        /// The file, variable or option it stands in.
        place: Place,
        /// The key, dotted.
        key: String,
        /// What is wrong, and what is expected.
        message: String,
    },
    /// A value of the right type that cannot be used.
    #[error("{key} = {value}: must be {expected}")]
    Invalid {
        /// The key, dotted.
        key: String,
        /// What it says.
        value: String,
        /// What it could say.
        expected: String,
    },
    /// A key or section without a default that this command needs.
    #[error("{key} is not configured: {hint}")]
    Missing {
        /// The key, dotted.
        key: &'static str,
        /// How to get one.
        hint: &'static str,
    },
    /// A `--set` that is not `KEY=VALUE`.
    #[error("--set {text}: write KEY=VALUE, as in --set broker.listen=127.0.0.1:8883")]
    Override {
        /// What was given.
        text: String,
    },
}

impl ConfigError {
    pub(super) fn invalid(key: &str, value: impl Display, expected: impl Into<String>) -> Self {
        Self::Invalid {
            key: key.to_owned(),
            value: value.to_string(),
            expected: expected.into(),
        }
    }

    pub(super) fn time_zone(value: String) -> Self {
        let nearest = nearest(
            &value,
            jiff::tz::db().available().map(|name| name.to_string()),
        );
        let expected = "an IANA time zone, as Europe/Vienna or UTC";
        Self::Invalid {
            key: "time_zone".to_owned(),
            value,
            expected: format!("{expected}{}", suggestion(nearest.as_deref())),
        }
    }
}

/// Where a key was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the file.
    File(PathBuf),
    /// In the environment.
    Variable(String),
    /// On the command line.
    Override,
    /// Nowhere: it is a default, or missing.
    Nowhere,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::Override => f.write_str("the command line"),
            Self::Nowhere => f.write_str("the configuration"),
        }
    }
}

/// What the `config` crate and serde refused, with the dotted key.
pub(super) fn malformed(
    cause: ::config::ConfigError,
    place_of: impl Fn(&str) -> Place,
) -> ConfigError {
    let (key, message) = match cause {
        ::config::ConfigError::Type {
            unexpected,
            expected,
            key,
            ..
        } => (key, format!("{unexpected} where {expected} is expected")),
        ::config::ConfigError::NotFound(key) => (
            Some(key),
            "must be given, since it has no default".to_owned(),
        ),
        ::config::ConfigError::At { error, key, .. } => (key, error.to_string()),
        other => (None, other.to_string()),
    };
    // `config` writes `list[0]key`.
    let key = key
        .unwrap_or_default()
        .replace(']', "].")
        .replace("].[", "][");
    let key = key.strip_suffix('.').map(ToOwned::to_owned).unwrap_or(key);
    match unknown_field(&message) {
        Some((field, known)) => {
            let key = if key.is_empty() {
                field.clone()
            } else {
                format!("{key}.{field}")
            };
            ConfigError::UnknownKey {
                place: place_of(&key),
                nearest: nearest(&field, known.iter().cloned()),
                key,
                known,
            }
        }
        None => ConfigError::Malformed {
            place: place_of(&key),
            key,
            message,
        },
    }
}

/// serde writes "unknown field `x`, expected one of `a`, `b`".
fn unknown_field(message: &str) -> Option<(String, Vec<String>)> {
    let mut quoted = message
        .strip_prefix("unknown field ")?
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned);
    Some((quoted.next()?, quoted.collect()))
}

fn did_you_mean(nearest: Option<&str>, known: &[String]) -> String {
    match nearest {
        Some(name) => format!("did you mean {name}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default()
}

/// The candidate most like `wrong`, if any is like it enough to be meant.
fn nearest(wrong: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    const ALIKE: f64 = 0.8;
    candidates
        .map(|name| (strsim::jaro_winkler(wrong, &name), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, name)| name)
}
