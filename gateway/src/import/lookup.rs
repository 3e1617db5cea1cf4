//! What cells name, looked up.

use fleetgrant_core::domain::{CatalogueState, OrderLineId, PartyId};
use fleetgrant_core::license::ModelRules;
use jiff::tz::TimeZone;

use super::{Halt, Reason, refuse};
use crate::store::column::Octets;
use crate::store::license_model::{self, LicenseModel};
use crate::store::order::{self, Order, OrderLine};
use crate::store::party::{self, Party};
use crate::store::product::{self, Product};
use crate::store::product_line::{self, ProductLine};
use crate::store::sku::{self, Sku};
use crate::store::{Db, StoreError};

pub(super) fn party(
    db: &mut Db,
    system: &str,
    external_id: &str,
    column: &'static str,
) -> Result<Party, Halt> {
    let found = party::by_external_id(db, system, external_id)?;
    known(found, external_id, column, "parties")
}

pub(super) fn optional_party(
    db: &mut Db,
    system: &str,
    external_id: Option<&str>,
    column: &'static str,
) -> Result<Option<Party>, Halt> {
    external_id
        .map(|id| party(db, system, id, column))
        .transpose()
}

pub(super) fn product(db: &mut Db, code: &str) -> Result<Product, Halt> {
    let found = product::by_code(db, code)?;
    known(found, code, "product", "products")
}

pub(super) fn sku(db: &mut Db, part_number: &str) -> Result<Sku, Halt> {
    let found = sku::by_part_number(db, part_number)?;
    known(found, part_number, "sku", "skus")
}

pub(super) fn model(db: &mut Db, code: &str) -> Result<LicenseModel, Halt> {
    match license_model::by_code(db, code)? {
        Some(model) => Ok(model),
        None => {
            let known = license_model::codes(db)?.join(", ");
            refuse(
                "model",
                Reason::Invalid {
                    value: code.to_owned(),
                    expected: format!("a licence model: {known}; add one with `import models`"),
                },
            )
        }
    }
}

/// That a model can be sold with a product: uses that are counted down have a number.
pub(super) fn sellable(
    db: &mut Db,
    model: &LicenseModel,
    rules: &ModelRules,
    product: &Product,
) -> Result<(), Halt> {
    if model.state.0 != CatalogueState::Active {
        let reason = Reason::Unfit(format!(
            "{} is {}: it is not sold",
            model.code, model.state.0
        ));
        return refuse("model", reason);
    }
    let has_number = rules.uses.is_some()
        || product::features_of(db, product.id.0)?
            .iter()
            .any(|(_, had)| had.use_count.is_some());
    if rules.counted && !has_number {
        let reason = Reason::Unfit(format!(
            "what is {} has its uses counted down, and neither the model nor a feature of {} says \
             how many there are",
            model.code, product.code
        ));
        return refuse("model", reason);
    }
    Ok(())
}

/// The product line of this name; the only one, if the cell is empty.
pub(super) fn product_line(db: &mut Db, name: Option<&str>) -> Result<ProductLine, Halt> {
    const COLUMN: &str = "product_line";
    let lines = product_line::all(db)?;
    let names = || {
        let names: Vec<_> = lines.iter().map(|line| line.name.as_str()).collect();
        names.join(", ")
    };
    match (name, lines.as_slice()) {
        (None, [only]) => Ok(only.clone()),
        (None, []) => refuse(
            COLUMN,
            Reason::Unfit(
                "no product line is configured; add an [[anchors]] entry to the configuration"
                    .to_owned(),
            ),
        ),
        (None, _) => refuse(
            COLUMN,
            Reason::Unfit(format!(
                "is empty, and there is more than one product line: {}",
                names()
            )),
        ),
        (Some(name), lines) => match lines.iter().find(|line| line.name == name) {
            Some(line) => Ok(line.clone()),
            None => refuse(
                COLUMN,
                Reason::Invalid {
                    value: name.to_owned(),
                    expected: format!("a product line of the configuration: {}", names()),
                },
            ),
        },
    }
}

pub(super) fn order_line(
    db: &mut Db,
    system: &str,
    reference: &str,
    line: &str,
) -> Result<(Order, OrderLine), Halt> {
    let order = known(
        order::by_reference(db, system, reference)?,
        reference,
        "order",
        "orders",
    )?;
    let line = known(order::line(db, order.id, line)?, line, "line", "orders")?;
    Ok((order, line))
}

/// The zone of a party; the realm's where there is none.
pub(super) fn zone_of(party: Option<&Party>, realm: &TimeZone) -> TimeZone {
    party
        .and_then(|party| TimeZone::get(&party.time_zone).ok())
        .unwrap_or_else(|| realm.clone())
}

/// How a party is called in a difference: by its id in a system, or else by its own.
pub(super) fn party_name(
    db: &mut Db,
    system: &str,
    party: Option<Octets<PartyId>>,
) -> Result<Option<String>, StoreError> {
    let Some(party) = party else {
        return Ok(None);
    };
    let names = party::external_ids(db, party)?;
    let name = names
        .into_iter()
        .find_map(|(other, id)| (other == system).then_some(id));
    Ok(Some(name.unwrap_or_else(|| party.0.to_string())))
}

/// How an order line is called in a difference.
pub(super) fn line_name(
    db: &mut Db,
    line: Option<Octets<OrderLineId>>,
) -> Result<Option<String>, StoreError> {
    line.map(|line| order::name_of_line(db, line)).transpose()
}

fn known<T>(
    found: Option<T>,
    value: &str,
    column: &'static str,
    kind: &'static str,
) -> Result<T, Halt> {
    match found {
        Some(found) => Ok(found),
        None => refuse(
            column,
            Reason::Unknown {
                value: value.to_owned(),
                kind,
            },
        ),
    }
}
