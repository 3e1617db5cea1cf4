//! The agent as a task of embassy: it sleeps until a message comes, the connection changes, or
//! something is due. [`device`] is all of it, and the same on a microcontroller; a plain superloop
//! is in `firmware/src/main.rs`. What follows it plays the broker and the authority, on a host.
//!
//! ```sh
//! cargo run -p fleetgrant-agent --example embassy
//! ```
#![allow(clippy::unwrap_used)]

use embassy_executor::Spawner;
use embassy_futures::select::{Either, select};
use embassy_time::Timer;
use fleetgrant_agent::{Agent, Event, Instant, KeyOperations, Storage};
use fleetgrant_schemas::topic::MessageType;

/// Your way to the broker.
trait Line {
    /// Publishes to `fg/v1/{device}/{message}`, QoS 1.
    async fn publish(&mut self, message: MessageType, bytes: &[u8]);
    /// Waits for what comes next. Dropped while it waits, it must have lost nothing.
    async fn next(&mut self) -> News<'_>;
}

enum News<'b> {
    Connected,
    Lost,
    /// A message of one of the device's own topics.
    Message(MessageType, &'b [u8]),
}

/// The device. It was started before there is any connection, so the stored rights are in force.
async fn device<K, S, B, const RIGHTS: usize>(
    mut agent: Agent<'_, K, S, B, RIGHTS>,
    mut line: impl Line,
    mut switch: impl FnMut(u8, bool),
) where
    K: KeyOperations,
    S: Storage,
    B: AsRef<[u8]> + AsMut<[u8]>,
{
    let mut buffer = [0; 2_048];
    let mut is_connected = false;
    loop {
        // What happened: a product comes to a safe state before it switches anything.
        while let Some(event) = agent.poll_event() {
            if let Event::FeatureChanged { feature, on } = event {
                switch(feature, on);
            }
        }
        // What is to be sent, acknowledgements first. What was given counts as sent.
        while is_connected && let Some(sent) = agent.poll_transmit(&mut buffer) {
            line.publish(sent.message, &buffer[..sent.len]).await;
        }
        // Then sleep.
        let due = agent.poll_timeout().map_or(u64::MAX, |at| at.0);
        let due = embassy_time::Instant::try_from_millis(due).unwrap_or(embassy_time::Instant::MAX);
        let news = select(line.next(), Timer::at(due)).await;
        let now = Instant(embassy_time::Instant::now().as_millis());
        match news {
            Either::First(News::Connected) => {
                is_connected = true;
                agent.resend(now);
            }
            Either::First(News::Lost) => is_connected = false,
            Either::First(News::Message(message, bytes)) => {
                // A message that is refused changes nothing, and is an event too.
                let _ = agent.handle_message(bytes, message, now);
            }
            Either::Second(()) => agent.handle_timeout(now),
        }
    }
}

// --- A broker and an authority, so that it runs here ----------------------------------------------

#[path = "../tests/support/mod.rs"]
mod support;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::process::exit;
use std::rc::Rc;

use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::seq::Seq;

/// Answers each request with a grant, but for the first, whose answer is lost with the line.
#[derive(Default)]
struct Authority {
    told: Rc<RefCell<Told>>,
    is_connected: bool,
    answers: VecDeque<Vec<u8>>,
    taken: Vec<u8>,
}

#[derive(Default)]
struct Told {
    requests: usize,
    acknowledged: Option<u64>,
    switched: Vec<(u8, bool)>,
}

impl Line for Authority {
    async fn publish(&mut self, message: MessageType, bytes: &[u8]) {
        let mut told = self.told.borrow_mut();
        if message == MessageType::Ack {
            told.acknowledged = Some(support::read_ack(bytes).held.generation);
            return;
        }
        told.requests += 1;
        if told.requests > 1 {
            let rights = [support::right(1, "bandwidth")];
            let grant = Grant {
                entitlements: Seq::new(&rights),
                ..support::grant(1, Some(support::nonce_of(bytes)))
            };
            let answer = support::signed(support::AUTHORITY_SEED, &grant);
            self.answers.push_back(answer);
        }
    }

    async fn next(&mut self) -> News<'_> {
        if !self.is_connected {
            self.is_connected = true;
            return News::Connected;
        }
        while self.answers.is_empty() {
            Timer::after_millis(20).await;
            if self.told.borrow().requests == 1 {
                self.is_connected = false;
                return News::Lost;
            }
        }
        self.taken = self.answers.pop_front().unwrap_or_default();
        News::Message(MessageType::Grant, &self.taken)
    }
}

/// Runs the device until it has acknowledged; what it was told, and what it did.
async fn run() -> Rc<RefCell<Told>> {
    let factory = support::Factory::new();
    let profile = factory.profile();
    let now = Instant(embassy_time::Instant::now().as_millis());
    let agent = support::start_at(&profile, &support::Flash::default(), 1, now);
    let authority = Authority::default();
    let told = Rc::clone(&authority.told);
    let switched = Rc::clone(&told);
    let switch = |feature, on| switched.borrow_mut().switched.push((feature, on));
    let acknowledged = async {
        while told.borrow().acknowledged.is_none() {
            Timer::after_millis(5).await;
        }
    };
    select(device(agent, authority, switch), acknowledged).await;
    told
}

#[embassy_executor::main]
async fn main(_spawner: Spawner) {
    let told = run().await;
    let told = told.borrow();
    println!(
        "acknowledged {:?}, switched {:?}",
        told.acknowledged, told.switched
    );
    exit(0);
}

#[test]
fn the_task_asks_again_installs_switches_and_acknowledges() {
    let told = embassy_futures::block_on(run());
    let told = told.borrow();
    assert_eq!(told.requests, 2, "the first answer was lost with the line");
    assert_eq!(told.acknowledged, Some(1));
    assert_eq!(told.switched, [(0, true)]);
}
