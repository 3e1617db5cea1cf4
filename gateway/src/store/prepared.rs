//! Statements on the path of every message, so that each is prepared once for each connection, and
//! costs little more than to bind its values.
//!
//! Preparing a statement costs several times what running it does, and diesel prepares anew each
//! time what could have other SQL with other values: every UPDATE, since a changeset may leave
//! columns out, and everything with a literal. Of an INSERT or UPDATE it also asks each time whether
//! it may be kept prepared, and of each column whether it is there at all, which takes as long as a
//! third of the step itself. `insert!` and `update!` write a fixed list of columns, `columns!`, and
//! `condition!` is a literal.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::expression::AsExpression;
use diesel::query_builder::{AstPass, IntoUpdateTarget, Query, QueryFragment, QueryId};
use diesel::sql_types::SqlType;
use diesel::{Column, QueryResult, QuerySource, RunQueryDsl};

/// Values for a list of columns that is known from its type.
pub trait Columns<DB: Backend> {
    /// Writes what `form` says of each column, and `separator` before the first.
    fn walk<'b>(
        &'b self,
        form: Form,
        separator: &'static str,
        out: AstPass<'_, 'b, DB>,
    ) -> QueryResult<()>;
}

/// What a statement says of a column.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Its name.
    Name,
    /// Its value.
    Value,
    /// Both.
    Assignment,
}

/// A column and what is written into it.
#[derive(Clone, Copy, Debug)]
pub struct Cell<C, E> {
    expression: E,
    column: PhantomData<C>,
}

impl<C: Column, E> Cell<C, E> {
    /// For `columns!` only.
    pub fn new<V>(_: C, value: V) -> Self
    where
        C::SqlType: SqlType,
        V: AsExpression<C::SqlType, Expression = E>,
    {
        Self {
            expression: value.as_expression(),
            column: PhantomData,
        }
    }
}

/// `columns!(table { column: value, … })`: what an INSERT or UPDATE writes; a value may be what the
/// database computes. Lists are joined by a pair of them.
macro_rules! columns {
    ($table:ident { $column:ident: $value:expr $(,)? }) => {
        $crate::store::prepared::Cell::new($table::$column, $value)
    };
    ($table:ident { $column:ident: $value:expr, $($rest:tt)+ }) => {
        (columns!($table { $column: $value }), columns!($table { $($rest)+ }))
    };
}

impl<C: Column, E: QueryFragment<DB>, DB: Backend> Columns<DB> for Cell<C, E> {
    fn walk<'b>(
        &'b self,
        form: Form,
        separator: &'static str,
        mut out: AstPass<'_, 'b, DB>,
    ) -> QueryResult<()> {
        out.push_sql(separator);
        match form {
            Form::Name => return out.push_identifier(C::NAME),
            Form::Assignment => {
                out.push_identifier(C::NAME)?;
                out.push_sql(" = ");
            }
            Form::Value => {}
        }
        self.expression.walk_ast(out)
    }
}

impl<A: Columns<DB>, B: Columns<DB>, DB: Backend> Columns<DB> for (A, B) {
    fn walk<'b>(
        &'b self,
        form: Form,
        separator: &'static str,
        mut out: AstPass<'_, 'b, DB>,
    ) -> QueryResult<()> {
        self.0.walk(form, separator, out.reborrow())?;
        self.1.walk(form, ", ", out)
    }
}

impl<C: Columns<DB>, DB: Backend> Columns<DB> for &C {
    fn walk<'b>(
        &'b self,
        form: Form,
        separator: &'static str,
        out: AstPass<'_, 'b, DB>,
    ) -> QueryResult<()> {
        C::walk(self, form, separator, out)
    }
}

/// An INSERT of one row; `P` is a type of its own for each place in the source.
#[derive(Clone, Copy, Debug)]
pub struct Insert<P, F, C> {
    table: F,
    columns: C,
    on_conflict: &'static str,
    place: PhantomData<P>,
}

/// `insert!(table, columns)`, or `insert!(table, columns, or_ignore)` where a row that is there
/// already stays. Not for generic functions.
macro_rules! insert {
    ($table:expr, $columns:expr $(,)?) => {
        insert!(@ $table, $columns, "")
    };
    ($table:expr, $columns:expr, or_ignore) => {
        insert!(@ $table, $columns, " ON CONFLICT DO NOTHING")
    };
    (@ $table:expr, $columns:expr, $on_conflict:expr) => {{
        struct Place;
        $crate::store::prepared::Insert::<Place, _, _>::new($table, $columns, $on_conflict)
    }};
}

impl<P, F, C> Insert<P, F, C> {
    /// For `insert!` only.
    pub fn new<T: QuerySource<FromClause = F>>(
        table: T,
        columns: C,
        on_conflict: &'static str,
    ) -> Self {
        Self {
            table: table.from_clause(),
            columns,
            on_conflict,
            place: PhantomData,
        }
    }
}

impl<P, F, C, DB> QueryFragment<DB> for Insert<P, F, C>
where
    F: QueryFragment<DB>,
    C: Columns<DB>,
    DB: Backend,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("INSERT INTO ");
        self.table.walk_ast(out.reborrow())?;
        self.columns.walk(Form::Name, " (", out.reborrow())?;
        self.columns
            .walk(Form::Value, ") VALUES (", out.reborrow())?;
        out.push_sql(")");
        out.push_sql(self.on_conflict);
        Ok(())
    }
}

impl<P: 'static, F, C> QueryId for Insert<P, F, C> {
    type QueryId = P;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<P, F, C, Conn> RunQueryDsl<Conn> for Insert<P, F, C> {}

/// An UPDATE; `P` is a type of its own for each place in the source.
#[derive(Clone, Copy, Debug)]
pub struct Update<P, F, W, C> {
    table: F,
    condition: W,
    columns: C,
    place: PhantomData<P>,
}

/// `update!(target, columns)`: as `diesel::update(target)`. Not for generic functions.
macro_rules! update {
    ($target:expr, $columns:expr $(,)?) => {{
        struct Place;
        $crate::store::prepared::Update::<Place, _, _, _>::new($target, $columns)
    }};
}

impl<P, F, W, C> Update<P, F, W, C> {
    /// For `update!` only.
    pub fn new<T>(target: T, columns: C) -> Self
    where
        T: IntoUpdateTarget<WhereClause = W>,
        T::Table: QuerySource<FromClause = F>,
    {
        let target = target.into_update_target();
        Self {
            table: target.table.from_clause(),
            condition: target.where_clause,
            columns,
            place: PhantomData,
        }
    }
}

impl<P, F, W, C, DB> QueryFragment<DB> for Update<P, F, W, C>
where
    F: QueryFragment<DB>,
    W: QueryFragment<DB>,
    C: Columns<DB>,
    DB: Backend,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("UPDATE ");
        self.table.walk_ast(out.reborrow())?;
        self.columns
            .walk(Form::Assignment, " SET ", out.reborrow())?;
        self.condition.walk_ast(out)
    }
}

impl<P: 'static, F, W, C> QueryId for Update<P, F, W, C> {
    type QueryId = P;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<P, F, W, C, Conn> RunQueryDsl<Conn> for Update<P, F, W, C> {}

/// A query whose SQL is known from its type alone.
///
/// diesel walks through a query before each run to learn whether it may keep it prepared, which
/// takes as long as a step of a short one. Here the type has said so. It is for what is loaded:
/// what is executed diesel takes by reference, and asks again.
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
