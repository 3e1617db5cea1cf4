#![allow(clippy::unwrap_used)]

mod amendments;
mod bad_rows;
mod before_and_after;
mod maintains;
mod models;
mod parts;
mod requirements;
mod samples;
mod usage;

use std::io::Cursor;

use fleetgrant_core::domain::Timestamp;
use jiff::tz::TimeZone;

use super::*;
use crate::store::scratch::{self, Scratch};

/// 2026-10-01T00:00:00Z.
pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_790_812_800);

pub(super) struct Fixture {
    pub(super) store: Store,
    pub(super) options: ImportOptions,
    _scratch: Scratch,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let scratch = Scratch::new();
        Self {
            store: scratch.open(),
            options: ImportOptions {
                dry_run: false,
                amend: false,
                skip_bad: false,
                actor: "tester".to_owned(),
                now: NOW,
                product_lines: vec![("pumps".to_owned(), "pump".parse().unwrap())],
                time_zone: TimeZone::UTC,
                manufacturer: None,
            },
            _scratch: scratch,
        }
    }

    /// With every sample imported up to and including `last`.
    pub(super) fn with_samples(last: Kind) -> Self {
        let fixture = Self::new();
        for kind in Kind::ALL {
            let report = fixture.import(kind, &sample(kind));
            assert!(report.committed, "{kind:?}: {:?}", report.errors);
            if kind == last {
                break;
            }
        }
        fixture
    }

    pub(super) fn try_import(&self, kind: Kind, text: &str) -> Result<ImportReport, ImportError> {
        let source = Cursor::new(text.as_bytes().to_vec());
        run(kind, source, self.options.clone(), &self.store)
    }

    pub(super) fn import(&self, kind: Kind, text: &str) -> ImportReport {
        self.try_import(kind, text).unwrap()
    }

    pub(super) fn amend(&self, kind: Kind, text: &str) -> ImportReport {
        let options = ImportOptions {
            amend: true,
            ..self.options.clone()
        };
        let source = Cursor::new(text.as_bytes().to_vec());
        run(kind, source, options, &self.store).unwrap()
    }

    /// The one number that a query gives.
    pub(super) fn number(&self, query: &str) -> i64 {
        scratch::number(&self.store, query)
    }

    pub(super) fn execute(&self, statement: &str) {
        scratch::write(&self.store, statement).unwrap();
    }
}

pub(super) fn sample(kind: Kind) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/samples/imports");
    std::fs::read_to_string(format!("{folder}/{}.csv", kind.as_str())).unwrap()
}

/// The codes of what was refused, with their lines.
pub(super) fn refusals(report: &ImportReport) -> Vec<(u64, &'static str)> {
    report
        .errors
        .iter()
        .map(|error| (error.line, error.reason.code()))
        .collect()
}
