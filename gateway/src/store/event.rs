//! The history: append-only, each stream a chain of hashes.
//!
//! An event's hash is SHA-256 over the deterministic CBOR of
//! `[stream, seq, previous hash, kind, at, actor, cause, body]`, the body as a byte string. What
//! can name a person stands in `personal`, and why somebody acted, in their words, in `reason`: outside
//! the hash, so that both can be erased.

mod chain;

use std::collections::BTreeMap;
use std::fmt;

use diesel::dsl::max;
use diesel::prelude::*;
use fleetgrant_core::domain::{
    ActReason, ApiKeyId, CampaignId, EntitlementId, OrderId, PartyId, TierName, Timestamp,
    WebhookId,
};
use fleetgrant_core::event::{Event, EventKind, Field};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_cbor::Value;
use sha2::{Digest, Sha256};

use super::column::{Code, Micros, Octets};
use super::prepared::Fix as _;
use super::schema::events as table;
use super::{Db, StoreError, webhook};

pub use chain::{BrokenChain, Chain, Link, hash_at, links_after, verify_chain};

/// What comes before the first event of a stream.
const GENESIS: Octets<[u8; 32]> = Octets([0; 32]);

/// What a chain of events is about.
#[derive(Clone, Copy, Debug)]
pub enum Stream<'a> {
    /// One device.
    Device(&'a str),
    /// One entitlement.
    Entitlement(EntitlementId),
    /// One order.
    Order(OrderId),
    /// One party.
    Party(PartyId),
    /// The policy of one tier.
    Policy(&'a TierName),
    /// Products, features, SKUs and licence models.
    Catalogue,
    /// One campaign.
    Campaign(CampaignId),
    /// One key of the HTTP API.
    Key(ApiKeyId),
    /// One webhook.
    Webhook(WebhookId),
}

impl fmt::Display for Stream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(id) => write!(f, "device:{id}"),
            Self::Entitlement(id) => write!(f, "entitlement:{id}"),
            Self::Order(id) => write!(f, "order:{id}"),
            Self::Party(id) => write!(f, "party:{id}"),
            Self::Policy(tier) => write!(f, "policy:{tier}"),
            Self::Catalogue => f.write_str("catalogue"),
            Self::Campaign(id) => write!(f, "campaign:{id}"),
            Self::Key(id) => write!(f, "key:{id}"),
            Self::Webhook(id) => write!(f, "webhook:{id}"),
        }
    }
}

/// When, by whom and why.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The gateway's time of the transaction.
    pub at: Timestamp,
    /// `device`, or the name of an operator or of a task.
    pub actor: &'a str,
    /// The digest of the message, or the id of the import run, that caused it.
    pub cause: &'a [u8],
}

/// An event as it is kept.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = table)]
pub struct Stored {
    /// The order in which they were written, over all streams.
    pub position: i64,
    /// What it is about.
    pub stream: String,
    /// Its number in the stream, from 1.
    pub seq: i64,
    /// The hash of the event before it.
    pub previous_hash: Octets<[u8; 32]>,
    /// Its own.
    pub hash: Octets<[u8; 32]>,
    /// What kind of thing happened.
    pub kind: Code<EventKind>,
    /// When.
    pub at: Micros,
    /// By whom.
    pub actor: String,
    /// Why.
    pub cause: Vec<u8>,
    /// A CBOR map from names to numbers and texts.
    pub body: Vec<u8>,
    /// What can name a person.
    pub personal: Option<String>,
    /// Why, in the words of whoever acted.
    pub reason: Option<String>,
}

struct New<'a> {
    stream: &'a str,
    seq: i64,
    previous_hash: Octets<[u8; 32]>,
    hash: Octets<[u8; 32]>,
    kind: Code<EventKind>,
    at: Micros,
    actor: &'a str,
    cause: &'a [u8],
    body: Vec<u8>,
    personal: Option<&'a str>,
    reason: Option<&'a str>,
}

/// Number and hash of the last event of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    seq: i64,
    hash: Octets<[u8; 32]>,
}

impl Head {
    /// Of a stream without events.
    const NONE: Self = Self {
        seq: 0,
        hash: GENESIS,
    };
}

/// Appends events to a stream, in order.
pub fn append(
    db: &mut Db,
    stream: Stream<'_>,
    occasion: Occasion<'_>,
    events: &[Event],
) -> Result<(), StoreError> {
    append_with(db, stream, occasion, events, None)
}

