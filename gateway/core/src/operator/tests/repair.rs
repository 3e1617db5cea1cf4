//! A device of which the board was replaced, or the key leaked.

use super::*;
use crate::activation::Standing;
use crate::ask::Verdict;
use crate::domain::StorageClass;
use crate::event::Field;
use crate::lifecycle::{self, EntitlementAct, Posture};
use crate::notice::NoticeCode;
use crate::quota::Leave;
use crate::testkit::{denials, noticed};
use crate::tier::shipped;

fn record(bench: &mut Bench, device: &Handset) -> Result<Outcome, OperatorError> {
    bench.operate(device, |s, ctx, _| repair(s, None, None, ctx))
}

/// The board is replaced, and the office is told.
fn repaired(bench: &mut Bench, old: &mut Handset) -> Handset {
    record(bench, old).unwrap();
    old.verdict = Verdict::Superseded;
    old.new_board(9)
}

/// The new board asks, is challenged, and asks again.
fn arrives(bench: &mut Bench, board: &mut Handset) {
    bench.ask(board, Reason::Boot, &[]);
    bench.ask(board, Reason::Boot, &[]);
}

fn suspicions(bench: &Bench) -> usize {
    let kinds = [
        EventKind::Resynced,
        EventKind::CloneSuspected,
        EventKind::RolledBack,
        EventKind::HeldNeverIssued,
        EventKind::HeldBeyondRecord,
        EventKind::IdentityConflict,
        EventKind::SeqJumped,
    ];
    kinds.into_iter().map(|kind| bench.count(kind)).sum()
}

fn suspend(bench: &mut Bench, sold: EntitlementId, act: EntitlementAct) {
    let now = bench.now;
    let entitlement = bench.world.entitlement_mut(sold).unwrap();
    let posture = Posture {
        state: entitlement.state,
        holds: Default::default(),
        revoked_from: entitlement.revoked_from,
    };
    let after = lifecycle::after(posture, act, entitlement.live, now)
        .unwrap()
        .unwrap();
    entitlement.state = after.state;
    entitlement.revoked_from = after.revoked_from;
}

#[test]
fn a_new_board_has_what_the_old_one_had_and_nothing_is_activated_again() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut old = bench.activated("d", "scan", 1);
    for _ in 0..20 {
        bench.ask(&mut old, Reason::Boot, &[]);
    }
    let before = bench.activations(&old);
    let generation = bench.device(&old).generation;
    let mut new = repaired(&mut bench, &mut old);
    assert_eq!(bench.device(&old).key(), None);

    let outcome = bench.ask(&mut new, Reason::Boot, &[]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::Challenge));
    bench.ask(&mut new, Reason::Boot, &[]);
    assert_eq!(new.features(), ["scan"]);
    let device = bench.device(&new);
    assert_eq!(device.key(), Some(new.key));
    assert!(device.generation > generation, "generations go on growing");
    assert_eq!(device.acked_key(), Some(new.held.unwrap().key));
    assert_eq!(bench.activations(&new), before);
    assert_eq!(bench.live(sold), 1);
    assert_eq!(bench.count(EventKind::Activated), 1);
    assert_eq!(bench.world.uses().count(), 0, "no rehost");
    assert_eq!(suspicions(&bench), 0);
}

#[test]
fn the_old_key_is_refused_from_then_on_and_raises_no_alarm() {
    let mut bench = Bench::new();
    bench.sell("scan", 2);
    let mut old = bench.activated("d", "scan", 1);
    let mut new = repaired(&mut bench, &mut old);
    for pinned in [false, true] {
        if pinned {
            arrives(&mut bench, &mut new);
        }
        let before = bench.device(&old).clone();
        let outcome = bench.ask(&mut old, Reason::Upgrade, &[want("scan", 2)]);
        assert_eq!(noticed(&outcome), Some(NoticeCode::Revoked), "{pinned}");
        let [event] = &outcome.events[..] else {
            panic!("{:?}", outcome.events);
        };
        assert_eq!(event.kind, EventKind::DeviceRefused);
        let reason = event.body.field("reason");
        assert_eq!(reason, Some(&Field::Text("superseded".to_owned())));
        let after = bench.device(&old);
        assert_eq!((&after.last, after.acked), (&before.last, before.acked));
    }
    assert_eq!(suspicions(&bench), 0);
    assert!(!bench.device(&new).watch.frozen);
}

