//! Product lines: devices of one kind, with serial numbers and an id prefix of their own.

use std::collections::HashMap;

use diesel::prelude::*;
use fleetgrant_core::domain::{ProductLineId, Timestamp};

use super::column::{Micros, Octets};
use super::schema::product_lines as table;
use super::{Db, StoreError, id};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
pub struct ProductLine {
    /// Its id.
    pub id: Octets<ProductLineId>,
    /// The name in the configuration and in imports.
    pub name: String,
    /// What the ids of its devices begin with.
    pub id_prefix: String,
    /// When it was first configured.
    pub created_at: Micros,
}

/// The product line of this name, made if it is missing. A prefix never changes: the ids of the
/// devices that are there have it.
pub fn ensure(
    db: &mut Db,
    name: &str,
    id_prefix: &str,
    now: Timestamp,
) -> Result<ProductLine, StoreError> {
    if let Some(known) = by_name(db, name)? {
        return if known.id_prefix == id_prefix {
            Ok(known)
        } else {
            Err(StoreError::Constraint(format!(
                "product line {name} has the id prefix {}, which cannot change to {id_prefix}",
                known.id_prefix
            )))
        };
    }
    let line = ProductLine {
        id: id::fresh(now),
        name: name.to_owned(),
        id_prefix: id_prefix.to_owned(),
        created_at: Micros(now),
    };
    on!(db, c => diesel::insert_into(table::table).values(&line).execute(c))?;
    Ok(line)
}

/// The product line of this name.
pub fn by_name(db: &mut Db, name: &str) -> Result<Option<ProductLine>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::name.eq(name))
        .select(ProductLine::as_select())
        .first(c)
        .optional())?)
}

/// The product line of this id.
pub fn find(db: &mut Db, id: Octets<ProductLineId>) -> Result<Option<ProductLine>, StoreError> {
    Ok(on!(db, c => table::table
        .find(id)
        .select(ProductLine::as_select())
        .first(c)
        .optional())?)
}

/// The names of product lines.
pub type Names = HashMap<Octets<ProductLineId>, String>;

/// The names of all of them.
pub fn names(db: &mut Db) -> Result<Names, StoreError> {
    let lines: Vec<(Octets<ProductLineId>, String)> =
        on!(db, c => table::table.select((table::id, table::name)).load(c))?;
    Ok(lines.into_iter().collect())
}

/// All of them, by name.
pub fn all(db: &mut Db) -> Result<Vec<ProductLine>, StoreError> {
    Ok(on!(db, c => table::table
        .order(table::name)
        .select(ProductLine::as_select())
        .load(c))?)
}
