//! Platforms in use: what the devices are that have activations.

use std::collections::HashMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use fleetgrant_core::ask::model_text;
use fleetgrant_core::domain::{ActivationState, ProductLineId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::walk::{self, on_devices};
use crate::store::column::{Code, Octets};
use crate::store::dialect::on;
use crate::store::schema::{activations, devices};
use crate::store::{Db, StoreError};

/// A hardware model with a firmware, as the devices say; the model as the manifest says, where a
/// device does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct Platform {
    /// The maker of the hardware.
    pub maker: Option<String>,
    /// The model of the hardware.
    pub hwmodel: Option<String>,
    /// The name of the firmware.
    pub software: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

/// A platform with what is activated on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlatformUse {
    /// Which.
    #[serde(flatten)]
    pub platform: Platform,
    /// Devices with an activation.
    pub devices: u64,
    /// Units activated on them.
    pub units: u64,
}

#[derive(Queryable)]
struct Row {
    device: String,
    maker: Option<String>,
    said_hwmodel: Option<Vec<u8>>,
    hwmodel: Option<Vec<u8>>,
    software: Option<String>,
    version: Option<String>,
}

/// The platforms of devices with something activated, of a product line or of all, what most devices
/// are first.
pub fn platforms(db: &mut Db, line: Option<ProductLineId>) -> Result<Vec<PlatformUse>, StoreError> {
    let mut counted = HashMap::<Platform, (u64, u64)>::new();
    let mut after = String::new();
    loop {
        let devices = devices_after(db, line, &after)?;
        let Some(last) = devices.last() else {
            break;
        };
        let activated = activated(db, line, &after, &last.device)?;
        after.clone_from(&last.device);
        for row in devices {
            let Some(units) = activated.get(&row.device) else {
                continue;
            };
            let platform = Platform {
                maker: row.maker,
                hwmodel: row.said_hwmodel.or(row.hwmodel).as_deref().map(model_text),
                software: row.software,
                version: row.version,
            };
            let (devices, all) = counted.entry(platform).or_default();
            *devices += 1;
            *all += units.unsigned_abs();
        }
    }
    let mut platforms: Vec<_> = counted
        .into_iter()
        .map(|(platform, (devices, units))| PlatformUse {
            platform,
            devices,
            units,
        })
        .collect();
    platforms.sort_by(|a, b| (b.devices.cmp(&a.devices)).then_with(|| a.platform.cmp(&b.platform)));
    Ok(platforms)
}

fn devices_after(
    db: &mut Db,
    line: Option<ProductLineId>,
    after: &str,
) -> Result<Vec<Row>, StoreError> {
    Ok(on!(db, c => {
        let mut query = devices::table
            .filter(devices::id.gt(after))
            .select((
                devices::id,
                devices::said_maker,
                devices::said_hwmodel,
                devices::hwmodel,
                devices::software_name,
                devices::software_version,
            ))
            .order(devices::id)
            .limit(walk::DEVICES)
            .into_boxed();
        if let Some(line) = line {
            query = query.filter(devices::product_line_id.eq(Octets(line)));
        }
        query.load(c)
    })?)
}

/// Units activated on each of the devices after an id and up to another.
fn activated(
    db: &mut Db,
    line: Option<ProductLineId>,
    after: &str,
    until: &str,
) -> Result<HashMap<String, i64>, StoreError> {
    let units: Vec<(String, i64)> = on!(db, c => {
        let query = activations::table
            .filter(activations::state.eq(Code(ActivationState::Activated)))
            .group_by(activations::device_id)
            // What PostgreSQL sums of BIGINT is NUMERIC.
            .select((activations::device_id, sql::<BigInt>("CAST(sum(units) AS BIGINT)")))
            .into_boxed();
        let query = on_devices!(query, line, after, until);
        query.load(c)
    })?;
    Ok(units.into_iter().collect())
}
