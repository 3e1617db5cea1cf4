//! What left the house, and the devices in it.

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use fleetgrant_core::domain::{
    OrderId, PartyId, ProductLineId, ShipmentId, ShipmentState, Timestamp,
};

use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::listing::part::{Part, Place, Placed, Unsortable, sorts};
use crate::store::listing::small;
use crate::store::schema::{
    devices, order_lines, orders, products, shipment_serials, shipments, sku_contents, skus,
};

diesel::alias!(order_lines as shipped_lines: ShippedLines);

/// Which shipments.
#[derive(Clone, Debug, Default)]
pub struct ShipmentFilter {
    /// This one.
    pub id: Option<ShipmentId>,
    /// Those that some system calls so.
    pub reference: Option<String>,
    /// Those of lines of this order.
    pub order: Option<OrderId>,
    /// Those of orders that these parties pay or use.
    pub parties: Option<Vec<PartyId>>,
    /// Those in this state.
    pub state: Option<ShipmentState>,
    /// Not those that left before.
    pub since: Option<Timestamp>,
    /// Only those that left before this.
    pub until: Option<Timestamp>,
    /// Those of orders of products of this product line and of no other, which is all that the caller
    /// sees.
    pub within: Option<ProductLineId>,
    /// In which order, and which part.
    pub part: Part<ShipmentSort>,
}

sorts!(
    /// What shipments can be ordered by.
    pub ShipmentSort {
        ShippedAt = "shipped_at" [Number "shipments.shipped_at", Octets "shipments.id"],
        Id = "id" [Octets "shipments.id"],
        Reference = "reference" [Text "shipments.reference", Octets "shipments.id"],
    }
);

impl ShipmentFilter {
    /// Whether it is of one thing or of one party.
    const fn is_of_few(&self) -> bool {
        self.id.is_some()
            || self.reference.is_some()
            || self.order.is_some()
            || self.parties.is_some()
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
            ("since", self.since.is_some()),
            ("until", self.until.is_some()),
        ])
    }
}

/// A shipment of one order line.
#[derive(Clone, Debug, Queryable)]
pub struct ShipmentRow {
    /// Its id.
    pub id: Octets<ShipmentId>,
    /// The system that made it.
    pub system: String,
    /// What that system calls it, and other lines of the same delivery.
    pub reference: String,
    /// The id of the order.
    pub order_id: Octets<OrderId>,
    /// What its system calls the order.
    pub order: String,
    /// What that system calls the line.
    pub line: String,
    /// The part number that was bought.
    pub sku: String,
    /// Copies.
    pub quantity: i64,
    /// When it left.
    pub shipped_at: Micros,
    /// Where it stands.
    pub state: Code<ShipmentState>,
    /// When it last changed here.
    pub changed_at: Micros,
}

/// Up to `limit` shipments.
pub fn shipments(
    db: &mut Db,
    filter: &ShipmentFilter,
    limit: i64,
) -> Result<Vec<ShipmentRow>, StoreError> {
    let few = match filter.is_of_few() {
        true => None,
        false => small::orders(db, filter.within)?,
    };
    Ok(on!(db, c => {
        let mut query = shipments::table
            .inner_join(
                shipped_lines
                    .on(shipped_lines.field(order_lines::id).eq(shipments::order_line_id)),
            )
            .inner_join(orders::table.on(orders::id.eq(shipped_lines.field(order_lines::order_id))))
            .inner_join(skus::table.on(skus::id.eq(shipped_lines.field(order_lines::sku_id))))
            .select((
                shipments::id,
                shipments::system,
                shipments::reference,
                orders::id,
                orders::reference,
                shipped_lines.field(order_lines::line),
                skus::part_number,
                shipments::quantity,
                shipments::shipped_at,
                shipments::state,
                shipments::changed_at,
            ))
            .limit(limit)
            .into_boxed()
            .order(filter.part.order());
        if let Some(id) = filter.id {
            query = query.filter(shipments::id.eq(Octets(id)));
        }
        if let Some(reference) = &filter.reference {
            query = query.filter(shipments::reference.eq(reference));
        }
        if let Some(order) = filter.order {
            query = query.filter(orders::id.eq(Octets(order)));
        }
        if let Some(parties) = &filter.parties {
            let parties: Vec<_> = parties.iter().copied().map(Octets).collect();
            query = query.filter(
                orders::sold_to_id
                    .eq_any(parties.clone())
                    .or(orders::end_user_id.eq_any(parties)),
            );
        }
        if let Some(state) = filter.state {
            query = query.filter(shipments::state.eq(Code(state)));
        }
        if let Some(since) = filter.since {
            query = query.filter(shipments::shipped_at.ge(Micros(since)));
        }
        if let Some(until) = filter.until {
            query = query.filter(shipments::shipped_at.lt(Micros(until)));
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

/// The serial numbers of a shipment and their devices, by serial number; of devices of a product line, if
/// one is given.
pub fn shipped_devices(
    db: &mut Db,
    shipment: ShipmentId,
    within: Option<ProductLineId>,
) -> Result<Vec<(String, String)>, StoreError> {
    Ok(on!(db, c => {
        let mut query = shipment_serials::table
            .inner_join(devices::table)
            .filter(shipment_serials::shipment_id.eq(Octets(shipment)))
            .order((shipment_serials::serial, shipment_serials::device_id))
            .select((shipment_serials::serial, shipment_serials::device_id))
            .into_boxed();
        if let Some(line) = within {
            query = query.filter(devices::product_line_id.eq(Octets(line)));
        }
        query.load(c)
    })?)
}

impl Placed for ShipmentRow {
    type By = ShipmentSort;

    fn place(&self, by: ShipmentSort) -> Place {
        match by {
            ShipmentSort::ShippedAt => [self.shipped_at.into(), self.id.into()].into(),
            ShipmentSort::Id => [self.id.into()].into(),
            ShipmentSort::Reference => [(&self.reference).into(), self.id.into()].into(),
        }
    }
}
