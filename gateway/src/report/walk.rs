//! A walk over entitlements or devices, a portion at a time, so that no report holds more of the
//! ledger than that.

use diesel::prelude::*;
use fleetgrant_core::domain::{EntitlementId, ProductId, ProductLineId};

use crate::store::column::Octets;
use crate::store::dialect::on;
use crate::store::schema::products;
use crate::store::{Db, StoreError};

/// Entitlements that are looked at together.
pub(super) const PORTION: i64 = 500;

/// Before the id of every entitlement.
const BEFORE_ALL: Octets<EntitlementId> = Octets(EntitlementId([0; 16]));

/// Where a walk stands. One over those of a product line takes one of its products after the other,
/// each in the order of the index of its entitlements, so that it reads nothing of other lines.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// What is left to be walked; the last of them is next.
    left: Vec<Option<Octets<ProductId>>>,
    after: Octets<EntitlementId>,
}

/// The place of a portion: of the product, or of all, the entitlements after an id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) product: Option<Octets<ProductId>>,
    pub(super) after: Octets<EntitlementId>,
}

/// Entitlements that lie together: of the product, or of all, those after an id and up to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) product: Option<Octets<ProductId>>,
    pub(super) after: Octets<EntitlementId>,
    pub(super) until: Octets<EntitlementId>,
}

impl Walk {
    /// Over those of a product line; of none, over all.
    pub(super) fn new(db: &mut Db, line: Option<ProductLineId>) -> Result<Self, StoreError> {
        Ok(Self {
            left: products_of(db, line)?,
            after: BEFORE_ALL,
        })
    }

    /// The next portion and what it spans; none, if there is no more. `read` reads up to [`PORTION`]
    /// rows from a place on, in the order of the ids of their entitlements.
    pub(super) fn next<T>(
        &mut self,
        db: &mut Db,
        read: impl Fn(&mut Db, Place) -> Result<Vec<T>, StoreError>,
        id: impl Fn(&T) -> Octets<EntitlementId>,
    ) -> Result<Option<(Vec<T>, Span)>, StoreError> {
        while let Some(product) = self.left.last().copied() {
            let after = self.after;
            let rows = read(db, Place { product, after })?;
            if let Some(until) = rows.last().map(&id) {
                self.after = until;
                let span = Span {
                    product,
                    after,
                    until,
                };
                return Ok(Some((rows, span)));
            }
            self.left.pop();
            self.after = BEFORE_ALL;
        }
        Ok(None)
    }
}

/// The products of a product line; of none, one walk over those of all.
pub(super) fn products_of(
    db: &mut Db,
    line: Option<ProductLineId>,
) -> Result<Vec<Option<Octets<ProductId>>>, StoreError> {
    let Some(line) = line else {
        return Ok(vec![None]);
    };
    let found: Vec<Octets<ProductId>> = on!(db, c => products::table
        .filter(products::product_line_id.eq(Octets(line)))
        .order(products::id.desc())
        .select(products::id)
        .load(c))?;
    Ok(found.into_iter().map(Some).collect())
}

/// Devices that are looked at together.
pub(super) const DEVICES: i64 = 2_000;

/// Of a boxed query of activations, those on the devices after an id and up to another: of a product
/// line, found by the line's devices, or of all.
macro_rules! on_devices {
    ($query:expr, $line:expr, $after:expr, $until:expr) => {
        match $line {
            Some(line) => $query.filter(
                activations::device_id.eq_any(
                    devices::table
                        .filter(devices::product_line_id.eq(Octets(line)))
                        .filter(devices::id.gt($after))
                        .filter(devices::id.le($until))
                        .select(devices::id),
                ),
            ),
            None => $query
                .filter(activations::device_id.gt($after))
                .filter(activations::device_id.le($until)),
        }
    };
}
pub(super) use on_devices;
