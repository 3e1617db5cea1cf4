//! A data folder with everything a gateway needs: a development PKI and a configuration.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use fleetgrant_core::domain::Timestamp;

use crate::config::{Config, ConfigError, Overrides};
use crate::identity::AdmissionMode;
use crate::pki::{DevPki, DevPkiOptions, NewAuthority, PkiError};

const CONFIG: &str = "fleetgrant.toml";
const PKI: &str = "pki";

/// What a new data folder is made with.
#[derive(Clone, Debug)]
pub struct InstallationOptions {
    /// The realm.
    pub realm: String,
    /// Where the embedded broker listens.
    pub listen: SocketAddr,
    /// What becomes of devices that are seen for the first time.
    pub admission: AdmissionMode,
    /// More of the configuration, in TOML, after what is written always.
    pub more: String,
}

impl Default for InstallationOptions {
    fn default() -> Self {
        Self {
            realm: "quickstart".to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8883)),
            admission: AdmissionMode::Manifest,
            more: String::new(),
        }
    }
}

/// A data folder that a gateway can serve from.
#[derive(Debug)]
pub struct Installation {
    folder: PathBuf,
    /// Its PKI, which issues devices.
    pub pki: DevPki,
    /// Its configuration.
    pub config: Config,
}

/// Why a data folder is of no use.
#[derive(Debug, thiserror::Error)]
pub enum InstallationError {
    /// The folder or a file in it cannot be written.
    #[error("cannot write {}: {source}; choose another folder with --data, or make this one writable", path.display())]
    Unwritable {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The PKI is of no use.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The configuration is of no use.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl Installation {
    /// Opens the data folder, and makes what is missing in it. What is there is left as it is.
    ///
    /// # Errors
    /// It cannot be written, or what is there does not serve.
    pub fn open_or_create(
        folder: &Path,
        options: &InstallationOptions,
        now: Timestamp,
    ) -> Result<Self, InstallationError> {
        fs::create_dir_all(folder).map_err(|source| unwritable(folder, source))?;
        let folder = &fs::canonicalize(folder).map_err(|source| unwritable(folder, source))?;
        let pki_folder = folder.join(PKI);
        let config_file = folder.join(CONFIG);
        let pki = if config_file.exists() {
            DevPki::open(&pki_folder)?
        } else {
            let (pki, authority) = DevPki::create(&pki_folder, &DevPkiOptions::default(), now)?;
            write_new(&config_file, &configuration(options, &authority))?;
            pki
        };
        Ok(Self {
            config: Config::load(Some(&config_file), &Overrides::none())?,
            folder: folder.clone(),
            pki,
        })
    }

    /// The data folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.folder.join(CONFIG)
    }

    /// The authority's public key, as devices pin it (PEM).
    #[must_use]
    pub fn authority_public_key(&self) -> PathBuf {
        self.folder.join(PKI).join("authority.pub")
    }
}

fn configuration(options: &InstallationOptions, authority: &NewAuthority) -> String {
    let anchor = DevPki::anchor_config(Path::new(PKI), options.admission);
    let mut text = String::new();
    let quoted = |path: &Path| toml_string(&path.to_string_lossy());
    let paths = |paths: &[PathBuf]| {
        let list: Vec<_> = paths.iter().map(|path| quoted(path)).collect();
        format!("[{}]", list.join(", "))
    };
    let written = write!(
        text,
        "# Made by `fleetgrant quickstart`; docs/samples/fleetgrant.toml shows every key.\n\
         realm = {realm}\n\
         \n\
         [broker]\n\
         address = \"localhost:{port}\"\n\
         \n\
         [broker.embedded]\n\
         listen = \"{listen}\"\n\
         \n\
         [[trust_anchor]]\n\
         name = {name}\n\
         product_line = {product_line}\n\
         id_prefix = \"{prefix}\"\n\
         identity = \"{identity}\"\n\
         admission = \"{admission}\"\n\
         roots = {roots}\n\
         intermediates = {intermediates}\n\
         \n\
         [authority]\n\
         key = {key}\n\
         epoch = {epoch}\n\
         not_before = \"{not_before}\"\n\
         not_after = \"{not_after}\"\n\
         {more}",
        realm = toml_string(&options.realm),
        port = options.listen.port(),
        listen = options.listen,
        name = toml_string(&anchor.name),
        product_line = toml_string(&anchor.product_line),
        prefix = anchor.id_prefix,
        identity = anchor.identity,
        admission = anchor.admission.as_str(),
        roots = paths(&anchor.roots),
        intermediates = paths(&anchor.intermediates),
        key = quoted(&Path::new(PKI).join(authority.key.file_name().unwrap_or_default())),
        epoch = authority.epoch,
        not_before = authority.not_before,
        not_after = authority.not_after,
        more = options.more,
    );
    debug_assert!(written.is_ok(), "writing into a string cannot fail");
    text
}

/// A TOML basic string; Rust's escapes for these characters are TOML's.
fn toml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn write_new(path: &Path, text: &str) -> Result<(), InstallationError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| unwritable(path, source))
}

fn unwritable(path: &Path, source: io::Error) -> InstallationError {
    InstallationError::Unwritable {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn a_folder_is_made_once_and_then_opened() {
        let folder = tempfile::tempdir().unwrap();
        let options = InstallationOptions {
            realm: "a \"maker\"".to_owned(),
            ..InstallationOptions::default()
        };
        let refused = Installation::open_or_create(folder.path(), &options, NOW);
        assert!(matches!(refused, Err(InstallationError::Config(_))));

        let folder = tempfile::tempdir().unwrap();
        let options = InstallationOptions::default();
        let made = Installation::open_or_create(folder.path(), &options, NOW).unwrap();
        let first = fs::read(made.config_file()).unwrap();
        let opened = Installation::open_or_create(folder.path(), &options, NOW).unwrap();
        assert_eq!(fs::read(opened.config_file()).unwrap(), first);
        assert_eq!(opened.config.realm.as_str(), "quickstart");
        assert!(made.authority_public_key().exists());
    }
}
