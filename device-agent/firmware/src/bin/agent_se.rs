//! The agent whose key is in a secure element, which signs and checks signatures too: what it takes
//! without a curve. As in `agent.rs`, what it sends, receives and stores goes nowhere.
#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use fleetgrant_agent::{KeyError, KeyOperations};
use fleetgrant_firmware::nowhere::{self, AUTHORITY, NO_CERTIFICATE};
use fleetgrant_firmware::verifying::panicked;
use fleetgrant_schemas::envelope::{SigStructure, Signature};
use fleetgrant_schemas::keys::PublicKey;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    panicked()
}

/// A secure element that is somewhere else.
struct Element;

impl KeyOperations for Element {
    fn public_key(&self) -> PublicKey {
        black_box(PublicKey {
            x: [0; 32],
            y: [0; 32],
        })
    }

    fn certificate(&self, index: usize) -> Option<&[u8]> {
        (index == 0).then_some(black_box(NO_CERTIFICATE))
    }

    fn sign(&mut self, message: &SigStructure<'_>) -> Result<Signature, KeyError> {
        black_box(message.digest());
        black_box(Err(KeyError))
    }

    fn verify(&mut self, key: &PublicKey, message: &SigStructure<'_>, by: &Signature) -> bool {
        black_box((key, message.digest(), by));
        black_box(false)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), KeyError> {
        black_box(bytes);
        black_box(Ok(()))
    }
}

#[entry]
fn main() -> ! {
    loop {
        black_box(nowhere::run(Element, &black_box(AUTHORITY)));
    }
}
