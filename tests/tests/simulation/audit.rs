//! What is watched at every transaction of the gateway. README.md lists what must hold.

use std::collections::{BTreeMap, BTreeSet};

use fleetgrant_core::activation::{Activation, Standing};
use fleetgrant_core::ask::Exception;
use fleetgrant_core::device::{Challenges, Device, StoredAnswer, Watch};
use fleetgrant_core::domain::{
    ActivationId, Cti, DeviceId, EntitlementId, Generation, SetKey, Timestamp,
};
use fleetgrant_core::event::{EventKind, Field};
use fleetgrant_core::model::World;
use fleetgrant_core::outcome::{Answer, Outcome, WantVerdict};
use fleetgrant_schemas::Message;
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::{DeviceNonce, MessageDigest};
use fleetgrant_schemas::notice::NoticeCode;

use crate::cast::FEATURES;
use crate::tally::count;

/// Why there was a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause<'a> {
    Request(MessageDigest, DeviceNonce),
    /// With the activations that the device did not put in force.
    Ack(MessageDigest, &'a [Exception]),
    Operator,
    Outbox,
    Time,
}

/// What is remembered of earlier transactions.
pub(crate) struct Audit {
    /// Every set that was committed.
    sets: BTreeMap<(DeviceId, SetKey), Sold>,
    /// Messages that were taken in.
    settled: BTreeSet<MessageDigest>,
    answers: BTreeMap<DeviceNonce, Answered>,
    /// The latest moment that any committed set lets an activation run; none: for ever.
    runs: BTreeMap<ActivationId, Option<u64>>,
    /// Devices whose memory was tampered with: these may be accused.
    pub(crate) tampered: BTreeSet<DeviceId>,
    /// Units freed by proof that the devices have not been asked about yet.
    freed: Vec<Freed>,
}

/// A committed set, as its bytes say it.
#[derive(Clone, Debug)]
pub(crate) struct Sold {
    pub(crate) cti: Cti,
    /// In seconds.
    pub(crate) issued_at: u64,
    pub(crate) rights: Vec<Right>,
}

/// One right in a set.
#[derive(Clone, Debug)]
pub(crate) struct Right {
    pub(crate) activation: ActivationId,
    pub(crate) entitlement: EntitlementId,
    pub(crate) units: u32,
    /// Place of its feature in what the firmware knows.
    pub(crate) feature: Option<usize>,
    pub(crate) start: u64,
    /// With its grace; none: never.
    pub(crate) end: Option<u64>,
    pub(crate) is_counted: bool,
    /// Good for firmware up to [`crate::cast::CEILING`] only.
    pub(crate) is_limited: bool,
    /// Its end takes effect at the next start.
    pub(crate) waits: bool,
    /// Firmware built then or later does not turn it on: in seconds.
    pub(crate) build_ceiling: Option<u64>,
}

/// Units that a device's word freed.
#[derive(Clone, Debug)]
pub(crate) struct Freed {
    pub(crate) device: DeviceId,
    pub(crate) activation: ActivationId,
    /// The first set without it.
    pub(crate) removed_in: SetKey,
}

/// What a nonce was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    Grant(SetKey),
    Notice(NoticeCode),
}

impl Audit {
    pub(crate) fn new() -> Self {
        Self {
            sets: BTreeMap::new(),
            settled: BTreeSet::new(),
            answers: BTreeMap::new(),
            runs: BTreeMap::new(),
            tampered: BTreeSet::new(),
            freed: Vec::new(),
        }
    }

    /// A committed set.
    pub(crate) fn set(&self, device: &DeviceId, key: SetKey) -> Option<&Sold> {
        self.sets.get(&(device.clone(), key))
    }

    pub(crate) fn take_freed(&mut self) -> Vec<Freed> {
        std::mem::take(&mut self.freed)
    }

