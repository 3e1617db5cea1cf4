//! Orders: a row for each line. A line becomes entitlements in the same transaction.

use std::rc::Rc;

use fleetgrant_core::domain::{OrderState, PartyId, Purpose, SkuId};
use fleetgrant_core::event::{Event, EventKind};

use super::cells::{Cells, Column};
use super::diff::{Changes, Diff, Maybe};
use super::rows::Run;
use super::{Effect, Halt, Reason, Row, fulfilment, lookup, maintains, refuse};
use crate::store::column::{Code, Micros, Octets};
use crate::store::event::{self, Occasion, Stream};
use crate::store::order::{self, Order, OrderLine};
use crate::store::party::Party;
use crate::store::{Db, id};
use crate::when::When;

pub(super) const COLUMNS: &[Column] = &[
    Column::required("system"),
    Column::required("order"),
    Column::optional("revision"),
    Column::required("ordered_at"),
    Column::required("sold_to"),
    Column::optional("ship_to"),
    Column::optional("end_user"),
    Column::required("line"),
    Column::required("sku"),
    Column::required("quantity"),
    Column::optional("value"),
    Column::optional("currency"),
    Column::optional("purpose"),
    Column::optional("starts_at"),
    Column::optional("hold"),
    Column::optional(maintains::COLUMN),
];

const CHANGED: &str = "order-changed";
/// What an order waits for, in its column `hold`.
const PAYMENT: &str = "payment";

#[derive(Debug)]
pub(super) struct OrderRow {
    pub(super) system: String,
    pub(super) reference: String,
    revision: i64,
    pub(super) ordered_at: When,
    pub(super) sold_to: String,
    ship_to: Option<String>,
    pub(super) end_user: String,
    pub(super) line: String,
    pub(super) sku: String,
    pub(super) quantity: i64,
    pub(super) value_e4: Option<i64>,
    pub(super) currency: Option<String>,
    purpose: Purpose,
    starts_at: Option<When>,
    /// Whether it waits for its payment; none if the file does not say.
    pub(super) payment_hold: Option<bool>,
    /// What it maintains, if the file says something of that.
    pub(super) maintains: Option<Option<String>>,
}

/// The parties of an order.
struct Parties {
    sold_to: Rc<Party>,
    ship_to: Option<Rc<Party>>,
    end_user: Rc<Party>,
}

impl Row for OrderRow {
    fn parse(cells: &mut Cells<'_>) -> Option<Self> {
        let system = cells.text("system", 32);
        let reference = cells.text("order", 64);
        let revision = cells.optional_number("revision", 1, i64::from(u32::MAX));
        let ordered_at = cells.when("ordered_at");
        let sold_to = cells.text("sold_to", 64);
        let ship_to = cells.optional("ship_to", 64);
        let end_user = cells.optional("end_user", 64);
        let line = cells.text("line", 32);
        let sku = cells.text("sku", 64);
        let quantity = cells.number("quantity", 0, i64::from(u32::MAX));
        let value = cells.optional("value", 32);
        let currency = cells.optional("currency", 3);
        let purpose = cells.parsed_or("purpose", Purpose::Production);
        let starts_at = cells.optional_when("starts_at");
        let payment_hold = hold(cells);
        let maintains = cells
            .has(maintains::COLUMN)
            .then(|| maintains::parse(cells));
        let value_e4 = value.and_then(|value| amount(cells, &value));
        if value_e4.is_some() != currency.is_some() {
            let reason = Reason::Unfit("a value and a currency go together".to_owned());
            cells.fault("currency", reason);
        }
        if let Some(currency) = currency.as_deref().filter(|c| !is_currency(c)) {
            let reason = Reason::Invalid {
                value: currency.to_owned(),
                expected: "a currency as ISO 4217 writes it, as EUR".to_owned(),
            };
            cells.fault("currency", reason);
        }
        let sold_to = sold_to?;
        Some(Self {
            system: system?,
            reference: reference?,
            revision: revision.unwrap_or(1),
            ordered_at: ordered_at?,
            ship_to,
            end_user: end_user.unwrap_or_else(|| sold_to.clone()),
            sold_to,
            line: line?,
            sku: sku?,
            quantity: quantity?,
            value_e4,
            currency,
            purpose,
            starts_at,
            payment_hold,
            maintains,
        })
    }

