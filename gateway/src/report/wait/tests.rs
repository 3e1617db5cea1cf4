#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn over(seconds: u64, units: u64) -> Wait {
    Wait::over(at(0), at(seconds), units).unwrap()
}

fn ongoing(seconds: u64, units: u64) -> Wait {
    Wait::ongoing(at(0), at(seconds), units).unwrap()
}

fn secs(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[test]
fn nothing_has_no_quantiles() {
    assert_eq!(Summary::of(Vec::new()), Summary::default());
    let waiting = Summary::of(vec![ongoing(5, 3)]);
    let expected = Summary {
        all: 3,
        ..Summary::default()
    };
    assert_eq!(waiting, expected);
}

#[test]
fn without_censoring_the_quantiles_are_the_ordinary_ones() {
    let summary = Summary::of((1..=100).map(|seconds| over(seconds, 1)));
    let expected = Summary {
        over: 100,
        all: 100,
        mean: Some(Duration::from_millis(50_500)),
        median: secs(50),
        p95: secs(95),
    };
    assert_eq!(summary, expected);
}

#[test]
fn what_waits_still_is_in_the_quantiles_and_not_in_the_mean() {
    // At 1 s 4/5 wait; the one censored at 2 s leaves 3 at risk: at 3 s 4/5 · 2/3 = 8/15, at 4 s
    // 4/5 · 1/3 = 4/15, and the last one is never seen to end.
    let waits = vec![
        over(4, 1),
        ongoing(2, 1),
        over(1, 1),
        ongoing(9, 1),
        over(3, 1),
    ];
    let summary = Summary::of(waits);
    assert_eq!((summary.over, summary.all), (3, 5));
    assert_eq!(summary.mean.unwrap().as_micros(), 8_000_000 / 3);
    assert_eq!((summary.median, summary.p95), (secs(4), None));
}

#[test]
fn the_estimate_is_that_of_the_textbook() {
    // Remission times of the 6-MP arm (Freireich et al. 1963), in weeks; median 23.
    let over_at = [6, 6, 6, 7, 10, 13, 16, 22, 23];
    let censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35];
    let waits = over_at.iter().map(|t| over(*t, 1));
    let waits = waits.chain(censored.iter().map(|t| ongoing(*t, 1)));
    let summary = Summary::of(waits);
    assert_eq!((summary.over, summary.all), (9, 21));
    assert_eq!((summary.median, summary.p95), (secs(23), None));
}

#[test]
fn a_median_reached_exactly_is_reached() {
    // 4/5 at 1 s; 5/8 of that, exactly a half, at 3 s.
    let waits = vec![over(1, 2), ongoing(2, 0), over(3, 3), over(9, 5)];
    assert_eq!(Summary::of(waits).median, secs(3));
}

#[test]
fn a_wait_that_ends_before_it_begins_is_refused() {
    let refused = Wait::over(at(5), at(3), 1);
    assert_eq!(
        refused,
        Err(Negative {
            from: at(5),
            to: at(3)
        })
    );
    assert!(Wait::over(at(5), at(5), 1).is_ok());
}

#[test]
fn lengths_are_spoken_in_the_unit_that_fits() {
    let spoken = |millis| Spoken(Some(Duration::from_millis(millis))).to_string();
    assert_eq!(spoken(412), "412 ms");
    assert_eq!(spoken(1_250), "1.2 s");
    assert_eq!(spoken(90_000), "1.5 min");
    assert_eq!(spoken(5_400_000), "1.5 h");
    assert_eq!(spoken(129_600_000), "1.5 d");
    assert_eq!(Spoken(None).to_string(), "not known");
}

fn waits() -> impl Strategy<Value = Vec<Wait>> {
    let wait = (0u64..40, 1u64..5, any::<bool>());
    let wait = wait.prop_map(|(seconds, units, is_over)| match is_over {
        true => over(seconds, units),
        false => ongoing(seconds, units),
    });
    prop::collection::vec(wait, 0..60)
}

