//! What the database's part of a message costs, in CPU of the thread that writes.
//!
//! `cargo test --release -p fleetgrant --lib cost -- --ignored --nocapture`

use std::time::Instant;

use super::*;

/// Messages of each kind, unless `COST_MESSAGES` says otherwise.
const MESSAGES: usize = 8_000;
/// How many commit together.
const GROUP: usize = 32;

/// Nanoseconds that this thread has been on a CPU.
fn thread_cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

/// Runs `step` on each handset, a group a transaction; microseconds of CPU and of time for each.
fn measure(
    db: &mut Db,
    handsets: &mut [Handset],
    mut step: impl FnMut(&mut Db, &mut Handset),
) -> (f64, f64) {
    let (cpu, time) = (thread_cpu(), Instant::now());
    for group in handsets.chunks_mut(GROUP) {
        db.begin_write().unwrap();
        group.iter_mut().for_each(|handset| step(db, handset));
        db.commit().unwrap();
    }
    let each = handsets.len() as f64 * 1_000.0;
    let cpu = (thread_cpu() - cpu) as f64 / each;
    (cpu, time.elapsed().as_nanos() as f64 / each)
}

#[test]
#[ignore = "a measurement, to be run in release mode"]
fn cost_of_a_request_and_an_acknowledgement() {
    println!("devices that were just heard are kept:");
    cost(true);
    println!("each is read anew:");
    cost(false);
}

fn cost(is_kept: bool) {
    let messages = std::env::var("COST_MESSAGES").map_or(MESSAGES, |n| n.parse().unwrap());
    let fixture = Fixture::new(messages, 10 * messages as u32);
    let mut db = fixture.scratch.connect();
    if is_kept {
        db.begin_eras();
    }
    let mut handsets: Vec<Handset> = (1..=messages).map(|n| fixture.handset(n)).collect();
    let ask = |total| {
        move |db: &mut Db, handset: &mut Handset| {
            handset.seq += 1;
            let outcome = handset.request(db, total).unwrap();
            handset.take_in(&outcome);
        }
    };
    let ack = |db: &mut Db, handset: &mut Handset| {
        handset.acknowledge(db, 1).unwrap();
    };
    for (what, step) in [
        (
            "first contact",
            &mut ask(0) as &mut dyn FnMut(&mut Db, &mut Handset),
        ),
        ("admission", &mut ask(0)),
        ("first activation", &mut ask(1)),
        ("its acknowledgement", &mut { ack }),
        ("another unit", &mut ask(2)),
        ("its acknowledgement", &mut { ack }),
        ("nothing new", &mut ask(2)),
    ] {
        let (cpu, time) = measure(&mut db, &mut handsets, step);
        println!("{what:22} {cpu:6.1} µs of CPU, {time:6.1} µs");
    }
}
