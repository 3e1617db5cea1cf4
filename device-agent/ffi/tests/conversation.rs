//! A device in the words of C, and an authority: what comes in, what goes out, what is refused.
#![allow(clippy::unwrap_used)]

#[path = "../../tests/support/mod.rs"]
mod support;

mod device;

use std::ptr;

use device::{Device, bytes, text};
use fleetgrant_agent::Record;
use fleetgrant_agent_ffi::*;
use fleetgrant_schemas::entitlement::{EndEffect, Entitlement, Model};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::ActivationId;
use fleetgrant_schemas::notice::{Notice, NoticeCode};
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::{Denial, Want};
use support::*;

/// A grant that answers the device's request.
fn answer(device: &mut Device, generation: u64, rights: &[Entitlement<'_>]) -> Vec<u8> {
    let request = device.request();
    let grant = Grant {
        entitlements: Seq::new(rights),
        ..grant(generation, Some(nonce_of(&request)))
    };
    signed(AUTHORITY_SEED, &grant)
}

#[test]
fn it_asks_installs_acknowledges_and_holds_the_right_after_a_restart() {
    let mut device = Device::start(&Flash::default());
    assert!(device.held().is_none());
    assert_eq!(device.is_on(c"bandwidth").0, fg_status::FeatureOff);
    let bytes = answer(&mut device, 1, &[right(1, "bandwidth")]);
    let taken = device.take(fg_message::Grant, &bytes).unwrap();
    assert_eq!(taken.kind, fg_taken_kind::Installed as u32);
    assert_eq!(
        (taken.generation, taken.rights, taken.denials_len),
        (1, 1, 0)
    );
    let (ended, state) = device.is_on(c"bandwidth");
    assert_eq!(ended, fg_status::Ok);
    assert_eq!((state.until, state.remaining), (u64::MAX, u64::MAX));

    let events = device.events();
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    let expected = [fg_event_kind::Installed, fg_event_kind::FeatureChanged];
    assert_eq!(kinds, expected.map(|kind| kind as u32));
    assert_eq!((events[1].feature, events[1].on), (0, 1));
    let sent = device.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].0, fg_message::Ack as u32);
    assert_eq!(read_ack(&sent[0].1).held, held(1));

    let device = device.restarted();
    assert_eq!(device.held().unwrap().cti, [1; 16]);
    assert_eq!(device.is_on(c"bandwidth").0, fg_status::Ok);
}

#[test]
fn the_rights_in_force_can_be_read_with_the_makers_own_data() {
    let flash = Flash::default();
    let mut device = Device::start(&flash);
    let mut scratch = vec![0; 4_096];
    assert_eq!(device.rights(&mut scratch, 8).0, fg_status::Nothing);
    let mut all = Vec::new();
    for (place, model) in Model::ALL.iter().enumerate() {
        all.push(Entitlement {
            model: *model,
            ..right(10 + place as u8, "bandwidth")
        });
    }
    all[1] = Entitlement {
        version_ceiling: Some("3.x"),
        start: Some(EPOCH),
        end: Some(EPOCH + DAY),
        grace: Some(3_600),
        count: Some(9),
        vendor_data: Some(b"\x00\xfftier two"),
        build_ceiling: Some(EPOCH),
        end_effect: Some(EndEffect::NextBoot),
        ..all[1]
    };
    let answer = answer(&mut device, 1, &all);
    device.take(fg_message::Grant, &answer).unwrap();

    let mut device = device.restarted();
    let (ended, rights, count) = device.rights(&mut scratch, 8);
    assert_eq!((ended, count), (fg_status::Ok, all.len()));
    let [first, second, ..] = &rights[..] else {
        panic!("{rights:?}")
    };
    assert_eq!(text(&first.feature), "bandwidth");
    assert!(bytes(&first.vendor_data).is_empty() && bytes(&first.version_ceiling).is_empty());
    assert_eq!((first.start, first.end), (0, u64::MAX));
    assert_eq!((first.grace, first.count), (0, u64::MAX));
    assert_eq!(first.activation, [10; 16]);
    assert_eq!(bytes(&second.vendor_data), b"\x00\xfftier two");
    assert_eq!(text(&second.version_ceiling), "3.x");
    assert_eq!((second.start, second.end), (EPOCH, EPOCH + DAY));
    assert_eq!((second.grace, second.count), (3_600, 9));
    assert_eq!(first.build_ceiling, u64::MAX);
    assert_eq!(second.build_ceiling, EPOCH);
    assert_eq!(
        (first.ends_at_next_start, second.ends_at_next_start),
        (0, 1)
    );
    let models: Vec<_> = rights.iter().map(|right| right.model).collect();
    let numbers: Vec<_> = Model::ALL
        .iter()
        .map(|model| model.number().into())
        .collect();
    assert_eq!(models, numbers);
    assert_eq!(
        fg_model::Maintenance as u32,
        Model::Maintenance.number().into()
    );

    // Too little room is told, and nothing is written beyond it.
    let (ended, rights, count) = device.rights(&mut scratch, 2);
    assert_eq!(
        (ended, rights.len(), count),
        (fg_status::TooMany, 2, all.len())
    );
    assert_eq!(
        device.rights(&mut scratch[..100], 8).0,
        fg_status::BufferTooSmall
    );

    // What is in the flash is believed no more than at a start.
    let stored = flash.bytes(Record::Set).unwrap();
    let mut forged = stored.clone();
    *forged.iter_mut().rev().nth(100).unwrap() ^= 1;
    flash.put(Record::Set, forged);
    assert_eq!(device.rights(&mut scratch, 8).0, fg_status::StorageDamaged);
    flash.put(Record::Set, stored);
    let newer = signed(AUTHORITY_SEED, &grant(2, None));
    let older = flash.bytes(Record::Set).unwrap();
    device.take(fg_message::Grant, &newer).unwrap();
    assert_eq!(device.rights(&mut scratch, 8).2, 0);
    flash.put(Record::Set, older);
    assert_eq!(
        device.rights(&mut scratch, 8).0,
        fg_status::StorageDamaged,
        "another set"
    );
}

