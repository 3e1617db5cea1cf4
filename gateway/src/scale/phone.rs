//! A device of a data set: what it sends, and what it keeps of the answers. It has no key; its
//! messages are taken as verified.

use fleetgrant_core::ask::{
    Acknowledgement, Ask, Channel, Facts, Hardware, Held, Reason, Request, Sender, SignedAck,
    Verdict, Want,
};
use fleetgrant_core::domain::{
    Challenge, DeviceId, DeviceNonce, KeyThumbprint, MessageDigest, Seq,
};
use fleetgrant_core::outcome::{Answer, Outcome};
use fleetgrant_schemas::Message as _;
use fleetgrant_schemas::notice::Notice;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};

/// A device.
#[derive(Clone, Debug)]
pub(super) struct Phone {
    pub(super) id: DeviceId,
    pub(super) key: KeyThumbprint,
    verdict: Verdict,
    facts: Facts,
    seq: u64,
    held: Option<Held>,
    challenge: Option<Challenge>,
    acknowledged: u32,
}

const VERSIONS: [&str; 5] = ["1.0.0", "1.1.0", "1.2.3", "2.0.0", "2.1.0"];

impl Phone {
    /// A device that was never heard.
    pub(super) fn new(id: DeviceId, random: &mut StdRng) -> Self {
        let mut key = [0; 32];
        random.fill_bytes(&mut key);
        let version = random.random_range(0..VERSIONS.len());
        Self {
            id,
            key: KeyThumbprint(key),
            verdict: Verdict::Admissible,
            facts: Facts {
                hardware: Some(Hardware {
                    maker: "example".to_owned(),
                    model: b"mk2".to_vec(),
                }),
                boot_count: Some(1),
                software: Some("firmware".to_owned()),
                version: Some(VERSIONS[version].to_owned()),
                clock: None,
            },
            seq: 0,
            held: None,
            challenge: None,
            acknowledged: 0,
        }
    }

    pub(super) fn request(
        &mut self,
        reason: Reason,
        wants: Vec<Want>,
        random: &mut StdRng,
    ) -> Option<Request> {
        self.seq += 1;
        let mut nonce = [0; 16];
        random.fill_bytes(&mut nonce);
        Some(Request {
            digest: digest(random),
            sender: self.sender(),
            ask: Ask {
                seq: Seq::new(self.seq).ok()?,
                held: self.held,
                key_set: 0,
                reason,
                nonce: DeviceNonce(nonce),
                wants,
                usage: Vec::new(),
                concerned: Vec::new(),
                challenge: self.challenge,
                max_down: 4_096,
                facts: self.facts.clone(),
            },
        })
    }

    /// Takes an answer in; whether there is a set to acknowledge.
    pub(super) fn take_in(&mut self, outcome: &Outcome) -> bool {
        if outcome.device.key() == Some(self.key) {
            self.verdict = Verdict::Pinned;
        }
        match &outcome.answer {
            Answer::Grant => {
                self.held = outcome.issued.as_ref().map(|set| set.set.held());
                self.challenge = None;
                self.acknowledged = 0;
                true
            }
            Answer::Notice(notice) => {
                self.challenge = Notice::decode(&notice.payload)
                    .ok()
                    .and_then(|notice| notice.challenge);
                false
            }
            Answer::None | Answer::Carried | Answer::Repeat(_) => false,
        }
    }

    pub(super) fn acknowledge(&mut self, random: &mut StdRng) -> Option<SignedAck> {
        self.acknowledged += 1;
        Some(SignedAck {
            digest: digest(random),
            sender: self.sender(),
            ack: Acknowledgement {
                n: self.acknowledged,
                held: self.held?,
                issued_at: None,
                exceptions: Vec::new(),
                usage: Vec::new(),
            },
        })
    }

    fn sender(&self) -> Sender {
        Sender {
            key: self.key,
            verdict: self.verdict,
            channel: Channel::Online,
        }
    }
}

fn digest(random: &mut StdRng) -> MessageDigest {
    let mut digest = [0; 32];
    random.fill_bytes(&mut digest);
    MessageDigest(digest)
}
