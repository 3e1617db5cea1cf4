//! What customers did with what they have, and what went wrong on the way: returns, moves,
//! temporary licences, overdrafts, copies at risk, resyncs, clones and repairs, and how often it
//! worked.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::connection::DefaultLoadingMode;
use diesel::dsl::{exists, sql};
use diesel::prelude::*;
use diesel::sql_types::Text;
use fleetgrant_core::domain::{
    CaseId, CaseState, EntitlementId, EntitlementState, ProductLineId, Timestamp,
};
use fleetgrant_core::event::EventKind;
use fleetgrant_core::quota::QuotaKind;
use serde::{Deserialize, Serialize};
use serde_cbor::Value;
use utoipa::ToSchema;

use super::delay::Cohort;
use super::group::{GroupBy, Groups, Names};
use super::refusal::is_of_a_device_of;
use super::{usage, walk, written};
use crate::store::column::{Code, Micros, Octets};
use crate::store::condition::is_of_line;
use crate::store::dialect::on;
use crate::store::prepared::condition;
use crate::store::schema::{
    activations, cases, entitlements, events, license_models, parties, products, quota_uses,
};
use crate::store::{Db, StoreError, event, id};

const DAY: u64 = 86_400;

condition!(
    /// It was given back, and is proven to be gone, as the partial index has it.
    IsReturned = "activations.state = 8 AND activations.kind = 1 AND activations.removal_reason = 1"
);

/// What was done with what was sold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OperationsReport {
    /// The instant it is of.
    #[serde(with = "written::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By group, all of them last.
    pub groups: Vec<Operations>,
    /// Devices that took up a new number, by what became of them: times.
    pub resyncs: BTreeMap<String, u64>,
    /// Devices of which a clone was suspected.
    pub clones_suspected: u64,
    /// Devices that held less than they had acknowledged.
    pub rolled_back: u64,
    /// Boards that were replaced.
    pub repairs: u64,
    /// Keys of devices that were revoked.
    pub keys_revoked: u64,
    /// How often what was asked for came about.
    pub success: Success,
}

/// What was done with what was sold of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Operations {
    /// Which group.
    pub group: String,
    /// Units that devices gave back, and that are proven to be gone.
    pub returned: u64,
    /// Units that another device took up which one had given back.
    pub rehosted: u64,
    /// Units of devices that were declared dead.
    pub rehosted_unconfirmed: u64,
    /// Units given as temporary licences.
    pub temporary: u64,
    /// Entitlements of which more is in use now than there is.
    pub overdrawn: u64,
    /// Units of those, beyond what there is.
    pub overdraft: u64,
    /// Units that may still run now on a device that is not meant to have them.
    pub at_risk: u64,
}

/// How often what was asked for came about within a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Success {
    /// Cases opened in the interval, at least 24 hours ago.
    pub opened: u64,
    /// Of those, cases that activated within 24 hours.
    pub activated: u64,
    /// Their share; null without any.
    pub share: Option<f64>,
}

#[derive(Queryable)]
struct Row {
    id: Octets<EntitlementId>,
    state: Code<EntitlementState>,
    unlimited: bool,
    units: i64,
    live: i64,
    product: String,
    model: String,
    owner: Option<String>,
}

#[derive(Clone, Copy, Default)]
struct Tally {
    returned: u64,
    rehosted: u64,
    rehosted_unconfirmed: u64,
    temporary: u64,
    overdrawn: u64,
    overdraft: u64,
    at_risk: u64,
}

