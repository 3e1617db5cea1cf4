//! A grant made ahead of a device's first start.
//!
//! A blank device takes it without a nonce, so it is the one set that can be installed again after
//! a reset. What it gives is told apart by its origin, and does not come back from storage that can
//! be set back.

use std::collections::BTreeSet;

use super::OperatorError;
use crate::ask::{Channel, Reason};
use crate::context::{Context, Entropy};
use crate::decide::Verdict;
use crate::device::Pin;
use crate::domain::{ActivationId, Generation, KeyThumbprint};
use crate::outcome::{Answer, Outcome};
use crate::rule::{Refusal, Rule};
use crate::snapshot::Snapshot;
use crate::turn::{NoRoom, Turn, Why};

/// Writes the first set of a device that was never heard, to be carried to it in a file: what is
/// reserved for it and what is bound to it. The device stays unpinned; `key` is the one that its
/// manifest names.
///
/// What starts to run when it is activated is left for the device's first request in the field.
///
/// # Errors
/// [`OperatorError::NotBlank`] unless it is the device's first set; [`OperatorError::Limited`] with
/// the rule that leaves out something bound to it, since a device that leaves the line has all it
/// is owed or is looked at.
pub fn grant_at_factory<E: Entropy>(
    snapshot: Snapshot,
    key: KeyThumbprint,
    ctx: Context<'_>,
    entropy: &mut E,
) -> Result<Outcome, OperatorError> {
    let pinned = snapshot.device.pin;
    let mut turn = Turn::new(snapshot, ctx, entropy);
    turn.check_in_service()?;
    if turn.device.generation != Generation::ZERO || turn.device.first_contact_at.is_some() {
        return Err(OperatorError::NotBlank);
    }
    turn.device.pin = Pin::To(key);
    let request = turn.as_if_asked(Reason::Factory, Vec::new());
    let plan = turn.decide(&request, &BTreeSet::new());
    let denied = plan
        .verdicts
        .iter()
        .filter_map(|(_, verdict)| match verdict {
            Verdict::Denied(refusal) => Some(*refusal),
            Verdict::Planned | Verdict::Served => None,
        });
    let (left, denied): (Vec<Refusal>, Vec<Refusal>) =
        denied.partition(|refusal| refusal.rule == Rule::NotStarted);
    if let Some(refusal) = denied.first() {
        return Err(OperatorError::Limited(*refusal));
    }
    let (mut ledger, done) = turn.carry_out(&plan, &request)?;
    let wanted: Vec<ActivationId> = ledger
        .activations()
        .filter(|activation| activation.is_wanted())
        .map(|activation| activation.id)
        .collect();
    let waits = |id: &ActivationId| {
        let activation = ledger.activation(*id);
        let entitlement = activation.and_then(|found| ledger.entitlement(found.entitlement));
        entitlement.is_some_and(|entitlement| entitlement.starts_when_activated())
    };
    let (later, now): (NoRoom, NoRoom) = wanted.into_iter().partition(waits);
    now.iter().for_each(|id| ledger.build_in(*id));
    if !turn.has_room(&ledger, &later) {
        return Err(OperatorError::Denied(Rule::SetFull));
    }
    let mut proposal = turn.propose(ledger, &later, None, Vec::new(), Channel::File)?;
    if proposal.is_empty() {
        let nothing = Refusal::from(match later.is_empty() {
            true => Rule::NothingBound,
            false => Rule::NotStarted,
        });
        return Err(OperatorError::Limited(*left.first().unwrap_or(&nothing)));
    }
    proposal.is_factory = true;
    turn.issue(proposal, Why::Factory);
    turn.count_quotas(&plan, &done);
    turn.record_verdicts(&plan, &done, &request.ask);
    // Nobody waits for it, so no case is opened.
    turn.decided.clear();
    turn.device.watch.factory_grant = true;
    turn.device.pin = pinned;
    Ok(turn.finish(Answer::Carried))
}

#[cfg(test)]
mod tests;
