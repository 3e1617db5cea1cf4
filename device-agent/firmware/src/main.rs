//! The firmware: the agent in a superloop. It reaches the broker through a bridge on UART0, keeps
//! its records in flash, and says what happens on the console.
#![no_std]
#![no_main]

use cortex_m::{asm, singleton};
use cortex_m_rt::entry;
use fleetgrant_agent::flash::FlashStorage;
use fleetgrant_agent::serial::{self, Kind, Receiver};
use fleetgrant_agent::software::{SoftwareKey, SoftwareKeys};
use fleetgrant_agent::{Agent, Profile};
use fleetgrant_firmware::board::{self, Uart, fill_random, uptime};
use fleetgrant_firmware::built::BUILT;
use fleetgrant_firmware::console::{say, say_event};
use fleetgrant_firmware::factory::Factory;
use fleetgrant_firmware::image::{CAPACITY, ImageFlash, PAGE};
use fleetgrant_schemas::Platform;
use fleetgrant_schemas::id::DeviceId;
use fleetgrant_schemas::keys::{AuthorityKey, PublicKey, Role};
use fleetgrant_schemas::limits::MAX_INSTANT;
use semihosting::process;

/// Rights there is room for.
const RIGHTS: usize = 8;
/// The longest message it takes.
const MAX_DOWN: usize = 2_048;
/// A request with a chain of two certificates.
const MAX_UP: usize = 2_048;
/// Rounds without a byte after which the core sleeps until the next tick: the UART holds a single
/// byte, so a message must not be slept through.
const PATIENCE: u32 = 10_000;
/// A record: the longest message, and what was removed with it.
const RECORD: usize = MAX_DOWN + 48 + 24 * RIGHTS;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    process::exit(101)
}

#[entry]
fn main() -> ! {
    if let Err(what) = run() {
        say(&[&"failed:", &what]);
    }
    process::exit(1)
}

fn run() -> Result<(), &'static str> {
    let board = cortex_m::Peripherals::take().ok_or("a second start")?;
    board::start_tick(board.SYST);
    let mut uart = Uart::start();
    let mut flash = ImageFlash::open(until_cut()).map_err(|_| "there is no flash.bin")?;
    let page = singleton!(: [u8; PAGE] = [0; PAGE]).ok_or("a second start")?;
    embedded_storage::nor_flash::ReadNorFlash::read(&mut flash, 0, page)
        .map_err(|_| "the factory page cannot be read")?;
    let factory = Factory::read(page).map_err(|_| "the factory page is damaged")?;
    let authority = authority(&factory).ok_or("the authority's key is damaged")?;
    let profile = profile(&factory, &authority).ok_or("the device's id is damaged")?;
    let key = factory.key.try_into().ok().and_then(SoftwareKey::new);
    let chain = factory.chain.get(..factory.chain_len).unwrap_or_default();
    let keys = SoftwareKeys::new(key.ok_or("the key is damaged")?, chain, fill_random);
    let record = singleton!(: [u8; RECORD] = [0; RECORD]).ok_or("a second start")?;
    let storage = FlashStorage::new(flash, PAGE as u32..CAPACITY as u32, record)
        .map_err(|_| "the flash does not fit")?;
    let request = singleton!(: [u8; MAX_UP] = [0; MAX_UP]).ok_or("a second start")?;
    let message = singleton!(: [u8; MAX_UP] = [0; MAX_UP]).ok_or("a second start")?;
    let received = singleton!(: [u8; MAX_DOWN] = [0; MAX_DOWN]).ok_or("a second start")?;

    let mut agent = Agent::<_, _, _, RIGHTS>::start(
        &profile,
        keys,
        storage,
        request.as_mut_slice(),
        message,
        uptime(),
    )
    .map_err(|_| "the agent does not start")?;
    say(&[
        &"started",
        &profile.device.as_str(),
        &"holds",
        &agent.held().map_or(0, |held| held.generation),
    ]);

    let mut line = Receiver::new(received.as_mut_slice());
    let (mut is_connected, mut idle) = (false, 0);
    loop {
        idle += 1;
        while let Some(byte) = uart.read() {
            idle = 0;
            match line.take(byte) {
                Some((Kind::Connected, _)) => {
                    is_connected = true;
                    agent.resend(uptime());
                }
                Some((Kind::Message(message), bytes)) => {
                    // Errors are events too.
                    let _ = agent.handle_message(bytes, message, uptime());
                }
                None => {}
            }
        }
        if agent.poll_timeout().is_some_and(|at| at <= uptime()) {
            agent.handle_timeout(uptime());
        }
        while is_connected && let Some(sent) = agent.poll_transmit(message) {
            let bytes = message.get(..sent.len).unwrap_or_default();
            serial::send(Kind::Message(sent.message), bytes, |byte| uart.write(byte));
            say(&[&"sent", &sent.message.as_str(), &(sent.len as u64)]);
        }
        while let Some(event) = agent.poll_event() {
            say_event(&event, &profile);
        }
        if idle > PATIENCE {
            asm::wfi();
        }
    }
}

fn profile<'f>(factory: &'f Factory<'_>, authority: &'f [AuthorityKey]) -> Option<Profile<'f>> {
    Some(Profile {
        device: DeviceId::new(factory.device).ok()?,
        realm: factory.realm,
        platform: Platform {
            sw_name: Some(env!("CARGO_PKG_NAME")),
            sw_version: Some(env!("CARGO_PKG_VERSION")),
            ..Platform::default()
        },
        features: factory.features.get(..factory.features_len)?,
        authority_keys: authority,
        roots: &[],
        sw_built: BUILT,
        min_key_set: 0,
        max_down: MAX_DOWN as u16,
    })
}

fn authority(factory: &Factory<'_>) -> Option<[AuthorityKey; 1]> {
    Some([AuthorityKey {
        key: PublicKey::from_sec1(factory.authority.try_into().ok()?)?,
        not_before: 0,
        not_after: MAX_INSTANT,
        epoch: factory.epoch,
        role: Role::Grants,
    }])
}

/// The argument `cut=N` makes the power fail at the Nth word that is written to the flash.
fn until_cut() -> Option<u32> {
    let arguments = semihosting::experimental::env::args::<128>().ok()?;
    let mut arguments = arguments.filter_map(Result::ok);
    arguments.find_map(|argument| argument.strip_prefix("cut=")?.parse().ok())
}
