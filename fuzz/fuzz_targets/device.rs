//! A device in the hands of a hostile authority, broker and owner: messages whose signatures are
//! all good, time that jumps, power that fails. Nothing panics, and the set in force never goes
//! back.
#![no_main]

use fleetgrant_agent::{Ask, Instant};
use fleetgrant_fuzz::device::{Device, FEATURES, Records, Vectors, profile, start};
use fleetgrant_schemas::envelope::{Draft, Signer};
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::topic::MessageType;

const DOWN: [MessageType; 3] = [MessageType::Grant, MessageType::Notice, MessageType::Keys];

fn order(agent: &Device<'_>) -> (u32, u64) {
    agent
        .held()
        .map_or((0, 0), |held| (held.epoch, held.generation))
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let vectors = Vectors::get();
    let keys = vectors.authority_keys();
    let profile = profile(vectors, &keys);
    let records = Records::default();
    let Some(mut agent) = start(&profile, vectors, &records, 0) else {
        panic!("a blank device starts")
    };
    let kid = vectors.authority.thumbprint().key_id();
    let (mut now, mut rest, mut buffer) = (0_u64, bytes, vec![0; 12_000]);
    // what to do (1), a number (2), and for messages so many bytes
    while let Some(([what, high, low], more)) = rest.split_first_chunk() {
        rest = more;
        let number = u16::from_be_bytes([*high, *low]);
        let before = order(&agent);
        match what % 10 {
            0..=2 => {
                let (message, next) = rest.split_at(usize::from(number).min(rest.len()));
                rest = next;
                let kind = DOWN[usize::from(what % 10)];
                let _ = agent.handle_message(message, kind, Instant(now));
            }
            3 => {
                // A payload in the envelope that the authority would put it in.
                let (payload, next) = rest.split_at(usize::from(number).min(rest.len()));
                rest = next;
                let kind = DOWN[usize::from(what / 10) % 3];
                let mut message = [0; 4_096];
                let draft = Draft::of_payload(&mut message, kind, &Signer::Key(kid), payload);
                if let Ok(draft) = draft {
                    let _ = agent.handle_message(draft.finish(&[7; 64]), kind, Instant(now));
                }
            }
            4 => {
                now += u64::from(number) << (what / 10);
                agent.handle_timeout(Instant(now));
            }
            5 => agent.set_clock(u64::from(number) << (what / 10 * 2), Instant(now)),
            6 => {
                let feature = FEATURES[usize::from(number) % FEATURES.len()];
                let _ = agent.use_one(feature, Instant(now));
                let _ = agent.is_on(feature, Instant(now));
            }
            7 => {
                let feature = FEATURES[usize::from(number) % FEATURES.len()];
                let ask = Ask {
                    features: &[(feature, u32::from(number))],
                    ..Ask::for_what_is_owed(Reason::Upgrade)
                };
                let _ = agent.ask(&ask, Instant(now));
                let _ = agent.export_request(&ask, &mut buffer, Instant(now));
                let _ = agent.export_ack(&mut buffer, Instant(now));
                agent.withdraw(Instant(now));
            }
            8 => {
                agent.resend(Instant(now));
                while agent.poll_transmit(&mut buffer).is_some() {}
                let _ = agent.poll_timeout();
            }
            _ => {
                drop(agent);
                now = 0;
                agent = match start(&profile, vectors, &records, now) {
                    Some(agent) => agent,
                    None => panic!("it starts with what it stored"),
                };
            }
        }
        while agent.poll_event().is_some() {}
        assert!(
            order(&agent) >= before,
            "{before:?} went back to {:?}",
            order(&agent)
        );
    }
});
