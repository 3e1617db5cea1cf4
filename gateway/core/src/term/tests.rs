#![allow(clippy::unwrap_used)]

use jiff::civil::date;

use super::*;
use crate::ask::Reason;
use crate::testkit::{Bench, DAY, want};

fn at(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_micros(instant.as_microsecond())
}

fn ends(start: &str, months: u16, days: u16, zone: &str) -> Timestamp {
    let zone = TimeZone::get(zone).unwrap();
    end(Term::For { months, days }, at(start), &zone).unwrap()
}

#[test]
fn a_term_ends_at_the_start_of_a_day_in_the_owners_zone() {
    let cases = [
        // A year from noon in Berlin, whose winter is an hour ahead.
        (
            "2026-12-01T12:00:00Z",
            12,
            0,
            "Europe/Berlin",
            "2027-11-30T23:00:00Z",
        ),
        // It is already the next day in Auckland.
        (
            "2026-12-01T12:00:00Z",
            12,
            0,
            "Pacific/Auckland",
            "2027-12-01T11:00:00Z",
        ),
        // A leap day has no like in the next year.
        ("2028-02-29T08:00:00Z", 12, 0, "UTC", "2029-02-28T00:00:00Z"),
        ("2024-02-29T08:00:00Z", 48, 0, "UTC", "2028-02-29T00:00:00Z"),
        ("2027-01-31T08:00:00Z", 1, 0, "UTC", "2027-02-28T00:00:00Z"),
        // Over the change of the clocks.
        (
            "2027-03-01T12:00:00Z",
            1,
            0,
            "Europe/Berlin",
            "2027-03-31T22:00:00Z",
        ),
        ("2026-12-01T12:00:00Z", 0, 30, "UTC", "2026-12-31T00:00:00Z"),
        ("2026-12-01T12:00:00Z", 1, 1, "UTC", "2027-01-02T00:00:00Z"),
    ];
    for (start, months, days, zone, end) in cases {
        assert_eq!(
            ends(start, months, days, zone),
            at(end),
            "{start} {months} {days} {zone}"
        );
    }
}

/// Midnight does not exist where the clocks go forward then.
#[test]
fn a_day_without_midnight_starts_when_it_starts() {
    let zone = TimeZone::get("America/Sao_Paulo").unwrap();
    let day = date(2018, 11, 4).to_zoned_datetime(zone).unwrap();
    let start = Timestamp::from_micros(day.timestamp().as_microsecond());
    assert_eq!(
        ends("2018-10-05T12:00:00Z", 0, 30, "America/Sao_Paulo"),
        start
    );
    assert_eq!(start, at("2018-11-04T03:00:00Z"));
}

#[test]
fn a_term_beyond_any_calendar_ends_with_the_calendar() {
    let last = Timestamp::from_seconds(limits::MAX_INSTANT - 1);
    assert_eq!(
        ends("9000-01-01T00:00:00Z", u16::MAX, u16::MAX, "UTC"),
        last
    );
}

#[test]
fn the_first_activation_starts_the_term_of_all() {
    let mut bench = Bench::new();
    let sold = bench.sell_as("scan", 2, |e| {
        e.start = Start::FirstActivation { latest: None };
        e.term = Term::For { months: 1, days: 0 };
    });
    bench.wait(10 * DAY);
    let begun = bench.now;
    let one = bench.activated("one", "scan", 1);
    assert_eq!(
        bench.world.entitlement(sold).unwrap().start,
        Start::At(begun)
    );
    bench.wait(10 * DAY);
    let other = bench.activated("other", "scan", 1);
    assert_eq!(one.rights[0].2, other.rights[0].2);
    assert_eq!(one.rights[0].2, Some(at("2027-01-11T00:00:00Z").seconds()));
}

#[test]
fn each_activation_starts_its_own_term_and_keeps_it() {
    let mut bench = Bench::new();
    bench.sell_as("scan", 2, |e| {
        e.start = Start::EachActivation { latest: None };
        e.term = Term::For { months: 1, days: 0 };
    });
    let mut one = bench.activated("one", "scan", 1);
    let first = one.rights[0].2;
    bench.wait(10 * DAY);
    let other = bench.activated("other", "scan", 1);
    bench.ask(&mut one, Reason::Renew, &[]);
    assert_eq!(one.rights[0].2, first);
    assert_eq!(
        other.rights[0].2,
        Some(at("2027-01-11T00:00:00Z").seconds())
    );
}

#[test]
fn a_term_starts_at_its_latest_start_though_nobody_activates() {
    let mut bench = Bench::new();
    let latest = bench.now.plus_seconds(5 * DAY);
    bench.sell_as("scan", 2, |e| {
        e.start = Start::FirstActivation {
            latest: Some(latest),
        };
        e.term = Term::For { months: 1, days: 0 };
    });
    bench.wait(20 * DAY);
    let device = bench.activated("d", "scan", 1);
    assert_eq!(
        device.rights[0].2,
        Some(at("2027-01-06T00:00:00Z").seconds())
    );
    let mut other = bench.admitted("other");
    bench.wait(20 * DAY);
    let outcome = bench.ask(&mut other, Reason::Upgrade, &[want("scan", 1)]);
    assert_eq!(
        crate::testkit::denials(&outcome),
        [Some(crate::rule::Rule::Expired)]
    );
}

/// What has not begun is sent with its start.
#[test]
fn a_start_to_come_is_told() {
    use fleetgrant_schemas::{Message, grant::Grant};
    let mut bench = Bench::new();
    let start = bench.now.plus_seconds(3 * DAY);
    bench.sell_as("scan", 2, |e| e.start = Start::At(start));
    let mut device = bench.admitted("d");
    let request = device.request(Reason::Upgrade, &[want("scan", 1)]);
    let issued = bench.receive(&device, &request).issued.unwrap();
    let grant = Grant::decode(&issued.payload).unwrap();
    let right = grant.entitlements.iter().next().unwrap();
    assert_eq!(right.start, Some(start.seconds()));
}
