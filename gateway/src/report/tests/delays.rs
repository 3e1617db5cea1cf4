//! Order-to-activation and shipment-to-activation.

use super::*;
use crate::report::delay::{Cohort, DelayReport, order_to_activation, shipment_to_activation};

#[test]
fn order_to_activation_is_the_count_by_hand() {
    let ledger = lived();
    let now = ledger.now;
    let report: DelayReport = ledger
        .read(move |db| order_to_activation(db, None, now, Cohort::default(), GroupBy::Product));
    let by_hand = hand::order_to_activation(&history(&ledger), seconds(&ledger));
    let all = report.groups.last().unwrap();
    assert_same(&all.summary, hand::figures(&by_hand));
    // Of O-1 1 and 4 (7 and 8 have the unit of 1, 5 is the factory's), of O-2 the two and the one
    // of 3; waiting are two of O-1, and of 3 + 3 of O-2 the other three.
    assert_eq!((all.summary.over, all.summary.all), (5, 10));
    // O-3 is dated after the activation of one unit, and after today for the other.
    let negative = by_hand.iter().filter(|waited| waited.seconds < 0.0).count();
    let errors: Vec<_> = report
        .data_errors
        .iter()
        .map(|error| (error.subject.as_str(), error.device.as_deref(), error.units))
        .collect();
    let expected = [
        ("order O-3 line 1", Some("d-11"), 1),
        ("order O-3 line 1", None, 1),
    ];
    assert_eq!((errors.as_slice(), negative), (&expected[..], 2));
    let groups: Vec<_> = report
        .groups
        .iter()
        .map(|delay| (delay.group.as_str(), delay.summary.over, delay.summary.all))
        .collect();
    assert_eq!(groups, [("P", 4, 7), ("Q", 1, 3), ("all", 5, 10)]);
}

#[test]
fn a_cohort_is_what_was_ordered_within_it() {
    let ledger = lived();
    let (now, october) = (ledger.now, Timestamp::from_seconds(1_792_800_000));
    assert_eq!(october.to_string(), "2026-10-24T00:00:00Z");
    let of = |since, until| {
        let cohort = Cohort { since, until };
        let report =
            ledger.read(move |db| order_to_activation(db, None, now, cohort, GroupBy::default()));
        (report.groups[0].summary.all, report.data_errors.len())
    };
    assert_eq!(of(None, Some(october)), (4, 0));
    assert_eq!(of(Some(october), None), (6, 2));
}

#[test]
fn shipment_to_activation_is_the_count_by_hand() {
    let ledger = lived();
    let now = ledger.now;
    let report = ledger
        .read(move |db| shipment_to_activation(db, None, now, Cohort::default(), GroupBy::All));
    let by_hand = hand::shipment_to_activation(&history(&ledger), seconds(&ledger));
    let summary = &report.groups[0].summary;
    assert_same(summary, hand::figures(&by_hand));
    // Of N-1 device 1 is over, and 2 waits. Of N-2 4 is, and 5 is the factory's. Of N-4, for a
    // device that was never heard, 3 has the pump, and the scan waits. N-3 is dated after 3
    // activated, and N-5 came back.
    assert_eq!((summary.over, summary.all), (3, 5));
    let negative = by_hand.iter().filter(|waited| waited.seconds < 0.0).count();
    let errors: Vec<_> = report
        .data_errors
        .iter()
        .map(|error| (error.device.as_deref(), error.units))
        .collect();
    assert_eq!(
        (errors, negative),
        (vec![(Some("d-3"), 1), (Some("d-3"), 1)], 2)
    );
}
