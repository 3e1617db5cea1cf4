//! A small fleet, a broker that keeps everything it ever saw, and the gateway in memory.

use std::collections::BTreeMap;

use proptest::sample::Index;

use fleetgrant_schemas::code::ActivationCode;

use super::op::Op;
use crate::acknowledge::on_ack;
use crate::ask::{Reason, Request, Sender, SignedAck, Verdict, Want};
use crate::device::Pin;
use crate::domain::{
    ActivationId, ActivationKind, CodeId, CredentialState, DeviceId, DeviceState, EntitlementId,
    EntitlementState, HoldReason, Holds, KeyLoss, KeyThumbprint, SetKey,
};
use crate::entitlement::{Code, Start, Term};
use crate::event::EventKind;
use crate::license::AtEnd;
use crate::lifecycle::{self, EntitlementAct, Posture};
use crate::operator::{self, Publish, Stopgap};
use crate::outcome::{Answer, Outcome};
use crate::quota::Leave;
use crate::request::on_request;
use crate::testkit::{Bench, DAY, Handset, OWNER, features, want};
use crate::tier::{Permit, Quota, TierPolicy, shipped};

pub(super) const DEVICES: usize = 3;
pub(super) const SOLD: usize = 4;
const FEATURES: [&str; 2] = ["scan", "print"];

#[derive(Clone, Debug)]
pub(super) enum Up {
    Request(usize, Request),
    Ack(usize, SignedAck),
}

impl Up {
    const fn device(&self) -> usize {
        match self {
            Self::Request(device, _) | Self::Ack(device, _) => *device,
        }
    }

    const fn key(&self) -> KeyThumbprint {
        match self {
            Self::Request(_, request) => request.sender.key,
            Self::Ack(_, ack) => ack.sender.key,
        }
    }
}

/// What a set gives of an activation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub(super) activation: ActivationId,
    pub(super) entitlement: EntitlementId,
    pub(super) units: u32,
    pub(super) kind: ActivationKind,
    /// The second from which it runs no more.
    pub(super) end: Option<u64>,
}

/// What a set gives, and to which board.
#[derive(Clone, Debug)]
pub(super) struct Gives {
    pub(super) to: KeyThumbprint,
    pub(super) all: Vec<Given>,
}

#[derive(Clone, Debug)]
pub(super) struct Fleet {
    pub(super) bench: Bench,
    pub(super) devices: Vec<Handset>,
    /// Boards that were replaced, and still work.
    pub(super) old_boards: Vec<(usize, Handset)>,
    /// Keys that were given up, and what a gateway finds of them.
    spent: BTreeMap<KeyThumbprint, Verdict>,
    pub(super) sold: Vec<EntitlementId>,
    pub(super) postures: Vec<Posture>,
    /// Units of each that the last order says.
    pub(super) units_sold: Vec<u32>,
    code: ActivationCode,
    up: Vec<Up>,
    down: Vec<(usize, Outcome)>,
    pub(super) gives: BTreeMap<(DeviceId, SetKey), Gives>,
    /// Uses of quotas that were looked at.
    pub(super) seen_uses: usize,
    pub(super) tier: TierPolicy,
    /// What was new when the party was put on hold; none, if it is not.
    pub(super) new_when_held: Option<usize>,
}

