//! What the agent does with a message that passed every check.

use fleetgrant_schemas::envelope::{Envelope, Signer};
use fleetgrant_schemas::limits;
use fleetgrant_schemas::notice::{Notice, NoticeCode};
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::topic::MessageType;

use crate::agent::{Agent, Taken};
use crate::asking::{Contact, Wanting, Wish};
use crate::bucket::Gate;
use crate::crypto::KeyOperations;
use crate::event::Event;
use crate::installing::Installing;
use crate::refusal::Refusal;
use crate::removing::Removing;
use crate::retry;
use crate::storage::Storage;
use crate::time::Instant;
use crate::verify::{AcceptedGrant, Answers, Authentic, GrantVerdict, Nonces, Verifier};

/// A grant that says less is asked about no sooner.
const MIN_RENEW_SECS: u32 = 60;
const MAX_RETRY_SECS: u32 = limits::MAX_RETRY_AFTER as u32;
/// After a refusal without a time of its own.
const ASK_AGAIN_SECS: u32 = 6 * 3_600;
/// After the grant was shown, the gateway has something to think over.
const AFTER_SHOWING_SECS: u32 = 60;

/// What is done once an hour at most, whoever asks for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gates {
    stale_seq: Gate,
    send_chain: Gate,
    poke: Gate,
    keys: Gate,
    clock: Gate,
}

