//! How the fleet stands, and how fast it activates: what operators look at first.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use diesel::connection::DefaultLoadingMode;
use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use fleetgrant_core::domain::{
    ActivationId, ActivationState, DeviceState, ProductLineId, Purpose, Timestamp,
};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::first::{self, Lineages};
use super::refusal::{Refusals, refusals};
use super::wait::{DataError, DataErrors, Summary, Wait, Waits};
use super::walk::{self, on_devices};
use super::{Lines, written};
use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::on;
use crate::store::schema::{activations, conversations, devices, entitlements};
use crate::store::{Db, StoreError};

const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

/// How devices, activations and refusals stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ActivationReport {
    /// The instant it is of.
    #[serde(with = "written::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What happened before this is left out of what is counted over time.
    #[serde(with = "written::optional_instant")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Devices by state, now.
    #[serde(with = "written::by_name")]
    #[schema(value_type = BTreeMap<String, u64>)]
    pub devices: BTreeMap<DeviceState, u64>,
    /// Units by the state of their activation, now.
    #[serde(with = "written::by_name")]
    #[schema(value_type = BTreeMap<String, u64>)]
    pub units: BTreeMap<ActivationState, u64>,
    /// Units activated for the first time.
    pub activated: Activations,
    /// What was refused.
    pub refusals: Refusals,
    /// Messages rejected before anybody knew who sent them, by reason; none where the process
    /// that counts them was not asked.
    pub unauthenticated: Option<BTreeMap<String, u64>>,
    /// Devices, from their first authenticated request to the first activation on them.
    pub contact_to_activation: Summary,
    /// Devices whose dates contradict each other. The first hundred.
    pub data_errors: Vec<DataError>,
    /// How many such there are.
    pub data_errors_in_all: u64,
}

/// Units activated for the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Activations {
    /// Since the report's beginning.
    pub units: u64,
    /// In the last hour.
    pub last_hour: u64,
    /// In the last 24 hours.
    pub last_day: u64,
}

/// Reads the report, of a product line or of all. What counts once a day counts by the days of `zone`.
pub fn read(
    db: &mut Db,
    line: Option<ProductLineId>,
    now: Timestamp,
    since: Option<Timestamp>,
    zone: &TimeZone,
) -> Result<ActivationReport, StoreError> {
    let lineages = Lineages::read(db, true, line)?;
    let (contact_to_activation, data_errors) =
        contact_to_activation(db, line, &lineages, since, now)?;
    Ok(ActivationReport {
        at: now,
        since,
        devices: devices_by_state(db, line)?,
        units: units_by_state(db, line)?,
        activated: Activations {
            units: lineages.units_since(db, since)?,
            last_hour: lineages.units_since(db, Some(now.minus_seconds(HOUR)))?,
            last_day: lineages.units_since(db, Some(now.minus_seconds(DAY)))?,
        },
        refusals: refusals(db, line, since, zone)?,
        unauthenticated: None,
        contact_to_activation,
        data_errors: data_errors.first,
        data_errors_in_all: data_errors.all,
    })
}

impl ActivationReport {
    /// With what the process counted that no device could be told from.
    #[must_use]
    pub fn with_unauthenticated(mut self, by_reason: BTreeMap<String, u64>) -> Self {
        self.unauthenticated = Some(by_reason);
        self
    }

    /// The report for tables and spreadsheets.
    #[must_use]
    pub fn lines(&self) -> Lines {
        let mut lines = Vec::new();
        lines.extend(counts("devices", &self.devices));
        lines.extend(counts("units", &self.units));
        let Activations {
            units,
            last_hour,
            last_day,
        } = self.activated;
        for (item, units) in [
            ("units", units),
            ("last hour", last_hour),
            ("last 24 hours", last_day),
        ] {
            lines.push(("first activated", item.to_owned(), units.to_string()));
        }
        lines.extend(counts("wants refused", &self.refusals.wants));
        let decided = self.refusals.decided.to_string();
        lines.push(("wants decided", "all".to_owned(), decided));
        if let Some(rate) = self.refusals.rate {
            let percent = format!("{:.1} %", rate * 100.0);
            lines.push(("refusal rate", "of wants".to_owned(), percent));
        }
        lines.extend(counts("devices refused", &self.refusals.devices));
        if let Some(by_reason) = &self.unauthenticated {
            lines.extend(counts("unauthenticated", by_reason));
        }
        let waited = self.contact_to_activation.lines("devices");
        lines.extend(waited.map(|(item, value)| ("contact to activation", item, value)));
        if self.data_errors_in_all > 0 {
            let errors = self.data_errors_in_all;
            lines.push(("data errors", "devices".to_owned(), errors.to_string()));
        }
        Lines(lines)
    }
}