impl Fleet {
    pub(super) fn new() -> Self {
        let mut bench = Bench::new();
        let now = bench.now;
        let sold = vec![
            bench.sell_as("scan", 2, |e| e.features = features(&FEATURES)),
            bench.sell_as("print", 1, |e| {
                e.start = Start::FirstActivation { latest: None };
                e.term = Term::For {
                    months: 0,
                    days: 20,
                };
                e.rules.grace = DAY as u32;
            }),
            bench.sell_as("scan", 1, |e| {
                e.owner = None;
                e.term = Term::Until(now.plus_seconds(40 * DAY));
                e.rules.at_end = AtEnd::NextBoot;
            }),
            // Time frees nothing of it, and a unit that was returned stays with its device.
            bench.sell_as("print", 1, |e| {
                e.term = Term::Until(now.plus_seconds(30 * DAY));
                e.rules.at_end = AtEnd::Warn;
                e.rules.rehost = false;
            }),
        ];
        let code = ActivationCode {
            id: CodeId([3; 5]),
            secret: *b"0123456789",
        };
        bench.world.add_code(Code {
            id: code.id,
            key: code.key(),
            entitlement: sold[2],
            units: 1,
            uses_left: 2,
            expires_at: None,
            void: false,
            failures: 0,
            partner: None,
        });
        let devices: Vec<_> = (0..DEVICES)
            .map(|n| bench.expected(&format!("device-{n}")))
            .collect();
        bench.world.bind(&devices[0].id, sold[0]);
        let tier = policies().swap_remove(0);
        bench.world.set_tier(OWNER, tier.clone());
        Self {
            seen_uses: 0,
            new_when_held: None,
            tier,
            postures: vec![
                Posture {
                    state: EntitlementState::Active,
                    holds: Holds::default(),
                    revoked_from: None,
                };
                SOLD
            ],
            units_sold: vec![2, 1, 1, 1],
            bench,
            devices,
            old_boards: Vec::new(),
            spent: BTreeMap::new(),
            sold,
            code,
            up: Vec::new(),
            down: Vec::new(),
            gives: BTreeMap::new(),
        }
    }

    pub(super) fn step(&mut self, op: &Op) {
        match op {
            Op::Ask {
                device,
                reason,
                total,
            } => {
                let (reason, wants) = asked(*reason, *total);
                self.ask(*device, reason, &wants);
            }
            Op::Visit {
                device,
                reason,
                total,
            } => {
                let (reason, wants) = asked(*reason, *total);
                self.visit(*device, reason, &wants);
            }
            Op::AskBound(device) => self.ask(*device, Reason::Boot, &[]),
            Op::Redeem(device) => {
                let handset = &mut self.devices[*device];
                let mut request = handset.request(Reason::Upgrade, &[]);
                let claim = self
                    .code
                    .claim("realm", &request.sender.key, &request.ask.nonce);
                request.ask.wants = vec![Want::Code {
                    id: claim.id,
                    proof: claim.proof,
                }];
                self.up.push(Up::Request(*device, request));
            }
            Op::ToGateway(pick) => {
                if let Some(message) = pick.of(&self.up) {
                    self.reach_gateway(&message);
                    self.check_idempotent(&message);
                }
            }
            Op::AtOnce(one, other) => {
                if let (Some(one), Some(other)) = (one.of(&self.up), other.of(&self.up)) {
                    self.at_once(&one, &other);
                }
            }
            Op::ToDevice(pick) => {
                if let Some((device, outcome)) = pick.of(&self.down) {
                    self.reach_device(device, &outcome);
                }
            }
            Op::Push(device) => {
                let handset = &mut self.devices[*device];
                if let Some(ack) = self.bench.push(handset) {
                    self.up.push(Up::Ack(*device, ack));
                }
            }
            Op::WaitDays(days) => self.bench.wait(days * DAY),
            Op::WaitSeconds(seconds) => self.bench.wait(*seconds),
            Op::Tick(device) => {
                self.bench.tick(&self.devices[*device]);
            }
            Op::Wipe(device) => self.devices[*device].wipe(),
            Op::LoseSeq(device) => self.devices[*device].seq = 0,
            Op::Assign { device, which, now } => {
                let publish = publish(*now);
                let sold = self.sold[*which];
                self.operate(*device, |s, ctx, dice| {
                    operator::assign(s, sold, 1, publish, ctx, dice)
                });
            }
            Op::Cancel(device, index) => {
                if let Some(id) = self.pick(*device, index) {
                    self.operate(*device, |s, ctx, _| operator::cancel(s, id, ctx));
                }
            }
            Op::Revoke(device, index) => {
                if let Some(id) = self.pick(*device, index) {
                    self.operate(*device, |s, ctx, dice| operator::revoke(s, id, ctx, dice));
                }
            }
            Op::Act(which, act) => self.act(*which, *act),
            Op::RevokeIn(which, days) => {
                let at = self.bench.now.plus_seconds(days * DAY);
                self.act(*which, EntitlementAct::Revoke { at });
            }
            Op::Resize(which, sold) => {
                self.units_sold[*which] = *sold;
                self.bench.world.resize(self.sold[*which], *sold);
            }
            Op::HoldParty(is_held) => self.hold_party(*is_held),
            Op::Refresh(device) => self.refresh(*device),
            Op::Bury { device, approved } => {
                let leave = leave(*approved);
                self.operate(*device, |s, ctx, dice| {
                    operator::declare_dead(s, leave, ctx, dice)
                });
            }
            Op::Readmit(device) => {
                self.operate(*device, |s, ctx, dice| operator::readmit(s, ctx, dice));
            }
            Op::Repair { device, early } => self.repair(*device, *early),
            Op::RevokeKey(device) => self.revoke_key(*device),
            Op::AskOldBoard {
                which,
                reason,
                total,
            } => {
                if !self.old_boards.is_empty() {
                    let (reason, wants) = asked(*reason, *total);
                    let (device, board) = which.get_mut(&mut self.old_boards);
                    let request = board.request(reason, &wants);
                    self.up.push(Up::Request(*device, request));
                }
            }
            Op::GiveTemporary {
                device,
                which,
                now,
                approved,
            } => {
                let stopgap = Stopgap {
                    entitlement: self.sold[*which],
                    units: 1,
                    leave: leave(*approved),
                };
                let publish = publish(*now);
                self.operate(*device, |s, ctx, dice| {
                    operator::give_temporary(s, stopgap, publish, ctx, dice)
                });
            }
            Op::TakeOver {
                device,
                from,
                index,
            } => {
                if let Some(id) = self.pick(*from, index) {
                    self.operate(*device, |s, ctx, dice| {
                        operator::take_over(s, id, Publish::Now, ctx, dice)
                    });
                }
            }
            Op::SetPolicy(which) => {
                self.tier = policies().swap_remove(*which);
                self.bench.world.set_tier(OWNER, self.tier.clone());
            }
            Op::Refuse(device, refuses) => {
                self.devices[*device].refuses = match refuses {
                    true => vec!["print".to_owned()],
                    false => Vec::new(),
                };
            }
        }
    }

