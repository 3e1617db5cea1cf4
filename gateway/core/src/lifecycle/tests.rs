#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
const LATER: Timestamp = Timestamp::from_seconds(2_000_000);

fn standing(state: EntitlementState) -> Posture {
    Posture {
        state,
        holds: match state {
            EntitlementState::Hold => Holds::default().with(HoldReason::Operator),
            _ => Holds::default(),
        },
        revoked_from: None,
    }
}

fn acts() -> impl Strategy<Value = EntitlementAct> {
    let reason = || prop::sample::select(HoldReason::ALL);
    prop_oneof![
        Just(EntitlementAct::Activate),
        Just(EntitlementAct::Suspend),
        Just(EntitlementAct::Resume),
        reason().prop_map(EntitlementAct::Hold),
        reason().prop_map(EntitlementAct::Release),
        (0..3_u64).prop_map(|day| EntitlementAct::Revoke {
            at: Timestamp::from_seconds(1_000_000 + day * 86_400),
        }),
        Just(EntitlementAct::KeepOn),
        Just(EntitlementAct::Close),
    ]
}

#[test]
fn each_state_takes_the_acts_that_go_with_it() {
    use EntitlementAct as Act;
    use EntitlementState::{Active, Closed, Draft, Expired, Hold, Suspended};
    let hold = Act::Hold(HoldReason::Operator);
    let release = Act::Release(HoldReason::Operator);
    let revoke = Act::Revoke { at: NOW };
    // Where it leads; none where it is refused.
    let table = [
        (Draft, Act::Activate, Some(Active)),
        (Expired, Act::Activate, None),
        (Active, Act::Suspend, Some(Suspended)),
        (Hold, Act::Suspend, Some(Suspended)),
        (Draft, Act::Suspend, None),
        (Expired, Act::Suspend, Some(Suspended)),
        (Expired, Act::Resume, Some(Expired)),
        (Closed, Act::Suspend, None),
        (Suspended, Act::Resume, Some(Active)),
        (Active, Act::Resume, Some(Active)),
        (Hold, Act::Resume, Some(Hold)),
        (Closed, Act::Resume, None),
        (Active, hold, Some(Hold)),
        (Suspended, hold, Some(Suspended)),
        (Draft, hold, Some(Draft)),
        (Expired, hold, Some(Expired)),
        (Expired, release, Some(Expired)),
        (Hold, release, Some(Active)),
        (Active, release, Some(Active)),
        (Closed, release, None),
        (Active, revoke, Some(Closed)),
        (Draft, revoke, Some(Closed)),
        (Expired, revoke, Some(Closed)),
        (Closed, revoke, None),
        (Active, Act::Close, Some(Closed)),
        (Closed, Act::Close, Some(Closed)),
    ];
    for (state, act, expected) in table {
        let came = after(standing(state), act, 0, NOW);
        let came = came.map(|next| next.map_or(state, |next| next.state));
        assert_eq!(came.ok(), expected, "{state} {act:?}");
    }
}

#[test]
fn what_is_active_expires_by_time_and_another_end_brings_it_back() {
    use EntitlementState::{Active, Closed, Draft, Expired, Hold, Suspended};
    for (state, over, to_come) in [
        (Active, Some(Expired), None),
        (Expired, None, Some(Active)),
        (Draft, None, None),
        (Hold, None, None),
        (Suspended, None, None),
        (Closed, None, None),
    ] {
        let at = |until| ended(standing(state), until, NOW).map(|next| next.state);
        assert_eq!((at(NOW), at(LATER)), (over, to_come), "{state}");
    }
    // What was put on hold meanwhile comes back on hold.
    let held = after(
        standing(Expired),
        EntitlementAct::Hold(HoldReason::Payment),
        0,
        NOW,
    );
    let back = ended(held.unwrap().unwrap(), LATER, NOW).unwrap();
    assert_eq!(back.state, Hold);
}

#[test]
fn what_is_in_use_is_not_closed() {
    let refused = after(
        standing(EntitlementState::Active),
        EntitlementAct::Close,
        2,
        NOW,
    );
    assert_eq!(refused, Err(LifecycleError::InUse(2)));
}

#[test]
fn two_reasons_to_hold_are_released_apart() {
    let hold = |reason| EntitlementAct::Hold(reason);
    let release = |reason| EntitlementAct::Release(reason);
    let step = |posture, act| after(posture, act, 0, NOW).unwrap().unwrap();
    let both = step(
        step(
            standing(EntitlementState::Active),
            hold(HoldReason::Operator),
        ),
        hold(HoldReason::Payment),
    );
    let paid = step(both, release(HoldReason::Payment));
    assert_eq!(paid.state, EntitlementState::Hold);
    assert_eq!(
        step(paid, release(HoldReason::Operator)).state,
        EntitlementState::Active
    );
}

#[test]
fn a_suspension_keeps_the_hold_under_it() {
    let step = |posture, act| after(posture, act, 0, NOW).unwrap().unwrap();
    let held = step(
        standing(EntitlementState::Active),
        EntitlementAct::Hold(HoldReason::Payment),
    );
    let suspended = step(held, EntitlementAct::Suspend);
    assert_eq!(step(suspended, EntitlementAct::Resume), held);
}

#[test]
fn a_revocation_to_come_can_be_moved_and_withdrawn_until_it_comes() {
    let active = standing(EntitlementState::Active);
    let to_come = after(active, EntitlementAct::Revoke { at: LATER }, 3, NOW)
        .unwrap()
        .unwrap();
    assert_eq!(to_come.state, EntitlementState::Active);
    assert_eq!(to_come.revoked_from, Some(LATER));
    assert_eq!(
        after(to_come, EntitlementAct::KeepOn, 3, NOW),
        Ok(Some(active))
    );
    let now = after(to_come, EntitlementAct::Revoke { at: NOW }, 3, NOW)
        .unwrap()
        .unwrap();
    assert_eq!(
        (now.state, now.revoked_from),
        (EntitlementState::Closed, Some(NOW))
    );
    assert_eq!(
        after(now, EntitlementAct::KeepOn, 3, NOW),
        Err(LifecycleError::AlreadyRevoked(NOW))
    );
}

proptest! {
    #[test]
    fn an_act_done_twice_is_done_once(acts in prop::collection::vec(acts(), 1..12), live in 0..3_u32) {
        let mut posture = standing(EntitlementState::Draft);
        for act in acts {
            if let Ok(Some(next)) = after(posture, act, live, NOW) {
                prop_assert_eq!(after(next, act, live, NOW), Ok(None), "{:?}", act);
                posture = next;
            }
            let holds = posture.state == EntitlementState::Hold;
            let has_holds = !posture.holds.is_empty();
            prop_assert!(!holds || has_holds);
            prop_assert!(posture.state != EntitlementState::Active || !has_holds);
            prop_assert_eq!(Holds::from_bits(posture.holds.bits()), Some(posture.holds));
        }
    }
}
