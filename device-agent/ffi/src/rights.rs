//! The rights in force with all that the authority signed, the maker's own data among it.

use fleetgrant_agent::StorageError;

use crate::handle::{Inner, enter, fg_agent};
use crate::raw;
use crate::status::fg_status;
use crate::translate;
use crate::types::fg_right;

/// Writes the rights of the set in force to `rights`, and their number to `count`: for what the
/// agent does not keep in memory, like the maker's own data. The stored grant is read into `scratch`
/// and its signature checked anew, so call it when something was installed and after a start, and
/// keep what you need. Whether a right is on is for `fg_agent_is_on` to say.
///
/// `FG_STATUS_NOTHING`: no set is held. `FG_STATUS_TOO_MANY`: there are more than `rights_len`, as
/// `count` says; the first are written. `FG_STATUS_BUFFER_TOO_SMALL`: `scratch` is shorter than the
/// grant.
///
/// # Safety
/// `agent` is a handle; `scratch` leads to `scratch_len` bytes that are no part of the agent's
/// request buffer, `rights` to `rights_len` rights, `count` to a number. What was written leads into
/// the scratch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_rights(
    agent: *mut fg_agent,
    scratch: *mut u8,
    scratch_len: usize,
    rights: *mut fg_right,
    rights_len: usize,
    count: *mut usize,
) -> fg_status {
    // SAFETY: passed on.
    let Some(scratch) = (unsafe { raw::buffer(scratch, scratch_len) }) else {
        return fg_status::NullPointer;
    };
    if !raw::are_places(rights, rights_len) || !raw::is_place(count) {
        return fg_status::NullPointer;
    }
    let list = |agent: &mut Inner| {
        let grant = match agent.stored_grant(scratch) {
            Ok(Some(grant)) => grant,
            Ok(None) => return fg_status::Nothing,
            Err(StorageError::Full) => return fg_status::BufferTooSmall,
            Err(reason) => return reason.into(),
        };
        for (place, right) in grant.entitlements.iter().take(rights_len).enumerate() {
            // SAFETY: one of `rights_len` places, as was checked.
            let _ = unsafe { raw::put(rights.add(place), translate::right(&right)) };
        }
        // SAFETY: a place, as was checked.
        let _ = unsafe { raw::put(count, grant.entitlements.len()) };
        if grant.entitlements.len() <= rights_len {
            fg_status::Ok
        } else {
            fg_status::TooMany
        }
    };
    // SAFETY: passed on.
    unsafe { enter(agent, list) }
}
