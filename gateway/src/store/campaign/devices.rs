//! Devices of campaigns: how each stands.

use diesel::dsl::{count_star, exists, not};
use diesel::prelude::*;
use fleetgrant_core::campaign::{Campaign, DeviceStep, Failing, Late, Progress};
use fleetgrant_core::domain::{
    ActivationId, ActivationState, CampaignId, DeviceId, DeviceState, Timestamp,
};
use fleetgrant_core::rule::Rule;
use sha2::{Digest, Sha256};

use super::Row;
use super::waves::{Growth, grow, signed};
use crate::store::column::{Code, Micros, Octets};
use crate::store::schema::{
    activations, campaign_activations as followed, campaign_devices as table, devices as fleet,
    product_lines,
};
use crate::store::{Db, StoreError, listing};

/// Devices that one transaction looks at.
const SWEPT: i64 = 2_000;
/// Devices that one transaction draws or settles.
const BATCH: i64 = 500;
/// Ranks from here on are late joiners'.
const LATE_RANKS: i64 = 1 << 62;

/// How a device of a campaign was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It signed for it.
    Succeeded,
    /// It does not have it in force.
    Failed(Failing),
    /// There was nothing to do.
    Skipped,
}

/// A device of a campaign.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
pub struct CampaignDevice {
    campaign_id: Octets<CampaignId>,
    /// Which device.
    pub device_id: String,
    rank: i64,
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
    /// Those after this id.
    pub after: Option<String>,
}

/// Whether a device is known.
pub fn is_device(db: &mut Db, id: &DeviceId) -> Result<bool, StoreError> {
    Ok(on!(db, c => diesel::select(exists(fleet::table.find(id.as_str()))).get_result(c))?)
}

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

/// Devices after one id and up to another that fit and are not in it.
fn fitting(
    db: &mut Db,
    row: &Row,
    from: &str,
    to: Option<&str>,
) -> Result<Vec<String>, StoreError> {
    let selection = row.selected()?;
    let mut owners = Vec::new();
    for called in &selection.customers {
        owners.extend(listing::parties_called(db, called)?.into_iter().map(Octets));
    }
    let models: Vec<Vec<u8>> = selection.models.iter().map(|model| bytes(model)).collect();
    Ok(on!(db, c => {
        let is_in = table::table
            .filter(table::campaign_id.eq(row.id))
            .filter(table::device_id.eq(fleet::id));
        let mut query = fleet::table
            .inner_join(product_lines::table)
            .filter(fleet::id.gt(from))
            .filter(fleet::state.eq(Code(DeviceState::Admitted)))
            .filter(not(exists(is_in)))
            .select(fleet::id)
            .into_boxed();
        if let Some(to) = to {
            query = query.filter(fleet::id.le(to));
        }
        if !owners.is_empty() {
            query = query.filter(fleet::owner_id.eq_any(&owners));
        }
        if !selection.product_lines.is_empty() {
            query = query.filter(product_lines::name.eq_any(&selection.product_lines));
        }
        if !models.is_empty() {
            // What a device says of itself comes before what the factory said.
            query = query.filter(fleet::said_hwmodel.eq_any(&models).or(
                fleet::said_hwmodel.is_null().and(fleet::hwmodel.eq_any(&models))
            ));
        }
        if !selection.versions.is_empty() {
            query = query.filter(fleet::software_version.eq_any(&selection.versions));
        }
        if !selection.ids.is_empty() {
            query = query.filter(fleet::id.eq_any(&selection.ids));
        }
        query.load(c)
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

/// Gives the next devices of a wave their turn; how many, which is fewer where it takes more than
/// one transaction.
pub fn draw(
    db: &mut Db,
    campaign: Octets<CampaignId>,
    plan: &Campaign,
    wave: usize,
    devices: u64,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let is_late = plan.waves[wave].is_late;
    let number = i16::try_from(wave).unwrap_or(i16::MAX);
    let limit = signed(devices).min(BATCH);
    let next: Vec<String> = on!(db, c => {
        let mut query = table::table
            .filter(table::campaign_id.eq(campaign))
            .filter(table::step.eq(Code(DeviceStep::Waiting)))
            .order(table::rank)
            .limit(limit)
            .select(table::device_id)
            .into_boxed();
        query = if is_late {
            query.filter(table::rank.ge(LATE_RANKS))
        } else {
            query.filter(table::rank.lt(LATE_RANKS))
        };
        query.load(c)
    })?;
    let drawn = on!(db, c => diesel::update(table::table)
        .filter(table::campaign_id.eq(campaign))
        .filter(table::device_id.eq_any(&next))
        .filter(table::step.eq(Code(DeviceStep::Waiting)))
        .set((
            table::step.eq(Code(DeviceStep::Due)),
            table::wave.eq(number),
            table::drawn_at.eq(Micros(now)),
            table::changed_at.eq(Micros(now)),
        ))
        .execute(c))?;
    let count = signed(drawn as u64);
    let growth = Growth {
        size: if is_late { count } else { 0 },
        drawn: count,
        ..Growth::default()
    };
    grow(db, campaign, number, growth)?;
    Ok(drawn as u64)
}

/// Up to a batch of devices whose turn has come.
pub fn due(db: &mut Db, campaign: Octets<CampaignId>) -> Result<Vec<String>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::campaign_id.eq(campaign))
        .filter(table::step.eq(Code(DeviceStep::Due)))
        .order(table::rank)
        .limit(BATCH)
        .select(table::device_id)
        .load(c))?)
}

