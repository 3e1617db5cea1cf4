//! A request: what it is answered, and what it changes.
//!
//! The broker between device and gateway can delay, repeat and reorder, and the device can lose
//! its memory. So the order of the checks is part of what makes this safe:
//!
//! 1. *Somebody else's key* changes nothing in the device's conversation, whatever it says.
//! 2. *A repeat* (same number, same digest of what was signed) is answered as before.
//! 3. *The number* must be above the last. If it is not, the message may be a replay, so it
//!    changes nothing and accuses nobody; the answer tells the number and bears a challenge. Only
//!    a request that echoes that challenge shows what became of the device: wiped, set back, or
//!    only the number lost. Several of those in a week, and a clone is suspected, which freezes
//!    new rights and takes none away.
//! 4. *A challenge* must be echoed where a request signed beforehand would do harm: first
//!    admission, return, rehost, stop-gap, activation code, and a claim to hold more than is
//!    recorded.
//! 5. *What the device holds* counts as the acknowledgement that was lost, and as proof that what
//!    was removed up to there is gone. Holding more than is recorded means that the database was
//!    set back: the next set goes above it.
//! 6. *Usage* only grows.
//! 7. *Admission* pins the device to its key, or leaves it to an operator.
//!    Then the tier's policy says whether a device is served in files, and how often in a day.
//! 8. *The decision*, and a new set under the next generation that echoes the request's nonce. A
//!    generation is written once; a blank device takes nothing that does not echo its nonce.

mod answer;
mod believe;
mod number;

use fleetgrant_schemas::limits;

use crate::ask::{Ask, Channel, Hardware, Reason, Request, Sender, Verdict, Want};
use crate::challenge::Echo;
use crate::context::{Context, Entropy};
use crate::device::{Device, LastRequest, Pin, StoredAnswer, Tally, Watch};
use crate::domain::{DeviceState, KeyLoss, KeyThumbprint, MessageDigest, Origin};
use crate::event::{Event, EventKind};
use crate::notice::NoticeCode;
use crate::outcome::{Answer, Outcome};
use crate::rule::Rule;
use crate::snapshot::Snapshot;
use crate::tier::Admission;
use crate::turn::{Said, Turn, Why};

const DAY: u64 = 86_400;

/// Answers a verified request.
pub fn on_request<E: Entropy>(
    snapshot: Snapshot,
    request: &Request,
    ctx: Context<'_>,
    entropy: &mut E,
) -> Outcome {
    let mut turn = Turn::new(snapshot, ctx, entropy);
    let answer = turn.converse(request);
    turn.finish(answer)
}

