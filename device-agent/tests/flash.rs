//! Records in flash: whatever word or erasure the power fails in, each record is the old one or
//! the new one; and how long the flash lasts.
#![cfg(feature = "flash")]
#![allow(clippy::unwrap_used)]

mod support;

use fleetgrant_agent::flash::{FlashStorage, InvalidRange};
use fleetgrant_agent::software::SoftwareKeys;
use fleetgrant_agent::{Agent, Event, Instant, Record, Storage, StorageError};
use fleetgrant_schemas::entitlement::{Entitlement, Model};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::ActivationId;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;
use support::nor::{Got, Nor, PowerCut};
use support::*;

/// Small pages, so that they fill and move in a short test.
const SMALL: usize = 256;
const PAGES: usize = 3;

type Small = FlashStorage<Nor<SMALL>, Vec<u8>>;

fn open(nor: &Nor<SMALL>) -> Small {
    FlashStorage::new(nor.clone(), 0..(PAGES * SMALL) as u32, vec![0; SMALL]).unwrap()
}

fn load(storage: &mut impl Storage, record: Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        // In pieces, as the agent does.
        let mut piece = [0; 64];
        let len = storage.load(record, bytes.len(), &mut piece).unwrap();
        if len == 0 {
            return bytes;
        }
        bytes.extend(&piece[..len]);
    }
}

/// What is stored, in order: the small record often, the others now and then, as a device does.
fn history() -> Vec<(Record, Vec<u8>)> {
    (0..24_u8)
        .map(|step| match step % 10 {
            3 => (Record::Set, vec![step; 90 + usize::from(step)]),
            6 => (Record::Keys, vec![step; 50]),
            9 => (Record::Usage, vec![step; 24]),
            _ => (Record::State, vec![step; 30]),
        })
        .collect()
}

/// Stores the history from `step` on; the step that failed.
fn store(nor: &Nor<SMALL>, history: &[(Record, Vec<u8>)], from: usize) -> Option<usize> {
    let mut storage = open(nor);
    for (step, (record, bytes)) in history.iter().enumerate().skip(from) {
        let (head, rest) = bytes.split_at(1);
        if storage.store(*record, &[head, &[], rest]).is_err() {
            return Some(step);
        }
    }
    None
}

/// The newest of each record after so many steps.
fn expected(history: &[(Record, Vec<u8>)], steps: usize, record: Record) -> Vec<u8> {
    let before = history[..steps].iter().rev();
    let newest = before.into_iter().find(|(other, _)| *other == record);
    newest.map(|(_, bytes)| bytes.clone()).unwrap_or_default()
}

#[test]
fn at_every_word_and_erasure_each_record_is_the_old_one_or_the_new_one() {
    let history = history();
    let whole = Nor::new(PAGES);
    assert_eq!(store(&whole, &history, 0), None);
    let operations = whole.operations();
    let erasures: usize = whole.erasures().iter().sum();
    assert!(erasures >= PAGES, "pages were used again: {erasures}");

    let (mut old, mut new, mut lost) = (0, 0, 0);
    for at in 0..operations {
        for got in Got::ALL {
            let cut = PowerCut { at, got };
            let nor = Nor::new(PAGES);
            nor.cut_at(cut);
            let failed = store(&nor, &history, 0).expect("the power failed");
            nor.mend();
            let mut storage = open(&nor);
            for record in Record::ALL {
                let found = load(&mut storage, *record);
                let before = expected(&history, failed, *record);
                let after = expected(&history, failed + 1, *record);
                // Of a page whose erasure was cut the log may take its new copy for the incomplete
                // one, and lose what moved; never does an older record come back.
                let is_lost = found.is_empty() && nor.is_page_undefined();
                lost += usize::from(is_lost && !before.is_empty());
                assert!(
                    found == before || found == after || is_lost,
                    "{cut:?}: {record:?} is neither after step {failed}"
                );
                if before != after {
                    old += usize::from(found == before);
                    new += usize::from(found == after);
                }
            }
            if at % 7 > 0 {
                continue;
            }
            // It goes on where it was, to the end.
            drop(storage);
            assert_eq!(store(&nor, &history, failed), None, "{cut:?}");
            let mut storage = open(&nor);
            for record in Record::ALL {
                let last = expected(&history, history.len(), *record);
                assert_eq!(load(&mut storage, *record), last, "{cut:?}");
            }
        }
    }
    println!(
        "{operations} words and erasures, {erasures} erasures: {old} old, {new} new, {lost} lost"
    );
    assert!(old > 0 && new > 0);
}

