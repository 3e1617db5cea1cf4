//! A device that signs whatever it likes, as the gateway decides on it: nothing panics, and what the
//! core promises holds after each message. Units, the device's rights and the history are as they
//! would be in a database.
#![no_main]

use fleetgrant_fuzz::gateway::Gateway;
use fleetgrant_schemas::topic::MessageType;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut gateway = Gateway::default();
    let mut rest = bytes;
    // what (1), length (2), payload
    while let Some(([what, high, low], tail)) = rest.split_first_chunk() {
        let len = u16::from_be_bytes([*high, *low]);
        match what % 4 {
            0 => gateway.wait(u64::from(len) * 600),
            kind => {
                let (payload, next) = tail.split_at(usize::from(len).min(tail.len()));
                rest = next;
                let message = match kind {
                    1 | 2 => MessageType::Request,
                    _ => MessageType::Ack,
                };
                gateway.take(message, payload);
                continue;
            }
        }
        rest = tail;
    }
});
