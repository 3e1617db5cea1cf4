//! Lists, a page at a time.
//!
//! A cursor names the last row that was read, and the list and filters it was read with; nobody
//! keeps anything for it, so it never expires. It is opaque to callers.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::problem::{Problem, ProblemKind};
use super::query::{self, refused};
use crate::store::column::Fixed;

/// Rows of a page, where nothing is said.
const USUAL: u16 = 100;
/// Rows of a page, at most.
const MOST: u16 = 1_000;
/// Bytes of the digest in a cursor: against mistakes, not against forgers, who would gain nothing.
const CHECK: usize = 8;

/// What every list takes, for the description.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read by `List`, and described by this")]
pub(super) struct PageParams {
    /// Rows at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u16>,
    /// Where to go on: what `next` of the page before said, with the same filters.
    cursor: Option<String>,
    /// Where to go on, if no `cursor` says so: after the row of this key, which is what the list is
    /// in the order of: an id, a name, a position.
    #[param(max_length = 256)]
    after: Option<String>,
}

/// A part of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The rows.
    pub(crate) items: Vec<T>,
    /// The cursor of the next page; none on the last.
    pub(crate) next: Option<String>,
}

/// What a list is asked for: its filters, and which part of it.
#[derive(Debug)]
pub(super) struct List<Q> {
    pub(super) filter: Q,
    part: Part,
}

/// Which part of a list.
#[derive(Debug)]
struct Part {
    limit: u16,
    after: Option<String>,
    check: [u8; CHECK],
}

impl<Q: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for List<Q> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let (paging, mut filters): (Vec<_>, Vec<_>) = query::pairs(parts)?
            .into_iter()
            .partition(|(name, _)| matches!(name.as_str(), "limit" | "cursor" | "after"));
        filters.sort();
        let check = check(parts.uri.path(), &filters);
        Ok(Self {
            filter: query::parse(&filters)?,
            part: Part {
                limit: limit(value(&paging, "limit")?)?,
                after: match (value(&paging, "cursor")?, value(&paging, "after")?) {
                    (Some(cursor), None) => Some(opened(cursor, check)?),
                    (None, Some(key)) => Some(key.to_owned()),
                    (None, None) => None,
                    (Some(_), Some(_)) => {
                        return Err(refused("cursor and after: give one of them"));
                    }
                },
                check,
            },
        })
    }
}

impl<Q> List<Q> {
    /// The key of the last row that was read; none at the beginning.
    ///
    /// # Errors
    /// It is no key of this list.
    pub(super) fn after<K>(&self, read: impl Fn(&str) -> Option<K>) -> Result<Option<K>, Problem> {
        match self.part.after.as_deref() {
            None => Ok(None),
            Some(key) => read(key).map(Some).ok_or_else(bad_cursor),
        }
    }

    /// As [`after`](Self::after), where rows are ordered by their ids.
    pub(super) fn after_id<T: Fixed>(&self) -> Result<Option<T>, Problem> {
        self.after(|key| T::of(&HEXLOWER.decode(key.as_bytes()).ok()?))
    }

    /// One row more than the page has, so that it is known whether more follow.
    pub(super) fn rows_to_read(&self) -> i64 {
        i64::from(self.part.limit) + 1
    }

    /// The page of the rows that were read; `key` is what the list is ordered by.
    pub(super) fn page<R, T: From<R>>(&self, rows: Vec<R>, key: impl Fn(&R) -> String) -> Page<T> {
        self.cut(rows, key).map(T::from)
    }

    /// As [`page`](Self::page), of the rows as they were read.
    pub(super) fn cut<R>(&self, mut rows: Vec<R>, key: impl Fn(&R) -> String) -> Page<R> {
        let limit = usize::from(self.part.limit);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        Page {
            next: last.map(|row| sealed(&key(row), self.part.check)),
            items: rows,
        }
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
fn check(path: &str, filters: &[(String, String)]) -> [u8; CHECK] {
    let mut digest = Sha256::new_with_prefix(path);
    for (name, value) in filters {
        for text in [name, value] {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
    }
    let digest: [u8; 32] = digest.finalize().into();
    std::array::from_fn(|index| digest[index])
}

fn sealed(key: &str, check: [u8; CHECK]) -> String {
    BASE64URL_NOPAD.encode(&[&check, key.as_bytes()].concat())
}

fn opened(cursor: &str, check: [u8; CHECK]) -> Result<String, Problem> {
    let bytes = BASE64URL_NOPAD
        .decode(cursor.as_bytes())
        .map_err(|_| bad_cursor())?;
    let (own, key) = bytes.split_at_checked(CHECK).ok_or_else(bad_cursor)?;
    if own != check {
        return Err(Problem::new(
            ProblemKind::BadCursor,
            "the cursor belongs to another list, or to other filters; begin anew without it",
        ));
    }
    let key = String::from_utf8(key.to_vec()).map_err(|_| bad_cursor())?;
    // Nobody's key, and no text of PostgreSQL's.
    if key.contains('\0') {
        return Err(bad_cursor());
    }
    Ok(key)
}

fn bad_cursor() -> Problem {
    Problem::new(
        ProblemKind::BadCursor,
        "this is no cursor of this list; give what `next` said, or begin anew without it",
    )
}
