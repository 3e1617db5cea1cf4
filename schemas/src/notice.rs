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
    CLAIM_CNF, CLAIM_CTI, CLAIM_IAT, CLAIM_ISS, CLAIM_NONCE, CLAIM_PRIVATE, CLAIM_SUB, Message,
    VERSION, count, read_confirmation, read_device, read_instant, read_realm, read_version,
    required, write_confirmation,
};
use crate::strict::Reader;
use crate::topic::MessageType;
use crate::writer::Writer;

const CODE: i64 = 1;
const SEQ_EXPECTED: i64 = 2;
const RETRY_AFTER: i64 = 3;
const TEXT: i64 = 4;
const CHALLENGE: i64 = 5;

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

    fn encode(&self, w: &mut Writer<'_>) {
        w.map(5 + count(&[self.confirmation.is_some(), self.nonce.is_some()]));
        w.int(CLAIM_ISS).text(self.realm);
        w.int(CLAIM_SUB).text(self.device.as_str());
        w.int(CLAIM_IAT).uint(self.issued_at);
        w.int(CLAIM_CTI).bytes(&self.cti.0);
        if let Some(thumbprint) = &self.confirmation {
            w.int(CLAIM_CNF);
            write_confirmation(w, thumbprint);
        }
        if let Some(nonce) = self.nonce {
            w.int(CLAIM_NONCE).bytes(&nonce.0);
        }
        w.int(CLAIM_PRIVATE);
        w.map(
            2 + count(&[
                self.seq_expected.is_some(),
                self.retry_after.is_some(),
                self.text.is_some(),
                self.challenge.is_some(),
            ]),
        );
        w.int(VERSION).uint(limits::VERSION.into());
        w.int(CODE).uint(self.code.number().into());
        w.optional_uint(SEQ_EXPECTED, self.seq_expected);
        w.optional_uint(RETRY_AFTER, self.retry_after.map(u64::from));
        if let Some(text) = self.text {
            w.int(TEXT).text(text);
        }
        if let Some(challenge) = self.challenge {
            w.int(CHALLENGE).bytes(&challenge.0);
        }
    }

    fn decode(payload: &'b [u8]) -> Result<Self, Malformed> {
        Reader::whole(payload, read)
    }
}

fn read<'b>(r: &mut Reader<'b>) -> Result<Notice<'b>, Malformed> {
    let (mut realm, mut device, mut issued_at, mut cti) = (None, None, None, None);
    let (mut confirmation, mut nonce, mut private) = (None, None, None);
    let mut keys = r.map()?;
    while let Some(key) = r.key(&mut keys)? {
        match key {
            CLAIM_ISS => realm = Some(read_realm(r)?),
            CLAIM_SUB => device = Some(read_device(r)?),
            CLAIM_IAT => issued_at = Some(read_instant(r)?),
            CLAIM_CTI => cti = Some(Cti(r.array_of_bytes()?)),
            CLAIM_CNF => confirmation = Some(read_confirmation(r)?),
            CLAIM_NONCE => nonce = Some(DeviceNonce(r.array_of_bytes()?)),
            CLAIM_PRIVATE => private = Some(read_private(r)?),
            _ => return Err(Malformed::UnknownKey),
        }
    }
    let private = required(private)?;
    Ok(Notice {
        realm: required(realm)?,
        device: required(device)?,
        issued_at: required(issued_at)?,
        cti: required(cti)?,
        confirmation,
        nonce,
        code: private.code,
        seq_expected: private.seq_expected,
        retry_after: private.retry_after,
        text: private.text,
        challenge: private.challenge,
    })
}

struct Private<'b> {
    code: NoticeCode,
    seq_expected: Option<u64>,
    retry_after: Option<u32>,
    text: Option<&'b str>,
    challenge: Option<Challenge>,
}

fn read_private<'b>(r: &mut Reader<'b>) -> Result<Private<'b>, Malformed> {
    let (mut version, mut code, mut seq_expected) = (None, None, None);
    let (mut retry_after, mut text, mut challenge) = (None, None, None);
    let mut keys = r.map()?;
    while let Some(key) = r.key(&mut keys)? {
        match key {
            VERSION => version = Some(read_version(r)?),
            CODE => code = Some(NoticeCode::read(r)?),
            SEQ_EXPECTED => seq_expected = Some(r.up_to(limits::MAX_COUNTER)?),
            RETRY_AFTER => retry_after = Some(r.u32()?),
            TEXT => text = Some(r.text_within(1, limits::MAX_NOTICE_TEXT)?),
            CHALLENGE => challenge = Some(Challenge(r.array_of_bytes()?)),
            _ => return Err(Malformed::UnknownKey),
        }
    }
    required(version)?;
    let code = required(code)?;
    let is_complete = match code {
        NoticeCode::StaleSeq => seq_expected.is_some() && challenge.is_some(),
        NoticeCode::Challenge => challenge.is_some(),
        NoticeCode::RetryLater => retry_after.is_some(),
        _ => true,
    };
    if !is_complete {
        return Err(Malformed::MissingKey);
    }
    Ok(Private {
        code,
        seq_expected,
        retry_after,
        text,
        challenge,
    })
}
