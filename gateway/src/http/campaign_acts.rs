//! Campaigns are made, and told what to do.

use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::campaign::Command;

use super::Api;
use super::campaigns::{self, CampaignSheet};
use super::etag::MatchParams;
use super::problem::{Problem, ProblemKind};
use super::query::{Named, Query};
use super::within::Thing;
use super::write::{ActQuery, Step, Write, WriteParams};
use crate::campaign::{CampaignError, Terms};
use crate::operator::Attempt;
use crate::store::campaign::{self, Row};
use crate::store::{Db, StoreError};

/// Make a campaign
///
/// Its devices are looked up from then on, and it waits to be started.
#[utoipa::path(
    post, path = "/campaigns", operation_id = "create_campaign", tag = "campaigns",
    params(ActQuery, WriteParams),
    request_body = Terms,
    responses((status = OK, body = CampaignSheet))
)]
pub(super) async fn create(
    State(api): State<Api>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let terms: Terms = write.json()?;
    let (operator, within) = (api.operator(write.actor()), write.within());
    // All devices may be looked at, which is no work for the one thread that writes.
    let would_select = match how.preview {
        true => {
            let selection = terms.devices.clone();
            let count = move |db: &mut Db| campaign::count_fitting(db, &selection);
            Some(api.read(count).await?)
        }
        false => None,
    };
    write
        .once(&api, move |db, now| {
            if let Some(problem) = within.forbids(db, &terms)? {
                return Ok(Step::Refused(problem));
            }
            let tried = operator.try_create_campaign(db, &terms, now)?;
            let step = match step(db, tried)? {
                Step::Done(sheet) => Step::Done(CampaignSheet {
                    would_select,
                    ..sheet
                }),
                other => other,
            };
            Ok(step.kept_unless(how.preview))
        })
        .await
}

/// Begin a campaign with its first wave
#[utoipa::path(
    post, path = "/campaigns/{campaign}/start", operation_id = "start_campaign", tag = "campaigns",
    params(
        ("campaign" = String, Path, description = "Its name or its id", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = CampaignSheet))
)]
pub(super) async fn start(
    State(api): State<Api>,
    Named(called): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    tell(&api, called, Command::Start, how, write).await
}

/// Let no device of a campaign have its turn until it is resumed
///
/// What is out is out.
#[utoipa::path(
    post, path = "/campaigns/{campaign}/pause", operation_id = "pause_campaign", tag = "campaigns",
    params(
        ("campaign" = String, Path, description = "Its name or its id", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = CampaignSheet))
)]
pub(super) async fn pause(
    State(api): State<Api>,
    Named(called): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    tell(&api, called, Command::Pause, how, write).await
}

/// Let a campaign go on
///
/// What failed so far is excused.
#[utoipa::path(
    post, path = "/campaigns/{campaign}/resume", operation_id = "resume_campaign", tag = "campaigns",
    params(
        ("campaign" = String, Path, description = "Its name or its id", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = CampaignSheet))
)]
pub(super) async fn resume(
    State(api): State<Api>,
    Named(called): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    tell(&api, called, Command::Resume, how, write).await
}

/// End a campaign for good
///
/// What is out is out.
#[utoipa::path(
    post, path = "/campaigns/{campaign}/abort", operation_id = "abort_campaign", tag = "campaigns",
    params(
        ("campaign" = String, Path, description = "Its name or its id", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = CampaignSheet))
)]
pub(super) async fn abort(
    State(api): State<Api>,
    Named(called): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    tell(&api, called, Command::Abort, how, write).await
}

async fn tell(
    api: &Api,
    called: String,
    command: Command,
    how: ActQuery,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    let (operator, within) = (api.operator(write.actor()), write.within());
    let (seen, thing) = (called.clone(), Thing::Campaign(called.clone()));
    let named = [thing.clone()];
    write
        .once_as_seen(
            api,
            move |db| within.see(db, &thing, |db| campaigns::sheet(db, &seen)),
            move |db, now| {
                if let Some(problem) = within.lacks(db, &named)? {
                    return Ok(Step::Refused(problem));
                }
                let tried = operator.try_tell_campaign(db, &called, command, now)?;
                Ok(step(db, tried)?.kept_unless(how.preview))
            },
        )
        .await
}

fn step(
    db: &mut Db,
    tried: Attempt<Row, CampaignError>,
) -> Result<Step<CampaignSheet>, StoreError> {
    let row = match tried {
        Attempt::Done(row) => row,
        Attempt::Refused(reason) => return Ok(Step::Refused(reason.into())),
        Attempt::Stale => return Ok(Step::Again),
    };
    let sheet = campaigns::sheet(db, &row.name)?;
    let gone = || StoreError::Corrupt(format!("campaign {} is gone", row.name));
    Ok(Step::Done(sheet.ok_or_else(gone)?))
}

impl From<CampaignError> for Problem {
    fn from(error: CampaignError) -> Self {
        let kind = match error {
            CampaignError::Act(error) => return error.into(),
            CampaignError::Unknown(_) => ProblemKind::NotFound,
            CampaignError::Terms(_) => ProblemKind::BadBody,
            CampaignError::NameTaken(_)
            | CampaignError::Unfit { .. }
            | CampaignError::NotNow(_) => ProblemKind::Refused,
        };
        Self::new(kind, error.to_string())
    }
}
