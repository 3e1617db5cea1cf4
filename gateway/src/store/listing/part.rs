//! In which order a list comes, and where it goes on: one mechanism for every list.
//!
//! A list goes on after a *place*: what the last row that was read has in the columns that the list
//! is ordered by. The last of these is unique, so that no row is read twice or left out, and an index
//! has all of them, so that a page is read and no more. What changes its place meanwhile may be met
//! again, or be missed.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use diesel::backend::Backend;
use diesel::expression::{
    AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate,
};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Binary, Bool, Text};

use crate::store::column::{Code, Domain, Fixed, Micros, Octets};

/// A column, by what its values are.
#[derive(Clone, Copy, Debug)]
pub enum Column {
    /// Numbers, codes and instants.
    Number(&'static str),
    /// Texts; where they come before another column, its values have no spaces.
    Text(&'static str),
    /// Ids.
    Octets(&'static str),
}

/// What the rows of a list can be ordered by; the first is usual.
pub trait SortBy: Copy + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// All there are.
    const ALL: &'static [Self];
    /// Every order, as people write it: `name`, and `-name` the other way round.
    const NAMES: &'static [&'static str];
    /// Whether the list usually begins at its end.
    const DESCENDING: bool;
    /// What people call it.
    fn as_str(self) -> &'static str;
    /// The columns; the last alone, or all together, are unique.
    fn columns(self) -> &'static [Column];
}

/// `sorts!(pub Name { Variant = "name" [Kind "table.column", …], … })`: a [`SortBy`]; `pub Name, descending`
/// if the list usually begins at its end.
macro_rules! sorts {
    (@usual) => { false };
    (@usual descending) => { true };
    ($(#[$doc:meta])* $visibility:vis $name:ident $(, $usual:ident)? {
        $($variant:ident = $text:literal [$($kind:ident $column:literal),+],)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility enum $name {$(
            #[doc = concat!("By `", $text, "`.")]
            $variant,
        )+}

        impl $crate::store::listing::SortBy for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            const NAMES: &'static [&'static str] = &[$($text, concat!("-", $text)),+];
            const DESCENDING: bool = $crate::store::listing::part::sorts!(@usual $($usual)?);

            fn as_str(self) -> &'static str {
                match self {$(Self::$variant => $text,)+}
            }

            fn columns(self) -> &'static [$crate::store::listing::Column] {
                match self {$(
                    Self::$variant => &[$($crate::store::listing::Column::$kind($column)),+],
                )+}
            }
        }
    };
}

pub(crate) use sorts;

/// By what a list is ordered, and which way round: `name`, or `-name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort<F> {
    /// By what.
    pub by: F,
    /// The greatest first.
    pub descending: bool,
}

impl<F: SortBy> Default for Sort<F> {
    fn default() -> Self {
        Self {
            by: F::ALL[0],
            descending: F::DESCENDING,
        }
    }
}

impl<F: SortBy> fmt::Display for Sort<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.descending { "-" } else { "" };
        write!(f, "{sign}{}", self.by.as_str())
    }
}

impl<F: SortBy> FromStr for Sort<F> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        match F::ALL.iter().find(|by| by.as_str() == name) {
            Some(by) => Ok(Self {
                by: *by,
                descending,
            }),
            None => Err(format!("{text:?} is none of {}", F::NAMES.join(", "))),
        }
    }
}

