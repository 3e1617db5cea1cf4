//! Whole messages: envelope, header with its certificates, payload of all five types, read by ours
//! and by serde_cbor.
#![no_main]

use fleetgrant_fuzz::reading;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    reading::compare(bytes);
});
