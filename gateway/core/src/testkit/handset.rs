//! A device that keeps its side of the protocol, as far as the gateway can tell.

use fleetgrant_schemas::Message;
use fleetgrant_schemas::ack::{Outcome as Taken, OutcomeReason};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::notice::{Notice, NoticeCode};

use crate::ask::{
    Acknowledgement, Ask, Channel, Exception, Facts, Held, Reason, Request, Sender, SignedAck,
    Usage, Verdict, Want,
};
use crate::domain::{
    ActivationId, Challenge, DeviceId, DeviceNonce, KeyThumbprint, MessageDigest, Seq, Timestamp,
};

/// A device. Cloning it is cloning the device, storage and key included.
#[derive(Clone, Debug)]
pub(crate) struct Handset {
    pub(crate) id: DeviceId,
    pub(crate) key: KeyThumbprint,
    pub(crate) verdict: Verdict,
    pub(crate) channel: Channel,
    pub(crate) seq: u64,
    pub(crate) held: Option<Held>,
    /// What it may use: activation, feature, end in seconds with grace.
    pub(crate) rights: Vec<(ActivationId, String, Option<u64>)>,
    pub(crate) challenge: Option<Challenge>,
    /// Of the request whose answer it waits for.
    pub(crate) nonce: Option<DeviceNonce>,
    pub(crate) n: u32,
    /// Features that its firmware refuses.
    pub(crate) refuses: Vec<String>,
    pub(crate) usage: Vec<Usage>,
    pub(crate) max_down: u16,
    /// Tells apart what different devices and lives of a device sign.
    pub(crate) salt: u64,
    pub(crate) signed: u64,
}

impl Handset {
    pub(crate) fn new(id: DeviceId) -> Self {
        let salt = id
            .as_str()
            .bytes()
            .fold(0_u64, |salt, byte| salt * 257 + u64::from(byte));
        let mut key = [7; 32];
        key[..8].copy_from_slice(&salt.to_be_bytes());
        Self {
            id,
            key: KeyThumbprint(key),
            verdict: Verdict::Admissible,
            channel: Channel::Online,
            seq: 0,
            held: None,
            rights: Vec::new(),
            challenge: None,
            nonce: None,
            n: 0,
            refuses: Vec::new(),
            usage: Vec::new(),
            max_down: 4_096,
            salt,
            signed: 0,
        }
    }

    /// A new board of the same serial number: blank, and with another key.
    pub(crate) fn new_board(&self, n: u8) -> Self {
        let mut key = self.key.0;
        key[31] = n;
        Self {
            key: KeyThumbprint(key),
            salt: self.salt + u64::from(n),
            max_down: self.max_down,
            ..Self::new(self.id.clone())
        }
    }

    pub(crate) fn request(&mut self, reason: Reason, wants: &[Want]) -> Request {
        self.request_as(reason, wants, |_| {})
    }

    pub(crate) fn request_as(
        &mut self,
        reason: Reason,
        wants: &[Want],
        change: impl FnOnce(&mut Ask),
    ) -> Request {
        self.seq += 1;
        let digest = self.digest();
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&digest.0[..16]);
        self.nonce = Some(DeviceNonce(nonce));
        let mut ask = Ask {
            seq: Seq::new(self.seq).unwrap(),
            held: self.held,
            key_set: 0,
            reason,
            nonce: DeviceNonce(nonce),
            wants: wants.to_vec(),
            usage: self.usage.clone(),
            concerned: Vec::new(),
            challenge: self.challenge,
            max_down: self.max_down,
            facts: Facts::default(),
        };
        change(&mut ask);
        Request {
            digest,
            sender: self.sender(),
            ask,
        }
    }

    /// The device's checks of a grant; what it acknowledges, if it does.
    pub(crate) fn install(&mut self, payload: &[u8], now: Timestamp) -> Option<SignedAck> {
        let grant = Grant::decode(payload).unwrap();
        if grant.device.as_str() != self.id.as_str()
            || grant.confirmation != self.key
            || grant.install_until <= now.seconds()
        {
            return None;
        }
        let answers = grant.nonce.is_some() && grant.nonce == self.nonce;
        if self.held.is_none() && !answers && !grant.flags.factory {
            return None;
        }
        let held = Held::new(grant.epoch, grant.generation, grant.cti).unwrap();
        match self.held {
            Some(mine) if held.key < mine.key => return None,
            Some(mine) if held.key == mine.key => assert_eq!(held, mine),
            _ => self.n = 0,
        }
        if answers {
            self.nonce = None;
        }
        self.held = Some(held);
        self.challenge = Some(grant.next_challenge);
        self.rights = grant
            .entitlements
            .iter()
            .map(|right| {
                // What waits for the next start may run for ever.
                let ends = right.end.filter(|_| right.end_effect.is_none());
                let end = ends.map(|end| end + u64::from(right.grace.unwrap_or(0)));
                (right.activation, right.feature.to_owned(), end)
            })
            .collect();
        Some(self.acknowledgement())
    }

    pub(crate) fn acknowledgement(&mut self) -> SignedAck {
        self.n += 1;
        let exceptions = self
            .rights
            .iter()
            .filter(|(_, feature, _)| self.refuses.contains(feature))
            .map(|(activation, ..)| Exception {
                activation: *activation,
                outcome: Taken::Refused,
                reason: OutcomeReason::UnknownFeature,
            })
            .collect();
        SignedAck {
            digest: self.digest(),
            sender: self.sender(),
            ack: Acknowledgement {
                n: self.n,
                held: self.held.unwrap(),
                issued_at: None,
                exceptions,
                usage: self.usage.clone(),
            },
        }
    }

    /// The device's checks of a notice.
    pub(crate) fn heed(&mut self, payload: &[u8]) {
        let notice = Notice::decode(payload).unwrap();
        if notice.device.as_str() != self.id.as_str() || notice.nonce != self.nonce {
            return;
        }
        self.nonce = None;
        if notice.challenge.is_some() {
            self.challenge = notice.challenge;
        }
        if notice.code == NoticeCode::StaleSeq {
            // The next request adds one.
            let expected = notice.seq_expected.unwrap();
            self.seq = self.seq.max(expected - 1);
        }
    }

    /// Loses everything but its key.
    pub(crate) fn wipe(&mut self) {
        *self = Self {
            key: self.key,
            verdict: self.verdict,
            channel: self.channel,
            refuses: std::mem::take(&mut self.refuses),
            max_down: self.max_down,
            salt: self.salt,
            signed: self.signed,
            ..Self::new(self.id.clone())
        };
    }

    pub(crate) fn features(&self) -> Vec<&str> {
        self.rights
            .iter()
            .map(|(_, feature, _)| feature.as_str())
            .collect()
    }

    fn sender(&self) -> Sender {
        Sender {
            key: self.key,
            verdict: self.verdict,
            channel: self.channel,
        }
    }

    fn digest(&mut self) -> MessageDigest {
        self.signed += 1;
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&self.signed.to_be_bytes());
        digest[8..16].copy_from_slice(&self.salt.to_be_bytes());
        MessageDigest(digest)
    }
}
