//! What is sold for the devices of one product line.

use crate::ask::Reason;
use crate::domain::ProductLineId;
use crate::operator::{OperatorError, Publish, assign};
use crate::rule::Rule;
use crate::testkit::{Bench, Handset, denials, want};

const PUMPS: ProductLineId = ProductLineId([1; 16]);
const VALVES: ProductLineId = ProductLineId([2; 16]);

fn of(bench: &mut Bench, line: Option<ProductLineId>) -> Handset {
    let device = bench.admitted("d");
    bench.world.device_mut(&device.id).unwrap().product_line = line;
    device
}

#[test]
fn it_serves_the_devices_of_that_line_alone() {
    for (line, denied) in [
        (Some(PUMPS), None),
        (Some(VALVES), Some(Rule::OtherProductLine)),
        (None, Some(Rule::OtherProductLine)),
    ] {
        let mut bench = Bench::new();
        let sold = bench.sell_as("scan", 1, |e| e.product_line = Some(PUMPS));
        let mut device = of(&mut bench, line);
        let outcome = bench.ask(&mut device, Reason::Upgrade, &[want("scan", 1)]);
        assert_eq!(denials(&outcome), [denied]);
        assert_eq!(bench.live(sold), u32::from(denied.is_none()));
    }
}

#[test]
fn a_product_for_the_line_or_for_all_serves_where_another_does_not() {
    for line in [Some(VALVES), None] {
        let mut bench = Bench::new();
        let other = bench.sell_as("scan", 1, |e| e.product_line = Some(PUMPS));
        let sold = bench.sell_as("scan", 1, |e| e.product_line = line);
        let mut device = of(&mut bench, Some(VALVES));
        let outcome = bench.ask(&mut device, Reason::Upgrade, &[want("scan", 1)]);
        assert_eq!(denials(&outcome), [None]);
        assert_eq!((bench.live(other), bench.live(sold)), (0, 1));
    }
}

#[test]
fn neither_an_order_nor_an_operator_puts_it_on_a_device_of_another_line() {
    let mut bench = Bench::new();
    let sold = bench.sell_as("scan", 1, |e| e.product_line = Some(PUMPS));
    let mut device = of(&mut bench, Some(VALVES));
    bench.world.bind(&device.id, sold);
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(bench.live(sold), 0);
    let assigned = bench.operate(&device, |snapshot, ctx, dice| {
        assign(snapshot, sold, 1, Publish::AtContact, ctx, dice)
    });
    let denied = OperatorError::Denied(Rule::OtherProductLine);
    assert_eq!(assigned.unwrap_err(), denied);
}

/// It is not taken from a device that has it, whatever the catalogue says by now.
#[test]
fn what_a_device_has_it_keeps() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    bench.world.entitlement_mut(sold).unwrap().product_line = Some(PUMPS);
    bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(device.features(), ["scan"]);
}
