//! A device that is dead, and what becomes of its units.

use std::collections::BTreeMap;

use super::{OperatorError, publish_now};
use crate::activation::{Activation, Standing};
use crate::context::{Context, Entropy};
use crate::device::{Challenges, Pin};
use crate::domain::{ActivationId, ActivationKind, DeviceState, EntitlementId, RemovalReason};
use crate::entitlement::Entitlement;
use crate::event::{Event, EventKind};
use crate::outcome::{Answer, Outcome};
use crate::quota::{Leave, NewUse, QuotaKind};
use crate::snapshot::Snapshot;
use crate::turn::Turn;

/// Declares a device dead: it gets nothing any more, and its units are written off, so that
/// another device can take them up at once, though nobody has proven that they are gone.
///
/// What its licence model takes back from no device is not written off; nor are temporary
/// licences, which end by themselves.
///
/// # Errors
/// [`OperatorError::Limited`] where the tier's policy does not give it unasked.
pub fn declare_dead<E: Entropy>(
    snapshot: Snapshot,
    leave: Leave,
    ctx: Context<'_>,
    entropy: &mut E,
) -> Result<Outcome, OperatorError> {
    let mut turn = Turn::new(snapshot, ctx, entropy);
    if turn.device.state == DeviceState::Tombstoned {
        return Err(OperatorError::OutOfService(turn.device.state));
    }
    turn.leave = leave;
    let uses = turn.permit_write_off()?;
    let key = turn.next_key()?;
    turn.device.state = DeviceState::Tombstoned;
    turn.device.challenges = Challenges::default();
    turn.record(
        Event::new(EventKind::DeviceTombstoned)
            .with("leave", leave.as_str())
            .with("policy", &turn.policies.device().tag),
    );
    for id in turn.holding(|_| true) {
        match turn.ledger.activation(id) {
            Some(activation) if activation.standing == Standing::Reserved => turn.ledger.cancel(id),
            Some(activation) if turn.is_transferable(activation) => {
                turn.ledger.write_off(id, key, ctx.now);
            }
            _ => turn.ledger.remove(id, RemovalReason::Rehost, key, ctx.now),
        }
    }
    for (used, activation) in uses {
        turn.use_quota(used, activation);
    }
    if turn.device.key().is_none() {
        return Ok(turn.finish(Answer::None));
    }
    publish_now(turn)
}

/// Lets a device come back that was declared dead, once: it gets an empty set, and is served
/// again when it has signed for that.
///
/// # Errors
/// If it was not declared dead.
pub fn readmit<E: Entropy>(
    snapshot: Snapshot,
    ctx: Context<'_>,
    entropy: &mut E,
) -> Result<Outcome, OperatorError> {
    let mut turn = Turn::new(snapshot, ctx, entropy);
    if turn.device.state != DeviceState::Tombstoned {
        return Err(OperatorError::NotDead(turn.device.state));
    }
    turn.record(Event::new(EventKind::DeviceReadmitted).with_some("key", turn.device.key()));
    match turn.device.pin {
        Pin::Open => {
            turn.device.state = DeviceState::Seen;
            Ok(turn.finish(Answer::None))
        }
        // It gets the empty set when the key that it waits for asks.
        Pin::Lost(_) => {
            turn.device.state = DeviceState::Readmitted;
            Ok(turn.finish(Answer::None))
        }
        Pin::To(_) => {
            turn.device.state = DeviceState::Readmitted;
            publish_now(turn)
        }
    }
}

/// Units by entitlement that declaring the device dead would write off.
#[must_use]
pub fn written_off(snapshot: &Snapshot) -> BTreeMap<EntitlementId, u32> {
    let mut units: BTreeMap<EntitlementId, u32> = BTreeMap::new();
    for activation in &snapshot.activations {
        let of = |e: &&Entitlement| e.id == activation.entitlement;
        let entitlement = snapshot.entitlements.iter().find(of);
        if activation.holds_units()
            && activation.standing != Standing::Reserved
            && is_transferable(activation, entitlement)
        {
            let units = units.entry(activation.entitlement).or_default();
            *units = units.saturating_add(activation.units);
        }
    }
    units
}

/// Whether the units of an activation can go to another device.
fn is_transferable(activation: &Activation, entitlement: Option<&Entitlement>) -> bool {
    activation.kind == ActivationKind::Normal
        && entitlement
            .is_some_and(|entitlement| entitlement.rules.returns_credit && entitlement.rules.rehost)
}

impl<E: Entropy> Turn<'_, E> {
    /// What writing off all that can be uses of the quota, each with an activation it is for.
    fn permit_write_off(&self) -> Result<Vec<(NewUse, ActivationId)>, OperatorError> {
        let mut uses: Vec<(NewUse, ActivationId)> = Vec::new();
        let is_written_off = |activation: &Activation| {
            activation.standing != Standing::Reserved && self.is_transferable(activation)
        };
        for id in self.holding(is_written_off) {
            let Some(activation) = self.ledger.activation(id) else {
                continue;
            };
            let Some(entitlement) = self.ledger.entitlement(activation.entitlement) else {
                continue;
            };
            let (kind, units) = (QuotaKind::RehostUnconfirmed, activation.units);
            let planned: Vec<_> = uses.iter().map(|(used, _)| *used).collect();
            let permit = self.policies.rules(entitlement.id).rehost_unconfirmed;
            let used = self
                .uses()
                .permit(kind, permit, entitlement, units, &planned)
                .map_err(OperatorError::Limited)?;
            uses.push((used, id));
        }
        Ok(uses)
    }

    fn is_transferable(&self, activation: &Activation) -> bool {
        is_transferable(activation, self.ledger.entitlement(activation.entitlement))
    }

    fn holding(&self, which: impl Fn(&Activation) -> bool) -> Vec<ActivationId> {
        self.ledger
            .activations()
            .filter(|activation| activation.holds_units() && which(activation))
            .map(|activation| activation.id)
            .collect()
    }
}
