//! Events that wait to be looked at: those just written, and parts of the history once more.

use diesel::dsl::exists;
use diesel::prelude::*;
use fleetgrant_core::domain::Timestamp;
use fleetgrant_core::event::EventKind;

use super::{EVERY_KIND, StoreError, webhook_inbox as table, webhook_kinds};
use crate::store::Db;
use crate::store::column::Micros;
use crate::store::event::Stored;
use crate::store::prepared::Fix as _;
use crate::store::schema::events;

/// Lets the events of a stream after one of them wait, those that some webhook may want. In the
/// transaction that wrote them: whoever takes them from there misses none, in whatever order
/// transactions commit.
pub(in crate::store) fn note(db: &mut Db, stream: &str, after: i64) -> Result<(), StoreError> {
    if db.era().is_some() && is_unheard(db)? {
        return Ok(());
    }
    let is_wanted = webhook_kinds::kind
        .eq(EVERY_KIND)
        .or(webhook_kinds::kind.eq(events::kind));
    let new = events::table
        .filter(exists(webhook_kinds::table.select(webhook_kinds::kind)))
        .filter(events::stream.eq(stream))
        .filter(events::seq.gt(after))
        .filter(exists(webhook_kinds::table.filter(is_wanted)))
        .select(events::position);
    on!(db, c => new
        .insert_into(table::table)
        .into_columns(table::position)
        .fixed()
        .execute(c))?;
    Ok(())
}

/// Whether there is no webhook; asked once an era.
fn is_unheard(db: &mut Db) -> Result<bool, StoreError> {
    if let Some(known) = db.unheard() {
        return Ok(known);
    }
    let any = diesel::select(exists(webhook_kinds::table.select(webhook_kinds::kind)));
    let is_heard: bool = on!(db, c => any.get_result(c))?;
    db.keep_unheard(!is_heard);
    Ok(!is_heard)
}

/// The oldest events that wait.
pub fn inbox(db: &mut Db, limit: i64) -> Result<Vec<Stored>, StoreError> {
    let waiting = table::table
        .order(table::position)
        .limit(limit)
        .select(table::position);
    let positions: Vec<i64> = on!(db, c => waiting.load(c))?;
    Ok(on!(db, c => events::table
        .filter(events::position.eq_any(positions))
        .order(events::position)
        .select(Stored::as_select())
        .load(c))?)
}

/// Takes events from those that wait.
pub fn take(db: &mut Db, positions: &[i64]) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(table::table.filter(table::position.eq_any(positions)))
        .execute(c))?;
    Ok(())
}

/// A part of the history.
#[derive(Debug)]
pub struct HistoryPage {
    /// Its events.
    pub events: Vec<Stored>,
    /// Where it ends.
    pub end: i64,
}

/// Events of `since` and later among the next `rows` after a position, up to another.
pub fn history(
    db: &mut Db,
    since: Timestamp,
    after: i64,
    to: i64,
    rows: i64,
) -> Result<HistoryPage, StoreError> {
    let events: Vec<Stored> = on!(db, c => events::table
        .filter(events::position.gt(after))
        .filter(events::position.le(to))
        .order(events::position)
        .limit(rows)
        .select(Stored::as_select())
        .load(c))?;
    let end = match events.last() {
        Some(last) if events.len() as i64 == rows => last.position,
        _ => to,
    };
    let events = events.into_iter().filter(|event| event.at.0 >= since);
    Ok(HistoryPage {
        events: events.collect(),
        end,
    })
}

/// The lowest position that an event of this instant or later has; none if there is none.
///
/// Events that commit together may stand in another order than their instants say, so whoever
/// begins here begins somewhat before.
pub fn first_position(db: &mut Db, since: Timestamp) -> Result<Option<i64>, StoreError> {
    let mut first = None;
    for kind in EventKind::ALL {
        let of_kind: Option<i64> = on!(db, c => events::table
            .filter(events::kind.eq(kind.number()))
            .filter(events::at.ge(Micros(since)))
            .order(events::at)
            .select(events::position)
            .first(c)
            .optional())?;
        first = match (first, of_kind) {
            (Some(first), Some(of_kind)) => Some(i64::min(first, of_kind)),
            (first, of_kind) => first.or(of_kind),
        };
    }
    Ok(first)
}

/// The highest position there is.
pub fn last_position(db: &mut Db) -> Result<i64, StoreError> {
    let last: Option<i64> = on!(db, c => events::table
        .order(events::position.desc())
        .select(events::position)
        .first(c)
        .optional())?;
    Ok(last.unwrap_or(0))
}
