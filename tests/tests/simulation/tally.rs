//! What happened how often: a simulation in which nothing happens proves nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::plan::Mix;

thread_local! {
    static TALLY: RefCell<Tally> = RefCell::default();
}

type Tally = BTreeMap<(&'static str, &'static str), u64>;

/// What happens in a thousand schedules, whatever their seeds.
const USUAL: &[(&str, &[&str])] = &[
    ("device", &["installed", "power cut at a write"]),
    (
        "event",
        &[
            "acknowledged",
            "activated",
            "cancelled",
            "code-failed",
            "code-used",
            "excepted",
            "lapsed",
            "orphaned",
            "published",
            "removed",
            "removing",
            "resumed",
            "split",
            "suspended",
        ],
    ),
    (
        "gateway",
        &[
            "crash after commit",
            "crash before commit",
            "issued anew",
            "repeat",
            "stale snapshot",
        ],
    ),
    (
        "notice",
        &[
            "challenge",
            "denied",
            "retry-later",
            "send-chain",
            "stale-seq",
        ],
    ),
    (
        "refusal",
        &[
            "blank-without-nonce",
            "install-window",
            "not-asked",
            "other-device",
            "other-topic",
            "storage",
            "superseded",
        ],
    ),
    ("right", &["off for its build", "on past its end"]),
    (
        "rule",
        &[
            "code-refused",
            "entitlement-expired",
            "entitlement-on-hold",
            "entitlement-suspended",
            "evaluation-used",
            "no-units-left",
            "not-returnable",
            "revoked-on-this-device",
            "set-full",
        ],
    ),
    ("verdict", &["granted", "returning", "served"]),
];

/// What happens too, where storage is tampered with.
const TAMPERED: &[(&str, &[&str])] = &[
    ("event", &["clone-suspected", "resynced", "rolled-back"]),
    ("rule", &["clone-suspected"]),
    ("storage", &["storage-damaged"]),
];

/// Counts something that happened.
pub(crate) fn count(kind: &'static str, name: &'static str) {
    TALLY.with_borrow_mut(|tally| *tally.entry((kind, name)).or_default() += 1);
}

/// Forgets what was counted on this thread.
pub(crate) fn forget() {
    TALLY.take();
}

/// Prints what was counted on this thread, and sees that everything happened.
pub(crate) fn check(mix: Mix, schedules: u64) {
    let tally = TALLY.take();
    for ((kind, name), times) in &tally {
        println!("{times:>8} {kind}: {name}");
    }
    if schedules < 1_000 {
        return;
    }
    let expected = match mix {
        Mix::Honest => [USUAL, &[]],
        Mix::Tampered => [USUAL, TAMPERED],
    };
    let missing: Vec<_> = expected
        .into_iter()
        .flatten()
        .flat_map(|(kind, names)| names.iter().map(move |name| (*kind, *name)))
        .filter(|what| !tally.contains_key(what))
        .collect();
    assert!(missing.is_empty(), "never happened: {missing:?}");
}
