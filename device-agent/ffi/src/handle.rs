//! An agent in memory of the caller: how it comes there, how it is reached, how it ends.

use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use fleetgrant_agent::{Agent, Instant, Profile};

use crate::callbacks::{CallbackKeys, CallbackStorage};
use crate::profile::{self, Lists, RIGHTS};
use crate::raw;
use crate::status::fg_status;
use crate::types::fg_config;

/// The agent behind the handle. What it borrows from C lives as long as it does, by the header.
pub(crate) type Inner = Agent<'static, CallbackKeys, CallbackStorage, &'static mut [u8], RIGHTS>;

/// Says that an agent is in the memory.
const STARTED: u32 = 0x6667_6167;
const ENDED: u32 = 0;

/// An agent. It lives in the memory that `fg_agent_start` was given, and must not be moved.
///
/// The agent in it borrows the profile, and that the lists, so nothing here is ever borrowed as a
/// whole: each field is reached by a pointer of its own.
#[allow(non_camel_case_types, reason = "it is named as in C")]
pub struct fg_agent {
    started: u32,
    /// It is in a call, and what is called back must not come in again.
    is_busy: AtomicBool,
    lists: MaybeUninit<Lists>,
    profile: MaybeUninit<Profile<'static>>,
    agent: MaybeUninit<Inner>,
}

/// Bytes of memory that an agent takes.
#[unsafe(no_mangle)]
pub extern "C" fn fg_agent_size() -> usize {
    size_of::<fg_agent>()
}

/// What the address of its memory must be a multiple of.
#[unsafe(no_mangle)]
pub extern "C" fn fg_agent_align() -> usize {
    align_of::<fg_agent>()
}

/// Starts an agent in `memory` and writes its handle to `agent`. Call it once after each start of
/// the device: the rights that were stored are in force when it returns, and a request is due at
/// once. `now` is the uptime in milliseconds, here and everywhere; it never goes back.
///
/// If it fails there is no agent. An agent that is in the memory already must have been ended.
///
/// # Safety
/// `memory` leads to `memory_len` bytes that have been written at some time (zeros will do) and
/// that nobody else touches until the agent has ended. `config` and what it leads to are as its
/// fields say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_start(
    memory: *mut u8,
    memory_len: usize,
    config: *const fg_config,
    now: u64,
    agent: *mut *mut fg_agent,
) -> fg_status {
    // SAFETY: passed on.
    let Some(config) = (unsafe { raw::reference(config) }) else {
        return fg_status::NullPointer;
    };
    let place = memory.cast::<fg_agent>();
    if memory.is_null() || !raw::is_place(agent) {
        return fg_status::NullPointer;
    }
    if memory_len < size_of::<fg_agent>() || !raw::is_place(place) {
        return fg_status::Memory;
    }
    let memory = (memory.cast_const(), memory_len);
    let request = (config.request.cast_const(), config.request_len);
    let scratch = (config.scratch.cast_const(), config.scratch_len);
    let pairs = [(memory, request), (memory, scratch), (request, scratch)];
    if pairs.iter().any(|(a, b)| raw::overlap(*a, *b)) {
        return fg_status::Overlap;
    }
    // SAFETY: the memory is large enough, aligned and the agent's alone; the rest is passed on.
    match unsafe { start_at(place, config, Instant(now)) } {
        Ok(()) => {
            // SAFETY: it was found to be a place.
            let _ = unsafe { raw::put(agent, place) };
            fg_status::Ok
        }
        Err(reason) => reason,
    }
}

