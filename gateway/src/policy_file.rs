//! A policy in a file: TOML or JSON in, rules or a reason with its line out.

use fleetgrant_core::tier::TierRules;
use fleetgrant_core::tier::draft::{Contradiction, Draft};

use crate::policy_layers::Terms;

/// A policy is a few lines; more than so many bytes is none.
pub const MAX_BYTES: usize = 16 * 1024;

/// Why a file is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// It is too long.
    #[error("it has more than {MAX_BYTES} bytes: a policy is a few lines")]
    TooLong,
    /// It is not TOML, or has what a policy has not.
    #[error("{}{message}", at_line(*line))]
    Toml {
        /// In which line, from 1.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// It is not JSON, or has what a policy has not.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// It contradicts itself.
    #[error("{}{reason}", at_line(*line))]
    Contradiction {
        /// The line of the field, or of its table, from 1.
        line: Option<usize>,
        /// Why.
        reason: Contradiction,
    },
}

/// Reads a policy; what begins with `{` is JSON.
///
/// # Errors
/// See [`PolicyFileError`].
pub fn parse(text: &str) -> Result<TierRules, PolicyFileError> {
    if text.len() > MAX_BYTES {
        return Err(PolicyFileError::TooLong);
    }
    let draft: Draft = if text.trim_start().starts_with('{') {
        serde_json::from_str(text)?
    } else {
        toml::from_str(text).map_err(|error| PolicyFileError::Toml {
            line: error.span().map(|span| line_at(text, span.start)),
            message: error.message().to_owned(),
        })?
    };
    TierRules::try_from(draft).map_err(|reason| PolicyFileError::Contradiction {
        line: line_of(text, reason.field()),
        reason,
    })
}

/// Reads fields of a policy that are to lie over another; what begins with `{` is JSON.
///
/// # Errors
/// See [`PolicyFileError`].
pub fn parse_terms(text: &str) -> Result<Terms, PolicyFileError> {
    if text.len() > MAX_BYTES {
        return Err(PolicyFileError::TooLong);
    }
    if text.trim_start().starts_with('{') {
        return Ok(Terms::parse(text)?);
    }
    let fields = toml::from_str(text).map_err(|error| PolicyFileError::Toml {
        line: error.span().map(|span| line_at(text, span.start)),
        message: error.message().to_owned(),
    })?;
    Ok(Terms::of(fields))
}

/// A policy as a person would write it, in TOML.
#[must_use]
pub fn to_toml(rules: &TierRules) -> String {
    toml::to_string(&Draft::from(rules)).expect("a policy has nothing that TOML cannot say")
}

fn at_line(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("line {line}: "))
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    before.matches('\n').count() + 1
}

/// The line of a field, or of its table where the field is what is missing.
fn line_of(text: &str, path: &str) -> Option<usize> {
    let mut offset = 0;
    let mut line = None;
    for key in path.split('.') {
        let Some(found) = find_key(&text[offset..], key) else {
            break;
        };
        offset += found;
        line = Some(line_at(text, offset));
    }
    line
}

/// Where a key begins: quoted or bare, after nothing but what may stand before a key.
fn find_key(text: &str, key: &str) -> Option<usize> {
    text.match_indices(key).map(|(at, _)| at).find(|at| {
        let before = text[..*at].trim_end_matches(['"', ' ', '\t']);
        let after = text[at + key.len()..].trim_start_matches(['"', ' ', '\t']);
        (before.is_empty() || before.ends_with(['\n', '[', '{', ',', '.']))
            && after.starts_with(['=', ':', ']', '.'])
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fleetgrant_core::tier::shipped;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for policy in shipped() {
            let text = to_toml(&policy.rules);
            assert_eq!(parse(&text).unwrap(), policy.rules, "{text}");
            let json = serde_json::to_string_pretty(&Draft::from(&policy.rules)).unwrap();
            assert_eq!(parse(&json).unwrap(), policy.rules, "{json}");
        }
    }

    #[test]
    fn a_refusal_tells_the_line() {
        let cases = [
            (
                "offline = true\nofline = true\n",
                "line 2: unknown field `ofline`",
            ),
            ("grace_days = -1\n", "line 1: "),
            ("grace_days =\n", "line 1: "),
            ("# one\ngrace_days = 4000\n", "line 2: grace_days is 4000"),
            (
                "[rehost]\nmode = \"self-service\"\nunits = 3\nwindow = \"P1Y\"\nbeyond = \"refused\"\n\n\
                 [temporary]\nmode = \"self-service\"\n",
                "line 7: temporary.",
            ),
            (
                "{\n \"rehost\": {\n  \"mode\": \"approval\",\n  \"units\": 3 }\n}",
                "line 4: rehost.units",
            ),
            ("{\n \"x\": 1\n}", "unknown field `x`"),
        ];
        for (text, expected) in cases {
            let refused = parse(text).unwrap_err().to_string();
            assert!(refused.contains(expected), "{expected}: {refused}");
        }
        let long = "#".repeat(MAX_BYTES + 1);
        assert!(
            parse(&long)
                .unwrap_err()
                .to_string()
                .contains("16384 bytes")
        );
    }
}