#[test]
fn what_is_old_or_forged_is_refused_with_its_reason() {
    let mut device = Device::start(&Flash::default());
    let old = answer(&mut device, 1, &[right(1, "bandwidth")]);
    device.take(fg_message::Grant, &old).unwrap();
    let new = signed(AUTHORITY_SEED, &grant(2, None));
    device.take(fg_message::Grant, &new).unwrap();
    device.events();
    let told = |told: fg_status| Err(told);
    assert_eq!(
        device.took(fg_message::Grant, &old),
        told(fg_status::Superseded)
    );
    assert_eq!(
        device.took(fg_message::Notice, &old),
        told(fg_status::OtherTopic)
    );
    let mut forged = new.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(
        device.took(fg_message::Grant, &forged),
        told(fg_status::BadSignature)
    );
    let cut = &new[..new.len() - 1];
    let truncated = told(fg_status::MalformedTruncated);
    assert_eq!(device.took(fg_message::Grant, cut), truncated);
    let reasons: Vec<_> = device.events().iter().map(|event| event.reason).collect();
    let expected = [
        fg_status::Superseded,
        fg_status::OtherTopic,
        fg_status::BadSignature,
        fg_status::MalformedTruncated,
    ];
    assert_eq!(reasons, expected.map(|reason| reason as i32));
    assert_eq!(device.held().unwrap().generation, 2);
}

#[test]
fn uses_are_counted_to_the_last_and_survive() {
    let mut device = Device::start(&Flash::default());
    let prepaid = Entitlement {
        model: Model::Counted,
        count: Some(2),
        ..right(1, "prepaid")
    };
    let bytes = answer(&mut device, 1, &[prepaid]);
    device.take(fg_message::Grant, &bytes).unwrap();
    assert_eq!(device.use_one(c"prepaid").0, fg_status::Ok);
    let mut device = device.restarted();
    let (ended, state) = device.use_one(c"prepaid");
    assert_eq!((ended, state.remaining), (fg_status::Ok, 0), "the last one");
    let (ended, state) = device.use_one(c"prepaid");
    assert_eq!(ended, fg_status::FeatureOff);
    assert_eq!(state.off, fg_off::UsedUp as u32);
    assert_eq!(device.is_on(c"prepaid").0, fg_status::FeatureOff);
}

#[test]
fn a_use_that_cannot_be_stored_is_not_allowed() {
    let flash = Flash::default();
    let mut device = Device::start(&flash);
    let metered = Entitlement {
        model: Model::Metered,
        ..right(1, "meter")
    };
    let bytes = answer(&mut device, 1, &[metered]);
    device.take(fg_message::Grant, &bytes).unwrap();
    flash.cut_at(Cut {
        at: 0,
        after: false,
    });
    assert_eq!(device.use_one(c"meter").0, fg_status::StorageWrite);
    flash.mend();
    assert_eq!(device.use_one(c"meter").0, fg_status::Ok);
}

