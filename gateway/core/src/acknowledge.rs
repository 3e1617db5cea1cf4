//! An acknowledgement: the device's signed word of what it holds.
//!
//! Acknowledgements are ordered by epoch, generation and their number within it, apart from the
//! numbers of requests, so that one that overtakes or is overtaken does no harm. One that is not
//! after the last changes nothing. One that is:
//!
//! - proves that what an earlier set, or this one, left out is gone: those units are free, and
//!   nothing else frees a unit of a device that is silent, save time;
//! - makes what is in its set activated, and what the device refuses go, by a new set;
//! - counts for nothing at all if it names a set that was never issued. Then somebody holds the
//!   authority's key, or the database was set back, and somebody is paged.

use fleetgrant_schemas::ack::{self, OutcomeReason};

use crate::ask::{Acknowledgement, Channel, Exception, Sender, SignedAck, Verdict};
use crate::context::{Context, Entropy};
use crate::device::{Acked, Pin};
use crate::domain::{ActivationId, DeviceState, RemovalReason, Timestamp};
use crate::event::{Event, EventKind};
use crate::ledger::Word;
use crate::outcome::{Answer, Deliveries, Outcome};
use crate::set::CommittedSet;
use crate::snapshot::Holdings;
use crate::term;
use crate::tier::Admission;
use crate::turn::{Turn, Why};

/// Takes in a verified acknowledgement. Nothing answers it, unless what it says makes a new set
/// necessary.
pub fn on_ack<E: Entropy>(
    holdings: impl Into<Holdings>,
    signed: &SignedAck,
    ctx: Context<'_>,
    entropy: &mut E,
) -> Outcome {
    let mut turn = Turn::new(holdings.into().into(), ctx, entropy);
    turn.take_in(signed);
    let answer = match turn.deliveries {
        Deliveries::Superseded => Answer::Grant,
        _ => Answer::None,
    };
    turn.finish(answer)
}

