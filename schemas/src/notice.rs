//! The notice: why there is no grant. It never changes a right.
//!
//! ```cddl
//! notice = {
//!   1: realm, 2: device, 6: instant, 7: cti, ? 8: confirmation, ? 10: nonce,
//!   -65537: stale-seq / retry-later / ask-again / other-notice,
//! }
//! stale-seq = { 0: version, 1: 1, 2: seq, ? 3: u32, ? 4: notice-text, 5: challenge }
//! retry-later = { 0: version, 1: 3, ? 2: seq, 3: u32, ? 4: notice-text, ? 5: challenge }
//! ask-again = { 0: version, 1: 4, ? 2: seq, ? 3: u32, ? 4: notice-text, 5: challenge }
//! other-notice = { 0: version, 1: other-code, ? 2: seq, ? 3: u32, ? 4: notice-text, ? 5: challenge }
//! other-code = 2 / 5..14
//! notice-text = (tstr .size (1..32)) .and printable
//! ```

use crate::closed::closed;
use crate::id::{Challenge, Cti, DeviceId, DeviceNonce, KeyThumbprint};
use crate::limits;
use crate::malformed::Malformed;
use crate::message::{
    CLAIM_CNF, CLAIM_CTI, CLAIM_IAT, CLAIM_ISS, CLAIM_NONCE, CLAIM_SUB, CONFIRMATION, Message,
    VERSION,
};
use crate::seq::private::Codec;
use crate::shape::{Field, Shape};
use crate::topic::MessageType;
use crate::values::{Value, Values};

const NOTICE: &[Field] = &[
    Field::new(CLAIM_ISS, Shape::REALM),
    Field::new(CLAIM_SUB, Shape::DEVICE),
    Field::new(CLAIM_IAT, Shape::INSTANT),
    Field::new(CLAIM_CTI, Shape::ID),
    Field::optional(CLAIM_CNF, CONFIRMATION),
    Field::optional(CLAIM_NONCE, Shape::ID),
    Field::private(&PRIVATE),
];
const PRIVATE: &[Field] = &[
    Field::new(VERSION, Shape::VERSION),
    Field::new(1, NoticeCode::SHAPE),
    Field::optional(2, Shape::COUNTER),
    Field::optional(3, Shape::U32),
    Field::optional(4, Shape::printable(limits::MAX_NOTICE_TEXT)),
    Field::optional(5, Shape::ID),
];

closed! {
    /// What the gateway has to say.
    NoticeCode {
        /// The seq was used before; always with the one expected and a challenge.
        StaleSeq = 1 "stale-seq",
        /// The certificate is not known here; send the chain.
        SendChain = 2 "send-chain",
        /// Not now; always with the seconds to wait.
        RetryLater = 3 "retry-later",
        /// Ask again with the challenge that this always bears.
        Challenge = 4 "challenge",
        /// Not admitted here.
        NotAdmitted = 5 "not-admitted",
        /// Waits for an operator.
        Quarantined = 6 "quarantined",
        /// The device, its key or its certificate was revoked.
        Revoked = 7 "revoked",
        /// The whole request was denied.
        Denied = 8 "denied",
        /// The answer does not fit into what the device takes.
        TooLarge = 9 "too-large",
        /// Signed well, and not understood.
        Malformed = 10 "malformed",
        /// For another realm.
        WrongRealm = 11 "wrong-realm",
        /// Show the grant you hold.
        ShowGrant = 12 "show-grant",
        /// There is something for you; ask.
        Poke = 13 "poke",
        /// Another key holds this id, or another id this key.
        IdentityConflict = 14 "identity-conflict",
    }
}

/// A notice. Instants are seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice<'b> {
    /// Who says it.
    pub realm: &'b str,
    /// To whom.
    pub device: DeviceId<'b>,
    /// When.
    pub issued_at: u64,
    /// Its id.
    pub cti: Cti,
    /// The key the device must have, where the gateway knows it.
    pub confirmation: Option<KeyThumbprint>,
    /// The nonce of the request it answers; none in an unsolicited one.
    pub nonce: Option<DeviceNonce>,
    /// What it says.
    pub code: NoticeCode,
    /// The lowest seq that would be taken.
    pub seq_expected: Option<u64>,
    /// Seconds to wait.
    pub retry_after: Option<u32>,
    /// For a log, 1 to 32 bytes.
    pub text: Option<&'b str>,
    /// To be echoed in the next request.
    pub challenge: Option<Challenge>,
}

impl<'b> Message<'b> for Notice<'b> {
    const TYPE: MessageType = MessageType::Notice;

    /// What the code is nothing without.
    fn check(&self) -> Result<(), Malformed> {
        let is_complete = match self.code {
            NoticeCode::StaleSeq => self.seq_expected.is_some() && self.challenge.is_some(),
            NoticeCode::Challenge => self.challenge.is_some(),
            NoticeCode::RetryLater => self.retry_after.is_some(),
            _ => true,
        };
        if is_complete {
            Ok(())
        } else {
            Err(Malformed::MissingKey)
        }
    }
}

impl<'b> Codec<'b> for Notice<'b> {
    const SHAPE: &'static Shape = &Shape::Map(&NOTICE);

    fn put<'s>(&'s self, values: &mut Values<'s>) {
        values.put_text(self.realm);
        values.put_text(self.device.as_str());
        values.put_uint(self.issued_at);
        values.put_bytes(&self.cti.0);
        values.put_if(self.confirmation.as_ref(), |key| Value::Bytes(&key.0));
        values.put_if(self.nonce.as_ref(), |nonce| Value::Bytes(&nonce.0));
        values.put_uint(self.code.number());
        values.put_uint_if(self.seq_expected);
        values.put_uint_if(self.retry_after);
        values.put_if(self.text, Value::Text);
        values.put_if(self.challenge.as_ref(), |it| Value::Bytes(&it.0));
    }

    fn take(values: &mut Values<'b>) -> Self {
        Self {
            realm: values.text(),
            device: DeviceId::take(values),
            issued_at: values.uint(),
            cti: Cti(values.array()),
            confirmation: values.if_there(|it| KeyThumbprint(it.array())),
            nonce: values.if_there(|it| DeviceNonce(it.array())),
            code: NoticeCode::take(values),
            seq_expected: values.if_there(Values::uint),
            retry_after: values.if_there(Values::u32),
            text: values.if_there(Values::text),
            challenge: values.if_there(|it| Challenge(it.array())),
        }
    }
}