/// Kaplan–Meier as it is defined: a factor (1 − d/n) for each time at which something happened.
fn by_definition(waits: &[Wait], share: f64) -> Option<Duration> {
    let mut times: Vec<_> = waits
        .iter()
        .filter(|w| w.is_over)
        .map(|w| w.length)
        .collect();
    times.sort_unstable();
    times.dedup();
    let mut waiting = 1.0;
    times.into_iter().find(|time| {
        let sum = |keep: &dyn Fn(&&Wait) -> bool| -> u64 {
            waits.iter().filter(keep).map(|w| w.units).sum()
        };
        let at_risk = sum(&|w| w.length >= *time);
        let happened = sum(&|w| w.length == *time && w.is_over);
        waiting *= 1.0 - happened as f64 / at_risk as f64;
        waiting <= 1.0 - share + 1e-9
    })
}

#[test]
fn of_many_lengths_the_digits_are_kept_that_there_is_room_for() {
    const ROOM: usize = 1_024;
    let mut waits = Waits::within(ROOM);
    let mut exact = Waits::default();
    for seconds in 1..=10_000u64 {
        // In no order, and some of them wait still.
        let seconds = seconds * 7_919 % 10_007;
        let wait = match seconds % 5 {
            0 => ongoing(seconds, 1),
            _ => over(seconds, 2),
        };
        waits.add(wait);
        exact.add(wait);
        assert!(waits.steps.len() <= ROOM);
    }
    let digits = waits.digits;
    assert!((4..12).contains(&digits), "{digits}");
    let (rounded, exact) = (waits.summary(), exact.summary());
    assert_eq!((rounded.over, rounded.all), (exact.over, exact.all));
    assert_eq!(rounded.mean, exact.mean);
    // Each length is too short by one of its last digit at most, and what is censored by as much.
    let most = 2.0 / f64::from(1 << (digits - 1));
    for (rounded, exact) in [(rounded.median, exact.median), (rounded.p95, exact.p95)] {
        let (rounded, exact) = (rounded.unwrap().as_secs_f64(), exact.unwrap().as_secs_f64());
        assert!((rounded - exact).abs() <= exact * most, "{rounded} {exact}");
    }
}

proptest! {
    #[test]
    fn rounded_waits_that_are_over_have_rounded_quantiles(
        lengths in prop::collection::vec(1u64..1 << 40, 65..300),
    ) {
        let wait = |micros: &u64| {
            Wait::over(at(0), Timestamp::from_micros(*micros as i64), 1).unwrap()
        };
        let mut waits = Waits::within(64);
        lengths.iter().for_each(|micros| waits.add(wait(micros)));
        let digits = waits.digits;
        let rounded = |length: Option<Duration>| {
            let key = (length.unwrap().as_micros() as u64) << 1;
            Some(Duration::from_micros(Step { key, units: 1 }.rounded(digits).micros()))
        };
        let exact = Summary::of(lengths.iter().map(wait));
        let summary = waits.summary();
        prop_assert_eq!(summary.median, rounded(exact.median));
        prop_assert_eq!(summary.p95, rounded(exact.p95));
        prop_assert_eq!(summary.mean, exact.mean);
    }

    #[test]
    fn the_quantiles_are_those_of_the_definition(waits in waits()) {
        let summary = Summary::of(waits.clone());
        prop_assert_eq!(summary.median, by_definition(&waits, 0.5));
        prop_assert_eq!(summary.p95, by_definition(&waits, 0.95));
    }

    #[test]
    fn a_unit_counts_as_often_as_it_is_there(waits in waits()) {
        let one_by_one = waits.iter().flat_map(|wait| {
            std::iter::repeat_n(Wait { units: 1, ..*wait }, wait.units as usize)
        });
        prop_assert_eq!(Summary::of(one_by_one), Summary::of(waits));
    }

    #[test]
    fn waiting_longer_never_makes_a_median_shorter(waits in waits()) {
        let longer = waits.iter().map(|wait| match wait.is_over {
            true => *wait,
            false => Wait { length: wait.length + Duration::from_secs(7), ..*wait },
        });
        let (before, after) = (Summary::of(waits.clone()), Summary::of(longer));
        match (before.median, after.median) {
            (Some(before), Some(after)) => prop_assert!(after >= before),
            (None, Some(_)) => prop_assert!(false, "a median came of waiting"),
            (_, None) => {}
        }
    }
}