/// # Safety
/// `place` is memory of an [`fg_agent`] that nobody else touches until it has ended; the rest as
/// for [`fg_agent_start`].
unsafe fn start_at(
    place: *mut fg_agent,
    config: &fg_config,
    now: Instant,
) -> Result<(), fg_status> {
    // SAFETY: the place is ours. Callbacks during the start find no agent.
    unsafe { (&raw mut (*place).started).write(ENDED) };
    // SAFETY: passed on.
    let lists = unsafe { Lists::read(config) }?;
    // SAFETY: the place is ours.
    let slot = unsafe { &mut (*place).lists };
    slot.write(lists);
    // SAFETY: just written, and not changed while the agent that borrows it lives.
    let lists: &'static Lists = unsafe { &*(&raw const (*place).lists).cast() };
    // SAFETY: passed on.
    let profile = unsafe { profile::read(config, lists) }?;
    // SAFETY: the place is ours.
    let slot = unsafe { &mut (*place).profile };
    slot.write(profile);
    // SAFETY: as for the lists.
    let profile: &'static Profile<'static> = unsafe { &*(&raw const (*place).profile).cast() };
    // SAFETY: passed on.
    let storage = unsafe { CallbackStorage::new(&config.storage) }.ok_or(fg_status::Callback)?;
    // SAFETY: passed on.
    let keys = unsafe { CallbackKeys::new(&config.keys) }?;
    // SAFETY: passed on; it overlaps neither the memory nor the scratch.
    let request = unsafe { raw::buffer(config.request, config.request_len) };
    // SAFETY: as above.
    let scratch = unsafe { raw::buffer(config.scratch, config.scratch_len) };
    let (Some(request), Some(scratch)) = (request, scratch) else {
        return Err(fg_status::NullPointer);
    };
    let started = Inner::start(profile, keys, storage, request, scratch, now)?;
    // SAFETY: the place is ours.
    let slot = unsafe { &mut (*place).agent };
    slot.write(started);
    // SAFETY: the place is ours.
    unsafe { (&raw mut (*place).is_busy).write(AtomicBool::new(false)) };
    // SAFETY: the place is ours. From here on the handle is good.
    unsafe { (&raw mut (*place).started).write(STARTED) };
    Ok(())
}

/// Ends an agent; what it has stored stays. Its memory may be used for something else.
///
/// # Safety
/// `agent` is a handle of `fg_agent_start`, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fg_agent_end(agent: *mut fg_agent) -> fg_status {
    // SAFETY: passed on.
    let ended = unsafe { enter(agent, |_| fg_status::Ok) };
    if ended == fg_status::Ok {
        // SAFETY: there is an agent, and nobody is in it.
        unsafe { (&raw mut (*agent).started).write(ENDED) };
        // SAFETY: it was written by the start, and is not reached again.
        unsafe { ptr::drop_in_place((&raw mut (*agent).agent).cast::<Inner>()) };
    }
    ended
}

/// Does something with the agent, unless it is in a call already.
///
/// # Safety
/// `agent` is a handle of `fg_agent_start`, or null, and no other thread uses it.
pub(crate) unsafe fn enter(
    agent: *mut fg_agent,
    act: impl FnOnce(&mut Inner) -> fg_status,
) -> fg_status {
    if !raw::is_place(agent) {
        return fg_status::NullPointer;
    }
    // SAFETY: it is no null and aligned; that an agent is or was there is the caller's.
    let started = unsafe { (&raw const (*agent).started).read() };
    if started != STARTED {
        return fg_status::NotStarted;
    }
    // SAFETY: there is an agent.
    let is_busy = unsafe { &(*agent).is_busy };
    // Loads and stores only: the smallest cores have no swap.
    if is_busy.load(Ordering::Acquire) {
        return fg_status::Busy;
    }
    is_busy.store(true, Ordering::Release);
    // SAFETY: there is an agent; nobody else is in it, as was just checked and as the caller says.
    let inner = unsafe { &mut *(&raw mut (*agent).agent).cast::<Inner>() };
    let ended = act(inner);
    is_busy.store(false, Ordering::Release);
    ended
}

/// Writes what the agent gives to a place.
///
/// # Safety
/// `agent` as for [`enter`], `place` as for [`raw::put`].
pub(crate) unsafe fn give<T>(
    agent: *mut fg_agent,
    place: *mut T,
    of: impl FnOnce(&mut Inner) -> Option<T>,
) -> fg_status {
    if !raw::is_place(place) {
        return fg_status::NullPointer;
    }
    let write = |agent: &mut Inner| match of(agent) {
        Some(value) => {
            // SAFETY: a place, as was checked.
            let _ = unsafe { raw::put(place, value) };
            fg_status::Ok
        }
        None => fg_status::Nothing,
    };
    // SAFETY: passed on.
    unsafe { enter(agent, write) }
}

/// For calls that cannot fail once they are in.
///
/// # Safety
/// As for [`enter`].
pub(crate) unsafe fn tell(agent: *mut fg_agent, act: impl FnOnce(&mut Inner)) -> fg_status {
    let act = |agent: &mut Inner| {
        act(agent);
        fg_status::Ok
    };
    // SAFETY: passed on.
    unsafe { enter(agent, act) }
}