impl<K, S, B, const RIGHTS: usize> Agent<'_, K, S, B, RIGHTS>
where
    K: KeyOperations,
    S: Storage,
    B: AsRef<[u8]> + AsMut<[u8]>,
{
    pub(crate) fn receive<'b>(
        &mut self,
        bytes: &'b [u8],
        message: MessageType,
        now: Instant,
    ) -> Result<Taken<'b>, Refusal> {
        let taken = match message {
            MessageType::Grant | MessageType::Notice => {
                match self.verifier(now).authenticate(bytes, message) {
                    Err(reason) => Err(reason),
                    Ok(authentic) if message == MessageType::Grant => {
                        self.receive_grant(&authentic, bytes, now)
                    }
                    Ok(authentic) => self.receive_notice(&authentic, now),
                }
            }
            MessageType::Keys => self.receive_keys(bytes, now),
            MessageType::Request | MessageType::Ack => Err(Refusal::OtherTopic),
        };
        if taken == Err(Refusal::UnknownKey) {
            self.ask_for_keys(now);
        }
        taken
    }

    fn verifier(&mut self, now: Instant) -> Verifier<'_, K, S> {
        Verifier {
            profile: self.profile,
            ring: &self.ring,
            keys: &mut self.keys,
            storage: &mut self.storage,
            clock: &self.clock,
            now,
            nonces: Nonces {
                online: self.contact.nonce(),
                file: self.state.file_nonce,
            },
            held: self.enforcing.held,
            room: RIGHTS,
        }
    }

    #[inline(never)]
    fn receive_grant<'b>(
        &mut self,
        authentic: &Authentic<'b>,
        bytes: &'b [u8],
        now: Instant,
    ) -> Result<Taken<'b>, Refusal> {
        let (verdict, answers) = self.verifier(now).grant(authentic)?;
        match verdict {
            GrantVerdict::Newer(grant) => self.install(grant, answers, bytes, now),
            GrantVerdict::Again(grant) => {
                if answers != Answers::Nothing {
                    self.clock.prove(grant.issued_at, now);
                    self.settle(answers);
                }
                if answers != Answers::Nothing || self.unsolicited.take(now) {
                    self.acks.again = true;
                }
                Ok(Taken::Again(grant))
            }
            GrantVerdict::Overtaken => {
                // Repeated, the request would get the same answer for ever.
                match answers {
                    Answers::Online => self.ask_anew(now),
                    answers => self.settle(answers),
                }
                Err(Refusal::Superseded)
            }
        }
    }

    #[inline(never)]
    fn install<'b>(
        &mut self,
        accepted: AcceptedGrant<'b>,
        answers: Answers,
        bytes: &'b [u8],
        now: Instant,
    ) -> Result<Taken<'b>, Refusal> {
        let issued_at = accepted.grant().issued_at;
        let mut clock = self.clock;
        match answers {
            // A recorded grant may be old, but never from the future.
            Answers::Nothing => clock.claim(issued_at, now),
            _ => clock.prove(issued_at, now),
        }
        let were_reported = answers == Answers::Online
            && matches!(&self.contact, Contact::Asking(asking) if asking.is_of_current_set);
        let removing = Removing::by(&self.enforcing.rights, accepted.grant(), were_reported);
        let installed = Installing::<RIGHTS>::new(accepted, bytes, removing)
            .store(&mut self.storage, &clock, now)
            .inspect_err(|reason| {
                self.events.push(Event::Storage {
                    record: crate::Record::Set,
                    reason: *reason,
                });
            })?;
        let grant = installed.grant;

        self.clock = clock;
        let signer = signer(bytes);
        self.enforcing
            .enforce(&grant, signer, self.profile, &installed.removing);
        self.challenge = Some(grant.next_challenge);
        let renew = grant.renew_after.max(MIN_RENEW_SECS);
        self.enforcing.renew_at = Some(retry::around_secs(now, renew, self.random()));
        self.settle(answers);
        if let Contact::Asking(asking) = &mut self.contact {
            asking.set_changed();
        }
        self.events.push(Event::Installed {
            generation: grant.generation,
            denied: grant.denials.len() as u8,
        });
        Ok(Taken::Installed(grant))
    }

    /// The request that was answered is no longer outstanding.
    fn settle(&mut self, answers: Answers) {
        match answers {
            Answers::Nothing => {}
            Answers::Online => {
                self.contact = Contact::Idle;
                self.ask_again_at = None;
            }
            Answers::File => self.state.file_nonce = None,
        }
    }

    #[inline(never)]
    fn receive_notice<'b>(
        &mut self,
        authentic: &Authentic<'b>,
        now: Instant,
    ) -> Result<Taken<'b>, Refusal> {
        let (accepted, answers) = self.verifier(now).notice(authentic)?;
        let notice = accepted.0;
        match answers {
            Answers::Nothing => self.unsolicited_notice(notice.code, now)?,
            Answers::Online | Answers::File => {
                if answers == Answers::Online {
                    self.answer(&notice, now)?;
                } else {
                    self.state.file_nonce = None;
                    self.store_state(now);
                }
                self.clock.prove(notice.issued_at, now);
                if notice.challenge.is_some() {
                    self.challenge = notice.challenge;
                }
            }
        }
        self.events.push(Event::Notice(notice.code));
        Ok(Taken::Notice(notice))
    }

    fn unsolicited_notice(&mut self, code: NoticeCode, now: Instant) -> Result<(), Refusal> {
        match code {
            NoticeCode::Poke => {
                if !self.gates.poke.pass(now) {
                    return Err(Refusal::TooSoon);
                }
                match &mut self.contact {
                    Contact::Idle => self.want(Wish::routine(Reason::Renew), now),
                    Contact::Wanting(wanting) => wanting.at = now,
                    Contact::Asking(asking) => asking.hurry(),
                }
                Ok(())
            }
            NoticeCode::SendChain => self.send_chain(now),
            _ => Err(Refusal::NotAsked),
        }
    }

    /// A notice that answers the outstanding request.
    fn answer(&mut self, notice: &Notice<'_>, now: Instant) -> Result<(), Refusal> {
        match notice.code {
            NoticeCode::SendChain => return self.send_chain(now),
            NoticeCode::StaleSeq => {
                if !self.gates.stale_seq.pass(now) {
                    return Err(Refusal::TooSoon);
                }
                let raised = notice
                    .seq_expected
                    .and_then(|seq| self.state.with_seq_raised(seq));
                if let Some(raised) = raised {
                    self.state = raised;
                }
                self.ask_anew(now);
            }
            NoticeCode::Challenge => self.ask_anew(now),
            NoticeCode::RetryLater => {
                let secs = notice.retry_after.unwrap_or(MIN_RENEW_SECS);
                let secs = secs.min(MAX_RETRY_SECS);
                let at = retry::after_secs(now, secs, self.random());
                if let Contact::Asking(asking) = &mut self.contact {
                    asking.hold_until(at);
                }
            }
            NoticeCode::ShowGrant => {
                self.acks.show = self.enforcing.held.is_some();
                let at = self.refused_until(notice.retry_after, AFTER_SHOWING_SECS, now);
                self.keep_wish_until(at);
            }
            NoticeCode::Poke => self.ask_anew(now),
            NoticeCode::NotAdmitted | NoticeCode::Quarantined => {
                let at = self.refused_until(notice.retry_after, ASK_AGAIN_SECS, now);
                self.keep_wish_until(at);
            }
            NoticeCode::Revoked
            | NoticeCode::Denied
            | NoticeCode::TooLarge
            | NoticeCode::Malformed
            | NoticeCode::WrongRealm
            | NoticeCode::IdentityConflict => {
                let at = self.refused_until(notice.retry_after, ASK_AGAIN_SECS, now);
                self.forget_wish_until(at);
            }
        }
        Ok(())
    }

    fn refused_until(
        &mut self,
        retry_after: Option<u32>,
        default_secs: u32,
        now: Instant,
    ) -> Instant {
        let secs = retry_after.unwrap_or(default_secs);
        let secs = secs.clamp(MIN_RENEW_SECS, MAX_RETRY_SECS);
        retry::after_secs(now, secs, self.random())
    }

    /// The wish is left open: it is asked again, unless something else is wanted before.
    fn keep_wish_until(&mut self, at: Instant) {
        self.contact = match core::mem::replace(&mut self.contact, Contact::Idle) {
            Contact::Asking(asking) => {
                let mut wish = asking.into_wish();
                wish.give_way();
                Contact::Wanting(Wanting { wish, at })
            }
            contact => contact,
        };
    }

    /// The wish is denied, and not repeated; the device asks for what it is owed by then.
    fn forget_wish_until(&mut self, at: Instant) {
        self.contact = Contact::Idle;
        self.ask_again_at = Some(at);
    }

    fn send_chain(&mut self, now: Instant) -> Result<(), Refusal> {
        let Contact::Asking(asking) = &mut self.contact else {
            return Err(Refusal::NotAsked);
        };
        if !self.gates.send_chain.pass(now) {
            return Err(Refusal::TooSoon);
        }
        asking.add_chain();
        self.ask_anew(now);
        Ok(())
    }

    /// The same wish in a new request.
    pub(crate) fn ask_anew(&mut self, now: Instant) {
        let random = self.random();
        self.contact = match core::mem::replace(&mut self.contact, Contact::Idle) {
            Contact::Asking(asking) => Contact::Wanting(asking.ask_anew(now, random)),
            contact => contact,
        };
    }

    #[inline(never)]
    fn receive_keys<'b>(&mut self, bytes: &'b [u8], now: Instant) -> Result<Taken<'b>, Refusal> {
        let set = self.verifier(now).key_set(bytes)?.0;
        let held = match &self.enforcing.signed_by {
            Some(kid) => {
                let found = self.ring.find(kid, self.profile, &mut self.storage)?;
                found.map(|found| (*kid, *found.key()))
            }
            None => None,
        };
        self.ring =
            self.ring
                .replace(&set, held, self.profile, &mut self.storage, &mut self.keys)?;
        self.events.push(Event::KeysInstalled {
            generation: set.generation,
        });
        match &self.contact {
            Contact::Idle => self.want(Wish::routine(Reason::Keys), now),
            Contact::Wanting(_) => {}
            Contact::Asking(_) => self.ask_anew(now),
        }
        Ok(Taken::Keys(set))
    }

    fn ask_for_keys(&mut self, now: Instant) {
        if matches!(self.contact, Contact::Idle) && self.gates.keys.pass(now) {
            self.want(Wish::routine(Reason::Keys), now);
        }
    }

    pub(crate) fn ask_for_time(&mut self, now: Instant) {
        if matches!(self.contact, Contact::Idle) && self.gates.clock.pass(now) {
            self.want(Wish::routine(Reason::Renew), now);
        }
    }

    fn want(&mut self, wish: Wish, now: Instant) {
        self.contact = Contact::Wanting(Wanting { wish, at: now });
    }
}

fn signer(bytes: &[u8]) -> Option<fleetgrant_schemas::id::KeyId> {
    match Envelope::parse(bytes).ok()?.signer() {
        Signer::Key(kid) => Some(kid),
        _ => None,
    }
}
