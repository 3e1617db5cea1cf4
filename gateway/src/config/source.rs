//! Where the configuration comes from, and what wins: file, then environment, then overrides.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ::config::{Environment, File, FileFormat, Map, Source as _};

use super::error::{self, ConfigError, Place};
use super::file::FileSection;

/// The files looked for when none is named: here, and where `quickstart` puts one.
pub const DEFAULT_FILES: [&str; 2] = ["fleetgrant.toml", "data/fleetgrant.toml"];

/// `FLEETGRANT_BROKER__ADDRESS` is the key `broker.address`.
const PREFIX: &str = "FLEETGRANT";

/// Variables of the same prefix that name the file, or belong to the command line.
const NOT_KEYS: [&str; 5] = [
    "FLEETGRANT_CONFIG",
    "FLEETGRANT_SERVER",
    "FLEETGRANT_SERVER_CA",
    "FLEETGRANT_KEY",
    "FLEETGRANT_KEY_FILE",
];

/// Keys set on the command line, over the file and the environment.
#[derive(Clone, Debug, Default)]
pub struct Overrides(Vec<(String, String)>);

impl Overrides {
    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Sets a dotted key; the value is parsed as the key's type wants it.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.push((key.into(), value.into()));
        self
    }

    /// Sets what a person wrote as `KEY=VALUE`.
    ///
    /// # Errors
    /// [`ConfigError::Override`], when there is no key or no equals sign.
    pub fn parse(self, text: &str) -> Result<Self, ConfigError> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok(self.set(key.trim(), value.trim())),
            _ => Err(ConfigError::Override {
                text: text.to_owned(),
            }),
        }
    }
}

/// The merged keys, not yet parsed into their meaning.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: Option<PathBuf>,
    /// What relative paths are relative to.
    pub(super) base: PathBuf,
    pub(super) raw: FileSection,
}

pub(super) fn read(
    path: Option<&Path>,
    overrides: &Overrides,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Source, ConfigError> {
    let file = path.map(Path::to_owned).or_else(|| {
        DEFAULT_FILES
            .iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
    });
    let variables = keys_of(variables);
    let place_of = |key: &str| place_of(key, overrides, &variables, file.as_deref());
    let mut builder = ::config::Config::builder();
    if let Some(path) = &file {
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable {
            path: path.clone(),
            cause,
        })?;
        let text = File::from_str(&text, FileFormat::Toml);
        text.collect().map_err(|cause| ConfigError::Syntax {
            path: path.clone(),
            message: cause.to_string().trim_end().to_owned(),
        })?;
        builder = builder.add_source(text);
    }
    builder = builder.add_source(
        Environment::with_prefix(PREFIX)
            .prefix_separator("_")
            .separator("__")
            .source(Some(variables.clone())),
    );
    for (key, value) in &overrides.0 {
        builder = builder
            .set_override(key, value.as_str())
            .map_err(|_| ConfigError::Override {
                text: format!("{key}={value}"),
            })?;
    }
    let raw = builder
        .build()
        .and_then(::config::Config::try_deserialize)
        .map_err(|cause| error::malformed(cause, place_of))?;
    let base = file.as_deref().and_then(Path::parent).map(Path::to_owned);
    Ok(Source {
        base: base.unwrap_or_default(),
        file,
        raw,
    })
}

/// The variables that set keys. One that is no UTF-8 cannot, and is left out.
fn keys_of(variables: impl Iterator<Item = (OsString, OsString)>) -> Map<String, String> {
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(PREFIX) && !NOT_KEYS.contains(&name.as_str()))
        .collect()
}

/// Who set a key, the strongest first.
fn place_of(
    key: &str,
    overrides: &Overrides,
    variables: &Map<String, String>,
    file: Option<&Path>,
) -> Place {
    let variable = format!("{PREFIX}_{}", key.replace('.', "__").to_uppercase());
    if overrides.0.iter().any(|(set, _)| set == key) {
        Place::Override
    } else if variables.contains_key(&variable) {
        Place::Variable(variable)
    } else {
        file.map_or(Place::Nowhere, |path| Place::File(path.to_owned()))
    }
}
