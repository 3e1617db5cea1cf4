//! Reads a file row by row, in bounded memory, and applies each within the transaction.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use csv::{ByteRecord, ReaderBuilder};
use fleetgrant_core::domain::{ImportRunId, PartyId, Timestamp};
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::cells::{Cells, Header};
use super::known::Known;
use super::parts::Part;
use super::report::{ImportReport, IssuedCode, RowError};
use super::{
    Effect, Halt, ImportError, ImportOptions, Kind, MAX_ROW_BYTES, MAX_ROWS, Reason, Row, refuse,
};
use super::{
    codes, entitlements, manifest, models, orders, parties, products, shipments, skus, usage,
};
use crate::store::column::{Micros, Octets};
use crate::store::event::Occasion;
use crate::store::{Db, StoreError, id, import_run, product_line};

/// What every row of a run shares.
#[derive(Debug)]
pub(super) struct Run<'a> {
    /// How the file is imported.
    pub(super) options: &'a ImportOptions,
    /// The run, which is the cause of its events.
    pub(super) id: Octets<ImportRunId>,
    /// Codes made by the row at work.
    pub(super) codes: Vec<IssuedCode>,
    /// What rows name again and again.
    pub(super) known: Known,
}

impl Run<'_> {
    pub(super) const fn now(&self) -> Timestamp {
        self.options.now
    }

    /// The zone of dates that belong to no party.
    pub(super) const fn zone(&self) -> &TimeZone {
        &self.options.time_zone
    }

    /// The contract manufacturer that imports.
    pub(super) const fn manufacturer(&self) -> Option<PartyId> {
        self.options.manufacturer
    }

    pub(super) const fn amend(&self) -> bool {
        self.options.amend
    }

    /// Who imports.
    pub(super) fn actor(&self) -> &str {
        &self.options.actor
    }

    /// When, by whom and why, for the history.
    pub(super) fn occasion(&self) -> Occasion<'_> {
        Occasion {
            at: self.options.now,
            actor: &self.options.actor,
            cause: &self.id.0.0,
        }
    }
}

/// Imports a file within a transaction, from its beginning.
pub(super) fn import<R: Read + Seek>(
    db: &mut Db,
    kind: Kind,
    source: &mut R,
    options: &ImportOptions,
) -> Result<ImportReport, ImportError> {
    import_rows(db, kind, options, &mut |row| {
        source
            .seek(SeekFrom::Start(0))
            .map_err(ImportError::Rewind)?;
        each(kind, source, row)
    })
}

/// Imports some rows of a file within a transaction.
pub(super) fn import_part(
    db: &mut Db,
    kind: Kind,
    part: &Part,
    options: &ImportOptions,
) -> Result<ImportReport, ImportError> {
    import_rows(db, kind, options, &mut |row| {
        let mut hash = Sha256::new();
        for (record, line) in &part.rows {
            hash.update(record.as_slice());
            row(&part.header, record, *line)?;
        }
        Ok(hash.finalize().into())
    })
}

/// What a row is given to.
type Take<'a> = dyn FnMut(&Header, &ByteRecord, u64) -> Result<(), StoreError> + 'a;
/// What gives rows, and tells the digest of them all.
type Feed<'a> = dyn FnMut(&mut Take<'_>) -> Result<[u8; 32], ImportError> + 'a;

fn import_rows(
    db: &mut Db,
    kind: Kind,
    options: &ImportOptions,
    feed: &mut Feed<'_>,
) -> Result<ImportReport, ImportError> {
    match kind {
        Kind::Models => import_as::<models::ModelRow>(db, kind, options, feed),
        Kind::Products => import_as::<products::ProductRow>(db, kind, options, feed),
        Kind::Skus => import_as::<skus::SkuRow>(db, kind, options, feed),
        Kind::Parties => import_as::<parties::PartyRow>(db, kind, options, feed),
        Kind::Orders => import_as::<orders::OrderRow>(db, kind, options, feed),
        Kind::Shipments => import_as::<shipments::ShipmentRow>(db, kind, options, feed),
        Kind::Manifest => import_as::<manifest::ManifestRow>(db, kind, options, feed),
        Kind::Entitlements => import_as::<entitlements::EntitlementRow>(db, kind, options, feed),
        Kind::Codes => import_as::<codes::PackRow>(db, kind, options, feed),
        Kind::Usage => import_as::<usage::UsageRow>(db, kind, options, feed),
    }
}

