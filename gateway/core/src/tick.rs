//! What time alone changes.

use crate::activation::Standing;
use crate::context::{Context, Entropy};
use crate::domain::{ActivationId, ActivationKind};
use crate::entitlement::Entitlement;
use crate::outcome::{Answer, Outcome};
use crate::snapshot::Snapshot;
use crate::turn::Turn;

/// Frees what can run no more, undoes reservations whose time is over, and gives up waiting for
/// proofs. To be called when one of them is due; at any other time it changes nothing.
#[must_use]
pub fn on_tick(snapshot: Snapshot, ctx: Context<'_>) -> Outcome {
    // Nothing is sent, so nothing is drawn.
    let mut entropy = |_: &mut [u8]| {};
    let mut turn = Turn::new(snapshot, ctx, &mut entropy);
    turn.lapse_due();
    turn.cancel_over();
    turn.orphan_due();
    turn.finish(Answer::None)
}

impl<E: Entropy> Turn<'_, E> {
    /// Frees the units of what no committed set lets run any more.
    pub(crate) fn lapse_due(&mut self) {
        for id in self.ids(|_| true) {
            self.ledger.lapse(id, self.ctx.now);
        }
    }

    /// Undoes reservations whose entitlement is over before they were published.
    fn cancel_over(&mut self) {
        for id in self.ids(|standing| standing == Standing::Reserved) {
            let until = self
                .ledger
                .activation(id)
                .and_then(|activation| match activation.kind {
                    ActivationKind::Normal => {
                        let entitlement = self.ledger.entitlement(activation.entitlement);
                        entitlement.and_then(Entitlement::publishable_until)
                    }
                    ActivationKind::Temporary => Some(activation.temporary_at_the_latest()),
                });
            if until.is_some_and(|until| until <= self.ctx.now) {
                self.ledger.cancel(id);
            }
        }
    }

    fn orphan_due(&mut self) {
        let (now, wait) = (self.ctx.now, self.ctx.policy.orphan_after);
        let overdue = |standing: Standing| {
            matches!(standing, Standing::Removing(removal)
                if removal.since.plus_seconds(wait) <= now)
        };
        for id in self.ids(overdue) {
            self.ledger.orphan(id);
        }
    }

    fn ids(&self, which: impl Fn(Standing) -> bool) -> Vec<ActivationId> {
        self.ledger
            .activations()
            .filter(|activation| which(activation.standing))
            .map(|activation| activation.id)
            .collect()
    }
}

#[cfg(test)]
mod tests;
