//! Platforms in use: what the devices are that have activations.

use std::collections::BTreeMap;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use fleetgrant_core::ask::model_text;
use fleetgrant_core::domain::ActivationState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::column::Code;
use crate::store::dialect::on;
use crate::store::schema::{activations, devices};
use crate::store::{Db, StoreError};

/// A hardware model with a firmware, as the devices say; the model as the manifest says, where a
/// device does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
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
    units: i64,
    maker: Option<String>,
    said_hwmodel: Option<Vec<u8>>,
    hwmodel: Option<Vec<u8>>,
    software: Option<String>,
    version: Option<String>,
}

/// The platforms of devices with something activated, what most devices are first.
pub fn platforms(db: &mut Db) -> Result<Vec<PlatformUse>, StoreError> {
    let mut counted = BTreeMap::<Platform, (u64, u64)>::new();
    let mut last = String::new();
    on!(db, c => {
        let rows = activations::table
            .inner_join(devices::table)
            .filter(activations::state.eq(Code(ActivationState::Activated)))
            .order(activations::device_id)
            .select((
                devices::id,
                activations::units,
                devices::said_maker,
                devices::said_hwmodel,
                devices::hwmodel,
                devices::software_name,
                devices::software_version,
            ))
            .load_iter::<Row, DefaultLoadingMode>(c)?;
        for row in rows {
            let row = row?;
            let platform = Platform {
                maker: row.maker,
                hwmodel: row.said_hwmodel.or(row.hwmodel).as_deref().map(model_text),
                software: row.software,
                version: row.version,
            };
            let (devices, units) = counted.entry(platform).or_default();
            if row.device != last {
                *devices += 1;
                last = row.device;
            }
            *units += row.units.unsigned_abs();
        }
    });
    let mut platforms: Vec<_> = counted
        .into_iter()
        .map(|(platform, (devices, units))| PlatformUse {
            platform,
            devices,
            units,
        })
        .collect();
    platforms.sort_by_key(|platform| std::cmp::Reverse(platform.devices));
    Ok(platforms)
}
