//! Runs schedules by seed; what fails is made shorter and told, with its seed.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::chance::Chance;
use crate::keys::Scheme;
use crate::op::Step;
use crate::plan::{self, Mix};
use crate::simulation::Simulation;
use crate::tally;

/// Replays one seed, and tells every step.
const SEED: &str = "FLEETGRANT_SIMULATION_SEED";
/// Runs so many schedules of each kind.
const SCHEDULES: &str = "FLEETGRANT_SIMULATION_SCHEDULES";
/// Begins with this seed.
const FIRST: &str = "FLEETGRANT_SIMULATION_FIRST";

const MIN_STEPS: u64 = 5;
const MAX_STEPS: u64 = 60;

/// Runs schedules until one fails.
pub(crate) fn explore(scheme: Scheme, mix: Mix, schedules: u64) {
    hush();
    tally::forget();
    if let Some(seed) = number(SEED) {
        println!("{SEED}={seed}, {scheme:?}, {mix:?}");
        TELLS.set(true);
        run(scheme, seed, &plan(mix, seed));
        TELLS.set(false);
        return;
    }
    let first = number(FIRST).unwrap_or(0);
    let schedules = match scheme {
        Scheme::Hash => number(SCHEDULES).unwrap_or(schedules),
        Scheme::P256 => schedules,
    };
    for seed in first..first + schedules {
        let steps = plan(mix, seed);
        if let Err(why) = attempt(scheme, seed, &steps) {
            let (steps, why) = shorten(scheme, seed, steps, why);
            let steps: Vec<String> = steps
                .iter()
                .map(|step| format!("  {:?}\n", step.op))
                .collect();
            panic!(
                "{why}\n\nthe shortest list of steps that fails:\n{}\nreplay with {SEED}={seed}",
                steps.concat()
            );
        }
    }
    tally::check(mix, schedules);
}

fn plan(mix: Mix, seed: u64) -> Vec<Step> {
    // Apart from what the simulation itself draws of the seed.
    let mut luck = Chance::new(!seed);
    let steps = MIN_STEPS + luck.below(MAX_STEPS - MIN_STEPS);
    plan::plan(mix, steps as usize, &mut luck)
}

fn run(scheme: Scheme, seed: u64, steps: &[Step]) {
    let mut simulation = Simulation::new(scheme, seed);
    for step in steps {
        tell(|| format!("{} {:?}", simulation.now, step.op));
        simulation.run(step);
    }
    tell(|| format!("{} heal", simulation.now));
    simulation.heal();
}

fn attempt(scheme: Scheme, seed: u64, steps: &[Step]) -> Result<(), String> {
    IS_HUSHED.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| run(scheme, seed, steps)));
    IS_HUSHED.set(false);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default()
    })
}

/// Leaves out steps as long as what is left fails, in whatever way.
fn shorten(scheme: Scheme, seed: u64, steps: Vec<Step>, why: String) -> (Vec<Step>, String) {
    let (mut steps, mut why) = (steps, why);
    let mut len = steps.len() / 2;
    while len > 0 {
        let mut from = 0;
        while from < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(from..(from + len).min(steps.len()));
            match attempt(scheme, seed, &fewer) {
                Err(other) => (steps, why) = (fewer, other),
                Ok(()) => from += len,
            }
        }
        len /= 2;
    }
    (steps, why)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
    )
}

thread_local! {
    static IS_HUSHED: Cell<bool> = const { Cell::new(false) };
    static TELLS: Cell<bool> = const { Cell::new(false) };
}

/// Prints what happens, if one schedule is replayed.
pub(crate) fn tell(what: impl FnOnce() -> String) {
    if TELLS.get() {
        println!("{}", what());
    }
}

/// Keeps panics that are expected here from being printed; those of other tests still are.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_HUSHED.get() {
                told(panic);
            }
        }));
    });
}
