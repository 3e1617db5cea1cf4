//! Orders and their lines, and how much of each was activated.

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use fleetgrant_core::domain::{
    ActivationState, OrderId, OrderLineId, OrderState, PartyId, ProductLineId, ShipmentState,
};

use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::listing::part::{Part, Place, Placed, Unsortable, sorts};
use crate::store::listing::small;
use crate::store::schema::{
    activations, entitlements, order_lines, orders, parties, products, shipments, sku_contents,
    skus,
};

diesel::alias!(parties as payers: Payers, parties as users: Users);

/// Which orders.
#[derive(Clone, Debug, Default)]
pub struct OrderFilter {
    /// This one.
    pub id: Option<OrderId>,
    /// Those that some system calls so.
    pub reference: Option<String>,
    /// Those of this system.
    pub system: Option<String>,
    /// Those in this state.
    pub state: Option<OrderState>,
    /// Those that these parties pay or use.
    pub parties: Option<Vec<PartyId>>,
    /// Those of products of this product line and of no other, which is all that the caller sees.
    pub within: Option<ProductLineId>,
    /// In which order, and which part.
    pub part: Part<OrderSort>,
}

sorts!(
    /// What orders can be ordered by.
    pub OrderSort {
        Id = "id" [Octets "orders.id"],
        Reference = "reference" [Text "orders.reference", Octets "orders.id"],
        OrderedAt = "ordered_at" [Number "orders.ordered_at", Octets "orders.id"],
        ChangedAt = "changed_at" [Number "orders.changed_at", Octets "orders.id"],
        State = "state" [Number "orders.state", Octets "orders.id"],
    }
);

impl OrderFilter {
    /// Whether it is of one thing or of one party.
    const fn is_of_few(&self) -> bool {
        self.id.is_some() || self.reference.is_some() || self.parties.is_some()
    }

    /// Whether its rows can come in the order that is asked for.
    ///
    /// # Errors
    /// They would have to be sorted, and may be many.
    pub fn check(&self) -> Result<(), Unsortable> {
        if self.is_of_few() {
            return Ok(());
        }
        self.part.check(&[
            ("state", self.state.is_some()),
            ("system", self.system.is_some()),
        ])
    }
}

/// An order.
#[derive(Clone, Debug, Queryable)]
pub struct OrderRow {
    /// Its id.
    pub id: Octets<OrderId>,
    /// The system that made it.
    pub system: String,
    /// What that system calls it.
    pub reference: String,
    /// Its revision there.
    pub revision: i64,
    /// The date of the order.
    pub ordered_at: Micros,
    /// The id of who pays.
    pub sold_to_id: Octets<PartyId>,
    /// Its name.
    pub sold_to: String,
    /// The id of who uses.
    pub end_user_id: Octets<PartyId>,
    /// Its name.
    pub end_user: String,
    /// Where it stands.
    pub state: Code<OrderState>,
    /// Nothing new is activated of it before it is paid for.
    pub payment_hold: bool,
    /// When it last changed.
    pub changed_at: Micros,
}