    fn apply(self, db: &mut Db, run: &mut Run<'_>) -> Result<Effect, Halt> {
        let parties = Parties {
            sold_to: run
                .known
                .party(db, &self.system, &self.sold_to, "sold_to")?,
            ship_to: match &self.ship_to {
                Some(party) => Some(run.known.party(db, &self.system, party, "ship_to")?),
                None => None,
            },
            end_user: run
                .known
                .party(db, &self.system, &self.end_user, "end_user")?,
        };
        let sku = run.known.sku(db, &self.sku)?;
        let mut changes = Changes::default();
        let (order, of_order) = self.put_order(db, run, &parties, &mut changes)?;
        let (line, of_line) =
            self.put_line(db, run, &order, sku, &parties.end_user, &mut changes)?;
        let (effect, kind) = match (of_order, of_line) {
            (Effect::Unchanged, Effect::Unchanged) => return Ok(Effect::Unchanged),
            (_, Effect::Created) => (Effect::Created, EventKind::OrderCreated),
            _ => (Effect::Amended, EventKind::OrderAmended),
        };
        let happened = Event::new(kind)
            .with("system", self.system.as_str())
            .with("order", self.reference.as_str())
            .with("ordered_at", order.ordered_at.0.seconds())
            .with("line", self.line.as_str())
            .with("order_line", line.id.0.to_string().as_str())
            .with("sku", self.sku.as_str())
            .with("quantity", self.quantity.unsigned_abs())
            .with("revision", self.revision.unsigned_abs())
            .with_some("maintains", line.maintains.as_deref());
        let happened = changes.told(happened);
        event::append(db, Stream::Order(order.id.0), run.occasion(), &[happened])?;
        Ok(effect)
    }
}

impl OrderRow {
    fn put_order(
        &self,
        db: &mut Db,
        run: &Run<'_>,
        parties: &Parties,
        changes: &mut Changes,
    ) -> Result<(Order, Effect), Halt> {
        let zone = lookup::zone_of(Some(&*parties.end_user), run.zone());
        let known = order::by_reference(db, &self.system, &self.reference)?;
        let given = Order {
            id: known
                .as_ref()
                .map_or_else(|| id::fresh(run.now()), |known| known.id),
            system: self.system.clone(),
            reference: self.reference.clone(),
            revision: self.revision,
            ordered_at: Micros(self.ordered_at.at(&zone)),
            sold_to_id: parties.sold_to.id,
            ship_to_id: parties.ship_to.as_ref().map(|party| party.id),
            end_user_id: parties.end_user.id,
            state: Code(
                known
                    .as_ref()
                    .map_or(OrderState::Open, |_| OrderState::Amended),
            ),
            created_at: known
                .as_ref()
                .map_or(Micros(run.now()), |known| known.created_at),
            changed_at: Micros(run.now()),
            payment_hold: self
                .payment_hold
                .unwrap_or_else(|| known.as_ref().is_some_and(|known| known.payment_hold)),
        };
        let Some(known) = known else {
            order::insert(db, &given)?;
            return Ok((given, Effect::Created));
        };
        let diff = self.order_difference(db, &known, &given)?;
        match diff.settle(run.amend(), CHANGED)? {
            None => return Ok((known, Effect::Unchanged)),
            Some(found) => changes.add(found),
        }
        if given.revision < known.revision {
            let reason = Reason::Outdated {
                given: given.revision,
                stored: known.revision,
            };
            return refuse("revision", reason);
        }
        if given.end_user_id != known.end_user_id {
            fulfilment::hand_over(db, run.occasion(), given.id, &parties.end_user)?;
        }
        order::update(db, &given)?;
        if given.payment_hold != known.payment_hold {
            fulfilment::hold(db, run.occasion(), given.id, given.payment_hold)?;
        }
        Ok((given, Effect::Amended))
    }

    fn order_difference(&self, db: &mut Db, known: &Order, given: &Order) -> Result<Diff, Halt> {
        let mut diff = Diff::default();
        diff.field("revision", &known.revision, &given.revision);
        diff.field("ordered_at", &known.ordered_at.0, &given.ordered_at.0);
        let holds = (known.payment_hold, given.payment_hold);
        diff.field("hold", &hold_word(holds.0), &hold_word(holds.1));
        let parties = |order: &Order| {
            [
                ("sold_to", Some(order.sold_to_id)),
                ("ship_to", order.ship_to_id),
                ("end_user", Some(order.end_user_id)),
            ]
        };
        for ((column, stored), (_, row)) in parties(known).into_iter().zip(parties(given)) {
            if stored != row {
                let mut name = |party: Option<Octets<PartyId>>| {
                    lookup::party_name(db, &self.system, party).map(Maybe)
                };
                diff.field(column, &name(stored)?, &name(row)?);
            }
        }
        Ok(diff)
    }