/// As [`append`], to a stream whose head is known; the head from then on.
pub fn append_after(
    db: &mut Db,
    stream: Stream<'_>,
    occasion: Occasion<'_>,
    events: &[Event],
    head: Head,
) -> Result<Head, StoreError> {
    chained(db, &stream.to_string(), occasion, events, None, head)
}

/// As [`append`], with what can name a person.
pub fn append_with(
    db: &mut Db,
    stream: Stream<'_>,
    occasion: Occasion<'_>,
    events: &[Event],
    personal: Option<&str>,
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let stream = stream.to_string();
    let head = head_of(db, &stream)?;
    chained(db, &stream, occasion, events, personal, head).map(drop)
}

/// As [`append`], to a stream that has no events yet; fails if it has.
pub fn begin(
    db: &mut Db,
    stream: Stream<'_>,
    occasion: Occasion<'_>,
    events: &[Event],
) -> Result<(), StoreError> {
    append_after(db, stream, occasion, events, Head::NONE).map(drop)
}

/// The head of a stream.
pub fn head(db: &mut Db, stream: Stream<'_>) -> Result<Head, StoreError> {
    head_of(db, &stream.to_string())
}

fn chained(
    db: &mut Db,
    stream: &str,
    occasion: Occasion<'_>,
    events: &[Event],
    personal: Option<&str>,
    head: Head,
) -> Result<Head, StoreError> {
    let reason = db.reason().cloned();
    let reason = reason.as_ref().map(ActReason::as_str);
    let Head {
        mut seq,
        hash: mut previous_hash,
    } = head;
    for event in events {
        seq += 1;
        let mut new = New {
            stream,
            seq,
            previous_hash,
            hash: GENESIS,
            kind: Code(event.kind),
            at: Micros(occasion.at),
            actor: occasion.actor,
            cause: occasion.cause,
            body: encode_body(event),
            personal,
            reason,
        };
        new.hash = new.hashed().hash();
        previous_hash = new.hash;
        // One by one: of several rows SQLite keeps a journal until the last is in.
        let row = columns!(table {
            stream: new.stream,
            seq: new.seq,
            previous_hash: new.previous_hash,
            hash: new.hash,
            kind: new.kind,
            at: new.at,
            actor: new.actor,
            cause: new.cause,
            body: &new.body,
            personal: new.personal,
            reason: new.reason,
        });
        on!(db, c => insert!(table::table, row).execute(c))?;
    }
    webhook::note(db, stream, head.seq)?;
    Ok(Head {
        seq,
        hash: previous_hash,
    })
}

fn head_of(db: &mut Db, stream: &str) -> Result<Head, StoreError> {
    let last: Option<(i64, Octets<[u8; 32]>)> = on!(db, c => table::table
        .filter(table::stream.eq(stream))
        .order(table::seq.desc())
        .select((table::seq, table::hash))
        .limit(1)
        .fixed()
        .get_result(c)
        .optional())?;
    Ok(last.map_or(Head::NONE, |(seq, hash)| Head { seq, hash }))
}

/// The events of a stream, in order.
pub fn of_stream(db: &mut Db, stream: Stream<'_>) -> Result<Vec<Stored>, StoreError> {
    of_named_stream(db, &stream.to_string())
}

/// As [`of_stream`], by the stream's name.
pub fn of_named_stream(db: &mut Db, stream: &str) -> Result<Vec<Stored>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::stream.eq(stream))
        .order(table::seq)
        .select(Stored::as_select())
        .load(c))?)
}

/// The event at a position.
pub fn at(db: &mut Db, position: i64) -> Result<Option<Stored>, StoreError> {
    Ok(on!(db, c => table::table
        .find(position)
        .select(Stored::as_select())
        .first(c)
        .optional())?)
}

/// What can name a person in the events of a stream, each once.
pub fn personal(db: &mut Db, stream: Stream<'_>) -> Result<Vec<String>, StoreError> {
    let texts: Vec<Option<String>> = on!(db, c => table::table
        .filter(table::stream.eq(stream.to_string()))
        .filter(table::personal.is_not_null())
        .select(table::personal)
        .distinct()
        .load(c))?;
    Ok(texts.into_iter().flatten().collect())
}

