//! Whether events are still what was written: each follows from the one before it.

use diesel::prelude::*;

use super::{Bytes, GENESIS, Hashed, Stored, table};
use crate::store::column::Octets;
use crate::store::{Db, StoreError};

/// What a chain is made of. The columns are read as they are, so that an event that was altered
/// beyond what this version can read is found and named too.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = table)]
pub struct Link {
    /// What the event is about.
    pub stream: String,
    /// Its number in the stream.
    pub seq: i64,
    /// What it says of the event before it.
    previous_hash: Vec<u8>,
    /// What it says of itself.
    pub hash: Vec<u8>,
    kind: i16,
    at: i64,
    actor: String,
    cause: Vec<u8>,
    body: Vec<u8>,
}

impl From<&Stored> for Link {
    fn from(event: &Stored) -> Self {
        Self {
            stream: event.stream.clone(),
            seq: event.seq,
            previous_hash: event.previous_hash.0.to_vec(),
            hash: event.hash.0.to_vec(),
            kind: event.kind.0.number(),
            at: event.at.0.micros(),
            actor: event.actor.clone(),
            cause: event.cause.clone(),
            body: event.body.clone(),
        }
    }
}

impl Link {
    /// The hash of what it says.
    pub(super) fn computed(&self) -> Octets<[u8; 32]> {
        let hashed = Hashed(
            &self.stream,
            self.seq,
            Bytes(&self.previous_hash),
            self.kind,
            self.at,
            &self.actor,
            Bytes(&self.cause),
            Bytes(&self.body),
        );
        hashed.hash()
    }
}

/// Where a chain is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenChain {
    /// An event is missing, or was put in.
    #[error("{stream}: event {found} stands where event {expected} was expected")]
    Gap {
        /// Of which stream.
        stream: String,
        /// The number that should follow.
        expected: i64,
        /// The number that does.
        found: i64,
    },
    /// An event does not follow from the one before it.
    #[error("{stream}: event {seq} does not follow from the one before it")]
    Link {
        /// Of which stream.
        stream: String,
        /// Its number.
        seq: i64,
    },
    /// An event was changed.
    #[error("{stream}: event {seq} is not what was written")]
    Altered {
        /// Of which stream.
        stream: String,
        /// Its number.
        seq: i64,
    },
}

/// The end of what was checked of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Of which stream.
    pub stream: String,
    /// The number of the last event that was checked; 0 if there is none yet.
    pub seq: i64,
    /// Its hash.
    pub hash: [u8; 32],
}

impl Chain {
    /// Before the first event of a stream.
    #[must_use]
    pub fn new(stream: &str) -> Self {
        Self {
            stream: stream.to_owned(),
            seq: 0,
            hash: GENESIS.0,
        }
    }

    /// Takes the next event of the stream.
    ///
    /// # Errors
    /// It is not the one that was written here.
    pub fn follow(&mut self, event: &Link) -> Result<(), BrokenChain> {
        let stream = || event.stream.clone();
        let (seq, expected) = (event.seq, self.seq + 1);
        if seq != expected {
            return Err(BrokenChain::Gap {
                stream: stream(),
                expected,
                found: seq,
            });
        }
        if event.previous_hash != self.hash {
            return Err(BrokenChain::Link {
                stream: stream(),
                seq,
            });
        }
        let computed = event.computed().0;
        if event.hash != computed {
            return Err(BrokenChain::Altered {
                stream: stream(),
                seq,
            });
        }
        (self.seq, self.hash) = (seq, computed);
        Ok(())
    }
}

/// Checks the events of one stream, from its first.
pub fn verify_chain(events: &[Stored]) -> Result<(), BrokenChain> {
    let Some(first) = events.first() else {
        return Ok(());
    };
    let mut chain = Chain::new(&first.stream);
    events
        .iter()
        .try_for_each(|event| chain.follow(&Link::from(event)))
}

/// Up to `limit` events after one of a stream: the rest of that stream, and where that has none, the
/// beginning of the streams that follow.
pub fn links_after(
    db: &mut Db,
    stream: &str,
    seq: i64,
    limit: i64,
) -> Result<Vec<Link>, StoreError> {
    let rest: Vec<Link> = on!(db, c => table::table
        .filter(table::stream.eq(stream))
        .filter(table::seq.gt(seq))
        .order(table::seq)
        .limit(limit)
        .select(Link::as_select())
        .load(c))?;
    if !rest.is_empty() {
        return Ok(rest);
    }
    Ok(on!(db, c => table::table
        .filter(table::stream.gt(stream))
        .order((table::stream, table::seq))
        .limit(limit)
        .select(Link::as_select())
        .load(c))?)
}

/// The hash of one event.
pub fn hash_at(db: &mut Db, stream: &str, seq: i64) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::stream.eq(stream))
        .filter(table::seq.eq(seq))
        .select(table::hash)
        .first(c)
        .optional())?)
}
