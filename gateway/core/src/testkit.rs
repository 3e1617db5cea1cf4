//! A gateway in memory and devices that keep their side of the protocol, for tests.
#![allow(clippy::unwrap_used)]

mod handset;

pub(crate) use handset::Handset;

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::acknowledge::on_ack;
use crate::activation::Activation;
use crate::ask::{Reason, Request, SignedAck, Want};
use crate::context::{Authority, Context, Entropy};
use crate::device::{Device, StoredAnswer};
use crate::domain::{
    ActivationState, DeviceId, DeviceState, EntitlementId, EntitlementState, Epoch, FeatureName,
    LicenseModel, PartyId, ProductId, Purpose, Realm, SetKey, TierName, Timestamp,
};
use crate::entitlement::{Binding, Entitlement, Feature, Quantity, Start, Term};
use crate::event::EventKind;
use crate::license::ModelRules;
use crate::model::World;
use crate::notice::NoticeCode;
use crate::outcome::{Answer, Outcome, WantVerdict};
use crate::policy::Policy;
use crate::request::on_request;
use crate::rule::Rule;
use crate::snapshot::Snapshot;
use crate::tick::on_tick;
use crate::tier::{self, TierRules};

pub(crate) const OWNER: PartyId = PartyId([1; 16]);
pub(crate) const DAY: u64 = 86_400;

/// A gateway in memory. Every transaction is checked against the invariants.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) now: Timestamp,
    pub(crate) policy: Policy,
    pub(crate) authority: Authority,
    drawn: u64,
    made: u8,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            world: World::default(),
            // 1 December 2026, noon UTC.
            now: Timestamp::from_seconds(1_796_126_400),
            policy: Policy::default(),
            authority: Authority {
                realm: Realm::new("realm").unwrap(),
                epoch: Epoch(1),
            },
            drawn: 0,
            made: 0,
        }
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now = self.now.plus_seconds(seconds);
    }

    /// Puts the owner under a policy of its own.
    pub(crate) fn allow(&mut self, change: impl FnOnce(&mut TierRules)) {
        let mut policy = tier::standard();
        policy.tag.tier = TierName::new("special").unwrap();
        change(&mut policy.rules);
        self.world.set_tier(OWNER, policy);
    }

    /// A perpetual entitlement of the owner, with one feature.
    pub(crate) fn sell(&mut self, feature: &str, units: u32) -> EntitlementId {
        self.sell_as(feature, units, |_| {})
    }

    pub(crate) fn sell_as(
        &mut self,
        feature: &str,
        units: u32,
        change: impl FnOnce(&mut Entitlement),
    ) -> EntitlementId {
        self.made += 1;
        let id = EntitlementId([self.made; 16]);
        let mut entitlement = Entitlement {
            id,
            owner: Some(OWNER),
            zone: TimeZone::UTC,
            order_line: None,
            product: ProductId([self.made; 16]),
            features: features(&[feature]),
            product_line: None,
            requires: Arc::from([]),
            rules: ModelRules::of(LicenseModel::Perpetual),
            state: EntitlementState::Active,
            purpose: Purpose::Production,
            quantity: Quantity::Units(units),
            live: 0,
            returned: 0,
            overdraft: 0,
            used: 0,
            units_per_device: 1,
            start: Start::At(self.now),
            term: Term::Perpetual,
            revoked_from: None,
            maintained_until: None,
            binding: Binding::None,
            created_at: self.now.plus_seconds(self.made.into()),
        };
        change(&mut entitlement);
        self.world.add_entitlement(entitlement);
        id
    }

    /// A device on the manifest, of the owner, that was never heard.
    pub(crate) fn expected(&mut self, name: &str) -> Handset {
        let id = DeviceId::new(name).unwrap();
        let mut device = Device::new(id.clone(), DeviceState::Expected);
        device.owner = Some(OWNER);
        self.world.add_device(device);
        Handset::new(id)
    }

    /// A device of the owner that was admitted, and has what is bound to it.
    pub(crate) fn admitted(&mut self, name: &str) -> Handset {
        let mut handset = self.expected(name);
        self.ask(&mut handset, Reason::Boot, &[]);
        self.ask(&mut handset, Reason::Boot, &[]);
        assert_eq!(self.device(&handset).state, DeviceState::Admitted);
        handset
    }

    /// An admitted device that has signed for so many units of a feature.
    pub(crate) fn activated(&mut self, name: &str, feature: &str, total: u32) -> Handset {
        let mut handset = self.admitted(name);
        let outcome = self.ask(&mut handset, Reason::Upgrade, &[want(feature, total)]);
        assert!(matches!(
            outcome.decided[0].verdict,
            WantVerdict::Granted(_)
        ));
        handset
    }

    /// A request, its answer, and the acknowledgement, none of them lost.
    pub(crate) fn ask(&mut self, handset: &mut Handset, reason: Reason, wants: &[Want]) -> Outcome {
        let request = handset.request(reason, wants);
        let outcome = self.receive(handset, &request);
        if let Some(ack) = self.deliver(handset, &outcome) {
            self.acknowledge(handset, &ack);
        }
        outcome
    }

    /// Gives an answer to the device; it may have an acknowledgement to send.
    pub(crate) fn deliver(&self, handset: &mut Handset, outcome: &Outcome) -> Option<SignedAck> {
        match &outcome.answer {
            Answer::None | Answer::Carried => None,
            Answer::Grant => handset.install(&outcome.issued.as_ref().unwrap().payload, self.now),
            Answer::Notice(notice) => {
                handset.heed(&notice.payload);
                None
            }
            Answer::Repeat(StoredAnswer::Notice(payload)) => {
                handset.heed(payload);
                None
            }
            Answer::Repeat(StoredAnswer::Grant(key)) => {
                let set = self.world.set(&handset.id, *key).unwrap();
                handset.install(&set.payload, self.now)
            }
        }
    }

    /// Gives the latest set to the device, as the outbox does.
    pub(crate) fn push(&mut self, handset: &mut Handset) -> Option<SignedAck> {
        let set = self.world.latest_set(&handset.id)?;
        handset.install(&set.payload.clone(), self.now)
    }

    /// Notes that the outbox published a set.
    pub(crate) fn published(&mut self, handset: &Handset, key: SetKey) {
        let pauses = &self.policy.push_pauses;
        self.world.published(&handset.id, key, pauses, self.now);
    }

    pub(crate) fn receive(&mut self, handset: &Handset, request: &Request) -> Outcome {
        let snapshot = self.world.snapshot(&handset.id, Some(&request.ask));
        self.commit(snapshot, |snapshot, ctx, entropy| {
            on_request(snapshot, request, ctx, entropy)
        })
    }

    pub(crate) fn acknowledge(&mut self, handset: &Handset, signed: &SignedAck) -> Outcome {
        let snapshot = self.world.snapshot(&handset.id, None);
        self.commit(snapshot, |snapshot, ctx, entropy| {
            on_ack(snapshot, signed, ctx, entropy)
        })
    }

    pub(crate) fn tick(&mut self, handset: &Handset) -> Outcome {
        let snapshot = self.world.snapshot(&handset.id, None);
        self.commit(snapshot, |snapshot, ctx, _| on_tick(snapshot, ctx))
    }

    /// An operator's act.
    pub(crate) fn operate<Error>(
        &mut self,
        handset: &Handset,
        act: impl FnOnce(Snapshot, Context<'_>, &mut Dice<'_>) -> Result<Outcome, Error>,
    ) -> Result<Outcome, Error> {
        let snapshot = self.world.snapshot(&handset.id, None);
        let outcome = self.decide(|ctx, entropy| act(snapshot, ctx, entropy))?;
        self.apply(&outcome);
        Ok(outcome)
    }

    /// An operator's act that names an entitlement, which may be of another owner.
    pub(crate) fn operate_naming<Error>(
        &mut self,
        handset: &Handset,
        named: EntitlementId,
        act: impl FnOnce(Snapshot, Context<'_>, &mut Dice<'_>) -> Result<Outcome, Error>,
    ) -> Result<Outcome, Error> {
        let snapshot = self.world.snapshot_naming(&handset.id, None, Some(named));
        let outcome = self.decide(|ctx, entropy| act(snapshot, ctx, entropy))?;
        self.apply(&outcome);
        Ok(outcome)
    }

    pub(crate) fn device(&self, handset: &Handset) -> &Device {
        self.world.device(&handset.id).unwrap()
    }

    pub(crate) fn activations(&self, handset: &Handset) -> Vec<Activation> {
        self.world.activations(&handset.id).cloned().collect()
    }

    /// The states of a device's activations, oldest first.
    pub(crate) fn states(&self, handset: &Handset) -> Vec<ActivationState> {
        self.world
            .activations(&handset.id)
            .map(|activation| activation.standing.state())
            .collect()
    }

    pub(crate) fn live(&self, entitlement: EntitlementId) -> u32 {
        self.world.entitlement(entitlement).unwrap().live
    }

    /// How often something is in the history.
    pub(crate) fn count(&self, kind: EventKind) -> usize {
        self.world
            .events()
            .filter(|(_, event)| event.kind == kind)
            .count()
    }

    fn commit(
        &mut self,
        snapshot: Snapshot,
        act: impl FnOnce(Snapshot, Context<'_>, &mut Dice<'_>) -> Outcome,
    ) -> Outcome {
        let outcome = self.decide(|ctx, entropy| act(snapshot, ctx, entropy));
        self.apply(&outcome);
        outcome
    }

    pub(crate) fn decide<R>(&mut self, act: impl FnOnce(Context<'_>, &mut Dice<'_>) -> R) -> R {
        let mut entropy = Dice(&mut self.drawn);
        let ctx = Context {
            authority: &self.authority,
            policy: &self.policy,
            now: self.now,
        };
        act(ctx, &mut entropy)
    }

    pub(crate) fn apply(&mut self, outcome: &Outcome) {
        self.world.apply(outcome, self.now).unwrap();
        assert_eq!(self.world.violations(), []);
    }
}

