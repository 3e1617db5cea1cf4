//! Keys that were shown for a device and are not its own: that of a new board, before anybody has
//! recorded the repair, or that of somebody else.
//!
//! The history tells of each message by such a key, a few a day. The chain of its certificate was
//! good, and the signature the key's own.

use std::collections::HashSet;

use data_encoding::HEXLOWER;
use diesel::prelude::*;
use fleetgrant_core::domain::{DeviceId, KeyThumbprint, Timestamp};
use fleetgrant_core::event::EventKind;
use serde_cbor::Value;

use super::column::{Code, Micros, Octets};
use super::event::{self, Stream};
use super::schema::{credentials, events};
use super::{Db, StoreError};

/// Seconds for which a key waits after it was last shown.
const WAITS: u64 = 30 * 86_400;
/// Events that are looked at, at most.
const LOOK_BACK: i64 = 1_000;
/// Different keys that are looked at, at most.
const MAX_KEYS: usize = 20;

/// A key that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingKey {
    /// Its thumbprint (RFC 9679).
    pub key: KeyThumbprint,
    /// When the history last told of it.
    pub shown_at: Timestamp,
}

/// The keys that could be that of a new board: as [`of_device`], those shown within 30 days.
pub fn of_late(
    db: &mut Db,
    device: &DeviceId,
    now: Timestamp,
) -> Result<Vec<WaitingKey>, StoreError> {
    let since = now.minus_seconds(WAITS);
    let mut waiting = of_device(db, device)?;
    waiting.retain(|waiting| since <= waiting.shown_at);
    Ok(waiting)
}

/// The keys that were shown for a device and are, and were, no device's; the latest first.
pub fn of_device(db: &mut Db, device: &DeviceId) -> Result<Vec<WaitingKey>, StoreError> {
    let stream = Stream::Device(device.as_str()).to_string();
    let told: Vec<(Micros, Vec<u8>)> = on!(db, c => events::table
        .filter(events::stream.eq(&stream))
        .filter(events::kind.eq(Code(EventKind::IdentityConflict)))
        .order(events::position.desc())
        .limit(LOOK_BACK)
        .select((events::at, events::body))
        .load(c))?;
    let (mut waiting, mut seen) = (Vec::new(), HashSet::new());
    for (at, body) in told {
        if seen.len() == MAX_KEYS {
            break;
        }
        let Some(Value::Text(key)) = event::fields(&body)?.remove("key") else {
            continue;
        };
        let Some(key) = thumbprint(&key) else {
            continue;
        };
        if seen.insert(key) && !is_recorded(db, key)? {
            let shown_at = at.0;
            waiting.push(WaitingKey { key, shown_at });
        }
    }
    Ok(waiting)
}

fn thumbprint(hex: &str) -> Option<KeyThumbprint> {
    let bytes = HEXLOWER.decode(hex.as_bytes()).ok()?;
    bytes.try_into().ok().map(KeyThumbprint)
}

fn is_recorded(db: &mut Db, key: KeyThumbprint) -> Result<bool, StoreError> {
    let known = credentials::table.filter(credentials::key_thumbprint.eq(Octets(key)));
    Ok(on!(db, c => diesel::select(diesel::dsl::exists(known)).get_result(c))?)
}
