//! How units of an entitlement are taken: fresh ones, or those that another device had.
//!
//! A unit that a device gave back is free like any other, but the next device to take it is the
//! one it moved to, which policy limits, whatever reason the request gives. So fresh units go
//! first, and a device takes up what it gave back itself without that being a move.

use super::{Draw, Planner, Source};
use crate::ask::Reason;
use crate::domain::{ActivationId, ActivationKind, CodeId};
use crate::entitlement::Entitlement;
use crate::quota::{NewUse, QuotaKind};
use crate::rule::{Refusal, Rule};
use crate::snapshot::MovedFrom;

/// A part of the units that can be taken.
struct Part {
    units: u32,
    takes_up: Option<ActivationId>,
    is_returned: bool,
    is_move: bool,
}

impl Planner<'_> {
    /// Up to `wanted` units of an entitlement, and what denies the rest of those that are there.
    pub(super) fn supply(
        &self,
        source: Source,
        entitlement: &Entitlement,
        wanted: u32,
        code: Option<CodeId>,
        tentative: &[Draw],
    ) -> (Vec<Draw>, Option<Refusal>) {
        let mut rest = wanted.min(self.units_left(entitlement.id));
        let mut draws: Vec<Draw> = Vec::new();
        let mut refused = None;
        for part in self.parts(entitlement) {
            let units = part.units.min(rest);
            if units == 0 {
                continue;
            }
            let quota = if part.is_move {
                let planned = self.planned(tentative.iter().chain(&draws));
                match self.permit_move(entitlement, units, &planned) {
                    Ok(quota) => Some(quota),
                    Err(refusal) => {
                        refused = refused.or(Some(refusal));
                        continue;
                    }
                }
            } else {
                None
            };
            draws.push(Draw {
                source,
                entitlement: entitlement.id,
                units,
                kind: ActivationKind::Normal,
                code,
                takes_up: part.takes_up,
                is_returned: part.is_returned,
                quota,
            });
            rest -= units;
        }
        let takes_over = self.ask.reason == Reason::Rehost;
        if takes_over && draws.is_empty() {
            refused = refused.or(Some(Rule::NotReturned.into()));
        }
        (draws, refused)
    }

    /// As [`Self::supply`], all of it or none.
    pub(super) fn supply_whole(
        &self,
        source: Source,
        entitlement: &Entitlement,
        wanted: u32,
        code: Option<CodeId>,
    ) -> Result<Vec<Draw>, Refusal> {
        let (draws, refused) = self.supply(source, entitlement, wanted, code, &[]);
        let found: u32 = draws.iter().map(|draw| draw.units).sum();
        if found < wanted {
            return Err(refused.unwrap_or(Rule::NoUnitsLeft.into()));
        }
        Ok(draws)
    }

    fn permit_move(
        &self,
        entitlement: &Entitlement,
        units: u32,
        planned: &[NewUse],
    ) -> Result<NewUse, Refusal> {
        if !entitlement.rules.rehost {
            return Err(Rule::RehostNotOffered.into());
        }
        let rehost = self.facts.rules.rules(entitlement.id).rehost;
        let uses = self.facts.uses();
        uses.permit(QuotaKind::Rehost, rehost, entitlement, units, planned)
    }

    /// The uses of quotas that are planned, these draws' included.
    pub(super) fn planned<'d>(&self, tentative: impl Iterator<Item = &'d Draw>) -> Vec<NewUse> {
        let taken = self.plan.draws.iter().filter_map(|draw| draw.quota);
        taken
            .chain(tentative.filter_map(|draw| draw.quota))
            .collect()
    }

    /// The free units, in the order in which they go. A request that takes over from another
    /// device gets what that one gave back, and only what it names, if it names any.
    fn parts(&self, entitlement: &Entitlement) -> Vec<Part> {
        let claimed = |id| {
            let draws = self.plan.draws.iter();
            let claims = draws.filter(move |draw| draw.takes_up == Some(id));
            claims.map(|draw| draw.units).sum::<u32>()
        };
        let returned_claimed: u32 = self
            .plan
            .draws
            .iter()
            .filter(|draw| draw.entitlement == entitlement.id && draw.is_returned)
            .map(|draw| draw.units)
            .sum();
        let returned = entitlement.returned.saturating_sub(returned_claimed);
        let takes_over = self.ask.reason == Reason::Rehost;
        let of_kind = |from: MovedFrom, is_move: bool| {
            let facts = self.facts;
            let moved = facts.moved.iter().filter(move |moved| {
                let named =
                    self.ask.concerned.is_empty() || self.ask.concerned.contains(&moved.activation);
                moved.entitlement == entitlement.id && moved.from == from && (!takes_over || named)
            });
            moved.map(move |moved| Part {
                units: moved.units.saturating_sub(claimed(moved.activation)),
                takes_up: Some(moved.activation),
                is_returned: true,
                is_move,
            })
        };
        // What this very request proves to be gone was not read.
        let was_read = |id| self.facts.moved.iter().any(|moved| moved.activation == id);
        let proven = self.facts.ledger.given_back(entitlement.id);
        let proven = proven.filter(|gone| !was_read(gone.id)).map(|gone| Part {
            units: gone.units.saturating_sub(claimed(gone.id)),
            takes_up: Some(gone.id),
            is_returned: true,
            is_move: false,
        });
        let own = of_kind(MovedFrom::ThisDevice, false).chain(proven);
        let dead = of_kind(MovedFrom::WrittenOff, false);
        let elsewhere = of_kind(MovedFrom::Elsewhere, true);
        if takes_over {
            return dead.chain(elsewhere).collect();
        }
        let fresh = Part {
            units: self.units_left(entitlement.id).saturating_sub(returned),
            takes_up: None,
            is_returned: false,
            is_move: false,
        };
        let mut parts: Vec<Part> = own.chain([fresh]).chain(dead).chain(elsewhere).collect();
        // What was given back so long ago that it was not read moves as well.
        let known: u32 = parts
            .iter()
            .filter(|part| part.is_returned)
            .map(|part| part.units)
            .sum();
        parts.push(Part {
            units: returned.saturating_sub(known),
            takes_up: None,
            is_returned: true,
            is_move: true,
        });
        parts
    }
}
