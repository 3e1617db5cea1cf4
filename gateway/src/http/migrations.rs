//! Rights of an older licensing system.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::caller::Caller;
use super::problem::{Problem, ProblemKind};
use super::query::Query;
use super::reports::LineQuery;
use super::write::{ActQuery, Step, Write, WriteParams};
use crate::import::ImportOptions;
use crate::legacy::{self, Brought, Export, MigrationProgress, NotBrought, Transport};
use crate::operator::Attempt;
use crate::store::event::Occasion;

/// A right of an older system that is given up.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Surrender {
    /// The older system, as the mapping calls it.
    #[schema(max_length = 256)]
    pub(crate) system: String,
    /// What that system calls the right.
    #[schema(max_length = 256)]
    pub(crate) right: String,
}

/// What came of a surrender.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Surrendered {
    pub(crate) system: String,
    pub(crate) right: String,
}

/// Record that a customer has given up a right of the older system
///
/// One that is bound to a device is given up when the device signs for what came of it; a site
/// licence, or one whose host never came, when somebody says so.
#[utoipa::path(
    post, path = "/legacy-rights/surrender", operation_id = "surrender_legacy_right", tag = "migration",
    params(ActQuery, WriteParams),
    request_body = Surrender,
    responses((status = OK, body = Surrendered))
)]
pub(super) async fn surrender(
    State(api): State<Api>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: Surrender = write.json()?;
    let actor = write.actor();
    write
        .once(&api, move |db, now| {
            let occasion = Occasion {
                at: now,
                actor: &actor,
                cause: &[],
            };
            let (system, right) = (asked.system.as_str(), asked.right.as_str());
            let step = if legacy::surrender(db, system, right, occasion)? {
                Step::Done(Surrendered {
                    system: system.to_owned(),
                    right: right.to_owned(),
                })
            } else {
                let told = format!("{system:?} has no right {right:?} here that is not given up");
                Step::Refused(Problem::new(ProblemKind::Refused, told))
            };
            Ok(step.kept_unless(how.preview))
        })
        .await
}

/// An export of an older system, and what it means.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LegacyExport {
    /// The mapping file, as TOML.
    #[schema(max_length = 1_048_576)]
    pub(crate) mapping: String,
    /// The export, as CSV.
    #[schema(max_length = 1_048_576)]
    pub(crate) export: String,
    /// Bring over what is mapped, and leave out the rest.
    #[serde(default)]
    pub(crate) skip_unmapped: bool,
}

/// What came of an export, or would.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct BroughtOver {
    /// Rights that are new here.
    pub(crate) new: u64,
    /// Rights that were here.
    pub(crate) known: u64,
    /// Rights that the mapping lacks words for.
    pub(crate) left_out: u64,
    /// Units of those.
    pub(crate) units_left_out: u64,
    /// Units that the others give in the export.
    pub(crate) units_before: u64,
    /// Units that they give here.
    pub(crate) units_after: u64,
    /// Rights without a number of units, in the export.
    pub(crate) unlimited_before: u64,
    /// Rights without a number of units, here.
    pub(crate) unlimited_after: u64,
    /// Units that are reserved for devices.
    pub(crate) reserved: u64,
    /// Words that the mapping lacks.
    pub(crate) unmapped: Vec<UnmappedWord>,
    /// Rows that cannot be read: nothing is brought over then.
    pub(crate) faults: Vec<String>,
}

/// A word of an export that the mapping lacks.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct UnmappedWord {
    /// The table of the mapping that it is missing in.
    pub(crate) table: String,
    pub(crate) word: String,
    /// Rows that have it.
    pub(crate) rows: u64,
}

impl BroughtOver {
    /// What can be told of an export before anything of it is brought over.
    pub(crate) fn of(export: &Export) -> Self {
        let words = export.unmapped.iter();
        Self {
            left_out: export.left_out,
            units_left_out: export.units_left_out,
            unmapped: words
                .map(|((what, word), rows)| UnmappedWord {
                    table: what.table().to_owned(),
                    word: word.clone(),
                    rows: *rows,
                })
                .collect(),
            faults: export.faults.iter().map(ToString::to_string).collect(),
            ..Self::default()
        }
    }

