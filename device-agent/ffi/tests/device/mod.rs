//! A device as C sees it: memory, a configuration, and callbacks on a storage of the tests.
#![allow(dead_code, unreachable_pub)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use fleetgrant_agent::{Record, Storage as _};
use fleetgrant_agent_ffi::*;
use fleetgrant_schemas::request::Reason;

use crate::support::*;

/// Memory as the library asks for it, and not a byte more, so that valgrind sees what goes past.
pub struct Memory {
    place: *mut u8,
    layout: Layout,
}

impl Memory {
    pub fn new() -> Self {
        let layout = Layout::from_size_align(fg_agent_size(), fg_agent_align()).unwrap();
        Self {
            // SAFETY: an agent has a size.
            place: unsafe { alloc_zeroed(layout) },
            layout,
        }
    }

    pub fn place(&mut self) -> *mut u8 {
        self.place
    }

    pub fn len(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this layout.
        unsafe { dealloc(self.place, self.layout) };
    }
}

/// What a storage does wrong.
#[derive(Clone, Copy)]
pub enum Lie {
    MoreThanFits,
    Fails,
}

/// What the callbacks work on.
struct World {
    flash: Flash,
    random: Random,
    lie: Option<Lie>,
    call_back: Option<*mut fg_agent>,
    called_back: Option<fg_status>,
}

/// A configuration and all that it leads to.
pub struct Settings {
    world: Box<World>,
    features: Vec<*const c_char>,
    authority: Vec<fg_authority_key>,
    request: Vec<u8>,
    scratch: Vec<u8>,
    config: Option<Box<fg_config>>,
}

static PRIVATE_KEY: [u8; 32] = [DEVICE_SEED; 32];
static NAMES: [&CStr; 4] = [c"bandwidth", c"decode", c"meter", c"prepaid"];

impl Settings {
    pub fn new(flash: &Flash) -> Self {
        let authority = [
            (AUTHORITY_SEED, fg_role::Grants),
            (NOTICES_SEED, fg_role::Notices),
        ];
        let authority = authority.map(|(seed, role)| {
            let known = authority_key(seed, 1);
            fg_authority_key {
                key: fg_public_key {
                    x: known.key.x,
                    y: known.key.y,
                },
                not_before: known.not_before,
                not_after: known.not_after,
                epoch: known.epoch,
                role: role as u32,
            }
        });
        Self {
            world: Box::new(World {
                flash: flash.clone(),
                random: random(1),
                lie: None,
                call_back: None,
                called_back: None,
            }),
            features: NAMES.iter().map(|name| name.as_ptr()).collect(),
            authority: authority.to_vec(),
            request: vec![0; 1_024],
            scratch: vec![0; 4_096],
            config: None,
        }
    }

    pub fn lie(&mut self, lie: Lie) {
        self.world.lie = Some(lie);
    }

    pub fn config(&mut self) -> fg_config {
        const EMPTY: fg_slice = fg_slice {
            data: ptr::null(),
            len: 0,
        };
        let user = (&raw mut *self.world).cast::<c_void>();
        fg_config {
            device: c"scope-4711".as_ptr(),
            realm: c"acme".as_ptr(),
            oem_pen: 0,
            oem_id: EMPTY,
            hw_model: EMPTY,
            sw_name: c"scope-fw".as_ptr(),
            sw_version: c"2.3.1".as_ptr(),
            sw_built: 1_767_139_200,
            features: self.features.as_ptr(),
            features_len: self.features.len(),
            authority_keys: self.authority.as_ptr(),
            authority_keys_len: self.authority.len(),
            roots: ptr::null(),
            roots_len: 0,
            min_key_set: 0,
            max_down: 4_096,
            request: self.request.as_mut_ptr(),
            request_len: self.request.len(),
            scratch: self.scratch.as_mut_ptr(),
            scratch_len: self.scratch.len(),
            storage: fg_storage {
                user,
                load: Some(load),
                store: Some(store),
            },
            keys: fg_keys {
                user,
                private_key: PRIVATE_KEY.as_ptr(),
                public_key: ptr::null(),
                certificate: Some(certificate),
                sign: None,
                verify: None,
                random: Some(fill_random),
            },
        }
    }

    pub fn config_place(&mut self) -> &fg_config {
        let config = self.config();
        self.config.insert(Box::new(config))
    }
}

/// An agent that is running.
pub struct Device {
    pub agent: *mut fg_agent,
    flash: Flash,
    settings: Settings,
    memory: Memory,
}

/// What is left of one that has ended.
pub struct Ended {
    pub agent: *mut fg_agent,
    _memory: Memory,
}