/// Reads what was done in an interval, of a product line or of all.
pub fn read(
    db: &mut Db,
    line: Option<ProductLineId>,
    now: Timestamp,
    interval: Cohort,
    by: GroupBy,
) -> Result<OperationsReport, StoreError> {
    let mut done = HashMap::<Octets<EntitlementId>, Tally>::new();
    returned(db, line, interval, |entitlement, units| {
        done.entry(entitlement).or_default().returned += units.unsigned_abs();
    })?;
    for (entitlement, kind, units) in quotas(db, interval)? {
        let tally = done.entry(entitlement).or_default();
        let of_kind = match kind.0 {
            QuotaKind::Rehost => &mut tally.rehosted,
            QuotaKind::RehostUnconfirmed => &mut tally.rehosted_unconfirmed,
            QuotaKind::Temporary => &mut tally.temporary,
        };
        *of_kind += units.unsigned_abs();
    }
    for (entitlement, units) in usage::at_risk(db, now)? {
        done.entry(entitlement).or_default().at_risk += units;
    }
    let mut groups = Groups::<Tally>::new(by);
    rows(db, line, |row| {
        let mut tally = done.remove(&row.id).unwrap_or_default();
        let beyond = row.live.saturating_sub(row.units);
        if !row.unlimited && beyond > 0 && row.state.0 != EntitlementState::Draft {
            tally.overdrawn = 1;
            tally.overdraft = beyond.unsigned_abs();
        }
        let names = Names {
            product: &row.product,
            model: &row.model,
            owner: row.owner.as_deref(),
        };
        groups.add(names, |all| all.add(tally));
    })?;
    let watched = watched(db, line, interval)?;
    Ok(OperationsReport {
        at: now,
        groups: groups.into_rows(|group, tally| tally.of(group)),
        resyncs: watched.resyncs,
        clones_suspected: watched.clones.len() as u64,
        rolled_back: watched.rolled_back.len() as u64,
        repairs: watched.repairs,
        keys_revoked: watched.keys_revoked,
        success: success(db, line, now, interval)?,
    })
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.returned += other.returned;
        self.rehosted += other.rehosted;
        self.rehosted_unconfirmed += other.rehosted_unconfirmed;
        self.temporary += other.temporary;
        self.overdrawn += other.overdrawn;
        self.overdraft += other.overdraft;
        self.at_risk += other.at_risk;
    }

    fn of(self, group: String) -> Operations {
        Operations {
            group,
            returned: self.returned,
            rehosted: self.rehosted,
            rehosted_unconfirmed: self.rehosted_unconfirmed,
            temporary: self.temporary,
            overdrawn: self.overdrawn,
            overdraft: self.overdraft,
            at_risk: self.at_risk,
        }
    }
}

fn rows(
    db: &mut Db,
    line: Option<ProductLineId>,
    mut each: impl FnMut(Row),
) -> Result<(), StoreError> {
    for product in walk::products_of(db, line)? {
        on!(db, c => {
            let mut query = entitlements::table
                .inner_join(products::table)
                .inner_join(license_models::table)
                .left_join(parties::table)
                .select((
                    entitlements::id,
                    entitlements::state,
                    entitlements::unlimited,
                    entitlements::units,
                    entitlements::live_units,
                    products::code,
                    license_models::code,
                    parties::name.nullable(),
                ))
                .into_boxed();
            if let Some(product) = product {
                query = query.filter(entitlements::product_id.eq(product));
            }
            for row in query.load_iter::<Row, DefaultLoadingMode>(c)? {
                each(row?);
            }
        });
    }
    Ok(())
}

fn bounds(interval: Cohort) -> (Micros, Micros) {
    let since = interval.since.map_or(i64::MIN, Timestamp::micros);
    let until = interval.until.map_or(i64::MAX, Timestamp::micros);
    let at = |micros| Micros(Timestamp::from_micros(micros));
    (at(since), at(until))
}

/// What was given back, of the products of a line.
fn returned(
    db: &mut Db,
    line: Option<ProductLineId>,
    interval: Cohort,
    mut each: impl FnMut(Octets<EntitlementId>, i64),
) -> Result<(), StoreError> {
    let (since, until) = bounds(interval);
    on!(db, c => {
        let mut query = activations::table
            .filter(IsReturned)
            .filter(activations::ended_at.ge(since))
            .filter(activations::ended_at.lt(until))
            .select((activations::entitlement_id, activations::units))
            .into_boxed();
        if let Some(line) = line {
            query = query.filter(exists(
                entitlements::table
                    .inner_join(products::table)
                    .filter(entitlements::id.eq(activations::entitlement_id))
                    .filter(products::product_line_id.eq(Octets(line))),
            ));
        }
        let rows = query.load_iter::<(Octets<EntitlementId>, i64), DefaultLoadingMode>(c)?;
        for row in rows {
            let (entitlement, units) = row?;
            each(entitlement, units);
        }
    });
    Ok(())
}

