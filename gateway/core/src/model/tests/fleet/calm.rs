//! What comes of it when nothing is lost any more.

use super::{DEVICES, Fleet, PARTIES};
use crate::ask::{Reason, Verdict};
use crate::device::Pin;
use crate::domain::{DeviceState, HoldReason, KeyLoss};
use crate::lifecycle::EntitlementAct;
use crate::operator::{self, OperatorError};
use crate::rule::Rule;
use crate::testkit::want;

impl Fleet {
    /// The broker behaves again, operators have cleared what they must, and devices ask until
    /// they have what they should.
    pub(in crate::model::tests) fn calm(&mut self) {
        for party in PARTIES {
            self.hold_party(party, false);
        }
        for id in self.sold.clone() {
            self.act(id, EntitlementAct::Resume);
            for reason in HoldReason::ALL {
                self.act(id, EntitlementAct::Release(*reason));
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
            self.refresh(device);
            // A number to find, a challenge to get, a set to take, and what that set left out.
            for _ in 0..6 {
                self.visit(device, Reason::Boot, &[want("scan", 1)]);
                self.check();
            }
        }
        self.settle();
        self.check();
        self.check_arrived();
    }

    /// No device waits for a right that could be given.
    fn check_arrived(&mut self) {
        for device in 0..DEVICES {
            for upgrade in self.bench.world.upgrades_on(&self.devices[device].id) {
                let followed = self.follow_one(device, upgrade);
                let waits_rightly = match followed {
                    Ok(is_followed) => !is_followed,
                    Err(OperatorError::Denied(rule)) => rule != Rule::OtherOwner,
                    Err(_) => false,
                };
                assert!(waits_rightly, "{upgrade:?}: {followed:?}");
            }
        }
    }
}
