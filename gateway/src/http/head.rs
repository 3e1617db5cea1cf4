//! How long the head of a request may be.
//!
//! hyper answers what it does not read to its end with a status and nothing else (RFC 6585 section 5), so it
//! reads twice as much as may be said, and what is between is refused here, with the reason.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};

use super::problem::{Problem, ProblemKind};

/// Bytes of a head, at most.
const LONGEST: usize = 16 * 1024;
/// Its header fields, at most.
const MOST: usize = 64;

/// Bytes of a head that are read.
pub(super) const READ: usize = 2 * LONGEST;
/// Header fields that are read.
pub(super) const READ_FIELDS: usize = 2 * MOST;

/// Why the head of a request is refused, if it is.
pub(super) fn refusal(request: &Request) -> Option<Problem> {
    let target = request.uri().path_and_query();
    // With a space on either side of the target, and CRLF at the end.
    let line = request.method().as_str().len()
        + target.map_or(1, |target| target.as_str().len())
        + "  HTTP/1.1\r\n".len();
    let headers = request.headers();
    let length = line + headers.iter().map(field).sum::<usize>() + "\r\n".len();
    let fields = headers.len();
    let is_too_much = length > LONGEST || fields > MOST;
    is_too_much.then(|| {
        Problem::new(
            ProblemKind::HeadTooLarge,
            format!(
                "the head of the request has {length} bytes and {fields} header fields; {LONGEST} and \
                 {MOST} are taken, so send fewer or shorter ones"
            ),
        )
    })
}

/// Bytes of a header field, with what stands around name and value.
fn field((name, value): (&HeaderName, &HeaderValue)) -> usize {
    name.as_str().len() + value.len() + ": \r\n".len()
}
