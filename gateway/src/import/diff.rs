//! What a row says differently from what is stored, and what the history keeps of it.

use std::fmt::Display;

use fleetgrant_core::event::Event;
use serde_json::{Map, Value};

use super::{Halt, Reason, refuse};

/// What a row says differently from what is stored.
#[derive(Debug, Default)]
pub(super) struct Diff(Vec<Change>);

#[derive(Debug)]
struct Change {
    column: &'static str,
    before: Option<String>,
    after: Option<String>,
    personal: bool,
}

impl Diff {
    /// Compares one column.
    pub(super) fn field<T: PartialEq + Shown>(
        &mut self,
        column: &'static str,
        stored: &T,
        given: &T,
    ) {
        self.compare(column, stored, given, false);
    }

    /// Compares one column that can name a person: the history says that it changed, and no more.
    pub(super) fn personal<T: PartialEq + Shown>(
        &mut self,
        column: &'static str,
        stored: &T,
        given: &T,
    ) {
        self.compare(column, stored, given, true);
    }

    fn compare<T: PartialEq + Shown>(
        &mut self,
        column: &'static str,
        stored: &T,
        given: &T,
        personal: bool,
    ) {
        if stored != given {
            self.0.push(Change {
                column,
                before: stored.shown(),
                after: given.shown(),
                personal,
            });
        }
    }

    /// What of the row is to be applied: none if nothing differs; refused if something does and it
    /// may not.
    pub(super) fn settle(self, amend: bool, code: &'static str) -> Result<Option<Changes>, Halt> {
        match self.0.first() {
            None => Ok(None),
            Some(_) if amend => Ok(Some(self.applied())),
            Some(Change { column, .. }) => refuse(
                column,
                Reason::Changed {
                    code,
                    difference: self.text(),
                },
            ),
        }
    }

    /// Refuses what differs, whether or not changes are allowed.
    pub(super) fn forbid(self, remedy: &'static str) -> Result<(), Halt> {
        match self.0.first() {
            None => Ok(()),
            Some(Change { column, .. }) => refuse(
                column,
                Reason::Fixed {
                    what: self.text(),
                    remedy,
                },
            ),
        }
    }

    /// All that differs, where nobody need allow it.
    pub(super) fn applied(self) -> Changes {
        Changes(self.0)
    }

    fn text(&self) -> String {
        let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "empty".to_owned());
        let told: Vec<_> = self
            .0
            .iter()
            .map(|change| {
                format!(
                    "{} is {} and the row says {}",
                    change.column,
                    word(&change.before),
                    word(&change.after)
                )
            })
            .collect();
        told.join(", ")
    }
}

/// What was changed, for the history.
#[derive(Debug, Default)]
pub(super) struct Changes(Vec<Change>);

impl Changes {
    /// Adds what else was changed by the same row.
    pub(super) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether a column was changed.
    pub(super) fn has(&self, column: &str) -> bool {
        self.0.iter().any(|change| change.column == column)
    }

    /// Puts into an event what was there before and is there after, each an object of JSON with the
    /// changed columns. Of columns that can name a person it has the names only.
    pub(super) fn told(&self, event: Event) -> Event {
        let mut before = Map::new();
        let mut after = Map::new();
        let mut personal = Vec::new();
        for change in &self.0 {
            if change.personal {
                personal.push(change.column);
                continue;
            }
            let value = |of: &Option<String>| of.clone().map_or(Value::Null, Value::String);
            before.insert(change.column.to_owned(), value(&change.before));
            after.insert(change.column.to_owned(), value(&change.after));
        }
        let text = |values: Map<String, Value>| {
            (!values.is_empty()).then(|| Value::Object(values).to_string())
        };
        let personal = (!personal.is_empty()).then(|| personal.join(";"));
        event
            .with_some("before", text(before).as_deref())
            .with_some("after", text(after).as_deref())
            .with_some("personal", personal.as_deref())
    }
}

/// How a value reads in a difference, as a file writes it; none if there is none.
pub(super) trait Shown {
    fn shown(&self) -> Option<String>;
}

impl<T: Display> Shown for T {
    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// A value that may be missing.
#[derive(PartialEq, Eq)]
pub(super) struct Maybe<T>(pub(super) Option<T>);

impl<T: Display> Shown for Maybe<T> {
    fn shown(&self) -> Option<String> {
        self.0.as_ref().map(ToString::to_string)
    }
}
