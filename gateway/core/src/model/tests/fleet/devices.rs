//! What operators do to devices.

use proptest::sample::Index;

use super::{Fleet, Up};
use crate::activation::{Activation, Standing};
use crate::ask::{Reason, Verdict};
use crate::context::Context;
use crate::domain::{
    ActivationId, CredentialState, EntitlementId, EntitlementState, RemovalReason,
};
use crate::operator::{self, OperatorError, Publish, Stopgap};
use crate::outcome::Outcome;
use crate::quota::Leave;
use crate::snapshot::Snapshot;
use crate::testkit::Dice;

impl Fleet {
    pub(super) fn assign(&mut self, device: usize, sold: EntitlementId, now: bool) -> bool {
        self.operate_naming(device, sold, |s, ctx, dice| {
            operator::assign(s, sold, 1, publish(now), ctx, dice)
        })
    }

    pub(super) fn cancel(&mut self, device: usize, index: &Index) -> bool {
        self.pick(device, index)
            .is_some_and(|id| self.operate(device, |s, ctx, _| operator::cancel(s, id, ctx)))
    }

    pub(super) fn revoke(&mut self, device: usize, index: &Index) -> bool {
        self.pick(device, index).is_some_and(|id| {
            self.operate(device, |s, ctx, dice| operator::revoke(s, id, ctx, dice))
        })
    }

    pub(super) fn bury(&mut self, device: usize, approved: bool) -> bool {
        self.operate(device, |s, ctx, dice| {
            operator::declare_dead(s, leave(approved), ctx, dice)
        })
    }

    pub(super) fn give_temporary(&mut self, device: usize, stopgap: Stopgap, now: bool) -> bool {
        self.operate(device, |s, ctx, dice| {
            operator::give_temporary(s, stopgap, publish(now), ctx, dice)
        })
    }

    /// A device takes over what others of its owner gave up.
    pub(super) fn take_over(&mut self, device: usize, index: &Index) -> bool {
        let owner = self.bench.device(&self.devices[device]).owner;
        let given_up = |activation: &Activation| {
            let sold = self
                .bench
                .world
                .entitlement(activation.entitlement)
                .unwrap();
            let is_given_up = match activation.standing {
                Standing::WrittenOff(_) => true,
                Standing::Removed(reason) => reason == RemovalReason::Return,
                _ => false,
            };
            is_given_up && sold.owner == owner && sold.state == EntitlementState::Active
        };
        let all = self.devices.iter().flat_map(|d| self.bench.activations(d));
        let all: Vec<_> = all.filter(given_up).collect();
        if all.is_empty() {
            return false;
        }
        let (id, sold) = (index.get(&all).id, index.get(&all).entitlement);
        self.operate_naming(device, sold, |s, ctx, dice| {
            operator::take_over(s, id, Publish::Now, ctx, dice)
        })
    }

    pub(super) fn repair(&mut self, device: usize, early: bool) -> bool {
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
        is_recorded
    }

    pub(super) fn revoke_key(&mut self, device: usize) -> bool {
        let key = self.devices[device].key;
        let speaks = self.bench.device(&self.devices[device]).key() == Some(key);
        if speaks {
            let state = CredentialState::Current;
            self.operate(device, |s, ctx, _| operator::revoke_key(s, key, state, ctx));
            self.spent.insert(key, Verdict::Revoked);
        }
        speaks
    }

    /// As the gateway does for a device of which something has changed.
    pub(super) fn refresh(&mut self, device: usize) -> bool {
        self.follow(device);
        self.operate(device, |s, ctx, dice| {
            match operator::refresh(s, ctx, dice, false)? {
                Some(outcome) => Ok(outcome),
                // There is nothing to apply.
                None => Err(OperatorError::NothingToApprove),
            }
        })
    }

    fn pick(&self, device: usize, index: &Index) -> Option<ActivationId> {
        let activations = self.bench.activations(&self.devices[device]);
        (!activations.is_empty()).then(|| index.get(&activations).id)
    }

    pub(super) fn operate(
        &mut self,
        device: usize,
        act: impl FnOnce(Snapshot, Context<'_>, &mut Dice<'_>) -> Result<Outcome, OperatorError>,
    ) -> bool {
        match self.bench.operate(&self.devices[device], act) {
            Ok(outcome) => self.sent(device, outcome),
            Err(_) => return false,
        }
        true
    }

    pub(super) fn operate_naming(
        &mut self,
        device: usize,
        named: EntitlementId,
        act: impl FnOnce(Snapshot, Context<'_>, &mut Dice<'_>) -> Result<Outcome, OperatorError>,
    ) -> bool {
        self.try_naming(device, named, act).is_ok()
    }

    pub(super) fn try_naming(
        &mut self,
        device: usize,
        named: EntitlementId,
        act: impl FnOnce(Snapshot, Context<'_>, &mut Dice<'_>) -> Result<Outcome, OperatorError>,
    ) -> Result<(), OperatorError> {
        let handset = &self.devices[device];
        let outcome = self.bench.operate_naming(handset, named, act)?;
        self.sent(device, outcome);
        Ok(())
    }
}

const fn publish(now: bool) -> Publish {
    if now {
        Publish::Now
    } else {
        Publish::AtContact
    }
}

pub(super) const fn leave(approved: bool) -> Leave {
    if approved {
        Leave::Approval
    } else {
        Leave::Policy
    }
}
