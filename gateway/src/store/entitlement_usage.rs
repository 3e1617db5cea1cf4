//! How often what an entitlement counts was used in all, by what devices report and what was
//! imported. Sums are added by the caller, since no database may be asked for one that is too large
//! for it: the writer is alone.

use diesel::prelude::*;
use fleetgrant_core::domain::{EntitlementId, Timestamp};

use super::column::{Micros, Octets};
use super::prepared::Fix as _;
use super::schema::entitlement_usage as table;
use super::{Db, StoreError};

/// All uses; none where nothing was counted yet.
pub(super) fn used(db: &mut Db, id: EntitlementId) -> Result<Option<i64>, StoreError> {
    Ok(on!(db, c => table::table
        .find(Octets(id))
        .select(table::used)
        .fixed()
        .get_result(c)
        .optional())?)
}

/// Writes all uses, where `known` were [`used`].
pub(super) fn put(
    db: &mut Db,
    id: EntitlementId,
    known: Option<i64>,
    used: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changes = columns!(table {
        used: used,
        changed_at: Micros(now)
    });
    if known.is_some() {
        on!(db, c => update!(table::table.find(Octets(id)), changes).execute(c))?;
    } else {
        let own = columns!(table {
            entitlement_id: Octets(id)
        });
        on!(db, c => insert!(table::table, (own, changes)).execute(c))?;
    }
    Ok(())
}
