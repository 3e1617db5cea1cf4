//! Installation: the one step in which a verified grant becomes the set in force.
//!
//! The record holds everything that changes with it, so that after a power cut either all of it
//! happened or nothing. That an ack is due follows from it: the last one was for another set.

use crate::clock_floor::Floors;
use crate::frame::{self, Body, Fields};
use crate::removing::Removing;
use crate::rights::{self, USAGE_LEN};
use crate::storage::{Record, Storage, StorageError};
use crate::verify::AcceptedGrant;

/// The body of the record, all numbers little-endian:
///
/// | bytes | |
/// |---|---|
/// | 8 + 8 | the clock's floor in ms since 1970: proven, claimed |
/// | 1 | number of removals |
/// | 24 each | removed activation, its final usage total |
/// | the rest | the signed grant |
const HEAD: usize = 17;

/// Stores a grant with what it removes and the clock's floor, in one step.
pub(crate) fn store<S: Storage, const RIGHTS: usize>(
    storage: &mut S,
    grant: &AcceptedGrant<'_, '_>,
    removing: &Removing<RIGHTS>,
    (proven, claimed): Floors,
) -> Result<(), StorageError> {
    let totals = removing.totals();
    let mut bytes = [0; HEAD];
    let mut head = Body::new(&mut bytes);
    head.put_u64(proven).put_u64(claimed);
    head.put(&[totals.len() as u8]);
    let mut removals = [[0; USAGE_LEN]; RIGHTS];
    let len = rights::encode_usage(totals, &mut removals);
    let removals = removals.as_flattened().get(..len).unwrap_or_default();
    frame::store(
        storage,
        Record::Set,
        [head.bytes(), removals, grant.signed()],
    )
}

/// The clock's floor in the record.
pub(crate) fn floors<S: Storage>(storage: &mut S) -> Result<Floors, StorageError> {
    let mut head = [0; HEAD];
    frame::read(storage, Record::Set, 0, &mut head)?;
    let mut fields = Fields(&head);
    Ok((fields.u64(), fields.u64()))
}

/// What was removed when the set was installed.
pub(crate) fn removing<S: Storage, const RIGHTS: usize>(
    storage: &mut S,
    place: &Place,
) -> Result<Removing<RIGHTS>, StorageError> {
    let mut removing = Removing::none();
    for offset in (HEAD..place.offset).step_by(USAGE_LEN) {
        let mut total = [0; USAGE_LEN];
        frame::read(storage, Record::Set, offset, &mut total)?;
        removing.push_encoded(&total);
    }
    Ok(removing)
}

/// Loads the signed grant into `scratch`.
pub(crate) fn grant<'b, S: Storage>(
    storage: &mut S,
    place: &Place,
    scratch: &'b mut [u8],
) -> Result<&'b [u8], StorageError> {
    let grant = scratch.get_mut(..place.len).ok_or(StorageError::Full)?;
    frame::read(storage, Record::Set, place.offset, grant)?;
    Ok(grant)
}

/// Where the signed grant stands in the record's body.
pub(crate) struct Place {
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

/// Finds the signed grant; none if no set was ever installed.
pub(crate) fn locate<S: Storage>(storage: &mut S) -> Result<Option<Place>, StorageError> {
    let Some(body) = frame::check(storage, Record::Set)? else {
        return Ok(None);
    };
    let mut removals = [0];
    frame::read(storage, Record::Set, HEAD - 1, &mut removals)?;
    let offset = HEAD + usize::from(removals[0]) * USAGE_LEN;
    let len = body.checked_sub(offset).ok_or(StorageError::Damaged)?;
    Ok(Some(Place { offset, len }))
}
