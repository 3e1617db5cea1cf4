//! A device that stands in for another: for a while, or for good.

use super::{OperatorError, Publish, publish_now};
use crate::activation::{Activation, Standing};
use crate::context::{Context, Entropy};
use crate::decide;
use crate::domain::{
    ActivationId, ActivationKind, DeviceState, EntitlementId, KeyThumbprint, Origin, PartyId,
};
use crate::event::{Event, EventKind};
use crate::outcome::{Answer, Outcome};
use crate::quota::{Leave, NewUse, QuotaKind};
use crate::rule::Rule;
use crate::snapshot::{MovedFrom, Snapshot};
use crate::turn::{NoRoom, Turn};

/// A temporary licence that is to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopgap {
    /// Of this entitlement; none of its units is taken.
    pub entitlement: EntitlementId,
    /// How many run.
    pub units: u32,
    /// By whose leave.
    pub leave: Leave,
}

/// Gives a device a temporary licence. A device that nobody owns becomes the owner's.
///
/// # Errors
/// [`OperatorError::Limited`] where the tier's policy does not give it unasked.
pub fn give_temporary<E: Entropy>(
    mut snapshot: Snapshot,
    stopgap: Stopgap,
    publish: Publish,
    ctx: Context<'_>,
    entropy: &mut E,
) -> Result<Outcome, OperatorError> {
    let Stopgap {
        entitlement: id,
        units,
        leave,
    } = stopgap;
    if units == 0 {
        return Err(OperatorError::NoUnits);
    }
    let owner = claim(&mut snapshot, id);
    let mut turn = Turn::new(snapshot, ctx, entropy);
    turn.leave = leave;
    turn.about = Some(id);
    turn.check_in_service()?;
    turn.record_owner(owner);
    let used = turn.permit_temporary(id, units)?;
    let activation = turn.new_activation(id, units, ActivationKind::Temporary);
    let made = activation.id;
    turn.use_quota(used, made);
    turn.place(activation, publish)
}

/// Gives a device the units of an activation that was written off, or given back, on another. A
/// device that nobody owns becomes the owner's.
///
/// # Errors
/// If there is nothing of it to take up, or a rule forbids the device such a right.
pub fn take_over<E: Entropy>(
    mut snapshot: Snapshot,
    from: ActivationId,
    publish: Publish,
    ctx: Context<'_>,
    entropy: &mut E,
) -> Result<Outcome, OperatorError> {
    let moved = snapshot.moved.iter().copied();
    let moved = moved
        .filter(|moved| moved.units > 0)
        .find(|moved| moved.activation == from)
        .ok_or(OperatorError::NothingToTakeOver)?;
    let owner = claim(&mut snapshot, moved.entitlement);
    let mut turn = Turn::new(snapshot, ctx, entropy);
    turn.about = Some(moved.entitlement);
    turn.check_in_service()?;
    turn.record_owner(owner);
    turn.check_assignable(moved.entitlement)?;
    let mut activation =
        turn.new_activation(moved.entitlement, moved.units, ActivationKind::Normal);
    activation.predecessor = Some(from);
    turn.ledger.take_up(moved.entitlement, moved.units.into());
    turn.taken_up.insert(from, moved.units);
    turn.place(activation, publish)
}

/// Makes a device that nobody owns that of the owner of an entitlement.
fn claim(snapshot: &mut Snapshot, entitlement: EntitlementId) -> Option<PartyId> {
    if snapshot.device.owner.is_some() {
        return None;
    }
    let named = |e: &&crate::entitlement::Entitlement| e.id == entitlement;
    snapshot.device.owner = snapshot.entitlements.iter().find(named)?.owner;
    snapshot.device.owner
}

