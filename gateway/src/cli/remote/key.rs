//! The key to ask with. It never stands on the command line, where every user of a machine sees it.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use axum::http::HeaderValue;

use crate::cli::{Failure, OrUnavailable as _};

/// Bytes of a key, or of a token of an issuer, at most.
const LONGEST: u64 = 16_384;

/// What to send as `Authorization`: of the file that an option or `FLEETGRANT_KEY_FILE` names, of
/// `FLEETGRANT_KEY`, or of the file of the configuration.
pub(super) fn read(
    named: Option<PathBuf>,
    configured: Option<&Path>,
    server: &str,
) -> Result<HeaderValue, Failure> {
    let text = match (named, std::env::var("FLEETGRANT_KEY"), configured) {
        (Some(path), ..) => of_file(&path)?,
        (None, Ok(key), _) => key,
        (None, Err(_), Some(path)) => of_file(path)?,
        (None, Err(_), None) => {
            return Err(Failure::config(anyhow!(
                "{server} wants a key: name a file that has one with --key-file or \
                 FLEETGRANT_KEY_FILE, or set FLEETGRANT_KEY; `fleetgrant keys create` makes keys"
            )));
        }
    };
    let key = text.trim();
    let is_one = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    let header = HeaderValue::from_str(&format!("Bearer {key}")).ok();
    let mut header = header.filter(|_| is_one).ok_or_else(|| {
        Failure::config(anyhow!(
            "what is given as a key is none: it is one word, as fgk_…"
        ))
    })?;
    header.set_sensitive(true);
    Ok(header)
}

fn of_file(path: &Path) -> Result<String, Failure> {
    let reading = || format!("cannot read the key {}", path.display());
    let file = File::open(path).or_unavailable(reading)?;
    let mode = file
        .metadata()
        .or_unavailable(reading)?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        let path = path.display();
        return Err(Failure::config(anyhow!(
            "others can read the key {path} (mode {:03o}): keep it to yourself with `chmod 600 \
             {path}`, and revoke it if somebody may have seen it",
            mode & 0o777
        )));
    }
    let mut text = String::new();
    file.take(LONGEST)
        .read_to_string(&mut text)
        .or_unavailable(reading)?;
    Ok(text)
}