    /// Looks at a transaction that was just committed.
    pub(crate) fn committed(
        &mut self,
        world: &World,
        before: &Device,
        standings: &[Option<Activation>],
        outcome: &Outcome,
        cause: Cause<'_>,
        now: Timestamp,
    ) {
        let after = &outcome.device;
        assert!(after.generation >= before.generation, "generation fell");
        assert!(after.acked_key() >= before.acked_key(), "acknowledged fell");
        if let Some(issued) = &outcome.issued {
            self.note_set(world, before, after, &issued.set.key, &issued.payload);
        }
        for (was, change) in standings.iter().zip(&outcome.activations) {
            if let Some(was) = was {
                self.check_hold(&after.id, was, change.activation(), now);
            }
        }
        self.check_accusations(before, outcome);
        match cause {
            Cause::Request(digest, nonce) => {
                self.check_answer(before, outcome, nonce);
                self.check_repeat(before, outcome, digest);
            }
            Cause::Ack(digest, exceptions) => {
                self.check_repeat(before, outcome, digest);
                check_exceptions(outcome, exceptions);
            }
            Cause::Time => assert!(outcome.issued.is_none(), "time alone issues nothing"),
            Cause::Operator | Cause::Outbox => {}
        }
        count_outcome(outcome);
    }

    fn note_set(
        &mut self,
        world: &World,
        before: &Device,
        after: &Device,
        key: &SetKey,
        payload: &[u8],
    ) {
        assert!(
            key.generation > before.generation,
            "a generation was reused"
        );
        assert_eq!(
            key.generation, after.generation,
            "the generation counts sets"
        );
        let grant = Grant::decode(payload).expect("what is issued can be read");
        let mut rights = Vec::new();
        for entry in grant.entitlements.iter() {
            let activation = world.activation(entry.activation);
            let activation = activation.expect("what is granted is recorded");
            let grace = u64::from(entry.grace.unwrap_or(0));
            let end = entry.end.map(|end| end + grace);
            let waits = entry.end_effect.is_some();
            // Nobody knows when a device starts next.
            let last = end.filter(|_| !waits);
            let run = self.runs.entry(entry.activation).or_insert(Some(0));
            *run = run.zip(last).map(|(run, end)| run.max(end));
            rights.push(Right {
                activation: activation.id,
                entitlement: activation.entitlement,
                units: activation.units,
                feature: FEATURES.iter().position(|name| *name == entry.feature),
                start: entry.start.unwrap_or(0),
                end,
                is_counted: entry.count.is_some(),
                is_limited: entry.version_ceiling.is_some(),
                waits,
                build_ceiling: entry.build_ceiling,
            });
        }
        let sold = Sold {
            cti: grant.cti,
            issued_at: grant.issued_at,
            rights,
        };
        let earlier = self.sets.insert((after.id.clone(), *key), sold);
        assert!(earlier.is_none(), "a generation was written twice");
    }

    /// Units are free by cancelling what was never out, by time, or by proof.
    fn check_hold(&mut self, device: &DeviceId, was: &Activation, is: &Activation, now: Timestamp) {
        if !was.holds_units() {
            assert_eq!(was, is, "what holds no units is over");
            return;
        }
        assert!(
            is.units == was.units || self.is_out(was.id) || was.standing == Standing::Reserved,
            "units changed"
        );
        match is.standing {
            Standing::Cancelled => {
                assert!(!self.is_out(is.id), "{} is out and was cancelled", is.id);
            }
            Standing::Lapsed => {
                let bearer = match is.predecessor {
                    Some(predecessor) if !self.is_out(is.id) => predecessor,
                    _ => is.id,
                };
                let run = self.runs.get(&bearer).copied().flatten();
                assert!(
                    run.is_some_and(|end| end <= now.seconds()),
                    "{} lapsed before its end {run:?}",
                    is.id
                );
            }
            Standing::Removed(_) => {
                let removal = was.standing.removal();
                let removal = removal.expect("what is removed was on its way out");
                self.freed.push(Freed {
                    device: device.clone(),
                    activation: is.id,
                    removed_in: removal.removed_in,
                });
            }
            _ => assert!(is.holds_units(), "{} is {:?}", is.id, is.standing),
        }
    }

    fn is_out(&self, activation: ActivationId) -> bool {
        self.runs.contains_key(&activation)
    }

    /// Only a device whose memory was tampered with is ever accused.
    fn check_accusations(&self, before: &Device, outcome: &Outcome) {
        let accusing = outcome.events.iter().find(|event| {
            matches!(
                event.kind,
                EventKind::Resynced
                    | EventKind::CloneSuspected
                    | EventKind::RolledBack
                    | EventKind::HeldBeyondRecord
                    | EventKind::HeldNeverIssued
                    | EventKind::IdentityConflict
                    | EventKind::SeqJumped
                    | EventKind::AckForeign
                    | EventKind::DeviceRefused
            )
        });
        let Some(event) = accusing else {
            return;
        };
        let may_be = matches!(
            event.kind,
            EventKind::Resynced | EventKind::CloneSuspected | EventKind::RolledBack
        );
        assert!(
            may_be && self.tampered.contains(&before.id),
            "{} did nothing and is accused: {event:?}",
            before.id
        );
    }

