//! The cells of one row, by column, with what is wrong with them.

use std::fmt::Display;
use std::str::FromStr;

use csv::ByteRecord;
use fleetgrant_core::domain::Timestamp;
use jiff::tz::TimeZone;

use super::Reason;
use super::report::RowError;
use crate::when::When;

/// A column that a file may have.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name in the header.
    pub name: &'static str,
    /// Whether the file must have it.
    pub required: bool,
}

impl Column {
    pub(super) const fn required(name: &'static str) -> Self {
        Self {
            name,
            required: true,
        }
    }

    pub(super) const fn optional(name: &'static str) -> Self {
        Self {
            name,
            required: false,
        }
    }
}

/// The header: which column is where.
#[derive(Clone, Debug)]
pub(super) struct Header(Vec<&'static str>);

impl Header {
    /// Matches the first line of a file with the columns that it may have.
    pub(super) fn parse(record: &ByteRecord, columns: &'static [Column]) -> Result<Self, String> {
        let mut names = Vec::new();
        for cell in record {
            let name = String::from_utf8_lossy(cell);
            let name = name.trim_start_matches('\u{feff}').trim();
            let column = columns
                .iter()
                .find(|column| column.name == name)
                .ok_or_else(|| format!("{:?} is no column", excerpt(name)))?;
            if names.contains(&column.name) {
                return Err(format!("{name} stands there twice"));
            }
            names.push(column.name);
        }
        let missing = columns
            .iter()
            .find(|column| column.required && !names.contains(&column.name));
        match missing {
            Some(column) => Err(format!("{} is missing", column.name)),
            None => Ok(Self(names)),
        }
    }

    /// The names, as the file has them.
    pub(super) fn names(&self) -> &[&'static str] {
        &self.0
    }

    fn position(&self, column: &str) -> Option<usize> {
        self.0.iter().position(|name| *name == column)
    }
}

/// The cells of one row.
#[derive(Debug)]
pub(super) struct Cells<'a> {
    header: &'a Header,
    record: &'a ByteRecord,
    line: u64,
    errors: Vec<RowError>,
}

impl<'a> Cells<'a> {
    pub(super) fn new(header: &'a Header, record: &'a ByteRecord, line: u64) -> Self {
        let mut cells = Self {
            header,
            record,
            line,
            errors: Vec::new(),
        };
        if record.len() != header.0.len() {
            cells.errors.push(RowError {
                line,
                column: None,
                reason: Reason::Ragged {
                    expected: header.0.len(),
                    found: record.len(),
                },
            });
        }
        cells
    }

    /// What is wrong with the row, if anything.
    pub(super) fn into_errors(self) -> Vec<RowError> {
        self.errors
    }

    /// Notes what is wrong with a cell.
    pub(super) fn fault(&mut self, column: &'static str, reason: Reason) {
        self.errors.push(RowError {
            line: self.line,
            column: Some(column),
            reason,
        });
    }

    fn invalid(&mut self, column: &'static str, value: &str, expected: impl Into<String>) {
        let reason = Reason::Invalid {
            value: excerpt(value),
            expected: expected.into(),
        };
        self.fault(column, reason);
    }

    /// How much is wrong with the row so far.
    pub(super) fn faults(&self) -> usize {
        self.errors.len()
    }

    /// Whether the file has the column.
    pub(super) fn has(&self, column: &str) -> bool {
        self.header.position(column).is_some()
    }

    /// A text that may be missing, trimmed, at most `max` characters without control characters.
    pub(super) fn optional(&mut self, column: &'static str, max: usize) -> Option<String> {
        let bytes = self.record.get(self.header.position(column)?)?;
        let Ok(text) = std::str::from_utf8(bytes) else {
            let shown = String::from_utf8_lossy(bytes).into_owned();
            self.invalid(column, &shown, "UTF-8; save the file as UTF-8");
            return None;
        };
        let text = text.trim();
        if text.is_empty() {
            None
        } else if text.chars().count() > max {
            self.fault(column, Reason::TooLong { max });
            None
        } else if text.chars().any(char::is_control) {
            self.invalid(column, text, "free of control characters");
            None
        } else {
            Some(text.to_owned())
        }
    }

    /// A text that must be there.
    pub(super) fn text(&mut self, column: &'static str, max: usize) -> Option<String> {
        let faults = self.errors.len();
        let text = self.optional(column, max);
        if text.is_none() && self.errors.len() == faults {
            self.fault(column, Reason::Missing);
        }
        text
    }

    /// A value that may be missing; none, and noted, if it cannot be read.
    pub(super) fn parsed<T>(&mut self, column: &'static str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.optional(column, 256)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.invalid(column, &text, format!("taken: {error}"));
                None
            }
        }
    }

    /// A value that must be there.
    pub(super) fn required_as<T>(&mut self, column: &'static str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let faults = self.errors.len();
        let value = self.parsed(column);
        if value.is_none() && self.errors.len() == faults {
            self.fault(column, Reason::Missing);
        }
        value
    }

    /// A value, or what stands for an empty cell.
    pub(super) fn parsed_or<T>(&mut self, column: &'static str, default: T) -> T
    where
        T: FromStr,
        T::Err: Display,
    {
        self.parsed(column).unwrap_or(default)
    }

    /// A whole number from `min` to `max` that may be missing.
    pub(super) fn optional_number(
        &mut self,
        column: &'static str,
        min: i64,
        max: i64,
    ) -> Option<i64> {
        let text = self.optional(column, 32)?;
        let number = text.parse().ok().filter(|n| (min..=max).contains(n));
        if number.is_none() {
            self.invalid(column, &text, format!("a whole number from {min} to {max}"));
        }
        number
    }

    /// A whole number from `min` to `max` that must be there.
    pub(super) fn number(&mut self, column: &'static str, min: i64, max: i64) -> Option<i64> {
        let faults = self.errors.len();
        let number = self.optional_number(column, min, max);
        if number.is_none() && self.errors.len() == faults {
            self.fault(column, Reason::Missing);
        }
        number
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, column: &'static str) -> Option<bool> {
        let text = self.optional(column, 8)?;
        match text.as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => {
                self.invalid(column, &text, "true or false");
                None
            }
        }
    }

    /// Bytes in hex.
    pub(super) fn hex(&mut self, column: &'static str, max: usize) -> Option<Vec<u8>> {
        let text = self.optional(column, 2 * max)?;
        match data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()) {
            Ok(bytes) => Some(bytes),
            Err(_) => {
                self.invalid(column, &text, "bytes in hex");
                None
            }
        }
    }

    /// An instant or a date that may be missing.
    pub(super) fn optional_when(&mut self, column: &'static str) -> Option<When> {
        let text = self.optional(column, 64)?;
        let when = text.parse().ok();
        let epoch = Timestamp::from_seconds(0);
        let when = when.filter(|when: &When| when.at(&TimeZone::UTC) >= epoch);
        if when.is_none() {
            let expected =
                "a date from 1970 on, as 2026-01-31, or an instant as 2026-01-31T09:30:00Z";
            self.invalid(column, &text, expected);
        }
        when
    }

    /// An instant or a date that must be there.
    pub(super) fn when(&mut self, column: &'static str) -> Option<When> {
        let faults = self.errors.len();
        let when = self.optional_when(column);
        if when.is_none() && self.errors.len() == faults {
            self.fault(column, Reason::Missing);
        }
        when
    }
}

/// Enough of a text to know it again.
fn excerpt(text: &str) -> String {
    text.chars().take(64).collect()
}
