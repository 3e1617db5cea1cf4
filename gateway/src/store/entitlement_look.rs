//! When it is looked next whether an entitlement has ended. The database writes a row for whatever may
//! end, and anew whenever its dates or its state change.

use diesel::prelude::*;
use fleetgrant_core::domain::{EntitlementId, Timestamp};

use super::column::{Micros, Octets};
use super::schema::entitlement_looks as table;
use super::{Db, StoreError};

/// Those to be looked at by now, the longest due first.
pub fn due(db: &mut Db, now: Timestamp, limit: i64) -> Result<Vec<EntitlementId>, StoreError> {
    let due: Vec<Octets<EntitlementId>> = on!(db, c => table::table
        .filter(table::look_at.le(Micros(now)))
        .order(table::look_at)
        .limit(limit)
        .select(table::entitlement_id)
        .load(c))?;
    Ok(due.into_iter().map(|id| id.0).collect())
}

/// Looks at it again then; none: not before something of it changes.
pub fn put_off(db: &mut Db, id: EntitlementId, until: Option<Timestamp>) -> Result<(), StoreError> {
    let row = table::table.find(Octets(id));
    match until {
        Some(until) => on!(db, c => diesel::update(row)
            .set(table::look_at.eq(Micros(until)))
            .execute(c))?,
        None => on!(db, c => diesel::delete(row).execute(c))?,
    };
    Ok(())
}
