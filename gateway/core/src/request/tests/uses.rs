//! The uses that a device reports, and what a set leaves it of them.

use fleetgrant_schemas::Message;
use fleetgrant_schemas::grant::Grant;

use crate::ask::{Reason, Usage};
use crate::domain::{ActivationId, EntitlementId, EntitlementState, LicenseModel};
use crate::license::ModelRules;
use crate::outcome::Outcome;
use crate::testkit::{Bench, Handset};

/// Sold and activated, with so many uses if it is prepaid.
fn activated(rules: ModelRules) -> (Bench, EntitlementId, Handset, ActivationId) {
    let mut bench = Bench::new();
    let sold = bench.sell_as("scan", 1, |e| e.rules = rules);
    let device = bench.activated("d", "scan", 1);
    let activation = bench.activations(&device)[0].id;
    (bench, sold, device, activation)
}

fn prepaid(uses: u64) -> ModelRules {
    ModelRules {
        uses: Some(uses),
        ..ModelRules::of(LicenseModel::Counted)
    }
}

/// What a set says of its only right: the uses it gives, and from which total on.
fn told(outcome: &Outcome) -> (Option<u64>, Option<u64>) {
    let grant = Grant::decode(&outcome.issued.as_ref().unwrap().payload).unwrap();
    let right = grant.entitlements.iter().next().unwrap();
    (right.count, right.usage_base)
}

/// It has nothing but its key, and learns its number from the first answer.
fn come_back_empty(bench: &mut Bench, device: &mut Handset) -> Outcome {
    device.wipe();
    bench.ask(device, Reason::Boot, &[]);
    bench.ask(device, Reason::Boot, &[])
}

#[test]
fn usage_only_grows() {
    let (mut bench, _, mut device, activation) = activated(ModelRules::of(LicenseModel::Metered));
    for (total, kept) in [(5, 5), (3, 5), (9, 9)] {
        device.usage = vec![Usage { activation, total }];
        bench.ask(&mut device, Reason::Renew, &[]);
        assert_eq!(bench.activations(&device)[0].usage, kept);
    }
}

#[test]
fn a_device_that_lost_its_totals_has_no_use_a_second_time() {
    let (mut bench, _, mut device, activation) = activated(prepaid(100));
    for (total, left) in [(0, 100), (40, 60), (100, 0), (120, 0)] {
        device.usage = vec![Usage { activation, total }];
        bench.ask(&mut device, Reason::Renew, &[]);
        let outcome = come_back_empty(&mut bench, &mut device);
        let base = (total > 0).then_some(total);
        assert_eq!(told(&outcome), (Some(left), base));
    }
}

#[test]
fn what_was_suspended_comes_back_with_the_uses_that_were_left() {
    let (mut bench, sold, mut device, activation) = activated(prepaid(100));
    let total = 40;
    device.usage = vec![Usage { activation, total }];
    bench.world.entitlement_mut(sold).unwrap().state = EntitlementState::Suspended;
    bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(device.rights, []);
    // It has no total of what it does not have.
    device.usage.clear();
    bench.world.entitlement_mut(sold).unwrap().state = EntitlementState::Active;
    let outcome = bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(told(&outcome), (Some(60), Some(40)));
}

#[test]
fn a_device_that_lost_its_totals_goes_on_from_where_those_it_pays_for_stand() {
    let (mut bench, _, mut device, activation) = activated(ModelRules::of(LicenseModel::Metered));
    let total = 40;
    device.usage = vec![Usage { activation, total }];
    bench.ask(&mut device, Reason::Renew, &[]);
    let outcome = come_back_empty(&mut bench, &mut device);
    assert_eq!(told(&outcome), (None, Some(40)));
}
