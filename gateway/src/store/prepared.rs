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
use diesel::query_builder::{AstPass, IntoUpdateTarget, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::HasSqlType;
use diesel::{Column, Expression, QueryResult, QuerySource, RunQueryDsl};

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

/// A column and its value.
#[derive(Clone, Copy, Debug)]
pub struct Bind<C, V> {
    value: V,
    column: PhantomData<C>,
}

/// A column and what the database computes for it.
#[derive(Clone, Copy, Debug)]
pub struct Computed<C, E> {
    expression: E,
    column: PhantomData<C>,
}

impl<C, V> Bind<C, V> {
    /// For `columns!` only.
    pub fn new(_: C, value: V) -> Self {
        let column = PhantomData;
        Self { value, column }
    }
}

impl<C: Expression, E: Expression<SqlType = C::SqlType>> Computed<C, E> {
    /// For `columns!` only.
    pub fn new(_: C, expression: E) -> Self {
        let column = PhantomData;
        Self { expression, column }
    }
}

/// `columns!(table { column: value, other = expression })`: what an INSERT or UPDATE writes. Lists
/// are joined by a pair of them.
macro_rules! columns {
    (@ $table:ident $column:ident : $value:expr) => {
        $crate::store::prepared::Bind::new($table::$column, $value)
    };
    (@ $table:ident $column:ident = $value:expr) => {
        $crate::store::prepared::Computed::new($table::$column, $value)
    };
    ($table:ident { $column:ident $sign:tt $value:expr $(,)? }) => {
        columns!(@ $table $column $sign $value)
    };
    ($table:ident { $column:ident $sign:tt $value:expr, $($rest:tt)+ }) => {
        (columns!(@ $table $column $sign $value), columns!($table { $($rest)+ }))
    };
}

impl<C, V, DB> Columns<DB> for Bind<C, V>
where
    C: Column,
    DB: Backend + HasSqlType<C::SqlType>,
    V: ToSql<C::SqlType, DB>,
{
    fn walk<'b>(
        &'b self,
        form: Form,
        separator: &'static str,
        mut out: AstPass<'_, 'b, DB>,
    ) -> QueryResult<()> {
        introduce::<C, DB>(form, separator, &mut out)?;
        match form {
            Form::Name => Ok(()),
            Form::Value | Form::Assignment => out.push_bind_param::<C::SqlType, V>(&self.value),
        }
    }
}

impl<C, E, DB> Columns<DB> for Computed<C, E>
where
    C: Column,
    DB: Backend,
    E: QueryFragment<DB>,
{
    fn walk<'b>(
        &'b self,
        form: Form,
        separator: &'static str,
        mut out: AstPass<'_, 'b, DB>,
    ) -> QueryResult<()> {
        introduce::<C, DB>(form, separator, &mut out)?;
        match form {
            Form::Name => Ok(()),
            Form::Value | Form::Assignment => self.expression.walk_ast(out),
        }
    }
}

fn introduce<C: Column, DB: Backend>(
    form: Form,
    separator: &'static str,
    out: &mut AstPass<'_, '_, DB>,
) -> QueryResult<()> {
    out.push_sql(separator);
    match form {
        Form::Value => Ok(()),
        Form::Name => out.push_identifier(C::NAME),
        Form::Assignment => {
            out.push_identifier(C::NAME)?;
            out.push_sql(" = ");
            Ok(())
        }
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
