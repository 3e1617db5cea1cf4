//! Versions of things (RFC 9110, sections 8.8.3 and 13.1.1), so that nobody changes what they have
//! not seen.
//!
//! A version is a digest of what a thing is shown as: two that are equal are shown alike. It is
//! compared in the transaction that changes the thing, so nothing comes between.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64URL_NOPAD;
use headers::ETag;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

use super::problem::{Problem, ProblemKind};
use crate::store::{Db, StoreError};

/// Bytes of a digest that are shown: against mistakes, not against forgers, who would gain nothing.
const SHOWN: usize = 12;
/// Versions that a request may name.
const MOST: usize = 16;

/// The header of what changes a thing, for the description.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "it is read by `Expected`, and described by this")]
pub(super) struct MatchParams {
    /// The `ETag` of the thing as it was last seen; if it is another by now, nothing is done.
    #[param(rename = "If-Match", max_length = 512)]
    if_match: Option<String>,
}

/// A thing, and its version in `ETag`.
#[derive(Debug)]
pub(super) struct Tagged<T>(pub(super) T);

/// Which versions of a thing may be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// The request does not say.
    Any,
    /// There is one.
    Some,
    /// One of these.
    OneOf(Vec<String>),
}

impl Expected {
    /// What a request says in `If-Match`. `headers::IfMatch` takes as many as come, and passes over
    /// what is malformed; here it is refused.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut tags = Vec::new();
        for value in headers.get_all(header::IF_MATCH) {
            let text = value.to_str().map_err(|_| malformed())?;
            if text.trim() == "*" {
                return Ok(Self::Some);
            }
            // None of ours has a comma in it.
            tags.extend(text.split(',').map(|tag| tag.trim().to_owned()));
        }
        let is_tag = |tag: &String| tag.parse::<ETag>().is_ok();
        match tags.as_slice() {
            [] => Ok(Self::Any),
            some if some.len() > MOST || !some.iter().all(is_tag) => Err(malformed()),
            _ => Ok(Self::OneOf(tags)),
        }
    }

    /// That the thing is one that may be changed; it is read if there is something to compare.
    pub(super) fn hold<T: Serialize>(
        &self,
        db: &mut Db,
        read: impl FnOnce(&mut Db) -> Result<Option<T>, StoreError>,
    ) -> Result<Result<(), Problem>, StoreError> {
        if *self == Self::Any {
            return Ok(Ok(()));
        }
        let is = read(db)?.map(|thing| tag(&thing)).transpose()?;
        Ok(match is {
            Some(is) if !self.allows(&is) => Err(Problem::new(
                ProblemKind::PreconditionFailed,
                format!(
                    "it has changed: its ETag is {is} by now; look at it again, and decide anew"
                ),
            )),
            // What is not there is told of by whoever looks for it.
            _ => Ok(()),
        })
    }

    fn allows(&self, is: &str) -> bool {
        match self {
            Self::Any | Self::Some => true,
            // None of ours is weak, so a weak one is none of them.
            Self::OneOf(tags) => tags.iter().any(|tag| tag == is),
        }
    }
}

/// The version of a thing.
fn tag(thing: &impl Serialize) -> Result<String, StoreError> {
    let shown = serde_json::to_vec(thing)
        .map_err(|error| StoreError::Corrupt(format!("an answer: {error}")))?;
    Ok(tag_of(&shown))
}

pub(super) fn tag_of(shown: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(shown).into();
    format!("\"{}\"", BASE64URL_NOPAD.encode(&digest[..SHOWN]))
}

fn malformed() -> Problem {
    Problem::new(
        ProblemKind::BadQuery,
        format!("If-Match: give what ETag said, with its quotes; {MOST} at most"),
    )
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let body = match serde_json::to_vec(&self.0) {
            Ok(body) => body,
            Err(error) => return Problem::internal(&error).into_response(),
        };
        let kind = HeaderValue::from_static("application/json");
        let mut response = ([(header::CONTENT_TYPE, kind)], ()).into_response();
        if let Ok(tag) = HeaderValue::from_str(&tag_of(&body)) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        *response.body_mut() = body.into();
        response
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn expected(values: &[&str]) -> Result<Expected, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::IF_MATCH, HeaderValue::from_str(value).unwrap());
        }
        Expected::of(&headers)
    }

    #[test]
    fn what_a_request_expects_is_read_or_refused() {
        assert_eq!(expected(&[]).unwrap(), Expected::Any);
        assert_eq!(expected(&["*"]).unwrap(), Expected::Some);
        let tags = ["\"a\"", "\"b\"", "W/\"c\""].map(str::to_owned).to_vec();
        assert_eq!(
            expected(&["\"a\", \"b\"", "W/\"c\""]).unwrap(),
            Expected::OneOf(tags)
        );
        assert!(matches!(expected(&["\"a b\""]), Ok(Expected::OneOf(_))));
        for bad in [
            "",
            "a",
            "\"",
            "\"a\",",
            "a\"b",
            "\"a\"b\"",
            "w/\"a\"",
            &"\"a\",".repeat(40),
        ] {
            assert!(expected(&[bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_weak_version_is_never_the_one_that_is_there() {
        let is = tag(&1).unwrap();
        assert!(Expected::OneOf(vec![is.clone()]).allows(&is));
        assert!(!Expected::OneOf(vec![format!("W/{is}")]).allows(&is));
        assert_ne!(is, tag(&2).unwrap());
    }
}
