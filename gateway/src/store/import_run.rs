//! Which files were imported, by whom, and what came of it.

use diesel::prelude::*;
use fleetgrant_core::domain::ImportRunId;

use super::column::{Micros, Octets};
use super::schema::import_runs as table;
use super::{Db, StoreError};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
pub struct ImportRun {
    /// Its id; the cause of its events.
    pub id: Octets<ImportRunId>,
    /// What was imported.
    pub kind: String,
    /// Who did it.
    pub actor: String,
    /// Whether changed rows were taken.
    pub amend: bool,
    /// Rows in the file.
    pub rows_read: i64,
    /// Rows that made something.
    pub created: i64,
    /// Rows that changed something.
    pub amended: i64,
    /// Rows that said what was there.
    pub unchanged: i64,
    /// SHA-256 of the file.
    pub digest: Octets<[u8; 32]>,
    /// When.
    pub at: Micros,
}

/// Adds a run.
pub fn insert(db: &mut Db, run: &ImportRun) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(table::table).values(run).execute(c))?;
    Ok(())
}

/// The latest runs, the newest first.
pub fn latest(db: &mut Db, limit: i64) -> Result<Vec<ImportRun>, StoreError> {
    Ok(on!(db, c => table::table
        .order(table::at.desc())
        .limit(limit)
        .select(ImportRun::as_select())
        .load(c))?)
}