    /// With what was brought over.
    pub(crate) fn with(self, brought: &Brought) -> Self {
        Self {
            new: brought.new,
            known: brought.known,
            units_before: brought.units_before,
            units_after: brought.units_after,
            unlimited_before: brought.unlimited_before,
            unlimited_after: brought.unlimited_after,
            reserved: brought.reserved,
            ..self
        }
    }
}

/// Bring over an export of node-locked keys, dongles or site licences
///
/// Each right becomes an entitlement, reserved for the device that takes the place of its host or
/// dongle. Units before are units after, or nothing is kept. The same again changes nothing. A preview
/// tells of what the mapping lacks, too.
#[utoipa::path(
    post, path = "/legacy-rights/import", operation_id = "import_legacy_rights", tag = "migration",
    params(ActQuery, WriteParams),
    request_body = LegacyExport,
    responses((status = OK, body = BroughtOver))
)]
pub(super) async fn bring_over(
    State(api): State<Api>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: LegacyExport = write.json()?;
    let bad =
        |what: &str, why: String| Problem::new(ProblemKind::BadBody, format!("{what}: {why}"));
    let mapping =
        legacy::parse_mapping(&asked.mapping).map_err(|error| bad("mapping", error.to_string()))?;
    let export = Export::read(asked.export.as_bytes(), &mapping)
        .map_err(|error| bad("export", error.to_string()))?;
    if !how.preview && !export.faults.is_empty() {
        let why = format!(
            "{} rows cannot be read, so nothing was brought over: {}",
            export.faults.len(),
            export
                .faults
                .first()
                .map(ToString::to_string)
                .unwrap_or_default()
        );
        return Err(Problem::new(ProblemKind::ImportRefused, why));
    }
    if !how.preview && export.left_out > 0 && !asked.skip_unmapped {
        let why = format!(
            "the mapping lacks words of {} rights of {} units, so nothing was brought over: a preview \
             tells which; add them, or set skip_unmapped",
            export.left_out, export.units_left_out
        );
        return Err(Problem::new(ProblemKind::ImportRefused, why));
    }
    let operator = api.operator(write.actor());
    let has_faults = !export.faults.is_empty();
    let transport = Arc::new(Transport {
        mapping,
        export,
        options: ImportOptions {
            dry_run: false,
            amend: false,
            skip_bad: false,
            actor: write.actor(),
            now: api.clock.now(),
            product_lines: api.product_lines.clone(),
            time_zone: api.time_zone.clone(),
            manufacturer: None,
        },
    });
    write
        .once(&api, move |db, now| {
            let before = BroughtOver::of(&transport.export);
            if has_faults {
                return Ok(Step::Looked(before));
            }
            let step = match operator.attempt_bring_over(db, &transport, now)? {
                Attempt::Done(brought) => Step::Done(before.with(&brought)),
                Attempt::Refused(NotBrought::Act(error)) => Step::Refused(error.into()),
                Attempt::Refused(reason) => {
                    Step::Refused(Problem::new(ProblemKind::Refused, reason.to_string()))
                }
                Attempt::Stale => Step::Again,
            };
            Ok(step.kept_unless(how.preview))
        })
        .await
}

/// How far each migration is
#[utoipa::path(
    get, path = "/reports/migration", operation_id = "report_migration", tag = "reports",
    params(LineQuery),
    responses((status = OK, body = Vec<MigrationProgress>))
)]
pub(super) async fn progress(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<LineQuery>,
) -> Result<Json<Vec<MigrationProgress>>, Problem> {
    let line = caller.within().asked(&api, query.product_line).await?;
    super::reports::report(&api, move |db| legacy::progress(db, line)).await
}