/// Marks a device whose turn has come as served; whether it was for this caller to do.
pub fn sent(
    db: &mut Db,
    campaign: Octets<CampaignId>,
    device: &DeviceId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let due = table::table
        .find((campaign, device.as_str()))
        .filter(table::step.eq(Code(DeviceStep::Due)));
    let changes = (
        table::step.eq(Code(DeviceStep::Sent)),
        table::changed_at.eq(Micros(now)),
    );
    let changed = on!(db, c => diesel::update(due).set(changes).execute(c))?;
    Ok(changed > 0)
}

/// Records what the device must sign for.
pub fn follow(
    db: &mut Db,
    campaign: Octets<CampaignId>,
    device: &DeviceId,
    activations: &[(ActivationId, bool)],
) -> Result<(), StoreError> {
    for (activation, taken) in activations {
        on!(db, c => diesel::insert_into(followed::table)
            .values((
                followed::campaign_id.eq(campaign),
                followed::device_id.eq(device.as_str()),
                followed::activation_id.eq(Octets(*activation)),
                followed::taken.eq(*taken),
            ))
            .execute(c))?;
    }
    Ok(())
}

/// Settles a device whose turn has come, to which the deed cannot be done.
pub fn settle_due(
    db: &mut Db,
    campaign: Octets<CampaignId>,
    device: &DeviceId,
    ended: Ended,
    rule: Option<Rule>,
    now: Timestamp,
) -> Result<(), StoreError> {
    put(
        db,
        campaign,
        device.as_str(),
        DeviceStep::Due,
        ended,
        rule,
        now,
    )
}

/// Settles devices by what they signed for, and those that did not sign for too long.
pub fn settle(
    db: &mut Db,
    row: &Row,
    campaign: &Campaign,
    now: Timestamp,
) -> Result<(), StoreError> {
    const SENT: [i16; 2] = [DeviceStep::Sent.number(), DeviceStep::Silent.number()];
    // A unit that is suspended is kept, and its device has signed for neither.
    const OPEN_GIVEN: [i16; 3] = [
        ActivationState::Reserved.number(),
        ActivationState::Published.number(),
        ActivationState::Suspended.number(),
    ];
    const OPEN_TAKEN: [i16; 2] = [
        ActivationState::Removing.number(),
        ActivationState::Orphaned.number(),
    ];
    let id = row.id;
    let settled: Vec<(String, Code<DeviceStep>)> = on!(db, c => {
        let open = followed::table
            .inner_join(activations::table)
            .filter(followed::campaign_id.eq(table::campaign_id))
            .filter(followed::device_id.eq(table::device_id))
            .filter(followed::taken.and(activations::state.eq_any(OPEN_TAKEN))
                .or(not(followed::taken).and(activations::state.eq_any(OPEN_GIVEN))));
        table::table
            .filter(table::campaign_id.eq(id))
            .filter(table::step.eq_any(SENT))
            .filter(not(exists(open)))
            .limit(BATCH)
            .select((table::device_id, table::step))
            .load(c)
    })?;
    for (device, step) in settled {
        let ended = ended(db, id, &device)?;
        put(db, id, &device, step.0, ended, None, now)?;
    }
    silence(db, row, campaign, now)
}

