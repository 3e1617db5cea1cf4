//! What has been in a step for longer than it should.

use std::borrow::Cow;
use std::time::Duration;

use diesel::dsl::{exists, max, min, sql};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use fleetgrant_core::domain::{
    ActivationId, ActivationState, CaseStep, DeliveryState, DeviceState, Origin, ProductLineId,
    RemovalReason, ShipmentState, Timestamp,
};
use fleetgrant_core::event::EventKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::written;
use crate::store::column::{Code, Micros, Octets};
use crate::store::condition::is_of_line;
use crate::store::dialect::on;
use crate::store::listing::IsAside;
use crate::store::prepared::condition;
use crate::store::schema::{
    activations, conversations, devices, events, grant_sets, shipment_serials, shipments,
};
use crate::store::{Db, StoreError, case, event};

condition!(
    /// It is not pushed any more, as the partial index has it. What is has a next attempt.
    IsExhausted = "grant_sets.delivery_state = 4"
);

/// How long something may be in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Shipped, and never heard.
    pub shipped: Duration,
    /// In quarantine.
    pub quarantined: Duration,
    /// Wanted, and denied.
    pub denied: Duration,
    /// Wanted, and waiting for somebody's approval.
    pub approval: Duration,
    /// Assigned, and not in a set although the device was heard since.
    pub reserved: Duration,
    /// In a set that the device has not signed for.
    pub published: Duration,
    /// In a set that people carry to the device, and that it has not signed for.
    pub offline: Duration,
    /// Taken out of the set, and not proven to be gone.
    pub removing: Duration,
}

const MINUTE: u64 = 60;
const DAY: u64 = 86_400;

impl Default for Limits {
    fn default() -> Self {
        Self {
            shipped: Duration::from_secs(30 * DAY),
            quarantined: Duration::from_secs(DAY),
            denied: Duration::from_secs(DAY),
            approval: Duration::from_secs(240 * MINUTE),
            reserved: Duration::from_secs(MINUTE),
            published: Duration::from_secs(15 * MINUTE),
            offline: Duration::from_secs(7 * DAY),
            removing: Duration::from_secs(7 * DAY),
        }
    }
}

impl Limits {
    /// The limit of a step.
    pub const fn of(&mut self, step: Step) -> &mut Duration {
        match step {
            Step::Shipped => &mut self.shipped,
            Step::Quarantined => &mut self.quarantined,
            Step::Denied => &mut self.denied,
            Step::Approval => &mut self.approval,
            Step::Reserved => &mut self.reserved,
            Step::Published => &mut self.published,
            Step::Offline => &mut self.offline,
            Step::Removing => &mut self.removing,
        }
    }
}

/// A step and how long something may be in it, as people write it.
///
/// # Errors
/// It is none, and what one looks like.
pub fn limit(text: &str) -> Result<(Step, Duration), String> {
    let (step, time) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is no limit; write it as removing=3d"))?;
    let step = <Step as clap::ValueEnum>::from_str(step, false)?;
    Ok((step, crate::when::length(time)?))
}

/// A step that something can be stuck in.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    ToSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Shipped, and never heard.
    Shipped,
    /// In quarantine.
    Quarantined,
    /// Wanted, and denied.
    Denied,
    /// Wanted, and waiting for somebody's approval.
    Approval,
    /// Assigned, and not in a set although the device was heard since.
    Reserved,
    /// In a set that the device has not signed for.
    Published,
    /// In a set that people carry to the device, and that it has not signed for.
    Offline,
    /// Taken out of the set, and not proven to be gone.
    Removing,
}

impl Step {
    /// Every one, in the order in which a device goes through them.
    pub const ALL: &'static [Self] = &[
        Self::Shipped,
        Self::Quarantined,
        Self::Denied,
        Self::Approval,
        Self::Reserved,
        Self::Published,
        Self::Offline,
        Self::Removing,
    ];

    /// The name people and scripts read.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shipped => "shipped",
            Self::Quarantined => "quarantined",
            Self::Denied => "denied",
            Self::Approval => "approval",
            Self::Reserved => "reserved",
            Self::Published => "published",
            Self::Offline => "offline",
            Self::Removing => "removing",
        }
    }
}

/// Something that is stuck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stuck {
    /// In which step.
    pub step: Step,
    /// The device.
    pub device: String,
    /// What of it: a want, an activation, a generation.
    pub what: String,
    /// Why, where a reason is known.
    pub reason: Option<String>,
    /// Since when.
    #[serde(with = "written::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// What a person can do about it.
    #[schema(value_type = String)]
    pub remedy: Cow<'static, str>,
}

