//! Parties on hold: nothing new, whichever way it would come, and nothing less of what there is.

use fleetgrant_schemas::code::ActivationCode;

use crate::ask::{Reason, Want};
use crate::domain::{ActivationState, CodeId, PartyId};
use crate::entitlement::{Code, Start};
use crate::operator::{self, OperatorError, Provision, Publish, Stopgap};
use crate::outcome::{Outcome, WantVerdict};
use crate::quota::Leave;
use crate::rule::Rule;
use crate::testkit::{Bench, Handset, OWNER, denials, want};

const OTHER: PartyId = PartyId([9; 16]);
const ON_HOLD: [Option<Rule>; 1] = [Some(Rule::PartyOnHold)];

fn upgrade(bench: &mut Bench, device: &mut Handset, feature: &str) -> Outcome {
    bench.ask(device, Reason::Upgrade, &[want(feature, 1)])
}

#[test]
fn what_a_party_on_hold_owns_is_not_activated_until_it_is_released() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 2);
    let bound = bench.sell("print", 1);
    let mut device = bench.admitted("d");
    bench.world.bind(&device.id, bound);
    bench.world.hold(OWNER, true);
    assert_eq!(denials(&upgrade(&mut bench, &mut device, "scan")), ON_HOLD);
    let owed = bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(denials(&owed), ON_HOLD);
    assert!(device.features().is_empty());
    assert_eq!((bench.live(sold), bench.live(bound)), (0, 0));

    bench.world.hold(OWNER, false);
    assert_eq!(denials(&upgrade(&mut bench, &mut device, "scan")), [None]);
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(device.features(), ["scan", "print"]);
}

#[test]
fn what_runs_goes_on_and_what_is_returned_is_free() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 2);
    let mut device = bench.activated("d", "scan", 1);
    // It is out, and not signed for.
    let mut late = bench.admitted("late");
    let request = late.request(Reason::Upgrade, &[want("scan", 1)]);
    let answered = bench.receive(&late, &request);
    bench.world.hold(OWNER, true);
    let ack = bench.deliver(&mut late, &answered).unwrap();
    bench.acknowledge(&late, &ack);
    assert_eq!(bench.states(&late), [ActivationState::Activated]);

    let again = bench.ask(&mut device, Reason::Renew, &[want("scan", 1)]);
    assert_eq!(again.decided[0].verdict, WantVerdict::Served);
    assert_eq!(device.features(), ["scan"]);
    bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
    bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
    assert!(device.features().is_empty());
    assert_eq!(bench.live(sold), 1);
    // Nor does another device get it meanwhile.
    let mut other = bench.admitted("other");
    let moved = bench.ask(&mut other, Reason::Rehost, &[want("scan", 1)]);
    assert_eq!(denials(&moved), ON_HOLD);
}

#[test]
fn what_was_assigned_before_waits_for_the_release() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.admitted("d");
    bench
        .operate(&device, |s, ctx, dice| {
            operator::assign(s, sold, 1, Publish::AtContact, ctx, dice)
        })
        .unwrap();
    bench.world.hold(OWNER, true);
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(bench.states(&device), [ActivationState::Reserved]);
    assert!(device.features().is_empty());
    bench.world.hold(OWNER, false);
    let refreshed = bench.operate(&device, |s, ctx, dice| {
        operator::refresh(s, ctx, dice, false).map(Option::unwrap)
    });
    assert_eq!(refreshed.unwrap().issued.unwrap().set.activations.len(), 1);
}

#[test]
fn no_operator_gives_anything_of_it() {
    let mut bench = Bench::new();
    // Ahead of its shipment, an operator may assign it otherwise.
    let sold = bench.sell_as("scan", 2, |e| e.start = Start::Awaited);
    let broken = bench.sell("print", 1);
    let device = bench.admitted("d");
    bench.activated("old", "print", 1);
    bench.world.hold(OWNER, true);
    let denied = Err(OperatorError::Denied(Rule::PartyOnHold));
    let assigned = bench.operate(&device, |s, ctx, dice| {
        operator::assign(s, sold, 1, Publish::Now, ctx, dice)
    });
    assert_eq!(assigned, denied);
    let provision = Provision {
        entitlement: sold,
        total: 1,
    };
    let provided = bench.operate(&device, |s, ctx, dice| {
        operator::provide(s, provision, None, ctx, dice)
    });
    assert_eq!(provided, denied);
    let stopgap = Stopgap {
        entitlement: broken,
        units: 1,
        leave: Leave::Approval,
    };
    let temporary = bench.operate(&device, |s, ctx, dice| {
        operator::give_temporary(s, stopgap, Publish::Now, ctx, dice)
    });
    assert_eq!(temporary, denied);
}

#[test]
fn a_device_that_asks_for_a_stop_gap_gets_none() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    bench.activated("broken", "scan", 1);
    let mut device = bench.admitted("d");
    bench.world.hold(OWNER, true);
    let asked = bench.ask(&mut device, Reason::Temporary, &[want("scan", 1)]);
    assert_eq!(denials(&asked), ON_HOLD);
}

/// By a code, a device gets what is nobody's, or a partner's: the device's owner counts as well.
#[test]
fn a_code_gives_nothing_where_one_of_both_is_on_hold() {
    let code = ActivationCode {
        id: CodeId([3; 5]),
        secret: *b"0123456789",
    };
    for (owner, held) in [(None, OWNER), (Some(OTHER), OWNER), (Some(OTHER), OTHER)] {
        let mut bench = Bench::new();
        let sold = bench.sell_as("scan", 2, |e| e.owner = owner);
        bench.world.add_code(Code {
            id: code.id,
            key: code.key(),
            entitlement: sold,
            units: 1,
            uses_left: 2,
            expires_at: None,
            void: false,
            failures: 0,
            partner: owner,
        });
        let mut device = bench.admitted("d");
        bench.world.hold(held, true);
        let mut redeem = |bench: &mut Bench| {
            let mut request = device.request(Reason::Upgrade, &[]);
            let claim = code.claim("realm", &request.sender.key, &request.ask.nonce);
            request.ask.wants = vec![Want::Code {
                id: claim.id,
                proof: claim.proof,
            }];
            let outcome = bench.receive(&device, &request);
            if let Some(ack) = bench.deliver(&mut device, &outcome) {
                bench.acknowledge(&device, &ack);
            }
            denials(&outcome)
        };
        assert_eq!(redeem(&mut bench), ON_HOLD, "{owner:?}");
        assert_eq!(bench.world.code(code.id).unwrap().uses_left, 2);
        bench.world.hold(held, false);
        assert_eq!(redeem(&mut bench), [None], "{owner:?}");
    }
}

/// As of a party above or below it in the tree.
#[test]
fn a_hold_is_of_that_party_alone() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.admitted("d");
    bench.world.hold(OTHER, true);
    assert_eq!(denials(&upgrade(&mut bench, &mut device, "scan")), [None]);
}
