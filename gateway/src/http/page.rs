//! Lists, a page at a time.
//!
//! A cursor has the place of the last row that was read, and names the list, the filters and the order
//! it was read with; nobody keeps anything for it, so it never expires. It is opaque to callers.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use data_encoding::BASE64URL_NOPAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

use super::problem::{Problem, ProblemKind};
use super::query::{self, refused};
use crate::store::listing::{Part, Placed, Sort, SortBy, Unsortable};

/// Rows of a page, where nothing is said.
const USUAL: u16 = 100;
/// Rows of a page, at most.
const MOST: u16 = 1_000;
/// Bytes of the digest in a cursor: against mistakes, not against forgers, who would gain nothing.
const CHECK: usize = 8;

/// What a list takes that can be ordered by `F`, for the description.
pub(super) struct PageParams<F>(PhantomData<F>);

/// What every list takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read by `List`, and described by this")]
struct Paging {
    /// Rows at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u16>,
    /// Where to go on: what `next` of the page before said, with the same filters.
    cursor: Option<String>,
    /// Where to go on, if no `cursor` says so: after what the list is in the order of, as an id, a
    /// name, a position; and where several rows can have the same, a space and the row's id.
    #[param(max_length = 1024)]
    after: Option<String>,
}

impl<F: SortBy> IntoParams for PageParams<F> {
    fn into_params(parameter_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let sorts = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(F::NAMES.iter().copied()))
            .default(Some(Sort::<F>::default().to_string().into()));
        let sort = ParameterBuilder::new()
            .name("sort")
            .parameter_in(ParameterIn::Query)
            .description(Some(
                "What the rows come in the order of; with - before it, the greatest first.",
            ))
            .schema(Some(sorts))
            .build();
        let mut params = Paging::into_params(parameter_in);
        params.push(sort);
        params
    }
}

/// A part of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The rows.
    pub(crate) items: Vec<T>,
    /// The cursor of the next page; none on the last.
    pub(crate) next: Option<String>,
}

/// What a list is asked for: its filters, its order, and which part of it.
#[derive(Debug)]
pub(super) struct List<Q, F> {
    pub(super) filter: Q,
    pub(super) part: Part<F>,
    limit: u16,
    check: [u8; CHECK],
}

impl<Q: DeserializeOwned, F: SortBy, S: Send + Sync> FromRequestParts<S> for List<Q, F> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let (paging, mut filters): (Vec<_>, Vec<_>) = query::pairs(parts)?
            .into_iter()
            .partition(|(name, _)| matches!(name.as_str(), "limit" | "cursor" | "after" | "sort"));
        filters.sort();
        let sort: Sort<F> = match value(&paging, "sort")? {
            Some(text) => text
                .parse()
                .map_err(|why| refused(format_args!("sort: {why}")))?,
            None => Sort::default(),
        };
        let check = check(parts.uri.path(), &filters, &sort.to_string());
        let after = match (value(&paging, "cursor")?, value(&paging, "after")?) {
            (Some(cursor), None) => Some(opened(cursor, check)?),
            (None, Some(place)) => Some(place.to_owned()),
            (None, None) => None,
            (Some(_), Some(_)) => return Err(refused("cursor and after: give one of them")),
        };
        Ok(Self {
            filter: query::parse(&filters)?,
            part: Part::new(sort, after.as_deref()).ok_or_else(bad_cursor)?,
            limit: limit(value(&paging, "limit")?)?,
            check,
        })
    }
}

impl<Q, F: SortBy> List<Q, F> {
    /// One row more than the page has, so that it is known whether more follow.
    pub(super) fn rows_to_read(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The page of the rows that were read.
    pub(super) fn page<R: Placed<By = F>, T: From<R>>(&self, rows: Vec<R>) -> Page<T> {
        self.cut(rows).map(T::from)
    }

    /// As [`page`](Self::page), of the rows as they were read.
    pub(super) fn cut<R: Placed<By = F>>(&self, mut rows: Vec<R>) -> Page<R> {
        let limit = usize::from(self.limit);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        let place = |row: &R| row.place(self.part.sort.by).to_string();
        Page {
            next: last.map(|row| sealed(&place(row), self.check)),
            items: rows,
        }
    }
}

/// Where a cursor goes on, as `after` takes it.
pub(crate) fn place(cursor: &str) -> Option<String> {
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
    let (_, place) = bytes.split_at_checked(CHECK)?;
    String::from_utf8(place.to_vec()).ok()
}

impl From<Unsortable> for Problem {
    fn from(error: Unsortable) -> Self {
        refused(error)
    }
}

impl<R> Page<R> {
    /// With its rows as they are shown.
    pub(super) fn map<T>(self, shown: impl Fn(R) -> T) -> Page<T> {
        Page {
            items: self.items.into_iter().map(shown).collect(),
            next: self.next,
        }
    }
}

/// The value of a parameter that may be given once.
fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = pairs.iter().filter(|(given, _)| given == name);
    let value = values.next().map(|(_, value)| value.as_str());
    match values.next() {
        None => Ok(value),
        Some(_) => Err(refused(format_args!("{name} is given twice"))),
    }
}

fn limit(text: Option<&str>) -> Result<u16, Problem> {
    let Some(text) = text else {
        return Ok(USUAL);
    };
    let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| refused(format_args!("limit: {text:?} is not 1 to {MOST}")))
}

/// What ties a cursor to its list.
fn check(path: &str, filters: &[(String, String)], sort: &str) -> [u8; CHECK] {
    let mut digest = Sha256::new_with_prefix(path);
    let filters = filters
        .iter()
        .flat_map(|(name, value)| [name.as_str(), value]);
    for text in filters.chain([sort]) {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    let digest: [u8; 32] = digest.finalize().into();
    std::array::from_fn(|index| digest[index])
}

fn sealed(place: &str, check: [u8; CHECK]) -> String {
    BASE64URL_NOPAD.encode(&[&check, place.as_bytes()].concat())
}

fn opened(cursor: &str, check: [u8; CHECK]) -> Result<String, Problem> {
    let bytes = BASE64URL_NOPAD
        .decode(cursor.as_bytes())
        .map_err(|_| bad_cursor())?;
    let (own, place) = bytes.split_at_checked(CHECK).ok_or_else(bad_cursor)?;
    if own != check {
        return Err(Problem::new(
            ProblemKind::BadCursor,
            "the cursor belongs to another list, to other filters or to another order; begin anew without it",
        ));
    }
    String::from_utf8(place.to_vec()).map_err(|_| bad_cursor())
}

fn bad_cursor() -> Problem {
    Problem::new(
        ProblemKind::BadCursor,
        "this is no cursor of this list; give what `next` said, or begin anew without it",
    )
}
