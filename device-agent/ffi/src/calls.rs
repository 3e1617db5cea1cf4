//! Messages, times and events. Like every call, each checks what it is given, enters the agent, and
//! writes what comes out; an output that cannot be written to is refused before anything is done.

use core::ffi::c_char;

use fleetgrant_agent::Instant;
use fleetgrant_schemas::topic::MessageType;

use crate::handle::{Inner, enter, fg_agent, give, tell};
use crate::raw;
use crate::status::fg_status;
use crate::translate;
use crate::types::{fg_event, fg_held, fg_taken, fg_transmit};

/// Takes a message from the authority. Call it for every message that comes in on one of the
/// device's own topics, with the type that the topic names, or with a file and the type that
/// `fg_message_of_file` gives. What it says is written to `taken`, unless that is null; the texts
/// there lead into `bytes`. A message that is refused changes nothing, and is an event too.
///
/// # Safety
/// `agent` is a handle; `bytes` leads to `len` bytes; `taken` is null or leads to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_handle_message(
    agent: *mut fg_agent,
    message: u32,
    bytes: *const u8,
    len: usize,
    now: u64,
    taken: *mut fg_taken,
) -> fg_status {
    let Some(message) = translate::message_type(message) else {
        return fg_status::Number;
    };
    // SAFETY: passed on.
    let Some(bytes) = (unsafe { raw::list(bytes, len) }) else {
        return fg_status::NullPointer;
    };
    if !taken.is_null() && !raw::is_place(taken) {
        return fg_status::NullPointer;
    }
    let handle = |agent: &mut Inner| match agent.handle_message(bytes, message, Instant(now)) {
        Ok(told) => {
            // SAFETY: null, or a place as was checked.
            let _ = unsafe { raw::put(taken, translate::taken(&told)) };
            fg_status::Ok
        }
        Err(reason) => reason.into(),
    };
    // SAFETY: passed on.
    unsafe { enter(agent, handle) }
}

/// Does what is due. Call it at the time `fg_agent_poll_timeout` gave; earlier does no harm.
///
/// # Safety
/// `agent` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_handle_timeout(agent: *mut fg_agent, now: u64) -> fg_status {
    // SAFETY: passed on.
    unsafe { tell(agent, |agent| agent.handle_timeout(Instant(now))) }
}

/// Writes to `at` when to call `fg_agent_handle_timeout` next; `FG_STATUS_NOTHING`: never.
///
/// # Safety
/// `agent` is a handle; `at` leads to a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_poll_timeout(agent: *mut fg_agent, at: *mut u64) -> fg_status {
    // SAFETY: passed on.
    unsafe { give(agent, at, |agent| agent.poll_timeout().map(|at| at.0)) }
}

/// Writes the next message to publish into `buffer`, and its type and length to `transmit`. Call
/// it until it says `FG_STATUS_NOTHING`, while there is a connection: what it gives counts as sent.
///
/// The buffer must be as long as the request's, and at least 512 bytes and 50 for each right; to
/// show the grant to a gateway that asks for it, it takes twice the grant more.
///
/// # Safety
/// `agent` is a handle; `buffer` leads to `len` bytes that are no part of the agent's request
/// buffer; `transmit` leads to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_poll_transmit(
    agent: *mut fg_agent,
    buffer: *mut u8,
    len: usize,
    transmit: *mut fg_transmit,
) -> fg_status {
    // SAFETY: passed on.
    let Some(buffer) = (unsafe { raw::buffer(buffer, len) }) else {
        return fg_status::NullPointer;
    };
    let poll = |agent: &mut Inner| {
        agent.poll_transmit(buffer).map(|sent| fg_transmit {
            message: translate::message_number(sent.message),
            len: sent.len,
        })
    };
    // SAFETY: passed on.
    unsafe { give(agent, transmit, poll) }
}

/// Writes the next thing that happened to `event`. Call it until it says `FG_STATUS_NOTHING`; the
/// newest six are kept.
///
/// # Safety
/// `agent` is a handle; `event` leads to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_poll_event(
    agent: *mut fg_agent,
    event: *mut fg_event,
) -> fg_status {
    let poll = |agent: &mut Inner| agent.poll_event().map(|event| translate::event(&event));
    // SAFETY: passed on.
    unsafe { give(agent, event, poll) }
}

/// Sends what is outstanding at once, unless the gateway said when. Call it when a connection is
/// there (again).
///
/// # Safety
/// `agent` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_resend(agent: *mut fg_agent, now: u64) -> fg_status {
    // SAFETY: passed on.
    unsafe { tell(agent, |agent| agent.resend(Instant(now))) }
}

/// Tells the agent of a wall clock, in seconds since 1970. It can only add. Call it when a clock
/// was set, and now and then.
///
/// # Safety
/// `agent` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_set_clock(
    agent: *mut fg_agent,
    unix_secs: u64,
    now: u64,
) -> fg_status {
    // SAFETY: passed on.
    unsafe { tell(agent, |agent| agent.set_clock(unix_secs, Instant(now))) }
}

/// Writes to `unix_secs` the time that the true time is not below, in seconds since 1970.
///
/// # Safety
/// `agent` is a handle; `unix_secs` leads to a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_clock_floor(
    agent: *mut fg_agent,
    now: u64,
    unix_secs: *mut u64,
) -> fg_status {
    let read = |agent: &mut Inner| Some(agent.clock_floor(Instant(now)));
    // SAFETY: passed on.
    unsafe { give(agent, unix_secs, read) }
}

/// Writes to `held` which set is in force; `FG_STATUS_NOTHING`: none.
///
/// # Safety
/// `agent` is a handle; `held` leads to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_held(agent: *mut fg_agent, held: *mut fg_held) -> fg_status {
    let read = |agent: &mut Inner| {
        agent.held().map(|held| fg_held {
            epoch: held.epoch,
            generation: held.generation,
            cti: held.cti.0,
        })
    };
    // SAFETY: passed on.
    unsafe { give(agent, held, read) }
}

/// Writes to `message` the type of a message that came in a file; `FG_STATUS_NOTHING`: it is none.
///
/// # Safety
/// `bytes` leads to `len` bytes; `message` leads to a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_message_of_file(
    bytes: *const u8,
    len: usize,
    message: *mut u32,
) -> fg_status {
    // SAFETY: passed on.
    let Some(bytes) = (unsafe { raw::list(bytes, len) }) else {
        return fg_status::NullPointer;
    };
    if !raw::is_place(message) {
        return fg_status::NullPointer;
    }
    let Some(found) = Inner::file_type(bytes) else {
        return fg_status::Nothing;
    };
    // SAFETY: a place, as was checked.
    let _ = unsafe { raw::put(message, translate::message_number(found)) };
    fg_status::Ok
}

/// The last level of the topic of a message: it stays for ever and ends with a zero byte. Null for
/// a number that is none of `fg_message`.
#[unsafe(no_mangle)]
pub extern "C" fn fg_message_name(message: u32) -> *const c_char {
    let name = match translate::message_type(message) {
        Some(MessageType::Request) => c"request",
        Some(MessageType::Ack) => c"ack",
        Some(MessageType::Grant) => c"grant",
        Some(MessageType::Notice) => c"notice",
        Some(MessageType::Keys) => c"keys",
        None => return core::ptr::null(),
    };
    name.as_ptr()
}
