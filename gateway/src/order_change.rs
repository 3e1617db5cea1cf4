//! Changes of an order that come as a command: the same that an import of the amended order does.

use fleetgrant_core::domain::{EntitlementState, OrderId, OrderState, Timestamp};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::lifecycle::EntitlementAct;

use crate::import::{Halt, fulfilment};
use crate::operator::{ActError, Attempt, Effects, Operator};
use crate::store::column::{Code, Micros};
use crate::store::entitlement::{self, Entitlement};
use crate::store::event::{self, Occasion, Stream};
use crate::store::order::{self, Order, OrderLine};
use crate::store::{Db, StoreError};

/// A change of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderAct {
    /// A line has so many copies now: more, fewer (a credit), or none.
    Amend {
        /// Which line.
        line: String,
        /// Copies.
        quantity: u32,
    },
    /// Nothing of it is sold any more.
    Cancel {
        /// Which line; all of them, if it is not said.
        line: Option<String>,
        /// What is in use is taken back; or else it stays until it is returned.
        revoke: bool,
    },
    /// It waits for its payment: nothing new is activated.
    Hold,
    /// It is paid for.
    Release,
}

/// What a change of an order came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderChange {
    /// The order.
    pub id: OrderId,
    /// What its system calls it.
    pub reference: String,
    /// Whether anything changed.
    pub changed: bool,
    /// The entitlements that the change is about, as they are now.
    pub entitlements: Vec<LineChange>,
    /// Devices that get another set for it.
    pub devices: usize,
}

/// What became of an entitlement of an order line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineChange {
    /// The line.
    pub line: String,
    /// Its copies.
    pub quantity: i64,
    /// What its system calls the entitlement.
    pub entitlement: String,
    /// Where it stands.
    pub state: EntitlementState,
    /// Units it has.
    pub units: i64,
    /// Units that are in use.
    pub in_use: i64,
    /// Units credited while in use, which the next returns go to.
    pub pending_credit: i64,
}

/// Why an order was not changed.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// There is no such order.
    #[error("there is no order {0}: list them with `fleetgrant orders list`")]
    Unknown(OrderId),
    /// It has no such line.
    #[error("{order} has no line {line:?}: `fleetgrant orders show {order}` lists them")]
    UnknownLine {
        /// The order.
        order: String,
        /// The line.
        line: String,
    },
    /// It cannot be done.
    #[error("{0}")]
    Refused(String),
    /// It could not be done.
    #[error(transparent)]
    Act(#[from] ActError),
}

type Tried = Attempt<OrderChange, OrderError>;

impl Operator {
    /// Does it, or only finds out what it would come to; a refusal leaves nothing behind.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn change_order(
        &self,
        id: OrderId,
        act: OrderAct,
        effects: Effects,
    ) -> Result<OrderChange, OrderError> {
        self.until_still("order-change", effects, move |operator, db, now| {
            operator.attempt_order(db, id, &act, now)
        })
        .await
    }

    /// One try, within a transaction that the caller ends.
    ///
    /// # Errors
    /// The database failed.
    pub fn attempt_order(
        &self,
        db: &mut Db,
        id: OrderId,
        act: &OrderAct,
        now: Timestamp,
    ) -> Result<Tried, StoreError> {
        let occasion = Occasion {
            at: now,
            actor: &self.actor,
            cause: &[],
        };
        match change(db, id, act, occasion) {
            Ok(change) => Ok(Tried::Done(change)),
            Err(Stopped::Refused(reason)) => Ok(Tried::Refused(reason)),
            Err(Stopped::Store(StoreError::Busy)) => Ok(Tried::Stale),
            Err(Stopped::Store(error)) => Err(error),
        }
    }
}

/// Why a change was not made.
enum Stopped {
    Refused(OrderError),
    Store(StoreError),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Halt> for Stopped {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Refused { column, reason } => {
                Self::Refused(OrderError::Refused(format!("{column} {reason}")))
            }
            Halt::Store(error) => Self::Store(error),
        }
    }
}

fn change(
    db: &mut Db,
    id: OrderId,
    act: &OrderAct,
    occasion: Occasion<'_>,
) -> Result<OrderChange, Stopped> {
    let Some(order) = order::find(db, id)? else {
        return Err(Stopped::Refused(OrderError::Unknown(id)));
    };
    let lines = order::lines(db, order.id)?;
    let named = |line: &str| {
        let named = lines.iter().find(|other| other.line == line).cloned();
        named.ok_or_else(|| {
            Stopped::Refused(OrderError::UnknownLine {
                order: order.reference.clone(),
                line: line.to_owned(),
            })
        })
    };
    let mut change = OrderChange {
        id,
        reference: order.reference.clone(),
        changed: false,
        entitlements: Vec::new(),
        devices: 0,
    };
    match act {
        OrderAct::Amend { line, quantity } => {
            let line = named(line)?;
            change.set_quantity(db, occasion, &order, &line, (*quantity).into())?;
        }
        OrderAct::Cancel { line, revoke } => {
            let cancelled = match line {
                Some(line) => vec![named(line)?],
                None => lines,
            };
            for line in &cancelled {
                change.set_quantity(db, occasion, &order, line, 0)?;
                if *revoke {
                    change.revoke(db, occasion, line)?;
                }
            }
        }
        OrderAct::Hold => change.set_hold(db, occasion, &order, &lines, true)?,
        OrderAct::Release => change.set_hold(db, occasion, &order, &lines, false)?,
    }
    if change.changed {
        settle_order(db, occasion, &order, act)?;
    }
    Ok(change)
}

