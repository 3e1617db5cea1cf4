//! Rights of an older licensing system.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::problem::{Problem, ProblemKind};
use super::query::{Nothing, Query};
use super::write::{ActQuery, Step, Write, WriteParams};
use crate::legacy::{self, MigrationProgress};
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

/// How far each migration is
#[utoipa::path(
    get, path = "/reports/migration", operation_id = "report_migration", tag = "reports",
    responses((status = OK, body = Vec<MigrationProgress>))
)]
pub(super) async fn progress(
    State(api): State<Api>,
    _: Query<Nothing>,
) -> Result<Json<Vec<MigrationProgress>>, Problem> {
    super::reports::report(&api, legacy::progress).await
}
