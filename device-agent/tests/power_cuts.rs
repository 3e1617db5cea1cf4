//! The power fails at every write, before it or right after it. After the next start the device
//! holds the old set or the new one and never a mix, and no counter has gone back.
#![allow(clippy::unwrap_used)]

mod support;

use fleetgrant_agent::{Event, Instant, Off, Record, StorageError, UseError};
use fleetgrant_schemas::Usage;
use fleetgrant_schemas::entitlement::{Entitlement, Model};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::ActivationId;
use fleetgrant_schemas::keys::AuthorityKey;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;
use support::*;

const NEW_AUTHORITY_SEED: u8 = 11;

fn first_set<'a>() -> [Entitlement<'a>; 2] {
    let metered = Entitlement {
        model: Model::Metered,
        ..right(2, "meter")
    };
    [right(1, "bandwidth"), metered]
}

fn second_set<'a>() -> [Entitlement<'a>; 2] {
    let prepaid = Entitlement {
        model: Model::Counted,
        count: Some(3),
        ..right(4, "prepaid")
    };
    [right(3, "decode"), prepaid]
}

/// Which features each generation switches on.
fn features_of(generation: Option<u64>) -> &'static [&'static str] {
    match generation {
        None => &[],
        Some(1) => &["bandwidth", "meter"],
        Some(_) => &["decode", "prepaid"],
    }
}

/// What the world outside saw of the device.
#[derive(Default)]
struct Seen {
    seq: u64,
    acked: Vec<(u64, u32)>,
    metered: u64,
    /// The most that a request or an ack said.
    reported: u64,
    prepaid: u64,
    /// The power failed during a use: it may count, and was not allowed.
    in_doubt: bool,
    key_set: u32,
    floor: u64,
}

impl Seen {
    fn everything(&mut self, agent: &mut TestAgent<'_>) -> Vec<Vec<u8>> {
        let mut requests = Vec::new();
        for (message, bytes) in sent(agent) {
            if message == MessageType::Request {
                let request = read_request(&bytes);
                assert!(request.seq >= self.seq, "seq went back");
                self.seq = request.seq;
                assert!(request.key_set >= self.key_set, "the key set went back");
                self.usage(&request.usage);
                requests.push(bytes);
            } else {
                let ack = read_ack(&bytes);
                let order = (ack.held.generation, ack.n);
                assert!(
                    self.acked.last().is_none_or(|last| *last < order),
                    "{order:?} after {:?}",
                    self.acked
                );
                self.acked.push(order);
                self.usage(&ack.usage);
            }
        }
        requests
    }

    /// What was metered is reported, and left out only once it was.
    fn usage(&mut self, totals: &Seq<'_, Usage>) {
        let mut totals = totals.iter();
        match totals.find(|usage| usage.activation == ActivationId([2; 16])) {
            Some(usage) => {
                assert!(usage.total >= self.metered, "use was forgotten");
                self.reported = usage.total;
            }
            None => assert!(self.reported >= self.metered, "use was not reported"),
        }
    }

    /// Right after a start.
    fn consistent(&self, agent: &TestAgent<'_>) {
        let generation = agent.held().map(|held| held.generation);
        let on: Vec<_> = FEATURES
            .iter()
            .filter(|feature| agent.is_on(feature, Instant(0)).is_on())
            .copied()
            .collect();
        let mut expected = features_of(generation).to_vec();
        let used_up = self.prepaid == 3 || (self.in_doubt && !on.contains(&"prepaid"));
        if used_up && self.prepaid >= 2 {
            expected.retain(|feature| *feature != "prepaid");
        }
        assert_eq!(on, expected, "generation {generation:?}");
        assert!(
            agent.clock_floor(Instant(0)) >= self.floor,
            "the clock went back"
        );
        let acked = self.acked.last().map(|(generation, _)| *generation);
        assert!(generation >= acked, "it acknowledged what it does not hold");
    }
}

