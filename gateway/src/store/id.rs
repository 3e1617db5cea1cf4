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

/// The lowest id of something made in the millisecond of an instant, or later: as of what is made
/// at an instant, its id tells in which millisecond (RFC 9562, section 5.7).
pub fn lowest<T: Fixed>(from: Timestamp) -> Octets<T> {
    const HIGHEST: u64 = (1 << 48) - 1;
    let millis = u64::try_from(from.micros()).unwrap_or_default() / 1_000;
    let mut id = [0; 16];
    id[..6].copy_from_slice(&millis.min(HIGHEST).to_be_bytes()[2..]);
    Octets(T::of(&id).expect("an entity's id has the 16 bytes of a UUID"))
}

#[cfg(test)]
mod tests {
    use fleetgrant_core::domain::CaseId;

    use super::*;

    #[test]
    fn the_lowest_id_of_an_instant_parts_what_was_made_before_from_what_was_made_since() {
        for micros in [
            0,
            1,
            999,
            1_000,
            1_796_000_000_123_456,
            1_796_000_000_123_999,
        ] {
            let at = Timestamp::from_micros(micros);
            let next = Timestamp::from_micros((micros / 1_000 + 1) * 1_000);
            let made = fresh::<CaseId>(at).0.0;
            assert!(lowest::<CaseId>(at).0.0 <= made, "{micros}");
            assert!(made < lowest::<CaseId>(next).0.0, "{micros}");
        }
    }

    #[test]
    fn an_instant_before_or_beyond_all_ids_is_no_error() {
        let lowest = |micros| lowest::<CaseId>(Timestamp::from_micros(micros)).0.0;
        assert_eq!(lowest(i64::MIN), [0; 16]);
        assert!(lowest(i64::MAX) > fresh::<CaseId>(Timestamp::from_micros(1 << 60)).0.0);
    }
}
