//! Runs the agent's entry points once each, with flash in memory, and prints what each takes:
//! `NAME INSTRUCTIONS STACK`, and sizes as `size NAME BYTES`.
#![no_std]
#![no_main]

use cortex_m::peripheral::SYST;
use cortex_m::{Peripherals, singleton};
use cortex_m_rt::entry;
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};
use fleetgrant_agent::flash::FlashStorage;
use fleetgrant_agent::software::{SoftwareKeys, verify};
use fleetgrant_agent::{Agent, Ask, Instant};
use fleetgrant_firmware::console::say;
use fleetgrant_firmware::measure::cost;
use fleetgrant_firmware::sample::{self, FEATURES, LEAF, RIGHTS, authority, key, profile, random};
use fleetgrant_schemas::envelope::Envelope;
use fleetgrant_schemas::request::{Reason, Request};
use fleetgrant_schemas::topic::MessageType;
use semihosting::process;

const PAGE: usize = 2_048;
const PAGES: usize = 4;
const BUFFER: usize = 1_536;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    process::exit(101)
}

#[entry]
fn main() -> ! {
    process::exit(match run() {
        Some(()) => 0,
        None => 1,
    })
}

/// Flash in memory, so that the host's part in it is not counted.
struct Ram([u8; PAGE * PAGES]);

impl ErrorType for Ram {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Ram {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        let there = self.0.get(offset as usize..).unwrap_or_default();
        for (to, from) in bytes.iter_mut().zip(there) {
            *to = *from;
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Ram {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        let pages = self.0.get_mut(from as usize..to as usize);
        pages.unwrap_or_default().fill(0xff);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        let there = self.0.get_mut(offset as usize..).unwrap_or_default();
        for (to, from) in there.iter_mut().zip(bytes) {
            *to &= from;
        }
        Ok(())
    }
}

fn took<T>(timer: &mut SYST, name: &'static str, run: impl FnOnce() -> T) -> T {
    let (done, cost) = cost(timer, run);
    say(&[&name, &u64::from(cost.instructions), &u64::from(cost.stack)]);
    done
}

fn size(name: &'static str, bytes: usize) {
    say(&[&"size", &name, &(bytes as u64)]);
}

fn run() -> Option<()> {
    let mut timer = Peripherals::take()?.SYST;
    let timer = &mut timer;
    let now = Instant(1_000);
    let flash = singleton!(: Ram = Ram([0xff; PAGE * PAGES]))?;
    let record: &'static mut [u8] = singleton!(: [u8; BUFFER] = [0; BUFFER])?;
    let request: &'static mut [u8] = singleton!(: [u8; 1_024] = [0; 1_024])?;
    let message = singleton!(: [u8; BUFFER] = [0; BUFFER])?;
    let received = singleton!(: [u8; BUFFER] = [0; BUFFER])?;

    let signer = key(1)?;
    let authority = authority(&signer);
    let profile = profile(&authority)?;
    let device = took(timer, "load-key", || key(2))?;
    let shown = key(2)?;

    // The curve alone.
    let len = sample::grant(&signer, &shown, 1, None, 1, received)?;
    let envelope = Envelope::parse(received.get(..len)?).ok()?;
    let mut signature = *envelope.signature();
    let is_good = took(timer, "verify", || {
        verify(&authority[0].key, &envelope.signed(), &signature)
    });
    signature[63] ^= 1;
    let is_bad = verify(&authority[0].key, &envelope.signed(), &signature);
    if !is_good || is_bad {
        return None;
    }
    took(timer, "sign", || shown.sign(&envelope.signed())).ok()?;

    // A blank device asks, is granted eight rights, and acknowledges.
    let keys = SoftwareKeys::new(device, &[LEAF], random());
    let storage = FlashStorage::new(flash, 0..(PAGE * PAGES) as u32, record).ok()?;
    let agent = took(timer, "start", || {
        Agent::<_, _, _, RIGHTS>::start(&profile, keys, storage, request, message, now)
    });
    let mut agent = agent.ok()?;
    size("agent", size_of_val(&agent));
    took(timer, "request", || agent.handle_timeout(now));
    let sent = agent.poll_transmit(message)?;
    size("request", sent.len);
    let asked = Envelope::parse(message.get(..sent.len)?).ok()?;
    let asked = asked.verify(|signed, signature| verify(&shown.public_key(), signed, signature));
    let nonce = asked.ok()?.read::<Request<'_>>().ok()?.nonce;
    let len = sample::grant(&signer, &shown, 1, Some(nonce), RIGHTS, received)?;
    size("grant", len);
    let grant = received.get(..len)?;
    took(timer, "accept-grant", || {
        agent.handle_message(grant, MessageType::Grant, now)
    })
    .ok()?;
    let sent = took(timer, "acknowledge", || agent.poll_transmit(message))?;
    size("ack", sent.len);
    took(timer, "same-grant", || {
        agent.handle_message(grant, MessageType::Grant, now)
    })
    .ok()?;
    while agent.poll_event().is_some() {}
    let is_on = took(timer, "is-on", || agent.is_on("spectrum", now).is_on());
    took(timer, "use-one", || agent.use_one("spectrum", now)).ok()?;
    took(timer, "idle-timeout", || agent.handle_timeout(now));
    let ask = Ask {
        features: &[(FEATURES[0], 2)],
        ..Ask::for_what_is_owed(Reason::Upgrade)
    };
    took(timer, "ask", || agent.ask(&ask, now)).ok()?;
    while agent.poll_transmit(message).is_some() {}

    // It starts again with what it has.
    let (keys, storage, request) = agent.into_parts();
    let agent = took(timer, "start-again", || {
        Agent::<_, _, _, RIGHTS>::start(&profile, keys, storage, request, message, now)
    });
    let is_on_again = agent.ok()?.is_on("spectrum", now).is_on();
    (is_on && is_on_again).then_some(())
}
