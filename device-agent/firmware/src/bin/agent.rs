//! The agent with the curve in software: what it takes without a transport and a storage.
#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use fleetgrant_agent::software::SoftwareKeys;
use fleetgrant_firmware::nowhere;
use fleetgrant_firmware::sample::{LEAF, authority, key, random};

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
    let authority = authority(&key(black_box(1))?);
    let keys = SoftwareKeys::new(key(black_box(2))?, &[LEAF], random());
    nowhere::run(keys, &authority)
}
