//! Whom and what an event concerns: its parties, and its product lines.

use std::collections::HashMap;

use data_encoding::HEXLOWER;
use diesel::prelude::*;
use fleetgrant_core::domain::{EntitlementId, OrderId, PartyId, ProductLineId};

use crate::store::column::Octets;
use crate::store::dialect::on;
use crate::store::schema::{devices, entitlements, order_lines, orders, products};
use crate::store::webhook::Webhook;
use crate::store::{Db, StoreError};

/// What the events of a stream concern.
#[derive(Clone, Debug, Default)]
struct Concern {
    parties: Vec<Octets<PartyId>>,
    product_lines: Vec<Octets<ProductLineId>>,
}

/// What streams concern, looked up once each. As it is now: a device that was sold concerns its new
/// owner.
#[derive(Debug, Default)]
pub(super) struct Concerns(HashMap<String, Concern>);

impl Concerns {
    /// Whether events of a stream are what the webhook wants by party and product line.
    pub(super) fn wanted(
        &mut self,
        db: &mut Db,
        stream: &str,
        webhook: &Webhook,
    ) -> Result<bool, StoreError> {
        if webhook.party_id.is_none() && webhook.product_line_id.is_none() {
            return Ok(true);
        }
        if !self.0.contains_key(stream) {
            self.0.insert(stream.to_owned(), look_up(db, stream)?);
        }
        let concern = &self.0[stream];
        let of_party = webhook
            .party_id
            .is_none_or(|party| concern.parties.contains(&party));
        let of_line = webhook
            .product_line_id
            .is_none_or(|line| concern.product_lines.contains(&line));
        Ok(of_party && of_line)
    }
}

/// Streams of the catalogue, of policies, keys and campaigns concern nobody alone.
fn look_up(db: &mut Db, stream: &str) -> Result<Concern, StoreError> {
    let Some((kind, name)) = stream.split_once(':') else {
        return Ok(Concern::default());
    };
    let id = HEXLOWER.decode(name.as_bytes()).ok();
    let id: Option<[u8; 16]> = id.and_then(|id| id.try_into().ok());
    match (kind, id) {
        ("device", _) => of_device(db, name),
        ("entitlement", Some(id)) => of_entitlement(db, Octets(EntitlementId(id))),
        ("order", Some(id)) => of_order(db, Octets(OrderId(id))),
        ("party", Some(id)) => Ok(Concern {
            parties: vec![Octets(PartyId(id))],
            product_lines: Vec::new(),
        }),
        _ => Ok(Concern::default()),
    }
}

fn of_device(db: &mut Db, id: &str) -> Result<Concern, StoreError> {
    let found: Option<(Option<Octets<PartyId>>, Octets<ProductLineId>)> = on!(db, c => devices::table
        .find(id)
        .select((devices::owner_id, devices::product_line_id))
        .first(c)
        .optional())?;
    Ok(
        found.map_or_else(Concern::default, |(owner, line)| Concern {
            parties: owner.into_iter().collect(),
            product_lines: vec![line],
        }),
    )
}

/// Its owner, and who bought it.
fn of_entitlement(db: &mut Db, id: Octets<EntitlementId>) -> Result<Concern, StoreError> {
    let owner: Option<Option<Octets<PartyId>>> = on!(db, c => entitlements::table
        .find(id)
        .select(entitlements::owner_id)
        .first(c)
        .optional())?;
    let buyers: Vec<(Octets<PartyId>, Octets<PartyId>)> = on!(db, c => orders::table
        .inner_join(order_lines::table.on(order_lines::order_id.eq(orders::id)))
        .inner_join(
            entitlements::table.on(entitlements::order_line_id.eq(order_lines::id.nullable()))
        )
        .filter(entitlements::id.eq(id))
        .select((orders::sold_to_id, orders::end_user_id))
        .load(c))?;
    let lines: Vec<Option<Octets<ProductLineId>>> = on!(db, c => products::table
        .inner_join(entitlements::table.on(entitlements::product_id.eq(products::id)))
        .filter(entitlements::id.eq(id))
        .select(products::product_line_id)
        .load(c))?;
    let buyers = buyers.into_iter().flat_map(|(buyer, user)| [buyer, user]);
    Ok(Concern {
        parties: owner.flatten().into_iter().chain(buyers).collect(),
        product_lines: lines.into_iter().flatten().collect(),
    })
}

/// Who bought, and the lines of the products that it gave.
fn of_order(db: &mut Db, id: Octets<OrderId>) -> Result<Concern, StoreError> {
    let buyers: Option<(Octets<PartyId>, Octets<PartyId>)> = on!(db, c => orders::table
        .find(id)
        .select((orders::sold_to_id, orders::end_user_id))
        .first(c)
        .optional())?;
    let lines: Vec<Option<Octets<ProductLineId>>> = on!(db, c => products::table
        .inner_join(entitlements::table.on(entitlements::product_id.eq(products::id)))
        .inner_join(
            order_lines::table.on(entitlements::order_line_id.eq(order_lines::id.nullable()))
        )
        .filter(order_lines::order_id.eq(id))
        .select(products::product_line_id)
        .distinct()
        .load(c))?;
    Ok(Concern {
        parties: buyers
            .into_iter()
            .flat_map(|(one, other)| [one, other])
            .collect(),
        product_lines: lines.into_iter().flatten().collect(),
    })
}