#[test]
fn a_second_failure_during_the_repair_loses_nothing_either() {
    let history = history();
    let whole = Nor::new(PAGES);
    store(&whole, &history, 0);
    for at in (0..whole.operations()).step_by(19) {
        let nor = Nor::new(PAGES);
        nor.cut_at(PowerCut {
            at,
            got: Got::Halfway,
        });
        let failed = store(&nor, &history, 0).unwrap();
        for again in 0..24 {
            let nor = nor.copy();
            nor.mend();
            nor.cut_at(PowerCut {
                at: again,
                got: Got::Halfway,
            });
            let failed_again = store(&nor, &history, failed).unwrap_or(history.len() - 1);
            nor.mend();
            let mut storage = open(&nor);
            for record in Record::ALL {
                let found = load(&mut storage, *record);
                let fits = [failed_again, failed_again + 1]
                    .iter()
                    .any(|steps| found == expected(&history, *steps, *record));
                assert!(fits, "{record:?} after {at} and {again}");
            }
        }
    }
}

#[test]
fn a_record_that_does_not_fit_is_refused_and_the_old_one_stays() {
    let nor = Nor::new(PAGES);
    let mut storage = open(&nor);
    storage.store(Record::Set, &[b"old"]).unwrap();
    let large = vec![1; SMALL];
    let refused = storage.store(Record::Set, &[&large]);
    assert_eq!(refused, Err(StorageError::Full));
    assert_eq!(load(&mut storage, Record::Set), b"old");
    // A buffer that is too short for what it is to hold.
    let mut storage = FlashStorage::new(nor, 0..(PAGES * SMALL) as u32, vec![0; 64]).unwrap();
    let refused = storage.store(Record::Set, &[&large[..100]]);
    assert_eq!(refused, Err(StorageError::Full));
}

#[test]
fn a_range_that_holds_no_log_is_refused() {
    let range = |range| FlashStorage::new(Nor::<512>::new(4), range, vec![0; 64]).err();
    assert_eq!(range(0..1_536), None);
    assert_eq!(range(512..2_048), None);
    assert_eq!(range(0..1_024), Some(InvalidRange::TooSmall));
    assert_eq!(range(0..2_560), Some(InvalidRange::Pages));
    assert_eq!(range(100..1_636), Some(InvalidRange::Pages));
    assert_eq!(range(0..1_000), Some(InvalidRange::Pages));
}

/// Pages as most parts have them.
const PAGE: usize = 4_096;

type FlashAgent<'c> =
    Agent<'c, SoftwareKeys<'static, Random>, FlashStorage<Nor<PAGE>, Vec<u8>>, Vec<u8>, RIGHTS>;

fn start_on<'c>(profile: &'c fleetgrant_agent::Profile<'c>, nor: &Nor<PAGE>) -> FlashAgent<'c> {
    let keys = SoftwareKeys::new(key(DEVICE_SEED), &[LEAF], random(1));
    let range = 0..(4 * PAGE) as u32;
    let storage = FlashStorage::new(nor.clone(), range, vec![0; PAGE]).unwrap();
    let (request, mut scratch) = (vec![0; 2_048], vec![0; 4_096]);
    Agent::start(profile, keys, storage, request, &mut scratch, Instant(0)).unwrap()
}

/// Sends what there is; the nonce of the request among it.
fn settle(agent: &mut FlashAgent<'_>) -> Option<fleetgrant_schemas::id::DeviceNonce> {
    let mut buffer = vec![0; 9_000];
    let mut nonce = None;
    while let Some(sent) = agent.poll_transmit(&mut buffer) {
        if sent.message == MessageType::Request {
            nonce = Some(nonce_of(&buffer[..sent.len]));
        }
    }
    nonce
}

fn rights(count: u8) -> Vec<Entitlement<'static>> {
    (0..count)
        .map(|number| Entitlement {
            activation: ActivationId([number + 1; 16]),
            model: Model::Subscription,
            version_ceiling: Some("2.x"),
            end: Some(EPOCH + 365 * DAY),
            grace: Some(30 * DAY as u32),
            ..right(number + 1, FEATURES[usize::from(number) % 2])
        })
        .collect()
}

