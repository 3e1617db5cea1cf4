//! What a request says of how old its report may be, and of what it has already.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use utoipa::IntoParams;

/// The headers of whoever asks for a report, for the description.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(
    dead_code,
    reason = "they are read by `Asked` and `report`, and described by this"
)]
pub(in crate::http) struct ReportParams {
    /// How many seconds ago the report may have been made, as `max-age=600`; `no-cache`: it is to be
    /// made now. Without it, one that is made ahead is told, and what took 5 s or more is told again for
    /// ten times as long as it took, ten minutes at most.
    #[param(rename = "Cache-Control", max_length = 512)]
    cache_control: Option<String>,
    /// The `ETag` of the report as it was last seen: 304, if it is the same.
    #[param(rename = "If-None-Match", max_length = 512)]
    if_none_match: Option<String>,
}

/// That a report is made ahead of who will ask for it, every so often.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Ahead(pub(in crate::http) Duration);

/// Which report will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// How old it may be; nothing is said.
    pub(super) oldest: Option<Duration>,
    /// It is made ahead, so none will do that is there.
    pub(super) ahead: Option<Duration>,
}

impl Asked {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            oldest: oldest(request.headers()),
            ahead: request.extensions().get().map(|Ahead(every)| *every),
        }
    }

    pub(super) const fn is_ahead(self) -> bool {
        self.ahead.is_some()
    }
}

/// The directives of requests in `Cache-Control` (RFC 9111, section 5.2.1) that say how old an answer
/// may be. The strictest counts, and a time that is none allows nothing.
///
/// Not by `headers::CacheControl`, which would tell an older report than may be: it does not know
/// `Max-Age` and `max-age = 60`, takes the last of two ages, and none of the directives beside one that
/// is malformed.
fn oldest(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(header::CACHE_CONTROL).into_iter();
    let directives = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let ages = directives.filter_map(|directive| {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-cache" | "no-store" => Some(0),
            "max-age" => Some(seconds(value.trim().trim_matches('"'))),
            _ => None,
        }
    });
    ages.min().map(Duration::from_secs)
}

/// As RFC 9111, section 1.2.2: more than can be counted is as much as can be.
fn seconds(digits: &str) -> u64 {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return 0;
    }
    digits.parse().unwrap_or(u64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use axum::http::HeaderValue;

    use super::*;

    fn of(values: &[&str]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CACHE_CONTROL, HeaderValue::from_str(value).unwrap());
        }
        oldest(&headers)
    }

    #[test]
    fn how_old_a_report_may_be_is_what_the_strictest_directive_says() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["no-transform, only-if-cached"]), None);
        assert_eq!(of(&["max-age=600"]), seconds(600));
        assert_eq!(of(&["foo, Max-Age = \"60\""]), seconds(60));
        assert_eq!(of(&["max-age=600", "max-age=5, max-stale"]), seconds(5));
        assert_eq!(of(&["max-age=600, no-cache"]), seconds(0));
        assert_eq!(of(&["no-store"]), seconds(0));
        for none in [
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=1h",
            "max-age=+1",
        ] {
            assert_eq!(of(&[none]), seconds(0), "{none}");
        }
        let long = "max-age=99999999999999999999999";
        assert_eq!(of(&[long]), seconds(u64::from(u32::MAX)));
    }
}
