//! How values of reports are written as JSON.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use fleetgrant_core::domain::Timestamp;
use serde::{Serialize, Serializer};

/// As RFC 3339.
pub(super) fn instant<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// As RFC 3339, or null.
pub(super) fn optional_instant<S: Serializer>(
    at: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => instant(at, serializer),
        None => serializer.serialize_none(),
    }
}

/// Seconds with their fraction, or null.
pub(super) fn seconds<S: Serializer>(
    length: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    length
        .map(|length| length.as_secs_f64())
        .serialize(serializer)
}

/// A map from the names of what was counted.
pub(super) fn by_name<K: Display, S: Serializer>(
    counted: &BTreeMap<K, u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counted.iter().map(|(key, count)| (key.to_string(), count)))
}
