//! What an activation was used stays with it, whatever the next set makes of it: else a maker who
//! changes a product in the catalogue would give its prepaid uses out again.
#![allow(clippy::unwrap_used)]

mod support;

use fleetgrant_agent::{Instant, Off, Profile, Status};
use fleetgrant_schemas::Usage;
use fleetgrant_schemas::entitlement::{Entitlement, Model};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;
use support::*;

/// As many as the table has slots.
const NAMES: &[&str; RIGHTS] = &["a", "b", "c", "d", "e", "f", "g", "h"];
const BASE: u64 = 10;
const COUNT: u64 = RIGHTS as u64;

/// Activations and features.
type Set = Vec<(u8, &'static str)>;

fn profile(factory: &Factory) -> Profile<'_> {
    Profile {
        features: NAMES,
        ..factory.profile()
    }
}

fn prepaid(set: &Set) -> Vec<Entitlement<'static>> {
    let prepaid = |(activation, feature): &(u8, &'static str)| Entitlement {
        model: Model::Counted,
        count: Some(COUNT),
        usage_base: Some(BASE),
        ..right(*activation, feature)
    };
    set.iter().map(prepaid).collect()
}

/// Pushes a set; the usage totals of its ack, by activation.
fn push(agent: &mut TestAgent<'_>, generation: u64, set: &Set) -> Vec<Usage> {
    let rights = prepaid(set);
    let grant = Grant {
        entitlements: Seq::new(&rights),
        ..grant(generation, None)
    };
    let grant = signed(AUTHORITY_SEED, &grant);
    take(agent, &grant, MessageType::Grant, Instant(0)).unwrap();
    let (_, ack) = sent(agent).pop().unwrap();
    let mut totals: Vec<_> = read_ack(&ack).usage.iter().collect();
    totals.sort_by_key(|usage| usage.activation.0);
    totals
}

/// A device that holds a set and has used each activation as often as its number says.
fn used<'c>(profile: &'c Profile<'c>, flash: &Flash, set: &Set) -> TestAgent<'c> {
    let mut agent = start(profile, flash, 1);
    install(&mut agent, 1, &prepaid(set), Instant(0));
    sent(&mut agent);
    for activation in 1..=RIGHTS as u8 {
        if let Some((_, feature)) = set.iter().find(|(of, _)| *of == activation) {
            for _ in 0..activation {
                agent.use_one(feature, Instant(0)).unwrap();
            }
        }
    }
    agent
}

fn left(agent: &TestAgent<'_>, feature: &str) -> u64 {
    match agent.is_on(feature, Instant(0)) {
        Status::On {
            remaining: Some(left),
            ..
        } => left,
        Status::Off(Off::UsedUp) => 0,
        other => panic!("{feature}: {other:?}"),
    }
}