#[test]
fn what_was_asked_is_what_goes_out_and_what_was_denied_comes_back() {
    let mut device = Device::start(&Flash::default());
    let boot = answer(&mut device, 1, &[right(1, "bandwidth")]);
    device.take(fg_message::Grant, &boot).unwrap();
    device.sent();
    let (wants, concerned) = ([("decode", 2)], [[1; 16]]);
    let asked = device.ask(Reason::Return, &wants, None, &concerned);
    assert_eq!(asked, fg_status::Ok);
    let again = device.ask(Reason::Upgrade, &[], None, &[]);
    assert_eq!(again, fg_status::Outstanding);
    let bytes = device.request();
    let request = read_request(&bytes);
    assert_eq!(request.reason, Reason::Return);
    let want = Want::Feature {
        feature: "decode",
        total: 2,
    };
    assert_eq!(request.wants.iter().collect::<Vec<_>>(), [want]);
    let ids: Vec<_> = request.concerned.iter().collect();
    assert_eq!(ids, [ActivationId([1; 16])]);

    let denials = [Denial {
        want,
        rule: "no-units-left",
        retry_after: Some(3_600),
    }];
    let denied = Grant {
        denials: Seq::new(&denials),
        ..grant(2, Some(request.nonce))
    };
    let denied = signed(AUTHORITY_SEED, &denied);
    let taken = device.take(fg_message::Grant, &denied).unwrap();
    assert_eq!(taken.denials_len, 1);
    assert_eq!(text(&taken.denials[0].feature), "decode");
    assert_eq!(text(&taken.denials[0].rule), "no-units-left");
    assert_eq!(taken.denials[0].retry_after, 3_600);
    assert_eq!(device.events().last().unwrap().on, 0, "bandwidth is gone");
}

#[test]
fn a_code_travels_as_its_proof() {
    let mut device = Device::start(&Flash::default());
    let bytes = answer(&mut device, 1, &[]);
    device.take(fg_message::Grant, &bytes).unwrap();
    let mistyped = device.ask(
        Reason::Upgrade,
        &[],
        Some(c"00000-00000-00000-00000-00001"),
        &[],
    );
    assert_eq!(mistyped, fg_status::Code);
    let typed = device.ask(
        Reason::Upgrade,
        &[],
        Some(c"00000-00000-00000-00000-00000"),
        &[],
    );
    assert_eq!(typed, fg_status::Ok);
    let bytes = device.request();
    let request = read_request(&bytes);
    let want = request.wants.iter().next().unwrap();
    assert!(matches!(want, Want::Code(claim) if claim.id.0 == [0; 5]));
}

#[test]
fn a_notice_says_what_it_says() {
    let mut device = Device::start(&Flash::default());
    let nonce = nonce_of(&device.request());
    let later = Notice {
        retry_after: Some(90),
        text: Some("maintenance"),
        ..notice(NoticeCode::RetryLater, Some(nonce))
    };
    let later = signed(NOTICES_SEED, &later);
    let taken = device.take(fg_message::Notice, &later).unwrap();
    assert_eq!(taken.notice, fg_notice::RetryLater as u32);
    assert_eq!((taken.retry_after, text(&taken.text)), (90, "maintenance"));
    let mut at = 0;
    let agent = device.agent;
    // SAFETY: a handle and a number.
    let ended = unsafe { fg_agent_poll_timeout(agent, &raw mut at) };
    assert_eq!(ended, fg_status::Ok);
    assert!(at >= 90_000, "{at}");
}

#[test]
fn files_go_out_and_come_back() {
    let mut device = Device::start(&Flash::default());
    let ask = fg_ask {
        reason: fg_reason::Boot as u32,
        wants: ptr::null(),
        wants_len: 0,
        code: ptr::null(),
        concerned: ptr::null(),
        concerned_len: 0,
    };
    let (mut buffer, mut written, agent) = ([0; 2_048], 0, device.agent);
    let (file, len) = (buffer.as_mut_ptr(), buffer.len());
    let place = &raw mut written;
    // SAFETY: a handle, an ask without lists, a buffer and a number.
    let ended = unsafe { fg_agent_export_request(agent, &raw const ask, file, len, 0, place) };
    assert_eq!(ended, fg_status::Ok);
    let nonce = nonce_of(&buffer[..written]);
    // SAFETY: as above.
    let ended = unsafe { fg_agent_export_ack(agent, file, len, 0, place) };
    assert_eq!(ended, fg_status::Nothing, "there is no set yet");

    let answer = signed(AUTHORITY_SEED, &grant(1, Some(nonce)));
    let mut message = 0;
    // SAFETY: the file's bytes and a number.
    let found = unsafe { fg_message_of_file(answer.as_ptr(), answer.len(), &raw mut message) };
    assert_eq!((found, message), (fg_status::Ok, fg_message::Grant as u32));
    device.take(fg_message::Grant, &answer).unwrap();
    // SAFETY: as above.
    let ended = unsafe { fg_agent_export_ack(agent, file, len, 0, place) };
    assert_eq!(ended, fg_status::Ok);
    assert_eq!(read_ack(&buffer[..written]).held, held(1));
}
