//! What came of an import.

use fleetgrant_schemas::code::ActivationCode;

use super::{Effect, Kind, MAX_REPORTED, Reason};

/// What came of an import.
#[derive(Clone, Debug)]
pub struct ImportReport {
    /// What was imported.
    pub kind: Kind,
    /// Rows read, the header not counted.
    pub rows: u64,
    /// Rows that made something.
    pub created: u64,
    /// Rows that changed something.
    pub amended: u64,
    /// Rows that said what was there.
    pub unchanged: u64,
    /// Rows that were refused.
    pub refused: u64,
    /// Why, up to [`MAX_REPORTED`] of them.
    pub errors: Vec<RowError>,
    /// Whether it was kept. It is not after a dry run, or where a row was refused and bad rows
    /// are not to be skipped.
    pub committed: bool,
    /// Rows of earlier parts that were kept, where a later part was not: [`run_in_parts`].
    ///
    /// [`run_in_parts`]: super::run_in_parts
    pub kept: u64,
    /// Codes that were made. Nothing else ever has their secrets.
    pub codes: Vec<IssuedCode>,
}

/// Why a row was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// The line it begins on; the header's is 1.
    pub line: u64,
    /// The column at fault; none where the row as a whole is.
    pub column: Option<&'static str>,
    /// Why.
    pub reason: Reason,
}

impl std::fmt::Display for RowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        crate::http::ImportFault::from(self).fmt(f)
    }
}

/// A code that was made, to be printed or sent to who will type it.
#[derive(Clone, Debug)]
pub struct IssuedCode {
    /// Of which pack.
    pub pack: String,
    /// The reference of the entitlement it gives units of.
    pub entitlement: String,
    /// The code with its secret; `Display` writes it as it is typed.
    pub code: ActivationCode,
}

impl ImportReport {
    pub(super) const fn new(kind: Kind) -> Self {
        Self {
            kind,
            rows: 0,
            created: 0,
            amended: 0,
            unchanged: 0,
            refused: 0,
            errors: Vec::new(),
            committed: false,
            kept: 0,
            codes: Vec::new(),
        }
    }

    /// Counts one row that was taken.
    pub(super) const fn count(&mut self, effect: Effect) {
        match effect {
            Effect::Created => self.created += 1,
            Effect::Amended => self.amended += 1,
            Effect::Unchanged => self.unchanged += 1,
        }
    }

    /// Adds what came of the part after it.
    pub(super) fn add(&mut self, part: Self) {
        if part.committed {
            self.kept += part.rows;
        }
        self.committed = part.committed;
        self.rows += part.rows;
        self.created += if part.committed { part.created } else { 0 };
        self.amended += if part.committed { part.amended } else { 0 };
        self.unchanged += if part.committed { part.unchanged } else { 0 };
        self.refused += part.refused;
        let room = MAX_REPORTED.saturating_sub(self.errors.len());
        self.errors.extend(part.errors.into_iter().take(room));
        self.codes.extend(part.codes);
    }

    /// Notes one refused row with all that is wrong with it.
    pub(super) fn refuse(&mut self, errors: impl IntoIterator<Item = RowError>) {
        self.refused += 1;
        for error in errors {
            metrics::counter!(
                "fleetgrant_import_refused_total",
                "kind" => self.kind.as_str(), "reason" => error.reason.code()
            )
            .increment(1);
            if self.errors.len() < MAX_REPORTED {
                self.errors.push(error);
            }
        }
    }
}
