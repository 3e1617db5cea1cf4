//! Calls as a program with a mistake makes them: each is refused, and nothing is touched.
#![allow(clippy::unwrap_used)]

#[path = "../../tests/support/mod.rs"]
mod support;

mod device;

use std::ptr;

use device::{Device, Memory, Settings};
use fleetgrant_agent_ffi::*;
use support::Flash;

const NO_KEY: fg_public_key = fg_public_key {
    x: [1; 32],
    y: [1; 32],
};

/// What a start with these settings, changed so, says.
fn started(change: impl FnOnce(&mut fg_config)) -> fg_status {
    let mut settings = Settings::new(&Flash::default());
    let mut config = settings.config();
    change(&mut config);
    let (mut memory, mut agent) = (Memory::new(), ptr::null_mut());
    // SAFETY: all lives through this function; what was changed is null or shorter than it was.
    let ended = unsafe {
        fg_agent_start(
            memory.place(),
            memory.len(),
            &raw const config,
            0,
            &raw mut agent,
        )
    };
    if ended == fg_status::Ok {
        // SAFETY: the handle of that start.
        assert_eq!(unsafe { fg_agent_end(agent) }, fg_status::Ok);
    } else {
        assert!(agent.is_null());
    }
    ended
}

#[test]
fn a_configuration_with_a_mistake_starts_nothing_and_says_which() {
    use fg_status as Status;
    assert_eq!(started(|_| {}), Status::Ok);
    assert_eq!(started(|c| c.device = ptr::null()), Status::DeviceId);
    assert_eq!(
        started(|c| c.device = c"not an id".as_ptr()),
        Status::DeviceId
    );
    assert_eq!(started(|c| c.realm = ptr::null()), Status::Realm);
    assert_eq!(started(|c| c.realm = c"".as_ptr()), Status::Realm);
    let long = [b'a'; 80];
    assert_eq!(started(|c| c.realm = long.as_ptr().cast()), Status::Realm);
    assert_eq!(
        started(|c| c.sw_name = long.as_ptr().cast()),
        Status::Platform
    );
    assert_eq!(
        started(|c| c.sw_name = ptr::null()),
        Status::Platform,
        "a version alone"
    );
    assert_eq!(started(|c| c.features = ptr::null()), Status::NullPointer);
    assert_eq!(started(|c| c.features_len = 33), Status::TooMany);
    assert_eq!(
        started(|c| c.features_len = usize::MAX),
        Status::NullPointer
    );
    let twice = [c"a".as_ptr(); 2];
    let features = |c: &mut fg_config| {
        c.features = twice.as_ptr();
        c.features_len = 2;
    };
    assert_eq!(started(features), Status::Features);
    let nulls = [ptr::null(); 1];
    let features = |c: &mut fg_config| {
        c.features = nulls.as_ptr();
        c.features_len = 1;
    };
    assert_eq!(started(features), Status::Features);
    assert_eq!(started(|c| c.oem_id.len = 4), Status::NullPointer);
    let oem = [1; 16];
    let four = fg_slice {
        data: oem.as_ptr(),
        len: 4,
    };
    assert_eq!(started(|c| c.oem_id = four), Status::Platform);
    assert_eq!(
        started(|c| c.hw_model = four),
        Status::Platform,
        "without a maker"
    );
    assert_eq!(
        started(|c| c.authority_keys = ptr::null()),
        Status::NullPointer
    );
    assert_eq!(
        started(|c| c.authority_keys = ptr::without_provenance(9)),
        Status::NullPointer
    );
    assert_eq!(started(|c| c.roots_len = 3), Status::NullPointer);
    let three = [NO_KEY; 3];
    let roots = |c: &mut fg_config| {
        c.roots = three.as_ptr();
        c.roots_len = 3;
    };
    assert_eq!(started(roots), Status::TooMany);
    assert_eq!(started(|c| c.storage.load = None), Status::Callback);
    assert_eq!(started(|c| c.storage.store = None), Status::Callback);
    assert_eq!(started(|c| c.keys.random = None), Status::Callback);
    assert_eq!(started(|c| c.keys.certificate = None), Status::Callback);
    assert_eq!(
        started(|c| c.keys.private_key = ptr::null()),
        Status::NullPointer
    );
    let zero = [0; 32];
    assert_eq!(
        started(|c| c.keys.private_key = zero.as_ptr()),
        Status::PrivateKey
    );
    assert_eq!(
        started(|c| c.request = ptr::null_mut()),
        Status::NullPointer
    );
    assert_eq!(started(|c| c.scratch = c.request), Status::Overlap);
}

