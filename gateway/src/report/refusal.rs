//! What was refused, and of how much: each want once a day however often a device asks.

use std::collections::{BTreeMap, BTreeSet};

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use fleetgrant_core::domain::Timestamp;
use fleetgrant_core::event::EventKind;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_cbor::Value;
use utoipa::ToSchema;

use crate::store::column::{Code, Micros};
use crate::store::dialect::on;
use crate::store::schema::events;
use crate::store::{Db, StoreError, event};

/// What was refused of devices that proved who they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Refusals {
    /// Wants denied, by rule: distinct (device, want, rule, day).
    pub wants: BTreeMap<String, u64>,
    /// Wants decided, whichever way: distinct (device, want, day).
    pub decided: u64,
    /// Wants denied ÷ wants decided; none without any.
    pub rate: Option<f64>,
    /// Messages refused as a whole, by reason: distinct (device, reason, day).
    pub devices: BTreeMap<String, u64>,
}

/// What an event says of a want or of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    /// A want was decided: denied by this rule, or not.
    Want(String, Option<String>),
    /// A message was refused for this reason.
    Message(String),
}

/// What was refused since an instant, by days of `zone`.
pub(super) fn refusals(
    db: &mut Db,
    since: Option<Timestamp>,
    zone: &TimeZone,
) -> Result<Refusals, StoreError> {
    const KINDS: [EventKind; 9] = [
        EventKind::Denied,
        EventKind::Served,
        // What was done for a want says which.
        EventKind::Published,
        EventKind::Removing,
        EventKind::Cancelled,
        EventKind::DeviceRefused,
        EventKind::DeviceQuarantined,
        EventKind::IdentityConflict,
        EventKind::MessageRefused,
    ];
    let since = Micros(since.unwrap_or(Timestamp::from_micros(i64::MIN)));
    let mut distinct = Distinct::default();
    on!(db, c => {
        let rows = events::table
            .filter(events::kind.eq_any(KINDS.map(EventKind::number)))
            .filter(events::at.ge(since))
            .select((events::stream, events::kind, events::at, events::body))
            .load_iter::<Row, DefaultLoadingMode>(c)?;
        for row in rows {
            distinct.add(row?, zone)?;
        }
    });
    Ok(distinct.count())
}

type Row = (String, Code<EventKind>, Micros, Vec<u8>);

/// What was told of each device and day, once.
#[derive(Debug, Default)]
struct Distinct {
    denied: BTreeSet<(String, String, String, Date)>,
    decided: BTreeSet<(String, String, Date)>,
    refused: BTreeSet<(String, String, Date)>,
}

impl Distinct {
    fn add(&mut self, (stream, kind, at, body): Row, zone: &TimeZone) -> Result<(), StoreError> {
        let Some(device) = stream.strip_prefix("device:") else {
            return Ok(());
        };
        let device = || device.to_owned();
        let day = day(at.0, zone)?;
        match told(kind.0, &event::fields(&body)?) {
            Some(Told::Want(want, rule)) => {
                if let Some(rule) = rule {
                    self.denied.insert((device(), want.clone(), rule, day));
                }
                self.decided.insert((device(), want, day));
            }
            Some(Told::Message(reason)) => {
                self.refused.insert((device(), reason, day));
            }
            None => {}
        }
        Ok(())
    }

    fn count(self) -> Refusals {
        let decided = self.decided.len() as u64;
        Refusals {
            rate: (decided > 0).then(|| self.denied.len() as f64 / decided as f64),
            decided,
            wants: by(self.denied.into_iter().map(|(_, _, rule, _)| rule)),
            devices: by(self.refused.into_iter().map(|(_, reason, _)| reason)),
        }
    }
}

fn told(kind: EventKind, fields: &BTreeMap<String, Value>) -> Option<Told> {
    let field = |name: &str| match fields.get(name) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let reason = |name| Some(Told::Message(field(name).unwrap_or_else(unknown)));
    match kind {
        EventKind::DeviceRefused => reason("reason"),
        EventKind::MessageRefused => reason("notice"),
        EventKind::DeviceQuarantined => Some(Told::Message("quarantined".to_owned())),
        EventKind::IdentityConflict => Some(Told::Message(kind.to_string())),
        _ => {
            let bound =
                || field("entitlement").map_or_else(String::new, |id| format!("bound/{id}"));
            let want = field("feature")
                .or_else(|| field("code").map(|id| format!("code/{id}")))
                .or_else(|| field("want").map(|_| bound()))?;
            let is_denied = kind == EventKind::Denied;
            let rule = is_denied.then(|| field("rule").unwrap_or_else(unknown));
            Some(Told::Want(want, rule))
        }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn day(at: Timestamp, zone: &TimeZone) -> Result<Date, StoreError> {
    jiff::Timestamp::from_microsecond(at.micros())
        .map(|at| zone.to_datetime(at).date())
        .map_err(|error| StoreError::Corrupt(format!("instant of an event: {error}")))
}

fn by(names: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for name in names {
        *counted.entry(name).or_default() += 1;
    }
    counted
}
