//! Campaigns, and how they go.

use axum::Json;
use axum::extract::State;
use fleetgrant_core::campaign::Wave as Stands;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::etag::Tagged;
use super::page::{List, Page, PageParams};
use super::problem::{Problem, found};
use super::query::Named;
use super::value::{Id, When};
use super::within::Thing;
use super::{Api, word};
use crate::campaign::{PlanTerms, Selection};
use crate::store::campaign::{
    self, CampaignDevice as DeviceRow, CampaignDeviceSort, CampaignSort, DevicesFilter, Row,
};
use crate::store::{Db, StoreError};

/// Which campaigns.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CampaignQuery {
    /// Those that stand so.
    #[param(inline)]
    state: Option<word::CampaignState>,
}

/// Which devices of a campaign.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CampaignDeviceQuery {
    /// Those that stand so.
    #[param(inline)]
    step: Option<word::DeviceStep>,
}

/// One deed for many devices, in waves.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Campaign {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) state: word::CampaignState,
    /// Why it paused or stopped.
    pub(crate) because: Option<word::Because>,
    /// The entitlement that devices are given units of.
    pub(crate) gives: Option<Id>,
    /// How many each is to have.
    pub(crate) total: Option<i64>,
    /// The entitlement whose rights are taken from them.
    pub(crate) takes: Option<Id>,
    /// The product whose rights are taken from them.
    pub(crate) takes_product: Option<Id>,
    /// The product that what is taken is upgraded to.
    pub(crate) upgrades_to: Option<Id>,
    /// Grows with every change.
    pub(crate) revision: i64,
    pub(crate) created_by: String,
    pub(crate) created_at: When,
    pub(crate) changed_at: When,
    pub(crate) started_at: Option<When>,
    pub(crate) ended_at: Option<When>,
}

/// A campaign, and how it goes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct CampaignSheet {
    #[serde(flatten)]
    pub(crate) campaign: Campaign,
    /// Which devices it is for.
    pub(crate) selection: Selection,
    /// How it goes on.
    pub(crate) plan: PlanTerms,
    /// Its waves, in order.
    pub(crate) waves: Vec<Wave>,
    /// Why devices failed.
    pub(crate) failures: Vec<CampaignFailure>,
    /// How many devices it would be for, as they are now; told when its making is previewed, and never
    /// else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub(crate) would_select: Option<u64>,
}

/// A wave of a campaign, in devices.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Wave {
    pub(crate) state: word::WaveState,
    pub(crate) devices: u64,
    /// Their turn has not come.
    pub(crate) waiting: u64,
    /// Their turn came, and they are not settled.
    pub(crate) open: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

/// Why devices of a campaign failed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct CampaignFailure {
    pub(crate) reason: word::Failing,
    /// The rule that denied it.
    pub(crate) rule: Option<word::Rule>,
    /// What would lift the denial.
    pub(crate) remedy: Option<String>,
    pub(crate) devices: u64,
}

/// A device of a campaign.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct CampaignDevice {
    pub(crate) device: String,
    /// The wave in which its turn came, from 1.
    pub(crate) wave: Option<i16>,
    pub(crate) step: word::DeviceStep,
    /// Why it counts as failed.
    pub(crate) reason: Option<word::Failing>,
    /// The rule that denied it.
    pub(crate) rule: Option<word::Rule>,
    /// When its turn came.
    pub(crate) turn_at: Option<When>,
    pub(crate) changed_at: When,
}

impl From<Row> for Campaign {
    fn from(row: Row) -> Self {
        Self {
            id: Id(row.id.0.0),
            name: row.name,
            state: word::CampaignState(row.state.0),
            because: row.because.map(|because| word::Because(because.0)),
            gives: row.give_id.map(|id| Id(id.0.0)),
            total: row.total,
            takes: row.take_entitlement_id.map(|id| Id(id.0.0)),
            takes_product: row.take_product_id.map(|id| Id(id.0.0)),
            upgrades_to: row.upgrade_to_id.map(|id| Id(id.0.0)),
            revision: row.revision,
            created_by: row.created_by,
            created_at: When(row.created_at.0),
            changed_at: When(row.changed_at.0),
            started_at: row.started_at.map(|at| When(at.0)),
            ended_at: row.ended_at.map(|at| When(at.0)),
        }
    }
}

