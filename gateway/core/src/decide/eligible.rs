//! Whether an entitlement may serve this device at all.

use super::Facts;
use crate::domain::{EntitlementState, ProductId, RemovalReason};
use crate::entitlement::{Entitlement, Start};
use crate::license::Trial;
use crate::rule::Rule;
use crate::term;

/// The first rule that keeps an entitlement from giving this device new units, whether it has
/// any left or not.
pub(crate) fn eligible(facts: &Facts<'_>, entitlement: &Entitlement) -> Result<(), Rule> {
    eligible_for(facts, entitlement, true)
}

/// As [`eligible`]; whether the entitlement must be of the device's owner.
pub(super) fn eligible_for(
    facts: &Facts<'_>,
    entitlement: &Entitlement,
    of_owner: bool,
) -> Result<(), Rule> {
    if of_owner
        && let (Some(owner), Some(other)) = (facts.device.owner, entitlement.owner)
        && owner != other
    {
        return Err(Rule::OtherOwner);
    }
    let line = entitlement.product_line;
    if line.is_some() && line != facts.device.product_line {
        return Err(Rule::OtherProductLine);
    }
    // Before the entitlement's own state, which an operator may look beyond, as ahead of a shipment.
    if facts.on_hold.forbids(facts.device.owner, entitlement) {
        return Err(Rule::PartyOnHold);
    }
    match entitlement.state {
        // What has ended by its time is told so below.
        EntitlementState::Active | EntitlementState::Expired => {}
        EntitlementState::Draft => return Err(Rule::Draft),
        EntitlementState::Hold => return Err(Rule::Hold),
        EntitlementState::Suspended => return Err(Rule::Suspended),
        EntitlementState::Closed => return Err(Rule::Closed),
    }
    if entitlement.is_revoked(facts.now) {
        return Err(Rule::Closed);
    }
    if entitlement.start == Start::Awaited {
        return Err(Rule::NotStarted);
    }
    if entitlement.state == EntitlementState::Expired || term::is_over(entitlement, facts.now) {
        return Err(Rule::Expired);
    }
    beyond_the_end(facts, entitlement)
}

/// What is left of the rules where the end of the entitlement does not matter.
pub(super) fn beyond_the_end(facts: &Facts<'_>, entitlement: &Entitlement) -> Result<(), Rule> {
    if facts.device.watch.frozen {
        return Err(Rule::CloneSuspected);
    }
    if entitlement.rules.trial == Trial::Once && facts.evaluated.contains(&entitlement.product) {
        return Err(Rule::EvaluationUsed);
    }
    if entitlement.uses_are_spent() {
        return Err(Rule::UsesSpent);
    }
    if was_revoked(facts, entitlement) {
        return Err(Rule::RevokedHere);
    }
    let has = |product| is_here(facts, product);
    if !has_required(entitlement, has) {
        return Err(Rule::PrerequisiteMissing);
    }
    Ok(())
}

/// Whether there is one product of each that is required.
pub(super) fn has_required(entitlement: &Entitlement, has: impl Fn(ProductId) -> bool) -> bool {
    let required = &entitlement.requires;
    required
        .iter()
        .all(|one_of| one_of.iter().any(|product| has(*product)))
}

/// Whether the device has a product, or is meant to.
pub(super) fn is_here(facts: &Facts<'_>, product: ProductId) -> bool {
    facts.ledger.activations().any(|activation| {
        let of = facts.ledger.entitlement(activation.entitlement);
        activation.is_wanted() && of.is_some_and(|of| of.product == product)
    })
}

/// A device that asks at every start must not undo a revocation by asking.
fn was_revoked(facts: &Facts<'_>, entitlement: &Entitlement) -> bool {
    let removed_before = facts.declined.iter().any(|declined| {
        declined.entitlement == entitlement.id && declined.reason == Some(RemovalReason::Revoke)
    });
    removed_before
        || facts.ledger.activations().any(|activation| {
            activation.entitlement == entitlement.id
                && activation.standing.removal_reason() == Some(RemovalReason::Revoke)
        })
}