#[test]
fn an_authority_key_without_validity_or_role_is_refused() {
    let key = fg_authority_key {
        key: NO_KEY,
        not_before: 1,
        not_after: 2,
        epoch: 1,
        role: 1,
    };
    for (key, ended) in [
        (key, fg_status::Ok),
        (fg_authority_key { role: 3, ..key }, fg_status::AuthorityKey),
        (
            fg_authority_key {
                not_after: 1,
                ..key
            },
            fg_status::AuthorityKey,
        ),
    ] {
        let change = |config: &mut fg_config| {
            config.authority_keys = &raw const key;
            config.authority_keys_len = 1;
        };
        assert_eq!(started(change), ended);
    }
}

#[test]
fn memory_that_is_null_small_or_misaligned_is_refused() {
    let mut settings = Settings::new(&Flash::default());
    let config = &raw const *settings.config_place();
    let (mut memory, mut agent) = (Memory::new(), ptr::null_mut());
    let (place, len, out) = (memory.place(), memory.len(), &raw mut agent);
    // SAFETY: what is refused is not followed; the rest lives through this function.
    unsafe {
        let null = fg_status::NullPointer;
        assert_eq!(fg_agent_start(ptr::null_mut(), len, config, 0, out), null);
        assert_eq!(fg_agent_start(place, len, ptr::null(), 0, out), null);
        assert_eq!(fg_agent_start(place, len, config, 0, ptr::null_mut()), null);
        let small = fg_agent_size() - 1;
        assert_eq!(
            fg_agent_start(place, small, config, 0, out),
            fg_status::Memory
        );
        let odd = place.wrapping_add(1);
        assert_eq!(
            fg_agent_start(odd, len - 1, config, 0, out),
            fg_status::Memory
        );
        // A handle where no agent was started.
        assert_eq!(fg_agent_resend(place.cast(), 0), fg_status::NotStarted);
    }
}

