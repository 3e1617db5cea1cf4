//! Answers that were given to writes over HTTP, to be given again to the same request.

use diesel::prelude::*;
use fleetgrant_core::domain::{ApiKeyId, Timestamp};

use serde_json::Value;

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

/// Answers that are looked through at a time.
const PORTION: i64 = 256;
/// Characters from which on a text is also found within a longer one.
const FOUND_WITHIN: usize = 4;

/// Has every answer that is kept say `instead` where it says one of these texts; how many did.
pub fn replace(db: &mut Db, texts: &[String], instead: &str) -> Result<usize, StoreError> {
    let mut changed = 0;
    let mut last: Option<(Octets<ApiKeyId>, String)> = None;
    loop {
        let rows: Vec<HttpWrite> = on!(db, c => {
            let mut query = table::table
                .order((table::api_key_id, table::idempotency_key))
                .limit(PORTION)
                .select(HttpWrite::as_select())
                .into_boxed();
            if let Some((key, name)) = &last {
                let later = table::api_key_id.eq(key).and(table::idempotency_key.gt(name));
                query = query.filter(table::api_key_id.gt(key).or(later));
            }
            query.load(c)
        })?;
        let Some(end) = rows.last() else {
            return Ok(changed);
        };
        last = Some((end.api_key_id, end.idempotency_key.clone()));
        for row in rows {
            let mut answer: Value = serde_json::from_slice(&row.answer)
                .map_err(|error| StoreError::Corrupt(format!("an answer: {error}")))?;
            if !replace_in(&mut answer, texts, instead) {
                continue;
            }
            let answer = answer.to_string().into_bytes();
            let own = table::table.find((row.api_key_id, row.idempotency_key));
            changed += on!(db, c => diesel::update(own)
                .set(table::answer.eq(answer))
                .execute(c))?;
        }
    }
}

fn replace_in(value: &mut Value, texts: &[String], instead: &str) -> bool {
    match value {
        Value::String(said) => {
            let before = said.clone();
            for text in texts {
                if said == text {
                    instead.clone_into(said);
                } else if text.chars().count() >= FOUND_WITHIN {
                    *said = said.replace(text.as_str(), instead);
                }
            }
            *said != before
        }
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |any, item| replace_in(item, texts, instead) | any),
        Value::Object(members) => members
            .values_mut()
            .fold(false, |any, item| replace_in(item, texts, instead) | any),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Adds a write, and forgets those from before an instant.
pub fn insert(db: &mut Db, write: &HttpWrite, forgotten: Timestamp) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(table::table)
        .filter(table::at.lt(Micros(forgotten)))
        .execute(c))?;
    on!(db, c => diesel::insert_into(table::table).values(write).execute(c))?;
    Ok(())
}
