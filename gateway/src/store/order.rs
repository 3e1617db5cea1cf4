//! Orders and their lines, as the ERP has them.

use diesel::prelude::*;
use fleetgrant_core::domain::{OrderId, OrderLineId, OrderState, PartyId, Purpose, SkuId};

use super::column::{Code, Micros, Octets};
use super::schema::{order_lines, orders};
use super::{Db, StoreError};

/// An order.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = orders, treat_none_as_null = true)]
pub struct Order {
    /// Its id.
    pub id: Octets<OrderId>,
    /// The system that made it.
    pub system: String,
    /// What that system calls it.
    pub reference: String,
    /// Grows with every change there.
    pub revision: i64,
    /// The date of the order, not of its import.
    pub ordered_at: Micros,
    /// Who pays.
    pub sold_to_id: Octets<PartyId>,
    /// Who receives.
    pub ship_to_id: Option<Octets<PartyId>>,
    /// Who uses, and so owns what comes of it.
    pub end_user_id: Octets<PartyId>,
    /// Where it stands.
    pub state: Code<OrderState>,
    /// When it was imported.
    pub created_at: Micros,
    /// When it last changed here.
    pub changed_at: Micros,
    /// Nothing new is activated of it before it is paid for.
    pub payment_hold: bool,
}

/// A line of an order.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = order_lines, treat_none_as_null = true)]
pub struct OrderLine {
    /// Its id.
    pub id: Octets<OrderLineId>,
    /// Of which order.
    pub order_id: Octets<OrderId>,
    /// What the system calls it.
    pub line: String,
    /// What was bought.
    pub sku_id: Octets<SkuId>,
    /// How many copies; 0 once it is cancelled.
    pub quantity: i64,
    /// What it cost, in ten-thousandths of the currency.
    pub value_e4: Option<i64>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// What the entitlements are for.
    pub purpose: Code<Purpose>,
    /// Where a fixed term starts, if not at the date of the order.
    pub starts_at: Option<Micros>,
    /// Where it stands.
    pub state: Code<OrderState>,
    /// When it was imported.
    pub created_at: Micros,
    /// When it last changed here.
    pub changed_at: Micros,
    /// Of maintenance: references of what it maintains, separated by semicolons.
    pub maintains: Option<String>,
}

/// Between two references of what a line maintains.
const BETWEEN_REFERENCES: char = ';';

/// The references that a text names which separates them by semicolons, without blanks.
pub fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split(BETWEEN_REFERENCES)
        .map(str::trim)
        .filter(|reference| !reference.is_empty())
}

/// Where a line stands when its quantity changes.
#[must_use]
pub const fn state_of_line(before: i64, after: i64) -> OrderState {
    match after {
        0 => OrderState::Cancelled,
        less if less < before => OrderState::Credited,
        _ => OrderState::Amended,
    }
}

/// The order of this id.
pub fn find(db: &mut Db, id: OrderId) -> Result<Option<Order>, StoreError> {
    Ok(on!(db, c => orders::table
        .find(Octets(id))
        .select(Order::as_select())
        .first(c)
        .optional())?)
}

/// The order that a system calls by this reference.
pub fn by_reference(
    db: &mut Db,
    system: &str,
    reference: &str,
) -> Result<Option<Order>, StoreError> {
    Ok(on!(db, c => orders::table
        .filter(orders::system.eq(system))
        .filter(orders::reference.eq(reference))
        .select(Order::as_select())
        .first(c)
        .optional())?)
}

/// A line of an order.
pub fn line(
    db: &mut Db,
    order: Octets<OrderId>,
    line: &str,
) -> Result<Option<OrderLine>, StoreError> {
    Ok(on!(db, c => order_lines::table
        .filter(order_lines::order_id.eq(order))
        .filter(order_lines::line.eq(line))
        .select(OrderLine::as_select())
        .first(c)
        .optional())?)
}

/// The lines of an order, in their order.
pub fn lines(db: &mut Db, order: Octets<OrderId>) -> Result<Vec<OrderLine>, StoreError> {
    Ok(on!(db, c => order_lines::table
        .filter(order_lines::order_id.eq(order))
        .order(order_lines::line)
        .select(OrderLine::as_select())
        .load(c))?)
}

/// Up to `limit` lines of a system that still sell something, after the line `after`, with the
/// reference of their order.
pub fn lines_of_system(
    db: &mut Db,
    system: &str,
    after: Option<Octets<OrderLineId>>,
    limit: i64,
) -> Result<Vec<(String, OrderLine)>, StoreError> {
    let after = after.unwrap_or(Octets(OrderLineId([0; 16])));
    Ok(on!(db, c => order_lines::table
        .inner_join(orders::table)
        .filter(orders::system.eq(system))
        .filter(order_lines::quantity.gt(0))
        .filter(order_lines::id.gt(after))
        .order(order_lines::id)
        .limit(limit)
        .select((orders::reference, OrderLine::as_select()))
        .load(c))?)
}

/// Adds an order.
pub fn insert(db: &mut Db, order: &Order) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(orders::table).values(order).execute(c))?;
    Ok(())
}

/// Changes an order.
pub fn update(db: &mut Db, order: &Order) -> Result<(), StoreError> {
    on!(db, c => diesel::update(orders::table.find(order.id)).set(order).execute(c))?;
    Ok(())
}

/// Adds a line.
pub fn insert_line(db: &mut Db, line: &OrderLine) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(order_lines::table).values(line).execute(c))?;
    Ok(())
}

/// Changes a line.
pub fn update_line(db: &mut Db, line: &OrderLine) -> Result<(), StoreError> {
    on!(db, c => diesel::update(order_lines::table.find(line.id)).set(line).execute(c))?;
    Ok(())
}

/// What systems call a line: the order's reference, a slash and the line's.
pub fn name_of_line(db: &mut Db, line: Octets<OrderLineId>) -> Result<String, StoreError> {
    let (order, line): (String, String) = on!(db, c => order_lines::table
        .inner_join(orders::table)
        .filter(order_lines::id.eq(line))
        .select((orders::reference, order_lines::line))
        .first(c))?;
    Ok(format!("{order}/{line}"))
}
