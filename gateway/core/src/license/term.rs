//! How long what is sold under a model runs.

use std::fmt;
use std::str::FromStr;

use jiff::Span;
use serde::{Deserialize, Serialize};

/// How long what is sold under a model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TermRule {
    /// For ever.
    None,
    /// As long as the sale says, which must.
    Given,
    /// As long as the sale says; for ever if it does not.
    #[default]
    Either,
    /// So long, if the sale says no other length.
    Length {
        /// Months; a year is 12.
        months: u16,
        /// Days.
        days: u16,
    },
}

/// A text that is no term.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no rule for terms: none, given, either, or a term of at most 100 years as ISO 8601 \
     writes it, as P1Y, P18M or P90D"
)]
pub struct InvalidTerm(String);

impl FromStr for TermRule {
    type Err = InvalidTerm;

    fn from_str(text: &str) -> Result<Self, InvalidTerm> {
        Ok(match text {
            "none" => Self::None,
            "given" => Self::Given,
            "either" => Self::Either,
            _ => {
                let (months, days) =
                    months_and_days(text).ok_or_else(|| InvalidTerm(text.to_owned()))?;
                Self::Length { months, days }
            }
        })
    }
}

impl TryFrom<String> for TermRule {
    type Error = InvalidTerm;

    fn try_from(text: String) -> Result<Self, InvalidTerm> {
        text.parse()
    }
}

impl From<TermRule> for String {
    fn from(rule: TermRule) -> Self {
        rule.to_string()
    }
}

impl fmt::Display for TermRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Given => f.write_str("given"),
            Self::Either => f.write_str("either"),
            Self::Length { months, days: 0 } => write!(f, "P{months}M"),
            Self::Length { months: 0, days } => write!(f, "P{days}D"),
            Self::Length { months, days } => write!(f, "P{months}M{days}D"),
        }
    }
}

impl TermRule {
    /// The length that a sale gets which names none, as ISO 8601 writes it.
    #[must_use]
    pub fn usual(self) -> Option<String> {
        matches!(self, Self::Length { .. }).then(|| self.to_string())
    }
}

/// The months and days of a term as ISO 8601 writes it; none of what is longer than 100 years, or
/// no term.
#[must_use]
pub fn months_and_days(text: &str) -> Option<(u16, u16)> {
    let span: Span = text.parse().ok()?;
    let clock = span.get_hours() != 0
        || span.get_minutes() != 0
        || span.get_seconds() != 0
        || span.get_milliseconds() != 0
        || span.get_microseconds() != 0
        || span.get_nanoseconds() != 0;
    let months = i32::from(span.get_years()) * 12 + span.get_months();
    let days = span.get_weeks() * 7 + span.get_days();
    let fits = !clock && (0..=1_200).contains(&months) && (0..=36_500).contains(&days);
    if !fits || (months, days) == (0, 0) {
        return None;
    }
    Some((u16::try_from(months).ok()?, u16::try_from(days).ok()?))
}