    fn ask(&mut self, device: usize, reason: Reason, wants: &[Want]) {
        let request = self.devices[device].request(reason, wants);
        self.up.push(Up::Request(device, request));
    }

    fn visit(&mut self, device: usize, reason: Reason, wants: &[Want]) {
        self.ask(device, reason, wants);
        let Some(request) = self.up.last().cloned() else {
            return;
        };
        let outcome = self.reach_gateway(&request);
        let sent = self.up.len();
        self.reach_device(device, &outcome);
        if let Some(ack) = self.up.get(sent).cloned() {
            self.reach_gateway(&ack);
        }
    }

    fn repair(&mut self, device: usize, early: bool) {
        let old = self.devices[device].clone();
        let made = u8::try_from(self.old_boards.len() % 200).unwrap_or_default() + 1;
        let mut new = old.new_board(made);
        if early && self.bench.device(&old).key().is_some() {
            let request = new.request(Reason::Boot, &[]);
            self.reach_gateway(&Up::Request(device, request));
        }
        let is_recorded = self.operate(device, |s, ctx, _| operator::repair(s, None, None, ctx));
        if is_recorded {
            self.spent.entry(old.key).or_insert(Verdict::Superseded);
            self.old_boards.push((device, old));
            self.devices[device] = new;
        }
    }

    fn revoke_key(&mut self, device: usize) {
        let key = self.devices[device].key;
        if self.bench.device(&self.devices[device]).key() == Some(key) {
            let state = CredentialState::Current;
            self.operate(device, |s, ctx, _| operator::revoke_key(s, key, state, ctx));
            self.spent.insert(key, Verdict::Revoked);
        }
    }

