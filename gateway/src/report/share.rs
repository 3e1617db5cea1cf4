//! Activations, and which share of what was sold they are, by any grouping.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use diesel::prelude::*;
use fleetgrant_core::ask::model_text;
use fleetgrant_core::domain::{
    EntitlementId, EntitlementState, OrderLineId, ProductId, ProductLineId, Purpose, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::delay::Cohort;
use super::dimension::{Dimension, Dimensions, Place};
use super::first::{Activated, Lineages};
use super::walk::{self, Walk};
use super::{group, written};
use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::on;
use crate::store::schema::{
    devices, entitlements, features, license_models, order_lines, orders, parties,
    product_features, product_lines, products,
};
use crate::store::{Db, StoreError};

/// Activations, and which share of what was sold they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShareReport {
    /// The instant it is of.
    #[serde(with = "written::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What it is broken down by.
    pub by: String,
    /// Seconds within which a unit counts as activated in the share; null for at any time.
    #[serde(with = "written::seconds")]
    #[schema(value_type = Option<f64>)]
    pub within_seconds: Option<Duration>,
    /// By group, all of them last.
    pub groups: Vec<Share>,
}

/// The activations of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Share {
    /// Which group.
    pub group: String,
    /// Units activated for the first time in the interval.
    pub activations: u64,
    /// Of `of`, units that were activated within that time.
    pub activated: u64,
    /// Units that were sold in the interval and are at least as old as that time.
    pub of: u64,
    /// The share; null if there are no such units.
    pub share: Option<f64>,
}

/// What is reported.
#[derive(Clone, Debug, Default)]
pub struct ShareQuery {
    /// Of units sold, and activated, in this interval.
    pub cohort: Cohort,
    /// Within which time a unit counts as activated; none for at any time.
    pub within: Option<Duration>,
    /// By what.
    pub by: Dimensions,
    /// Of the products of this product line; none for all.
    pub line: Option<ProductLineId>,
}

#[derive(Queryable)]
struct Row {
    id: Octets<EntitlementId>,
    state: Code<EntitlementState>,
    product: Octets<ProductId>,
    model: String,
    customer: Option<String>,
    tier: Option<String>,
    order_line: Option<Octets<OrderLineId>>,
    purpose: Code<Purpose>,
    unlimited: bool,
    units: i64,
    made_at: Micros,
}

struct Product {
    code: String,
    line: Option<String>,
    features: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    activations: u64,
    activated: u64,
    of: u64,
}

/// Reads the report.
pub fn read(db: &mut Db, now: Timestamp, query: &ShareQuery) -> Result<ShareReport, StoreError> {
    let any_purpose = query.by.has(Dimension::Purpose);
    let lineages = Lineages::read(db, !any_purpose, None)?;
    let products = products(db)?;
    let mut groups = BTreeMap::<String, Tally>::new();
    let mut all = Tally::default();
    let mut walk = Walk::new(db, query.line)?;
    while let Some((rows, span)) = walk.next(db, rows, |row| row.id)? {
        let mut firsts = lineages.firsts(db, span)?;
        let sold_at = order_dates(db, &rows)?;
        let platforms = match query.by.has(Dimension::Platform) {
            true => platforms(db, firsts.values().flatten(), query.line)?,
            false => HashMap::new(),
        };
        for row in rows {
            let Some(product) = products.get(&row.product) else {
                continue;
            };
            if !any_purpose && row.purpose.0 != Purpose::Production {
                continue;
            }
            let place = Place {
                product: &product.code,
                features: &product.features,
                model: &row.model,
                customer: row.customer.as_deref(),
                tier: row.tier.as_deref(),
                product_line: product.line.as_deref(),
                platform: None,
                purpose: row.purpose.0.as_str(),
            };
            let mut add = |place: &Place<'_>, tally: Tally| {
                all.add(tally);
                for group in query.by.groups(place) {
                    groups.entry(group).or_default().add(tally);
                }
            };
            let mine = firsts.remove(&row.id).unwrap_or_default();
            for first in mine.iter().filter(|first| query.cohort.has(first.at())) {
                let place = Place {
                    platform: Some(platforms.get(&first.device).map_or(ANOTHER, String::as_str)),
                    ..place
                };
                let activations = first.units();
                add(
                    &place,
                    Tally {
                        activations,
                        ..Tally::default()
                    },
                );
            }
            let line = row.order_line.and_then(|line| sold_at.get(&line).copied());
            let from = line.unwrap_or(row.made_at).0;
            if let Some(tally) = shared(&row, from, &mine, now, query) {
                add(&place, tally);
            }
        }
    }
    let rows = groups.into_iter().chain([(group::ALL.to_owned(), all)]);
    Ok(ShareReport {
        at: now,
        by: query.by.to_string(),
        within_seconds: query.within,
        groups: rows.map(|(group, tally)| tally.share(group)).collect(),
    })
}