#[test]
fn every_call_refuses_null_and_what_has_ended() {
    let device = Device::start(&Flash::default());
    let agent = device.agent;
    let (mut event, mut transmit) = (fg_event::default(), fg_transmit::default());
    let (mut at, mut held, mut len) = (0, fg_held::default(), 0_usize);
    let mut buffer = [0; 16];
    let ask = fg_ask {
        reason: 0,
        wants: ptr::null(),
        wants_len: 0,
        code: ptr::null(),
        concerned: ptr::null(),
        concerned_len: 0,
    };
    let mut calls = |agent: *mut fg_agent| {
        let feature = c"bandwidth".as_ptr();
        let bytes = buffer.as_mut_ptr();
        // SAFETY: the handle is null, or of an agent that has ended; the rest lives.
        unsafe {
            [
                fg_agent_handle_message(agent, 3, bytes, 16, 0, ptr::null_mut()),
                fg_agent_handle_timeout(agent, 0),
                fg_agent_poll_timeout(agent, &raw mut at),
                fg_agent_poll_transmit(agent, bytes, 16, &raw mut transmit),
                fg_agent_poll_event(agent, &raw mut event),
                fg_agent_resend(agent, 0),
                fg_agent_ask(agent, &raw const ask, 0),
                fg_agent_withdraw(agent, 0),
                fg_agent_is_on(agent, feature, 0, ptr::null_mut()),
                fg_agent_use_one(agent, feature, 0, ptr::null_mut()),
                fg_agent_set_clock(agent, 0, 0),
                fg_agent_clock_floor(agent, 0, &raw mut at),
                fg_agent_held(agent, &raw mut held),
                fg_agent_export_request(agent, &raw const ask, bytes, 16, 0, &raw mut len),
                fg_agent_export_ack(agent, bytes, 16, 0, &raw mut len),
                fg_agent_rights(agent, bytes, 16, ptr::null_mut(), 0, &raw mut len),
            ]
        }
    };
    assert_eq!(calls(ptr::null_mut()), [fg_status::NullPointer; 16]);
    let odd = agent.cast::<u8>().wrapping_add(1).cast();
    assert_eq!(calls(odd), [fg_status::NullPointer; 16]);
    let ended = device.ended();
    assert_eq!(calls(ended.agent), [fg_status::NotStarted; 16]);
    // SAFETY: it has ended, and its memory is still there.
    assert_eq!(unsafe { fg_agent_end(ended.agent) }, fg_status::NotStarted);
    // SAFETY: null is refused.
    let ended = unsafe { fg_agent_end(ptr::null_mut()) };
    assert_eq!(ended, fg_status::NullPointer);
}

#[test]
fn outputs_and_inputs_that_lead_nowhere_are_refused_before_anything_is_done() {
    let mut device = Device::start(&Flash::default());
    let agent = device.agent;
    let null = fg_status::NullPointer;
    let bad = fg_ask {
        reason: 99,
        wants: ptr::null(),
        wants_len: 0,
        code: ptr::null(),
        concerned: ptr::null(),
        concerned_len: 0,
    };
    let wants = fg_ask {
        reason: 0,
        wants_len: 1,
        ..bad
    };
    let concerned = fg_ask {
        reason: 0,
        concerned_len: 1,
        ..bad
    };
    let want = fg_want {
        feature: ptr::null(),
        total: 1,
    };
    let unnamed = fg_ask {
        wants: &raw const want,
        ..wants
    };
    let (mut len, mut byte) = (0, 0);
    // SAFETY: what is refused is not followed.
    unsafe {
        assert_eq!(fg_agent_poll_timeout(agent, ptr::null_mut()), null);
        assert_eq!(fg_agent_poll_event(agent, ptr::null_mut()), null);
        assert_eq!(fg_agent_held(agent, ptr::null_mut()), null);
        assert_eq!(fg_agent_clock_floor(agent, 0, ptr::null_mut()), null);
        let none = ptr::null_mut();
        assert_eq!(fg_agent_poll_transmit(agent, &raw mut byte, 1, none), null);
        let mut transmit = fg_transmit::default();
        let place = &raw mut transmit;
        assert_eq!(fg_agent_poll_transmit(agent, none.cast(), 1, place), null);
        let message =
            |kind, bytes, len| fg_agent_handle_message(agent, kind, bytes, len, 0, ptr::null_mut());
        assert_eq!(message(3, ptr::null(), 1), null);
        assert_eq!(message(3, &raw const byte, usize::MAX), null);
        assert_eq!(message(9, &raw const byte, 1), fg_status::Number);
        assert_eq!(message(3, ptr::null(), 0), fg_status::MalformedTruncated);
        assert_eq!(fg_agent_ask(agent, ptr::null(), 0), null);
        assert_eq!(fg_agent_ask(agent, &raw const bad, 0), fg_status::Number);
        assert_eq!(fg_agent_ask(agent, &raw const wants, 0), null);
        assert_eq!(fg_agent_ask(agent, &raw const concerned, 0), null);
        assert_eq!(fg_agent_ask(agent, &raw const unnamed, 0), fg_status::Text);
        let nameless = fg_agent_is_on(agent, ptr::null(), 0, ptr::null_mut());
        assert_eq!(nameless, fg_status::Text);
        let none = ptr::null_mut();
        assert_eq!(fg_agent_export_ack(agent, &raw mut byte, 1, 0, none), null);
        let nowhere = &raw mut len;
        assert_eq!(
            fg_agent_export_ack(agent, ptr::null_mut(), 1, 0, nowhere),
            null
        );
        let list =
            |scratch, rights, len, count| fg_agent_rights(agent, scratch, 1, rights, len, count);
        let scratch = &raw mut byte;
        assert_eq!(list(ptr::null_mut(), ptr::null_mut(), 0, nowhere), null);
        assert_eq!(list(scratch, ptr::null_mut(), 1, nowhere), null);
        assert_eq!(
            list(scratch, ptr::dangling_mut(), usize::MAX, nowhere),
            null
        );
        assert_eq!(list(scratch, ptr::null_mut(), 0, ptr::null_mut()), null);
        let nothing = list(scratch, ptr::null_mut(), 0, nowhere);
        assert_eq!(nothing, fg_status::Nothing);
        let mut kind = 0;
        assert_eq!(fg_message_of_file(ptr::null(), 3, &raw mut kind), null);
        assert_eq!(
            fg_message_of_file(&raw const byte, 1, ptr::null_mut()),
            null
        );
        let no_message = fg_message_of_file(&raw const byte, 1, &raw mut kind);
        assert_eq!(no_message, fg_status::Nothing);
        assert!(fg_message_name(0).is_null());
    }
    // Nothing of that disturbed it.
    device.request();
    let refusals = device.events();
    assert!(
        refusals
            .iter()
            .all(|event| event.kind == fg_event_kind::Refused as u32)
    );
}

