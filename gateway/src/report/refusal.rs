//! What was refused, and of how much: each want once a day however often a device asks.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use diesel::connection::DefaultLoadingMode;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;
use fleetgrant_core::domain::{ProductLineId, Timestamp};
use fleetgrant_core::event::EventKind;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::walk;
use crate::store::column::{Code, Micros, Octets};
use crate::store::condition::is_of_line;
use crate::store::dialect::on;
use crate::store::event::Stream;
use crate::store::schema::{devices, events};
use crate::store::{Db, StoreError};

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
enum Told<'a> {
    /// A want was decided: denied by this rule, or not.
    Want(Cow<'a, str>, Option<&'a str>),
    /// A message was refused for this reason.
    Message(&'a str),
}

const KINDS: [i16; 9] = [
    EventKind::Denied.number(),
    EventKind::Served.number(),
    // What was done for a want says which.
    EventKind::Published.number(),
    EventKind::Removing.number(),
    EventKind::Cancelled.number(),
    EventKind::DeviceRefused.number(),
    EventKind::DeviceQuarantined.number(),
    EventKind::IdentityConflict.number(),
    EventKind::MessageRefused.number(),
];

/// Whether an event, of a kind that streams of devices have, is of a device of a product line: for what
/// is found by its time, since no index of the history knows product lines.
macro_rules! is_of_a_device_of {
    ($line:expr) => {
        // What comes after `device:`.
        is_of_line!(sql::<Text>("substr(events.stream, 8)"), $line)
    };
}
pub(super) use is_of_a_device_of;

/// What was refused since an instant, or ever, by days of `zone`; of a product line or of all.
pub(super) fn refusals(
    db: &mut Db,
    line: Option<ProductLineId>,
    since: Option<Timestamp>,
    zone: &TimeZone,
) -> Result<Refusals, StoreError> {
    let mut sums = Sums::default();
    match (line, since) {
        (Some(line), None) => by_device(db, line, zone, &mut sums)?,
        _ => by_day(db, line, since, zone, &mut sums)?,
    }
    let Sums { denied, mut told } = sums;
    told.rate = (told.decided > 0).then(|| denied as f64 / told.decided as f64);
    Ok(told)
}

/// A day at a time, since what is distinct is so within a day.
fn by_day(
    db: &mut Db,
    line: Option<ProductLineId>,
    since: Option<Timestamp>,
    zone: &TimeZone,
    sums: &mut Sums,
) -> Result<(), StoreError> {
    let mut from = since.unwrap_or(Timestamp::from_micros(i64::MIN));
    while let Some(next) = next(db, from)? {
        let until = end_of_day(next, zone)?;
        let mut day = Day::default();
        on!(db, c => {
            let mut query = events::table
                .filter(events::kind.eq_any(KINDS))
                .filter(events::at.ge(Micros(next)))
                .filter(events::at.lt(Micros(until)))
                .select((events::stream, events::kind, events::body))
                .into_boxed();
            if let Some(line) = line {
                query = query.filter(is_of_a_device_of!(line));
            }
            for row in query.load_iter::<Row, DefaultLoadingMode>(c)? {
                day.add(&row?)?;
            }
        });
        sums.add(day);
        from = until;
    }
    Ok(())
}

/// A device of a product line at a time, by the index of its stream: of all times that is less than what
/// was told of all lines.
fn by_device(
    db: &mut Db,
    line: ProductLineId,
    zone: &TimeZone,
    sums: &mut Sums,
) -> Result<(), StoreError> {
    type Row = (String, Code<EventKind>, Vec<u8>, Micros);
    let mut after = String::new();
    loop {
        let devices: Vec<String> = on!(db, c => devices::table
            .filter(devices::product_line_id.eq(Octets(line)))
            .filter(devices::id.gt(&after))
            .order(devices::id)
            .select(devices::id)
            .limit(walk::DEVICES)
            .load(c))?;
        let Some(last) = devices.last() else {
            return Ok(());
        };
        after.clone_from(last);
        for device in &devices {
            let stream = Stream::Device(device).to_string();
            let mut days = BTreeMap::<Date, Day>::new();
            on!(db, c => {
                // Of which kind each is, is looked at here: by its kinds none is to be looked for.
                let rows = events::table
                    .filter(events::stream.eq(&stream))
                    .select((events::stream, events::kind, events::body, events::at))
                    .load_iter::<Row, DefaultLoadingMode>(c)?;
                for row in rows {
                    let (stream, kind, body, at) = row?;
                    if KINDS.contains(&kind.0.number()) {
                        let day = days.entry(date(at.0, zone)?).or_default();
                        day.add(&(stream, kind, body))?;
                    }
                }
            });
            days.into_values().for_each(|day| sums.add(day));
        }
    }
}

/// What the days came to.
#[derive(Default)]
struct Sums {
    denied: u64,
    told: Refusals,
}

impl Sums {
    fn add(&mut self, day: Day) {
        self.denied += day.denied.len() as u64;
        self.told.decided += day.decided.len() as u64;
        count(&mut self.told.wants, day.denied);
        count(&mut self.told.devices, day.refused);
    }
}