/// Up to `most` of each step, the oldest first; on devices of a product line or on all.
pub fn stuck(
    db: &mut Db,
    line: Option<ProductLineId>,
    now: Timestamp,
    limits: &Limits,
    most: i64,
) -> Result<Vec<Stuck>, StoreError> {
    let before = |limit: Duration| now.minus_seconds(limit.as_secs());
    let mut stuck = shipped(db, line, before(limits.shipped), most)?;
    stuck.extend(quarantined(db, line, before(limits.quarantined), most)?);
    for (step, waits_for, limit) in [
        (Step::Denied, CaseStep::Denied, limits.denied),
        (Step::Approval, CaseStep::Approval, limits.approval),
    ] {
        stuck.extend(wanted(db, line, (step, waits_for), before(limit), most)?);
    }
    stuck.extend(reserved(db, line, before(limits.reserved), most)?);
    for (step, limit) in [
        (Step::Published, limits.published),
        (Step::Offline, limits.offline),
    ] {
        stuck.extend(unsigned(db, line, step, before(limit), most)?);
    }
    stuck.extend(removing(db, line, before(limits.removing), most)?);
    stuck.sort_by_key(|stuck| (stuck.step, stuck.since));
    Ok(stuck)
}

fn shipped(
    db: &mut Db,
    line: Option<ProductLineId>,
    before: Timestamp,
    most: i64,
) -> Result<Vec<Stuck>, StoreError> {
    let rows: Vec<(String, Option<Micros>)> = on!(db, c => {
        let mut query = shipment_serials::table
            .inner_join(shipments::table)
            .inner_join(devices::table.left_join(conversations::table))
            .filter(shipments::state.eq(Code(ShipmentState::Shipped)))
            .filter(devices::state.eq(Code(DeviceState::Expected)))
            .filter(conversations::first_contact_at.nullable().is_null())
            .group_by(devices::id)
            .having(min(shipments::shipped_at).lt(Micros(before)))
            .order(min(shipments::shipped_at))
            .select((devices::id, min(shipments::shipped_at)))
            .limit(most)
            .into_boxed();
        if let Some(line) = line {
            query = query.filter(devices::product_line_id.eq(Octets(line)));
        }
        query.load(c)
    })?;
    let stuck = rows.into_iter().filter_map(|(device, since)| {
        Some(Stuck {
            step: Step::Shipped,
            device,
            what: "first contact".to_owned(),
            reason: None,
            since: since?.0,
            remedy: "ask whether it arrived, and whether it reaches the broker".into(),
        })
    });
    Ok(stuck.collect())
}

fn quarantined(
    db: &mut Db,
    line: Option<ProductLineId>,
    before: Timestamp,
    most: i64,
) -> Result<Vec<Stuck>, StoreError> {
    const KINDS: [i16; 2] = [
        EventKind::DeviceQuarantined.number(),
        EventKind::IdentityConflict.number(),
    ];
    let waiting: Vec<String> = on!(db, c => {
        let mut query = devices::table
            .filter(devices::state.eq(Code(DeviceState::Quarantined)))
            .order(devices::changed_at)
            .select(devices::id)
            .limit(most)
            .into_boxed();
        if let Some(line) = line {
            query = query.filter(devices::product_line_id.eq(Octets(line)));
        }
        query.load(c)
    })?;
    let mut stuck = Vec::new();
    for device in waiting {
        let stream = event::Stream::Device(&device).to_string();
        let since: Option<Micros> = on!(db, c => events::table
            .filter(events::stream.eq(stream))
            .filter(events::kind.eq_any(KINDS))
            .select(max(events::at))
            .first(c))?;
        if let Some(since) = since.filter(|since| since.0 < before) {
            stuck.push(Stuck {
                step: Step::Quarantined,
                device,
                what: "admission".to_owned(),
                reason: None,
                since: since.0,
                remedy: "compare its key with the factory's, then `fleetgrant devices admit` it"
                    .into(),
            });
        }
    }
    Ok(stuck)
}

fn wanted(
    db: &mut Db,
    line: Option<ProductLineId>,
    (step, waits_for): (Step, CaseStep),
    before: Timestamp,
    most: i64,
) -> Result<Vec<Stuck>, StoreError> {
    let cases = case::stuck(db, line, waits_for, before, most)?;
    let stuck = cases.into_iter().map(|case| Stuck {
        step,
        device: case.device_id,
        what: match case.want.as_str() {
            "" => "what is bound to it".to_owned(),
            _ => case.want,
        },
        reason: case.rule.map(|rule| rule.0.to_string()),
        since: case.changed_at.0,
        remedy: case
            .rule
            .map_or("look at its cases", |rule| rule.0.remedy())
            .into(),
    });
    Ok(stuck.collect())
}

