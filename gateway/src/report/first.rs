//! F: the first activation of each unit, which is what the measures of activation count.
//!
//! A unit that moves, is renewed or is upgraded goes on in activations of the same lineage; only
//! the first of them that was activated counts, of those with purpose production and kind normal.

//! F is looked up a portion of entitlements at a time, so that no report holds more of the ledger
//! than that: only what is known of moved units is held for all, since their lineages cross
//! entitlements.

use std::collections::HashMap;

use diesel::connection::DefaultLoadingMode;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable};
use fleetgrant_core::domain::{
    ActivationId, ActivationKind, EntitlementId, Origin, ProductLineId, Purpose, Timestamp,
};

use super::walk::Span;
use crate::store::column::{Code, Micros, Octets};
use crate::store::condition::is_of_line;
use crate::store::dialect::on;
use crate::store::prepared::condition;
use crate::store::schema::{activations, devices, entitlements};
use crate::store::{Db, StoreError};

/// A first activation: a device has signed for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Activated {
    /// On which device.
    pub(super) device: String,
    /// Units.
    pub(super) units: i64,
    /// How it came about.
    pub(super) origin: Code<Origin>,
    /// When it counts as activated: when the device's word was recorded, or given if it was carried.
    pub(super) at: Micros,
}

impl Activated {
    /// Whether it came about where the device is used, not where it was built or migrated.
    #[must_use]
    pub(super) const fn is_in_the_field(&self) -> bool {
        matches!(self.origin.0, Origin::Field | Origin::Offline)
    }

    /// When it counts as activated: when the device's word was recorded, or given if it was carried.
    #[must_use]
    pub(super) const fn at(&self) -> Timestamp {
        self.at.0
    }

    /// Units.
    #[must_use]
    pub(super) const fn units(&self) -> u64 {
        self.units.unsigned_abs()
    }
}

condition!(
    /// It counts, and is not the first of its lineage to be made, as the partial index has it. The
    /// plus keeps SQLite from another, which has all that was activated.
    IsMoved = "activations.id <> activations.lineage_id AND activations.kind = 1 AND +activations.activated_at IS NOT NULL"
);

condition!(
    /// It counts, found by whatever else is asked.
    pub(super) Counts = "activations.kind = 1 AND +activations.activated_at IS NOT NULL"
);

/// An activation that counts: its lineage, when, and units.
type Counted = (Octets<ActivationId>, Micros, i64);

/// Which activations are the first of their lineage.
#[derive(Clone, Debug, Default)]
pub(super) struct Lineages {
    production: bool,
    /// When the first of each lineage of more than one was activated; no other is in it.
    began: HashMap<Octets<ActivationId>, Micros>,
    /// Those that are no first ones, of the product line.
    later: Vec<(Micros, i64)>,
    /// Whose units are counted, if not those of all.
    line: Option<ProductLineId>,
}

impl Lineages {
    /// Reads them, of all purposes if not of production only. Lineages cross product lines, so which
    /// is the first is told of all; units are counted of those on devices of a product line.
    pub(super) fn read(
        db: &mut Db,
        production: bool,
        line: Option<ProductLineId>,
    ) -> Result<Self, StoreError> {
        let mut rows = moved(db, production, None)?;
        let mut heads: Vec<_> = rows.iter().map(|(lineage, ..)| *lineage).collect();
        heads.sort_unstable();
        heads.dedup();
        rows.extend(these(db, production, None, &heads)?);
        let mut lineages = Self::of(&rows, production);
        if line.is_some() {
            let mut own = moved(db, production, line)?;
            own.extend(these(db, production, line, &heads)?);
            lineages.later = lineages.later_of(&own);
            lineages.line = line;
        }
        Ok(lineages)
    }

    /// Of all that count of each lineage of more than one. More than one of a lineage is a first one
    /// only where the first was split since, since its parts keep its instant.
    fn of(rows: &[Counted], production: bool) -> Self {
        let mut lineages = Self {
            production,
            ..Self::default()
        };
        for (lineage, at, _) in rows {
            let first = lineages.began.entry(*lineage).or_insert(*at);
            *first = (*first).min(*at);
        }
        lineages.later = lineages.later_of(rows);
        lineages
    }

    fn later_of(&self, rows: &[Counted]) -> Vec<(Micros, i64)> {
        let later = rows
            .iter()
            .filter(|(lineage, at, _)| !self.is_first(*lineage, *at));
        later.map(|(_, at, units)| (*at, *units)).collect()
    }

    /// Whether what was activated then is the first of its lineage.
    pub(super) fn is_first(&self, lineage: Octets<ActivationId>, at: Micros) -> bool {
        self.began.get(&lineage).is_none_or(|began| *began == at)
    }

