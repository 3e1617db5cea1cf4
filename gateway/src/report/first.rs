//! F: the first activation of each unit, which is what the measures of activation count.
//!
//! A unit that moves, is renewed or is upgraded goes on in activations of the same lineage; only
//! the first of them that was activated counts, of those with purpose production and kind normal.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::Bool;
use fleetgrant_core::domain::{
    ActivationId, ActivationKind, EntitlementId, Origin, Purpose, Timestamp,
};

use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::on;
use crate::store::schema::{activations, entitlements};
use crate::store::{Db, StoreError};

/// An activation that a device has signed for.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub(super) struct Activated {
    /// The first activation of its unit's lineage.
    pub(super) lineage: Octets<ActivationId>,
    /// Whose units they are.
    pub(super) entitlement: Octets<EntitlementId>,
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

/// The first activations of all lineages, the oldest first.
pub(super) fn firsts(db: &mut Db) -> Result<Vec<Activated>, StoreError> {
    firsts_of(db, true)
}

/// As [`firsts`], of all purposes if not of production only.
pub(super) fn firsts_of(db: &mut Db, production: bool) -> Result<Vec<Activated>, StoreError> {
    let activated = on!(db, c => activations::table
        .inner_join(entitlements::table)
        .filter(activations::activated_at.is_not_null())
        .filter(activations::kind.eq(Code(ActivationKind::Normal)))
        .filter(
            entitlements::purpose.eq(Code(Purpose::Production))
                .or(production.into_sql::<Bool>().eq(false)),
        )
        .select((
            activations::lineage_id,
            activations::entitlement_id,
            activations::device_id,
            activations::units,
            activations::origin,
            activations::activated_at.assume_not_null(),
        ))
        .order((activations::activated_at, activations::id))
        .load(c))?;
    Ok(first_of_each(activated))
}

/// Of each lineage what was activated first: more than one only where the first was split since,
/// since its parts keep its instant.
fn first_of_each(mut activated: Vec<Activated>) -> Vec<Activated> {
    let mut first: HashMap<Octets<ActivationId>, Micros> = HashMap::new();
    for activation in &activated {
        let at = first.entry(activation.lineage).or_insert(activation.at);
        *at = (*at).min(activation.at);
    }
    activated.retain(|activation| first.get(&activation.lineage) == Some(&activation.at));
    activated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activated(lineage: u8, units: i64, at: u64) -> Activated {
        Activated {
            lineage: Octets(ActivationId([lineage; 16])),
            entitlement: Octets(EntitlementId([1; 16])),
            device: format!("d-{at}"),
            units,
            origin: Code(Origin::Field),
            at: Micros(Timestamp::from_seconds(at)),
        }
    }

    #[test]
    fn a_rehosted_unit_counts_once_and_a_split_one_whole() {
        let moved = [activated(1, 2, 10), activated(1, 2, 90)];
        let split = [activated(2, 3, 20), activated(2, 2, 20)];
        let all = [moved.clone(), split.clone()].concat();
        let firsts = first_of_each(all);
        assert_eq!(firsts, [&moved[..1], &split[..]].concat());
    }
}