/// Counts, so that no two draws are alike.
pub(crate) struct Dice<'a>(&'a mut u64);

impl Entropy for Dice<'_> {
    fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            *self.0 += 1;
            chunk.copy_from_slice(&self.0.to_be_bytes()[8 - chunk.len()..]);
        }
    }
}

pub(crate) fn features(names: &[&str]) -> Arc<[Feature]> {
    names
        .iter()
        .map(|name| Feature {
            name: FeatureName::new(name).unwrap(),
            version_ceiling: None,
            essential: false,
            uses: None,
            vendor_data: Vec::new(),
        })
        .collect()
}

pub(crate) fn want(feature: &str, total: u32) -> Want {
    Want::Feature {
        feature: FeatureName::new(feature).unwrap(),
        total,
    }
}

/// The rule that denied each want, if one did.
pub(crate) fn denials(outcome: &Outcome) -> Vec<Option<Rule>> {
    outcome
        .decided
        .iter()
        .map(|decided| match decided.verdict {
            WantVerdict::Denied { rule, .. } => Some(rule),
            _ => None,
        })
        .collect()
}

/// The code of the notice that answers, if one does.
pub(crate) fn noticed(outcome: &Outcome) -> Option<NoticeCode> {
    match &outcome.answer {
        Answer::Notice(notice) => Some(notice.code),
        _ => None,
    }
}