impl Device {
    pub fn start(flash: &Flash) -> Self {
        let mut settings = Settings::new(flash);
        let (config, mut memory) = (settings.config(), Memory::new());
        let (mut agent, place, len) = (ptr::null_mut(), memory.place(), memory.len());
        // SAFETY: all lives as long as the device.
        let ended = unsafe { fg_agent_start(place, len, &raw const config, 0, &raw mut agent) };
        assert_eq!(ended, fg_status::Ok);
        Self {
            agent,
            flash: flash.clone(),
            settings,
            memory,
        }
    }

    pub fn ended(self) -> Ended {
        // SAFETY: a handle.
        assert_eq!(unsafe { fg_agent_end(self.agent) }, fg_status::Ok);
        Ended {
            agent: self.agent,
            _memory: self.memory,
        }
    }

    pub fn restarted(self) -> Self {
        let flash = self.flash.clone();
        self.ended();
        Self::start(&flash)
    }

    pub fn handle_timeout(&mut self) {
        // SAFETY: a handle.
        let ended = unsafe { fg_agent_handle_timeout(self.agent, 0) };
        assert_eq!(ended, fg_status::Ok);
    }

    pub fn sent(&mut self) -> Vec<(u32, Vec<u8>)> {
        let (mut buffer, mut sent) = (vec![0; 2_048], Vec::new());
        loop {
            let mut transmit = fg_transmit::default();
            let (place, len) = (buffer.as_mut_ptr(), buffer.len());
            // SAFETY: a handle, a buffer and a place.
            match unsafe { fg_agent_poll_transmit(self.agent, place, len, &raw mut transmit) } {
                fg_status::Ok => sent.push((transmit.message, buffer[..transmit.len].to_vec())),
                ended => {
                    assert_eq!(ended, fg_status::Nothing);
                    return sent;
                }
            }
        }
    }

    /// The request that it sends when its time has come.
    pub fn request(&mut self) -> Vec<u8> {
        self.handle_timeout();
        let (message, bytes) = self.sent().pop().unwrap();
        assert_eq!(message, fg_message::Request as u32);
        bytes
    }

    pub fn events(&mut self) -> Vec<fg_event> {
        let mut events = Vec::new();
        loop {
            let mut event = fg_event::default();
            // SAFETY: a handle and a place.
            match unsafe { fg_agent_poll_event(self.agent, &raw mut event) } {
                fg_status::Ok => events.push(event),
                ended => {
                    assert_eq!(ended, fg_status::Nothing);
                    return events;
                }
            }
        }
    }

    pub fn take(&mut self, message: fg_message, bytes: &[u8]) -> Result<fg_taken, fg_status> {
        let mut taken = std::mem::MaybeUninit::<fg_taken>::uninit();
        let (place, len) = (bytes.as_ptr(), bytes.len());
        let (agent, out) = (self.agent, taken.as_mut_ptr());
        // SAFETY: a handle, bytes and a place.
        match unsafe { fg_agent_handle_message(agent, message as u32, place, len, 0, out) } {
            // SAFETY: it says that it was written.
            fg_status::Ok => Ok(unsafe { taken.assume_init() }),
            reason => Err(reason),
        }
    }

    /// Only whether it was taken.
    pub fn took(&mut self, message: fg_message, bytes: &[u8]) -> Result<(), fg_status> {
        self.take(message, bytes).map(drop)
    }

    pub fn is_on(&self, feature: &CStr) -> (fg_status, fg_feature) {
        let mut state = fg_feature::default();
        // SAFETY: a handle, a text and a place.
        let ended = unsafe { fg_agent_is_on(self.agent, feature.as_ptr(), 0, &raw mut state) };
        (ended, state)
    }

    pub fn use_one(&mut self, feature: &CStr) -> (fg_status, fg_feature) {
        let mut state = fg_feature::default();
        // SAFETY: a handle, a text and a place.
        let ended = unsafe { fg_agent_use_one(self.agent, feature.as_ptr(), 0, &raw mut state) };
        (ended, state)
    }

    pub fn held(&self) -> Option<fg_held> {
        let mut held = fg_held::default();
        // SAFETY: a handle and a place.
        match unsafe { fg_agent_held(self.agent, &raw mut held) } {
            fg_status::Ok => Some(held),
            ended => {
                assert_eq!(ended, fg_status::Nothing);
                None
            }
        }
    }

    /// The rights in force, read with so much scratch and room for so many; how many there are.
    pub fn rights(&self, scratch: &mut [u8], room: usize) -> (fg_status, Vec<fg_right>, usize) {
        let empty = fg_slice {
            data: ptr::null(),
            len: 0,
        };
        let unwritten = fg_right {
            feature: empty,
            vendor_data: empty,
            version_ceiling: empty,
            activation: [0; 16],
            model: 0,
            grace: 0,
            start: 0,
            end: 0,
            count: 0,
            build_ceiling: 0,
            ends_at_next_start: 0,
        };
        let (mut rights, mut count) = (vec![unwritten; room], 0);
        // SAFETY: a handle, a buffer, so many places, and one.
        let ended = unsafe {
            fg_agent_rights(
                self.agent,
                scratch.as_mut_ptr(),
                scratch.len(),
                rights.as_mut_ptr(),
                room,
                &raw mut count,
            )
        };
        rights.truncate(count);
        (ended, rights, count)
    }