impl<E: Entropy> Turn<'_, E> {
    fn converse(&mut self, request: &Request) -> Answer {
        let ask = &request.ask;
        if let Some(code) = foreign(&self.device, &request.sender) {
            return self.refuse_foreign(code, request);
        }
        if let Some(answer) = self.repeat(request) {
            return answer;
        }
        if let Err(answer) = self.check_number(request) {
            return answer;
        }
        self.hear();
        let echo = self.device.challenges.find(ask.challenge, self.ctx.now);
        self.device.challenges = crate::device::Challenges::default();
        let (Ok(answer) | Err(answer)) = self.serve(request, echo);
        self.device.last = Some(LastRequest {
            seq: ask.seq,
            digest: request.digest,
            answer: match &answer {
                Answer::Notice(notice) => StoredAnswer::Notice(notice.payload.clone()),
                Answer::Repeat(stored) => stored.clone(),
                Answer::Grant | Answer::Carried | Answer::None => match self.latest() {
                    Some(set) => StoredAnswer::Grant(set.key),
                    None => return answer,
                },
            },
        });
        answer
    }

    /// Serves a request that counts; an early answer is an `Err`.
    fn serve(&mut self, request: &Request, echo: Option<Echo>) -> Result<Answer, Answer> {
        let ask = &request.ask;
        self.note_facts(ask);
        if self.device.key().is_none() && request.sender.verdict == Verdict::NotOnManifest {
            self.record(Event::new(EventKind::DeviceRefused).with("reason", "not-on-manifest"));
            return Err(self.notice_counted(NoticeCode::NotAdmitted, request, self.later()));
        }
        if echo.is_none() && needs_challenge(&self.device, ask) {
            return Err(self.notice_counted(NoticeCode::Challenge, request, Said::default()));
        }
        if let Some(echo) = echo {
            self.judge(ask, echo);
        }
        if let Some(held) = ask.held {
            self.believe_held(held, request)?;
        }
        for usage in &ask.usage {
            self.ledger.use_up_to(usage.activation, usage.total);
        }
        self.admit(request)?;
        self.lapse_due();
        self.check_access(request)?;
        self.bring_back(request)?;
        self.answer(request)
    }

    /// A device that comes back from the dead begins with an empty set that it has signed for.
    fn bring_back(&mut self, request: &Request) -> Result<(), Answer> {
        self.end_readmission();
        if self.device.state != DeviceState::Readmitted {
            return Ok(());
        }
        let nonce = Some(request.ask.nonce);
        if self.push(nonce, Why::Asked(request.ask.reason)).is_err() {
            return Ok(());
        }
        self.record_denied(Rule::EmptySetFirst.into(), request);
        Err(Answer::Grant)
    }

    /// Admits a device again that has signed for its empty set.
    pub(crate) fn end_readmission(&mut self) {
        let is_empty = self
            .latest()
            .filter(|set| self.device.acked.map(|acked| acked.held) == Some(set.held()))
            .is_some_and(|set| set.activations.is_empty());
        if self.device.state == DeviceState::Readmitted && is_empty {
            self.device.state = DeviceState::Admitted;
            self.record(
                Event::new(EventKind::DeviceAdmitted)
                    .with_some("key", self.device.key())
                    .with("by", "empty-set"),
            );
        }
    }

    /// What the tier's policy says of the way a request comes, and of how many come.
    fn check_access(&mut self, request: &Request) -> Result<(), Answer> {
        let (now, rules) = (self.ctx.now, &self.policies.device().rules);
        if let Some(limit) = rules.requests_per_day {
            let requests = &mut self.device.watch.requests;
            if requests.add(now, DAY) > limit.get() {
                let over = requests.since.map(|since| since.plus_seconds(DAY));
                let wait = over.map_or(DAY, |over| over.seconds_since(now) + 1);
                let said = Said {
                    retry_after: u32::try_from(wait).ok(),
                    ..Said::default()
                };
                return Err(self.notice_counted(NoticeCode::RetryLater, request, said));
            }
        }
        if request.sender.channel == Channel::File && !rules.offline {
            return Err(self.deny_whole(Rule::OfflineNotOffered.into(), request));
        }
        Ok(())
    }

    /// A request by another key than the device's.
    fn refuse_foreign(&mut self, code: NoticeCode, request: &Request) -> Answer {
        self.tell_foreign(code, &request.sender, request.digest);
        let said = Said {
            to_key: Some(request.sender.key),
            ..Said::default()
        };
        self.notice(code, Some(request.ask.nonce), said)
    }

    /// Records a message by another key than the device's. Its replays leave no trace.
    pub(crate) fn tell_foreign(
        &mut self,
        code: NoticeCode,
        sender: &Sender,
        digest: MessageDigest,
    ) {
        if self.is_refusal_worth_telling(digest) {
            let kind = match code {
                NoticeCode::IdentityConflict => EventKind::IdentityConflict,
                _ => EventKind::DeviceRefused,
            };
            let reason = match sender.verdict {
                Verdict::Superseded => "superseded",
                _ => code.as_str(),
            };
            self.record(
                Event::new(kind)
                    .with("key", sender.key)
                    .with("reason", reason),
            );
        }
    }

    /// Whether the history should tell of a message that is refused without counting: not of its
    /// replays, and not of more than a few a day.
    pub(crate) fn is_refusal_worth_telling(&mut self, digest: MessageDigest) -> bool {
        self.is_worth_telling(digest, |watch| &mut watch.refusals)
    }

    /// As [`Self::is_refusal_worth_telling`], by a tally of its own.
    pub(crate) fn is_worth_telling(
        &mut self,
        digest: MessageDigest,
        tally: impl FnOnce(&mut Watch) -> &mut Tally,
    ) -> bool {
        let (now, limit) = (self.ctx.now, self.ctx.policy.refusals_told_per_day);
        let watch = &mut self.device.watch;
        watch.refused.replace(digest) != Some(digest) && tally(watch).add(now, DAY) <= limit
    }

    /// The device itself was heard, not a replay of it.
    pub(crate) fn hear(&mut self) {
        if self.device.first_contact_at.is_none() {
            self.device.first_contact_at = Some(self.ctx.now);
            self.record(Event::new(EventKind::FirstContact));
        }
        self.device.last_contact_at = Some(self.ctx.now);
    }

    /// The same request again: the same answer, unless that is a set which can no longer be
    /// installed.
    fn repeat(&mut self, request: &Request) -> Option<Answer> {
        let ask = &request.ask;
        let last = self
            .device
            .last
            .as_ref()
            .filter(|last| last.seq == ask.seq && last.digest == request.digest)?;
        let stored = last.answer.clone();
        if let StoredAnswer::Grant(key) = &stored {
            let (now, epoch) = (self.ctx.now, self.ctx.authority.epoch);
            // Of an earlier epoch, it would be signed by a key that is not its own.
            let is_over = self
                .sets
                .iter()
                .any(|set| set.key == *key && (set.install_until <= now || set.key.epoch != epoch));
            if is_over && self.push(Some(ask.nonce), Why::WindowOver).is_ok() {
                if let (Some(last), Some(set)) = (&mut self.device.last, self.sets.last()) {
                    last.answer = StoredAnswer::Grant(set.key);
                }
                return Some(Answer::Grant);
            }
        }
        Some(Answer::Repeat(stored))
    }

    fn note_facts(&mut self, ask: &Ask) {
        let (said, says) = (&self.device.facts, &ask.facts);
        if (&said.hardware, &said.software, &said.version)
            != (&says.hardware, &says.software, &says.version)
        {
            let hardware = says.hardware.as_ref();
            self.record(
                Event::new(EventKind::DeviceDescribed)
                    .with_some("maker", hardware.map(|hardware| hardware.maker.as_str()))
                    .with_some("hwmodel", hardware.map(Hardware::model_text).as_deref())
                    .with_some("software", says.software.as_deref())
                    .with_some("version", says.version.as_deref()),
            );
        }
        self.device.facts = ask.facts.clone();
        self.device.key_set = ask.key_set;
        self.device.max_down = ask
            .max_down
            .clamp(limits::MIN_DOWN as u16, limits::MAX_DOWN as u16);
    }

    fn admit(&mut self, request: &Request) -> Result<(), Answer> {
        let sender = &request.sender;
        match (self.device.state, sender.verdict) {
            (DeviceState::Quarantined, _) => {}
            (DeviceState::Readmitted, Verdict::Pinned | Verdict::Admissible) => {
                if self.device.key().is_none() {
                    self.pin(sender.key);
                }
                return Ok(());
            }
            (state, Verdict::Admissible)
                if state != DeviceState::Admitted
                    && self.policies.device().rules.admission == Admission::Approval =>
            {
                self.quarantine(sender, "policy");
            }
            (DeviceState::Admitted, _) | (_, Verdict::Pinned | Verdict::Admissible) => {
                if self.device.state != DeviceState::Admitted || self.device.key().is_none() {
                    self.device.state = DeviceState::Admitted;
                    self.pin(sender.key);
                }
                return Ok(());
            }
            _ => self.quarantine(sender, "anchor"),
        }
        Err(self.notice_counted(NoticeCode::Quarantined, request, self.later()))
    }

    fn pin(&mut self, key: KeyThumbprint) {
        let by = match self.device.pin {
            Pin::Lost(_) => Some("repair"),
            Pin::Open | Pin::To(_) => None,
        };
        self.device.pin = Pin::To(key);
        self.record(
            Event::new(EventKind::DeviceAdmitted)
                .with("key", key)
                .with_some("by", by),
        );
    }

    fn quarantine(&mut self, sender: &Sender, by: &'static str) {
        self.device.state = DeviceState::Quarantined;
        self.record(
            Event::new(EventKind::DeviceQuarantined)
                .with("key", sender.key)
                .with("by", by)
                .with("policy", &self.policies.device().tag),
        );
    }

    pub(crate) fn later(&self) -> Said {
        Said {
            retry_after: Some(self.ctx.policy.retry_after),
            ..Said::default()
        }
    }
}