type Use = (Octets<EntitlementId>, Code<QuotaKind>, i64);

fn quotas(db: &mut Db, interval: Cohort) -> Result<Vec<Use>, StoreError> {
    let (since, until) = bounds(interval);
    Ok(on!(db, c => quota_uses::table
        .filter(quota_uses::used_at.ge(since))
        .filter(quota_uses::used_at.lt(until))
        .select((quota_uses::entitlement_id, quota_uses::kind, quota_uses::units))
        .load(c))?)
}

/// What was seen of devices that may be cloned or set back, and of boards and keys.
#[derive(Default)]
struct Watched {
    resyncs: BTreeMap<String, u64>,
    clones: BTreeSet<String>,
    rolled_back: BTreeSet<String>,
    repairs: u64,
    keys_revoked: u64,
}

fn watched(
    db: &mut Db,
    line: Option<ProductLineId>,
    interval: Cohort,
) -> Result<Watched, StoreError> {
    const KINDS: [i16; 5] = [
        EventKind::Resynced.number(),
        EventKind::CloneSuspected.number(),
        EventKind::RolledBack.number(),
        EventKind::DeviceRepaired.number(),
        EventKind::DeviceKeyRevoked.number(),
    ];
    let (since, until) = bounds(interval);
    let found: Vec<(String, Code<EventKind>, Vec<u8>)> = on!(db, c => {
        let mut query = events::table
            .filter(events::kind.eq_any(KINDS))
            .filter(events::at.ge(since))
            .filter(events::at.lt(until))
            .select((events::stream, events::kind, events::body))
            .into_boxed();
        if let Some(line) = line {
            query = query.filter(is_of_a_device_of!(line));
        }
        query.load(c)
    })?;
    let mut watched = Watched::default();
    for (stream, kind, body) in found {
        match kind.0 {
            EventKind::CloneSuspected => {
                watched.clones.insert(stream);
            }
            EventKind::RolledBack => {
                watched.rolled_back.insert(stream);
            }
            EventKind::DeviceKeyRevoked => watched.keys_revoked += 1,
            EventKind::DeviceRepaired => {
                // Another key for the same board.
                let was_waiting = matches!(
                    event::fields(&body)?.remove("was"),
                    Some(Value::Text(was)) if was == "waiting"
                );
                watched.repairs += u64::from(!was_waiting);
            }
            _ => {
                let class = match event::fields(&body)?.remove("class") {
                    Some(Value::Text(class)) => class,
                    _ => "unknown".to_owned(),
                };
                *watched.resyncs.entry(class).or_default() += 1;
            }
        }
    }
    Ok(watched)
}

fn success(
    db: &mut Db,
    line: Option<ProductLineId>,
    now: Timestamp,
    interval: Cohort,
) -> Result<Success, StoreError> {
    let (since, until) = bounds(interval);
    let settled = Micros(now.minus_seconds(DAY));
    let mut success = Success::default();
    on!(db, c => {
        let mut query = cases::table
            // They are found by their ids.
            .filter(cases::id.ge(id::lowest::<CaseId>(since.0)))
            .filter(cases::id.lt(id::lowest::<CaseId>(until.0.plus_seconds(1))))
            .filter(cases::opened_at.ge(since))
            .filter(cases::opened_at.lt(until))
            .filter(cases::opened_at.le(settled))
            .select((cases::opened_at, cases::state, cases::closed_at))
            .into_boxed();
        if let Some(line) = line {
            query = query.filter(is_of_line!(cases::device_id, line));
        }
        for row in query.load_iter::<Opened, DefaultLoadingMode>(c)? {
            let (opened, state, closed) = row?;
            let is_in_time = state.0 == CaseState::Activated
                && closed.is_some_and(|closed| closed.0 <= opened.0.plus_seconds(DAY));
            success.opened += 1;
            success.activated += u64::from(is_in_time);
        }
    });
    let Success {
        opened, activated, ..
    } = success;
    success.share = (opened > 0).then(|| activated as f64 / opened as f64);
    Ok(success)
}

/// A case: when it was opened, how it stands, when it was closed.
type Opened = (Micros, Code<CaseState>, Option<Micros>);
