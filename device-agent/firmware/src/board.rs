//! The board: its UART, its tick and its randomness.

use core::cell::Cell;
use core::ptr;

use cortex_m::interrupt::{self, Mutex};
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use fleetgrant_agent::{Instant, KeyError};
use semihosting::fs::File;
use semihosting::io::Read as _;

/// The core's clock, in Hz.
const CLOCK: u32 = 25_000_000;

static UPTIME: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

/// Milliseconds since the board started.
#[must_use]
pub fn uptime() -> Instant {
    Instant(interrupt::free(|token| UPTIME.borrow(token).get()))
}

/// Starts the tick of one millisecond.
pub fn start_tick(mut timer: SYST) {
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(CLOCK / 1_000 - 1);
    timer.clear_current();
    timer.enable_interrupt();
    timer.enable_counter();
}

#[exception]
fn SysTick() {
    interrupt::free(|token| {
        let uptime = UPTIME.borrow(token);
        uptime.set(uptime.get() + 1);
    });
}

/// The board has no source of randomness; the host's stands in for one.
///
/// # Errors
/// The host's cannot be read.
pub fn fill_random(mut bytes: &mut [u8]) -> Result<(), KeyError> {
    let mut source = File::open(c"/dev/urandom").map_err(|_| KeyError)?;
    while !bytes.is_empty() {
        match source.read(bytes) {
            Ok(0) | Err(_) => return Err(KeyError),
            Ok(len) => bytes = bytes.get_mut(len..).unwrap_or_default(),
        }
    }
    Ok(())
}

/// UART0, without interrupts.
#[derive(Debug)]
pub struct Uart(());

/// Arm DDI 0479, "CMSDK APB UART": the registers, 32 bits each.
const UART0: *mut u32 = 0x4000_4000 as *mut u32;
const DATA: usize = 0;
const STATE: usize = 1;
const CONTROL: usize = 2;
const DIVIDER: usize = 4;
const STATE_TX_FULL: u32 = 1;
const STATE_RX_FULL: u32 = 2;
const CONTROL_TX_RX: u32 = 3;

impl Uart {
    /// Switches it on. Two of these would share its bytes, and do no other harm.
    #[must_use]
    pub fn start() -> Self {
        let uart = Self(());
        // Nothing hangs on the rate in an emulator; 16 is the least that is allowed.
        uart.write_register(DIVIDER, 16);
        uart.write_register(CONTROL, CONTROL_TX_RX);
        uart
    }

    /// The next byte that came in.
    pub fn read(&mut self) -> Option<u8> {
        let has_byte = self.register(STATE) & STATE_RX_FULL != 0;
        has_byte.then(|| self.register(DATA) as u8)
    }

    /// Waits until there is room, and sends a byte.
    pub fn write(&mut self, byte: u8) {
        while self.register(STATE) & STATE_TX_FULL != 0 {}
        self.write_register(DATA, byte.into());
    }

    #[allow(
        unsafe_code,
        reason = "a register of the board is reached by its address"
    )]
    fn register(&self, place: usize) -> u32 {
        // SAFETY: the four places in use are registers of UART0 on this board, aligned, and
        // reading them has no effect on memory.
        unsafe { ptr::read_volatile(UART0.add(place)) }
    }

    #[allow(
        unsafe_code,
        reason = "a register of the board is reached by its address"
    )]
    fn write_register(&self, place: usize, value: u32) {
        // SAFETY: as above; the UART has no access to memory.
        unsafe { ptr::write_volatile(UART0.add(place), value) }
    }
}
