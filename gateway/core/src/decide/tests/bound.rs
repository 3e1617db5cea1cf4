//! What a request without wants draws.

use fleetgrant_schemas::Message;
use fleetgrant_schemas::notice::{Notice, NoticeCode};

use crate::ask::Reason;
use crate::domain::LicenseModel;
use crate::license::ModelRules;
use crate::outcome::{Answer, Deliveries};
use crate::rule::Rule;
use crate::testkit::{Bench, denials, noticed, want};

#[test]
fn it_draws_what_is_bound_and_leaves_the_owners_pool() {
    let mut bench = Bench::new();
    let pool = bench.sell("scan", 5);
    let bound = bench.sell_as("print", 5, |e| e.units_per_device = 2);
    let mut device = bench.expected("d");
    bench.world.bind(&device.id, bound);
    bench.ask(&mut device, Reason::Boot, &[]);
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(device.features(), ["print"]);
    assert_eq!((bench.live(pool), bench.live(bound)), (0, 2));
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(bench.live(bound), 2);
}

#[test]
fn it_never_draws_an_evaluation() {
    let mut bench = Bench::new();
    let bound = bench.sell_as("scan", 5, |e| {
        e.rules = ModelRules::of(LicenseModel::Evaluation);
    });
    let mut device = bench.expected("d");
    bench.world.bind(&device.id, bound);
    bench.ask(&mut device, Reason::Boot, &[]);
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(bench.live(bound), 0);
}

/// Otherwise each start of the device would take again what it does not want.
#[test]
fn it_does_not_press_on_the_device_what_did_not_stay() {
    for how in ["refused", "returned", "revoked", "cancelled"] {
        let mut bench = Bench::new();
        let bound = bench.sell("scan", 5);
        let mut device = bench.expected("d");
        bench.ask(&mut device, Reason::Boot, &[]);
        if how == "refused" {
            device.refuses.push("scan".to_owned());
        }
        bench.world.bind(&device.id, bound);
        if how == "cancelled" {
            bench
                .operate(&device, |s, ctx, dice| {
                    crate::operator::assign(
                        s,
                        bound,
                        1,
                        crate::operator::Publish::AtContact,
                        ctx,
                        dice,
                    )
                })
                .unwrap();
            let id = bench.activations(&device)[0].id;
            bench
                .operate(&device, |s, ctx, _| crate::operator::cancel(s, id, ctx))
                .unwrap();
        }
        bench.ask(&mut device, Reason::Boot, &[]);
        if how == "returned" {
            bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
        }
        if how == "revoked" {
            let id = bench.activations(&device)[0].id;
            bench
                .operate(&device, |s, ctx, dice| {
                    crate::operator::revoke(s, id, ctx, dice)
                })
                .unwrap();
        }
        for _ in 0..3 {
            bench.ask(&mut device, Reason::Boot, &[]);
        }
        assert_eq!(bench.activations(&device).len(), 1, "{how}");
        assert_eq!(bench.live(bound), 0, "{how}");
    }
}

#[test]
fn it_names_the_rule_where_what_is_bound_cannot_be_had() {
    let mut bench = Bench::new();
    let bound = bench.sell("scan", 0);
    let mut device = bench.expected("d");
    bench.world.bind(&device.id, bound);
    bench.ask(&mut device, Reason::Boot, &[]);
    let outcome = bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(denials(&outcome), [Some(Rule::NoUnitsLeft)]);
    let Answer::Notice(notice) = &outcome.answer else {
        panic!("there is nothing to grant");
    };
    let notice = Notice::decode(&notice.payload).unwrap();
    assert_eq!(notice.code, NoticeCode::Denied);
    assert_eq!(notice.text, Some("no-units-left"));
    assert_eq!(notice.retry_after, Some(bench.policy.retry_after));
}

/// The acknowledgement of the empty set was lost, and a notice answers the next request.
#[test]
fn a_notice_too_settles_the_delivery_of_what_is_held() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let request = device.request(Reason::Return, &[want("scan", 0)]);
    let outcome = bench.receive(&device, &request);
    bench.deliver(&mut device, &outcome);
    let outcome = bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::Denied));
    assert_eq!(outcome.deliveries, Deliveries::Acknowledged);
}

/// A device that holds nothing, of which nothing is owed, is not sent empty sets.
#[test]
fn it_is_told_once_that_all_is_gone_and_then_that_nothing_is_bound() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
    assert!(device.features().is_empty());
    let outcome = bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::Denied));
    // But a device that was wiped does not hold the empty set.
    device.wipe();
    bench.ask(&mut device, Reason::Boot, &[]);
    let outcome = bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(outcome.answer, Answer::Grant);
}