    fn put_line(
        &self,
        db: &mut Db,
        run: &mut Run<'_>,
        order: &Order,
        sku: Octets<SkuId>,
        end_user: &Party,
        changes: &mut Changes,
    ) -> Result<(OrderLine, Effect), Halt> {
        let zone = lookup::zone_of(Some(end_user), run.zone());
        let known = order::line(db, order.id, &self.line)?;
        let given = OrderLine {
            id: known
                .as_ref()
                .map_or_else(|| id::fresh(run.now()), |known| known.id),
            order_id: order.id,
            line: self.line.clone(),
            sku_id: sku,
            quantity: self.quantity,
            value_e4: self.value_e4,
            currency: self.currency.clone(),
            purpose: Code(self.purpose),
            starts_at: self.starts_at.map(|when| Micros(when.at(&zone))),
            state: Code(OrderState::Open),
            created_at: known
                .as_ref()
                .map_or(Micros(run.now()), |known| known.created_at),
            changed_at: Micros(run.now()),
            maintains: match &self.maintains {
                Some(maintains) => maintains.clone(),
                None => known.as_ref().and_then(|known| known.maintains.clone()),
            },
        };
        let Some(known) = known else {
            if given.quantity == 0 {
                let reason = Reason::Unfit("a new line needs a quantity of 1 or more".to_owned());
                return refuse("quantity", reason);
            }
            order::insert_line(db, &given)?;
            let occasion = Occasion {
                at: run.options.now,
                actor: &run.options.actor,
                cause: &run.id.0.0,
            };
            fulfilment::create(db, &mut run.known, occasion, order, &given, end_user)?;
            if given.maintains.is_some() {
                maintains::apply(db, run.occasion(), &self.system, &given, None)?;
            }
            return Ok((given, Effect::Created));
        };
        match line_difference(&known, &given).settle(run.amend(), CHANGED)? {
            None => return Ok((known, Effect::Unchanged)),
            Some(found) => changes.add(found),
        }
        self.amend_line(db, run, &known, given)?;
        Ok((known, Effect::Amended))
    }

    fn amend_line(
        &self,
        db: &mut Db,
        run: &Run<'_>,
        known: &OrderLine,
        given: OrderLine,
    ) -> Result<(), Halt> {
        let mut fixed = Diff::default();
        fixed.field("sku", &known.sku_id.0, &given.sku_id.0);
        fixed.field("purpose", &known.purpose.0, &given.purpose.0);
        fixed.field(
            "starts_at",
            &Maybe(known.starts_at.map(|at| at.0)),
            &Maybe(given.starts_at.map(|at| at.0)),
        );
        fixed.forbid("set the quantity of this line to 0 and add another line")?;
        let given = OrderLine {
            state: Code(order::state_of_line(known.quantity, given.quantity)),
            ..given
        };
        order::update_line(db, &given)?;
        if given.quantity != known.quantity {
            fulfilment::resize(db, run.occasion(), &given)?;
        }
        if given.maintains != known.maintains {
            let before = known.maintains.as_deref();
            maintains::apply(db, run.occasion(), &self.system, &given, before)?;
        }
        Ok(())
    }
}

fn line_difference(known: &OrderLine, given: &OrderLine) -> Diff {
    let value = |line: &OrderLine| Maybe(line.value_e4.map(Amount));
    let mut diff = Diff::default();
    diff.field("sku", &known.sku_id.0, &given.sku_id.0);
    diff.field("quantity", &known.quantity, &given.quantity);
    diff.field("value", &value(known), &value(given));
    diff.field(
        "currency",
        &Maybe(known.currency.as_deref()),
        &Maybe(given.currency.as_deref()),
    );
    diff.field("purpose", &known.purpose.0, &given.purpose.0);
    diff.field(
        "starts_at",
        &Maybe(known.starts_at.map(|at| at.0)),
        &Maybe(given.starts_at.map(|at| at.0)),
    );
    diff.field(
        maintains::COLUMN,
        &Maybe(known.maintains.as_deref()),
        &Maybe(given.maintains.as_deref()),
    );
    diff
}

/// An amount in ten-thousandths.
#[derive(PartialEq, Eq)]
pub(super) struct Amount(pub(super) i64);

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let e4 = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:04}", e4 / 10_000, e4 % 10_000)
    }
}

/// What an order waits for.
pub(super) const fn hold_word(payment_hold: bool) -> &'static str {
    if payment_hold { PAYMENT } else { "none" }
}

/// What the column `hold` says, if the file has it.
fn hold(cells: &mut Cells<'_>) -> Option<bool> {
    if !cells.has("hold") {
        return None;
    }
    match cells.optional("hold", 16).as_deref() {
        None => Some(false),
        Some(PAYMENT) => Some(true),
        Some(other) => {
            let reason = Reason::Invalid {
                value: other.to_owned(),
                expected: "payment, or empty".to_owned(),
            };
            cells.fault("hold", reason);
            None
        }
    }
}

/// Reads a decimal number with at most four places.
fn amount(cells: &mut Cells<'_>, text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let amount = (!whole.is_empty() && places.len() <= 4 && is_number(whole) && is_number(places))
        .then(|| format!("{whole}{places:0<4}").parse::<i64>().ok())
        .flatten();
    if amount.is_none() {
        let reason = Reason::Invalid {
            value: text.to_owned(),
            expected: "an amount with at most four places, as 1250.00".to_owned(),
        };
        cells.fault("value", reason);
    }
    amount.map(|amount| sign * amount)
}

fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}
