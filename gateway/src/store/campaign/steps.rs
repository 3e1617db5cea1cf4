//! From step to step: a device's turn comes, the deed is done to it, and it is settled by what it
//! signed for. Each change is counted in its wave.

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use fleetgrant_core::campaign::{Campaign, DeviceStep, Failing};
use fleetgrant_core::domain::{
    ActivationId, ActivationState, CampaignId, DeviceId, EntitlementId, Timestamp,
};
use fleetgrant_core::rule::Rule;

use super::Row;
use super::devices::LATE_RANKS;
use super::waves::{Growth, grow, signed};
use crate::store::column::{Code, Micros, Octets};
use crate::store::schema::{
    activations, campaign_activations as followed, campaign_devices as table,
};
use crate::store::{Db, StoreError};

/// Devices that one transaction draws or settles.
const BATCH: i64 = 500;

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

/// The entitlements of which a campaign took something.
pub fn taken_of(
    db: &mut Db,
    campaign: Octets<CampaignId>,
) -> Result<Vec<EntitlementId>, StoreError> {
    let found: Vec<Octets<EntitlementId>> = on!(db, c => followed::table
        .inner_join(activations::table.on(activations::id.eq(followed::activation_id)))
        .filter(followed::campaign_id.eq(campaign))
        .filter(followed::taken.eq(true))
        .select(activations::entitlement_id)
        .distinct()
        .order(activations::entitlement_id)
        .load(c))?;
    Ok(found.into_iter().map(|id| id.0).collect())
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
