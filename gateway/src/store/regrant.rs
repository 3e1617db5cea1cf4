//! What devices may have again without asking: it is maintained for longer than when their firmware
//! was too new for it.

use diesel::prelude::*;
use fleetgrant_core::domain::{
    ActivationKind, ActivationState, DeviceId, EntitlementId, RemovalReason, Timestamp,
};

use super::column::{Code, Micros, Octets};
use super::condition::HoldsUnits;
use super::schema::{activations, regrants as table};
use super::{Db, StoreError, refresh};

/// What a device refused for the build of its firmware, and has nothing of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Units; 0, if it has some, or the last went for another reason.
    pub units: u32,
    /// Since when their removal waits for its proof, if it does.
    pub removing_since: Option<Timestamp>,
}

/// Notes an entitlement for the devices that refused it for their firmware's build, and marks them;
/// and for those that have it, whose refusal may be on its way. How many refused it.
pub fn note(
    db: &mut Db,
    entitlement: EntitlementId,
    actor: &str,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let of_it = || {
        activations::table
            .filter(activations::entitlement_id.eq(Octets(entitlement)))
            .filter(activations::kind.eq(Code(ActivationKind::Normal)))
    };
    let too_new = activations::removal_reason.eq(Code(RemovalReason::BuildCeiling));
    let refused: Vec<String> = on!(db, c => of_it()
        .filter(too_new)
        .select(activations::device_id)
        .distinct()
        .load(c))?;
    let holding: Vec<String> = on!(db, c => of_it()
        .filter(HoldsUnits)
        .select(activations::device_id)
        .distinct()
        .load(c))?;
    for device in refused.iter().chain(&holding) {
        on!(db, c => diesel::insert_into(table::table)
            .values((
                table::device_id.eq(device),
                table::entitlement_id.eq(Octets(entitlement)),
            ))
            .on_conflict_do_nothing()
            .execute(c))?;
    }
    refresh::mark(db, &refused, actor, now)?;
    Ok(refused.len())
}

/// What is noted for a device.
pub fn of_device(db: &mut Db, device: &DeviceId) -> Result<Vec<EntitlementId>, StoreError> {
    let found: Vec<Octets<EntitlementId>> = on!(db, c => table::table
        .filter(table::device_id.eq(device.as_str()))
        .order(table::entitlement_id)
        .select(table::entitlement_id)
        .load(c))?;
    Ok(found.into_iter().map(|id| id.0).collect())
}

/// Ends a note.
pub fn settle(
    db: &mut Db,
    device: &DeviceId,
    entitlement: EntitlementId,
) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(table::table)
        .filter(table::device_id.eq(device.as_str()))
        .filter(table::entitlement_id.eq(Octets(entitlement)))
        .execute(c))?;
    Ok(())
}

/// What a device refused of an entitlement when it last had any.
pub fn refused(
    db: &mut Db,
    device: &DeviceId,
    entitlement: EntitlementId,
) -> Result<Refused, StoreError> {
    let had: Vec<Had> = on!(db, c => activations::table
        .filter(activations::device_id.eq(device.as_str()))
        .filter(activations::entitlement_id.eq(Octets(entitlement)))
        .filter(activations::kind.eq(Code(ActivationKind::Normal)))
        .select(Had::as_select())
        .load(c))?;
    Ok(last_refused(&had))
}

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = activations)]
struct Had {
    state: Code<ActivationState>,
    removal_reason: Option<Code<RemovalReason>>,
    removing_since_at: Option<Micros>,
    ended_at: Option<Micros>,
    units: i64,
}

/// What went together was refused by one word of the device.
fn last_refused(had: &[Had]) -> Refused {
    use ActivationState::{Activated, Published, Reserved, Suspended};
    let has_it = |had: &Had| matches!(had.state.0, Reserved | Published | Activated | Suspended);
    if had.iter().any(has_it) {
        return Refused::default();
    }
    // What has not ended yet went last.
    let going = |had: &Had| (had.ended_at.is_none(), had.ended_at);
    let last = had.iter().map(going).max();
    let too_new = Some(Code(RemovalReason::BuildCeiling));
    let of_last = had
        .iter()
        .filter(|had| Some(going(had)) == last && had.removal_reason == too_new);
    let mut refused = Refused::default();
    for had in of_last {
        let units = u32::try_from(had.units).unwrap_or(0);
        refused.units = refused.units.saturating_add(units);
        if had.ended_at.is_none() {
            let since = had.removing_since_at.map(|since| since.0);
            refused.removing_since = refused.removing_since.max(since);
        }
    }
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(second: u64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    fn had(state: ActivationState, reason: RemovalReason, ended: u64, units: i64) -> Had {
        Had {
            state: Code(state),
            removal_reason: Some(Code(reason)),
            removing_since_at: Some(Micros(at(ended.saturating_sub(1)))),
            ended_at: (state != ActivationState::Removing).then_some(Micros(at(ended))),
            units,
        }
    }

    #[test]
    fn what_was_refused_last_is_given_again_and_nothing_that_went_otherwise() {
        use ActivationState::{Activated, Removed, Removing};
        use RemovalReason::{BuildCeiling, Refuse, Return};
        let gone = |units| Refused {
            units,
            removing_since: None,
        };
        for (rows, wanted) in [
            (vec![], gone(0)),
            (vec![had(Removed, BuildCeiling, 5, 2)], gone(2)),
            // Both went by one word.
            (
                vec![
                    had(Removed, BuildCeiling, 5, 2),
                    had(Removed, BuildCeiling, 5, 3),
                ],
                gone(5),
            ),
            // It was refused twice: the first is given already.
            (
                vec![
                    had(Removed, BuildCeiling, 5, 2),
                    had(Removed, BuildCeiling, 9, 3),
                ],
                gone(3),
            ),
            // It had it again since, and gave it back.
            (
                vec![had(Removed, BuildCeiling, 5, 2), had(Removed, Return, 9, 2)],
                gone(0),
            ),
            (vec![had(Removed, Refuse, 5, 2)], gone(0)),
            // It has it.
            (
                vec![
                    had(Removed, BuildCeiling, 5, 2),
                    Had {
                        removal_reason: None,
                        ended_at: None,
                        ..had(Activated, Return, 9, 2)
                    },
                ],
                gone(0),
            ),
            (
                vec![
                    had(Removed, BuildCeiling, 5, 2),
                    had(Removing, BuildCeiling, 9, 1),
                ],
                Refused {
                    units: 1,
                    removing_since: Some(at(8)),
                },
            ),
        ] {
            assert_eq!(last_refused(&rows), wanted, "{rows:?}");
        }
    }
}