#[test]
fn who_did_what_to_which_keys_is_told() {
    let mut bench = Bench::new();
    let mut old = bench.admitted("d");
    let new = old.new_board(9);
    let named = NewKey {
        key: new.key,
        standing: KeyStanding::Unknown,
    };
    let outcome = bench.operate(&old, |s, ctx, _| repair(s, Some(named), None, ctx));
    let [event] = &outcome.unwrap().events[..] else {
        panic!("one event");
    };
    let told = |name| event.body.field(name).cloned();
    assert_eq!(told("before"), Some(old.key.into()));
    assert_eq!(told("key"), Some(new.key.into()));
    let again = bench.operate(&old, |s, ctx, _| repair(s, Some(named), Some(new.key), ctx));
    assert_eq!(again, Err(OperatorError::WaitsAlready));
    let other = bench.operate(&old, |s, ctx, _| repair(s, None, Some(new.key), ctx));
    let outcome = other.unwrap();
    assert_eq!(
        outcome.events[0].body.field("was"),
        Some(&Field::Text("waiting".to_owned()))
    );
    old.verdict = Verdict::Superseded;
    let mut new = new;
    arrives(&mut bench, &mut new);
    let admitted = bench.world.events().map(|(_, event)| event);
    let admitted = admitted
        .filter(|e| e.kind == EventKind::DeviceAdmitted)
        .last();
    let by = admitted.unwrap().body.field("by");
    assert_eq!(by, Some(&Field::Text("repair".to_owned())));
}

#[test]
fn of_two_new_keys_exactly_one_is_pinned() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut old = bench.activated("d", "scan", 1);
    let mut one = repaired(&mut bench, &mut old);
    let mut other = old.new_board(8);
    bench.ask(&mut one, Reason::Boot, &[]);
    bench.ask(&mut one, Reason::Boot, &[]);
    let outcome = bench.ask(&mut other, Reason::Boot, &[]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::IdentityConflict));
    assert_eq!(bench.device(&one).key(), Some(one.key));
    assert!(other.features().is_empty());
}

#[test]
fn what_was_on_its_way_out_at_the_old_board_is_orphaned_and_no_new_board_frees_it() {
    let mut bench = Bench::new();
    let scan = bench.sell("scan", 1);
    let print = bench.sell("print", 1);
    let mut old = bench.activated("d", "scan", 1);
    bench.ask(&mut old, Reason::Upgrade, &[want("print", 1)]);
    // The old board never heard of it.
    revoke_of(&mut bench, &old, 0).unwrap();
    assert_eq!(bench.states(&old)[0], ActivationState::Removing);
    let mut new = repaired(&mut bench, &mut old);
    assert_eq!(bench.states(&old)[0], ActivationState::Orphaned);
    arrives(&mut bench, &mut new);
    bench.ask(&mut new, Reason::Boot, &[]);
    assert_eq!(new.features(), ["print"]);
    assert_eq!(
        bench.states(&new),
        [ActivationState::Orphaned, ActivationState::Activated]
    );
    assert_eq!((bench.live(scan), bench.live(print)), (1, 1));
    // What the new board was given itself, it proves to be gone.
    revoke_of(&mut bench, &new, 1).unwrap();
    let ack = bench.push(&mut new).unwrap();
    bench.acknowledge(&new, &ack);
    assert_eq!((bench.live(scan), bench.live(print)), (1, 0));
}

#[test]
fn an_orphan_of_the_old_board_lapses_by_its_time() {
    let mut bench = Bench::new();
    let until = bench.now.plus_seconds(10 * DAY);
    let sold = bench.sell_as("scan", 1, |e| {
        e.term = crate::entitlement::Term::Until(until);
    });
    let mut old = bench.activated("d", "scan", 1);
    revoke_of(&mut bench, &old, 0).unwrap();
    repaired(&mut bench, &mut old);
    bench.wait(30 * DAY);
    bench.tick(&old);
    assert_eq!(bench.states(&old), [ActivationState::Lapsed]);
    assert_eq!(bench.live(sold), 0);
}

#[test]
fn what_is_taken_back_before_the_new_board_asks_is_orphaned_too() {
    for by_operator in [true, false] {
        let mut bench = Bench::new();
        let sold = bench.sell("scan", 1);
        let mut old = bench.activated("d", "scan", 1);
        let mut new = repaired(&mut bench, &mut old);
        if by_operator {
            let outcome = revoke_of(&mut bench, &old, 0).unwrap();
            assert_eq!(outcome.issued, None, "nobody could take it");
        } else {
            let at = bench.now;
            suspend(&mut bench, sold, EntitlementAct::Revoke { at });
        }
        arrives(&mut bench, &mut new);
        bench.ask(&mut new, Reason::Boot, &[]);
        assert!(new.features().is_empty());
        assert_eq!(bench.states(&new), [ActivationState::Orphaned]);
        assert_eq!(bench.live(sold), 1, "the old board may run it still");
    }
}

