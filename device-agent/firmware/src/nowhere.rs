//! The agent with all it can do, and nothing around it: what it sends, receives and stores goes
//! nowhere. The size that it adds to a firmware that has a transport and a storage.

use core::hint::black_box;

use fleetgrant_agent::{Agent, Ask, Instant, KeyOperations, Record, Storage, StorageError};
use fleetgrant_schemas::keys::{AuthorityKey, PublicKey, Role};
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::topic::MessageType;

use crate::sample::{RIGHTS, profile};

/// An authority's key that was not made from a private one.
pub const AUTHORITY: [AuthorityKey; 1] = [AuthorityKey {
    key: PublicKey {
        x: [0; 32],
        y: [0; 32],
    },
    not_before: 0,
    not_after: 1,
    epoch: 1,
    role: Role::Grants,
}];

/// A device's certificate lies with its key, where the factory wrote it: it is no part of the agent.
pub const NO_CERTIFICATE: &[u8] = &[];

/// What the agent is given, and what it gives back, is of no account here.
struct Nowhere;

impl Storage for Nowhere {
    fn load(&mut self, _: Record, _: usize, _: &mut [u8]) -> Result<usize, StorageError> {
        black_box(Ok(0))
    }

    fn store(&mut self, _: Record, parts: &[&[u8]]) -> Result<(), StorageError> {
        black_box(parts);
        black_box(Ok(()))
    }
}

/// Makes every call once.
#[inline(never)]
pub fn run<K: KeyOperations>(keys: K, authority: &[AuthorityKey]) -> Option<usize> {
    let now = || black_box(Instant(0));
    let (request, message): (&mut [u8], &mut [u8]) = black_box((&mut [], &mut []));
    let profile = profile(authority)?;
    let mut agent =
        Agent::<_, _, _, RIGHTS>::start(&profile, keys, Nowhere, request, message, now()).ok()?;
    agent.set_clock(black_box(0), now());
    agent.resend(now());
    agent.withdraw(now());
    let mut done = 0;
    let ask = black_box(Ask::for_what_is_owed(Reason::Upgrade));
    done += usize::from(agent.ask(&ask, now()).is_ok());
    agent.handle_timeout(now());
    let kind = black_box(MessageType::Grant);
    done += usize::from(agent.handle_message(black_box(&[]), kind, now()).is_ok());
    while let Some(transmit) = agent.poll_transmit(message) {
        done += transmit.len;
    }
    while let Some(event) = agent.poll_event() {
        black_box(event);
    }
    done += usize::from(agent.is_on(black_box("power"), now()).is_on());
    done += usize::from(agent.use_one(black_box("power"), now()).is_ok());
    done += usize::from(agent.poll_timeout() == Some(now()));
    Some(done)
}