fn answer(
    agent: &mut FlashAgent<'_>,
    generation: u64,
    entitlements: &[Entitlement<'_>],
    now: Instant,
) {
    agent.handle_timeout(now);
    let nonce = settle(agent);
    let grant = Grant {
        entitlements: Seq::new(entitlements),
        ..grant(generation, nonce)
    };
    let bytes = signed(AUTHORITY_SEED, &grant);
    let _ = agent.handle_message(&bytes, MessageType::Grant, now);
}

#[test]
fn an_agent_comes_up_with_the_old_set_or_the_new_one_at_every_word() {
    let factory = Factory::new();
    let profile = factory.profile();
    let first = Nor::new(4);
    answer(&mut start_on(&profile, &first), 1, &rights(1), Instant(0));
    let install = |nor: &Nor<PAGE>| {
        let mut agent = start_on(&profile, nor);
        answer(&mut agent, 2, &rights(2), Instant(0));
        settle(&mut agent);
    };
    let whole = first.copy();
    let before = whole.operations();
    install(&whole);
    let operations = whole.operations() - before;
    let (mut old, mut new) = (0, 0);
    for at in 0..operations {
        for got in Got::ALL {
            let nor = first.copy();
            nor.cut_at(PowerCut { at, got });
            install(&nor);
            assert!(nor.is_off());
            nor.mend();
            let mut agent = start_on(&profile, &nor);
            let damaged = std::iter::from_fn(|| agent.poll_event())
                .any(|event| matches!(event, Event::Storage { .. }));
            assert!(!damaged, "{at} {got:?}");
            let decode = agent.is_on("decode", Instant(0)).is_on();
            assert!(agent.is_on("bandwidth", Instant(0)).is_on());
            match agent.held().unwrap().generation {
                1 => old += 1,
                2 => new += 1,
                other => panic!("generation {other}"),
            }
            assert_eq!(decode, agent.held().unwrap().generation == 2);
        }
    }
    println!("{operations} words: {old} times the old set, {new} times the new one");
    assert!(old > 0 && new > 0);
}

#[test]
fn a_license_takes_less_than_150_bytes_of_flash() {
    let factory = Factory::new();
    let profile = factory.profile();
    let used = |count: u8| {
        let nor = Nor::new(4);
        let mut agent = start_on(&profile, &nor);
        agent.handle_timeout(Instant(0));
        let before = nor.operations();
        answer(&mut agent, 1, &rights(count), Instant(0));
        assert_eq!(agent.held().unwrap().generation, 1);
        (nor.operations() - before) * 4
    };
    let (one, eight) = (used(1), used(8));
    let each = (eight - one) / 7;
    println!("a set of one license takes {one} bytes of flash, of eight {eight}: {each} for each");
    assert!(eight / 8 <= 150 && each <= 150);
}

/// A device that is on all the time and gets `requests` new sets a day.
#[test]
fn a_flash_outlives_its_device() {
    const DAYS: u64 = 10;
    /// The agent's own timer is every 15 minutes.
    const STEPS: u64 = 96;
    /// Erasures a page endures: flash in controllers, and serial NOR flash.
    const PARTS: [(&str, f64); 2] = [("a controller's own", 10_000.0), ("serial NOR", 100_000.0)];
    let factory = Factory::new();
    let profile = factory.profile();
    for requests in [1, 24] {
        let nor = Nor::new(4);
        let mut agent = start_on(&profile, &nor);
        let mut generation = 0;
        for step in 0..DAYS * STEPS {
            let now = Instant(0).plus_secs(step * DAY / STEPS);
            if step % (STEPS / requests) == 0 {
                let ask = fleetgrant_agent::Ask::for_what_is_owed(
                    fleetgrant_schemas::request::Reason::Renew,
                );
                let _ = agent.ask(&ask, now);
                generation += 1;
                answer(&mut agent, generation, &rights(8), now);
                assert_eq!(agent.held().unwrap().generation, generation);
            }
            agent.handle_timeout(now);
            settle(&mut agent);
        }
        let worst = *nor.erasures().iter().max().unwrap();
        let words = nor.operations() as u64 / DAYS;
        for (part, endures) in PARTS {
            let years = endures / (worst as f64 / DAYS as f64) / 365.0;
            println!(
                "{requests} new sets of 8 rights a day: {words} words written a day; four pages of \
                 4 KiB of {part} flash last {years:.0} years"
            );
            assert!(years > 10.0, "{part}: {years}");
        }
    }
}