fn import_as<T: Row>(
    db: &mut Db,
    kind: Kind,
    options: &ImportOptions,
    feed: &mut Feed<'_>,
) -> Result<ImportReport, ImportError> {
    for (name, prefix) in &options.product_lines {
        product_line::ensure(db, name, prefix.as_str(), options.now)?;
    }
    let mut run = Run {
        options,
        id: id::fresh(options.now),
        codes: Vec::new(),
        known: Known::default(),
    };
    let mut report = ImportReport::new(kind);
    let mut together = Together::of(db.steps_of_a_savepoint());
    let digest = feed(&mut |header, record, line| {
        report.rows += 1;
        if together.add(header, record, line) {
            together.apply::<T>(db, &mut run, &mut report)?;
        }
        Ok(())
    })?;
    together.apply::<T>(db, &mut run, &mut report)?;
    report.committed = !options.dry_run && (report.refused == 0 || options.skip_bad);
    if report.committed {
        note_run(db, &run, &report, digest)?;
    } else {
        report.codes.clear();
    }
    Ok(report)
}

/// Reads a file row by row, each with its header and line; SHA-256 of the file.
pub(super) fn each<R: Read>(
    kind: Kind,
    source: &mut R,
    row: &mut Take<'_>,
) -> Result<[u8; 32], ImportError> {
    let left = Arc::new(AtomicUsize::new(MAX_ROW_BYTES));
    let bounded = Bounded {
        source,
        left: Arc::clone(&left),
        hash: Sha256::new(),
    };
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(bounded);
    let (mut record, mut header, mut rows) = (ByteRecord::new(), None, 0);
    loop {
        left.store(MAX_ROW_BYTES, Ordering::Relaxed);
        let line = reader.position().line();
        let more = reader
            .read_byte_record(&mut record)
            .map_err(|source| ImportError::Read { line, source })?;
        if !more {
            break;
        }
        let Some(header) = &header else {
            header = Some(parse_header(kind, &record)?);
            continue;
        };
        rows += 1;
        if rows > MAX_ROWS {
            return Err(ImportError::TooManyRows);
        }
        let line = record.position().map_or(line, csv::Position::line);
        row(header, &record, line)?;
    }
    if header.is_none() {
        return Err(header_error(kind, "the file is empty".to_owned()));
    }
    Ok(reader.into_inner().hash.finalize().into())
}

/// Rows that are applied within one savepoint, since what each changed is not undone by itself
/// unless one of them is bad: then each has a savepoint of its own.
struct Together {
    most: usize,
    header: Option<Header>,
    rows: Vec<(ByteRecord, u64)>,
    bytes: usize,
}

impl Together {
    const MAX_BYTES: usize = 1024 * 1024;

    const fn of(most: usize) -> Self {
        Self {
            most,
            header: None,
            rows: Vec::new(),
            bytes: 0,
        }
    }

    /// Whether these are enough.
    fn add(&mut self, header: &Header, record: &ByteRecord, line: u64) -> bool {
        self.header.get_or_insert_with(|| header.clone());
        self.bytes += record.as_slice().len();
        self.rows.push((record.clone(), line));
        self.rows.len() >= self.most || self.bytes >= Self::MAX_BYTES
    }

