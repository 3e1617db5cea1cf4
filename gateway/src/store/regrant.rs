//! What devices may have again without asking: it is maintained for longer than when their firmware
//! was too new for it.

use diesel::prelude::*;
use fleetgrant_core::domain::{
    ActivationKind, ActivationState, DeviceId, EntitlementId, RemovalReason, Timestamp,
};
use fleetgrant_core::rule::Rule;

use super::column::{Code, Micros, Octets};
use super::schema::{activations, entitlements, regrants as table};
use super::{Db, StoreError};

/// What a device refused for the build of its firmware, and has nothing of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Units; 0, if it has some, or the last went for another reason.
    pub units: u32,
    /// Since when their removal waits for its proof, if it does.
    pub removing_since: Option<Timestamp>,
}

/// What may be given to a device again, and how often that was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = table)]
pub struct Regrant {
    /// What.
    pub entitlement_id: Octets<EntitlementId>,
    /// Times it was denied.
    pub tries: i64,
    /// When it is tried next; none: at once, or, once it was denied, no more.
    pub due_at: Option<Micros>,
    /// The rule that denied it last.
    pub rule: Option<Code<Rule>>,
}

impl Regrant {
    /// Whether it was denied too often to be tried again.
    #[must_use]
    pub const fn is_given_up(&self) -> bool {
        self.due_at.is_none() && self.tries > 0
    }
}

/// Notes an entitlement for devices; what was denied before is tried anew.
pub fn note(db: &mut Db, entitlement: EntitlementId, devices: &[String]) -> Result<(), StoreError> {
    for device in devices {
        on!(db, c => diesel::insert_into(table::table)
            .values((
                table::device_id.eq(device),
                table::entitlement_id.eq(Octets(entitlement)),
            ))
            .on_conflict((table::device_id, table::entitlement_id))
            .do_update()
            .set((
                table::tries.eq(0),
                table::due_at.eq(None::<Micros>),
                table::rule.eq(None::<Code<Rule>>),
            ))
            .execute(c))?;
    }
    Ok(())
}

/// What is noted for a device.
pub fn of_device(db: &mut Db, device: &DeviceId) -> Result<Vec<Regrant>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::device_id.eq(device.as_str()))
        .order(table::entitlement_id)
        .select(Regrant::as_select())
        .load(c))?)
}

/// What a device has nothing of and may be given again, each with its reference.
pub fn awaited(db: &mut Db, device: &DeviceId) -> Result<Vec<(Regrant, String)>, StoreError> {
    let noted: Vec<(Regrant, String)> = on!(db, c => table::table
        .inner_join(entitlements::table)
        .filter(table::device_id.eq(device.as_str()))
        .order(table::entitlement_id)
        .select((Regrant::as_select(), entitlements::reference))
        .load(c))?;
    let mut awaited = Vec::new();
    for (regrant, reference) in noted {
        // What it has by now stays noted until it is next looked at.
        if refused(db, device, regrant.entitlement_id.0)?.units > 0 {
            awaited.push((regrant, reference));
        }
    }
    Ok(awaited)
}

/// Writes what a try came to.
pub fn put_off(db: &mut Db, device: &DeviceId, regrant: &Regrant) -> Result<(), StoreError> {
    on!(db, c => diesel::update(table::table)
        .filter(table::device_id.eq(device.as_str()))
        .filter(table::entitlement_id.eq(regrant.entitlement_id))
        .set((
            table::tries.eq(regrant.tries),
            table::due_at.eq(regrant.due_at),
            table::rule.eq(regrant.rule),
        ))
        .execute(c))?;
    Ok(())
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
