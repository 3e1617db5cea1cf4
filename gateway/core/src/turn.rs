//! One turn of the conversation with a device: what was read, and what becomes of it.

mod issue;

pub(crate) use issue::{NoRoom, Proposal, Why};

use std::collections::BTreeMap;

use fleetgrant_schemas::notice::Notice;

use crate::ask::{Channel, Request};
use crate::content::{self, Conditions};
use crate::context::{Context, Entropy};
use crate::decide::Facts;
use crate::device::Device;
use crate::domain::{
    ActivationId, Challenge, CodeId, Cti, DeviceNonce, EntitlementId, KeyLoss, KeyThumbprint,
    ProductId, Seq, SetKey,
};
use crate::entitlement::Code;
use crate::event::{Event, EventKind};
use crate::ledger::Ledger;
use crate::notice::{IssuedNotice, NoticeCode};
use crate::outcome::{Answer, CodeChange, Decided, Deliveries, Outcome};
use crate::party::OnHold;
use crate::quota::{Leave, NewUse, QuotaUse, Uses};
use crate::set::{CommittedSet, IssuedSet};
use crate::snapshot::{Declined, Moved, Snapshot};
use crate::tier::{Policies, PolicyTag};

/// One turn of the conversation with a device.
pub(crate) struct Turn<'a, E> {
    pub(crate) ctx: Context<'a>,
    pub(crate) policies: Policies,
    /// The entitlement that an act is about, if it is about one.
    pub(crate) about: Option<EntitlementId>,
    on_hold: OnHold,
    /// By whose leave it is decided.
    pub(crate) leave: Leave,
    entropy: &'a mut E,
    pub(crate) device: Device,
    pub(crate) ledger: Ledger,
    pub(crate) sets: Vec<CommittedSet>,
    pub(crate) known_codes: Vec<Code>,
    pub(crate) evaluated: Vec<ProductId>,
    pub(crate) declined: Vec<Declined>,
    pub(crate) moved: Vec<Moved>,
    pub(crate) used: Vec<QuotaUse>,
    pub(crate) uses: Vec<NewUse>,
    pub(crate) taken_up: BTreeMap<ActivationId, u32>,
    pub(crate) codes: BTreeMap<CodeId, CodeChange>,
    pub(crate) decided: Vec<Decided>,
    pub(crate) deliveries: Deliveries,
    issued: Option<IssuedSet>,
}

/// A set that could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unissuable {
    /// The device is pinned to no key.
    NotPinned,
    /// The device has lost its key.
    KeyLost(KeyLoss),
    /// Every generation is used up.
    GenerationsExhausted,
}

/// What a notice says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Said {
    /// The key that is spoken to; none: the device's.
    pub(crate) to_key: Option<KeyThumbprint>,
    pub(crate) expected_seq: Option<Seq>,
    pub(crate) retry_after: Option<u32>,
    pub(crate) text: Option<&'static str>,
    pub(crate) challenge: Option<Challenge>,
}

impl<'a, E: Entropy> Turn<'a, E> {
    pub(crate) fn new(snapshot: Snapshot, ctx: Context<'a>, entropy: &'a mut E) -> Self {
        let mut sets = snapshot.sets;
        sets.retain(|set| set.key.generation > snapshot.device.replaced);
        sets.sort_by_key(|set| set.key);
        Self {
            ctx,
            policies: snapshot.policies,
            about: None,
            on_hold: snapshot.on_hold,
            leave: Leave::Policy,
            entropy,
            device: snapshot.device,
            ledger: Ledger::new(snapshot.activations, snapshot.entitlements),
            sets,
            known_codes: snapshot.codes,
            evaluated: snapshot.evaluated,
            declined: snapshot.declined,
            moved: snapshot.moved,
            used: snapshot.uses,
            uses: Vec::new(),
            taken_up: BTreeMap::new(),
            codes: BTreeMap::new(),
            decided: Vec::new(),
            deliveries: Deliveries::Unchanged,
            issued: None,
        }
    }

    pub(crate) fn finish(self, answer: Answer) -> Outcome {
        let policy = self.tag(self.about).clone();
        let (activations, entitlements, events) = self.ledger.into_changes();
        Outcome {
            device: self.device,
            activations,
            entitlements,
            codes: self.codes,
            taken_up: self.taken_up,
            uses: self.uses,
            deliveries: self.deliveries,
            issued: self.issued,
            policy,
            events,
            decided: self.decided,
            answer,
        }
    }

    /// What a decision is recorded under: about the rights of an entitlement, or the device.
    pub(crate) fn tag(&self, about: Option<EntitlementId>) -> &PolicyTag {
        match about {
            Some(entitlement) => &self.policies.of(entitlement).tag,
            None => &self.policies.device().tag,
        }
    }

    pub(crate) fn record(&mut self, event: Event) {
        self.ledger.events.push(event);
    }