/// What a row has in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number, a code or an instant.
    Number(i64),
    /// A text.
    Text(String),
    /// An id.
    Octets(Vec<u8>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<Micros> for Value {
    fn from(at: Micros) -> Self {
        Self::Number(at.0.micros())
    }
}

impl<T: Domain> From<Code<T>> for Value {
    fn from(code: Code<T>) -> Self {
        Self::Number(code.0.number().into())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl<T: Fixed> From<Octets<T>> for Value {
    fn from(id: Octets<T>) -> Self {
        Self::Octets(id.0.bytes().to_vec())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Octets(octets) => f.write_str(&HEXLOWER.encode(octets)),
        }
    }
}

impl Column {
    fn value(self, text: &str) -> Option<Value> {
        match self {
            Self::Number(_) => text.parse().ok().map(Value::Number),
            // No text of PostgreSQL's has a NUL.
            Self::Text(_) => (!text.contains('\0')).then(|| Value::Text(text.to_owned())),
            Self::Octets(_) => HEXLOWER.decode(text.as_bytes()).ok().map(Value::Octets),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Number(name) | Self::Text(name) | Self::Octets(name) => name,
        }
    }
}

/// Where a row stands in a list: what it has in each of the columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(pub Vec<Value>);

impl Place {
    /// The place that [`Display`](fmt::Display) wrote.
    fn read(columns: &[Column], text: &str) -> Option<Self> {
        let values = match columns {
            [column] => vec![column.value(text)?],
            [first, second] => {
                let (left, right) = match first {
                    Column::Text(_) => text.rsplit_once(' ')?,
                    Column::Number(_) | Column::Octets(_) => text.split_once(' ')?,
                };
                vec![first.value(left)?, second.value(right)?]
            }
            _ => return None,
        };
        Some(Self(values))
    }
}

impl<const N: usize> From<[Value; N]> for Place {
    fn from(values: [Value; N]) -> Self {
        Self(values.into())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, value) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{value}")?;
        }
        Ok(())
    }
}

/// A row that knows where it stands in its list.
pub trait Placed {
    /// What its list can be ordered by.
    type By: SortBy;
    /// Where it stands.
    fn place(&self, by: Self::By) -> Place;
}

/// In which order a list comes, and after which place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<F> {
    /// In which order.
    pub sort: Sort<F>,
    after: Option<Place>,
}

impl<F: SortBy> Default for Part<F> {
    fn default() -> Self {
        Self {
            sort: Sort::default(),
            after: None,
        }
    }
}

impl<F: SortBy> Part<F> {
    /// After a place, as people have it; none if it is no place of this list.
    #[must_use]
    pub fn new(sort: Sort<F>, after: Option<&str>) -> Option<Self> {
        let after = match after {
            Some(text) => Some(Place::read(sort.by.columns(), text)?),
            None => None,
        };
        Some(Self { sort, after })
    }

    /// After a place.
    #[must_use]
    pub const fn after(sort: Sort<F>, place: Place) -> Self {
        Self {
            sort,
            after: Some(place),
        }
    }

    /// After this row.
    #[must_use]
    pub fn going_on(&self, row: &impl Placed<By = F>) -> Self {
        Self::after(self.sort, row.place(self.sort.by))
    }

    /// The place it goes on after.
    #[must_use]
    pub const fn place(&self) -> Option<&Place> {
        self.after.as_ref()
    }

    /// The order of the rows.
    pub(crate) fn order(&self) -> Clause {
        Clause {
            columns: self.sort.by.columns(),
            descending: self.sort.descending,
            after: None,
        }
    }

    /// That a row comes after the place.
    pub(crate) fn beyond(&self) -> Option<Clause> {
        Some(Clause {
            after: Some(self.after.clone()?),
            ..self.order()
        })
    }

    /// Whether rows that are filtered so can come in this order without being sorted all. What many
    /// rows have in common is found by an index of its own, which is in the usual order only.
    pub(crate) fn check(&self, common: &[(&str, bool)]) -> Result<(), Unsortable> {
        let usual = F::ALL[0];
        match common.iter().find(|(_, is_said)| *is_said) {
            Some((filter, _)) if self.sort.by != usual => Err(Unsortable::Sorted {
                sort: self.sort.to_string(),
                filter: (*filter).to_owned(),
                usual: usual.as_str(),
            }),
            _ => Ok(()),
        }
    }
}

