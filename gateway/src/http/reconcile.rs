//! An ERP's export of its orders, held against the ledger.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::caller::Caller;
use super::problem::{Problem, ProblemKind};
use super::query::{Nothing, Query};
use super::write::{Write, WriteParams};
use crate::import::ImportError;
use crate::import::reconcile::{self, Finding, Reconciliation};

/// Findings that are told one by one.
const MOST: usize = 1_000;

/// What came of holding a file against the ledger.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Reconciled {
    /// Rows of the file.
    pub(crate) rows: u64,
    /// Those that agree with the ledger in everything.
    pub(crate) agreeing: u64,
    /// What somebody must put right.
    pub(crate) faults: u64,
    /// What differs, in the order of the file, then what it has not; a thousand at most.
    pub(crate) findings: Vec<ReconcileFinding>,
    /// Findings beyond those.
    pub(crate) more: u64,
}

/// A difference between the file and the ledger.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ReconcileFinding {
    /// The line of the file; null for what is not in it.
    pub(crate) file_line: Option<u64>,
    pub(crate) system: String,
    /// The order's reference there.
    pub(crate) order: String,
    /// The line of the order.
    pub(crate) line: String,
    /// What differs, as `quantity` or `missing-here`.
    pub(crate) difference: String,
    /// What the ledger says.
    pub(crate) here: String,
    /// What the file says.
    pub(crate) there: String,
}

impl From<Finding> for ReconcileFinding {
    fn from(finding: Finding) -> Self {
        Self {
            file_line: finding.file_line,
            system: finding.system,
            order: finding.order,
            line: finding.line,
            difference: finding.difference.as_str().to_owned(),
            here: finding.here,
            there: finding.there,
        }
    }
}

impl From<Reconciliation> for Reconciled {
    fn from(found: Reconciliation) -> Self {
        Self {
            rows: found.rows,
            agreeing: found.agreeing,
            faults: found.faults,
            findings: found.findings.into_iter().map(Into::into).collect(),
            more: found.more,
        }
    }
}

/// Hold an ERP's export of its orders against the ledger, line by line
///
/// The body is an orders file as an import takes it, of one mebibyte at most. Nothing is changed. A key
/// of a product line is told of the lines that sell products of it and nothing else; what other rows
/// say is neither compared nor counted.
#[utoipa::path(
    post, path = "/reports/reconcile", operation_id = "reconcile_orders", tag = "reports",
    params(WriteParams),
    request_body(content = String, content_type = "text/csv"),
    responses((status = OK, body = Reconciled))
)]
pub(super) async fn reconcile(
    State(api): State<Api>,
    caller: Caller,
    _: Query<Nothing>,
    write: Write,
) -> Result<Json<Reconciled>, Problem> {
    write.expect("text/csv")?;
    write.changes_nothing_seen()?;
    let _turn = super::reports::turn(&api).await?;
    let (file, zone) = (write.body.clone(), api.time_zone.clone());
    let within = caller.within().line();
    let found = api
        .read(
            move |db| match reconcile::reconcile(db, &mut &*file, &zone, within) {
                Err(ImportError::Store(error)) => Err(error),
                other => Ok(other),
            },
        )
        .await?;
    let mut found = found
        .map(Reconciled::from)
        .map_err(|error| Problem::new(ProblemKind::ImportRefused, error.to_string()))?;
    let over = found.findings.len().saturating_sub(MOST);
    found.more += over as u64;
    found.findings.truncate(MOST);
    Ok(Json(found))
}
