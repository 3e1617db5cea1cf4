//! A device and an authority over a network that loses, doubles, delays and reorders: in the end
//! the device holds and has acknowledged the newest set. By seed.
#![cfg(feature = "std")]
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use fleetgrant_agent::host::{FaultInjector, Faults};
use fleetgrant_agent::{Ask, Instant};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;
use support::*;

/// The authority's side: answers each seq once, and the same again if it comes again; pushes
/// until it is acknowledged.
#[derive(Default)]
struct Authority {
    seq: u64,
    generation: u64,
    answer: Vec<u8>,
    acked: Option<u64>,
    pushed: Instant,
}

const PUSH_EVERY_SECS: u64 = 300;

impl Authority {
    fn push(&mut self, now: Instant) -> Option<Vec<u8>> {
        let is_due = self.pushed.plus_secs(PUSH_EVERY_SECS) <= now;
        if !is_due || self.generation == 0 || self.acked == Some(self.generation) {
            return None;
        }
        self.pushed = now;
        Some(self.answer.clone())
    }

    fn receive(&mut self, message: MessageType, bytes: &[u8]) -> Option<Vec<u8>> {
        if message == MessageType::Ack {
            self.acked = self.acked.max(Some(read_ack(bytes).held.generation));
            return None;
        }
        let request = read_request(bytes);
        if request.seq < self.seq {
            return None;
        }
        if request.seq > self.seq {
            self.seq = request.seq;
            self.generation += 1;
            self.acked = self.acked.max(request.held.map(|held| held.generation));
            let feature = FEATURES[self.generation as usize % FEATURES.len()];
            let rights = [right(self.generation as u8, feature)];
            let grant = Grant {
                entitlements: Seq::new(&rights),
                ..grant(self.generation, Some(request.nonce))
            };
            self.answer = signed(AUTHORITY_SEED, &grant);
        }
        Some(self.answer.clone())
    }
}

fn run(seed: u64) {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut network = FaultInjector::new(Faults {
        seed,
        drop: 0.4,
        duplicate: 0.3,
        longest_delay: Duration::from_secs(30),
    });
    let mut authority = Authority::default();
    let mut agent = start(&profile, &flash, seed);
    let mut now = Instant(0);
    let mut base = 0;
    for step in 0_u32..4_000 {
        if step == 60 {
            // Switched off and on again; what is under way arrives at the next life.
            agent = start_at(&profile, &flash, seed + 1_000_000, now);
        }
        if step % 50 == 10 && step < 200 {
            let _ = agent.ask(&Ask::for_what_is_owed(Reason::Upgrade), now);
        }
        agent.handle_timeout(now);
        for (message, bytes) in sent(&mut agent) {
            network.put((message, bytes), now);
        }
        let held = agent.held().map_or(0, |held| held.generation);
        assert!(held >= base, "seed {seed}: {held} after {base}");
        base = held;
        if step >= 200
            && authority.acked == Some(authority.generation)
            && held == authority.generation
        {
            let on = FEATURES
                .iter()
                .filter(|f| agent.is_on(f, now).is_on())
                .count();
            assert_eq!(on, 1, "seed {seed}");
            return;
        }
        if let Some(answer) = authority.push(now) {
            network.put((MessageType::Grant, answer), now);
        }
        let next = [network.next_arrival(), agent.poll_timeout()];
        now = now.max(next.into_iter().flatten().min().unwrap());
        while let Some((message, bytes)) = network.take(now) {
            if !message.is_up() {
                let _ = agent.handle_message(&bytes, message, now);
            } else if let Some(answer) = authority.receive(message, &bytes) {
                network.put((MessageType::Grant, answer), now);
            }
        }
    }
    panic!(
        "seed {seed}: never settled, {:?} of {}",
        authority.acked, authority.generation
    );
}

#[test]
fn the_newest_set_wins_whatever_the_network_does() {
    for seed in 0..100 {
        run(seed);
    }
}
