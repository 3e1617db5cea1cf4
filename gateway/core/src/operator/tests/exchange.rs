use super::*;
use crate::operator::{Of, Provision, provide, withdraw};

fn provide_to(
    bench: &mut Bench,
    device: &Handset,
    entitlement: EntitlementId,
    total: u32,
    replaces: Option<Of>,
) -> Result<Outcome, OperatorError> {
    let provision = Provision { entitlement, total };
    bench.operate_naming(device, entitlement, |s, ctx, dice| {
        provide(s, provision, replaces, ctx, dice)
    })
}

#[test]
fn a_total_is_given_once() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 5);
    let mut device = bench.admitted("d");
    let outcome = provide_to(&mut bench, &device, sold, 2, None).unwrap();
    assert!(outcome.issued.is_some());
    assert_eq!(
        provide_to(&mut bench, &device, sold, 2, None),
        Err(OperatorError::NothingToApprove)
    );
    // It has held nothing yet, and so takes only what answers it.
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(bench.states(&device), [ActivationState::Activated]);
    provide_to(&mut bench, &device, sold, 3, None).unwrap();
    assert_eq!(bench.live(sold), 3);
    assert_eq!(
        provide_to(&mut bench, &device, sold, 9, None),
        Err(OperatorError::Denied(Rule::NoUnitsLeft))
    );
}

#[test]
fn who_was_never_admitted_gets_it_at_contact() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.expected("d");
    let outcome = provide_to(&mut bench, &device, sold, 1, None).unwrap();
    assert_eq!(outcome.issued, None);
    bench.ask(&mut device, Reason::Boot, &[]);
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(device.features(), ["scan"]);
}

#[test]
fn an_upgrade_never_leaves_a_device_without_both() {
    let mut bench = Bench::new();
    let old = bench.sell("scan", 1);
    let new = bench.sell("scan-pro", 1);
    let mut device = bench.activated("d", "scan", 1);
    let other = bench.admitted("other");
    let replaces = Some(Of::Entitlement(old));
    provide_to(&mut bench, &device, new, 1, replaces).unwrap();
    assert_eq!(device.features(), ["scan"]);
    assert_eq!((bench.live(old), bench.live(new)), (1, 1), "until it signs");
    let ack = bench.push(&mut device).unwrap();
    bench.acknowledge(&device, &ack);
    assert_eq!(device.features(), ["scan-pro"]);
    assert_eq!((bench.live(old), bench.live(new)), (0, 1));
    assert_eq!(
        provide_to(&mut bench, &device, new, 1, replaces),
        Err(OperatorError::NothingToApprove)
    );
    assert_eq!(
        provide_to(&mut bench, &other, new, 1, replaces),
        Err(OperatorError::Denied(Rule::NoUnitsLeft))
    );
}

#[test]
fn what_cannot_be_given_replaces_nothing() {
    let mut bench = Bench::new();
    let old = bench.sell("scan", 1);
    let new = bench.sell("scan-pro", 1);
    bench.world.entitlement_mut(new).unwrap().state = EntitlementState::Hold;
    let device = bench.activated("d", "scan", 1);
    assert_eq!(
        provide_to(&mut bench, &device, new, 1, Some(Of::Entitlement(old))),
        Err(OperatorError::Denied(Rule::Hold))
    );
    assert_eq!(bench.states(&device), [ActivationState::Activated]);
}

#[test]
fn all_of_a_product_is_taken_back_in_one_set() {
    let mut bench = Bench::new();
    let first = bench.sell("scan", 1);
    let second = bench.sell("scan", 1);
    let product = bench.world.entitlement(first).unwrap().product;
    bench.world.entitlement_mut(second).unwrap().product = product;
    let mut device = bench.activated("d", "scan", 2);
    let take = |bench: &mut Bench, device: &Handset| {
        bench.operate(device, |s, ctx, dice| {
            withdraw(s, Of::Product(product), ctx, dice)
        })
    };
    take(&mut bench, &device).unwrap();
    assert_eq!(bench.states(&device), [ActivationState::Removing; 2]);
    let ack = bench.push(&mut device).unwrap();
    bench.acknowledge(&device, &ack);
    assert_eq!((bench.live(first), bench.live(second)), (0, 0));
    assert_eq!(
        take(&mut bench, &device),
        Err(OperatorError::NothingToApprove)
    );
}
