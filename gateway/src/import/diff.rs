//! What a row says differently from what is stored.

use std::fmt::Display;

use super::{Halt, Reason, refuse};

/// What a row says differently from what is stored.
#[derive(Debug, Default)]
pub(super) struct Diff {
    column: Option<&'static str>,
    text: String,
}

impl Diff {
    /// Compares one column.
    pub(super) fn field<T: PartialEq + Shown>(
        &mut self,
        column: &'static str,
        stored: &T,
        given: &T,
    ) {
        if stored == given {
            return;
        }
        self.column.get_or_insert(column);
        if !self.text.is_empty() {
            self.text.push_str(", ");
        }
        self.text.push_str(&format!(
            "{column} is {} and the row says {}",
            stored.shown(),
            given.shown()
        ));
    }

    /// Whether the row is to be applied: not if nothing differs; refused if something does and
    /// it may not.
    pub(super) fn settle(self, amend: bool, code: &'static str) -> Result<bool, Halt> {
        match self.column {
            None => Ok(false),
            Some(_) if amend => Ok(true),
            Some(column) => refuse(
                column,
                Reason::Changed {
                    code,
                    difference: self.text,
                },
            ),
        }
    }

    /// Refuses what differs, whether or not changes are allowed.
    pub(super) fn forbid(self, remedy: &'static str) -> Result<(), Halt> {
        match self.column {
            None => Ok(()),
            Some(column) => refuse(
                column,
                Reason::Fixed {
                    what: self.text,
                    remedy,
                },
            ),
        }
    }
}

/// How a value reads in a difference.
pub(super) trait Shown {
    fn shown(&self) -> String;
}

impl<T: Display> Shown for T {
    fn shown(&self) -> String {
        self.to_string()
    }
}

/// A value that may be missing, as [`Shown`].
#[derive(PartialEq, Eq)]
pub(super) struct Maybe<T>(pub(super) Option<T>);

impl<T: Display> Display for Maybe<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("empty"),
        }
    }
}