/// Rows that are filtered so cannot be read a page at a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsortable {
    /// They would have to be sorted, all of them.
    #[error(
        "sort: {sort} is not offered with {filter}, which may leave too many rows to be sorted: take {usual} or -{usual}, or leave one of both out"
    )]
    Sorted {
        /// The order that was asked for.
        sort: String,
        /// The filter.
        filter: String,
        /// The order that is offered.
        usual: &'static str,
    },
    /// They may be few, and would have to be looked for among all.
    #[error("{filter} is not offered alone, since few may be so among very many: {instead}")]
    Sought {
        /// The filter.
        filter: String,
        /// What is offered.
        instead: &'static str,
    },
}

/// `ORDER BY` of the columns, or that they are beyond a place. Row values are compared, which both
/// databases look up in an index as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Clause {
    columns: &'static [Column],
    descending: bool,
    after: Option<Place>,
}

impl Expression for Clause {
    type SqlType = Bool;
}

impl<QS> AppearsOnTable<QS> for Clause {}
impl<QS> SelectableExpression<QS> for Clause {}

impl<GroupBy> ValidGrouping<GroupBy> for Clause {
    type IsAggregate = is_aggregate::No;
}

impl QueryId for Clause {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<DB: Backend> QueryFragment<DB> for Clause
where
    i64: ToSql<BigInt, DB>,
    String: ToSql<Text, DB>,
    Vec<u8>: ToSql<Binary, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> diesel::QueryResult<()> {
        let Some(place) = &self.after else {
            for (index, column) in self.columns.iter().enumerate() {
                out.push_sql(if index == 0 { "" } else { ", " });
                out.push_sql(column.name());
                out.push_sql(if self.descending { " DESC" } else { " ASC" });
            }
            return Ok(());
        };
        out.push_sql("(");
        for (index, column) in self.columns.iter().enumerate() {
            out.push_sql(if index == 0 { "" } else { ", " });
            out.push_sql(column.name());
        }
        out.push_sql(if self.descending { ") < (" } else { ") > (" });
        for (index, value) in place.0.iter().enumerate() {
            out.push_sql(if index == 0 { "" } else { ", " });
            match value {
                Value::Number(number) => out.push_bind_param::<BigInt, _>(number)?,
                Value::Text(text) => out.push_bind_param::<Text, _>(text)?,
                Value::Octets(octets) => out.push_bind_param::<Binary, _>(octets)?,
            }
        }
        out.push_sql(")");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    sorts!(
        /// For these tests.
        Thing {
            Id = "id" [Octets "things.id"],
            Name = "name" [Text "things.name", Octets "things.id"],
            At = "at" [Number "things.at", Text "things.name"],
        }
    );

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let id = || Value::Octets(vec![0xab; 16]);
        for (by, place) in [
            (Thing::Id, Place::from([id()])),
            (
                Thing::Name,
                Place::from([Value::Text("a b  c".into()), id()]),
            ),
            (Thing::Name, Place::from([Value::Text(String::new()), id()])),
            (
                Thing::At,
                Place::from([Value::Number(-7), Value::Text("Line 1".into())]),
            ),
        ] {
            let read = Place::read(by.columns(), &place.to_string());
            assert_eq!(read.as_ref(), Some(&place));
        }
        for (by, text) in [
            (Thing::Id, "x"),
            (Thing::Name, "abab"),
            (Thing::Name, "a\0 abab"),
            (Thing::At, "x y"),
            (Thing::At, ""),
        ] {
            assert_eq!(Place::read(by.columns(), text), None, "{text:?}");
        }
    }

    #[test]
    fn an_order_is_read_or_refused_with_those_there_are() {
        let sort: Sort<Thing> = "-name".parse().unwrap();
        assert_eq!((sort.by, sort.descending), (Thing::Name, true));
        assert_eq!(sort.to_string(), "-name");
        for text in ["", "-", "--name", "+name", "size", "Name"] {
            let refused = text.parse::<Sort<Thing>>().unwrap_err();
            assert_eq!(
                refused,
                format!("{text:?} is none of id, -id, name, -name, at, -at")
            );
        }
    }
}
