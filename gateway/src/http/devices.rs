//! Devices: who they are, and how they stand.

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::{DeviceId, KeyThumbprint, PartyId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::etag::Tagged;
use super::page::{List, Page, PageParams};
use super::parties::PartyRef;
use super::problem::{Problem, found};
use super::query::{self, Named};
use super::value::{Id, Thumbprint, When};
use super::within::Thing;
use super::{Api, word};
use crate::store::listing::{self, CredentialRow, DeviceFilter, DeviceRow, DeviceSort};
use crate::store::regrant::{self, Regrant};
use crate::store::waiting_key::{self, WaitingKey};
use crate::store::{Db, StoreError};

/// Which devices.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeviceQuery {
    /// Those in this state.
    #[param(inline)]
    state: Option<word::DeviceState>,
    /// Those of this owner: its id.
    #[param(inline)]
    owner: Option<Id>,
    /// Those of the product line of this name.
    product_line: Option<String>,
    /// The one whose key this is, or was: its thumbprint (RFC 9679), in hex.
    #[param(inline)]
    key: Option<Thumbprint>,
}

/// A device, and how it stands.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Device {
    /// As the topic bears it.
    pub(crate) id: String,
    /// The identity in its certificate.
    pub(crate) serial: String,
    pub(crate) product_line: String,
    pub(crate) state: word::DeviceState,
    /// Why no key speaks for it any more: its board was `replaced`, and it waits for the key of the
    /// new one; or its key was `revoked`, and it waits for a repair. Null: one speaks for it, or none
    /// did yet.
    pub(crate) key_loss: Option<word::KeyLoss>,
    /// The thumbprint of the only key that is taken as its first, or as that of its new board; null:
    /// any that is proven.
    pub(crate) expected_key: Option<String>,
    pub(crate) owner: Option<PartyRef>,
    /// Where people say it is.
    pub(crate) site: Option<String>,
    pub(crate) purpose: word::Purpose,
    pub(crate) storage_class: word::StorageClass,
    /// The firmware it says it runs.
    pub(crate) software: Option<String>,
    pub(crate) software_version: Option<String>,
    /// The generation of the set it should have.
    pub(crate) generation: Option<i64>,
    /// The generation it has signed for.
    pub(crate) acknowledged_generation: Option<i64>,
    /// Whether it gets no new rights, on suspicion of a clone.
    pub(crate) frozen: bool,
    pub(crate) first_contact_at: Option<When>,
    pub(crate) last_contact_at: Option<When>,
    /// When it was admitted.
    pub(crate) admitted_at: Option<When>,
    /// When it was first told of.
    pub(crate) created_at: When,
}

/// A device and its keys.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeviceSheet {
    #[serde(flatten)]
    pub(crate) device: Device,
    /// The latest first.
    pub(crate) keys: Vec<DeviceKey>,
    /// Keys that were shown for it and are no device's, as that of a new board before its repair is
    /// recorded; the latest first.
    pub(crate) waiting_keys: Vec<DeviceWaitingKey>,
    /// What it refused for the build of its firmware, and is given again, since it is maintained for
    /// longer.
    pub(crate) regrants: Vec<DeviceRegrant>,
}

/// A key that was shown for a device and is no device's.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeviceWaitingKey {
    /// Its thumbprint (RFC 9679), in hex.
    pub(crate) thumbprint: String,
    /// When the history last told of it.
    pub(crate) shown_at: When,
}

impl From<WaitingKey> for DeviceWaitingKey {
    fn from(waiting: WaitingKey) -> Self {
        Self {
            thumbprint: waiting.key.to_string(),
            shown_at: When(waiting.shown_at),
        }
    }
}

/// What a device is given again.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeviceRegrant {
    /// The id of the entitlement.
    pub(crate) entitlement: Id,
    /// What its system calls it.
    pub(crate) reference: String,
    /// Times it was denied.
    pub(crate) tries: i64,
    /// The rule that denied it last.
    pub(crate) denied_by: Option<word::Rule>,
    /// What would lift that.
    pub(crate) remedy: Option<String>,
    /// When it is tried next; null: at once, or no more.
    pub(crate) next_try_at: Option<When>,
    /// Whether it was denied so often that it is tried no more.
    pub(crate) given_up: bool,
}

impl From<(Regrant, String)> for DeviceRegrant {
    fn from((regrant, reference): (Regrant, String)) -> Self {
        let rule = regrant.rule.map(|rule| rule.0);
        Self {
            entitlement: Id(regrant.entitlement_id.0.0),
            reference,
            tries: regrant.tries,
            denied_by: rule.map(word::Rule),
            remedy: rule.map(|rule| rule.remedy().to_owned()),
            next_try_at: regrant.due_at.map(|at| When(at.0)),
            given_up: regrant.is_given_up(),
        }
    }
}

