//! What a piece of code costs: the instructions it takes and the stack it reaches. Only under
//! `-icount shift=0`, where an instruction takes a nanosecond of the emulated time.

use core::ptr;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;

/// Instructions for each tick of the core's 25 MHz clock.
const INSTRUCTIONS_PER_TICK: u32 = 40;
const FULL: u32 = 0x00ff_ffff;
const PAINT: u32 = 0xc5c5_c5c5;
/// Words above the painted ones that the painting itself may need.
const OWN_WORDS: usize = 64;

/// What something took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Instructions, to within 40; at most 671 million.
    pub instructions: u32,
    /// Bytes of stack below the caller's.
    pub stack: u32,
}

/// Runs something and says what it took.
pub fn cost<T>(timer: &mut SYST, run: impl FnOnce() -> T) -> (T, Cost) {
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(FULL);
    timer.clear_current();
    timer.enable_counter();
    let from = paint();
    let begin = SYST::get_current();
    let done = run();
    let end = SYST::get_current();
    let lowest = lowest_used();
    let cost = Cost {
        // The timer counts down.
        instructions: (begin.wrapping_sub(end) & FULL) * INSTRUCTIONS_PER_TICK,
        stack: (from as usize).saturating_sub(lowest as usize) as u32,
    };
    (done, cost)
}

/// The end of the stack's memory: cortex-m-rt's linker script names it.
#[allow(unsafe_code, reason = "a symbol of the linker's is declared")]
fn bottom() -> *mut u32 {
    unsafe extern "C" {
        static mut _stack_end: u32;
    }
    &raw mut _stack_end
}

/// Paints the stack from its end to here; where here is.
#[inline(never)]
#[allow(unsafe_code, reason = "the stack is memory like any other")]
fn paint() -> *mut u32 {
    let here = cortex_m::register::msp::read() as *mut u32;
    let mut word = bottom();
    // SAFETY: between the end of the stack and the stack pointer nothing lives, but what this
    // function itself pushes, which the margin keeps clear of.
    unsafe {
        while word < here.sub(OWN_WORDS) {
            ptr::write_volatile(word, PAINT);
            word = word.add(1);
        }
    }
    here
}

/// The lowest word that was written since.
#[inline(never)]
#[allow(unsafe_code, reason = "the stack is memory like any other")]
fn lowest_used() -> *mut u32 {
    let mut word = bottom();
    // SAFETY: reads of the stack's memory, up to the words that are in use.
    unsafe {
        while ptr::read_volatile(word) == PAINT {
            word = word.add(1);
        }
    }
    word
}
