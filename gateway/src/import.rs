//! Imports of the back office from CSV.
//!
//! A file is read twice at most and never held in memory: each row is parsed, compared with what
//! the database has under the same external reference, and applied, all in one transaction. The
//! same row again changes nothing; a row that says something else is refused unless
//! [`ImportOptions::amend`] is set. One bad row undoes the whole file, and every bad row is
//! reported with its line, column and reason. `docs/imports.md` tells what each file looks like.

mod cells;
mod codes;
mod diff;
mod entitlements;
pub(crate) mod fulfilment;
mod known;
mod lookup;
mod maintains;
mod manifest;
mod models;
mod orders;
mod parties;
mod parts;
mod products;
mod reason;
pub mod reconcile;
mod report;
mod requirements;
mod rows;
mod shipments;
mod skus;
mod stock;
mod term;
mod usage;

use std::io::{Read, Seek};
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use fleetgrant_core::domain::{PartyId, Timestamp};
use jiff::tz::TimeZone;

use crate::identity::IdPrefix;
use crate::store::{Db, Store, StoreError, Verdict};

pub use cells::Column;
pub(crate) use parts::Piece;
pub use reason::Reason;
pub use report::{ImportReport, IssuedCode, RowError};

/// Most rows of one file.
pub const MAX_ROWS: u64 = 1_000_000;
/// Most bytes of one row.
pub const MAX_ROW_BYTES: usize = 64 * 1024;
/// Bad rows that are reported one by one; the rest is only counted.
pub const MAX_REPORTED: usize = 1_000;
/// Activation codes that one file may make.
pub const MAX_CODES: u64 = 100_000;

/// Seconds by which moments of two systems may contradict each other: dates without a time, other
/// zones, clocks that are off.
const SLACK: u64 = 24 * 60 * 60;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Licence models.
    Models,
    /// Products and their features.
    Products,
    /// SKUs and what a copy of each gives.
    Skus,
    /// Customers, partners and contract manufacturers.
    Parties,
    /// Orders with their lines, which become entitlements.
    Orders,
    /// Shipments, with serial numbers.
    Shipments,
    /// Devices that a factory made.
    Manifest,
    /// Entitlements that come of no order.
    Entitlements,
    /// Packs of activation codes to be made.
    Codes,
    /// Uses that another system counted.
    Usage,
}

impl Kind {
    /// Every kind, in the order in which they build on each other.
    pub const ALL: [Self; 10] = [
        Self::Models,
        Self::Products,
        Self::Skus,
        Self::Parties,
        Self::Orders,
        Self::Shipments,
        Self::Manifest,
        Self::Entitlements,
        Self::Codes,
        Self::Usage,
    ];

    /// The name people and scripts use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Products => "products",
            Self::Skus => "skus",
            Self::Parties => "parties",
            Self::Orders => "orders",
            Self::Shipments => "shipments",
            Self::Manifest => "manifest",
            Self::Entitlements => "entitlements",
            Self::Codes => "codes",
            Self::Usage => "usage",
        }
    }

    /// The columns a file may have.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Models => models::COLUMNS,
            Self::Products => products::COLUMNS,
            Self::Skus => skus::COLUMNS,
            Self::Parties => parties::COLUMNS,
            Self::Orders => orders::COLUMNS,
            Self::Shipments => shipments::COLUMNS,
            Self::Manifest => manifest::COLUMNS,
            Self::Entitlements => entitlements::COLUMNS,
            Self::Codes => codes::COLUMNS,
            Self::Usage => usage::COLUMNS,
        }
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

/// The text names no import.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot be imported; known: models, products, skus, parties, orders, shipments, manifest, \
     entitlements, codes, usage"
)]
pub struct UnknownKind(String);

/// How a file is imported.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Report what would be done, and do nothing.
    pub dry_run: bool,
    /// Take rows that say something else than what is stored.
    pub amend: bool,
    /// Leave bad rows out and import the rest, instead of nothing.
    pub skip_bad: bool,
    /// Who imports, for the history.
    pub actor: String,
    /// The gateway's time.
    pub now: Timestamp,
    /// The product lines of the configuration, which files name.
    pub product_lines: Vec<(String, IdPrefix)>,
    /// The zone of dates that belong to no party: the realm's.
    pub time_zone: TimeZone,
    /// The contract manufacturer that imports, who tells of its own batches only; none: the maker.
    pub manufacturer: Option<PartyId>,
}

