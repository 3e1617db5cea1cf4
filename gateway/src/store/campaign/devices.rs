//! Devices of campaigns: rows, lists and counts.

use diesel::dsl::{count_star, exists};
use diesel::prelude::*;
use fleetgrant_core::campaign::{Campaign, DeviceStep, Failing, Late, Progress};
use fleetgrant_core::domain::{CampaignId, DeviceId, Timestamp};
use fleetgrant_core::rule::Rule;

use crate::store::column::{Code, Micros, Octets};
use crate::store::listing::part::{Part, Place, Placed, Unsortable, sorts};
use crate::store::schema::{campaign_devices as table, devices as fleet};
use crate::store::{Db, StoreError};

/// Ranks from here on are late joiners'.
pub(super) const LATE_RANKS: i64 = 1 << 62;

/// A device of a campaign.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
pub struct CampaignDevice {
    pub(super) campaign_id: Octets<CampaignId>,
    /// Which device.
    pub device_id: String,
    pub(super) rank: i64,
    /// The wave in which its turn came, from 0.
    pub wave: Option<i16>,
    /// How it stands.
    pub step: Code<DeviceStep>,
    /// Why it counts as failed.
    pub failing: Option<Code<Failing>>,
    /// The rule that denied it.
    pub rule: Option<Code<Rule>>,
    /// When its turn came.
    pub drawn_at: Option<Micros>,
    /// When it last changed.
    pub changed_at: Micros,
}

/// Which devices of a campaign.
#[derive(Clone, Debug, Default)]
pub struct DevicesFilter {
    /// Those that stand so.
    pub step: Option<DeviceStep>,
    /// In which order, and which part.
    pub part: Part<CampaignDeviceSort>,
}

sorts!(
    /// What the devices of a campaign can be ordered by.
    pub CampaignDeviceSort {
        Device = "device" [Text "campaign_devices.device_id"],
        ChangedAt = "changed_at" [Number "campaign_devices.changed_at", Text "campaign_devices.device_id"],
    }
);

impl DevicesFilter {
    /// Whether its rows can come in the order that is asked for.
    ///
    /// # Errors
    /// They would have to be sorted, and may be many.
    pub fn check(&self) -> Result<(), Unsortable> {
        self.part.check(&[("step", self.step.is_some())])
    }
}

impl Placed for CampaignDevice {
    type By = CampaignDeviceSort;

    fn place(&self, by: CampaignDeviceSort) -> Place {
        match by {
            CampaignDeviceSort::Device => [(&self.device_id).into()].into(),
            CampaignDeviceSort::ChangedAt => {
                [self.changed_at.into(), (&self.device_id).into()].into()
            }
        }
    }
}

/// Whether a device is known.
pub fn is_device(db: &mut Db, id: &DeviceId) -> Result<bool, StoreError> {
    Ok(on!(db, c => diesel::select(exists(fleet::table.find(id.as_str()))).get_result(c))?)
}

/// Devices of a campaign.
pub fn count_devices(db: &mut Db, campaign: Octets<CampaignId>) -> Result<u64, StoreError> {
    let count: i64 = on!(db, c => table::table
        .filter(table::campaign_id.eq(campaign))
        .select(count_star())
        .first(c))?;
    Ok(count.unsigned_abs())
}

/// What is counted besides the waves.
pub fn progress(
    db: &mut Db,
    campaign: Octets<CampaignId>,
    plan: &Campaign,
    now: Timestamp,
) -> Result<Progress, StoreError> {
    let since = now.minus_seconds(plan.plan.rate.per.get().into());
    let drawn: i64 = on!(db, c => table::table
        .filter(table::campaign_id.eq(campaign))
        .filter(table::drawn_at.gt(Micros(since)))
        .select(count_star())
        .first(c))?;
    let late: i64 = match plan.plan.late {
        Late::Never => 0,
        Late::Until(_) => on!(db, c => table::table
            .filter(table::campaign_id.eq(campaign))
            .filter(table::step.eq(Code(DeviceStep::Waiting)))
            .filter(table::rank.ge(LATE_RANKS))
            .select(count_star())
            .first(c))?,
    };
    Ok(Progress {
        late_waiting: late.unsigned_abs(),
        drawn_lately: drawn.unsigned_abs(),
    })
}

/// Up to `limit` devices of a campaign.
pub fn devices(
    db: &mut Db,
    campaign: Octets<CampaignId>,
    filter: &DevicesFilter,
    limit: i64,
) -> Result<Vec<CampaignDevice>, StoreError> {
    Ok(on!(db, c => {
        let mut query = table::table
            .filter(table::campaign_id.eq(campaign))
            .limit(limit)
            .select(CampaignDevice::as_select())
            .into_boxed()
            .order(filter.part.order());
        if let Some(step) = filter.step {
            query = query.filter(table::step.eq(Code(step)));
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

/// How many devices of a campaign failed for which reason, by which rule.
pub fn failures(
    db: &mut Db,
    campaign: Octets<CampaignId>,
) -> Result<Vec<(Failing, Option<Rule>, u64)>, StoreError> {
    type Found = (Option<Code<Failing>>, Option<Code<Rule>>, i64);
    let found: Vec<Found> = on!(db, c => table::table
        .filter(table::campaign_id.eq(campaign))
        .filter(table::failing.is_not_null())
        .group_by((table::failing, table::rule))
        .select((table::failing, table::rule, count_star()))
        .load(c))?;
    let failures = found.into_iter().filter_map(|(failing, rule, count)| {
        Some((failing?.0, rule.map(|rule| rule.0), count.unsigned_abs()))
    });
    Ok(failures.collect())
}
