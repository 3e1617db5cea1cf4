//! What the specification says of decisions is what the core decides by.
#![allow(clippy::unwrap_used)]

use fleetgrant_core::delivery::Pauses;
use fleetgrant_core::rule::Rule;

const PROTOCOL: &str = include_str!("../../../schemas/PROTOCOL.md");

#[test]
fn every_rule_that_denies_has_its_row_and_every_row_its_rule() {
    let (_, table) = PROTOCOL.split_once("\n| rule | ").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let told: Vec<&str> = table
        .lines()
        .skip(2)
        .map(|row| row.split('`').nth(1).unwrap())
        .collect();
    let names: Vec<&str> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(told, names);
}

#[test]
fn a_set_is_pushed_again_when_it_says() {
    let told = [60, 5 * 60, 30 * 60, 6 * 3_600, 24 * 3_600];
    assert_eq!(Pauses::new(&told), Some(Pauses::default()));
    assert!(PROTOCOL.contains("then after 1, 5, 30 min, 6 h, 24 h, then at contact"));
}
