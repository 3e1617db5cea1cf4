//! Imports of the back office: a CSV file as the body.
//!
//! An import is one transaction on the thread that every device's messages wait for, so files over
//! HTTP are small ones; `fleetgrant import` takes large ones. The secrets of codes are in the first
//! answer only, and not in the one that is stored.

use std::io::Cursor;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::problem::{Problem, ProblemKind};
use super::query::{Named, Query};
use super::word;
use super::write::{Step, Write, WriteParams};
use crate::import::{self, ImportError, ImportOptions, ImportReport, IssuedCode, Kind, RowError};
use crate::store::{Db, StoreError};

/// Bytes of a file over HTTP, at most: some thousand rows.
pub(crate) const MAX_FILE: usize = 1 << 20;

/// How a file is imported.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ImportQuery {
    /// Report what would be done, and do nothing.
    #[serde(default)]
    dry_run: bool,
    /// Take rows that say something else than what is stored.
    #[serde(default)]
    amend: bool,
    /// Leave bad rows out and import the rest, instead of nothing.
    #[serde(default)]
    skip_bad: bool,
}

/// What came of an import.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Imported {
    pub(crate) kind: String,
    /// Whether it was kept.
    pub(crate) imported: bool,
    /// Rows read, the header not counted.
    pub(crate) rows: u64,
    pub(crate) created: u64,
    pub(crate) amended: u64,
    pub(crate) unchanged: u64,
    pub(crate) refused: u64,
    /// Why rows were refused.
    pub(crate) errors: Vec<ImportFault>,
    /// The codes that a file of codes made, with their secrets. They are shown this once: the same
    /// request again is answered without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) codes: Vec<MadeCode>,
}

/// A code that was made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct MadeCode {
    pub(crate) pack: String,
    /// What a system calls the entitlement that it gives units of.
    pub(crate) entitlement: String,
    /// The code as it is typed, with its secret.
    pub(crate) code: String,
}

impl From<&IssuedCode> for MadeCode {
    fn from(issued: &IssuedCode) -> Self {
        Self {
            pack: issued.pack.clone(),
            entitlement: issued.entitlement.clone(),
            code: issued.code.to_string(),
        }
    }
}

/// Why a row was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportFault {
    /// The line it begins on; the header's is 1.
    pub(crate) line: u64,
    /// The column at fault; null where the row as a whole is.
    pub(crate) column: Option<String>,
    /// The reason, for programs.
    pub(crate) code: String,
    /// The reason, for people.
    pub(crate) reason: String,
}

impl std::fmt::Display for ImportFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = &self.column {
            write!(f, ", {column}")?;
        }
        write!(f, ": {} [{}]", self.reason, self.code)
    }
}

impl From<&RowError> for ImportFault {
    fn from(error: &RowError) -> Self {
        Self {
            line: error.line,
            column: error.column.map(str::to_owned),
            code: error.reason.code().to_owned(),
            reason: error.reason.to_string(),
        }
    }
}

impl From<&ImportReport> for Imported {
    fn from(report: &ImportReport) -> Self {
        Self {
            kind: report.kind.as_str().to_owned(),
            imported: report.committed,
            rows: report.rows,
            created: report.created,
            amended: report.amended,
            unchanged: report.unchanged,
            refused: report.refused,
            errors: report.errors.iter().map(ImportFault::from).collect(),
            codes: Vec::new(),
        }
    }
}

/// Import what the back office knows
///
/// The body is a CSV file as docs/imports.md tells, of one mebibyte at most. One bad row undoes the
/// whole file, unless `skip_bad` is set; the same file again changes nothing.
#[utoipa::path(
    post, path = "/imports/{kind}", operation_id = "import", tag = "imports",
    params(
        ("kind" = inline(word::ImportKind), Path, description = "What the file holds"),
        ImportQuery,
        WriteParams,
    ),
    request_body(content = String, content_type = "text/csv"),
    responses((status = OK, body = Imported))
)]
pub(super) async fn any(
    State(api): State<Api>,
    Named(kind): Named<word::ImportKind>,
    Query(how): Query<ImportQuery>,
    write: Write,
) -> Result<Response, Problem> {
    import(&api, kind.0, how, write).await
}

/// Import devices that a factory made
///
/// As any other import; the body is a manifest. The key of a contract manufacturer tells of its own
/// batches, and of devices that are new or of one: it leaves out owners and orders.
#[utoipa::path(
    post, path = "/imports/manifest", operation_id = "import_manifest", tag = "imports",
    params(
        ImportQuery,
        WriteParams,
    ),
    request_body(content = String, content_type = "text/csv"),
    responses((status = OK, body = Imported))
)]
pub(super) async fn manifest(
    State(api): State<Api>,
    Query(how): Query<ImportQuery>,
    write: Write,
) -> Result<Response, Problem> {
    import(&api, Kind::Manifest, how, write).await
}

async fn import(
    api: &Api,
    kind: Kind,
    how: ImportQuery,
    write: Write,
) -> Result<Response, Problem> {
    write.expect("text/csv")?;
    let options = ImportOptions {
        dry_run: how.dry_run,
        amend: how.amend,
        skip_bad: how.skip_bad,
        actor: write.actor(),
        now: api.clock.now(),
        product_lines: api.product_lines.clone(),
        time_zone: api.time_zone.clone(),
        manufacturer: write.party(),
    };
    let file = write.body.clone();
    write
        .once(api, move |db, now| {
            let options = ImportOptions {
                now,
                ..options.clone()
            };
            attempt(db, kind, &mut Cursor::new(file.clone()), &options)
        })
        .await
}

fn attempt(
    db: &mut Db,
    kind: Kind,
    file: &mut Cursor<axum::body::Bytes>,
    options: &ImportOptions,
) -> Result<Step<Imported>, StoreError> {
    let report = match import::apply(db, kind, file, options) {
        Ok(report) => report,
        Err(ImportError::Store(error)) => return Err(error),
        Err(error) => {
            let told = error.to_string();
            return Ok(Step::Refused(Problem::new(
                ProblemKind::ImportRefused,
                told,
            )));
        }
    };
    let imported = Imported::from(&report);
    Ok(if report.committed && !report.codes.is_empty() {
        let with_codes = Imported {
            codes: report.codes.iter().map(MadeCode::from).collect(),
            ..imported.clone()
        };
        Step::Secret(with_codes, imported)
    } else if report.committed {
        Step::Done(imported)
    } else if options.dry_run {
        Step::Looked(imported)
    } else {
        let told = format!(
            "{} of {} rows are bad, so nothing was imported; repair them, or leave them out with \
             skip_bad=true",
            report.refused, report.rows
        );
        Step::Refused(Problem::new(ProblemKind::ImportRefused, told).with_faults(imported.errors))
    })
}
