//! What the agent sends: acks first, since they tell what is, then the request.

use fleetgrant_schemas::ack::{Ack, Exception, Outcome, OutcomeReason};
use fleetgrant_schemas::envelope::{Certificate, Draft};
use fleetgrant_schemas::id::{ActivationId, DeviceNonce};
use fleetgrant_schemas::limits;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;

use crate::agent::{AckTurn, Agent, Transmit};
use crate::asking::{self, Ask, AskError, NO_USAGE, RequestParts, Wish};
use crate::crypto::KeyOperations;
use crate::event::Event;
use crate::frame::{self, Crc};
use crate::installing;
use crate::rights::{self, USAGE_LEN};
use crate::storage::{Record, Storage, StorageError};
use crate::time::Instant;

const NO_EXCEPTION: Exception = Exception {
    activation: ActivationId([0; 16]),
    outcome: Outcome::Refused,
    reason: OutcomeReason::Other,
};

impl<K, S, B, const RIGHTS: usize> Agent<'_, K, S, B, RIGHTS>
where
    K: KeyOperations,
    S: Storage,
    B: AsRef<[u8]> + AsMut<[u8]>,
{
    /// The next message to publish, written into `buffer`. Call it until it gives nothing, while
    /// there is a connection: what it gives counts as sent.
    ///
    /// The buffer must be as long as the request's buffer, and at least 512 bytes and 50 for each
    /// right. To show the grant to a gateway that asks for it, it takes twice the grant more.
    pub fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<Transmit> {
        match self.write_ack(buffer, false) {
            Ok(Some(len)) => {
                return Some(Transmit {
                    message: MessageType::Ack,
                    len,
                });
            }
            Ok(None) => {}
            Err(reason) => {
                self.events.push(Event::CannotAsk(reason));
                self.acks = AckTurn::default();
            }
        }
        self.write_request(buffer)
    }

    fn write_request(&mut self, buffer: &mut [u8]) -> Option<Transmit> {
        let len = self.contact.to_send()?;
        // What someone asked for goes out; the gateway may tell it to wait.
        if !self.requests.take(self.now) && !self.contact.is_explicit() {
            self.contact.hold_until(self.requests.next());
            return None;
        }
        let random = self.random();
        self.contact.sent(self.now, random);
        let request = self.request.as_ref().get(..len)?;
        let Some(free) = buffer.get_mut(..len) else {
            self.events.push(Event::CannotAsk(AskError::BufferTooSmall));
            return None;
        };
        frame::copy(free, request);
        Some(Transmit {
            message: MessageType::Request,
            len,
        })
    }

    /// Writes a request for a file; its length. The next one takes its place, and so does a
    /// request that goes out over the wire meanwhile, if it reaches the gateway first. One that
    /// is out already is made anew: below the file's seq it would be stale when the file comes
    /// first, and look like a device that has lost its seq.
    pub fn export_request(
        &mut self,
        ask: &Ask<'_>,
        buffer: &mut [u8],
        now: Instant,
    ) -> Result<usize, AskError> {
        self.now = now;
        let wish = Wish::new(ask, self.profile, &self.enforcing.rights)?;
        let nonce = self.nonce()?;
        let (mut next, _) = self.state.with_next_seq();
        next.file_nonce = Some(nonce);
        next.store(&mut self.storage, &mut self.clock, self.now)?;
        self.state = next;
        self.ask_anew();
        let parts = RequestParts {
            profile: self.profile,
            wish: &wish,
            rights: &self.enforcing.rights,
            held: &self.enforcing.held,
            challenge: &self.challenge,
            issued_at: self.floor(),
            boots: self.state.boots,
            seq: self.state.seq(),
            key_set: self.ring.generation,
            nonce: &nonce,
            // Nobody can ask for it.
            with_chain: true,
        };
        parts.write::<K, RIGHTS>(&mut self.keys, buffer)
    }

    /// Writes an acknowledgement of the set in force for a file; its length, or nothing if no
    /// set is held.
    pub fn export_ack(
        &mut self,
        buffer: &mut [u8],
        now: Instant,
    ) -> Result<Option<usize>, AskError> {
        self.now = now;
        self.write_ack(buffer, true)
    }

    /// Writes an acknowledgement, for a file or if one is due.
    #[inline(never)]
    fn write_ack(&mut self, buffer: &mut [u8], for_file: bool) -> Result<Option<usize>, AskError> {
        let Some(held) = self.enforcing.held else {
            return Ok(None);
        };
        let mut exceptions = [NO_EXCEPTION; RIGHTS];
        let len = rights::exceptions(&self.enforcing.rights, &mut exceptions);
        let exceptions = exceptions.get(..len).unwrap_or_default();
        let exceptions_digest = digest(exceptions);
        let is_covered = self.state.acked.covers(&held, exceptions_digest);
        if is_covered && !(for_file || self.acks.again || self.acks.show) {
            return Ok(None);
        }
        let mut usage = [NO_USAGE; RIGHTS];
        let len = rights::usage(&self.enforcing.rights, &mut usage);
        let usage = usage.get(..len).unwrap_or_default();

        let mut next = self.state;
        next.acked = next.acked.next(&held, exceptions_digest);
        next.store(&mut self.storage, &mut self.clock, self.now)?;
        self.state = next;

        let (shown_grant, buffer) = if self.acks.show {
            let (grant, buffer) = self.load_grant(buffer)?;
            (Some(grant), buffer)
        } else {
            (None, buffer)
        };
        let ack = Ack {
            device: self.profile.device,
            realm: self.profile.realm,
            issued_at: Some(self.floor()).filter(|secs| *secs > 0),
            n: self.state.acked.n(),
            held,
            exceptions: Seq::new(exceptions),
            shown_grant,
            usage: Seq::new(usage),
        };
        let mut chain = [Certificate(&[]); limits::MAX_CHAIN];
        // In a file nobody can ask for the chain.
        let signer = asking::signer(&self.keys, for_file, &mut chain)?;
        let draft = Draft::new(buffer, &signer, &ack).map_err(|_| AskError::BufferTooSmall)?;
        let signature = self.keys.sign(&draft.to_sign())?;
        let len = draft.finish(&signature).len();
        self.acks = AckTurn::default();
        Ok(Some(len))
    }

    /// Loads the signed grant into the end of a buffer; it, and what is left of the buffer.
    fn load_grant<'b>(
        &mut self,
        buffer: &'b mut [u8],
    ) -> Result<(&'b [u8], &'b mut [u8]), AskError> {
        let place = installing::locate(&mut self.storage)?;
        let place = place.ok_or(AskError::Storage(StorageError::Damaged))?;
        let rest = buffer.len().checked_sub(place.len);
        let (rest, grant) = buffer.split_at_mut(rest.ok_or(AskError::BufferTooSmall)?);
        frame::read(&mut self.storage, Record::Set, place.offset, grant)?;
        Ok((grant, rest))
    }

    pub(crate) fn nonce(&mut self) -> Result<DeviceNonce, AskError> {
        let mut nonce = [0; 16];
        self.keys.fill_random(&mut nonce)?;
        Ok(DeviceNonce(nonce))
    }

    pub(crate) fn take_seq(&mut self) -> Result<u64, AskError> {
        let (next, needs_store) = self.state.with_next_seq();
        if needs_store {
            next.store(&mut self.storage, &mut self.clock, self.now)?;
        }
        self.state = next;
        Ok(next.seq())
    }

    /// For spreading retries; no secret. Without randomness they are not spread.
    pub(crate) fn random(&mut self) -> u32 {
        let mut bytes = [0x80; 4];
        let _ = self.keys.fill_random(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    pub(crate) fn store_usage(&mut self) -> Result<(), StorageError> {
        let mut usage = [NO_USAGE; RIGHTS];
        let len = rights::usage(&self.enforcing.rights, &mut usage);
        let mut body = [[0; USAGE_LEN]; RIGHTS];
        let len = rights::encode_usage(usage.get(..len).unwrap_or_default(), &mut body);
        let body = body.as_flattened().get(..len).unwrap_or_default();
        frame::store(&mut self.storage, Record::Usage, [body, &[], &[]])
    }
}

/// What tells one list of exceptions from another.
fn digest(exceptions: &[Exception]) -> u32 {
    exceptions
        .iter()
        .fold(Crc::new(), |crc, exception| {
            crc.over(&exception.activation.0)
                .over(&[exception.outcome.number(), exception.reason.number()])
        })
        .value()
}