    /// Units of the first activations since then, or ever.
    pub(super) fn units_since(
        &self,
        db: &mut Db,
        since: Option<Timestamp>,
    ) -> Result<u64, StoreError> {
        let from = since.map_or(i64::MIN, Timestamp::micros);
        let from = Micros(Timestamp::from_micros(from));
        let all: Option<i64> = on!(db, c => {
            let mut query = activations::table
                .inner_join(entitlements::table)
                .filter(activations::kind.eq(Code(ActivationKind::Normal)))
                .filter(
                    entitlements::purpose
                        .eq(Code(Purpose::Production))
                        .or(self.production.into_sql::<Bool>().eq(false)),
                )
                // What PostgreSQL sums of BIGINT is NUMERIC.
                .select(sql::<Nullable<BigInt>>("CAST(sum(activations.units) AS BIGINT)"))
                .into_boxed();
            query = match (self.line, since) {
                // What is of all times is found by the devices of the line, and what is of some by
                // the time.
                (Some(line), None) => query
                    .filter(Counts)
                    .filter(activations::device_id.eq_any(devices::table
                        .filter(devices::product_line_id.eq(Octets(line)))
                        .select(devices::id))),
                (Some(line), Some(_)) => query
                    .filter(activations::activated_at.ge(from))
                    .filter(is_of_line!(activations::device_id, line)),
                (None, _) => query.filter(activations::activated_at.ge(from)),
            };
            query.get_result(c)
        })?;
        let later = self.later.iter().filter(|(at, _)| *at >= from);
        let later: u64 = later.map(|(_, units)| units.unsigned_abs()).sum();
        Ok(all.unwrap_or(0).unsigned_abs().saturating_sub(later))
    }

    /// The first activations of the entitlements of a span, the oldest first. Of which purpose an entitlement is, whoever asks knows.
    pub(super) fn firsts(
        &self,
        db: &mut Db,
        span: Span,
    ) -> Result<HashMap<Octets<EntitlementId>, Vec<Activated>>, StoreError> {
        let Span {
            product,
            after,
            until,
        } = span;
        let mut firsts = HashMap::<_, Vec<_>>::new();
        on!(db, c => {
            let mut query = activations::table
                .filter(Counts)
                .select((
                    activations::id,
                    activations::lineage_id,
                    activations::entitlement_id,
                    activations::device_id,
                    activations::units,
                    activations::origin,
                    activations::activated_at.assume_not_null(),
                ))
                .into_boxed();
            query = match product {
                Some(product) => query.filter(activations::entitlement_id.eq_any(
                    entitlements::table
                        .filter(entitlements::product_id.eq(product))
                        .filter(entitlements::id.gt(after))
                        .filter(entitlements::id.le(until))
                        .select(entitlements::id),
                )),
                None => query
                    .filter(activations::entitlement_id.gt(after))
                    .filter(activations::entitlement_id.le(until)),
            };
            for row in query.load_iter::<Row, DefaultLoadingMode>(c)? {
                let (id, lineage, entitlement, device, units, origin, at) = row?;
                if self.is_first(lineage, at) {
                    let first = Activated { device, units, origin, at };
                    firsts.entry(entitlement).or_default().push((id, first));
                }
            }
        });
        let in_order = firsts.into_iter().map(|(entitlement, mut of_it)| {
            of_it.sort_unstable_by_key(|(id, first)| (first.at, *id));
            (
                entitlement,
                of_it.into_iter().map(|(_, first)| first).collect(),
            )
        });
        Ok(in_order.collect())
    }
}

type Row = (
    Octets<ActivationId>,
    Octets<ActivationId>,
    Octets<EntitlementId>,
    String,
    i64,
    Code<Origin>,
    Micros,
);

/// What counts of all purposes, or of production only, on devices of a product line, or on all.
macro_rules! counted {
    ($production:ident, $line:ident) => {{
        let mut query = activations::table
            .inner_join(entitlements::table)
            .filter(
                entitlements::purpose
                    .eq(Code(Purpose::Production))
                    .or($production.into_sql::<Bool>().eq(false)),
            )
            .select((
                activations::lineage_id,
                activations::activated_at.assume_not_null(),
                activations::units,
            ))
            .into_boxed();
        if let Some(line) = $line {
            query = query.filter(is_of_line!(activations::device_id, line));
        }
        query
    }};
}

/// What was moved.
fn moved(
    db: &mut Db,
    production: bool,
    line: Option<ProductLineId>,
) -> Result<Vec<Counted>, StoreError> {
    Ok(on!(db, c => counted!(production, line).filter(IsMoved).load(c))?)
}

/// Those of these that count.
fn these(
    db: &mut Db,
    production: bool,
    line: Option<ProductLineId>,
    ids: &[Octets<ActivationId>],
) -> Result<Vec<Counted>, StoreError> {
    const TOGETHER: usize = 1_000;
    let mut rows = Vec::new();
    for ids in ids.chunks(TOGETHER) {
        rows.extend(on!(db, c => counted!(production, line)
            .filter(activations::id.eq_any(ids))
            .filter(activations::kind.eq(Code(ActivationKind::Normal)))
            .filter(activations::activated_at.is_not_null())
            .load::<Counted>(c))?);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(lineage: u8, units: i64, at: u64) -> Counted {
        let lineage = Octets(ActivationId([lineage; 16]));
        (lineage, Micros(Timestamp::from_seconds(at)), units)
    }

    #[test]
    fn a_rehosted_unit_counts_once_and_a_split_one_whole() {
        let moved = [counted(1, 2, 10), counted(1, 2, 90)];
        let split = [counted(2, 3, 20), counted(2, 2, 20)];
        let lineages = Lineages::of(&[moved, split].concat(), true);
        let is_first = |(lineage, at, _)| lineages.is_first(lineage, at);
        assert_eq!(moved.map(is_first), [true, false]);
        assert_eq!(split.map(is_first), [true, true]);
        assert_eq!(lineages.later, [(moved[1].1, 2)]);
        assert!(is_first(counted(3, 1, 5)), "one that nobody moved");
    }
}
