//! One customer's whole history: what it bought, got and activated, and what happened.

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::PartyId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::activations::Activation;
use super::devices::Device;
use super::entitlements::Entitlement;
use super::events::Event;
use super::orders::Order;
use super::problem::{Problem, ProblemKind, found};
use super::query::Query;
use super::value::{Id, When};
use super::{Api, word};
use crate::report::customer::{self, Customer, Most, ShipmentRow};
use crate::store::party;

/// What one answer has at most; the lists have all.
const MOST: Most = Most {
    rows: 1_000,
    events: 10_000,
};

/// Which customer.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CustomerQuery {
    /// The customer: the party's id.
    #[param(inline)]
    party: Id,
}

/// All that the ledger says of a customer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct CustomerHistory {
    /// What it paid or uses, in the order of import.
    pub(crate) orders: Vec<Order>,
    /// What left the house for those orders, the oldest first.
    pub(crate) shipments: Vec<Shipment>,
    /// What it owns.
    pub(crate) entitlements: Vec<Entitlement>,
    /// The devices it owns.
    pub(crate) devices: Vec<Device>,
    /// Units of its entitlements on devices, whoever owns those.
    pub(crate) activations: Vec<Activation>,
    /// What happened to all of these, in order.
    pub(crate) events: Vec<Event>,
}

/// What left the house for an order line.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Shipment {
    /// What a system calls it.
    pub(crate) shipment: String,
    /// What that system calls the order.
    pub(crate) order: String,
    /// Which line of it.
    pub(crate) line: String,
    /// Copies.
    pub(crate) quantity: i64,
    pub(crate) shipped_at: When,
    pub(crate) state: word::ShipmentState,
}

impl From<ShipmentRow> for Shipment {
    fn from(row: ShipmentRow) -> Self {
        Self {
            shipment: row.reference,
            order: row.order,
            line: row.line,
            quantity: row.quantity,
            shipped_at: When(row.shipped_at.0),
            state: word::ShipmentState(row.state.0),
        }
    }
}

impl From<Customer> for CustomerHistory {
    fn from(customer: Customer) -> Self {
        Self {
            orders: shown(customer.orders),
            shipments: shown(customer.shipments),
            entitlements: shown(customer.entitlements),
            devices: shown(customer.devices),
            activations: shown(customer.activations),
            events: shown(customer.events),
        }
    }
}

fn shown<R, T: From<R>>(rows: Vec<R>) -> Vec<T> {
    rows.into_iter().map(T::from).collect()
}

/// Tell one customer's whole history: what it bought, got and activated, and what happened
///
/// Of a customer with more than a thousand orders, entitlements, devices or activations, or more than ten
/// thousand events, the lists tell: `/orders?party=`, `/entitlements?owner=` and so on, and
/// `/history?party=`.
#[utoipa::path(
    get, path = "/reports/customer", operation_id = "report_customer", tag = "reports",
    params(CustomerQuery),
    responses((status = OK, body = CustomerHistory))
)]
pub(super) async fn show(
    State(api): State<Api>,
    Query(query): Query<CustomerQuery>,
) -> Result<Json<CustomerHistory>, Problem> {
    let id = PartyId(query.party.0);
    let Json(told) = super::reports::report(&api, move |db| {
        match party::find(db, crate::store::column::Octets(id))? {
            Some(_) => customer::customer(db, &[id], Some(MOST)).map(Some),
            None => Ok(None),
        }
    })
    .await?;
    let told = found(told, "party", query.party)?;
    told.map(|customer| Json(customer.into())).ok_or_else(|| {
        Problem::new(
            ProblemKind::Refused,
            "it is too much for one answer: read /orders?party=, /entitlements?owner=, \
             /devices?owner=, /activations?owner= and /history?party= page by page",
        )
    })
}
