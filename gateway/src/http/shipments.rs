//! What left the house, and the devices in it.

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::{OrderId, PartyId, ProductLineId, ShipmentId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::page::{List, Page, PageParams};
use super::problem::{Problem, found};
use super::query::Named;
use super::value::{Id, When};
use super::{Api, word};
use crate::store::listing::{self, ShipmentFilter, ShipmentRow, ShipmentSort};
use crate::store::{Db, StoreError};

/// Which shipments.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ShipmentQuery {
    /// Those that some system calls so.
    reference: Option<String>,
    /// Those of lines of this order: its id.
    #[param(inline)]
    order: Option<Id>,
    /// Those of orders that this party pays or uses: its id.
    #[param(inline)]
    party: Option<Id>,
    /// Those in this state.
    #[param(inline)]
    state: Option<word::ShipmentState>,
    /// Not those that left before this.
    #[param(inline)]
    since: Option<When>,
    /// Only those that left before this.
    #[param(inline)]
    until: Option<When>,
}

/// What of one order line left the house at once. A delivery of several lines is several of these, of
/// one reference.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Shipment {
    pub(crate) id: Id,
    /// The system that made it.
    pub(crate) system: String,
    /// What that system calls it.
    pub(crate) reference: String,
    pub(crate) order: OrderRef,
    /// What its system calls the line of the order.
    pub(crate) line: String,
    /// The part number that was bought.
    pub(crate) sku: String,
    /// Copies.
    pub(crate) quantity: i64,
    pub(crate) shipped_at: When,
    pub(crate) state: word::ShipmentState,
    pub(crate) changed_at: When,
}

/// An order that something belongs to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct OrderRef {
    pub(crate) id: Id,
    /// What its system calls it.
    pub(crate) reference: String,
}

/// A shipment, and the devices in it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ShipmentSheet {
    #[serde(flatten)]
    pub(crate) shipment: Shipment,
    /// By serial number.
    pub(crate) devices: Vec<ShippedDevice>,
}

/// A device in a shipment.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ShippedDevice {
    /// As the shipment names it.
    pub(crate) serial: String,
    /// Its id.
    pub(crate) device: String,
}

impl From<ShipmentRow> for Shipment {
    fn from(row: ShipmentRow) -> Self {
        Self {
            id: Id(row.id.0.0),
            system: row.system,
            reference: row.reference,
            order: OrderRef {
                id: Id(row.order_id.0.0),
                reference: row.order,
            },
            line: row.line,
            sku: row.sku,
            quantity: row.quantity,
            shipped_at: When(row.shipped_at.0),
            state: word::ShipmentState(row.state.0),
            changed_at: When(row.changed_at.0),
        }
    }
}

/// List shipments, in the order in which they left
#[utoipa::path(
    get, path = "/shipments", operation_id = "list_shipments", tag = "orders",
    params(ShipmentQuery, PageParams::<ShipmentSort>),
    responses((status = OK, body = Page<Shipment>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    list: List<ShipmentQuery, ShipmentSort>,
) -> Result<Json<Page<Shipment>>, Problem> {
    let query = list.filter.clone();
    let filter = ShipmentFilter {
        id: None,
        reference: query.reference,
        order: query.order.map(|id| OrderId(id.0)),
        parties: caller.owners(query.party.map(|id| PartyId(id.0))),
        state: query.state.map(|word| word.0),
        since: query.since.map(|at| at.0),
        until: query.until.map(|at| at.0),
        within: caller.within().line(),
        part: list.part.clone(),
    };
    filter.check()?;
    let limit = list.rows_to_read();
    let rows = api
        .read(move |db| listing::shipments(db, &filter, limit))
        .await?;
    Ok(Json(list.page(rows)))
}

/// Show a shipment with the devices in it
#[utoipa::path(
    get, path = "/shipments/{shipment}", operation_id = "show_shipment", tag = "orders",
    params(("shipment" = inline(Id), Path, description = "Its id")),
    responses((status = OK, body = ShipmentSheet))
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<Id>,
) -> Result<Json<ShipmentSheet>, Problem> {
    let (id, owners, within) = (
        ShipmentId(id.0),
        caller.owners(None),
        caller.within().line(),
    );
    let answer = api.read(move |db| sheet(db, id, owners, within)).await?;
    found(answer, "shipment", id).map(Json)
}

/// The shipment of this id, if it is there for these parties and for this product line; none: for
/// everybody, and of all.
pub(crate) fn sheet(
    db: &mut Db,
    id: ShipmentId,
    parties: Option<Vec<PartyId>>,
    within: Option<ProductLineId>,
) -> Result<Option<ShipmentSheet>, StoreError> {
    let filter = ShipmentFilter {
        id: Some(id),
        parties,
        within,
        ..ShipmentFilter::default()
    };
    let Some(row) = listing::shipments(db, &filter, 1)?.pop() else {
        return Ok(None);
    };
    let devices = listing::shipped_devices(db, id, within)?.into_iter();
    Ok(Some(ShipmentSheet {
        shipment: row.into(),
        devices: devices
            .map(|(serial, device)| ShippedDevice { serial, device })
            .collect(),
    }))
}
