//! What is asked, over the wire and in files.

use fleetgrant_agent::{Ask, AskError, Instant};
use fleetgrant_schemas::code::ActivationCode;
use fleetgrant_schemas::id::ActivationId;
use fleetgrant_schemas::limits;
use fleetgrant_schemas::request::Reason;

use crate::handle::{Inner, enter, fg_agent, tell};
use crate::raw;
use crate::status::fg_status;
use crate::types::fg_ask;

/// A code as it is typed: 25 characters, and room for hyphens and spaces.
const MAX_CODE: usize = 64;

/// Asks the authority. One request is outstanding at a time: a routine one gives way, another ask
/// does not (`FG_STATUS_OUTSTANDING`).
///
/// # Safety
/// `agent` is a handle; `ask` leads to one, and its lists are as its fields say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_ask(
    agent: *mut fg_agent,
    ask: *const fg_ask,
    now: u64,
) -> fg_status {
    let put = |agent: &mut Inner, ask: &Ask<'_>| ended(agent.ask(ask, Instant(now)));
    // SAFETY: passed on.
    unsafe { with_ask(agent, ask, put) }
}

/// Gives up what was asked, if it is not answered yet; another ask may follow.
///
/// # Safety
/// `agent` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_withdraw(agent: *mut fg_agent, now: u64) -> fg_status {
    // SAFETY: passed on.
    unsafe { tell(agent, |agent| agent.withdraw(Instant(now))) }
}

/// Writes a request for a file into `buffer`, and its length to `written`. The next one takes its
/// place.
///
/// # Safety
/// As for `fg_agent_ask`; `buffer` leads to `len` bytes and `written` to a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_export_request(
    agent: *mut fg_agent,
    ask: *const fg_ask,
    buffer: *mut u8,
    len: usize,
    now: u64,
    written: *mut usize,
) -> fg_status {
    // SAFETY: passed on.
    let Some(buffer) = (unsafe { raw::buffer(buffer, len) }) else {
        return fg_status::NullPointer;
    };
    if !raw::is_place(written) {
        return fg_status::NullPointer;
    }
    let export = |agent: &mut Inner, ask: &Ask<'_>| {
        let len = agent.export_request(ask, buffer, Instant(now));
        ended(len.map(|len| {
            // SAFETY: a place, as was checked.
            let _ = unsafe { raw::put(written, len) };
        }))
    };
    // SAFETY: passed on.
    unsafe { with_ask(agent, ask, export) }
}

/// Writes an acknowledgement of the set in force for a file into `buffer`, and its length to
/// `written`; `FG_STATUS_NOTHING`: no set is held.
///
/// # Safety
/// `agent` is a handle; `buffer` leads to `len` bytes and `written` to a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_export_ack(
    agent: *mut fg_agent,
    buffer: *mut u8,
    len: usize,
    now: u64,
    written: *mut usize,
) -> fg_status {
    // SAFETY: passed on.
    let Some(buffer) = (unsafe { raw::buffer(buffer, len) }) else {
        return fg_status::NullPointer;
    };
    if !raw::is_place(written) {
        return fg_status::NullPointer;
    }
    let export = |agent: &mut Inner| match agent.export_ack(buffer, Instant(now)) {
        Ok(Some(len)) => {
            // SAFETY: a place, as was checked.
            let _ = unsafe { raw::put(written, len) };
            fg_status::Ok
        }
        Ok(None) => fg_status::Nothing,
        Err(reason) => reason.into(),
    };
    // SAFETY: passed on.
    unsafe { enter(agent, export) }
}

fn ended(result: Result<(), AskError>) -> fg_status {
    result.map_or_else(fg_status::from, |()| fg_status::Ok)
}

/// # Safety
/// As for [`fg_agent_ask`].
unsafe fn with_ask(
    agent: *mut fg_agent,
    ask: *const fg_ask,
    act: impl FnOnce(&mut Inner, &Ask<'_>) -> fg_status,
) -> fg_status {
    // SAFETY: passed on.
    let Some(ask) = (unsafe { raw::reference(ask) }) else {
        return fg_status::NullPointer;
    };
    let Some(reason) = Reason::from_number(ask.reason.into()) else {
        return fg_status::Number;
    };
    // SAFETY: passed on.
    let wants = unsafe { raw::list(ask.wants, ask.wants_len) };
    // SAFETY: passed on.
    let concerned = unsafe { raw::list(ask.concerned, ask.concerned_len) };
    let (Some(wants), Some(concerned)) = (wants, concerned) else {
        return fg_status::NullPointer;
    };
    let mut features = [("", 0); limits::MAX_WANTS];
    let Some(features) = features.get_mut(..wants.len()) else {
        return fg_status::TooManyWants;
    };
    for (slot, want) in features.iter_mut().zip(wants) {
        // SAFETY: passed on.
        let Some(feature) = (unsafe { raw::text(want.feature, limits::MAX_FEATURE) }) else {
            return fg_status::Text;
        };
        *slot = (feature, want.total);
    }
    let mut activations = [ActivationId([0; 16]); limits::MAX_LISTED];
    let Some(activations) = activations.get_mut(..concerned.len()) else {
        return fg_status::TooMany;
    };
    for (slot, activation) in activations.iter_mut().zip(concerned) {
        *slot = ActivationId(*activation);
    }
    let mut code = None;
    if !ask.code.is_null() {
        // SAFETY: passed on.
        let typed = unsafe { raw::text(ask.code, MAX_CODE) };
        let Some(typed) = typed.and_then(|typed| typed.parse::<ActivationCode>().ok()) else {
            return fg_status::Code;
        };
        code = Some(typed);
    }
    let ask = Ask {
        reason,
        features,
        code,
        concerned: activations,
    };
    // SAFETY: passed on.
    unsafe { enter(agent, |agent| act(agent, &ask)) }
}