    /// The set the device should have; the one written in this turn, if one was.
    pub(crate) fn latest(&self) -> Option<&CommittedSet> {
        self.sets.last()
    }

    /// What a decision looks at; `key` signed the request.
    pub(crate) fn facts(&self, key: KeyThumbprint) -> Facts<'_> {
        Facts {
            device: &self.device,
            ledger: &self.ledger,
            codes: &self.known_codes,
            evaluated: &self.evaluated,
            declined: &self.declined,
            moved: &self.moved,
            used: &self.used,
            leave: self.leave,
            policy: self.ctx.policy,
            rules: &self.policies,
            on_hold: &self.on_hold,
            realm: &self.ctx.authority.realm,
            key,
            now: self.ctx.now,
        }
    }

    /// What quotas are held against.
    pub(crate) fn uses(&self) -> Uses<'_> {
        Uses {
            device: &self.device,
            stored: &self.used,
            leave: self.leave,
            now: self.ctx.now,
        }
    }

    /// Records a use of a quota.
    pub(crate) fn use_quota(&mut self, used: NewUse, activation: ActivationId) {
        self.record(
            Event::new(EventKind::QuotaUsed)
                .about(activation, used.entitlement)
                .with("quota", used.kind.as_str())
                .with("units", used.units)
                .with("leave", used.leave().as_str())
                .with("policy", &self.policies.of(used.entitlement).tag),
        );
        self.uses.push(used);
    }

    /// What sets are written under.
    pub(crate) fn conditions(&self) -> Conditions<'_> {
        Conditions {
            policy: self.ctx.policy,
            rules: &self.policies,
            frozen: self.device.watch.frozen,
            owner: self.device.owner,
            on_hold: &self.on_hold,
            now: self.ctx.now,
        }
    }

    /// A set made in this turn would have this key.
    pub(crate) fn next_key(&self) -> Result<SetKey, Unissuable> {
        let generation = self.device.generation.next();
        Ok(SetKey {
            epoch: self.ctx.authority.epoch,
            generation: generation.ok_or(Unissuable::GenerationsExhausted)?,
        })
    }

    /// UUIDv7 (RFC 9562 section 5.7), so that ids are in the order of their making.
    pub(crate) fn activation_id(&mut self) -> ActivationId {
        let mut id = self.random();
        let millis = (self.ctx.now.micros().max(0) / 1_000).to_be_bytes();
        id[..6].copy_from_slice(&millis[2..]);
        id[6] = id[6] & 0x0f | 0x70;
        id[8] = id[8] & 0x3f | 0x80;
        ActivationId(id)
    }

    pub(crate) fn random(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// The challenge that a message sent now carries, for the device to echo in its next request.
    pub(crate) fn challenge(&mut self, channel: Channel) -> Challenge {
        let fresh = Challenge(self.random());
        let (now, lifetime) = (self.ctx.now, self.challenge_lifetime(channel));
        let acked = self.device.acked_key();
        self.device.challenges.offer(fresh, now, lifetime, acked)
    }

    /// The challenge in a `stale-seq` notice.
    pub(crate) fn resync_challenge(&mut self) -> Challenge {
        let fresh = Challenge(self.random());
        let (now, lifetime) = (self.ctx.now, self.challenge_lifetime(Channel::Online));
        let acked = self.device.acked_key();
        self.device
            .challenges
            .offer_resync(fresh, now, lifetime, acked)
    }

    /// A notice that answers a request which counts. It bears a challenge, since the request used
    /// up the device's.
    pub(crate) fn notice_counted(
        &mut self,
        code: NoticeCode,
        request: &Request,
        said: Said,
    ) -> Answer {
        let said = Said {
            challenge: Some(self.challenge(request.sender.channel)),
            ..said
        };
        self.notice(code, Some(request.ask.nonce), said)
    }

    pub(crate) fn notice(
        &mut self,
        code: NoticeCode,
        nonce: Option<DeviceNonce>,
        said: Said,
    ) -> Answer {
        let cti = Cti(self.random());
        let notice = Notice {
            realm: self.ctx.authority.realm.as_str(),
            device: self.device.id.as_wire(),
            issued_at: self.ctx.now.seconds(),
            cti,
            confirmation: said.to_key.or(self.device.key()),
            nonce,
            code,
            seq_expected: said.expected_seq.map(Seq::get),
            retry_after: said.retry_after,
            text: said.text,
            challenge: said.challenge,
        };
        Answer::Notice(IssuedNotice {
            code,
            payload: content::encode(&notice),
        })
    }

    const fn challenge_lifetime(&self, channel: Channel) -> u64 {
        match channel {
            Channel::Online => self.ctx.policy.challenge_lifetime,
            Channel::File => self.ctx.policy.challenge_lifetime_offline,
        }
    }
}
