//! Orders and their lines, and what became of them.

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::{OrderId, PartyId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::etag::Tagged;
use super::page::{List, Page, PageParams};
use super::parties::PartyRef;
use super::problem::{Problem, found};
use super::query::Named;
use super::value::{Id, When};
use super::within::Thing;
use super::{Api, word};
use crate::store::listing::{self, OrderFilter, OrderLineRow, OrderRow, OrderSort, Progress};
use crate::store::{Db, StoreError, order};

/// Which orders.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OrderQuery {
    /// Those of this system.
    system: Option<String>,
    /// Those that some system calls so.
    reference: Option<String>,
    /// Those in this state.
    #[param(inline)]
    state: Option<word::OrderState>,
    /// Those that this party pays or uses: its id.
    #[param(inline)]
    party: Option<Id>,
}

/// An order.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Order {
    pub(crate) id: Id,
    /// The system that made it.
    pub(crate) system: String,
    /// What that system calls it.
    pub(crate) reference: String,
    /// Its revision there.
    pub(crate) revision: i64,
    pub(crate) ordered_at: When,
    /// Who pays.
    pub(crate) sold_to: PartyRef,
    /// Who uses.
    pub(crate) end_user: PartyRef,
    pub(crate) state: word::OrderState,
    /// Nothing new is activated of it before it is paid for.
    pub(crate) payment_hold: bool,
    pub(crate) changed_at: When,
}

/// An order and its lines.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct OrderSheet {
    #[serde(flatten)]
    pub(crate) order: Order,
    pub(crate) lines: Vec<OrderLine>,
}

/// A line of an order, and what became of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct OrderLine {
    pub(crate) id: Id,
    /// What the system calls it.
    pub(crate) line: String,
    /// The part number that was bought.
    pub(crate) sku: String,
    /// Copies.
    pub(crate) quantity: i64,
    /// In the currency, as a decimal number; null for a party that does not pay it.
    pub(crate) value: Option<String>,
    /// ISO 4217.
    pub(crate) currency: Option<String>,
    pub(crate) state: word::OrderState,
    /// Copies that were shipped and did not come back.
    pub(crate) shipped: i64,
    /// Units of its entitlements; null if one of them is unlimited.
    pub(crate) units: Option<i64>,
    /// Units that activations hold.
    pub(crate) in_use: i64,
    /// Units credited while in use.
    pub(crate) pending_credit: i64,
    /// Units that devices have signed for.
    pub(crate) activated: i64,
    /// Of maintenance: references of what it maintains, as the order names them.
    pub(crate) maintains: Vec<String>,
}

impl From<OrderRow> for Order {
    fn from(row: OrderRow) -> Self {
        Self {
            id: Id(row.id.0.0),
            system: row.system,
            reference: row.reference,
            revision: row.revision,
            ordered_at: When(row.ordered_at.0),
            sold_to: PartyRef::new(row.sold_to_id.0, row.sold_to),
            end_user: PartyRef::new(row.end_user_id.0, row.end_user),
            state: word::OrderState(row.state.0),
            payment_hold: row.payment_hold,
            changed_at: When(row.changed_at.0),
        }
    }
}

impl From<(OrderLineRow, Progress)> for OrderLine {
    fn from((row, progress): (OrderLineRow, Progress)) -> Self {
        let maintains = row.maintains.as_deref().unwrap_or_default();
        let maintains = order::references(maintains).map(str::to_owned).collect();
        Self {
            id: Id(row.id.0.0),
            line: row.line,
            sku: row.sku,
            quantity: row.quantity,
            value: row.value_e4.map(listing::decimal),
            currency: row.currency,
            state: word::OrderState(row.state.0),
            shipped: progress.shipped,
            units: progress.units,
            in_use: progress.in_use,
            pending_credit: progress.pending_credit,
            activated: progress.activated,
            maintains,
        }
    }
}

impl OrderLine {
    fn without_price(self) -> Self {
        Self {
            value: None,
            currency: None,
            ..self
        }
    }
}

/// List orders, in the order of their import
#[utoipa::path(
    get, path = "/orders", operation_id = "list_orders", tag = "orders",
    params(OrderQuery, PageParams::<OrderSort>),
    responses((status = OK, body = Page<Order>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    list: List<OrderQuery, OrderSort>,
) -> Result<Json<Page<Order>>, Problem> {
    let query = list.filter.clone();
    let filter = OrderFilter {
        id: None,
        reference: query.reference,
        system: query.system,
        state: query.state.map(|word| word.0),
        parties: caller.owners(query.party.map(|id| PartyId(id.0))),
        within: caller.within().line(),
        part: list.part.clone(),
    };
    filter.check()?;
    let limit = list.rows_to_read();
    let rows = api
        .read(move |db| listing::orders(db, &filter, limit))
        .await?;
    Ok(Json(list.page(rows)))
}

/// Show an order with its lines
#[utoipa::path(
    get, path = "/orders/{order}", operation_id = "show_order", tag = "orders",
    params(("order" = inline(Id), Path, description = "Its id")),
    responses((status = OK, body = OrderSheet))
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<Id>,
) -> Result<Tagged<OrderSheet>, Problem> {
    let (id, own, within) = (OrderId(id.0), caller.grant.party(), caller.within());
    let read = move |db: &mut Db| within.see(db, &Thing::Order(id), |db| sheet(db, id, own));
    let answer = api.read(read).await?;
    found(answer, "order", id).map(Tagged)
}

/// The order of this id, as a party sees it that pays or uses it; none: as the maker does.
pub(super) fn sheet(
    db: &mut Db,
    id: OrderId,
    own: Option<PartyId>,
) -> Result<Option<OrderSheet>, StoreError> {
    let filter = OrderFilter {
        id: Some(id),
        parties: own.map(|party| vec![party]),
        ..OrderFilter::default()
    };
    let Some(row) = listing::orders(db, &filter, 1)?.pop() else {
        return Ok(None);
    };
    // What a partner pays is not for the customer it sells to.
    let sees_prices = own.is_none_or(|party| party == row.sold_to_id.0);
    let lines = listing::order_lines(db, id)?.into_iter();
    let lines = lines.map(OrderLine::from);
    Ok(Some(OrderSheet {
        order: row.into(),
        lines: if sees_prices {
            lines.collect()
        } else {
            lines.map(OrderLine::without_price).collect()
        },
    }))
}
