//! The codes of a pack, each by itself: what stands in a list, and that it gives nothing any more.

use diesel::prelude::*;
use fleetgrant_core::domain::{CodeState, EntitlementId};
use fleetgrant_schemas::id::CodeId;

use super::table;
use crate::store::column::{Code, Micros, Octets};
use crate::store::listing::part::{Part, Place, Placed, sorts};
use crate::store::{Db, StoreError};

/// A code in a list: nothing of its secret.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = table)]
pub struct CodeRow {
    /// Its public half.
    pub id: Octets<CodeId>,
    /// Where it stands.
    pub state: Code<CodeState>,
    /// Units a use gives.
    pub units: i64,
    /// How often it can be used.
    pub uses: i64,
    /// How often it was.
    pub used: i64,
    /// From here on it gives nothing.
    pub expires_at: Option<Micros>,
}

sorts!(
    /// What the codes of a pack can be ordered by.
    pub CodeSort {
        Id = "id" [Octets "activation_codes.id"],
    }
);

impl Placed for CodeRow {
    type By = CodeSort;

    fn place(&self, by: CodeSort) -> Place {
        match by {
            CodeSort::Id => [self.id.into()].into(),
        }
    }
}

/// What the codes of a pack give units of; none, if there is no such pack. One row makes a pack, so all
/// of it gives the same.
pub fn gives(db: &mut Db, pack: &str) -> Result<Option<EntitlementId>, StoreError> {
    let found: Option<Octets<EntitlementId>> = on!(db, c => table::table
        .filter(table::pack.eq(pack))
        .select(table::entitlement_id)
        .first(c)
        .optional())?;
    Ok(found.map(|id| id.0))
}

/// Up to `limit` codes of a pack that gives units of this, in a state, or any.
pub fn list(
    db: &mut Db,
    (pack, gives): (&str, EntitlementId),
    state: Option<CodeState>,
    part: &Part<CodeSort>,
    limit: i64,
) -> Result<Vec<CodeRow>, StoreError> {
    Ok(on!(db, c => {
        let mut query = table::table
            .filter(table::pack.eq(pack))
            // With the pack, what the index begins with.
            .filter(table::entitlement_id.eq(Octets(gives)))
            .select(CodeRow::as_select())
            .limit(limit)
            .into_boxed()
            .order(part.order());
        if let Some(state) = state {
            query = query.filter(table::state.eq(Code(state)));
        }
        if let Some(beyond) = part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

/// How many codes of a pack stand alike: state, uses left of each, and how many.
pub fn standing(db: &mut Db, pack: &str) -> Result<Vec<(CodeState, i64, i64)>, StoreError> {
    let found: Vec<(Code<CodeState>, i64, i64, i64)> = on!(db, c => table::table
        .filter(table::pack.eq(pack))
        .group_by((table::state, table::uses, table::used))
        .select((table::state, table::uses, table::used, diesel::dsl::count_star()))
        .load(c))?;
    let alike = found.into_iter();
    Ok(alike
        .map(|(state, uses, used, codes)| (state.0, uses - used, codes))
        .collect())
}

/// Has codes of a pack that stand so stand otherwise; how many there were.
pub fn stand(db: &mut Db, pack: &str, from: CodeState, to: CodeState) -> Result<usize, StoreError> {
    let which = table::table
        .filter(table::pack.eq(pack))
        .filter(table::state.eq(Code(from)));
    Ok(on!(db, c => diesel::update(which).set(table::state.eq(Code(to))).execute(c))?)
}

/// As [`stand`], of one code; whether it stood so.
pub fn stand_one(
    db: &mut Db,
    id: CodeId,
    from: CodeState,
    to: CodeState,
) -> Result<bool, StoreError> {
    let which = table::table
        .filter(table::id.eq(Octets(id)))
        .filter(table::state.eq(Code(from)));
    let stood = on!(db, c => diesel::update(which).set(table::state.eq(Code(to))).execute(c))?;
    Ok(stood == 1)
}
