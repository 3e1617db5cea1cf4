//! A small fleet, a broker that keeps everything it ever saw, and the gateway in memory.

mod calm;
mod devices;
mod messages;
mod policies;
mod sales;
mod step;
mod upgrades;

pub(super) use policies::policies;

use std::collections::BTreeMap;

use proptest::sample::Index;

use fleetgrant_schemas::code::ActivationCode;

use crate::ask::{Request, SignedAck, Verdict};
use crate::domain::{
    ActivationId, ActivationKind, CodeId, DeviceId, EntitlementId, EntitlementState, Holds,
    KeyThumbprint, PartyId, SetKey,
};
use crate::entitlement::{Code, Start, Term};
use crate::license::AtEnd;
use crate::lifecycle::Posture;
use crate::model::Successor;
use crate::outcome::{Answer, Outcome};
use crate::testkit::{Bench, DAY, Handset, OWNER, features};
use crate::tier::TierPolicy;

pub(super) const DEVICES: usize = 3;
/// Entitlements that were ordered; others come of them.
pub(super) const ORDERED: usize = 4;
pub(super) const PARTIES: [PartyId; 4] =
    [OWNER, PartyId([2; 16]), PartyId([3; 16]), PartyId([4; 16])];
/// Units beyond the quantity that policy allows, of each order.
pub(super) const OVERDRAFT: [u32; ORDERED] = [1, 0, 0, 0];
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

/// What an entitlement is beside its units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// Which of those that were ordered it came of.
    pub(super) of: usize,
    pub(super) posture: Posture,
}

#[derive(Clone, Debug)]
pub(super) struct Fleet {
    pub(super) bench: Bench,
    pub(super) devices: Vec<Handset>,
    /// Boards that were replaced, and still work.
    pub(super) old_boards: Vec<(usize, Handset)>,
    /// Keys that were given up, and what a gateway finds of them.
    spent: BTreeMap<KeyThumbprint, Verdict>,
    /// Every entitlement, those that were ordered first.
    pub(super) sold: Vec<EntitlementId>,
    pub(super) lines: BTreeMap<EntitlementId, Line>,
    /// Units of each order, as it was amended last.
    pub(super) ordered: [u32; ORDERED],
    /// What takes the place of what devices have, one by one.
    successors: BTreeMap<EntitlementId, Successor>,
    made: u64,
    code: ActivationCode,
    up: Vec<Up>,
    down: Vec<(usize, Outcome)>,
    pub(super) gives: BTreeMap<(DeviceId, SetKey), Gives>,
    /// Uses of quotas that were looked at.
    pub(super) seen_uses: usize,
    /// Events that were looked at.
    pub(super) seen_events: usize,
    pub(super) tier: TierPolicy,
    /// How often what came of which operation.
    pub(super) happened: BTreeMap<&'static str, u32>,
}

impl Fleet {
    pub(super) fn new() -> Self {
        let mut bench = Bench::new();
        let now = bench.now;
        let sold = vec![
            bench.sell_as("scan", 2, |e| {
                e.features = features(&FEATURES);
                e.overdraft = OVERDRAFT[0];
            }),
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
        for party in PARTIES {
            bench.world.set_tier(party, tier.clone());
        }
        let posture = Posture {
            state: EntitlementState::Active,
            holds: Holds::default(),
            revoked_from: None,
        };
        let lines = sold.iter().enumerate();
        Self {
            seen_uses: 0,
            seen_events: 0,
            tier,
            lines: lines.map(|(of, id)| (*id, Line { of, posture })).collect(),
            ordered: [2, 1, 1, 1],
            successors: BTreeMap::new(),
            made: 0,
            bench,
            devices,
            old_boards: Vec::new(),
            spent: BTreeMap::new(),
            sold,
            code,
            up: Vec::new(),
            down: Vec::new(),
            gives: BTreeMap::new(),
            happened: BTreeMap::new(),
        }
    }

    /// Any of the entitlements there are.
    fn named(&self, which: &Index) -> EntitlementId {
        *which.get(&self.sold)
    }

    /// Any of those that a device is meant to have something of.
    fn held(&self, device: usize, which: &Index) -> Option<EntitlementId> {
        let held = self.bench.activations(&self.devices[device]);
        let held = held.iter().filter(|right| right.is_wanted());
        let held: Vec<_> = held.map(|right| right.entitlement).collect();
        (!held.is_empty()).then(|| *which.get(&held))
    }

    /// One entitlement came of another.
    fn register(&mut self, whole: EntitlementId, part: EntitlementId) {
        if !self.lines.contains_key(&part) {
            self.sold.push(part);
            self.lines.insert(part, self.lines[&whole]);
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
}