/// Up to `limit` orders.
pub fn orders(db: &mut Db, filter: &OrderFilter, limit: i64) -> Result<Vec<OrderRow>, StoreError> {
    let few = match filter.is_of_few() {
        true => None,
        false => small::orders(db, filter.within)?,
    };
    Ok(on!(db, c => {
        let mut query = orders::table
            .inner_join(payers.on(payers.field(parties::id).eq(orders::sold_to_id)))
            .inner_join(users.on(users.field(parties::id).eq(orders::end_user_id)))
            .select((
                orders::id,
                orders::system,
                orders::reference,
                orders::revision,
                orders::ordered_at,
                orders::sold_to_id,
                payers.field(parties::name),
                orders::end_user_id,
                users.field(parties::name),
                orders::state,
                orders::payment_hold,
                orders::changed_at,
            ))
            .limit(limit)
            .into_boxed()
            .order(filter.part.order());
        if let Some(id) = filter.id {
            query = query.filter(orders::id.eq(Octets(id)));
        }
        if let Some(reference) = &filter.reference {
            query = query.filter(orders::reference.eq(reference));
        }
        if let Some(system) = &filter.system {
            query = query.filter(orders::system.eq(system));
        }
        if let Some(state) = filter.state {
            query = query.filter(orders::state.eq(Code(state)));
        }
        if let Some(parties) = &filter.parties {
            let parties: Vec<_> = parties.iter().copied().map(Octets).collect();
            query = query.filter(
                orders::sold_to_id
                    .eq_any(parties.clone())
                    .or(orders::end_user_id.eq_any(parties)),
            );
        }
        if let Some(few) = few {
            query = query.filter(orders::id.eq_any(few));
        }
        if let Some(line) = filter.within {
            let bought = order_lines::table
                .inner_join(sku_contents::table.on(sku_contents::sku_id.eq(order_lines::sku_id)))
                .inner_join(products::table.on(products::id.eq(sku_contents::product_id)))
                .filter(order_lines::order_id.eq(orders::id));
            let of_others = bought.filter(
                products::product_line_id
                    .is_null()
                    .or(products::product_line_id.ne(Octets(line))),
            );
            let own = bought.filter(products::product_line_id.eq(Octets(line)));
            query = query.filter(exists(own)).filter(not(exists(of_others)));
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

impl Placed for OrderRow {
    type By = OrderSort;

    fn place(&self, by: OrderSort) -> Place {
        match by {
            OrderSort::Id => [self.id.into()].into(),
            OrderSort::Reference => [(&self.reference).into(), self.id.into()].into(),
            OrderSort::OrderedAt => [self.ordered_at.into(), self.id.into()].into(),
            OrderSort::ChangedAt => [self.changed_at.into(), self.id.into()].into(),
            OrderSort::State => [self.state.into(), self.id.into()].into(),
        }
    }
}

/// A line of an order.
#[derive(Clone, Debug, Queryable)]
pub struct OrderLineRow {
    /// Its id.
    pub id: Octets<OrderLineId>,
    /// What the system calls it.
    pub line: String,
    /// The part number that was bought.
    pub sku: String,
    /// Copies.
    pub quantity: i64,
    /// Ten-thousandths of the currency.
    pub value_e4: Option<i64>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// Where it stands.
    pub state: Code<OrderState>,
    /// Of maintenance: references of what it maintains, separated by semicolons.
    pub maintains: Option<String>,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Copies that were shipped and did not come back.
    pub shipped: i64,
    /// Units of its entitlements; none if one of them is unlimited.
    pub units: Option<i64>,
    /// Units that activations hold.
    pub in_use: i64,
    /// Units credited while in use.
    pub pending_credit: i64,
    /// Units that devices have signed for.
    pub activated: i64,
}

/// The lines of an order, with what became of each.
pub fn order_lines(
    db: &mut Db,
    order: OrderId,
) -> Result<Vec<(OrderLineRow, Progress)>, StoreError> {
    let lines: Vec<OrderLineRow> = on!(db, c => order_lines::table
        .inner_join(skus::table)
        .filter(order_lines::order_id.eq(Octets(order)))
        .order(order_lines::line)
        .select((
            order_lines::id,
            order_lines::line,
            skus::part_number,
            order_lines::quantity,
            order_lines::value_e4,
            order_lines::currency,
            order_lines::state,
            order_lines::maintains,
        ))
        .load(c))?;
    lines
        .into_iter()
        .map(|line| {
            let progress = progress(db, line.id)?;
            Ok((line, progress))
        })
        .collect()
}

/// Sums are added here: the databases differ in what a SUM of BIGINT is.
fn progress(db: &mut Db, line: Octets<OrderLineId>) -> Result<Progress, StoreError> {
    let shipped: Vec<i64> = on!(db, c => shipments::table
        .filter(shipments::order_line_id.eq(line))
        .filter(shipments::state.eq(Code(ShipmentState::Shipped)))
        .select(shipments::quantity)
        .load(c))?;
    let owned: Vec<(bool, i64, i64, i64)> = on!(db, c => entitlements::table
        .filter(entitlements::order_line_id.eq(line))
        .select((
            entitlements::unlimited,
            entitlements::units,
            entitlements::live_units,
            entitlements::pending_credit,
        ))
        .load(c))?;
    let activated: Vec<i64> = on!(db, c => activations::table
        .inner_join(entitlements::table)
        .filter(entitlements::order_line_id.eq(line))
        .filter(activations::state.eq(Code(ActivationState::Activated)))
        .select(activations::units)
        .load(c))?;
    let unlimited = owned.iter().any(|(unlimited, ..)| *unlimited);
    Ok(Progress {
        shipped: shipped.iter().sum(),
        units: (!unlimited).then(|| owned.iter().map(|(_, units, ..)| units).sum()),
        in_use: owned.iter().map(|(_, _, live, _)| live).sum(),
        pending_credit: owned.iter().map(|(.., pending)| pending).sum(),
        activated: activated.iter().sum(),
    })
}

/// Ten-thousandths, with as many decimals as say something and two at least.
#[must_use]
pub fn decimal(e4: i64) -> String {
    let sign = if e4 < 0 { "-" } else { "" };
    let (whole, fraction) = (e4.unsigned_abs() / 10_000, e4.unsigned_abs() % 10_000);
    let fraction = format!("{fraction:04}");
    let kept = fraction.trim_end_matches('0').len().max(2);
    format!("{sign}{whole}.{}", &fraction[..kept])
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn money_keeps_the_decimals_that_say_something() {
        assert_eq!(decimal(0), "0.00");
        assert_eq!(decimal(12_345_000), "1234.50");
        assert_eq!(decimal(12_345_678), "1234.5678");
        assert_eq!(decimal(-1), "-0.0001");
    }
}
