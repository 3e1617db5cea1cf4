//! Devices that fit a campaign join it: all when it is prepared, and late ones while it runs.

use diesel::dsl::{count_star, exists, not};
use diesel::prelude::*;
use fleetgrant_core::campaign::DeviceStep;
use fleetgrant_core::domain::{CampaignId, DeviceState, PartyId, Timestamp};
use sha2::{Digest, Sha256};

use super::Row;
use super::devices::{CampaignDevice, LATE_RANKS};
use crate::campaign::Selection;
use crate::store::column::{Code, Micros, Octets};
use crate::store::schema::{campaign_devices as table, devices as fleet, product_lines};
use crate::store::{Db, StoreError, listing};

/// Devices that one transaction looks at.
const SWEPT: i64 = 2_000;

/// Looks at the next devices and takes in those that fit; whether there are more to look at. When
/// there are none, the next sweep begins at the first again.
pub fn sweep(db: &mut Db, row: &mut Row, late: bool, now: Timestamp) -> Result<bool, StoreError> {
    let from = row.swept_to.clone().unwrap_or_default();
    let to: Option<String> = on!(db, c => fleet::table
        .filter(fleet::id.gt(&from))
        .order(fleet::id)
        .offset(SWEPT - 1)
        .limit(1)
        .select(fleet::id)
        .first(c)
        .optional())?;
    for device in fitting(db, row, &from, to.as_deref())? {
        let device = CampaignDevice {
            campaign_id: row.id,
            rank: rank(row.id.0, &device, late),
            device_id: device,
            wave: None,
            step: Code(DeviceStep::Waiting),
            failing: None,
            rule: None,
            drawn_at: None,
            changed_at: Micros(now),
        };
        on!(db, c => diesel::insert_into(table::table)
            .values(&device)
            .on_conflict_do_nothing()
            .execute(c))?;
    }
    row.swept_to = to;
    Ok(row.swept_to.is_some())
}

/// Narrows devices, joined with their product lines, to those that fit a selection.
macro_rules! fitting {
    ($query:expr, $selection:expr, $owners:expr) => {{
        let models = $selection.models.iter().map(|model| bytes(model));
        let models: Vec<Vec<u8>> = models.collect();
        let mut query = $query.filter(fleet::state.eq(Code(DeviceState::Admitted)));
        if !$owners.is_empty() {
            query = query.filter(fleet::owner_id.eq_any($owners));
        }
        if !$selection.product_lines.is_empty() {
            query = query.filter(product_lines::name.eq_any(&$selection.product_lines));
        }
        if !models.is_empty() {
            // What a device says of itself comes before what the factory said.
            query = query.filter(
                fleet::said_hwmodel
                    .eq_any(models.clone())
                    .or(fleet::said_hwmodel
                        .is_null()
                        .and(fleet::hwmodel.eq_any(models))),
            );
        }
        if !$selection.versions.is_empty() {
            query = query.filter(fleet::software_version.eq_any(&$selection.versions));
        }
        if !$selection.ids.is_empty() {
            query = query.filter(fleet::id.eq_any(&$selection.ids));
        }
        query
    }};
}

/// How many devices fit a selection now. All devices may be looked at for it.
pub fn count_fitting(db: &mut Db, selection: &Selection) -> Result<u64, StoreError> {
    let owners = owners(db, selection)?;
    let count: i64 = on!(db, c => {
        let query = fleet::table
            .inner_join(product_lines::table)
            .select(count_star())
            .into_boxed();
        fitting!(query, selection, &owners).first(c)
    })?;
    Ok(count.unsigned_abs())
}

/// The owners that a selection names; none: whoever it is.
fn owners(db: &mut Db, selection: &Selection) -> Result<Vec<Octets<PartyId>>, StoreError> {
    let mut owners = Vec::new();
    for called in &selection.customers {
        owners.extend(listing::parties_called(db, called)?.into_iter().map(Octets));
    }
    Ok(owners)
}

/// Devices after one id and up to another that fit and are not in it.
fn fitting(
    db: &mut Db,
    row: &Row,
    from: &str,
    to: Option<&str>,
) -> Result<Vec<String>, StoreError> {
    let selection = row.selected()?;
    let owners = owners(db, &selection)?;
    Ok(on!(db, c => {
        let is_in = table::table
            .filter(table::campaign_id.eq(row.id))
            .filter(table::device_id.eq(fleet::id));
        let mut query = fleet::table
            .inner_join(product_lines::table)
            .filter(fleet::id.gt(from))
            .filter(not(exists(is_in)))
            .select(fleet::id)
            .into_boxed();
        if let Some(to) = to {
            query = query.filter(fleet::id.le(to));
        }
        fitting!(query, selection, &owners).load(c)
    })?)
}

/// The model that people write so.
fn bytes(model: &str) -> Vec<u8> {
    let hex = model.strip_prefix("0x").map(str::as_bytes);
    let decoded = hex.and_then(|hex| data_encoding::HEXLOWER_PERMISSIVE.decode(hex).ok());
    decoded.unwrap_or_else(|| model.as_bytes().to_vec())
}

/// A place in the order that nobody chose: waves are samples, and not the oldest serial numbers.
fn rank(campaign: CampaignId, device: &str, late: bool) -> i64 {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(campaign.0)
        .chain_update(device)
        .finalize()
        .into();
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    let rank = i64::from_be_bytes(head) & (LATE_RANKS - 1);
    if late { rank | LATE_RANKS } else { rank }
}
