//! How often something came of each kind of operation, over a whole run.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::op::Op;

thread_local! {
    static HAPPENED: RefCell<BTreeMap<&'static str, u32>> = const { RefCell::new(BTreeMap::new()) };
}

/// Adds what came of one life.
pub(super) fn add(life: &BTreeMap<&'static str, u32>) {
    HAPPENED.with_borrow_mut(|all| {
        for (name, times) in life {
            *all.entry(*name).or_default() += times;
        }
    });
}

/// A run must have got somewhere with each kind of operation. What is asked for here is a quarter or
/// less of what comes of it.
pub(super) fn check() {
    let least = |name: &str| match name {
        "take-over" => 2,
        "settle" => 5,
        "cancel" | "follow" | "readmit" | "refresh" => 10,
        "ask-old-board" | "revoke" | "revoke-key" | "split-meanwhile" => 25,
        _ => 50,
    };
    HAPPENED.with_borrow(|all| {
        for name in Op::NAMES {
            let times = all.get(name).copied().unwrap_or(0);
            assert!(
                times >= least(name),
                "{name} came to something {times} times: {all:#?}"
            );
        }
    });
}