#[test]
fn an_activation_that_stays_keeps_its_uses_whatever_features_it_gives() {
    let full = |first: usize| -> Set {
        let features = NAMES.iter().cycle().skip(first).copied();
        (1..=RIGHTS as u8).zip(features).collect()
    };
    let of_one = |features: &[&'static str]| -> Set { features.iter().map(|f| (2, *f)).collect() };
    let cases: &[(&str, Set, Set)] = &[
        ("one by one", of_one(&["a"]), of_one(&["b"])),
        ("two by one", of_one(&["a", "b"]), of_one(&["c"])),
        ("one by two", of_one(&["a"]), of_one(&["b", "c"])),
        ("one of two", of_one(&["a", "b"]), of_one(&["c", "b"])),
        ("used up", vec![(8, "a")], vec![(8, "b")]),
        (
            "swapped",
            vec![(1, "a"), (2, "b")],
            vec![(1, "b"), (2, "a")],
        ),
        (
            "swapped in another order",
            vec![(1, "a"), (2, "b")],
            vec![(2, "a"), (1, "b")],
        ),
        (
            "beside some that leave and come",
            vec![(2, "a"), (1, "b"), (3, "c")],
            vec![(4, "a"), (5, "c"), (1, "d")],
        ),
        ("a full table", full(0), full(1)),
        ("a full table of one", of_one(NAMES), {
            let mut turned = of_one(NAMES);
            turned.reverse();
            turned
        }),
        ("one fills the table", of_one(&["h"]), of_one(NAMES)),
        ("a full table but for one", full(0), vec![(7, "a")]),
        (
            "a full table, all of it new but one",
            full(0),
            (9..16).chain([3]).zip(NAMES.iter().copied()).collect(),
        ),
    ];
    let factory = Factory::new();
    let profile = profile(&factory);
    for (case, before, after) in cases {
        println!("{case}");
        let flash = Flash::default();
        let mut agent = used(&profile, &flash, before);
        let was_held = |activation| before.iter().any(|(held, _)| *held == activation);
        let total = |activation: u8| match was_held(activation) {
            true => BASE + u64::from(activation),
            false => BASE,
        };

        // The last totals of what left are told beside them.
        let mut expected: Vec<u8> = before.iter().chain(after).map(|(of, _)| *of).collect();
        expected.sort_unstable();
        expected.dedup();
        let is_in = |of: &u8| after.iter().any(|(held, _)| held == of);
        let in_set = |totals: Vec<Usage>| -> Vec<Usage> {
            let stays = |usage: &Usage| is_in(&usage.activation.0[0]);
            totals.into_iter().filter(stays).collect()
        };
        expected.retain(is_in);
        let expected: Vec<_> = expected.iter().map(|of| usage(*of, total(*of))).collect();
        assert_eq!(in_set(push(&mut agent, 2, after)), expected, "{case}");

        let restarted = start(&profile, &flash, 2);
        for (activation, feature) in after {
            let expected = BASE + COUNT - total(*activation);
            assert_eq!(left(&agent, feature), expected, "{case}: {feature}");
            assert_eq!(left(&restarted, feature), expected, "{case}: {feature}");
        }
        // What is used from now on is stored on top of that.
        for (activation, feature) in after {
            let before = left(&agent, feature);
            if before > 0 {
                agent.use_one(feature, Instant(0)).unwrap();
                let restarted = start(&profile, &flash, 3);
                assert_eq!(
                    left(&restarted, feature),
                    before - 1,
                    "{case}: {activation}"
                );
            }
        }
    }
}

#[test]
fn an_activation_that_comes_back_before_its_uses_were_reported_has_them_still() {
    let factory = Factory::new();
    let profile = profile(&factory);
    let flash = Flash::default();
    let set = vec![(1, "a"), (3, "b")];
    let mut agent = used(&profile, &flash, &set);
    let without = vec![(1, "a")];
    let both = [usage(1, BASE + 1), usage(3, BASE + 3)];
    assert_eq!(push(&mut agent, 2, &without), both);
    assert_eq!(push(&mut agent, 3, &vec![(1, "a"), (3, "c")]), both);
    assert_eq!(left(&agent, "c"), COUNT - 3);
    let restarted = start(&profile, &flash, 2);
    assert_eq!(left(&restarted, "c"), COUNT - 3);
}

#[test]
fn what_the_firmware_refuses_for_a_while_does_not_begin_anew() {
    let factory = Factory::new();
    let profile = profile(&factory);
    let flash = Flash::default();
    let mut agent = used(&profile, &flash, &vec![(3, "a")]);
    let total = BASE + 3;
    assert_eq!(
        push(&mut agent, 2, &vec![(3, "unknown"), (4, "b")]),
        [usage(3, total), usage(4, BASE)]
    );
    // The record of uses is written anew, for the other one.
    agent.use_one("b", Instant(0)).unwrap();
    let mut agent = start(&profile, &flash, 2);
    push(&mut agent, 3, &vec![(3, "a"), (4, "b")]);
    assert_eq!(left(&agent, "a"), COUNT - 3);
    assert_eq!(left(&agent, "b"), COUNT - 1);
}
