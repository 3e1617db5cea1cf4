//! The differential check: whatever ours accepts, serde_cbor reads and writes again, byte for byte.

use fleetgrant_schemas::ack::Ack;
use fleetgrant_schemas::envelope::{Envelope, Verified};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::keys::KeySet;
use fleetgrant_schemas::notice::Notice;
use fleetgrant_schemas::request::{Request, nonce_of_refused};
use fleetgrant_schemas::topic::MessageType;
use fleetgrant_schemas::{Message, Writer};
use serde_cbor::Value;

/// Reads bytes as a gateway and a device do before they believe anything, as if the signature were
/// good. Says whether they are a message.
///
/// # Panics
/// Where serde_cbor reads what ours accepts in another way, or ours writes it in another way.
pub fn compare(bytes: &[u8]) -> bool {
    let Ok(envelope) = Envelope::parse(bytes) else {
        return false;
    };
    same_again(bytes);
    let mut signed = Vec::new();
    envelope.signed().for_each_part(|part| signed.extend(part));
    let Value::Array(parts) = same_again(&signed) else {
        panic!("a Sig_structure is an array")
    };
    let [context, Value::Bytes(header), aad, Value::Bytes(payload)] = parts.as_slice() else {
        panic!("{parts:?} is no Sig_structure")
    };
    assert_eq!(*context, Value::Text("Signature1".into()));
    assert_eq!(*aad, Value::Bytes(Vec::new()));
    same_again(header);
    let Ok(verified) = envelope.verify(|_, _| true) else {
        panic!("the signature was found good")
    };
    assert_eq!(verified.payload(), payload);
    let Some(again) = written_again(&verified) else {
        // What a gateway does with a request that it cannot read.
        let _ = nonce_of_refused(payload);
        return false;
    };
    assert_eq!(&again, payload, "ours writes what it read differently");
    same_again(payload);
    true
}

fn same_again(bytes: &[u8]) -> Value {
    match serde_cbor::from_slice::<Value>(bytes) {
        Ok(value) => {
            let again = serde_cbor::to_vec(&value).unwrap_or_default();
            assert_eq!(again, bytes, "serde_cbor writes it differently");
            value
        }
        Err(reason) => panic!("serde_cbor does not read what ours accepts: {reason}"),
    }
}

fn written_again(verified: &Verified<'_>) -> Option<Vec<u8>> {
    fn again<'b, M: Message<'b>>(verified: &Verified<'b>) -> Option<Vec<u8>> {
        let message: M = verified.read().ok()?;
        let mut bytes = vec![0; Writer::measure(|w| message.encode(w))];
        message.encode(&mut Writer::new(&mut bytes));
        Some(bytes)
    }
    match verified.message() {
        MessageType::Request => again::<Request<'_>>(verified),
        MessageType::Grant => again::<Grant<'_>>(verified),
        MessageType::Ack => again::<Ack<'_>>(verified),
        MessageType::Notice => again::<Notice<'_>>(verified),
        MessageType::Keys => again::<KeySet<'_>>(verified),
    }
}
