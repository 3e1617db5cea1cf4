//! How often devices used what is metered or counted, and what that is of what was bought.

use std::collections::HashMap;

use diesel::prelude::*;
use fleetgrant_core::domain::{LicenseModel, ProductId, ProductLineId, Timestamp};
use fleetgrant_core::entitlement::Quantity;
use fleetgrant_core::license::ModelRules;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::group::{GroupBy, Groups, Names};
use super::{walk, written};
use crate::store::column::{Code, Octets};
use crate::store::dialect::on;
use crate::store::schema::{
    entitlement_usage, entitlements, license_models, parties, product_features, products,
};
use crate::store::{Db, StoreError, license_model};

/// How often devices used what is metered or counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsesReport {
    /// The instant it is of.
    #[serde(with = "written::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By group, all of them last.
    pub groups: Vec<Uses>,
}

/// How often devices used what is metered or counted of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Uses {
    /// Which group.
    pub group: String,
    /// Entitlements that are metered or counted, or were used though they are neither.
    pub entitlements: u64,
    /// Uses that devices reported, or that were imported.
    pub uses: u64,
    /// Of those, uses of entitlements that have a number of uses.
    pub uses_of_limited: u64,
    /// Uses that the units of those give.
    pub allowed: u64,
    /// Uses beyond what their own entitlement gives.
    pub beyond: u64,
    /// Entitlements that have been used more than they give.
    pub overdrawn: u64,
    /// Entitlements of which nothing new is given: what is tolerated is used up too.
    pub spent: u64,
}

#[derive(Queryable)]
struct Row {
    product_id: Octets<ProductId>,
    kind: Code<LicenseModel>,
    rules: String,
    unlimited: bool,
    units: i64,
    used: Option<i64>,
    product: String,
    model: String,
    owner: Option<String>,
}

#[derive(Clone, Copy, Default)]
struct Tally {
    entitlements: u64,
    uses: u64,
    uses_of_limited: u64,
    allowed: u64,
    beyond: u64,
    overdrawn: u64,
    spent: u64,
}

/// Reads how often was used what, of the products of a product line or of all.
pub fn read(
    db: &mut Db,
    line: Option<ProductLineId>,
    now: Timestamp,
    by: GroupBy,
) -> Result<UsesReport, StoreError> {
    let each = uses_of_products(db)?;
    let mut groups = Groups::<Tally>::new(by);
    for row in rows(db, line)? {
        let rules = license_model::parse(row.kind.0, &row.rules)?.rules;
        if !rules.metered && row.used.is_none() {
            continue;
        }
        let tally = tally(&row, &rules, each.get(&row.product_id).copied());
        let names = Names {
            product: &row.product,
            model: &row.model,
            owner: row.owner.as_deref(),
        };
        groups.add(names, |all| all.add(tally));
    }
    Ok(UsesReport {
        at: now,
        groups: groups.into_rows(|group, tally| tally.of(group)),
    })
}

fn tally(row: &Row, rules: &ModelRules, of_product: Option<i64>) -> Tally {
    let used = row.used.map_or(0, i64::unsigned_abs);
    let quantity = if row.unlimited {
        Quantity::Unlimited
    } else {
        Quantity::Units(u32::try_from(row.units).unwrap_or(u32::MAX))
    };
    let of_features = of_product.map(i64::unsigned_abs).into_iter();
    let allowed = rules.uses_allowed(of_features, quantity);
    let beyond = allowed.map_or(0, |allowed| used.saturating_sub(allowed));
    Tally {
        entitlements: 1,
        uses: used,
        uses_of_limited: allowed.map_or(0, |_| used),
        allowed: allowed.unwrap_or(0),
        beyond,
        overdrawn: u64::from(beyond > 0),
        spent: u64::from(rules.are_spent(used, allowed)),
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.entitlements += other.entitlements;
        self.uses = self.uses.saturating_add(other.uses);
        self.uses_of_limited = self.uses_of_limited.saturating_add(other.uses_of_limited);
        self.allowed = self.allowed.saturating_add(other.allowed);
        self.beyond = self.beyond.saturating_add(other.beyond);
        self.overdrawn += other.overdrawn;
        self.spent += other.spent;
    }

    fn of(self, group: String) -> Uses {
        Uses {
            group,
            entitlements: self.entitlements,
            uses: self.uses,
            uses_of_limited: self.uses_of_limited,
            allowed: self.allowed,
            beyond: self.beyond,
            overdrawn: self.overdrawn,
            spent: self.spent,
        }
    }
}

/// What may be metered, whatever devices are told it is: its rules say whether it is.
fn rows(db: &mut Db, line: Option<ProductLineId>) -> Result<Vec<Row>, StoreError> {
    // As the rules are written (`license_model::json`).
    const METERED: &str = r#"%"metered":true%"#;
    let mut rows = Vec::new();
    for product in walk::products_of(db, line)? {
        rows.extend(on!(db, c => {
            let mut query = entitlements::table
                .inner_join(products::table)
                .inner_join(license_models::table)
                .left_join(parties::table)
                .left_join(entitlement_usage::table)
                .filter(
                    entitlements::model_rules.like(METERED)
                        .or(entitlement_usage::used.is_not_null()),
                )
                .select((
                    entitlements::product_id,
                    entitlements::model_kind,
                    entitlements::model_rules,
                    entitlements::unlimited,
                    entitlements::units,
                    entitlement_usage::used.nullable(),
                    products::code,
                    license_models::code,
                    parties::name.nullable(),
                ))
                .into_boxed();
            if let Some(product) = product {
                query = query.filter(entitlements::product_id.eq(product));
            }
            query.load::<Row>(c)
        })?);
    }
    Ok(rows)
}

/// Uses that a unit of each product gives, as its features say; the fewest, where they differ,
/// since they are counted together.
fn uses_of_products(db: &mut Db) -> Result<HashMap<Octets<ProductId>, i64>, StoreError> {
    let found: Vec<(Octets<ProductId>, i64)> = on!(db, c => product_features::table
        .filter(product_features::use_count.is_not_null())
        .select((
            product_features::product_id,
            product_features::use_count.assume_not_null(),
        ))
        .load(c))?;
    let mut each = HashMap::new();
    for (product, uses) in found {
        let fewest = each.entry(product).or_insert(uses);
        *fewest = uses.min(*fewest);
    }
    Ok(each)
}