impl<E: Entropy> Turn<'_, E> {
    fn take_in(&mut self, signed: &SignedAck) {
        let ack = &signed.ack;
        self.admit_by_factory_grant(signed);
        if !self.may_prove(&signed.sender) {
            if self.is_refusal_worth_telling(signed.digest) {
                self.record(
                    Event::new(EventKind::DeviceRefused)
                        .with("key", signed.sender.key)
                        .with("reason", "acknowledgement"),
                );
            }
            return;
        }
        let Some(set) = self.acknowledged_set(signed) else {
            return;
        };
        self.hear();
        self.device.acked = Some(Acked {
            held: ack.held,
            n: ack.n,
            at: self.ctx.now,
        });
        self.record(
            Event::new(EventKind::Acknowledged)
                .with("set", ack.held.key)
                .with("n", ack.n),
        );
        let word = self.word(signed, &set);
        self.prove(&set, &ack.exceptions, word);
        for usage in &ack.usage {
            self.ledger.use_up_to(usage.activation, usage.total);
        }
        self.lapse_due();
        self.end_readmission();
        let refused = self.refusals(&set, &ack.exceptions);
        self.deliver(&refused);
    }

    /// A device that signs for the set that was made for it at the factory has shown what a
    /// challenge asks for: the set went to nobody else.
    fn admit_by_factory_grant(&mut self, signed: &SignedAck) {
        let is_expected = self.device.pin == Pin::Open
            && matches!(self.device.state, DeviceState::Expected | DeviceState::Seen)
            && self.policies.device().rules.admission == Admission::Automatic;
        let holds_it = self.device.watch.factory_grant
            && self.sets.iter().any(|set| set.held() == signed.ack.held);
        if is_expected && holds_it && signed.sender.verdict == Verdict::Admissible {
            self.device.state = DeviceState::Admitted;
            self.device.pin = Pin::To(signed.sender.key);
            self.record(
                Event::new(EventKind::DeviceAdmitted)
                    .with("key", signed.sender.key)
                    .with("by", "factory-grant"),
            );
        }
    }

    /// Only the pinned key proves anything. A device that is out of service still can.
    fn may_prove(&self, sender: &Sender) -> bool {
        self.device.key() == Some(sender.key)
            && !matches!(
                sender.verdict,
                Verdict::IdentityConflict | Verdict::Superseded | Verdict::Revoked
            )
    }

    /// The set that an acknowledgement is about, if it is after the last one and is true.
    fn acknowledged_set(&mut self, signed: &SignedAck) -> Option<CommittedSet> {
        let ack = &signed.ack;
        let last = self.device.acked;
        if let Some(acked) = last.filter(|acked| (ack.held.key, ack.n) <= (acked.held.key, acked.n))
        {
            if ack.held.key == acked.held.key && ack.held.cti != acked.held.cti {
                self.page_never_issued(signed);
            }
            return None;
        }
        let set = self.sets.iter().find(|set| set.held() == ack.held).cloned();
        let Some(set) = set else {
            if !self.is_before_record(ack.held) {
                self.page_never_issued(signed);
            }
            return None;
        };
        if names_foreign(ack, &set) {
            if self.is_refusal_worth_telling(signed.digest) {
                self.record(Event::new(EventKind::AckForeign).with("set", ack.held.key));
            }
            return None;
        }
        Some(set)
    }

    fn page_never_issued(&mut self, signed: &SignedAck) {
        if self.is_refusal_worth_telling(signed.digest) {
            self.record_never_issued(signed.ack.held);
        }
    }

    /// What came in a file counts at the device's own time, as long as that lies between the set
    /// and now: else the wait for whoever carries it would be told as the device's.
    fn word(&self, signed: &SignedAck, set: &CommittedSet) -> Word {
        let now = self.ctx.now;
        let is_possible = |at: &Timestamp| {
            set.issued_at.seconds() <= at.seconds() && at.seconds() <= now.seconds()
        };
        match signed.ack.issued_at.filter(is_possible) {
            // The device has whole seconds.
            Some(at) if signed.sender.channel == Channel::File => {
                Word::Carried(at.max(set.issued_at).min(now))
            }
            _ => Word::Recorded(now),
        }
    }

    /// The device holds this set, and nothing of what was left out up to it.
    pub(crate) fn prove(&mut self, set: &CommittedSet, exceptions: &[Exception], word: Word) {
        let going: Vec<ActivationId> = self
            .ledger
            .activations()
            .filter(|activation| activation.standing.removal().is_some())
            // It can be installed again, whatever the device holds now.
            .filter(|activation| !activation.is_built_into(&self.device))
            .map(|activation| activation.id)
            .collect();
        for id in going {
            self.ledger.prove_removed(id, set.key);
        }
        for id in &set.activations {
            if !exceptions.iter().any(|e| e.activation == *id) {
                self.ledger.activate(*id, set.key, word);
            }
        }
        for exception in exceptions {
            self.record_exception(exception);
        }
    }

    fn record_exception(&mut self, exception: &Exception) {
        let Some(activation) = self.ledger.activation(exception.activation) else {
            return;
        };
        let event = Event::new(EventKind::Excepted)
            .about(activation.id, activation.entitlement)
            .with("outcome", exception.outcome.as_str())
            .with("reason", exception.reason.as_str());
        self.record(event);
    }

    /// What is to be taken out, and why. What had ended when the device started is out for good,
    /// unless it was renewed meanwhile. What the firmware is too new for by a set that another has
    /// followed may be maintained for longer in that one: the device says so of it, if not.
    fn refusals(
        &self,
        set: &CommittedSet,
        exceptions: &[Exception],
    ) -> Vec<(ActivationId, RemovalReason)> {
        let is_latest = self.latest().is_some_and(|latest| latest.key == set.key);
        exceptions
            .iter()
            .filter(|exception| exception.outcome == ack::Outcome::Refused)
            .filter_map(|exception| match exception.reason {
                OutcomeReason::Ended => self
                    .is_over(exception.activation)
                    .then_some((exception.activation, RemovalReason::Expire)),
                OutcomeReason::BuildCeiling => {
                    is_latest.then_some((exception.activation, RemovalReason::BuildCeiling))
                }
                _ => Some((exception.activation, RemovalReason::Refuse)),
            })
            .collect()
    }

    fn is_over(&self, id: ActivationId) -> bool {
        let slack = self.ctx.policy.slack;
        let run = self.ledger.activation(id).and_then(|activation| {
            let entitlement = self.ledger.entitlement(activation.entitlement)?;
            let before = activation.run.as_ref();
            let grace = self.policies.rules(entitlement.id).grace;
            term::run(entitlement, before, self.ctx.now, slack, grace).ok()
        });
        run.is_some_and(|run| run.is_over(self.ctx.now))
    }

    /// Takes out what was refused, and sees to it that the latest set reaches a device that was
    /// just heard.
    fn deliver(&mut self, refused: &[(ActivationId, RemovalReason)]) {
        if let Ok(key) = self.next_key() {
            let mut changed = false;
            for (id, reason) in refused {
                let is_wanted = self.ledger.activation(*id).is_some_and(|a| a.is_wanted());
                changed |= is_wanted;
                self.ledger.remove(*id, *reason, key, self.ctx.now);
            }
            if changed && self.push(None, Why::Refused).is_ok() {
                return;
            }
        }
        let Some(latest) = self.latest().cloned() else {
            return;
        };
        // What was written just now is on its way anyway.
        let first_repeat = self.ctx.policy.push_pauses.first_repeat(latest.issued_at);
        if self.device.acked_key() == Some(latest.key) {
            self.deliveries = Deliveries::Acknowledged;
        } else if latest.install_until <= self.ctx.now
            && self.push(latest.nonce, Why::WindowOver).is_ok()
        {
            // The new set supersedes it.
        } else if first_repeat <= self.ctx.now {
            self.deliveries = Deliveries::Revived;
        }
    }
}

/// Whether it speaks of activations that its set does not have.
fn names_foreign(ack: &Acknowledgement, set: &CommittedSet) -> bool {
    ack.exceptions
        .iter()
        .any(|exception| !set.activations.contains(&exception.activation))
}

#[cfg(test)]
mod tests;