/// Why a file could not be read to its end. Nothing of it was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("line {line}: cannot be read: {source}")]
    Read {
        /// Where.
        line: u64,
        /// Why.
        source: csv::Error,
    },
    /// The file cannot be read from its beginning.
    #[error("the file cannot be read from its beginning: {0}")]
    Rewind(#[source] std::io::Error),
    /// The first line is not a header of this kind.
    #[error("the header of the {kind} file: {problem}; it knows the columns {known}", kind = .kind.as_str())]
    Header {
        /// Of which kind.
        kind: Kind,
        /// What is wrong.
        problem: String,
        /// The columns it may have.
        known: String,
    },
    /// The file has too many rows.
    #[error("the file has more than {MAX_ROWS} rows; split it")]
    TooManyRows,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Imports a file. Blocks, so call it outside the async runtime or on a thread for blocking work.
///
/// Bad rows are no error: they are in the report, and nothing is imported.
pub fn run<R>(
    kind: Kind,
    source: R,
    options: ImportOptions,
    store: &Store,
) -> Result<ImportReport, ImportError>
where
    R: Read + Seek + Send + 'static,
{
    let mut source = source;
    // A file that breaks off is no fault of the database's, so it leaves by a way of its own.
    let broken = Arc::new(Mutex::new(None));
    let given = Arc::clone(&broken);
    let report = store.transaction_blocking("import", move |db| {
        match rows::import(db, kind, &mut source, &options) {
            Ok(report) if report.committed => Ok(Verdict::Commit(Some(report))),
            Ok(report) => Ok(Verdict::Rollback(Some(report))),
            Err(ImportError::Store(error)) => Err(error),
            Err(error) => {
                *given.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Ok(Verdict::Rollback(None))
            }
        }
    })?;
    let broken = broken.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (report, broken) {
        (Some(report), _) => Ok(report),
        (None, Some(error)) => Err(error),
        (None, None) => Err(StoreError::Closed.into()),
    }
}

/// As [`run`], but so many rows in each transaction, so that what devices say is recorded in
/// between, and so that an import that was cut off need not begin anew: what is there is unchanged.
///
/// It ends with the first part that has a bad row, unless bad rows are skipped; the parts before
/// stay ([`ImportReport::kept`]).
pub fn run_in_parts<R: Read>(
    kind: Kind,
    mut source: R,
    options: &ImportOptions,
    rows: NonZeroUsize,
    store: &Store,
) -> Result<ImportReport, ImportError> {
    let mut whole = ImportReport::new(kind);
    whole.committed = !options.dry_run;
    let bounds = parts::Bounds {
        rows: rows.get(),
        bytes: parts::MAX_PART_BYTES,
    };
    parts::parts(kind, &mut source, bounds, |part| {
        let options = options.clone();
        let done = store.transaction_blocking("import", move |db| {
            match rows::import_part(db, kind, &part, &options) {
                Ok(report) if report.committed => Ok(Verdict::Commit(report)),
                Ok(report) => Ok(Verdict::Rollback(report)),
                Err(ImportError::Store(error)) => Err(error),
                Err(other) => Err(StoreError::Corrupt(other.to_string())),
            }
        })?;
        let goes_on = done.committed;
        whole.add(done);
        Ok(goes_on)
    })?;
    Ok(whole)
}

/// Cuts a file into files of so many rows and bytes at most, each with the header, and gives each to
/// `take` until that says that it is enough: for a gateway that takes a file at a time.
pub(crate) fn cut<R: Read>(
    kind: Kind,
    mut source: R,
    (rows, bytes): (NonZeroUsize, usize),
    mut take: impl FnMut(Piece) -> bool,
) -> Result<(), ImportError> {
    let rows = rows.get();
    parts::parts(kind, &mut source, parts::Bounds { rows, bytes }, |part| {
        Ok(take(part.piece()?))
    })
}

/// As [`run`], within a transaction that the caller ends: it is to be undone unless the report says
/// that it was kept.
pub(crate) fn apply<R: Read + Seek>(
    db: &mut Db,
    kind: Kind,
    source: &mut R,
    options: &ImportOptions,
) -> Result<ImportReport, ImportError> {
    rows::import(db, kind, source, options)
}

/// What applying a row came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Created,
    Amended,
    Unchanged,
}

/// Why a row was not applied.
#[derive(Debug)]
pub(crate) enum Halt {
    /// It is refused.
    Refused {
        column: &'static str,
        reason: Reason,
    },
    /// The database failed.
    Store(StoreError),
}

impl Halt {
    /// The same about another column.
    fn at(self, column: &'static str) -> Self {
        match self {
            Self::Refused { reason, .. } => Self::Refused { column, reason },
            Self::Store(error) => Self::Store(error),
        }
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn refuse<T>(column: &'static str, reason: Reason) -> Result<T, Halt> {
    Err(Halt::Refused { column, reason })
}

/// A row of one kind of file.
trait Row: Sized {
    /// Reads the cells; whatever is wrong with one is noted there.
    fn parse(cells: &mut cells::Cells<'_>) -> Option<Self>;
    /// Brings the database in line.
    fn apply(self, db: &mut Db, run: &mut rows::Run<'_>) -> Result<Effect, Halt>;
}

#[cfg(test)]
mod tests;