    fn act(&mut self, which: usize, act: EntitlementAct) {
        let (posture, now) = (self.postures[which], self.bench.now);
        let sold = self.bench.world.entitlement_mut(self.sold[which]).unwrap();
        if let Ok(Some(after)) = lifecycle::after(posture, act, sold.live, now) {
            sold.state = after.state;
            sold.revoked_from = after.revoked_from;
            self.postures[which] = after;
        }
    }

    fn hold_party(&mut self, is_held: bool) {
        self.bench.world.hold(OWNER, is_held);
        self.new_when_held = is_held.then(|| self.new_so_far());
    }

    /// How often something was reserved, or put in a set for the first time.
    pub(super) fn new_so_far(&self) -> usize {
        self.bench.count(EventKind::Reserved) + self.bench.count(EventKind::Published)
    }

    fn refresh(&mut self, device: usize) {
        self.operate(device, |s, ctx, dice| {
            match operator::refresh(s, ctx, dice, false)? {
                Some(outcome) => Ok(outcome),
                // There is nothing to apply.
                None => Err(operator::OperatorError::NothingToApprove),
            }
        });
    }

    fn pick(&self, device: usize, index: &Index) -> Option<crate::domain::ActivationId> {
        let activations = self.bench.activations(&self.devices[device]);
        (!activations.is_empty()).then(|| index.get(&activations).id)
    }

    fn operate(
        &mut self,
        device: usize,
        act: impl FnOnce(
            crate::snapshot::Snapshot,
            crate::context::Context<'_>,
            &mut crate::testkit::Dice<'_>,
        ) -> Result<Outcome, operator::OperatorError>,
    ) -> bool {
        match self.bench.operate(&self.devices[device], act) {
            Ok(outcome) => self.sent(device, outcome),
            Err(_) => return false,
        }
        true
    }

    /// What a gateway makes of a message, on what it knows now.
    fn decide(&mut self, message: &Up) -> Outcome {
        let id = &self.devices[message.device()].id;
        let spent = |sender: &mut Sender| {
            if let Some(verdict) = self.spent.get(&sender.key) {
                sender.verdict = *verdict;
            }
        };
        match message {
            Up::Request(_, request) => {
                let mut request = request.clone();
                spent(&mut request.sender);
                let snapshot = self.bench.world.snapshot(id, Some(&request.ask));
                self.bench
                    .decide(|ctx, dice| on_request(snapshot, &request, ctx, dice))
            }
            Up::Ack(_, ack) => {
                let mut ack = ack.clone();
                spent(&mut ack.sender);
                let snapshot = self.bench.world.snapshot(id, None);
                self.bench
                    .decide(|ctx, dice| on_ack(snapshot, &ack, ctx, dice))
            }
        }
    }

    pub(super) fn reach_gateway(&mut self, message: &Up) -> Outcome {
        let outcome = self.decide(message);
        if self.spent.contains_key(&message.key()) {
            assert_eq!(outcome.activations, [], "a key that was given up");
        }
        self.bench.apply(&outcome);
        self.sent(message.device(), outcome.clone());
        outcome
    }

    /// Two replicas decide on the same state; who writes second may have to decide again. One
    /// device's row is locked, so its messages are never decided at once.
    fn at_once(&mut self, one: &Up, other: &Up) {
        if one.device() == other.device() {
            self.reach_gateway(one);
            self.reach_gateway(other);
            return;
        }
        let (first, second) = (self.decide(one), self.decide(other));
        self.bench.apply(&first);
        self.sent(one.device(), first);
        match self.bench.world.apply(&second, self.bench.now) {
            Ok(()) => self.sent(other.device(), second),
            Err(_) => {
                self.reach_gateway(other);
            }
        }
    }