/// What an entitlement adds to the share: its units, if they are countable, in the cohort and old
/// enough; and its first activations, the oldest first, at most as many as there are units.
fn shared(
    row: &Row,
    from: Timestamp,
    firsts: &[Activated],
    now: Timestamp,
    query: &ShareQuery,
) -> Option<Tally> {
    let is_old = query
        .within
        .is_none_or(|within| from.plus_seconds(within.as_secs()) <= now);
    let counts = !row.unlimited && row.state.0 != EntitlementState::Draft;
    if !counts || !is_old || !query.cohort.has(from) {
        return None;
    }
    let in_time = firsts.iter().filter(|first| {
        query
            .within
            .is_none_or(|within| first.at() <= from.plus_seconds(within.as_secs()))
    });
    let of = row.units.unsigned_abs();
    Some(Tally {
        activations: 0,
        activated: in_time.map(Activated::units).sum::<u64>().min(of),
        of,
    })
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.activations += other.activations;
        self.activated += other.activated;
        self.of += other.of;
    }

    fn share(self, group: String) -> Share {
        Share {
            group,
            activations: self.activations,
            activated: self.activated,
            of: self.of,
            share: (self.of > 0).then(|| self.activated as f64 / self.of as f64),
        }
    }
}

fn rows(db: &mut Db, place: walk::Place) -> Result<Vec<Row>, StoreError> {
    Ok(on!(db, c => {
        let mut query = entitlements::table
            .inner_join(license_models::table)
            .left_join(parties::table)
            .select((
                entitlements::id,
                entitlements::state,
                entitlements::product_id,
                license_models::code,
                parties::name.nullable(),
                parties::tier.nullable(),
                entitlements::order_line_id,
                entitlements::purpose,
                entitlements::unlimited,
                entitlements::units,
                entitlements::created_at,
            ))
            .filter(entitlements::id.gt(place.after))
            .order(entitlements::id)
            .limit(walk::PORTION)
            .into_boxed();
        if let Some(product) = place.product {
            query = query.filter(entitlements::product_id.eq(product));
        }
        query.load(c)
    })?)
}

fn products(db: &mut Db) -> Result<HashMap<Octets<ProductId>, Product>, StoreError> {
    type Found = (Octets<ProductId>, String, Option<String>);
    let found: Vec<Found> = on!(db, c => products::table
        .left_join(product_lines::table)
        .select((products::id, products::code, product_lines::name.nullable()))
        .load(c))?;
    let named: Vec<(Octets<ProductId>, String)> = on!(db, c => product_features::table
        .inner_join(features::table)
        .order(features::name)
        .select((product_features::product_id, features::name))
        .load(c))?;
    let mut products: HashMap<_, _> = found
        .into_iter()
        .map(|(id, code, line)| {
            let features = Vec::new();
            (
                id,
                Product {
                    code,
                    line,
                    features,
                },
            )
        })
        .collect();
    for (product, feature) in named {
        if let Some(product) = products.get_mut(&product) {
            product.features.push(feature);
        }
    }
    Ok(products)
}

fn order_dates(
    db: &mut Db,
    rows: &[Row],
) -> Result<HashMap<Octets<OrderLineId>, Micros>, StoreError> {
    let mut lines: Vec<_> = rows.iter().filter_map(|row| row.order_line).collect();
    lines.dedup();
    let dates: Vec<(Octets<OrderLineId>, Micros)> = on!(db, c => order_lines::table
        .inner_join(orders::table)
        .filter(order_lines::id.eq_any(lines))
        .select((order_lines::id, orders::ordered_at))
        .load(c))?;
    Ok(dates.into_iter().collect())
}

/// What the platform of a device of another product line is called, which is nobody's business.
const ANOTHER: &str = "(another product line)";

/// What the devices are that these activations are on, of a product line or of all.
fn platforms<'a>(
    db: &mut Db,
    firsts: impl Iterator<Item = &'a Activated>,
    line: Option<ProductLineId>,
) -> Result<HashMap<String, String>, StoreError> {
    const TOGETHER: usize = 1_000;
    type Found = (
        String,
        Option<Vec<u8>>,
        Option<Vec<u8>>,
        Option<String>,
        Option<String>,
    );
    let mut ids: Vec<_> = firsts.map(|first| first.device.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut platforms = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(TOGETHER) {
        let found: Vec<Found> = on!(db, c => {
            let mut query = devices::table
                .filter(devices::id.eq_any(ids))
                .select((
                    devices::id,
                    devices::said_hwmodel,
                    devices::hwmodel,
                    devices::software_name,
                    devices::software_version,
                ))
                .into_boxed();
            if let Some(line) = line {
                query = query.filter(devices::product_line_id.eq(Octets(line)));
            }
            query.load(c)
        })?;
        platforms.extend(
            found
                .into_iter()
                .map(|(id, said, manifest, software, version)| {
                    let model = said.or(manifest).as_deref().map(model_text);
                    let parts: Vec<_> = [model, software, version].into_iter().flatten().collect();
                    let name = match parts.is_empty() {
                        true => "(unknown)".to_owned(),
                        false => parts.join(" "),
                    };
                    (id, name)
                }),
        );
    }
    Ok(platforms)
}