impl OrderChange {
    fn set_quantity(
        &mut self,
        db: &mut Db,
        occasion: Occasion<'_>,
        order: &Order,
        known: &OrderLine,
        quantity: i64,
    ) -> Result<(), Stopped> {
        if known.quantity == quantity {
            return self.show(db, known);
        }
        let line = OrderLine {
            quantity,
            state: Code(order::state_of_line(known.quantity, quantity)),
            changed_at: Micros(occasion.at),
            ..known.clone()
        };
        order::update_line(db, &line)?;
        fulfilment::resize(db, occasion, &line)?;
        let told = Event::new(EventKind::OrderAmended)
            .with("order", order.reference.as_str())
            .with("line", line.line.as_str())
            .with("order_line", line.id.0.to_string().as_str())
            .with("quantity-before", known.quantity.unsigned_abs())
            .with("quantity", quantity.unsigned_abs())
            .with("state", line.state.0.as_str());
        event::append(db, Stream::Order(order.id.0), occasion, &[told])?;
        self.changed = true;
        self.show(db, &line)
    }

    fn revoke(
        &mut self,
        db: &mut Db,
        occasion: Occasion<'_>,
        line: &OrderLine,
    ) -> Result<(), Stopped> {
        for entitlement in entitlement::of_order_line(db, line.id)? {
            let is_over = entitlement.state.0 == EntitlementState::Closed;
            if is_over && entitlement.live_units == 0 {
                continue;
            }
            let act = EntitlementAct::Revoke { at: occasion.at };
            let done = fulfilment::act(db, occasion, &entitlement, act)?;
            self.changed |= done.changed;
            self.devices += done.devices;
        }
        self.entitlements.retain(|shown| shown.line != line.line);
        self.show(db, line)
    }

    fn set_hold(
        &mut self,
        db: &mut Db,
        occasion: Occasion<'_>,
        order: &Order,
        lines: &[OrderLine],
        held: bool,
    ) -> Result<(), Stopped> {
        if order.payment_hold != held {
            self.devices = fulfilment::hold(db, occasion, order.id, held)?;
            self.changed = true;
        }
        for line in lines {
            self.show(db, line)?;
        }
        Ok(())
    }

    fn show(&mut self, db: &mut Db, line: &OrderLine) -> Result<(), Stopped> {
        let of_line = entitlement::of_order_line(db, line.id)?;
        let shown = of_line.into_iter().map(|entitlement| {
            let Entitlement {
                reference,
                state,
                units,
                live_units,
                pending_credit,
                ..
            } = entitlement;
            LineChange {
                line: line.line.clone(),
                quantity: line.quantity,
                entitlement: reference,
                state: state.0,
                units,
                in_use: live_units,
                pending_credit,
            }
        });
        self.entitlements.extend(shown);
        Ok(())
    }
}

/// Writes where the order stands, since its lines have changed.
fn settle_order(
    db: &mut Db,
    occasion: Occasion<'_>,
    order: &Order,
    act: &OrderAct,
) -> Result<(), StoreError> {
    let lines = order::lines(db, order.id)?;
    let state = if lines.iter().all(|line| line.quantity == 0) {
        OrderState::Cancelled
    } else if lines
        .iter()
        .any(|line| line.state.0 == OrderState::Credited)
    {
        OrderState::Credited
    } else {
        OrderState::Amended
    };
    let payment_hold = match act {
        OrderAct::Hold => true,
        OrderAct::Release => false,
        OrderAct::Amend { .. } | OrderAct::Cancel { .. } => order.payment_hold,
    };
    let is_hold = payment_hold != order.payment_hold;
    let changed = Order {
        state: if is_hold { order.state } else { Code(state) },
        payment_hold,
        changed_at: Micros(occasion.at),
        ..order.clone()
    };
    order::update(db, &changed)?;
    if is_hold {
        let kind = if payment_hold {
            EventKind::OrderHeld
        } else {
            EventKind::OrderReleased
        };
        let told = Event::new(kind).with("order", order.reference.as_str());
        event::append(db, Stream::Order(order.id.0), occasion, &[told])?;
    }
    Ok(())
}