fn reserved(
    db: &mut Db,
    line: Option<ProductLineId>,
    before: Timestamp,
    most: i64,
) -> Result<Vec<Stuck>, StoreError> {
    let rows: Vec<(String, Octets<ActivationId>, Option<Micros>)> = on!(db, c => {
        let mut query = activations::table
            .inner_join(devices::table.inner_join(conversations::table))
            .filter(IsAside)
            .filter(activations::state.eq(Code(ActivationState::Reserved)))
            .filter(conversations::last_contact_at.assume_not_null().gt(activations::created_at))
            .filter(conversations::last_contact_at.lt(Micros(before)))
            .order(conversations::last_contact_at)
            .select((
                devices::id,
                activations::id,
                conversations::last_contact_at,
            ))
            .limit(most)
            .into_boxed();
        if let Some(line) = line {
            query = query.filter(devices::product_line_id.eq(Octets(line)));
        }
        query.load(c)
    })?;
    let stuck = rows.into_iter().filter_map(|(device, activation, since)| {
        Some(Stuck {
            step: Step::Reserved,
            device,
            what: format!("activation {}", activation.0),
            reason: None,
            since: since?.0,
            remedy: "see whether the device asks, and what it was answered; or cancel it".into(),
        })
    });
    Ok(stuck.collect())
}

fn unsigned(
    db: &mut Db,
    line: Option<ProductLineId>,
    step: Step,
    before: Timestamp,
    most: i64,
) -> Result<Vec<Stuck>, StoreError> {
    type Found = (String, i64, Code<DeliveryState>, i64, Micros);
    // Its set left in a file if what it is to activate did.
    let is_carried = || {
        exists(
            activations::table
                .filter(activations::device_id.eq(grant_sets::device_id))
                .filter(sql::<Bool>("activations.state <= 6"))
                .filter(activations::state.eq(Code(ActivationState::Published)))
                .filter(activations::origin.eq(Code(Origin::Offline))),
        )
    };
    let mut rows = Vec::<Found>::new();
    // Each as a partial index has it.
    for is_pushed in [true, false] {
        let found: Vec<Found> = on!(db, c => {
            let mut query = grant_sets::table
                .filter(grant_sets::created_at.lt(Micros(before)))
                .filter(is_carried().eq(step == Step::Offline))
                .order(grant_sets::created_at)
                .select((
                    grant_sets::device_id,
                    grant_sets::generation,
                    grant_sets::delivery_state,
                    grant_sets::attempts,
                    grant_sets::created_at,
                ))
                .limit(most)
                .into_boxed();
            query = if is_pushed {
                query.filter(grant_sets::next_attempt_at.is_not_null())
            } else {
                query.filter(IsExhausted)
            };
            if let Some(line) = line {
                query = query.filter(is_of_line!(grant_sets::device_id, line));
            }
            query.load(c)
        })?;
        rows.extend(found);
    }
    rows.sort_by_key(|(.., since)| *since);
    rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let stuck = rows
        .into_iter()
        .map(|(device, generation, state, attempts, since)| Stuck {
            step,
            device,
            what: format!("generation {generation}"),
            reason: Some(format!("{}, pushed {attempts} times", state.0)),
            since: since.0,
            remedy: match step {
                Step::Offline => "ask for the file with the device's acknowledgement",
                _ => "see when the device was last heard; it gets the set when it is",
            }
            .into(),
        });
    Ok(stuck.collect())
}

fn removing(
    db: &mut Db,
    line: Option<ProductLineId>,
    before: Timestamp,
    most: i64,
) -> Result<Vec<Stuck>, StoreError> {
    type Found = (
        String,
        Octets<ActivationId>,
        Option<Code<RemovalReason>>,
        Option<Micros>,
    );
    const GOING: [i16; 2] = [
        ActivationState::Removing.number(),
        ActivationState::Orphaned.number(),
    ];
    let rows: Vec<Found> = on!(db, c => {
        let mut query = activations::table
            .filter(IsAside)
            .filter(activations::state.eq_any(GOING))
            .filter(activations::removing_since_at.lt(Micros(before)))
            .order(activations::removing_since_at)
            .select((
                activations::device_id,
                activations::id,
                activations::removal_reason,
                activations::removing_since_at,
            ))
            .limit(most)
            .into_boxed();
        if let Some(line) = line {
            query = query.filter(is_of_line!(activations::device_id, line));
        }
        query.load(c)
    })?;
    let stuck = rows
        .into_iter()
        .filter_map(|(device, activation, reason, since)| {
            Some(Stuck {
                step: Step::Removing,
                device,
                what: format!("activation {}", activation.0),
                reason: reason.map(|reason| reason.0.to_string()),
                since: since?.0,
                remedy: "get the device to report; its units are free when it has".into(),
            })
        });
    Ok(stuck.collect())
}