impl From<&Stands> for Wave {
    fn from(wave: &Stands) -> Self {
        Self {
            state: word::WaveState(wave.state),
            devices: wave.size,
            waiting: wave.undrawn(),
            open: wave.tally.open(),
            succeeded: wave.tally.succeeded,
            failed: wave.tally.failed,
            skipped: wave.tally.skipped,
        }
    }
}

impl From<DeviceRow> for CampaignDevice {
    fn from(row: DeviceRow) -> Self {
        Self {
            device: row.device_id,
            wave: row.wave.map(|wave| wave + 1),
            step: word::DeviceStep(row.step.0),
            reason: row.failing.map(|failing| word::Failing(failing.0)),
            rule: row.rule.map(|rule| word::Rule(rule.0)),
            turn_at: row.drawn_at.map(|at| When(at.0)),
            changed_at: When(row.changed_at.0),
        }
    }
}

/// List campaigns, the oldest first
#[utoipa::path(
    get, path = "/campaigns", operation_id = "list_campaigns", tag = "campaigns",
    params(CampaignQuery, PageParams::<CampaignSort>),
    responses((status = OK, body = Page<Campaign>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    list: List<CampaignQuery, CampaignSort>,
) -> Result<Json<Page<Campaign>>, Problem> {
    let state = list.filter.state.map(|word| word.0);
    let (part, limit) = (list.part.clone(), list.rows_to_read());
    let rows = api
        .read(move |db| {
            let line = caller.product_line.as_deref();
            campaign::list(db, state, line, &part, limit)
        })
        .await?;
    Ok(Json(list.page(rows)))
}

/// Show how a campaign goes: its waves, and why devices failed
#[utoipa::path(
    get, path = "/campaigns/{campaign}", operation_id = "show_campaign", tag = "campaigns",
    params(("campaign" = String, Path, description = "Its name or its id", pattern = "^[A-Za-z0-9._-]{1,64}$")),
    responses((status = OK, body = CampaignSheet))
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Named(called): Named<String>,
) -> Result<Tagged<CampaignSheet>, Problem> {
    let (asked, within) = (called.clone(), caller.within());
    let read = move |db: &mut Db| {
        let thing = Thing::Campaign(asked.clone());
        within.see(db, &thing, |db| sheet(db, &asked))
    };
    let answer = api.read(read).await?;
    found(answer, "campaign", called).map(Tagged)
}

/// List the devices of a campaign, by id
#[utoipa::path(
    get, path = "/campaigns/{campaign}/devices", operation_id = "list_campaign_devices", tag = "campaigns",
    params(
        ("campaign" = String, Path, description = "Its name or its id", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        CampaignDeviceQuery,
        PageParams::<CampaignDeviceSort>,
    ),
    responses((status = OK, body = Page<CampaignDevice>))
)]
pub(super) async fn devices(
    State(api): State<Api>,
    caller: Caller,
    Named(called): Named<String>,
    list: List<CampaignDeviceQuery, CampaignDeviceSort>,
) -> Result<Json<Page<CampaignDevice>>, Problem> {
    let filter = DevicesFilter {
        step: list.filter.step.map(|word| word.0),
        part: list.part.clone(),
    };
    filter.check()?;
    let (asked, within, limit) = (called.clone(), caller.within(), list.rows_to_read());
    let read = move |db: &mut Db| {
        let thing = Thing::Campaign(asked.clone());
        within.see(db, &thing, |db| match campaign::called(db, &asked)? {
            Some(row) => campaign::devices(db, row.id, &filter, limit).map(Some),
            None => Ok(None),
        })
    };
    let answer = api.read(read).await?;
    let rows = found(answer, "campaign", called)?;
    Ok(Json(list.page(rows)))
}

/// The campaign of this name or id, and how it goes.
pub(crate) fn sheet(db: &mut Db, called: &str) -> Result<Option<CampaignSheet>, StoreError> {
    let Some(row) = campaign::called(db, called)? else {
        return Ok(None);
    };
    let waves = campaign::load(db, &row)?.waves;
    let failures = campaign::failures(db, row.id)?.into_iter();
    let failures = failures.map(|(failing, rule, devices)| CampaignFailure {
        reason: word::Failing(failing),
        rule: rule.map(word::Rule),
        remedy: rule.map(|rule| rule.remedy().to_owned()),
        devices,
    });
    Ok(Some(CampaignSheet {
        selection: row.selected()?,
        plan: row.planned()?,
        waves: waves.iter().map(Wave::from).collect(),
        failures: failures.collect(),
        would_select: None,
        campaign: row.into(),
    }))
}
