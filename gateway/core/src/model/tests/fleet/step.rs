//! One thing happens.

use super::super::op::Op;
use super::devices::leave;
use super::messages::asked;
use super::{Fleet, PARTIES, policies};
use crate::ask::Reason;
use crate::lifecycle::EntitlementAct;
use crate::operator::{self, Stopgap};
use crate::testkit::DAY;

use super::Up;

impl Fleet {
    pub(in crate::model::tests) fn step(&mut self, op: &Op) {
        if self.happens(op) {
            *self.happened.entry(op.name()).or_default() += 1;
        }
    }

    /// Whether anything came of it.
    fn happens(&mut self, op: &Op) -> bool {
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
            Op::Redeem(device) => self.redeem(*device),
            Op::ToGateway(pick) => match pick.of(&self.up) {
                Some(message) => {
                    self.reach_gateway(&message);
                    self.check_idempotent(&message);
                }
                None => return false,
            },
            Op::AtOnce(one, other) => match (one.of(&self.up), other.of(&self.up)) {
                (Some(one), Some(other)) => self.at_once(&one, &other),
                _ => return false,
            },
            Op::ToDevice(pick) => match pick.of(&self.down) {
                Some((device, outcome)) => self.reach_device(device, &outcome),
                None => return false,
            },
            Op::Push(device) => match self.bench.push(&mut self.devices[*device]) {
                Some(ack) => self.up.push(Up::Ack(*device, ack)),
                None => return false,
            },
            Op::WaitDays(days) => self.bench.wait(days * DAY),
            Op::WaitSeconds(seconds) => self.bench.wait(*seconds),
            Op::Tick(device) => drop(self.bench.tick(&self.devices[*device])),
            Op::Wipe(device) => self.devices[*device].wipe(),
            Op::LoseSeq(device) => self.devices[*device].seq = 0,
            Op::Refuse(device, refuses) => {
                self.devices[*device].refuses = match refuses {
                    true => vec!["print".to_owned()],
                    false => Vec::new(),
                };
            }
            Op::AskOldBoard {
                which,
                reason,
                total,
            } => {
                if self.old_boards.is_empty() {
                    return false;
                }
                let (reason, wants) = asked(*reason, *total);
                let (device, board) = which.get_mut(&mut self.old_boards);
                let request = board.request(reason, &wants);
                self.up.push(Up::Request(*device, request));
            }
            Op::SetPolicy(which) => {
                self.tier = policies().swap_remove(*which);
                for party in PARTIES {
                    self.bench.world.set_tier(party, self.tier.clone());
                }
            }
            _ => return self.operators_do(op),
        }
        true
    }

    /// Whether they could.
    fn operators_do(&mut self, op: &Op) -> bool {
        match op {
            Op::Assign { device, which, now } => {
                let sold = self.named(which);
                self.assign(*device, sold, *now)
            }
            Op::Cancel(device, index) => self.cancel(*device, index),
            Op::Revoke(device, index) => self.revoke(*device, index),
            Op::Refresh(device) => self.refresh(*device),
            Op::Bury { device, approved } => self.bury(*device, *approved),
            Op::Readmit(device) => {
                self.operate(*device, |s, ctx, dice| operator::readmit(s, ctx, dice))
            }
            Op::Repair { device, early } => self.repair(*device, *early),
            Op::RevokeKey(device) => self.revoke_key(*device),
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
                self.give_temporary(*device, stopgap, *now)
            }
            Op::TakeOver(device, index) => self.take_over(*device, index),

            Op::Act(which, act) => self.act(self.named(which), *act),
            Op::RevokeIn(which, days) => {
                let at = self.bench.now.plus_seconds(days * DAY);
                self.act(self.named(which), EntitlementAct::Revoke { at })
            }
            Op::Resize(which, units) => self.resize(*which, *units),
            Op::HoldParty(party, is_held) => self.hold_party(PARTIES[*party], *is_held),
            Op::Split(split) => self.split(split),
            Op::SplitMeanwhile {
                split,
                device,
                is_first,
            } => self.split_meanwhile(split, *device, *is_first),
            Op::Transfer { which, to } => self.transfer(self.named(which), *to),
            Op::SellOn { device, to } => self.sell_on(*device, *to),
            Op::Merge { gone, heir } => self.merge(*gone, *heir),

            Op::Upgrade { device, which } => match self.held(*device, which) {
                Some(id) => self.upgrade(id),
                None => false,
            },
            Op::Follow(device) => self.follow(*device),
            Op::UpgradeDevice { device, which } => match self.held(*device, which) {
                Some(id) => self.upgrade_device(*device, id),
                None => false,
            },
            Op::UpgradeRest(which) => self.upgrade_rest(which),
            Op::Settle => self.settle(),
            _ => unreachable!("{op:?} is no act of an operator"),
        }
    }
}
