//! A device that only checks what others hand to it: a grant's envelope, signature and contents.
#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use fleetgrant_agent::software::verify;
use fleetgrant_schemas::envelope::{Envelope, Signer};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::keys::PublicKey;

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

/// The features in force at `now` by a grant to this device.
fn run() -> Option<u32> {
    let authority: PublicKey = black_box(None)?;
    let (device, now) = black_box(("scope-4711", 1_767_225_600));
    let envelope = Envelope::parse(black_box(&[])).ok()?;
    if envelope.signer() != Signer::Key(authority.thumbprint().key_id()) {
        return None;
    }
    let verified = envelope.verify(|message, signature| verify(&authority, message, signature));
    let grant: Grant<'_> = verified.ok()?.read().ok()?;
    if grant.device.as_str() != device || grant.install_until <= now {
        return None;
    }
    let entitlements = grant.entitlements.iter();
    let in_force = entitlements.filter(|right| right.end.is_none_or(|end| now < end));
    Some(in_force.fold(0, |features, right| features ^ right.feature.len() as u32))
}
