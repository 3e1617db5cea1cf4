//! What a campaign does to a device: all of it in one set, and nothing twice.

use super::{OperatorError, publish_now};
use crate::activation::{Activation, Standing};
use crate::context::{Context, Entropy};
use crate::domain::{ActivationId, ActivationKind, EntitlementId, ProductId, RemovalReason};
use crate::event::{Event, EventKind};
use crate::outcome::{Answer, Outcome};
use crate::quota::{NewUse, QuotaKind};
use crate::rule::Rule;
use crate::snapshot::Snapshot;
use crate::turn::{NoRoom, Turn};

/// Which of a device's rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Those of one entitlement.
    Entitlement(EntitlementId),
    /// Those of a product.
    Product(ProductId),
}

/// Units of an entitlement that a device is to have in total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provision {
    /// Of which entitlement.
    pub entitlement: EntitlementId,
    /// How many.
    pub total: u32,
}

/// Gives a device what is missing of a total, and takes back what that replaces. It is pushed now
/// where the device was ever admitted, or else it gets it when it asks.
///
/// What is replaced is out of the set that the new right is in, so the device is never without
/// both; its units are free when that is proven. What cannot be given replaces nothing.
///
/// # Errors
/// [`OperatorError::NothingToApprove`] if the device is as it is to be already.
pub fn provide<E: Entropy>(
    snapshot: Snapshot,
    provision: Provision,
    replaces: Option<Of>,
    ctx: Context<'_>,
    entropy: &mut E,
) -> Result<Outcome, OperatorError> {
    let Provision { entitlement, total } = provision;
    if total == 0 {
        return Err(OperatorError::NoUnits);
    }
    let mut turn = Turn::new(snapshot, ctx, entropy);
    turn.check_in_service()?;
    let replaced = replaces.map_or_else(Vec::new, |of| turn.rights(of, Some(entitlement)));
    let missing = total.saturating_sub(turn.units_of(entitlement));
    if missing == 0 && replaced.is_empty() {
        return Err(OperatorError::NothingToApprove);
    }
    turn.take_out(&replaced, RemovalReason::Supersede)?;
    if missing > 0 {
        turn.check_assignable(entitlement)?;
        turn.add(entitlement, missing, replaced.first().copied())?;
    }
    if !turn.has_room(&turn.ledger, &NoRoom::new()) {
        return Err(OperatorError::Denied(Rule::SetFull));
    }
    turn.send()
}

/// Takes all of a device's rights of an entitlement or a product back, in one set.
///
/// # Errors
/// [`OperatorError::NothingToApprove`] if it has none.
pub fn withdraw<E: Entropy>(
    snapshot: Snapshot,
    of: Of,
    ctx: Context<'_>,
    entropy: &mut E,
) -> Result<Outcome, OperatorError> {
    let mut turn = Turn::new(snapshot, ctx, entropy);
    let rights = turn.rights(of, None);
    if rights.is_empty() {
        return Err(OperatorError::NothingToApprove);
    }
    turn.take_out(&rights, RemovalReason::Revoke)?;
    turn.send()
}

impl<E: Entropy> Turn<'_, E> {
    /// What the device is meant to have of these, but of one entitlement; the oldest first.
    fn rights(&self, of: Of, but: Option<EntitlementId>) -> Vec<ActivationId> {
        let is_of = |activation: &Activation| match of {
            Of::Entitlement(id) => activation.entitlement == id,
            Of::Product(product) => {
                let entitlement = self.ledger.entitlement(activation.entitlement);
                entitlement.is_some_and(|entitlement| entitlement.product == product)
            }
        };
        self.ledger
            .activations()
            .filter(|activation| activation.is_wanted() && is_of(activation))
            .filter(|activation| Some(activation.entitlement) != but)
            .map(|activation| activation.id)
            .collect()
    }

    fn units_of(&self, entitlement: EntitlementId) -> u32 {
        self.ledger
            .activations()
            .filter(|a| a.entitlement == entitlement && a.is_wanted())
            .filter(|a| a.kind == ActivationKind::Normal)
            .fold(0, |units, activation| {
                units.saturating_add(activation.units)
            })
    }

    fn take_out(
        &mut self,
        rights: &[ActivationId],
        reason: RemovalReason,
    ) -> Result<(), OperatorError> {
        for id in rights {
            match self.ledger.activation(*id).map(|right| right.standing) {
                Some(Standing::Reserved) => self.ledger.cancel(*id),
                _ => {
                    let key = self.next_key()?;
                    self.ledger.remove(*id, reason, key, self.ctx.now);
                }
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        entitlement: EntitlementId,
        units: u32,
        replaces: Option<ActivationId>,
    ) -> Result<(), OperatorError> {
        let (moved, moves) = self.take_up_for(entitlement, units);
        let mut activation = self.new_activation(entitlement, units, ActivationKind::Normal);
        activation.predecessor = replaces.or(moved);
        let event = Event::new(EventKind::Reserved)
            .about(activation.id, entitlement)
            .with("units", units)
            .with("kind", activation.kind.as_str())
            .with_some("predecessor", activation.predecessor);
        if moves > 0 {
            let used = NewUse {
                kind: QuotaKind::Rehost,
                entitlement,
                units: moves,
                guard: None,
            };
            self.use_quota(used, activation.id);
        }
        self.ledger
            .reserve(activation)
            .map_err(|_| OperatorError::Denied(Rule::NoUnitsLeft))?;
        self.record(event);
        Ok(())
    }

    fn send(self) -> Result<Outcome, OperatorError> {
        match self.device.key() {
            Some(_) => publish_now(self),
            None => Ok(self.finish(Answer::None)),
        }
    }
}