#[test]
fn what_the_new_board_returns_before_it_had_it_is_not_free() {
    for units in [0, 1] {
        let mut bench = Bench::new();
        let sold = bench.sell("scan", 2);
        let mut old = bench.activated("d", "scan", 2);
        let mut new = repaired(&mut bench, &mut old);
        bench.ask(&mut new, Reason::Boot, &[]);
        bench.ask(&mut new, Reason::Return, &[want("scan", units)]);
        bench.ask(&mut new, Reason::Boot, &[]);
        assert_eq!(bench.live(sold), 2, "{:?}", bench.states(&new));
        assert!(bench.states(&new).contains(&ActivationState::Orphaned));
    }
}

#[test]
fn what_the_old_board_proved_to_be_off_is_freed_by_the_new_one() {
    for heard in [true, false] {
        let mut bench = Bench::new();
        let sold = bench.sell("scan", 1);
        let mut old = bench.activated("d", "scan", 1);
        suspend(&mut bench, sold, EntitlementAct::Suspend);
        let refreshed = bench.operate(&old, |s, ctx, dice| {
            refresh(s, ctx, dice, false).map(Option::unwrap)
        });
        refreshed.unwrap();
        let ack = bench.push(&mut old).unwrap();
        if heard {
            bench.acknowledge(&old, &ack);
        }
        assert_eq!(bench.states(&old), [ActivationState::Suspended]);
        let mut new = repaired(&mut bench, &mut old);
        arrives(&mut bench, &mut new);
        revoke_of(&mut bench, &new, 0).unwrap();
        if let Some(ack) = bench.push(&mut new) {
            bench.acknowledge(&new, &ack);
        }
        bench.ask(&mut new, Reason::Boot, &[]);
        assert_eq!(bench.live(sold), u32::from(!heard), "{heard}");
    }
}

#[test]
fn what_was_suspended_comes_on_again_at_the_new_board() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut old = bench.activated("d", "scan", 1);
    suspend(&mut bench, sold, EntitlementAct::Suspend);
    let mut new = repaired(&mut bench, &mut old);
    arrives(&mut bench, &mut new);
    assert!(new.features().is_empty());
    suspend(&mut bench, sold, EntitlementAct::Resume);
    bench.ask(&mut new, Reason::Boot, &[]);
    assert_eq!(new.features(), ["scan"]);
    assert_eq!(bench.states(&new), [ActivationState::Activated]);
    assert_eq!(bench.count(EventKind::Activated), 1);
    bench.ask(&mut new, Reason::Return, &[want("scan", 0)]);
    bench.ask(&mut new, Reason::Boot, &[]);
    assert_eq!(bench.live(sold), 0, "it was at the new board");
}

#[test]
fn the_memory_of_the_old_board_in_the_new_one_proves_nothing_and_accuses_nobody() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut old = bench.activated("d", "scan", 1);
    revoke_of(&mut bench, &old, 0).unwrap();
    // It has the set without it; its acknowledgement is lost.
    bench.push(&mut old).unwrap();
    let mut new = repaired(&mut bench, &mut old);
    (new.held, new.seq, new.n) = (old.held, old.seq, old.n);
    let ack = new.acknowledgement();
    bench.acknowledge(&new, &ack);
    let before = bench.count(EventKind::Acknowledged);
    arrives(&mut bench, &mut new);
    bench.acknowledge(&new, &ack);
    assert_eq!(
        bench.count(EventKind::Acknowledged),
        before + 1,
        "its own set"
    );
    assert_eq!(bench.live(sold), 1);
    assert_eq!(suspicions(&bench), 0);
}

#[test]
fn a_factory_grant_was_for_the_old_board_only() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 2);
    let mut old = bench.activated("d", "scan", 1);
    {
        let device = bench.world.device_mut(&old.id).unwrap();
        device.watch.factory_grant = true;
        device.storage = StorageClass::Unprotected;
    }
    let id = bench.activations(&old)[0].id;
    bench.world.activation_mut(id).unwrap().origin = crate::domain::Origin::Factory;
    let mut new = repaired(&mut bench, &mut old);
    arrives(&mut bench, &mut new);
    revoke_of(&mut bench, &new, 0).unwrap();
    let ack = bench.push(&mut new).unwrap();
    bench.acknowledge(&new, &ack);
    assert_eq!(bench.live(sold), 0, "the new board cannot install it again");
}

#[test]
fn a_suspicion_against_the_device_stays() {
    let mut bench = Bench::new();
    bench.sell("scan", 2);
    let mut old = bench.activated("d", "scan", 1);
    let watch = &mut bench.world.device_mut(&old.id).unwrap().watch;
    (watch.frozen, watch.returns_stopped) = (true, true);
    let mut new = repaired(&mut bench, &mut old);
    arrives(&mut bench, &mut new);
    assert_eq!(new.features(), ["scan"], "what it had it keeps");
    let outcome = bench.ask(&mut new, Reason::Upgrade, &[want("scan", 2)]);
    assert_eq!(denials(&outcome), [Some(Rule::CloneSuspected)]);
    assert!(bench.device(&new).watch.returns_stopped);
}

