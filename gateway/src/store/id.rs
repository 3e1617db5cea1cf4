//! New ids: UUIDv7, so that rows made together lie together.

use fleetgrant_core::domain::Timestamp;
use uuid::{NoContext, Uuid};

use super::column::{Fixed, Octets};

/// A new id of something made at `now`.
pub fn fresh<T: Fixed>(now: Timestamp) -> Octets<T> {
    let micros = u64::try_from(now.micros()).unwrap_or_default();
    let nanos = (micros % 1_000_000) as u32 * 1_000;
    let uuid = Uuid::new_v7(uuid::Timestamp::from_unix(
        NoContext,
        micros / 1_000_000,
        nanos,
    ));
    Octets(T::of(uuid.as_bytes()).expect("an entity's id has the 16 bytes of a UUID"))
}