#[test]
fn a_buffer_that_is_too_small_loses_nothing_but_the_turn() {
    let mut device = Device::start(&Flash::default());
    device.handle_timeout();
    let (mut small, mut transmit) = ([0; 16], fg_transmit::default());
    let (place, agent) = (small.as_mut_ptr(), device.agent);
    // SAFETY: a handle, a buffer, and a place.
    let ended = unsafe { fg_agent_poll_transmit(agent, place, 16, &raw mut transmit) };
    assert_eq!(ended, fg_status::Nothing);
    let event = device.events().pop().unwrap();
    assert_eq!(event.kind, fg_event_kind::CannotAsk as u32);
    assert_eq!(event.reason, fg_status::BufferTooSmall as i32);
    // SAFETY: a handle.
    assert_eq!(unsafe { fg_agent_resend(agent, 0) }, fg_status::Ok);
    assert!(!device.sent().is_empty());
}

#[test]
fn a_callback_that_calls_the_agent_is_told_that_it_is_busy() {
    let device = Device::start(&Flash::default());
    device.call_back_from_storage();
    // SAFETY: a handle.
    let ended = unsafe { fg_agent_handle_timeout(device.agent, 1_000_000) };
    assert_eq!(ended, fg_status::Ok);
    assert_eq!(device.called_back(), Some(fg_status::Busy));
    // SAFETY: a handle.
    let ended = unsafe { fg_agent_resend(device.agent, 1_000_000) };
    assert_eq!(ended, fg_status::Ok);
}

#[test]
fn callbacks_that_lie_are_not_believed() {
    for lie in [device::Lie::MoreThanFits, device::Lie::Fails] {
        let mut settings = Settings::new(&Flash::default());
        settings.lie(lie);
        let config = settings.config();
        let (mut memory, mut agent) = (Memory::new(), ptr::null_mut());
        // SAFETY: all lives through this function.
        let ended = unsafe {
            fg_agent_start(
                memory.place(),
                memory.len(),
                &raw const config,
                0,
                &raw mut agent,
            )
        };
        assert_eq!(ended, fg_status::StorageRead);
    }
}