/// A line for each, and one for all.
fn counts<K: fmt::Display>(
    section: &'static str,
    counted: &BTreeMap<K, u64>,
) -> impl Iterator<Item = (&'static str, String, String)> {
    let all: u64 = counted.values().sum();
    let each = counted
        .iter()
        .map(move |(key, count)| (section, key.to_string(), count.to_string()));
    each.chain([(section, "all".to_owned(), all.to_string())])
}

fn devices_by_state(
    db: &mut Db,
    line: Option<ProductLineId>,
) -> Result<BTreeMap<DeviceState, u64>, StoreError> {
    let counted: Vec<(Code<DeviceState>, i64)> = on!(db, c => {
        let mut query = devices::table
            .group_by(devices::state)
            .select((devices::state, count_star()))
            .into_boxed();
        if let Some(line) = line {
            query = query.filter(devices::product_line_id.eq(Octets(line)));
        }
        query.load(c)
    })?;
    Ok(counted
        .into_iter()
        .map(|(state, devices)| (state.0, devices.unsigned_abs()))
        .collect())
}

fn units_by_state(
    db: &mut Db,
    line: Option<ProductLineId>,
) -> Result<BTreeMap<ActivationState, u64>, StoreError> {
    let counted: Vec<(Code<ActivationState>, i64)> = on!(db, c => {
        let mut query = activations::table
            .group_by(activations::state)
            // What PostgreSQL sums of BIGINT is NUMERIC.
            .select((activations::state, sql::<BigInt>("CAST(sum(units) AS BIGINT)")))
            .into_boxed();
        if let Some(line) = line {
            let own = devices::table.filter(devices::product_line_id.eq(Octets(line)));
            query = query.filter(activations::device_id.eq_any(own.select(devices::id)));
        }
        query.load(c)
    })?;
    Ok(counted
        .into_iter()
        .map(|(state, units)| (state.0, units.unsigned_abs()))
        .collect())
}

type Contact = (String, Micros);

/// Production devices with their first authenticated request, some of those after an id.
fn contacts(
    db: &mut Db,
    line: Option<ProductLineId>,
    since: Option<Timestamp>,
    after: &str,
) -> Result<Vec<Contact>, StoreError> {
    let since = since.map_or(i64::MIN, Timestamp::micros);
    Ok(on!(db, c => {
        let query = conversations::table
            .inner_join(devices::table)
            .filter(devices::purpose.eq(Code(Purpose::Production)))
            .filter(conversations::first_contact_at.ge(Micros(Timestamp::from_micros(since))))
            .select((conversations::device_id, conversations::first_contact_at.assume_not_null()))
            .limit(walk::DEVICES)
            .into_boxed();
        let query = match line {
            // In the order of the index of what is of the line.
            Some(line) => query
                .filter(devices::product_line_id.eq(Octets(line)))
                .filter(devices::id.gt(after))
                .order(devices::id),
            None => query
                .filter(conversations::device_id.gt(after))
                .order(conversations::device_id),
        };
        query.load(c)
    })?)
}

/// The first activation on each of the devices after an id and up to another.
fn activated(
    db: &mut Db,
    line: Option<ProductLineId>,
    lineages: &Lineages,
    after: &str,
    until: &str,
) -> Result<HashMap<String, Timestamp>, StoreError> {
    type Row = (String, Octets<ActivationId>, Micros);
    let mut activated = HashMap::new();
    on!(db, c => {
        let query = activations::table
            .inner_join(entitlements::table)
            .filter(first::Counts)
            .filter(entitlements::purpose.eq(Code(Purpose::Production)))
            .select((
                activations::device_id,
                activations::lineage_id,
                activations::activated_at.assume_not_null(),
            ))
            .into_boxed();
        let query = on_devices!(query, line, after, until);
        for row in query.load_iter::<Row, DefaultLoadingMode>(c)? {
            let (device, lineage, at) = row?;
            if lineages.is_first(lineage, at) {
                let first = activated.entry(device).or_insert(at.0);
                *first = at.0.min(*first);
            }
        }
    });
    Ok(activated)
}

fn contact_to_activation(
    db: &mut Db,
    line: Option<ProductLineId>,
    lineages: &Lineages,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Summary, DataErrors), StoreError> {
    let mut waits = Waits::default();
    let mut errors = DataErrors::default();
    let mut after = String::new();
    loop {
        let contacts = contacts(db, line, since, &after)?;
        let Some((last, _)) = contacts.last() else {
            return Ok((waits.summary(), errors));
        };
        let activated = activated(db, line, lineages, &after, last)?;
        after.clone_from(last);
        for (device, contact) in contacts {
            let from = contact.0;
            let wait = match activated.get(&device) {
                Some(at) => Wait::over(from, *at, 1),
                None => Wait::ongoing(from, now, 1),
            };
            match wait {
                Ok(wait) => waits.add(wait),
                Err(negative) => errors.add(DataError {
                    subject: "first contact".to_owned(),
                    device: Some(device),
                    units: 1,
                    from: negative.from,
                    to: negative.to,
                }),
            }
        }
    }
}
