//! Our own reading of every vector.

use fleetgrant_schemas::ack::Ack;
use fleetgrant_schemas::envelope::{Envelope, Verified};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::keys::KeySet;
use fleetgrant_schemas::limits;
use fleetgrant_schemas::notice::Notice;
use fleetgrant_schemas::request::Request;
use fleetgrant_schemas::topic::MessageType;
use fleetgrant_schemas::{Malformed, Message, Writer};

use crate::invalid::{self, Layer};
use crate::material::Key;
use crate::valid::{self, parts};

/// Reads the payload and writes it again.
pub(crate) fn written_again(verified: &Verified<'_>) -> Result<Vec<u8>, Malformed> {
    fn again<'b, M: Message<'b>>(verified: &Verified<'b>) -> Result<Vec<u8>, Malformed> {
        let message: M = verified.read()?;
        let mut bytes = vec![0; Writer::measure(|w| message.encode(w))];
        message.encode(&mut Writer::new(&mut bytes));
        Ok(bytes)
    }
    match verified.message() {
        MessageType::Request => again::<Request<'_>>(verified),
        MessageType::Grant => again::<Grant<'_>>(verified),
        MessageType::Ack => again::<Ack<'_>>(verified),
        MessageType::Notice => again::<Notice<'_>>(verified),
        MessageType::Keys => again::<KeySet<'_>>(verified),
    }
}

/// Where a message on the topic of `kind` is refused, and why.
fn refusal(bytes: &[u8], kind: MessageType, key: Key) -> Option<(Layer, &'static str)> {
    let envelope = match Envelope::parse(bytes) {
        Ok(envelope) if envelope.message() == kind => envelope,
        Ok(_) => return Some((Layer::Envelope, Malformed::Type.as_str())),
        Err(reason) => return Some((Layer::Envelope, reason.as_str())),
    };
    let Ok(verified) = envelope.verify(|signed, signature| key.is_good(signed, signature)) else {
        return Some((Layer::Signature, "signature"));
    };
    let reason = written_again(&verified).err()?;
    Some((Layer::Payload, reason.as_str()))
}

#[test]
fn every_valid_vector_is_read_and_written_again_the_same() {
    for vector in valid::all() {
        let name = vector.name;
        let refused = refusal(&vector.bytes, vector.kind, vector.signed_by);
        assert_eq!(refused, None, "{name}");
        let verified = Envelope::parse(&vector.bytes)
            .unwrap()
            .verify(|_, _| true)
            .unwrap();
        assert_eq!(
            written_again(&verified).unwrap(),
            verified.payload(),
            "{name}"
        );
        assert_eq!(verified.digest().to_string(), vector.digest, "{name}");
        let (header, payload) = parts(&vector.bytes);
        assert!(header.depth() <= limits::MAX_DEPTH, "{name}");
        assert!(payload.depth() <= limits::MAX_DEPTH, "{name}");
    }
}

#[test]
fn every_invalid_vector_is_refused_where_and_why_it_says() {
    for vector in invalid::all() {
        let refused = refusal(&vector.bytes, vector.kind, vector.verify_with);
        assert_eq!(
            refused,
            Some((vector.layer, vector.reason)),
            "{}",
            vector.name
        );
    }
}

#[test]
fn every_reason_has_a_vector() {
    let all = invalid::all();
    for reason in Malformed::ALL {
        let has_one = all.iter().any(|vector| vector.reason == reason.as_str());
        assert!(has_one, "no vector is refused as {reason:?}");
    }
}
