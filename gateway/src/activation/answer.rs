//! Step 5: exactly one answer to a nonce, and none that a stranger could have asked for.

use fleetgrant_core::domain::{DeviceId, Timestamp};
use fleetgrant_core::wire::Said;
use fleetgrant_schemas::id::{self, Cti};
use fleetgrant_schemas::notice::{Notice, NoticeCode};
use fleetgrant_schemas::topic::MessageType;
use fleetgrant_schemas::{Message, Writer};

use super::authenticate::{Dropped, Opened};
use super::bucket::Rate;
use super::{Conductor, Intake, Settled};
use crate::crypto::PublishedKeySet;
use crate::mqtt::{InboundMessage, PublishOutcome};

/// Seconds that a device over its rate is told to wait.
const RETRY_AFTER: u32 = 60;

/// Key sets that a device should have had and could not read.
const WITHHELD: &str = "fleetgrant_key_sets_withheld_total";

/// A payload that is to be signed and sent.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) device: DeviceId,
    pub(super) message: MessageType,
    pub(super) payload: Vec<u8>,
}

impl Conductor {
    /// The key set, if this device says that it has an older one. One that it could not read is
    /// withheld, which is told: such a device is lost when the key it knows ends.
    pub(super) fn keys_for(&self, opened: &Opened) -> Option<&PublishedKeySet> {
        let Said::Request(ask) = &opened.said else {
            return None;
        };
        let set = self.key_set.as_ref();
        let set = set.filter(|set| set.is_newer_than(ask.key_set))?;
        if !set.fits(ask.max_down) {
            metrics::counter!(WITHHELD).increment(1);
            tracing::warn!(
                device = %opened.sender.device(),
                max_down = ask.max_down,
                bytes = set.bytes().len(),
                generation = set.generation(),
                "the key set is larger than this device reads: sign one with fewer keys"
            );
            return None;
        }
        Some(set)
    }

    /// Passes the key set on. If it is lost, the device's next request says so.
    pub(super) async fn send_keys(&self, device: &DeviceId, keys: &PublishedKeySet) {
        let message = PublishedKeySet::MESSAGE;
        match self.outbound.publish(device, message, keys.bytes()).await {
            Ok(PublishOutcome::Accepted | PublishOutcome::NoSubscriber) => {}
            Ok(outcome) => tracing::warn!(?outcome, %message, "the key set was not taken"),
            Err(error) => tracing::warn!(%error, %message, "the key set was not sent"),
        }
    }

    /// Signs and publishes. What fails here is not lost: the device repeats its request, and the
    /// outbox its push.
    pub(super) async fn answer(&self, reply: Reply) {
        let Reply {
            device,
            message,
            payload,
        } = reply;
        let signed = match self.issuer.sign(message, payload).await {
            Ok(signed) => signed,
            Err(error) => {
                tracing::error!(%error, %message, "the answer could not be signed");
                return;
            }
        };
        match self.outbound.publish(&device, message, signed.into()).await {
            Ok(PublishOutcome::Accepted | PublishOutcome::NoSubscriber) => {}
            Ok(outcome) => tracing::warn!(?outcome, %message, "the answer was not taken"),
            Err(error) => tracing::warn!(%error, %message, "the answer was not sent"),
        }
    }
}

impl Intake {
    /// What was not verified gets no answer, but for the request to send the chain: it is made
    /// without state, and changes nothing on the device.
    pub(super) fn refuse(
        &self,
        message: &InboundMessage,
        dropped: Dropped,
        now: Timestamp,
    ) -> Settled {
        tracing::warn!(
            reason = dropped.as_str(),
            "the message was dropped unverified"
        );
        let asks_for_chain = dropped == Dropped::UnknownCertificate;
        Settled {
            outcome: dropped.as_str(),
            reply: asks_for_chain
                .then(|| self.notice(&message.device, NoticeCode::SendChain, None, now)),
        }
    }

    /// A request over its device's rate is told to wait, if it says by which nonce, and is
    /// otherwise left. Acknowledgements are taken in all the same: they end repetition.
    pub(super) fn hold_back(&self, opened: &Opened, rate: Rate, now: Timestamp) -> Option<Settled> {
        if rate == Rate::Within {
            return None;
        }
        let nonce = match &opened.said {
            Said::Request(ask) => Some(ask.nonce),
            Said::Unfit(unfit) => unfit.nonce,
            Said::Ack(_) => return None,
        };
        let code = NoticeCode::RetryLater;
        Some(Settled {
            outcome: code.as_str(),
            reply: nonce.map(|nonce| self.notice(opened.sender.device(), code, Some(nonce), now)),
        })
    }

    fn notice(
        &self,
        device: &DeviceId,
        code: NoticeCode,
        nonce: Option<id::DeviceNonce>,
        now: Timestamp,
    ) -> Reply {
        let notice = Notice {
            realm: self.recorder.rules().authority.realm.as_str(),
            device: id::DeviceId::new(device.as_str()).expect("a device id of the domain is one"),
            issued_at: now.seconds(),
            cti: Cti(rand::random()),
            confirmation: None,
            nonce,
            code,
            seq_expected: None,
            retry_after: (code == NoticeCode::RetryLater).then_some(RETRY_AFTER),
            text: None,
            challenge: None,
        };
        let mut payload = vec![0; Writer::measure(|w| notice.encode(w))];
        notice.encode(&mut Writer::new(&mut payload));
        Reply {
            device: device.clone(),
            message: MessageType::Notice,
            payload,
        }
    }
}