/// Erases what can name a person from the events of a stream; how many had any.
pub fn erase_personal(db: &mut Db, stream: Stream<'_>) -> Result<usize, StoreError> {
    Ok(on!(db, c => diesel::update(table::table)
        .filter(table::stream.eq(stream.to_string()))
        .filter(table::personal.is_not_null())
        .set(table::personal.eq(None::<String>))
        .execute(c))?)
}

/// Erases why somebody acted from the events of a stream, or from those about some entitlements, if
/// any are named; how many had a reason.
pub fn erase_reasons(db: &mut Db, stream: &str, only: &[String]) -> Result<usize, StoreError> {
    let told: Vec<(i64, Vec<u8>)> = on!(db, c => table::table
        .filter(table::stream.eq(stream))
        .filter(table::reason.is_not_null())
        .select((table::position, table::body))
        .load(c))?;
    let mut erased = 0;
    for (position, body) in told {
        let of = match fields(&body)?.remove("entitlement") {
            Some(Value::Text(of)) => Some(of),
            _ => None,
        };
        if only.is_empty() || of.is_some_and(|of| only.contains(&of)) {
            erased += on!(db, c => diesel::update(table::table.find(position))
                .set(table::reason.eq(None::<String>))
                .execute(c))?;
        }
    }
    Ok(erased)
}

/// Up to `limit` events of all streams after a position, in the order they were written.
pub fn after(db: &mut Db, position: i64, limit: i64) -> Result<Vec<Stored>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::position.gt(position))
        .order(table::position)
        .limit(limit)
        .select(Stored::as_select())
        .load(c))?)
}

/// The position of the last event that was written; 0 if there is none.
pub fn last_position(db: &mut Db) -> Result<i64, StoreError> {
    let last: Option<i64> = on!(db, c => table::table.select(max(table::position)).first(c))?;
    Ok(last.unwrap_or(0))
}

/// What is hashed, in the order of the array.
#[derive(Serialize)]
struct Hashed<'a>(
    &'a str,
    i64,
    Bytes<'a>,
    i16,
    i64,
    &'a str,
    Bytes<'a>,
    Bytes<'a>,
);

impl Hashed<'_> {
    fn hash(&self) -> Octets<[u8; 32]> {
        let encoded = serde_cbor::to_vec(self).expect("texts, numbers and bytes always encode");
        Octets(Sha256::digest(encoded).into())
    }
}

impl New<'_> {
    fn hashed(&self) -> Hashed<'_> {
        Hashed(
            self.stream,
            self.seq,
            Bytes(&self.previous_hash.0),
            self.kind.0.number(),
            self.at.0.micros(),
            self.actor,
            Bytes(self.cause),
            Bytes(&self.body),
        )
    }
}

impl Stored {
    /// The body by name.
    pub fn fields(&self) -> Result<BTreeMap<String, Value>, StoreError> {
        fields(&self.body)
    }
}

/// The body of an event by name.
pub fn fields(body: &[u8]) -> Result<BTreeMap<String, Value>, StoreError> {
    serde_cbor::from_slice(body)
        .map_err(|error| StoreError::Corrupt(format!("body of an event: {error}")))
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// A map with its keys in deterministic order, ids in hex.
fn encode_body(event: &Event) -> Vec<u8> {
    let ids = [
        ("activation", event.activation.map(|id| id.to_string())),
        ("entitlement", event.entitlement.map(|id| id.to_string())),
    ];
    let ids = ids
        .iter()
        .filter_map(|(name, id)| Some((*name, Entry::Id(id.as_deref()?))));
    let fields = event.body.fields();
    let fields = fields.map(|(name, field)| (name, Entry::Field(field)));
    let mut entries: Vec<_> = ids.chain(fields).collect();
    // RFC 8949 section 4.2.1: in the order of their encodings, of which the shorter is the lower.
    entries.sort_by_key(|(name, _)| (name.len(), *name));
    entries.dedup_by_key(|(name, _)| *name);
    serde_cbor::to_vec(&Entries(&entries)).expect("texts and numbers always encode")
}

#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Id(&'a str),
    Field(&'a Field),
}

struct Entries<'a>(&'a [(&'static str, Entry<'a>)]);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, entry) in self.0 {
            map.serialize_entry(name, entry)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
