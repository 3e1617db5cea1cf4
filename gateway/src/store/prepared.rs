//! Parts of statements on the path of every message, so that each statement there is prepared
//! once for each connection.
//!
//! Preparing a statement costs several times what running it does, and diesel prepares anew each
//! time what could have other SQL with other values: every UPDATE, since a changeset may leave
//! columns out, and everything with a literal. `update!` is an UPDATE whose SQL is always the
//! same, and `condition!` a literal. INSERTs are cached where the row derives `Insertable` with
//! `treat_none_as_default_value = false`.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::query_builder::{
    AsChangeset, AstPass, IntoUpdateTarget, Query, QueryFragment, QueryId,
};
use diesel::{QueryResult, QuerySource, RunQueryDsl};

/// An UPDATE whose SQL does not depend on its values; `P` is a type of its own for each place in
/// the source.
#[derive(Clone, Copy, Debug)]
pub struct Update<P, F, W, C> {
    table: F,
    condition: W,
    changes: C,
    place: PhantomData<P>,
}

/// `update!(target, changes)`: as `diesel::update(target).set(changes)`, prepared once.
///
/// The changes must always be of the same columns: a changeset with `treat_none_as_null = true`,
/// or a tuple without options of assignments. Debug builds check it. Not for generic functions.
macro_rules! update {
    ($target:expr, $changes:expr $(,)?) => {{
        struct Place;
        $crate::store::prepared::Update::<Place, _, _, _>::new($target, $changes)
    }};
}

impl<P, F, W, C> Update<P, F, W, C> {
    /// For `update!` only.
    pub fn new<T, V>(target: T, changes: V) -> Self
    where
        T: IntoUpdateTarget<WhereClause = W>,
        T::Table: QuerySource<FromClause = F>,
        V: AsChangeset<Target = T::Table, Changeset = C>,
    {
        let target = target.into_update_target();
        Self {
            table: target.table.from_clause(),
            condition: target.where_clause,
            changes: changes.as_changeset(),
            place: PhantomData,
        }
    }
}

/// A query whose SQL is known from its type alone.
///
/// diesel walks through a query before each run to learn whether it may keep it prepared, which
/// takes as long as a step of a short one. Here the type has said so.
#[derive(Clone, Copy, Debug)]
pub struct Fixed<Q>(Q);

/// Lets a query be run as [`Fixed`].
pub trait Fix: QueryId + Sized {
    /// The query, known by its type. It does not compile for what is not, such as `eq_any` of
    /// values; nor do queries with literals belong here, which have `condition!`.
    fn fixed(self) -> Fixed<Self> {
        const { assert!(Self::HAS_STATIC_QUERY_ID, "the SQL depends on values") };
        Fixed(self)
    }
}

impl<Q: QueryId> Fix for Q {}

impl<Q: Query> Query for Fixed<Q> {
    type SqlType = Q::SqlType;
}

impl<Q: QueryId> QueryId for Fixed<Q> {
    type QueryId = Q::QueryId;
    const HAS_STATIC_QUERY_ID: bool = Q::HAS_STATIC_QUERY_ID;
}

impl<Q: QueryFragment<DB>, DB: Backend> QueryFragment<DB> for Fixed<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<Q, Conn> RunQueryDsl<Conn> for Fixed<Q> {}

impl<P, F, W, C, DB> QueryFragment<DB> for Update<P, F, W, C>
where
    P: 'static,
    F: QueryFragment<DB>,
    W: QueryFragment<DB>,
    C: QueryFragment<DB>,
    DB: Backend,
    DB::QueryBuilder: Default,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        #[cfg(debug_assertions)]
        check::is_always_the_same::<P, _, DB>(&self.changes, out.backend())?;
        out.push_sql("UPDATE ");
        self.table.walk_ast(out.reborrow())?;
        out.push_sql(" SET ");
        self.changes.walk_ast(out.reborrow())?;
        self.condition.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<P: 'static, F, W, C> QueryId for Update<P, F, W, C> {
    type QueryId = P;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<P, F, W, C, Conn> RunQueryDsl<Conn> for Update<P, F, W, C> {}

/// `condition!(Name = "sql")`: a condition written out. A bound value would keep SQLite from
/// using a partial index.
macro_rules! condition {
    ($(#[$doc:meta])* $visibility:vis $name:ident = $sql:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, diesel::query_builder::QueryId)]
        $visibility struct $name;

        impl diesel::expression::Expression for $name {
            type SqlType = diesel::sql_types::Bool;
        }

        impl<QS> diesel::expression::AppearsOnTable<QS> for $name {}
        impl<QS> diesel::expression::SelectableExpression<QS> for $name {}

        impl<GroupBy> diesel::expression::ValidGrouping<GroupBy> for $name {
            type IsAggregate = diesel::expression::is_aggregate::No;
        }

        impl<DB: diesel::backend::Backend> diesel::query_builder::QueryFragment<DB> for $name {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, DB>,
            ) -> diesel::QueryResult<()> {
                out.push_sql(concat!("(", $sql, ")"));
                Ok(())
            }
        }
    };
}

pub(crate) use condition;

#[cfg(debug_assertions)]
mod check {
    use std::any::{TypeId, type_name};
    use std::collections::HashMap;
    use std::sync::{LazyLock, Mutex, PoisonError};

    use diesel::QueryResult;
    use diesel::backend::Backend;
    use diesel::query_builder::{QueryBuilder, QueryFragment};

    static SEEN: LazyLock<Mutex<HashMap<(TypeId, &'static str), String>>> =
        LazyLock::new(Mutex::default);

    pub(super) fn is_always_the_same<P, C, DB>(changes: &C, backend: &DB) -> QueryResult<()>
    where
        P: 'static,
        C: QueryFragment<DB>,
        DB: Backend,
        DB::QueryBuilder: Default,
    {
        let mut builder = DB::QueryBuilder::default();
        changes.to_sql(&mut builder, backend)?;
        let sql = builder.finish();
        let place = (TypeId::of::<P>(), type_name::<DB>());
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        let first = seen.entry(place).or_insert_with(|| sql.clone());
        assert_eq!(*first, sql, "the SQL at this place depends on values");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use diesel::prelude::*;

    use crate::store::schema::product_lines;
    use crate::store::scratch::Scratch;

    #[test]
    #[should_panic(expected = "the SQL at this place depends on values")]
    fn changes_of_other_columns_are_found() {
        let scratch = Scratch::new();
        let mut db = scratch.connect();
        for with_name in [true, false] {
            let name = with_name.then(|| product_lines::name.eq("a"));
            on!(&mut db, c => update!(
                product_lines::table,
                (name, product_lines::created_at.eq(1))
            )
            .execute(c))
            .unwrap();
        }
    }
}
