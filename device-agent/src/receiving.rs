//! What the agent does with a message that passed every check.

use fleetgrant_schemas::Malformed;
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::keys::KeySet;
use fleetgrant_schemas::limits;
use fleetgrant_schemas::notice::{Notice, NoticeCode};
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::topic::MessageType;

use crate::agent::{Agent, Taken};
use crate::asking::Wish;
use crate::bucket::Gate;
use crate::crypto::KeyOperations;
use crate::event::Event;
use crate::installing;
use crate::refusal::Refusal;
use crate::removing::Removing;
use crate::retry;
use crate::storage::{Record, Storage};
use crate::time::Instant;
use crate::verify::{AcceptedGrant, Answers, Authentic, GrantVerdict};

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
    ) -> Result<Taken<'b>, Refusal> {
        if bytes.len() > usize::from(self.profile.max_down()) {
            return Err(Malformed::Oversize.into());
        }
        if message.is_up() {
            return Err(Refusal::OtherTopic);
        }
        // By reference, here and below: what is large is not moved out of a result.
        match &self.authenticate(bytes, message, true) {
            Err(reason) => {
                if *reason == Refusal::UnknownKey {
                    self.ask_for_keys();
                }
                Err(*reason)
            }
            Ok(authentic) => match message {
                MessageType::Grant => self.receive_grant(authentic),
                MessageType::Keys => self.receive_keys(authentic),
                _ => self.receive_notice(authentic),
            },
        }
    }

    #[inline(never)]
    fn receive_grant<'b>(&mut self, authentic: &Authentic<'b>) -> Result<Taken<'b>, Refusal> {
        let read = authentic.read();
        let grant: &Grant<'b> = read.as_ref().map_err(|reason| *reason)?;
        let (verdict, answers) = self.check_grant(grant, authentic)?;
        match verdict {
            GrantVerdict::Newer(accepted) => {
                self.install(&accepted, answers)?;
                Ok(Taken::Installed(*grant))
            }
            GrantVerdict::Again => {
                if answers != Answers::Nothing {
                    self.clock.prove(grant.issued_at, self.now);
                    self.settle(answers);
                }
                if answers != Answers::Nothing || self.unsolicited.take(self.now) {
                    self.acks.again = true;
                }
                Ok(Taken::Again(*grant))
            }
            GrantVerdict::Overtaken => {
                // Repeated, the request would get the same answer for ever.
                match answers {
                    Answers::Online => self.ask_anew(),
                    answers => self.settle(answers),
                }
                Err(Refusal::Superseded)
            }
        }
    }

    #[inline(never)]
    fn install(
        &mut self,
        accepted: &AcceptedGrant<'_, '_>,
        answers: Answers,
    ) -> Result<(), Refusal> {
        let grant = accepted.grant();
        let mut clock = self.clock;
        match answers {
            // A recorded grant may be old, but never from the future.
            Answers::Nothing => clock.claim(grant.issued_at, self.now),
            _ => clock.prove(grant.issued_at, self.now),
        }
        let were_reported = answers == Answers::Online && self.contact.has_reported();
        let removing = Removing::<RIGHTS>::by(&self.enforcing.rights, grant, were_reported);
        let floors = { clock }.persist(self.now);
        installing::store(&mut self.storage, accepted, &removing, floors)
            .inspect_err(|reason| self.storage_failed(Record::Set, *reason))?;

        self.clock = clock;
        let signed_by = Some(accepted.signed_by());
        let time = self.time();
        self.enforcing
            .enforce(grant, signed_by, self.profile, &removing, time, self.now);
        self.challenge = Some(grant.next_challenge);
        let renew = grant.renew_after.max(MIN_RENEW_SECS);
        self.enforcing.renew_at = retry::around_secs(self.now, renew, self.random());
        self.settle(answers);
        self.contact.set_changed();
        self.events.push(Event::Installed {
            generation: grant.generation,
            denied: grant.denials.len() as u8,
        });
        Ok(())
    }

    /// The request that was answered is no longer outstanding.
    fn settle(&mut self, answers: Answers) {
        match answers {
            Answers::Nothing => {}
            Answers::Online => {
                self.contact.settle();
                self.ask_again_at = Instant::NEVER;
            }
            Answers::File => self.state.file_nonce = None,
        }
    }

    #[inline(never)]
    fn receive_notice<'b>(&mut self, authentic: &Authentic<'b>) -> Result<Taken<'b>, Refusal> {
        let read = authentic.read();
        let notice: &Notice<'b> = read.as_ref().map_err(|reason| *reason)?;
        let answers = self.check_notice(notice, authentic)?;
        match answers {
            Answers::Nothing => self.unsolicited_notice(notice.code)?,
            Answers::Online | Answers::File => {
                if answers == Answers::Online {
                    self.answer(notice)?;
                } else {
                    self.state.file_nonce = None;
                    self.store_state();
                }
                self.clock.prove(notice.issued_at, self.now);
                if notice.challenge.is_some() {
                    self.challenge = notice.challenge;
                }
            }
        }
        self.events.push(Event::Notice(notice.code));
        Ok(Taken::Notice(*notice))
    }

    fn unsolicited_notice(&mut self, code: NoticeCode) -> Result<(), Refusal> {
        match code {
            NoticeCode::Poke => {
                if !self.gates.poke.pass(self.now) {
                    return Err(Refusal::TooSoon);
                }
                if self.contact.is_asking() {
                    self.contact.hurry();
                } else if self.contact.is_idle() {
                    self.want(Reason::Renew);
                } else {
                    self.contact.bring_forward(self.now);
                }
                Ok(())
            }
            NoticeCode::SendChain => self.send_chain(),
            _ => Err(Refusal::NotAsked),
        }
    }

    /// A notice that answers the outstanding request.
    fn answer(&mut self, notice: &Notice<'_>) -> Result<(), Refusal> {
        match notice.code {
            NoticeCode::SendChain => return self.send_chain(),
            NoticeCode::StaleSeq => {
                if !self.gates.stale_seq.pass(self.now) {
                    return Err(Refusal::TooSoon);
                }
                if let Some(expected) = notice.seq_expected {
                    self.state.raise_seq(expected);
                }
                self.ask_anew();
            }
            NoticeCode::Challenge => self.ask_anew(),
            NoticeCode::RetryLater => {
                let secs = notice.retry_after.unwrap_or(MIN_RENEW_SECS);
                let secs = secs.min(MAX_RETRY_SECS);
                let at = retry::after_secs(self.now, secs, self.random());
                self.contact.hold_until(at);
            }
            NoticeCode::ShowGrant => {
                self.acks.show = self.enforcing.held.is_some();
                let at = self.refused_until(notice.retry_after, AFTER_SHOWING_SECS);
                self.contact.keep_until(at);
            }
            NoticeCode::Poke => self.ask_anew(),
            NoticeCode::NotAdmitted | NoticeCode::Quarantined => {
                let at = self.refused_until(notice.retry_after, ASK_AGAIN_SECS);
                self.contact.keep_until(at);
            }
            NoticeCode::Revoked
            | NoticeCode::Denied
            | NoticeCode::TooLarge
            | NoticeCode::Malformed
            | NoticeCode::WrongRealm
            | NoticeCode::IdentityConflict => {
                let at = self.refused_until(notice.retry_after, ASK_AGAIN_SECS);
                self.forget_wish_until(at);
            }
        }
        Ok(())
    }

    fn refused_until(&mut self, retry_after: Option<u32>, default_secs: u32) -> Instant {
        let secs = retry_after.unwrap_or(default_secs);
        let secs = secs.clamp(MIN_RENEW_SECS, MAX_RETRY_SECS);
        retry::after_secs(self.now, secs, self.random())
    }

    /// The wish is denied, and not repeated; the device asks for what it is owed by then.
    fn forget_wish_until(&mut self, at: Instant) {
        self.contact.settle();
        self.ask_again_at = at;
    }

    fn send_chain(&mut self) -> Result<(), Refusal> {
        if !self.contact.is_asking() {
            return Err(Refusal::NotAsked);
        }
        if !self.gates.send_chain.pass(self.now) {
            return Err(Refusal::TooSoon);
        }
        self.contact.add_chain();
        self.ask_anew();
        Ok(())
    }

    /// The same wish in a new request.
    pub(crate) fn ask_anew(&mut self) {
        let random = self.random();
        self.contact.ask_anew(self.now, random);
    }

    #[inline(never)]
    fn receive_keys<'b>(&mut self, authentic: &Authentic<'b>) -> Result<Taken<'b>, Refusal> {
        let read = authentic.read();
        let set: &KeySet<'b> = read.as_ref().map_err(|reason| *reason)?;
        self.check_keys(set, &authentic.kid())?;
        let held = match &self.enforcing.signed_by {
            Some(kid) => {
                let found = self.ring.find(kid, self.profile, &mut self.storage)?;
                found.map(|found| (kid, found.authority.key))
            }
            None => None,
        };
        let held = held.as_ref().map(|(kid, key)| (*kid, key));
        self.ring =
            self.ring
                .replace(set, held, self.profile, &mut self.storage, &mut self.keys)?;
        self.events.push(Event::KeysInstalled {
            generation: set.generation,
        });
        self.ask_anew();
        if self.contact.is_idle() {
            self.want(Reason::Keys);
        }
        Ok(Taken::Keys(*set))
    }

    fn ask_for_keys(&mut self) {
        if self.contact.is_idle() && self.gates.keys.pass(self.now) {
            self.want(Reason::Keys);
        }
    }

    pub(crate) fn ask_for_time(&mut self) {
        if self.contact.is_idle() && self.gates.clock.pass(self.now) {
            self.want(Reason::Renew);
        }
    }

    pub(crate) fn want(&mut self, reason: Reason) {
        self.contact.want(&Wish::routine(reason), self.now);
    }
}
