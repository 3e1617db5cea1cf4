//! Cases: what devices want and do not have yet, for somebody to follow up.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::CaseId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::case_facts::{CaseSheet, sheet};
use super::etag::Tagged;
use super::page::{List, Page, PageParams};
use super::problem::{Problem, found};
use super::query::{self, Named};
use super::value::{Id, When};
use super::within::Thing;
use super::{Api, word};
use crate::store::case::{Case as Row, Subject};
use crate::store::listing::{self, CaseFilter, CaseSort};
use crate::store::{Db, StoreError};

/// Which cases.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CaseQuery {
    /// Those of this device.
    #[param(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    device: Option<String>,
    /// Those in this state.
    #[param(inline)]
    state: Option<word::CaseState>,
    /// Those that wait for this.
    #[param(inline)]
    step: Option<word::CaseStep>,
}

/// What a device wants and does not have yet.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Case {
    pub(crate) id: Id,
    /// Who wants.
    pub(crate) device: String,
    /// What: a feature, of which `temporary/` asks for a stop-gap and `return/` gives back; `code/` and
    /// the code's id; nothing for what is bound to the device. What somebody asked for in its place is
    /// `write-off/`, that it is declared dead; `temporary-license/` and an entitlement's id; or `outage/`
    /// and the id of the device that is to stand in for it.
    pub(crate) want: String,
    /// How much of it, in total.
    pub(crate) total: Option<i64>,
    /// What it waits for.
    pub(crate) step: word::CaseStep,
    pub(crate) state: word::CaseState,
    /// The rule that denied it last.
    pub(crate) denied_by: Option<word::Rule>,
    /// What would lift the denial.
    pub(crate) remedy: Option<String>,
    /// Who asked: `device`, or whoever did in its place.
    pub(crate) requested_by: String,
    /// Who approved or refused it.
    pub(crate) decided_by: Option<String>,
    pub(crate) opened_at: When,
    pub(crate) changed_at: When,
    pub(crate) closed_at: Option<When>,
}

impl From<Row> for Case {
    fn from(row: Row) -> Self {
        Self {
            id: Id(row.id.0.0),
            device: row.device_id,
            want: row.want,
            total: row.total,
            step: word::CaseStep(row.step.0),
            state: word::CaseState(row.state.0),
            denied_by: row.rule.map(|rule| word::Rule(rule.0)),
            remedy: row.rule.map(|rule| rule.0.remedy().to_owned()),
            requested_by: row.requested_by,
            decided_by: row.decided_by,
            opened_at: When(row.opened_at.0),
            changed_at: When(row.changed_at.0),
            closed_at: row.closed_at.map(|at| When(at.0)),
        }
    }
}

/// List cases, the oldest first
#[utoipa::path(
    get, path = "/cases", operation_id = "list_cases", tag = "cases",
    params(CaseQuery, PageParams::<CaseSort>),
    responses((status = OK, body = Page<Case>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    list: List<CaseQuery, CaseSort>,
) -> Result<Json<Page<Case>>, Problem> {
    let query = list.filter.clone();
    let filter = CaseFilter {
        id: None,
        device: query::device(query.device.as_deref())?,
        state: query.state.map(|word| word.0),
        step: query.step.map(|word| word.0),
        within: caller.within().line(),
        part: list.part.clone(),
    };
    let limit = list.rows_to_read();
    let rows = api
        .read(move |db| listing::cases(db, &filter, limit))
        .await?;
    Ok(Json(list.page(rows)))
}

/// Show a case, with what whoever decides it looks at
#[utoipa::path(
    get, path = "/cases/{case}", operation_id = "show_case", tag = "cases",
    params(("case" = inline(Id), Path, description = "Its id")),
    responses((status = OK, body = CaseSheet))
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<Id>,
) -> Result<Tagged<CaseSheet>, Problem> {
    let (id, within) = (CaseId(id.0), caller.within());
    let (rules, now) = (Arc::clone(&api.rules), api.clock.now());
    let read =
        move |db: &mut Db| within.see(db, &Thing::Case(id), |db| sheet(db, &rules.cache, id, now));
    let answer = api.read(read).await?;
    found(answer, "case", id).map(Tagged)
}

/// The case of this id.
pub(crate) fn find(db: &mut Db, id: CaseId) -> Result<Option<Case>, StoreError> {
    let filter = CaseFilter {
        id: Some(id),
        ..CaseFilter::default()
    };
    Ok(listing::cases(db, &filter, 1)?.pop().map(Into::into))
}

/// What an approval of the case of this id is about.
pub(super) fn subject(db: &mut Db, id: CaseId) -> Result<Option<Subject>, StoreError> {
    let filter = CaseFilter {
        id: Some(id),
        ..CaseFilter::default()
    };
    let case = listing::cases(db, &filter, 1)?.pop();
    Ok(case.and_then(|case| case.subject()))
}
