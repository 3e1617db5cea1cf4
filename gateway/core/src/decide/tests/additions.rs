//! Products that are additions to others.

use crate::ask::Reason;
use crate::domain::{EntitlementId, ProductId};
use crate::rule::Rule;
use crate::testkit::{Bench, denials, want};

fn sell_addition(bench: &mut Bench, feature: &str, to: &[EntitlementId]) -> EntitlementId {
    let product = |bench: &Bench, id| bench.world.entitlement(id).unwrap().product;
    let one_of: Vec<ProductId> = to.iter().map(|id| product(bench, *id)).collect();
    bench.sell_as(feature, 3, |e| e.requires = [one_of.into()].into())
}

#[test]
fn an_addition_is_given_with_what_it_adds_to_and_not_without() {
    let mut bench = Bench::new();
    let base = bench.sell("scan", 3);
    let addition = sell_addition(&mut bench, "print", &[base]);
    let mut device = bench.admitted("d");
    let outcome = bench.ask(&mut device, Reason::Upgrade, &[want("print", 1)]);
    assert_eq!(denials(&outcome), [Some(Rule::PrerequisiteMissing)]);
    // In one request, in whatever order.
    let both = [want("print", 1), want("scan", 1)];
    let outcome = bench.ask(&mut device, Reason::Upgrade, &both);
    assert_eq!(denials(&outcome), [None, None]);
    assert_eq!((bench.live(base), bench.live(addition)), (1, 1));
    let mut other = bench.activated("other", "scan", 1);
    let outcome = bench.ask(&mut other, Reason::Upgrade, &[want("print", 1)]);
    assert_eq!(denials(&outcome), [None]);
}

#[test]
fn what_takes_the_place_of_what_is_required_will_do() {
    let mut bench = Bench::new();
    let old = bench.sell("scan", 1);
    let new = bench.sell("scan2", 1);
    sell_addition(&mut bench, "print", &[old, new]);
    let mut device = bench.activated("d", "scan2", 1);
    let outcome = bench.ask(&mut device, Reason::Upgrade, &[want("print", 1)]);
    assert_eq!(denials(&outcome), [None]);
}

#[test]
fn a_line_of_additions_that_is_bound_is_drawn_from_its_beginning() {
    let mut bench = Bench::new();
    let base = bench.sell("scan", 1);
    let addition = sell_addition(&mut bench, "print", &[base]);
    let to_that = sell_addition(&mut bench, "fax", &[addition]);
    let not_here = bench.sell("copy", 1);
    let alone = sell_addition(&mut bench, "staple", &[not_here]);
    let mut device = bench.admitted("d");
    for id in [to_that, alone, addition, base] {
        bench.world.bind(&device.id, id);
    }
    bench.ask(&mut device, Reason::Boot, &[]);
    let mut features = device.features();
    features.sort_unstable();
    assert_eq!(features, ["fax", "print", "scan"]);
    assert_eq!(bench.live(alone), 0);
}
