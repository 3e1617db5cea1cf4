//! The history, exported: every event as it was written, for whoever wants to count again.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use diesel::prelude::*;
use fleetgrant_core::domain::Timestamp;
use fleetgrant_core::event::EventKind;
use serde::Serialize;
use serde_cbor::Value;

use crate::store::column::{Code, Micros};
use crate::store::dialect::on;
use crate::store::event::Stored;
use crate::store::listing::part::{Part, Place, Placed, Sort, sorts};
use crate::store::schema::events as table;
use crate::store::{Db, StoreError};

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct HistoryFilter {
    /// Those of this stream (`device:pump-1`), or of all of a kind of streams (`device`).
    pub stream: Option<String>,
    /// Those of one of these kinds; empty: of all.
    pub kinds: Vec<EventKind>,
    /// Not those before.
    pub since: Option<Timestamp>,
    /// Only those before this.
    pub until: Option<Timestamp>,
}

/// An event as it is exported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Exported {
    /// The order in which events were written, over all streams.
    pub position: i64,
    /// What it is about.
    pub stream: String,
    /// Its number in the stream, from 1.
    pub seq: i64,
    /// What kind of thing happened.
    pub kind: &'static str,
    /// When, as RFC 3339 with microseconds.
    pub at: String,
    /// By whom.
    pub actor: String,
    /// Why: the digest of a message or the id of an import, in hex.
    pub cause: String,
    /// What else is to be known, by name.
    pub body: BTreeMap<String, serde_json::Value>,
    /// The hash of the event before it in the stream.
    pub previous_hash: String,
    /// Its own.
    pub hash: String,
    /// What can name a person, while it is kept; outside the hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personal: Option<String>,
    /// Why, in the words of whoever acted, while it is kept; outside the hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

sorts!(
    /// What events can be ordered by.
    pub EventSort {
        Position = "position" [Number "events.position"],
    }
);

impl Placed for Exported {
    type By = EventSort;

    fn place(&self, by: EventSort) -> Place {
        match by {
            EventSort::Position => [self.position.into()].into(),
        }
    }
}

/// The events after a position, in the order in which they were written.
#[must_use]
pub fn after(position: i64) -> Part<EventSort> {
    Part::after(Sort::default(), [position.into()].into())
}

/// Up to `limit` events.
pub fn page(
    db: &mut Db,
    filter: &HistoryFilter,
    part: &Part<EventSort>,
    limit: i64,
) -> Result<Vec<Exported>, StoreError> {
    let stored: Vec<Stored> = on!(db, c => {
        let mut query = table::table
            .limit(limit)
            .select(Stored::as_select())
            .into_boxed()
            .order(part.order());
        if let Some(beyond) = part.beyond() {
            query = query.filter(beyond);
        }
        let kinds = filter.kinds.iter().map(|kind| kind.number());
        let kinds = kinds.collect::<Vec<_>>();
        match &filter.stream {
            Some(stream) if stream.contains(':') || stream == "catalogue" => {
                query = query.filter(table::stream.eq(stream));
                if !kinds.is_empty() {
                    // A sum is in no index: of one kind there are very many events, of one stream few.
                    query = query.filter((table::kind + 0_i16).eq_any(kinds));
                }
            }
            // ';' follows ':', so these are the streams that begin with it.
            Some(kind) => {
                let (from, to) = (format!("{kind}:"), format!("{kind};"));
                query = query.filter(table::stream.ge(from)).filter(table::stream.lt(to));
                if !kinds.is_empty() {
                    query = query.filter(table::kind.eq_any(kinds));
                }
            }
            None if kinds.is_empty() => {}
            None => query = query.filter(table::kind.eq_any(kinds)),
        }
        if let Some(since) = filter.since {
            query = query.filter(table::at.ge(Micros(since)));
        }
        if let Some(until) = filter.until {
            query = query.filter(table::at.lt(Micros(until)));
        }
        query.load(c)
    })?;
    stored.into_iter().map(Exported::try_from).collect()
}

impl TryFrom<Stored> for Exported {
    type Error = StoreError;

    fn try_from(event: Stored) -> Result<Self, StoreError> {
        let Code(kind) = event.kind;
        let body = event.fields()?;
        Ok(Self {
            position: event.position,
            seq: event.seq,
            kind: kind.as_str(),
            at: instant(event.at.0)?,
            actor: event.actor,
            cause: HEXLOWER.encode(&event.cause),
            body: body
                .into_iter()
                .map(|(name, value)| Ok((name, json(value)?)))
                .collect::<Result<_, StoreError>>()?,
            previous_hash: HEXLOWER.encode(&event.previous_hash.0),
            hash: HEXLOWER.encode(&event.hash.0),
            personal: event.personal,
            reason: event.reason,
            stream: event.stream,
        })
    }
}

fn instant(at: Timestamp) -> Result<String, StoreError> {
    jiff::Timestamp::from_microsecond(at.micros())
        .map(|at| format!("{at:.6}"))
        .map_err(|error| StoreError::Corrupt(format!("instant of an event: {error}")))
}

/// Bodies hold numbers and texts only.
fn json(value: Value) -> Result<serde_json::Value, StoreError> {
    match value {
        Value::Text(text) => Ok(text.into()),
        Value::Integer(number) => u64::try_from(number)
            .map(Into::into)
            .map_err(|_| StoreError::Corrupt(format!("{number} in the body of an event"))),
        other => Err(StoreError::Corrupt(format!(
            "{other:?} in the body of an event"
        ))),
    }
}