fn ended(db: &mut Db, id: Octets<CampaignId>, device: &str) -> Result<Ended, StoreError> {
    let states: Vec<(bool, Code<ActivationState>)> = on!(db, c => followed::table
        .inner_join(activations::table)
        .filter(followed::campaign_id.eq(id))
        .filter(followed::device_id.eq(device))
        .select((followed::taken, activations::state))
        .load(c))?;
    let failing = states
        .into_iter()
        .find_map(|(taken, state)| match (taken, state.0) {
            (false, ActivationState::Activated) => None,
            (false, ActivationState::Cancelled) => Some(Failing::Undone),
            (_, ActivationState::WrittenOff) => Some(Failing::OutOfService),
            (false, _) => Some(Failing::NotInForce),
            (true, _) => None,
        });
    Ok(failing.map_or(Ended::Succeeded, Ended::Failed))
}

/// Those that did not sign for as long as the plan waits count as failed, until they do.
fn silence(db: &mut Db, row: &Row, campaign: &Campaign, now: Timestamp) -> Result<(), StoreError> {
    let before = now.minus_seconds(campaign.plan.patience.get().into());
    let silent: Vec<String> = on!(db, c => table::table
        .filter(table::campaign_id.eq(row.id))
        .filter(table::step.eq(Code(DeviceStep::Sent)))
        .filter(table::drawn_at.le(Micros(before)))
        .limit(BATCH)
        .select(table::device_id)
        .load(c))?;
    for device in silent {
        let standing = Standing {
            step: Code(DeviceStep::Silent),
            failing: Some(Code(Failing::NoAnswer)),
            rule: None,
            changed_at: Micros(now),
        };
        let wave = change(db, row.id, &device, DeviceStep::Sent, &standing)?;
        let growth = Growth {
            failed: 1,
            ..Growth::default()
        };
        if let Some(wave) = wave {
            grow(db, row.id, wave, growth)?;
        }
    }
    Ok(())
}

/// Settles a device that stands so, and counts it.
fn put(
    db: &mut Db,
    campaign: Octets<CampaignId>,
    device: &str,
    from: DeviceStep,
    ended: Ended,
    rule: Option<Rule>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut growth = Growth {
        failed: if from == DeviceStep::Silent { -1 } else { 0 },
        ..Growth::default()
    };
    let (step, failing) = match ended {
        Ended::Succeeded => {
            growth.succeeded += 1;
            (DeviceStep::Succeeded, None)
        }
        Ended::Failed(failing) => {
            growth.failed += 1;
            (DeviceStep::Failed, Some(Code(failing)))
        }
        Ended::Skipped => {
            growth.skipped += 1;
            (DeviceStep::Skipped, None)
        }
    };
    let standing = Standing {
        step: Code(step),
        failing,
        rule: rule.map(Code),
        changed_at: Micros(now),
    };
    if let Some(wave) = change(db, campaign, device, from, &standing)? {
        grow(db, campaign, wave, growth)?;
    }
    Ok(())
}

/// The columns that change with a step.
#[derive(AsChangeset)]
#[diesel(table_name = table, treat_none_as_null = true)]
struct Standing {
    step: Code<DeviceStep>,
    failing: Option<Code<Failing>>,
    rule: Option<Code<Rule>>,
    changed_at: Micros,
}

/// Changes a device that stands so: the wave it is in; none, if it stands so no more.
fn change(
    db: &mut Db,
    campaign: Octets<CampaignId>,
    device: &str,
    from: DeviceStep,
    standing: &Standing,
) -> Result<Option<i16>, StoreError> {
    let stands_so = table::table
        .find((campaign, device))
        .filter(table::step.eq(Code(from)));
    if on!(db, c => diesel::update(stands_so).set(standing).execute(c))? == 0 {
        return Ok(None);
    }
    Ok(on!(db, c => table::table
        .find((campaign, device))
        .select(table::wave)
        .first(c))?)
}

/// Up to `limit` devices of a campaign, by id.
pub fn devices(
    db: &mut Db,
    campaign: Octets<CampaignId>,
    filter: &DevicesFilter,
    limit: i64,
) -> Result<Vec<CampaignDevice>, StoreError> {
    Ok(on!(db, c => {
        let mut query = table::table
            .filter(table::campaign_id.eq(campaign))
            .order(table::device_id)
            .limit(limit)
            .select(CampaignDevice::as_select())
            .into_boxed();
        if let Some(step) = filter.step {
            query = query.filter(table::step.eq(Code(step)));
        }
        if let Some(after) = &filter.after {
            query = query.filter(table::device_id.gt(after));
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