#[test]
fn what_cannot_be_repaired_says_why() {
    let mut bench = Bench::new();
    let never = bench.expected("never");
    assert_eq!(record(&mut bench, &never), Err(OperatorError::NeverKeyed));
    let device = bench.admitted("d");
    let taken = [
        (KeyStanding::OfAnother, OperatorError::KeyOfAnother),
        (
            KeyStanding::Own(CredentialState::Current),
            OperatorError::KeyInUse,
        ),
        (
            KeyStanding::Own(CredentialState::Superseded),
            OperatorError::KeySpent(CredentialState::Superseded),
        ),
        (
            KeyStanding::Own(CredentialState::Revoked),
            OperatorError::KeySpent(CredentialState::Revoked),
        ),
    ];
    for (standing, why) in taken {
        let key = device.new_board(9).key;
        let new = Some(NewKey { key, standing });
        let refused = bench.operate(&device, |s, ctx, _| repair(s, new, None, ctx));
        assert_eq!(refused, Err(why));
    }
    for (state, why) in [
        (DeviceState::Tombstoned, OperatorError::Dead),
        (
            DeviceState::Retired,
            OperatorError::OutOfService(DeviceState::Retired),
        ),
    ] {
        bench.world.device_mut(&device.id).unwrap().state = state;
        assert_eq!(record(&mut bench, &device), Err(why));
    }
    assert_eq!(bench.device(&device).key(), Some(device.key));
}

fn revoke_key_of(bench: &mut Bench, device: &Handset) -> Result<Outcome, OperatorError> {
    let key = device.key;
    let state = match device.verdict {
        Verdict::Superseded => CredentialState::Superseded,
        Verdict::Revoked => CredentialState::Revoked,
        _ => CredentialState::Current,
    };
    bench.operate(device, |s, ctx, _| revoke_key(s, key, state, ctx))
}

#[test]
fn a_leaked_key_is_told_so_and_its_units_stay_taken_until_a_repair() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut old = bench.activated("d", "scan", 1);
    revoke_key_of(&mut bench, &old).unwrap();
    old.verdict = Verdict::Revoked;
    let outcome = bench.ask(&mut old, Reason::Return, &[want("scan", 0)]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::Revoked));
    assert_eq!(bench.states(&old), [ActivationState::Activated]);
    assert_eq!(
        revoke_key_of(&mut bench, &old),
        Err(OperatorError::KeyRevokedAlready)
    );
    let pushed = bench.operate(&old, |s, ctx, dice| push(s, ctx, dice));
    assert!(matches!(pushed, Err(OperatorError::KeyLost(_))));

    // Nobody takes its place unasked.
    let mut new = old.new_board(9);
    let outcome = bench.ask(&mut new, Reason::Boot, &[]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::IdentityConflict));
    record(&mut bench, &old).unwrap();
    arrives(&mut bench, &mut new);
    assert_eq!(new.features(), ["scan"]);
    assert_eq!(bench.live(sold), 1);
    let outcome = bench.ask(&mut old, Reason::Boot, &[]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::Revoked));
}

#[test]
fn a_superseded_key_can_be_revoked_and_the_device_goes_on() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut old = bench.activated("d", "scan", 1);
    let mut new = repaired(&mut bench, &mut old);
    arrives(&mut bench, &mut new);
    let before = bench.device(&new).clone();
    revoke_key_of(&mut bench, &old).unwrap();
    assert_eq!(bench.device(&new), &before);
}

#[test]
fn a_dead_device_comes_back_on_a_new_board_with_nothing_proven_of_the_old_one() {
    let mut bench = Bench::new();
    let policy = shipped()
        .into_iter()
        .find(|p| p.tag.tier.as_str() == "strategic");
    bench.allow(|rules| *rules = policy.unwrap().rules);
    bench.sell("scan", 1);
    let mut old = bench.activated("d", "scan", 1);
    let mut new = repaired(&mut bench, &mut old);
    let dead = bench.operate(&old, |s, ctx, dice| {
        declare_dead(s, Leave::Policy, ctx, dice)
    });
    dead.unwrap();
    assert_eq!(record(&mut bench, &old), Err(OperatorError::Dead));
    bench
        .operate(&old, |s, ctx, dice| readmit(s, ctx, dice))
        .unwrap();
    for _ in 0..3 {
        bench.ask(&mut new, Reason::Boot, &[]);
    }
    let device = bench.device(&new);
    assert_eq!(device.state, DeviceState::Admitted);
    assert_eq!(device.key(), Some(new.key));
    let [written_off] = &bench.activations(&new)[..] else {
        panic!("one activation");
    };
    assert!(
        matches!(written_off.standing, Standing::WrittenOff(_)),
        "the old board may still have it: {written_off:?}"
    );
}