    fn apply<T: Row>(
        &mut self,
        db: &mut Db,
        run: &mut Run<'_>,
        report: &mut ImportReport,
    ) -> Result<(), StoreError> {
        let (Some(header), false) = (&self.header, self.rows.is_empty()) else {
            return Ok(());
        };
        let is_done = self.rows.len() > 1
            && match db.savepoint(|db| all::<T>(db, run, header, &self.rows)) {
                Ok(effects) => {
                    effects.into_iter().for_each(|effect| report.count(effect));
                    report.codes.append(&mut run.codes);
                    true
                }
                Err(Halt::Refused { .. } | Halt::Store(StoreError::Constraint(_))) => {
                    run.codes.clear();
                    false
                }
                Err(Halt::Store(error)) => return Err(error),
            };
        if !is_done {
            for (record, line) in &self.rows {
                apply::<T>(db, run, header, record, *line, report)?;
            }
        }
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// Applies rows, up to the first that is bad.
fn all<T: Row>(
    db: &mut Db,
    run: &mut Run<'_>,
    header: &Header,
    rows: &[(ByteRecord, u64)],
) -> Result<Vec<Effect>, Halt> {
    let mut effects = Vec::with_capacity(rows.len());
    for (record, line) in rows {
        let mut cells = Cells::new(header, record, *line);
        let row = T::parse(&mut cells);
        match (row, cells.into_errors().into_iter().next()) {
            (Some(row), None) => effects.push(row.apply(db, run)?),
            (_, error) => {
                let reason = error.map_or_else(
                    || Reason::Unfit("it cannot be read".to_owned()),
                    |error| error.reason,
                );
                return refuse("", reason);
            }
        }
    }
    Ok(effects)
}

fn apply<T: Row>(
    db: &mut Db,
    run: &mut Run<'_>,
    header: &Header,
    record: &ByteRecord,
    line: u64,
    report: &mut ImportReport,
) -> Result<(), StoreError> {
    let mut cells = Cells::new(header, record, line);
    let row = T::parse(&mut cells);
    let errors = cells.into_errors();
    let row = match row {
        Some(row) if errors.is_empty() => row,
        _ => {
            report.refuse(errors);
            return Ok(());
        }
    };
    let refused = match db.savepoint(|db| row.apply(db, run)) {
        Ok(effect) => {
            report.count(effect);
            report.codes.append(&mut run.codes);
            return Ok(());
        }
        Err(Halt::Refused { column, reason }) => (Some(column), reason),
        Err(Halt::Store(StoreError::Constraint(text))) => (None, Reason::Constraint(text)),
        Err(Halt::Store(error)) => return Err(error),
    };
    run.codes.clear();
    let (column, reason) = refused;
    report.refuse([RowError {
        line,
        column,
        reason,
    }]);
    Ok(())
}

fn parse_header(kind: Kind, record: &ByteRecord) -> Result<Header, ImportError> {
    Header::parse(record, kind.columns()).map_err(|problem| header_error(kind, problem))
}

fn header_error(kind: Kind, problem: String) -> ImportError {
    let known: Vec<_> = kind.columns().iter().map(|column| column.name).collect();
    ImportError::Header {
        kind,
        problem,
        known: known.join(","),
    }
}

fn note_run(
    db: &mut Db,
    run: &Run<'_>,
    report: &ImportReport,
    digest: [u8; 32],
) -> Result<(), StoreError> {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    import_run::insert(
        db,
        &import_run::ImportRun {
            id: run.id,
            kind: report.kind.as_str().to_owned(),
            actor: run.options.actor.clone(),
            amend: run.options.amend,
            rows_read: count(report.rows),
            created: count(report.created),
            amended: count(report.amended),
            unchanged: count(report.unchanged),
            digest: Octets(digest),
            at: Micros(run.now()),
        },
    )
}

/// Fails once a row takes more than it may, so that a quote that is never closed does not pull
/// the whole file into memory. What the CSV reader has read ahead is not counted twice.
struct Bounded<'a, R> {
    source: &'a mut R,
    left: Arc<AtomicUsize>,
    hash: Sha256,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a row has more than {MAX_ROW_BYTES} bytes; a quote may be left open"),
            ));
        }
        let wanted = buffer.len().min(left);
        let read = self.source.read(&mut buffer[..wanted])?;
        self.left.store(left - read, Ordering::Relaxed);
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}