    fn sent(&mut self, device: usize, outcome: Outcome) {
        if let Some(issued) = &outcome.issued {
            let world = &self.bench.world;
            let gives = issued.set.activations.iter().map(|id| {
                let activation = world.activation(*id).unwrap();
                let run = activation.run.unwrap();
                let sold = world.entitlement(activation.entitlement).unwrap();
                let now = self.bench.now;
                assert!(!sold.is_revoked(now), "{id} is of what is revoked");
                // What outlives its end may run until the device says that it is gone.
                let end = run.run_out.and(run.end);
                let end = end.map(|end| end.seconds() + u64::from(run.grace));
                Given {
                    activation: *id,
                    entitlement: activation.entitlement,
                    units: activation.units,
                    kind: activation.kind,
                    end,
                }
            });
            let key = (self.devices[device].id.clone(), issued.set.key);
            let gives = Gives {
                to: outcome.device.key().unwrap(),
                all: gives.collect(),
            };
            self.gives.insert(key, gives);
        }
        if outcome.answer != Answer::None {
            self.down.push((device, outcome));
        }
    }

    fn reach_device(&mut self, device: usize, outcome: &Outcome) {
        // All boards of a serial number have the same topics.
        let old = self.old_boards.iter_mut();
        let old = old.filter(|(of, _)| *of == device).map(|(_, board)| board);
        for board in std::iter::once(&mut self.devices[device]).chain(old) {
            if let Some(ack) = self.bench.deliver(board, outcome) {
                self.up.push(Up::Ack(device, ack));
            }
        }
    }

    /// The broker behaves again, operators have cleared what they must, and devices ask until
    /// they have what they should.
    pub(super) fn calm(&mut self) {
        self.hold_party(false);
        for which in 0..SOLD {
            self.act(which, EntitlementAct::Resume);
            for reason in HoldReason::ALL {
                self.act(which, EntitlementAct::Release(*reason));
            }
        }
        for device in 0..DEVICES {
            self.devices[device].refuses.clear();
            self.operate(device, |s, ctx, dice| operator::readmit(s, ctx, dice));
            self.operate(device, |s, ctx, _| Ok(operator::clear(s, ctx)));
            if self.bench.device(&self.devices[device]).pin == Pin::Lost(KeyLoss::Revoked) {
                self.repair(device, false);
            }
            let is_pinned = self.bench.device(&self.devices[device]).key().is_some();
            let key = self.devices[device].key;
            if is_pinned && self.bench.device(&self.devices[device]).state == DeviceState::Admitted
            {
                self.devices[device].verdict = Verdict::Pinned;
                assert_eq!(self.bench.device(&self.devices[device]).key(), Some(key));
            }
            // A number to find, a challenge to get, a set to take, and what that set left out.
            for _ in 0..6 {
                self.visit(device, Reason::Boot, &[want("scan", 1)]);
                self.check();
            }
        }
    }
}

const fn publish(now: bool) -> Publish {
    if now {
        Publish::Now
    } else {
        Publish::AtContact
    }
}

const fn leave(approved: bool) -> Leave {
    if approved {
        Leave::Approval
    } else {
        Leave::Policy
    }
}

/// A generous policy, and one under which little is given unasked.
pub(super) fn policies() -> Vec<TierPolicy> {
    let [strategic, standard, mut volume] = shipped();
    let mut tight = standard.clone();
    tight.rules.rehost = volume.rules.rehost.map(|permit| match permit {
        Permit::SelfService(quota) => Permit::SelfService(Quota {
            units: 1,
            per_units: None,
            ..quota
        }),
        Permit::Approval => Permit::Approval,
    });
    volume.rules.temporary = None;
    vec![strategic, standard, tight, volume]
}

fn asked(reason: u8, total: u8) -> (Reason, [Want; 1]) {
    let reason = [
        Reason::Boot,
        Reason::Upgrade,
        Reason::Return,
        Reason::Renew,
        Reason::Rehost,
        Reason::Temporary,
    ][usize::from(reason)];
    let feature = FEATURES[usize::from(total) % 2];
    (reason, [want(feature, u32::from(total))])
}