/// One life of the device: goes on where the storage stands. Whether it reached the end.
fn live(
    profile: &fleetgrant_agent::Profile<'_>,
    flash: &Flash,
    seen: &mut Seen,
    seed: u64,
) -> bool {
    let mut agent = start(profile, flash, seed);
    seen.consistent(&agent);
    let mut now = Instant(0);
    for _ in 0..40 {
        agent.handle_timeout(now);
        let requests = seen.everything(&mut agent);
        let failed = events(&mut agent)
            .iter()
            .any(|event| matches!(event, Event::Storage { .. } | Event::CannotAsk(_)));
        if failed || flash.is_cut() {
            return false;
        }
        now = now.plus_secs(60);
        let generation = agent.held().map(|held| held.generation);
        if let Some(request) = requests.last() {
            let request = read_request(request);
            let (first, second) = (first_set(), second_set());
            let (next, entitlements, seed, epoch) = match generation {
                None => (1, &first[..], AUTHORITY_SEED, 1),
                Some(1) => (2, &second[..], AUTHORITY_SEED, 1),
                Some(n) => (n + 1, &second[..], NEW_AUTHORITY_SEED, 2),
            };
            if request.key_set < 1 && next > 2 {
                let retired = authority_key(AUTHORITY_SEED, 1);
                let current = AuthorityKey {
                    epoch: 2,
                    ..authority_key(NEW_AUTHORITY_SEED, 2)
                };
                let keys = [current, retired];
                let set = signed(ROOT_SEED, &key_set(1, &keys));
                let _ = agent.handle_message(&set, MessageType::Keys, now);
                if flash.is_cut() {
                    seen.everything(&mut agent);
                    return false;
                }
                continue;
            }
            seen.key_set = request.key_set;
            let answer = Grant {
                entitlements: Seq::new(entitlements),
                epoch,
                ..grant(next, Some(request.nonce))
            };
            let answer = signed(seed, &answer);
            let _ = agent.handle_message(&answer, MessageType::Grant, now);
            seen.floor = seen.floor.max(if flash.is_cut() { 0 } else { EPOCH });
            continue;
        }
        match generation {
            Some(1) if seen.metered < 3 => {
                seen.metered += u64::from(agent.use_one("meter", now).is_ok());
            }
            Some(n) if n >= 2 && seen.prepaid < 3 => match agent.use_one("prepaid", now) {
                Ok(_) => seen.prepaid += 1,
                Err(UseError::Off(Off::UsedUp)) if seen.in_doubt => seen.prepaid += 1,
                Err(reason) => {
                    assert_eq!(reason, UseError::Storage(StorageError::Write));
                    seen.in_doubt = true;
                }
            },
            Some(n) if n >= 4 => return true,
            _ => renew(&mut agent, now),
        }
    }
    panic!("it got nowhere");
}

/// Makes the agent ask now: a renewal that is due.
fn renew(agent: &mut TestAgent<'_>, now: Instant) {
    let ask = fleetgrant_agent::Ask::for_what_is_owed(fleetgrant_schemas::request::Reason::Renew);
    let _ = agent.ask(&ask, now);
}

#[test]
fn at_every_write_old_or_new_and_no_counter_goes_back() {
    let factory = Factory::new();
    let profile = factory.profile();
    let whole = Flash::default();
    let mut seen = Seen::default();
    assert!(
        live(&profile, &whole, &mut seen, 1),
        "it lives through without a cut"
    );
    let writes = whole.writes.get();
    assert!((15..60).contains(&writes), "{writes} writes");
    assert_eq!((seen.metered, seen.prepaid), (3, 3));
    assert!(whole.bytes(Record::Keys).is_some());

    for at in 0..writes {
        for after in [false, true] {
            let cut = Cut { at, after };
            println!("{cut:?}");
            let flash = Flash::default();
            let mut seen = Seen::default();
            flash.cut_at(cut);
            assert!(!live(&profile, &flash, &mut seen, 1));
            flash.mend();
            assert!(live(&profile, &flash, &mut seen, 2), "and it goes on");
        }
    }
}

#[test]
fn a_damaged_record_is_told_and_counts_as_lost() {
    let factory = Factory::new();
    let profile = factory.profile();
    let whole = Flash::default();
    assert!(live(&profile, &whole, &mut Seen::default(), 1));
    for record in Record::ALL {
        let bytes = whole.bytes(*record).unwrap();
        for damage in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            let flash = whole.copy();
            let mut damaged = bytes.clone();
            damaged[damage] ^= 0x10;
            flash.put(*record, damaged);
            let mut agent = start(&profile, &flash, 2);
            let told = events(&mut agent)
                .into_iter()
                .any(|event| matches!(event, Event::Storage { record: r, .. } if r == *record));
            assert!(told, "{record:?} at {damage}");
            if *record == Record::Set {
                assert_eq!(agent.held(), None);
            }
            assert!(agent.poll_timeout().is_some(), "and it asks");
        }
        // Cut off at every length, as by a storage that breaks its promise.
        for len in 1..bytes.len().min(40) {
            let flash = whole.copy();
            flash.put(*record, bytes[..len].to_vec());
            start(&profile, &flash, 2);
        }
    }
}