    pub fn ask(
        &mut self,
        reason: Reason,
        wants: &[(&str, u32)],
        code: Option<&CStr>,
        concerned: &[[u8; 16]],
    ) -> fg_status {
        let names: Vec<_> = wants
            .iter()
            .map(|(name, _)| std::ffi::CString::new(*name).unwrap())
            .collect();
        let wants: Vec<_> = names
            .iter()
            .zip(wants)
            .map(|(name, (_, total))| fg_want {
                feature: name.as_ptr(),
                total: *total,
            })
            .collect();
        let ask = fg_ask {
            reason: reason.number().into(),
            wants: wants.as_ptr(),
            wants_len: wants.len(),
            code: code.map_or(ptr::null(), CStr::as_ptr),
            concerned: concerned.as_ptr(),
            concerned_len: concerned.len(),
        };
        // SAFETY: a handle and lists that live through the call.
        unsafe { fg_agent_ask(self.agent, &raw const ask, 0) }
    }

    fn world(&self) -> *mut World {
        (&raw const *self.settings.world).cast_mut()
    }

    pub fn call_back_from_storage(&self) {
        // SAFETY: no callback is running.
        unsafe { (*self.world()).call_back = Some(self.agent) };
    }

    pub fn called_back(&self) -> Option<fg_status> {
        // SAFETY: no callback is running.
        unsafe { (*self.world()).called_back }
    }
}

pub fn text(slice: &fg_slice) -> &str {
    // SAFETY: the library says that so many bytes are there.
    let bytes = unsafe { std::slice::from_raw_parts(slice.data, slice.len) };
    std::str::from_utf8(bytes).unwrap()
}

unsafe fn world<'a>(user: *mut c_void) -> &'a mut World {
    // SAFETY: the configuration leads there, and one callback runs at a time.
    unsafe { &mut *user.cast() }
}

unsafe extern "C" fn load(
    user: *mut c_void,
    record: u32,
    offset: usize,
    buffer: *mut u8,
    len: usize,
    loaded: *mut usize,
) -> i32 {
    // SAFETY: the agent hands these over.
    let (world, buffer) = unsafe { (world(user), std::slice::from_raw_parts_mut(buffer, len)) };
    let read = match world.lie {
        Some(Lie::MoreThanFits) => len + 1,
        Some(Lie::Fails) => return 1,
        None => world
            .flash
            .load(Record::ALL[record as usize], offset, buffer)
            .unwrap(),
    };
    // SAFETY: the agent hands it over.
    unsafe { loaded.write(read) };
    0
}

unsafe extern "C" fn store(
    user: *mut c_void,
    record: u32,
    parts: *const fg_slice,
    parts_len: usize,
) -> i32 {
    // SAFETY: the agent hands these over.
    let (world, parts) = unsafe { (world(user), std::slice::from_raw_parts(parts, parts_len)) };
    if let Some(agent) = world.call_back.take() {
        // SAFETY: a handle.
        world.called_back = Some(unsafe { fg_agent_resend(agent, 0) });
    }
    let parts: Vec<&[u8]> = parts
        .iter()
        .map(|part| {
            if part.len == 0 {
                return &[][..];
            }
            // SAFETY: the agent says that so many bytes are there.
            unsafe { std::slice::from_raw_parts(part.data, part.len) }
        })
        .collect();
    match world.flash.store(Record::ALL[record as usize], &parts) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

unsafe extern "C" fn certificate(_: *mut c_void, index: usize, out: *mut fg_slice) -> i32 {
    if index > 0 {
        return fg_status::Nothing as i32;
    }
    // SAFETY: the agent hands it over.
    unsafe {
        out.write(fg_slice {
            data: LEAF.as_ptr(),
            len: LEAF.len(),
        });
    }
    0
}

unsafe extern "C" fn fill_random(user: *mut c_void, buffer: *mut u8, len: usize) -> i32 {
    // SAFETY: the agent hands these over.
    let (world, buffer) = unsafe { (world(user), std::slice::from_raw_parts_mut(buffer, len)) };
    (world.random)(buffer).map_or(1, |()| 0)
}

/// The bytes of a slice that the library gave.
pub fn bytes(slice: &fg_slice) -> &[u8] {
    if slice.len == 0 {
        return &[];
    }
    // SAFETY: the library says that so many bytes are there.
    unsafe { std::slice::from_raw_parts(slice.data, slice.len) }
}
