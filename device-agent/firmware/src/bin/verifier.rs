//! A verifier of grants with the curve in software.
#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use fleetgrant_agent::software::verify;
use fleetgrant_firmware::verifying::{features_in_force, panicked};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    panicked()
}

#[entry]
fn main() -> ! {
    loop {
        black_box(features_in_force(verify));
    }
}
