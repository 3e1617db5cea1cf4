//! What devices and the gateway send, through a broker that keeps everything it ever saw.

use super::{FEATURES, Fleet, Up};
use crate::acknowledge::on_ack;
use crate::ask::{Reason, Sender, Want};
use crate::outcome::Outcome;
use crate::request::on_request;
use crate::testkit::want;

impl Fleet {
    pub(super) fn ask(&mut self, device: usize, reason: Reason, wants: &[Want]) {
        let request = self.devices[device].request(reason, wants);
        self.up.push(Up::Request(device, request));
    }

    pub(super) fn visit(&mut self, device: usize, reason: Reason, wants: &[Want]) {
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

    pub(super) fn redeem(&mut self, device: usize) {
        let handset = &mut self.devices[device];
        let mut request = handset.request(Reason::Upgrade, &[]);
        let claim = self
            .code
            .claim("realm", &request.sender.key, &request.ask.nonce);
        request.ask.wants = vec![Want::Code {
            id: claim.id,
            proof: claim.proof,
        }];
        self.up.push(Up::Request(device, request));
    }

    /// What a gateway makes of a message, on what it knows now.
    pub(super) fn decide(&mut self, message: &Up) -> Outcome {
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

    pub(in crate::model::tests) fn reach_gateway(&mut self, message: &Up) -> Outcome {
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
    pub(super) fn at_once(&mut self, one: &Up, other: &Up) {
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

    pub(super) fn reach_device(&mut self, device: usize, outcome: &Outcome) {
        // All boards of a serial number have the same topics.
        let old = self.old_boards.iter_mut();
        let old = old.filter(|(of, _)| *of == device).map(|(_, board)| board);
        for board in std::iter::once(&mut self.devices[device]).chain(old) {
            if let Some(ack) = self.bench.deliver(board, outcome) {
                self.up.push(Up::Ack(device, ack));
            }
        }
    }
}

pub(super) fn asked(reason: u8, total: u8) -> (Reason, [Want; 1]) {
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
