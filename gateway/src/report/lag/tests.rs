#![allow(clippy::unwrap_used)]

use fleetgrant_core::domain::Origin;
use proptest::prelude::*;

use super::*;
use crate::store::column::{Code, Micros};

const NOW: Timestamp = at(1_000);

const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn batch(from: u64, units: u64, devices: &[&str]) -> Batch {
    Batch {
        subject: format!("from {from}"),
        from: at(from),
        units,
        devices: devices.iter().map(|device| (*device).to_owned()).collect(),
    }
}

fn first(device: &str, units: i64, when: u64) -> Activated {
    Activated {
        device: device.to_owned(),
        units,
        origin: Code(Origin::Field),
        at: Micros(at(when)),
    }
}

fn over(from: u64, to: u64, units: u64) -> Wait {
    Wait::over(at(from), at(to), units).unwrap()
}

fn ongoing(from: u64, units: u64) -> Wait {
    Wait::ongoing(at(from), NOW, units).unwrap()
}

#[test]
fn units_that_nobody_activated_wait() {
    let lags = lags(vec![batch(100, 5, &[])], &[first("a", 2, 300)], NOW);
    assert_eq!(lags.waits, [over(100, 300, 2), ongoing(100, 3)]);
    assert_eq!((lags.errors.len(), lags.surplus), (0, 0));
}

#[test]
fn a_device_takes_from_the_shipment_it_was_in() {
    let shipments = vec![
        batch(100, 1, &["a"]),
        batch(200, 1, &["b"]),
        batch(300, 2, &[]),
    ];
    let firsts = [first("c", 1, 400), first("b", 1, 500), first("a", 1, 600)];
    let lags = lags(shipments, &firsts, NOW);
    let expected = [
        over(200, 500, 1),
        over(100, 600, 1),
        over(300, 400, 1),
        ongoing(300, 1),
    ];
    assert_eq!(lags.waits, expected);
}

#[test]
fn units_of_one_activation_may_come_from_two_shipments() {
    let lags = lags(
        vec![batch(200, 2, &[]), batch(100, 2, &[])],
        &[first("a", 3, 300), first("b", 3, 400)],
        NOW,
    );
    let expected = [over(100, 300, 2), over(200, 300, 1), over(200, 400, 1)];
    assert_eq!(lags.waits, expected);
    assert_eq!(lags.surplus, 2);
}

#[test]
fn what_the_factory_activated_waits_for_nothing() {
    let built_in = Activated {
        origin: Code(Origin::Factory),
        ..first("a", 2, 300)
    };
    let offline = Activated {
        origin: Code(Origin::Offline),
        ..first("b", 1, 400)
    };
    let lags = lags(vec![batch(100, 4, &[])], &[built_in, offline], NOW);
    assert_eq!(lags.waits, [over(100, 400, 1), ongoing(100, 1)]);
}

#[test]
fn an_activation_before_the_shipment_is_an_error_of_the_data() {
    let lags = lags(
        vec![batch(500, 1, &[]), batch(2_000, 1, &[])],
        &[first("a", 1, 300)],
        NOW,
    );
    assert_eq!(lags.waits, []);
    let errors: Vec<_> = lags
        .errors
        .iter()
        .map(|error| (error.device.as_deref(), error.from, error.to))
        .collect();
    assert_eq!(
        errors,
        [(Some("a"), at(500), at(300)), (None, at(2_000), NOW)]
    );
}

proptest! {
    #[test]
    fn no_unit_is_lost_or_counted_twice(
        batches in prop::collection::vec((0u64..1_000, 0u64..5, 0usize..4), 0..6),
        firsts in prop::collection::vec((0usize..4, 1i64..5, 0u64..1_000, any::<bool>()), 0..10),
    ) {
        const DEVICES: [&str; 4] = ["a", "b", "c", "d"];
        let batches: Vec<_> = batches
            .into_iter()
            .map(|(from, units, named)| batch(from, units, &DEVICES[..named]))
            .collect();
        let firsts: Vec<_> = firsts
            .into_iter()
            .map(|(device, units, when, factory)| Activated {
                origin: Code(if factory { Origin::Factory } else { Origin::Field }),
                ..first(DEVICES[device], units, when)
            })
            .collect();
        let waiting: u64 = batches.iter().map(|batch| batch.units).sum();
        let field: u64 = firsts.iter().filter(|f| f.is_in_the_field()).map(Activated::units).sum();
        let all: u64 = firsts.iter().map(Activated::units).sum();
        let lags = lags(batches, &firsts, NOW);
        let summary = super::super::Summary::of(lags.waits.clone());
        let (failed, failed_over) = lags.errors.iter().fold((0, 0), |(all, over), error| {
            (all + error.units, over + if error.device.is_some() { error.units } else { 0 })
        });
        // Every field activation is over, an error, or surplus.
        prop_assert_eq!(summary.over + failed_over + lags.surplus, field);
        // Every unit that waited is counted, or was taken by the factory.
        let counted = summary.all + failed;
        prop_assert!(counted <= waiting);
        prop_assert!(counted + (all - field) >= waiting);
    }
}
