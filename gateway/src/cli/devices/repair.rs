//! `fleetgrant devices repair` and `revoke-key`: a device whose key changes, and which stays what it is.

use anyhow::anyhow;
use fleetgrant_core::domain::{DeviceId, KeyThumbprint};

use crate::cli::ledger::{Ledger, device_id, key_thumbprint};
use crate::cli::{Failure, activations, note};
use crate::http::acts::awaited_key;
use crate::operator::Act;
use crate::store::conversation;

/// Record that the board of a device was replaced: the same serial number, another key
///
/// The old key is refused from now on. The device keeps its owner and its rights, and gets them when
/// its new board asks; nothing moves, and nothing is activated again. What was on its way out at the
/// old board stays taken, since nobody will prove that it is gone.
#[derive(Debug, clap::Args)]
pub(super) struct Repair {
    /// The device: its id, as `devices list` shows it
    #[arg(value_parser = device_id)]
    pub(super) device: DeviceId,
    /// The thumbprint (RFC 9679) of the key of its new board, and the only one that is taken
    /// [default: of the key that waits, as `show` tells it; or else the first that is proven under
    /// the device's trust anchor]
    #[arg(long, value_name = "HEX", value_parser = key_thumbprint)]
    pub(super) key: Option<KeyThumbprint>,
    /// Only shows what would be done
    #[arg(long)]
    pub(super) preview: bool,
}

/// Revoke a key of a device that leaked
///
/// It never comes back, for any device. Where the device speaks with it, nothing is sent to the
/// device until `repair` names its new board, and its units stay taken.
#[derive(Debug, clap::Args)]
pub(super) struct RevokeKey {
    /// The device, for the key that it speaks with; or the thumbprint of a key that some device has,
    /// or had
    #[arg(value_name = "DEVICE|THUMBPRINT", value_parser = key_of)]
    pub(super) key: KeyOf,
    /// Only shows what would be done
    #[arg(long)]
    pub(super) preview: bool,
}

/// Which key.
#[derive(Clone, Debug)]
pub(super) enum KeyOf {
    /// The one that the device speaks with.
    Device(DeviceId),
    /// This one.
    Key(KeyThumbprint),
}

/// A device's id has a hyphen, and a thumbprint has none.
pub(super) fn key_of(text: &str) -> Result<KeyOf, String> {
    match key_thumbprint(text) {
        Ok(key) => Ok(KeyOf::Key(key)),
        Err(_) => device_id(text).map(KeyOf::Device),
    }
}

pub(super) fn repair(ledger: &Ledger, args: &Repair) -> Result<(), Failure> {
    let act = Act::Repair(args.key);
    if args.preview {
        return activations::show_only(ledger, &args.device, act);
    }
    let outcome = ledger.act(&args.device, act)?;
    tell_of_repair(args, awaited_key(&outcome).as_deref());
    Ok(())
}

pub(super) fn tell_of_repair(args: &Repair, key: Option<&str>) {
    let device = &args.device;
    note(&match key {
        Some(key) => format!("{device} gets what it has when the key {key} asks, and no other"),
        None => format!(
            "{device} gets what it has when its new board asks: the first key that is proven under its \
             trust anchor is taken"
        ),
    });
}

pub(super) fn revoke_key(ledger: &Ledger, args: &RevokeKey) -> Result<(), Failure> {
    let (device, key) = match args.key.clone() {
        KeyOf::Device(device) => (device, None),
        KeyOf::Key(key) => {
            let known = ledger.read(move |db| conversation::recorded(db, key))?;
            let known = known.ok_or_else(|| nobodys(key))?;
            (known.device, Some(key))
        }
    };
    let act = Act::RevokeKey(key);
    if args.preview {
        return activations::show_only(ledger, &device, act);
    }
    ledger.act(&device, act)?;
    tell_of_revocation(&device);
    Ok(())
}

pub(super) fn nobodys(key: KeyThumbprint) -> Failure {
    Failure::refused(anyhow!(
        "no device has, or had, the key {key}. A certificate that was never used is revoked by the \
         revocation list of its issuer"
    ))
}

pub(super) fn tell_of_revocation(device: &DeviceId) {
    note(&format!(
        "that key of {device} is refused from now on. If it spoke with it, record its new board with \
         `fleetgrant devices repair {device}`"
    ));
}
