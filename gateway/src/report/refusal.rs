//! What was refused, each refusal once a day however often a device asks.

use std::collections::{BTreeMap, BTreeSet};

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use fleetgrant_core::domain::Timestamp;
use fleetgrant_core::event::EventKind;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_cbor::Value;
use utoipa::ToSchema;

use crate::store::column::{Code, Micros};
use crate::store::dialect::on;
use crate::store::schema::events;
use crate::store::{Db, StoreError, event};

/// What was refused of devices that proved who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Refusals {
    /// Wants denied, by rule: distinct (device, want, rule, day).
    pub wants: BTreeMap<String, u64>,
    /// Messages refused as a whole, by reason: distinct (device, reason, day).
    pub devices: BTreeMap<String, u64>,
}

/// One refusal, as the history tells it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Refusal {
    device: String,
    /// None: the device itself.
    want: Option<String>,
    reason: String,
    day: Date,
}

/// What was refused since an instant, by days of `zone`.
pub(super) fn refusals(
    db: &mut Db,
    since: Option<Timestamp>,
    zone: &TimeZone,
) -> Result<Refusals, StoreError> {
    const KINDS: [EventKind; 5] = [
        EventKind::Denied,
        EventKind::DeviceRefused,
        EventKind::DeviceQuarantined,
        EventKind::IdentityConflict,
        EventKind::MessageRefused,
    ];
    let since = Micros(since.unwrap_or(Timestamp::from_micros(i64::MIN)));
    let mut distinct = BTreeSet::new();
    on!(db, c => {
        let rows = events::table
            .filter(events::kind.eq_any(KINDS.map(EventKind::number)))
            .filter(events::at.ge(since))
            .select((events::stream, events::kind, events::at, events::body))
            .load_iter::<Row, DefaultLoadingMode>(c)?;
        for row in rows {
            distinct.extend(refusal(row?, zone)?);
        }
    });
    Ok(count(distinct))
}

type Row = (String, Code<EventKind>, Micros, Vec<u8>);

fn refusal((stream, kind, at, body): Row, zone: &TimeZone) -> Result<Option<Refusal>, StoreError> {
    let Some(device) = stream.strip_prefix("device:") else {
        return Ok(None);
    };
    let fields = event::fields(&body)?;
    let field = |name: &str| match fields.get(name) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let is_denial = kind.0 == EventKind::Denied;
    let reason = match kind.0 {
        EventKind::Denied => field("rule"),
        EventKind::DeviceRefused => field("reason"),
        EventKind::DeviceQuarantined => Some("quarantined".to_owned()),
        EventKind::MessageRefused => field("code"),
        _ => Some(kind.0.to_string()),
    };
    let want = || {
        field("feature")
            .or_else(|| field("code").map(|id| format!("code/{id}")))
            .or_else(|| field("entitlement").map(|id| format!("bound/{id}")))
            .unwrap_or_default()
    };
    Ok(Some(Refusal {
        device: device.to_owned(),
        want: is_denial.then(want),
        reason: reason.unwrap_or_else(|| "unknown".to_owned()),
        day: day(at.0, zone)?,
    }))
}

fn day(at: Timestamp, zone: &TimeZone) -> Result<Date, StoreError> {
    jiff::Timestamp::from_microsecond(at.micros())
        .map(|at| zone.to_datetime(at).date())
        .map_err(|error| StoreError::Corrupt(format!("instant of an event: {error}")))
}

fn count(distinct: BTreeSet<Refusal>) -> Refusals {
    let mut refusals = Refusals::default();
    for refusal in distinct {
        let group = match refusal.want {
            Some(_) => &mut refusals.wants,
            None => &mut refusals.devices,
        };
        *group.entry(refusal.reason).or_default() += 1;
    }
    refusals
}