/// When the next of these events is, of those not before an instant.
fn next(db: &mut Db, from: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let mut first: Option<Timestamp> = None;
    for kind in KINDS {
        let next: Option<Micros> = on!(db, c => events::table
            .filter(events::kind.eq(kind))
            .filter(events::at.ge(Micros(from)))
            .order(events::at)
            .select(events::at)
            .first(c)
            .optional())?;
        first = first.into_iter().chain(next.map(|at| at.0)).min();
    }
    Ok(first)
}

/// The day of an instant.
fn date(at: Timestamp, zone: &TimeZone) -> Result<Date, StoreError> {
    let at = jiff::Timestamp::from_microsecond(at.micros())
        .map_err(|error| StoreError::Corrupt(format!("instant of an event: {error}")))?;
    Ok(zone.to_datetime(at).date())
}

/// When the day of an instant is over.
fn end_of_day(at: Timestamp, zone: &TimeZone) -> Result<Timestamp, StoreError> {
    let end = jiff::Timestamp::from_microsecond(at.micros()).and_then(|at| {
        let tomorrow = zone.to_datetime(at).date().tomorrow()?;
        tomorrow.to_zoned_datetime(zone.clone())
    });
    let end = end.map_err(|error| StoreError::Corrupt(format!("instant of an event: {error}")))?;
    let end = Timestamp::from_micros(end.timestamp().as_microsecond());
    // Never the same again, whatever a zone does.
    Ok(end.max(at.plus_seconds(1)))
}

type Row = (String, Code<EventKind>, Vec<u8>);

/// What was told on a day, once.
#[derive(Debug, Default)]
struct Day {
    /// Device, want and rule.
    denied: Distinct,
    /// Device and want.
    decided: Distinct,
    /// Device and reason.
    refused: Distinct,
}

/// Texts that were told, each once, and the part of each by which it is counted.
#[derive(Debug, Default)]
struct Distinct(HashMap<Box<str>, Option<Box<str>>>);

impl Distinct {
    fn add(&mut self, of: [&str; 3], counted_by: Option<&str>) {
        // None of them has a control character.
        let told = of.join("\0");
        let counted = || counted_by.map(Into::into);
        self.0.entry(told.into()).or_insert_with(counted);
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

impl Day {
    fn add(&mut self, (stream, kind, body): &Row) -> Result<(), StoreError> {
        let Some(device) = stream.strip_prefix("device:") else {
            return Ok(());
        };
        match told(kind.0, &body_of(body)?) {
            Some(Told::Want(want, rule)) => {
                if let Some(rule) = rule {
                    self.denied.add([device, &want, rule], Some(rule));
                }
                self.decided.add([device, &want, ""], None);
            }
            Some(Told::Message(reason)) => {
                self.refused.add([device, reason, ""], Some(reason));
            }
            None => {}
        }
        Ok(())
    }
}

/// What is read of an event's body.
#[derive(Debug, Default, Deserialize)]
struct Body<'a> {
    feature: Option<&'a str>,
    code: Option<&'a str>,
    want: Option<&'a str>,
    entitlement: Option<&'a str>,
    rule: Option<&'a str>,
    reason: Option<&'a str>,
    notice: Option<&'a str>,
}

fn body_of(body: &[u8]) -> Result<Body<'_>, StoreError> {
    serde_cbor::from_slice(body)
        .map_err(|error| StoreError::Corrupt(format!("body of an event: {error}")))
}

fn told<'a>(kind: EventKind, body: &Body<'a>) -> Option<Told<'a>> {
    const UNKNOWN: &str = "unknown";
    match kind {
        EventKind::DeviceRefused => Some(Told::Message(body.reason.unwrap_or(UNKNOWN))),
        EventKind::MessageRefused => Some(Told::Message(body.notice.unwrap_or(UNKNOWN))),
        EventKind::DeviceQuarantined => Some(Told::Message("quarantined")),
        EventKind::IdentityConflict => Some(Told::Message(kind.as_str())),
        _ => {
            let want = match *body {
                Body {
                    feature: Some(feature),
                    ..
                } => Cow::Borrowed(feature),
                Body {
                    code: Some(code), ..
                } => format!("code/{code}").into(),
                Body {
                    want: Some(_),
                    entitlement: Some(id),
                    ..
                } => format!("bound/{id}").into(),
                Body { want: Some(_), .. } => Cow::Borrowed(""),
                _ => return None,
            };
            let is_denied = kind == EventKind::Denied;
            Some(Told::Want(
                want,
                is_denied.then(|| body.rule.unwrap_or(UNKNOWN)),
            ))
        }
    }
}

fn count(counted: &mut BTreeMap<String, u64>, distinct: Distinct) {
    for name in distinct.0.into_values().flatten() {
        match counted.get_mut(&*name) {
            Some(times) => *times += 1,
            None => {
                counted.insert(name.into(), 1);
            }
        }
    }
}
