//! What waits for an approval is decided, by somebody else than who asked.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::CaseId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::acts::Acted;
use super::case_facts::sheet;
use super::cases::Case;
use super::etag::MatchParams;
use super::problem::Problem;
use super::query::{Named, Query};
use super::value::Id;
use super::within::Thing;
use super::write::{ActQuery, Step, Write, WriteParams};
use super::{Api, cases};
use crate::approval::Decision;
use crate::operator::Attempt;
use crate::store::StoreError;

/// What came of a decision.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct CaseDecided {
    /// As it is now; after a preview, as it would be.
    pub(crate) case: Case,
    /// What was done, to each device; nothing if it was refused.
    pub(crate) done: Vec<Acted>,
}

/// Give what a case asks for
///
/// Nobody approves what they asked for themselves.
#[utoipa::path(
    post, path = "/cases/{case}/approve", operation_id = "approve_case", tag = "cases",
    params(
        ("case" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = CaseDecided))
)]
pub(super) async fn approve(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    decide(&api, CaseId(id.0), Decision::Approve, how, write).await
}

/// Refuse what a case asks for
///
/// Nobody refuses what they asked for themselves.
#[utoipa::path(
    post, path = "/cases/{case}/refuse", operation_id = "refuse_case", tag = "cases",
    params(
        ("case" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = CaseDecided))
)]
pub(super) async fn refuse(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    decide(&api, CaseId(id.0), Decision::Refuse, how, write).await
}

async fn decide(
    api: &Api,
    id: CaseId,
    decision: Decision,
    how: ActQuery,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    let (operator, within) = (api.operator(write.actor()), write.within());
    let (rules, at) = (Arc::clone(&api.rules), api.clock.now());
    write
        .once_as_seen(
            api,
            move |db| within.see(db, &Thing::Case(id), |db| sheet(db, &rules.cache, id, at)),
            move |db, now| {
                let mut named = vec![Thing::Case(id)];
                named.extend(cases::subject(db, id)?.and_then(Thing::of_subject));
                if let Some(problem) = within.lacks(db, &named)? {
                    return Ok(Step::Refused(problem));
                }
                let outcomes = match operator.try_decide(db, id, decision, now)? {
                    Attempt::Done(outcomes) => outcomes,
                    Attempt::Refused(reason) => return Ok(Step::Refused(reason.into())),
                    Attempt::Stale => return Ok(Step::Again),
                };
                let done = outcomes.iter().map(|outcome| Acted::of(db, outcome));
                let done = done.collect::<Result<_, _>>()?;
                let case = cases::find(db, id)?;
                let decided = CaseDecided {
                    case: case.ok_or_else(|| StoreError::Corrupt(format!("case {id} is gone")))?,
                    done,
                };
                Ok(Step::Done(decided).kept_unless(how.preview))
            },
        )
        .await
}
