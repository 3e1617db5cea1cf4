//! Answers that were given to writes over HTTP, to be given again to the same request.

use diesel::prelude::*;
use fleetgrant_core::domain::{ApiKeyId, Timestamp};

use super::column::{Micros, Octets};
use super::schema::http_writes as table;
use super::{Db, StoreError};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
pub struct HttpWrite {
    /// Who wrote.
    pub api_key_id: Octets<ApiKeyId>,
    /// What the writer calls the write.
    pub idempotency_key: String,
    /// SHA-256 of the request.
    pub request: Octets<[u8; 32]>,
    /// The body of the answer.
    pub answer: Vec<u8>,
    /// When.
    pub at: Micros,
}

/// The write of this name by this key.
pub fn find(
    db: &mut Db,
    key: Octets<ApiKeyId>,
    name: &str,
) -> Result<Option<HttpWrite>, StoreError> {
    Ok(on!(db, c => table::table
        .find((key, name))
        .select(HttpWrite::as_select())
        .first(c)
        .optional())?)
}

/// Adds a write, and forgets those from before an instant.
pub fn insert(db: &mut Db, write: &HttpWrite, forgotten: Timestamp) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(table::table)
        .filter(table::at.lt(Micros(forgotten)))
        .execute(c))?;
    on!(db, c => diesel::insert_into(table::table).values(write).execute(c))?;
    Ok(())
}
