//! Whether a feature may be used.

use core::ffi::c_char;

use fleetgrant_agent::{Instant, Off, Status, UseError};
use fleetgrant_schemas::limits;

use crate::handle::{Inner, enter, fg_agent};
use crate::raw;
use crate::status::fg_status;
use crate::translate;
use crate::types::fg_feature;

/// Whether a feature is on: `FG_STATUS_OK` means that it may be used, anything else that it may
/// not. Cheap: no parsing, no storage. `state` is null, or gets the whole of it.
///
/// # Safety
/// `agent` is a handle; `feature` is a text that ends with a zero byte; `state` is null or leads to
/// one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_is_on(
    agent: *mut fg_agent,
    feature: *const c_char,
    now: u64,
    state: *mut fg_feature,
) -> fg_status {
    let look = |agent: &mut Inner, feature: &str| {
        let status = agent.is_on(feature, Instant(now));
        Ok((status, status.is_on()))
    };
    // SAFETY: passed on.
    unsafe { with_feature(agent, feature, state, look) }
}

/// Counts one use of a feature: `FG_STATUS_OK` means that it was counted and may be used. The new
/// total is stored before this returns. `state` is null, or gets how the feature stands then.
///
/// # Safety
/// As for `fg_agent_is_on`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_use_one(
    agent: *mut fg_agent,
    feature: *const c_char,
    now: u64,
    state: *mut fg_feature,
) -> fg_status {
    let count = |agent: &mut Inner, feature: &str| {
        // Counted is counted, even if it was the last one.
        let status = agent.use_one(feature, Instant(now))?;
        Ok((status, true))
    };
    // SAFETY: passed on.
    unsafe { with_feature(agent, feature, state, count) }
}

/// # Safety
/// As for [`fg_agent_is_on`].
unsafe fn with_feature(
    agent: *mut fg_agent,
    feature: *const c_char,
    state: *mut fg_feature,
    act: impl FnOnce(&mut Inner, &str) -> Result<(Status, bool), UseError>,
) -> fg_status {
    // SAFETY: passed on.
    let Some(feature) = (unsafe { raw::text(feature, limits::MAX_FEATURE) }) else {
        return fg_status::Text;
    };
    if !state.is_null() && !raw::is_place(state) {
        return fg_status::NullPointer;
    }
    let look = |agent: &mut Inner| {
        let (status, ended) = match act(agent, feature) {
            Ok((status, true)) => (status, fg_status::Ok),
            Ok((status, false)) => (status, fg_status::FeatureOff),
            Err(UseError::Off(off)) => (Status::Off(off), fg_status::FeatureOff),
            // What is not counted must not be used.
            Err(UseError::Storage(reason)) => (Status::Off(Off::NotGranted), reason.into()),
        };
        // SAFETY: null, or a place as was checked.
        let _ = unsafe { raw::put(state, translate::feature(&status)) };
        ended
    };
    // SAFETY: passed on.
    unsafe { enter(agent, look) }
}