    /// One answer to a nonce: a grant or a notice. `stale-seq` says only that it is too late.
    fn check_answer(&mut self, before: &Device, outcome: &Outcome, nonce: DeviceNonce) {
        let answer = match &outcome.answer {
            Answer::Grant => {
                let issued = outcome.issued.as_ref().expect("a grant was issued");
                assert_eq!(issued.set.nonce, Some(nonce), "the set answers its request");
                Answered::Grant(issued.set.key)
            }
            Answer::Notice(notice) if notice.code == NoticeCode::StaleSeq => {
                let is_first = !self.answers.contains_key(&nonce);
                if is_first {
                    self.answers.insert(nonce, Answered::Notice(notice.code));
                }
                return;
            }
            Answer::Notice(notice) => Answered::Notice(notice.code),
            Answer::Repeat(StoredAnswer::Grant(key)) => Answered::Grant(*key),
            // The same bytes as before.
            Answer::Repeat(StoredAnswer::Notice(_)) => return,
            Answer::None | Answer::Carried => panic!("a request was not answered"),
        };
        let Some(earlier) = self.answers.insert(nonce, answer) else {
            return;
        };
        let is_anew = match (earlier, answer) {
            // It could not be installed any more, and was issued anew.
            (Answered::Grant(earlier), Answered::Grant(later)) => {
                later > earlier && before.last.is_some()
            }
            _ => false,
        };
        assert!(
            earlier == answer || is_anew,
            "{}: answered {earlier:?}, then {answer:?}",
            before.id
        );
    }

    /// What was taken in before changes nothing.
    fn check_repeat(&mut self, before: &Device, outcome: &Outcome, digest: MessageDigest) {
        if self.settled.insert(digest) {
            return;
        }
        count("gateway", "repeat");
        if outcome.issued.is_some() {
            let stored = before.last.as_ref().map(|last| (last.digest, &last.answer));
            assert!(
                matches!(stored, Some((last, StoredAnswer::Grant(_))) if last == digest),
                "a repeat issued a set"
            );
            return;
        }
        assert!(
            outcome.activations.is_empty()
                && outcome.entitlements.is_empty()
                && outcome.codes.is_empty()
                && outcome.events.is_empty(),
            "a repeat changed something: {outcome:?}"
        );
        assert_eq!(steady(before), steady(&outcome.device), "a repeat changed");
    }
}

fn count_outcome(outcome: &Outcome) {
    for event in &outcome.events {
        count("event", event.kind.as_str());
        if let (EventKind::SetIssued, Some(Field::Text(why))) =
            (event.kind, event.body.field("why"))
            && why == "window-over"
        {
            count("gateway", "issued anew");
        }
    }
    if let Answer::Notice(notice) = &outcome.answer {
        count("notice", notice.code.as_str());
    }
    for decided in &outcome.decided {
        match &decided.verdict {
            WantVerdict::Denied { rule, .. } => count("rule", rule.as_str()),
            WantVerdict::Granted(_) => count("verdict", "granted"),
            WantVerdict::Returning(_) => count("verdict", "returning"),
            WantVerdict::Served => count("verdict", "served"),
        }
    }
}

/// What a device refuses is not activated.
fn check_exceptions(outcome: &Outcome, exceptions: &[Exception]) {
    let activated = outcome
        .events
        .iter()
        .filter(|event| event.kind == EventKind::Activated)
        .find(|event| {
            exceptions
                .iter()
                .any(|e| event.activation == Some(e.activation))
        });
    assert!(activated.is_none(), "refused, and activated: {activated:?}");
}

/// A device without what an answer may change.
fn steady(device: &Device) -> Device {
    Device {
        challenges: Challenges::default(),
        watch: Watch {
            refused: None,
            ..device.watch
        },
        ..device.clone()
    }
}

/// A generation as the wire has it.
pub(crate) fn set_key(held: fleetgrant_schemas::Held) -> SetKey {
    SetKey {
        epoch: fleetgrant_core::domain::Epoch(held.epoch),
        generation: Generation::new(held.generation).expect("the wire bounds it"),
    }
}
