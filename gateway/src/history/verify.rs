//! Every chain computed again, with memory for a page of events.

use crate::store::event::{self, BrokenChain, Chain, Link};
use crate::store::{Store, StoreError};

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
    /// The database could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
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
    let mut whole = Whole::default();
    let mut current: Option<Chain> = None;
    loop {
        let events = page(store, current.as_ref()).map_err(VerifyError::from)?;
        if events.is_empty() {
            current.iter().try_for_each(&mut head)?;
            return Ok(whole);
        }
        for event in &events {
            let mut chain = match current.take() {
                Some(chain) if chain.stream == event.stream => chain,
                before => {
                    before.iter().try_for_each(&mut head)?;
                    whole.streams += 1;
                    Chain::new(&event.stream)
                }
            };
            chain.follow(event).map_err(VerifyError::from)?;
            whole.events += 1;
            current = Some(chain);
        }
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
