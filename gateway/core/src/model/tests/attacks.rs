//! What changes hands at a bad moment.

use crate::ask::Reason;
use crate::credit::Stock;
use crate::domain::{ActivationState, EntitlementId, PartyId, ProductId};
use crate::hand_over::HandOverError;
use crate::model::{NotHandedOver, Successor};
use crate::operator::{self, Of, Provision};
use crate::succession::SuccessionError;
use crate::testkit::{Bench, Handset, want};

const BUYER: PartyId = PartyId([2; 16]);
const SUCCESSOR: Successor = Successor {
    id: EntitlementId([0xf1; 16]),
    product: ProductId([0xf1; 16]),
};
const PART: EntitlementId = EntitlementId([0xf2; 16]);

fn stock(bench: &Bench, id: EntitlementId) -> Stock {
    bench.world.stock(id).unwrap()
}

/// Gives a device a right in the place of the one it has. It has not signed for it.
fn provide(bench: &mut Bench, handset: &Handset, provision: Provision, from: EntitlementId) {
    let replaces = Some(Of::Entitlement(from));
    bench
        .operate_naming(handset, provision.entitlement, |s, ctx, dice| {
            operator::provide(s, provision, replaces, ctx, dice)
        })
        .unwrap();
}

/// What was in use beyond the quantity would become units that were sold.
#[test]
fn no_unit_is_made_by_a_split_of_what_devices_are_just_getting() {
    let mut bench = Bench::new();
    let old = bench.sell_as("scan", 2, |e| e.overdraft = 1);
    let [one, other, mut third] =
        ["one", "other", "third"].map(|name| bench.activated(name, "scan", 1));
    let now = bench.now;
    bench.world.upgrade(old, SUCCESSOR, now).unwrap();
    bench.ask(&mut third, Reason::Return, &[want("scan", 0)]);
    bench.world.settle_upgrades();
    assert_eq!(stock(&bench, SUCCESSOR.id).units, 1, "it is free");

    let split = bench.world.split(SUCCESSOR.id, 1, (PART, None), now);
    let being_upgraded = Err(NotHandedOver::Units(HandOverError::BeingUpgraded));
    assert_eq!(split, being_upgraded);
    let given = bench.world.transfer(SUCCESSOR.id, BUYER);
    assert_eq!(given, being_upgraded);
    for device in [one, other] {
        let under_way = bench.world.upgrades_on(&device.id)[0];
        let provision = bench.world.make_room(&device.id, under_way).unwrap();
        provide(&mut bench, &device, provision.unwrap(), old);
    }
    let new = stock(&bench, SUCCESSOR.id);
    assert_eq!((new.units, new.overdraft, new.live), (2, 1, 2));
    assert_eq!(
        bench.world.split(SUCCESSOR.id, 1, (PART, None), now),
        Err(NotHandedOver::Units(HandOverError::NotFree {
            units: 1,
            free: 0
        }))
    );
}

/// A device that was just upgraded would take two units to its new owner: the one it has, and the one
/// it has not yet signed to be without.
#[test]
fn what_another_right_replaced_does_not_go_along_with_the_device() {
    let mut bench = Bench::new();
    let old = bench.sell("scan", 2);
    let mut device = bench.activated("one", "scan", 1);
    let now = bench.now;
    let provision = bench.world.upgrade_one(&device.id, old, SUCCESSOR, now);
    provide(&mut bench, &device, provision.unwrap().unwrap(), old);

    let moved = bench.world.sell_on(&device.id, BUYER, || PART, now);
    assert_eq!(moved, Ok(vec![(SUCCESSOR.id, PART)]));
    assert_eq!(stock(&bench, PART).units, 1);
    assert_eq!((stock(&bench, old).units, stock(&bench, old).live), (1, 1));
    let ack = bench.push(&mut device).unwrap();
    bench.acknowledge(&device, &ack);
    assert_eq!((stock(&bench, old).units, stock(&bench, old).live), (1, 0));
    use ActivationState::{Activated, Removed};
    assert_eq!(bench.states(&device), [Removed, Activated]);
}

/// They would be nobody's there.
#[test]
fn free_units_do_not_follow_into_what_was_upgraded_itself() {
    let mut bench = Bench::new();
    let old = bench.sell("scan", 2);
    let device = bench.activated("one", "scan", 1);
    let now = bench.now;
    let provision = bench.world.upgrade_one(&device.id, old, SUCCESSOR, now);
    provide(&mut bench, &device, provision.unwrap().unwrap(), old);
    let further = Successor {
        id: PART,
        product: ProductId([0xf2; 16]),
    };
    bench.world.upgrade(SUCCESSOR.id, further, now).unwrap();
    let rest = bench.world.upgrade_rest(old, SUCCESSOR, now);
    assert_eq!(rest, Err(SuccessionError::SuccessorClosed));
    assert_eq!(stock(&bench, old).sold(), 1);
}

/// What follows to an entitlement that owes units already would be free there and owed at once.
#[test]
fn what_follows_settles_what_is_owed_there() {
    let mut bench = Bench::new();
    let old = bench.sell("scan", 2);
    let device = bench.activated("one", "scan", 1);
    let third = Successor {
        id: EntitlementId([0xf3; 16]),
        product: ProductId([0xf3; 16]),
    };
    let now = bench.now;
    for (from, to) in [(old, SUCCESSOR), (SUCCESSOR.id, third)] {
        let provision = bench.world.upgrade_one(&device.id, from, to, now).unwrap();
        provide(&mut bench, &device, provision.unwrap(), from);
    }
    let owed = stock(&bench, SUCCESSOR.id);
    assert_eq!((owed.units, owed.pending_credit, owed.live), (1, 1, 1));

    assert_eq!(bench.world.upgrade_rest(old, SUCCESSOR, now), Ok(1));
    let settled = stock(&bench, SUCCESSOR.id);
    assert_eq!((settled.units, settled.pending_credit), (1, 0));
    let proven = settled.freed(1);
    assert_eq!((proven.units, proven.live), (1, 0), "it is free then");
}