impl<E: Entropy> Turn<'_, E> {
    fn record_owner(&mut self, owner: Option<PartyId>) {
        if let Some(owner) = owner {
            let after = format!(r#"{{"owner":"{owner}"}}"#);
            let happened = Event::new(EventKind::DeviceAmended)
                .with("owner", owner)
                .with("before", r#"{"owner":null}"#)
                .with("after", after.as_str());
            self.record(happened);
        }
    }

    pub(super) fn check_in_service(&self) -> Result<(), OperatorError> {
        match self.device.state {
            state @ (DeviceState::Tombstoned | DeviceState::Retired | DeviceState::Readmitted) => {
                Err(OperatorError::OutOfService(state))
            }
            _ => Ok(()),
        }
    }

    /// Takes up what somebody gave back, if the fresh units do not suffice for an assignment: the
    /// first activation whose units these were, and how many moved here.
    pub(super) fn take_up_for(
        &mut self,
        entitlement: EntitlementId,
        units: u32,
    ) -> (Option<ActivationId>, u32) {
        let Some(returned) = self.ledger.entitlement(entitlement).map(|e| e.returned) else {
            return (None, 0);
        };
        let fresh = self.ledger.units_left(entitlement).saturating_sub(returned);
        let over = units.saturating_sub(fresh).min(returned);
        if over == 0 {
            return (None, 0);
        }
        self.ledger.take_up(entitlement, over.into());
        let (mut rest, mut first, mut moves) = (over, None, 0);
        for moved in self
            .moved
            .iter()
            .filter(|moved| moved.entitlement == entitlement)
        {
            let taken = moved.units.min(rest);
            if taken > 0 {
                rest -= taken;
                first = first.or(Some(moved.activation));
                *self.taken_up.entry(moved.activation).or_default() += taken;
                if moved.from == MovedFrom::Elsewhere {
                    moves += taken;
                }
            }
        }
        // What was not read moves as well.
        (first, moves + rest)
    }

    fn permit_temporary(&self, id: EntitlementId, units: u32) -> Result<NewUse, OperatorError> {
        let entitlement = self
            .ledger
            .entitlement(id)
            .ok_or(OperatorError::UnknownEntitlement)?;
        let facts = self.facts(self.device.key().unwrap_or(KeyThumbprint([0; 32])));
        let cause = decide::cause(&facts, entitlement).map_err(OperatorError::Denied)?;
        let kind = QuotaKind::Temporary;
        let temporary = self.policies.rules(id).temporary;
        // How long one runs is the policy's to say, so that nobody can approve one without.
        let temporary = temporary.ok_or(OperatorError::Denied(Rule::TemporaryNotOffered))?;
        if self.leave == Leave::Policy && !temporary.causes.include(cause) {
            return Err(OperatorError::Denied(Rule::TemporaryNotOffered));
        }
        let permit = Some(temporary.permit);
        self.uses()
            .permit(kind, permit, entitlement, units, &[])
            .map_err(OperatorError::Limited)
    }

    pub(super) fn new_activation(
        &mut self,
        entitlement: EntitlementId,
        units: u32,
        kind: ActivationKind,
    ) -> Activation {
        Activation {
            id: self.activation_id(),
            entitlement,
            units,
            kind,
            origin: Origin::Field,
            predecessor: None,
            code: None,
            created_at: self.ctx.now,
            run: None,
            activated_at: None,
            usage: 0,
            stranded: false,
            standing: Standing::Reserved,
        }
    }

    /// Reserves what was made, if the device has room for it.
    pub(super) fn place(
        mut self,
        activation: Activation,
        publish: Publish,
    ) -> Result<Outcome, OperatorError> {
        let event = Event::new(EventKind::Reserved)
            .about(activation.id, activation.entitlement)
            .with("units", activation.units)
            .with("kind", activation.kind.as_str())
            .with_some("predecessor", activation.predecessor);
        self.ledger
            .reserve(activation)
            .map_err(|_| OperatorError::Denied(Rule::NoUnitsLeft))?;
        self.record(event);
        if !self.has_room(&self.ledger, &NoRoom::new()) {
            return Err(OperatorError::Denied(Rule::SetFull));
        }
        match publish {
            Publish::AtContact => Ok(self.finish(Answer::None)),
            Publish::Now => publish_now(self),
        }
    }
}
