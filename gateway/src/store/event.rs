//! The history: append-only, each stream a chain of hashes.
//!
//! hash = SHA-256 over the deterministic CBOR array [stream, seq, previous hash, kind, at, actor,
//! cause, body]. The hash before the first is 32 zero bytes. Personal data stays outside.

use diesel::prelude::*;
use fleetgrant_core::domain::Timestamp;
use fleetgrant_core::event::EventKind;
use serde_cbor::Value;
use sha2::{Digest, Sha256};

use super::column::Micros;
use super::dialect::Db;
use super::error::StoreError;
use super::schema::events;

/// What is to be appended. `body` is CBOR.
#[derive(Clone, Copy, Debug)]
pub struct NewEvent<'a> {
    /// What happened.
    pub kind: EventKind,
    /// When, by the gateway's clock of the transaction.
    pub at: Timestamp,
    /// Who did it.
    pub actor: &'a str,
    /// Digest of the message that caused it; empty without one.
    pub cause: &'a [u8],
    /// What else is to be known.
    pub body: &'a [u8],
}

/// The last link of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    seq: i64,
    hash: [u8; 32],
}

/// Appends to a stream.
pub fn append(db: &mut Db, stream: &str, new: &[NewEvent<'_>]) -> Result<(), StoreError> {
    let mut head = head(db, stream)?;
    for event in new {
        let seq = head.seq + 1;
        let hash = link(stream, seq, &head.hash, event)?;
        on!(db, c => diesel::insert_into(events::table)
            .values((
                events::stream.eq(stream),
                events::seq.eq(seq),
                events::previous_hash.eq(&head.hash[..]),
                events::hash.eq(&hash[..]),
                events::kind.eq(event.kind.number()),
                events::at.eq(Micros(event.at)),
                events::actor.eq(event.actor),
                events::cause.eq(event.cause),
                events::body.eq(event.body),
            ))
            .execute(c))?;
        head = Head { seq, hash };
    }
    Ok(())
}

fn head(db: &mut Db, stream: &str) -> Result<Head, StoreError> {
    let last: Option<(i64, Vec<u8>)> = on!(db, c => events::table
        .filter(events::stream.eq(stream))
        .order(events::seq.desc())
        .select((events::seq, events::hash))
        .first(c)
        .optional())?;
    let Some((seq, hash)) = last else {
        return Ok(Head {
            seq: 0,
            hash: [0; 32],
        });
    };
    let hash = hash
        .try_into()
        .map_err(|_| StoreError::Corrupt(format!("event {stream} {seq}: a hash has 32 bytes")))?;
    Ok(Head { seq, hash })
}

fn link(
    stream: &str,
    seq: i64,
    previous: &[u8; 32],
    event: &NewEvent<'_>,
) -> Result<[u8; 32], StoreError> {
    let content = Value::Array(vec![
        Value::Text(stream.to_owned()),
        Value::Integer(seq.into()),
        Value::Bytes(previous.to_vec()),
        Value::Integer(event.kind.number().into()),
        Value::Integer(event.at.micros().into()),
        Value::Text(event.actor.to_owned()),
        Value::Bytes(event.cause.to_vec()),
        Value::Bytes(event.body.to_vec()),
    ]);
    let bytes = serde_cbor::to_vec(&content).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    Ok(Sha256::digest(bytes).into())
}
