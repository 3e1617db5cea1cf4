//! Changes of orders: what an import of the amended order does too.

use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::OrderId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::etag::MatchParams;
use super::problem::{Problem, ProblemKind};
use super::query::{Named, Query};
use super::value::Id;
use super::within::Thing;
use super::write::{ActQuery, Step, Write, WriteParams};
use super::{Api, orders, word};
use crate::operator::Attempt;
use crate::order_change::{LineChange, OrderAct, OrderChange, OrderError};

/// What is to be done.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OrderVerb {
    /// A line has another quantity.
    Amend,
    /// An order, or a line of it, is cancelled.
    Cancel,
    /// It waits for its payment.
    Hold,
    /// It is paid for.
    Release,
}

/// A change of an order.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActOnOrder {
    pub(crate) act: OrderVerb,
    /// The line that is amended or cancelled; an order is cancelled whole, if it is not said.
    #[schema(max_length = 32)]
    pub(crate) line: Option<String>,
    /// Copies that an amended line has from now on.
    pub(crate) quantity: Option<u32>,
    /// Takes back what is in use of what is cancelled.
    #[serde(default)]
    pub(crate) revoke: bool,
    /// Only tells what would be done.
    #[serde(default)]
    pub(crate) preview: bool,
}

/// What came of a change of an order.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct OrderActed {
    pub(crate) order: Id,
    /// Whether anything changed.
    pub(crate) changed: bool,
    /// The entitlements of the lines that it is about, as they are now; after a preview, as they
    /// would be.
    pub(crate) entitlements: Vec<ChangedEntitlement>,
    /// Devices that get another set for it.
    pub(crate) devices: usize,
}

/// An entitlement of an order line.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ChangedEntitlement {
    pub(crate) line: String,
    /// Copies of the line.
    pub(crate) quantity: i64,
    /// What its system calls it.
    pub(crate) reference: String,
    pub(crate) state: word::EntitlementState,
    pub(crate) units: i64,
    /// Units that activations hold.
    pub(crate) in_use: i64,
    /// Units credited while in use.
    pub(crate) pending_credit: i64,
}

/// Amend, cancel, hold or release an order
#[utoipa::path(
    post, path = "/orders/{order}/acts", operation_id = "act_on_order", tag = "orders",
    params(
        ("order" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    request_body = ActOnOrder,
    responses((status = OK, body = OrderActed))
)]
pub(super) async fn act(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: ActOnOrder = write.json()?;
    let preview = how.preview || asked.preview;
    let act = asked.act()?;
    let (operator, within) = (api.operator(write.actor()), write.within());
    let id = OrderId(id.0);
    write
        .once_as_seen(
            &api,
            move |db| within.see(db, &Thing::Order(id), |db| orders::sheet(db, id, None)),
            move |db, now| {
                if let Some(problem) = within.lacks(db, &[Thing::Order(id)])? {
                    return Ok(Step::Refused(problem));
                }
                let step = match operator.attempt_order(db, id, &act, now)? {
                    Attempt::Done(change) => Step::Done(OrderActed::from(change)),
                    Attempt::Refused(reason) => Step::Refused(reason.into()),
                    Attempt::Stale => Step::Again,
                };
                Ok(step.kept_unless(preview))
            },
        )
        .await
}

impl ActOnOrder {
    fn act(self) -> Result<OrderAct, Problem> {
        let refused = |why: &str| Err(Problem::new(ProblemKind::BadBody, why.to_owned()));
        if self.quantity.is_some() && !matches!(self.act, OrderVerb::Amend) {
            return refused("quantity: does not go with this act");
        }
        if self.revoke && !matches!(self.act, OrderVerb::Cancel) {
            return refused("revoke: does not go with this act");
        }
        match (self.act, self.line, self.quantity) {
            (OrderVerb::Amend, Some(line), Some(quantity)) => {
                Ok(OrderAct::Amend { line, quantity })
            }
            (OrderVerb::Amend, ..) => refused("amend needs a line and a quantity"),
            (OrderVerb::Cancel, line, _) => Ok(OrderAct::Cancel {
                line,
                revoke: self.revoke,
            }),
            (OrderVerb::Hold | OrderVerb::Release, Some(_), _) => {
                refused("line: an order is held whole")
            }
            (OrderVerb::Hold, None, _) => Ok(OrderAct::Hold),
            (OrderVerb::Release, None, _) => Ok(OrderAct::Release),
        }
    }
}

impl From<OrderChange> for OrderActed {
    fn from(change: OrderChange) -> Self {
        Self {
            order: Id(change.id.0),
            changed: change.changed,
            entitlements: change.entitlements.into_iter().map(Into::into).collect(),
            devices: change.devices,
        }
    }
}

impl From<LineChange> for ChangedEntitlement {
    fn from(change: LineChange) -> Self {
        Self {
            line: change.line,
            quantity: change.quantity,
            reference: change.entitlement,
            state: word::EntitlementState(change.state),
            units: change.units,
            in_use: change.in_use,
            pending_credit: change.pending_credit,
        }
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Unknown(_) => Self::new(ProblemKind::NotFound, error.to_string()),
            OrderError::UnknownLine { .. } | OrderError::Refused(_) => {
                Self::new(ProblemKind::Refused, error.to_string())
            }
            OrderError::Act(error) => error.into(),
        }
    }
}