/// A key of a device.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeviceKey {
    /// Its thumbprint (RFC 9679), in hex.
    pub(crate) thumbprint: String,
    pub(crate) state: word::CredentialState,
    /// The trust anchor that vouched for it.
    pub(crate) trust_anchor: String,
    /// The end of its certificate.
    pub(crate) certificate_ends_at: When,
    pub(crate) recorded_at: When,
}

impl From<DeviceRow> for Device {
    fn from(row: DeviceRow) -> Self {
        Self {
            id: row.id,
            serial: row.serial,
            product_line: row.product_line,
            state: word::DeviceState(row.state.0),
            key_loss: row.key_loss.map(|loss| word::KeyLoss(loss.0)),
            expected_key: row.expected_key.map(|key| key.0.to_string()),
            owner: PartyRef::of(row.owner_id, row.owner),
            site: row.site,
            purpose: word::Purpose(row.purpose.0),
            storage_class: word::StorageClass(row.storage_class.0),
            software: row.software_name,
            software_version: row.software_version,
            generation: row.generation,
            acknowledged_generation: row.acked_generation,
            frozen: row.frozen.unwrap_or(false),
            first_contact_at: row.first_contact_at.map(|at| When(at.0)),
            last_contact_at: row.last_contact_at.map(|at| When(at.0)),
            admitted_at: row.admitted_at.map(|at| When(at.0)),
            created_at: When(row.created_at.0),
        }
    }
}

impl From<CredentialRow> for DeviceKey {
    fn from(row: CredentialRow) -> Self {
        Self {
            thumbprint: row.key.0.to_string(),
            state: word::CredentialState(row.state.0),
            trust_anchor: row.anchor,
            certificate_ends_at: When(row.not_after.0),
            recorded_at: When(row.created_at.0),
        }
    }
}

/// List devices, by id
#[utoipa::path(
    get, path = "/devices", operation_id = "list_devices", tag = "devices",
    params(DeviceQuery, PageParams::<DeviceSort>),
    responses((status = OK, body = Page<Device>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    list: List<DeviceQuery, DeviceSort>,
) -> Result<Json<Page<Device>>, Problem> {
    let query = list.filter.clone();
    let filter = DeviceFilter {
        id: None,
        state: query.state.map(|word| word.0),
        owners: caller.owners(query.owner.map(|id| PartyId(id.0))),
        product_line: query.product_line,
        key: query.key.map(|key| KeyThumbprint(key.0)),
        within: caller.within().line(),
        part: list.part.clone(),
    };
    filter.check()?;
    let limit = list.rows_to_read();
    let rows = api
        .read(move |db| listing::devices(db, &filter, limit))
        .await?;
    Ok(Json(list.page(rows)))
}

/// Show a device and its keys
#[utoipa::path(
    get, path = "/devices/{device}", operation_id = "show_device", tag = "devices",
    params(("device" = String, Path, description = "Its id, as dev-4711", pattern = "^[A-Za-z0-9._-]{1,64}$")),
    responses((status = OK, body = DeviceSheet))
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Tagged<DeviceSheet>, Problem> {
    let id = query::device_named(&id)?;
    let (asked, owners, within) = (id.clone(), caller.owners(None), caller.within());
    let read = move |db: &mut Db| {
        let thing = Thing::Device(asked.clone());
        within.see(db, &thing, |db| sheet(db, &asked, owners))
    };
    let answer = api.read(read).await?;
    found(answer, "device", id).map(Tagged)
}

/// The device of this id, if one of these owns it; none: anybody.
pub(super) fn sheet(
    db: &mut Db,
    id: &DeviceId,
    owners: Option<Vec<PartyId>>,
) -> Result<Option<DeviceSheet>, StoreError> {
    let filter = DeviceFilter {
        id: Some(id.clone()),
        owners,
        ..DeviceFilter::default()
    };
    let Some(row) = listing::devices(db, &filter, 1)?.pop() else {
        return Ok(None);
    };
    let keys = listing::credentials(db, id)?;
    let waiting_keys = waiting_key::of_device(db, id)?;
    let regrants = regrant::awaited(db, id)?;
    Ok(Some(DeviceSheet {
        device: row.into(),
        keys: keys.into_iter().map(DeviceKey::from).collect(),
        waiting_keys: waiting_keys.into_iter().map(Into::into).collect(),
        regrants: regrants.into_iter().map(DeviceRegrant::from).collect(),
    }))
}
