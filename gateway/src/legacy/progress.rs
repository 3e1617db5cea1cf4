//! How far a migration is, and rights of the older system that were given up.

use std::collections::BTreeMap;

use fleetgrant_core::domain::ProductLineId;
use fleetgrant_core::event::{Event, EventKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::event::{self, Occasion, Stream};
use crate::store::legacy_right::{self, Progress};
use crate::store::{Db, StoreError};

/// How far the migration of a product is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MigrationProgress {
    /// The older system.
    pub system: String,
    /// What its rights were bound to.
    pub kind: String,
    /// The code of the product here.
    pub product: String,
    /// Rights that were brought over.
    pub rights: u64,
    /// Units of them.
    pub units: i64,
    /// Units that devices hold now.
    pub on_devices: i64,
    /// Rights that were given up.
    pub surrendered: u64,
    /// Rights that were not.
    pub left: u64,
}

/// How far each migration is, of all or of the products of a line.
///
/// # Errors
/// The database failed.
pub fn progress(
    db: &mut Db,
    within: Option<ProductLineId>,
) -> Result<Vec<MigrationProgress>, StoreError> {
    let mut lines: BTreeMap<_, MigrationProgress> = BTreeMap::new();
    for right in legacy_right::progress(db, within)? {
        let key = (right.system.clone(), right.kind.0, right.product.clone());
        let line = lines.entry(key).or_insert_with(|| none_yet(&right));
        line.rights += 1;
        line.units += right.units;
        line.on_devices += right.live;
        match right.surrendered_at {
            Some(_) => line.surrendered += 1,
            None => line.left += 1,
        }
    }
    Ok(lines.into_values().collect())
}

fn none_yet(right: &Progress) -> MigrationProgress {
    MigrationProgress {
        system: right.system.clone(),
        kind: right.kind.0.to_string(),
        product: right.product.clone(),
        rights: 0,
        units: 0,
        on_devices: 0,
        surrendered: 0,
        left: 0,
    }
}

/// Records that a customer has given up a right of the older system; false if there is none that
/// is not given up.
///
/// # Errors
/// The database failed.
pub fn surrender(
    db: &mut Db,
    system: &str,
    right: &str,
    occasion: Occasion<'_>,
) -> Result<bool, StoreError> {
    let Some(entitlement) = legacy_right::surrender(db, system, right, occasion.at)? else {
        return Ok(false);
    };
    let mut told = Event::new(EventKind::LegacySurrendered)
        .with("system", system)
        .with("right", right);
    told.entitlement = Some(entitlement);
    event::append(db, Stream::Entitlement(entitlement), occasion, &[told])?;
    Ok(true)
}
