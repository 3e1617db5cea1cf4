//! Every chain computed again, with memory for a page of events.

use crate::store::event::{self, BrokenChain, Chain, Link};
use crate::store::{Db, Store, StoreError};

/// Events that are read at once.
const PAGE: i64 = 2_000;

/// What was found whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    /// Streams.
    pub streams: u64,
    /// Events in them.
    pub events: u64,
}

/// Why the history is not whole, or could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// This is the first event that is not what was written.
    #[error(transparent)]
    Broken(#[from] BrokenChain),
    /// What it is to go on after is not there.
    #[error("there is no event {} of {}, up to which the history was verified", .0.seq, .0.stream)]
    Gone(VerifiedTo),
    /// The database could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far the history was verified: up to this event of this stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTo {
    /// The stream.
    pub stream: String,
    /// The number of the event in it.
    pub seq: i64,
}

/// Computes the chain of every stream again; `head` is told where each ends, in the order of streams.
///
/// Blocks. What is written meanwhile is checked or not, as it happens.
///
/// # Errors
/// See [`VerifyError`]; it stops at the first event that is wrong. `head` may refuse to go on.
pub fn chains<E: From<VerifyError>>(
    store: &Store,
    mut head: impl FnMut(&Chain) -> Result<(), E>,
) -> Result<Whole, E> {
    let mut walk = Walk::default();
    while walk.goes_on(store, &mut head)? {}
    Ok(walk.whole)
}

/// As [`chains`], but no more than some `events`, after those that were verified already: what was
/// found whole, and how far it is; none if that is the end.
///
/// # Errors
/// See [`VerifyError`].
pub fn portion(
    store: &Store,
    after: Option<&VerifiedTo>,
    events: u64,
) -> Result<(Whole, Option<VerifiedTo>), VerifyError> {
    let mut walk = match after {
        Some(after) => Walk::after(store, after)?,
        None => Walk::default(),
    };
    let mut head = |_: &Chain| Ok::<_, VerifyError>(());
    while walk.whole.events < events {
        if !walk.goes_on(store, &mut head)? {
            return Ok((walk.whole, None));
        }
    }
    let to = walk.current.map(|chain| VerifiedTo {
        stream: chain.stream,
        seq: chain.seq,
    });
    Ok((walk.whole, to))
}

/// What was verified so far, and the stream in which it goes on.
#[derive(Default)]
struct Walk {
    whole: Whole,
    current: Option<Chain>,
}

impl Walk {
    /// The event was verified before, so what is stored of it is its hash.
    fn after(store: &Store, after: &VerifiedTo) -> Result<Self, VerifyError> {
        let VerifiedTo { stream, seq } = after.clone();
        let read = move |db: &mut Db| event::hash_at(db, &stream, seq);
        let hash = store.read_blocking("history", read)?;
        let hash = hash.and_then(|hash| hash.try_into().ok());
        let Some(hash) = hash else {
            return Err(VerifyError::Gone(after.clone()));
        };
        Ok(Self {
            whole: Whole::default(),
            current: Some(Chain {
                stream: after.stream.clone(),
                seq: after.seq,
                hash,
            }),
        })
    }

    /// Verifies a page; whether there was one.
    fn goes_on<E: From<VerifyError>>(
        &mut self,
        store: &Store,
        head: &mut impl FnMut(&Chain) -> Result<(), E>,
    ) -> Result<bool, E> {
        let events = page(store, self.current.as_ref()).map_err(VerifyError::from)?;
        if events.is_empty() {
            self.current.iter().try_for_each(head)?;
            return Ok(false);
        }
        for event in &events {
            let mut chain = match self.current.take() {
                Some(chain) if chain.stream == event.stream => chain,
                before => {
                    before.iter().try_for_each(&mut *head)?;
                    self.whole.streams += 1;
                    Chain::new(&event.stream)
                }
            };
            chain.follow(event).map_err(VerifyError::from)?;
            self.whole.events += 1;
            self.current = Some(chain);
        }
        Ok(true)
    }
}

fn page(store: &Store, after: Option<&Chain>) -> Result<Vec<Link>, StoreError> {
    // No stream has an empty name, and all follow it.
    let (stream, seq) =
        after.map_or_else(Default::default, |chain| (chain.stream.clone(), chain.seq));
    store.read_blocking("history", move |db| {
        event::links_after(db, &stream, seq, PAGE)
    })
}
