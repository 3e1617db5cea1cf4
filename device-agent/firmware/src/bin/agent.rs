//! The agent with the curve in software: what it takes without a transport and a storage.
#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use fleetgrant_agent::software::{SoftwareKey, SoftwareKeys};
use fleetgrant_firmware::nowhere::{self, AUTHORITY, NO_CERTIFICATE};
use fleetgrant_firmware::sample::random;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[entry]
fn main() -> ! {
    loop {
        black_box(run());
    }
}

fn run() -> Option<usize> {
    let chain = [black_box(NO_CERTIFICATE)];
    let keys = SoftwareKeys::new(SoftwareKey::new(black_box(&[1; 32]))?, &chain, random());
    nowhere::run(keys, &black_box(AUTHORITY))
}