/// What a key that may not speak for this device is told. The pin is looked at again, since two
/// keys may have been found admissible for one id at the same time.
pub(crate) fn foreign(device: &Device, sender: &Sender) -> Option<NoticeCode> {
    let is_other = match device.pin {
        Pin::To(key) => key != sender.key,
        Pin::Open | Pin::Lost(KeyLoss::Replaced) => false,
        Pin::Lost(KeyLoss::Revoked) => true,
    };
    match (sender.verdict, device.state) {
        // Whose key it was is known, and its board is no clone.
        (Verdict::Superseded | Verdict::Revoked, _) => Some(NoticeCode::Revoked),
        (Verdict::IdentityConflict, _) => Some(NoticeCode::IdentityConflict),
        _ if is_other => Some(NoticeCode::IdentityConflict),
        (_, DeviceState::Tombstoned) => Some(NoticeCode::Revoked),
        (_, DeviceState::Retired) => Some(NoticeCode::NotAdmitted),
        _ => None,
    }
}

/// Whether a request signed beforehand would do harm.
fn needs_challenge(device: &Device, ask: &Ask) -> bool {
    let holds_more = ask
        .held
        .is_some_and(|held| held.key.generation > device.generation);
    device.state != DeviceState::Admitted
        || device.key().is_none()
        || matches!(
            ask.reason,
            Reason::Return | Reason::Rehost | Reason::Temporary
        )
        || ask
            .wants
            .iter()
            .any(|want| matches!(want, Want::Code { .. }))
        || holds_more
}

impl Request {
    /// How an activation that it brings about is called. A device on the line is at the factory
    /// however its request came.
    pub(crate) const fn origin(&self) -> Origin {
        match (self.ask.reason, self.sender.channel) {
            (Reason::Factory, _) => Origin::Factory,
            (_, Channel::Online) => Origin::Field,
            (_, Channel::File) => Origin::Offline,
        }
    }
}

#[cfg(test)]
mod tests;
