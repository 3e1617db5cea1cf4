//! Bytes of a serial line. Whatever came before, two good frames in a row bring one through.
#![no_main]

use fleetgrant_agent::serial::{Kind, Receiver, send};
use fleetgrant_schemas::topic::MessageType;

const ROOM: usize = 64;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut receiver = Receiver::new([0; ROOM]);
    for byte in bytes {
        if let Some((_, payload)) = receiver.take(*byte) {
            assert!(payload.len() <= ROOM);
        }
    }
    // A frame that was begun ends within its room; then the line is in step again.
    for _ in 0..ROOM + 16 {
        receiver.take(0);
    }
    let (kind, mut frame) = (Kind::Message(MessageType::Grant), Vec::new());
    send(kind, b"good", |byte| frame.push(byte));
    let mut came = false;
    for byte in frame {
        came |= receiver.take(byte) == Some((kind, &b"good"[..]));
    }
    assert!(came);
});
