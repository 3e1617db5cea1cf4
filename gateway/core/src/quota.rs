//! What policy gives without asking anybody, and how much of it is used.
//!
//! A use counts for a window that ends at the decision. Uses are kept apart from units: a
//! temporary licence takes no unit of its entitlement, and a unit that moves is the same unit
//! before and after. So each quota has an invariant of its own: what was given unasked within any
//! window is never more than its allowance, which [`Guard`] holds against two that decide at once.

use crate::device::Device;
use crate::domain::{DeviceId, EntitlementId, PartyId, Timestamp, named};
use crate::entitlement::Entitlement;
use crate::rule::{Refusal, Rule};
use crate::snapshot::Snapshot;
use crate::tier::{Beyond, Permit, PolicyTag, Quota, QuotaScope};

named! {
    /// What a quota is for.
    QuotaKind("quota") {
        /// A unit that one device gave back went to another.
        Rehost = 1 "rehost",
        /// A unit of a device that was declared dead was written off, to go to another.
        RehostUnconfirmed = 2 "rehost-unconfirmed",
        /// A unit ran on a temporary licence.
        Temporary = 3 "temporary",
    }
}

named! {
    /// By whose leave something was done that policy limits.
    Leave("leave") {
        /// By the policy's, within its quota.
        Policy = 1 "policy",
        /// By somebody's who approved it, whatever the quota.
        Approval = 2 "approval",
    }
}

/// A use of a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaUse {
    /// Of which quota.
    pub kind: QuotaKind,
    /// Units of this entitlement.
    pub entitlement: EntitlementId,
    /// Who owned the device.
    pub owner: Option<PartyId>,
    /// The device that was served, or declared dead.
    pub device: DeviceId,
    /// How many.
    pub units: u32,
    /// By whose leave. What was approved counts towards the quota too.
    pub leave: Leave,
    /// When.
    pub at: Timestamp,
}

/// A use to be recorded, of the device of the outcome, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewUse {
    /// Of which quota.
    pub kind: QuotaKind,
    /// Units of this entitlement.
    pub entitlement: EntitlementId,
    /// How many.
    pub units: u32,
    /// Under which condition it may be recorded; none: it was approved.
    pub guard: Option<Guard>,
}

/// To be recorded only if the stored uses of this kind and scope after `after` are together as
/// many as were seen; or else the snapshot is stale and the transaction is run anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Whose uses.
    pub scope: QuotaScope,
    /// Units of them when it was decided.
    pub seen: u32,
    /// Those later than this, which is 22 hours ago at least.
    pub after: Timestamp,
    /// Units that were seen, this use and others of the same outcome come to at most.
    pub allowance: u32,
}

impl NewUse {
    /// By whose leave.
    #[must_use]
    pub const fn leave(&self) -> Leave {
        match self.guard {
            Some(_) => Leave::Policy,
            None => Leave::Approval,
        }
    }
}

impl QuotaUse {
    /// Whether it is counted with others of an entitlement, a device and its owner.
    #[must_use]
    pub fn is_within(
        &self,
        scope: QuotaScope,
        entitlement: EntitlementId,
        owner: Option<PartyId>,
        device: &DeviceId,
    ) -> bool {
        match (scope, owner) {
            (QuotaScope::Device, _) => self.device == *device,
            (QuotaScope::Customer, Some(owner)) => self.owner == Some(owner),
            // A device that nobody owns has no other uses than the entitlement's.
            (QuotaScope::Customer, None) | (QuotaScope::Entitlement, _) => {
                self.entitlement == entitlement
            }
        }
    }
}

/// How a quota stands, of which something is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaStanding {
    /// Which one.
    pub kind: QuotaKind,
    /// For this entitlement.
    pub entitlement: EntitlementId,
    /// Under which policy.
    pub policy: PolicyTag,
    /// What counts of it; none where policy gives nothing of it without an approval.
    pub within: Option<Allowed>,
}

/// How much of what may be given within a window was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Units that count now.
    pub used: u32,
    /// Units that may be given without an approval.
    pub limit: u32,
}

impl Snapshot {
    /// How a quota stands that the device's requests are held against, for one of its entitlements;
    /// none, if policy offers nothing of it.
    #[must_use]
    pub fn quota(
        &self,
        kind: QuotaKind,
        entitlement: EntitlementId,
        now: Timestamp,
    ) -> Option<QuotaStanding> {
        let entitlement = self.entitlements.iter().find(|e| e.id == entitlement)?;
        let policy = self.policies.of(entitlement.id);
        let rules = &policy.rules;
        let permit = match kind {
            QuotaKind::Rehost => rules.rehost,
            QuotaKind::RehostUnconfirmed => rules.rehost_unconfirmed,
            QuotaKind::Temporary => rules.temporary.map(|temporary| temporary.permit),
        };
        // A device that nobody owns becomes the owner's whose right it is given.
        let device = Device {
            owner: self.device.owner.or(entitlement.owner),
            ..self.device.clone()
        };
        let uses = Uses {
            device: &device,
            stored: &self.uses,
            leave: Leave::Policy,
            now,
        };
        let within = match permit? {
            Permit::Approval => None,
            Permit::SelfService(quota) => {
                let counted = uses.counted(kind, &quota, entitlement);
                Some(Allowed {
                    used: sum(counted.iter().map(|(_, _, units)| *units)),
                    limit: quota.allowance(entitlement.quantity),
                })
            }
        };
        Some(QuotaStanding {
            kind,
            entitlement: entitlement.id,
            policy: policy.tag.clone(),
            within,
        })
    }
}

/// No window is shorter, whatever the clocks of its zone do in it; seconds.
const SHORTEST_WINDOW: u64 = 22 * 3_600;

/// The uses that a decision looks at, and those that it plans.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uses<'a> {
    pub(crate) device: &'a Device,
    pub(crate) stored: &'a [QuotaUse],
    /// By whose leave something is to be done.
    pub(crate) leave: Leave,
    pub(crate) now: Timestamp,
}

impl Uses<'_> {
    /// Whether `units` of an entitlement are given unasked, with what is planned counted already. An
    /// approval gives them whatever the quota, but where policy has none of it.
    pub(crate) fn permit(
        &self,
        kind: QuotaKind,
        permit: Option<Permit>,
        entitlement: &Entitlement,
        units: u32,
        planned: &[NewUse],
    ) -> Result<NewUse, Refusal> {
        let quota = match permit {
            None => return Err(kind.not_offered().into()),
            Some(_) if self.leave == Leave::Approval => {
                return Ok(NewUse {
                    kind,
                    entitlement: entitlement.id,
                    units,
                    guard: None,
                });
            }
            Some(Permit::Approval) => return Err(Rule::ApprovalNeeded.into()),
            Some(Permit::SelfService(quota)) => quota,
        };
        let counted = self.counted(kind, &quota, entitlement);
        let seen = sum(counted.iter().map(|(_, _, units)| *units));
        let planned = sum(planned
            .iter()
            .filter(|use_| {
                let same = use_.entitlement == entitlement.id;
                use_.kind == kind && (same || quota.scope != QuotaScope::Entitlement)
            })
            .map(|use_| use_.units));
        let allowance = quota.allowance(entitlement.quantity);
        let after_it = seen.saturating_add(planned).saturating_add(units);
        if after_it > allowance {
            let over = after_it - allowance;
            return Err(Refusal {
                rule: match quota.beyond {
                    Beyond::Approval => Rule::ApprovalNeeded,
                    Beyond::Refused => Rule::QuotaUsed,
                },
                lifts_at: freed_at(counted, over),
                under: None,
            });
        }
        let recent = self.now.minus_seconds(SHORTEST_WINDOW);
        let first = counted.iter().map(|(at, ..)| at.micros() - 1).min();
        Ok(NewUse {
            kind,
            entitlement: entitlement.id,
            units,
            guard: Some(Guard {
                scope: quota.scope,
                seen,
                after: first.map_or(recent, |first| recent.min(Timestamp::from_micros(first))),
                allowance,
            }),
        })
    }

    /// When each use that counts was made, when it counts no more, and its units. What counts is all
    /// that was used after some instant, which a [`Guard`] and the schema can tell from the rest.
    fn counted(
        &self,
        kind: QuotaKind,
        quota: &Quota,
        entitlement: &Entitlement,
    ) -> Vec<(Timestamp, Timestamp, u32)> {
        let device = self.device;
        let mut counted: Vec<_> = self
            .stored
            .iter()
            .filter(|use_| {
                use_.kind == kind
                    && use_.is_within(quota.scope, entitlement.id, device.owner, &device.id)
            })
            .map(|use_| {
                let end = quota.window.end_of(use_.at, &entitlement.zone);
                (use_.at, end, use_.units)
            })
            .collect();
        counted.sort_by_key(|(at, ..)| *at);
        // A month after 31 January in the morning comes before one after the 28th in the afternoon: no
        // use ends before an earlier one.
        let mut latest = Timestamp::from_micros(i64::MIN);
        for (_, end, _) in &mut counted {
            latest = latest.max(*end);
            *end = latest;
        }
        counted.retain(|(_, end, _)| *end > self.now);
        counted
    }
}

impl QuotaKind {
    const fn not_offered(self) -> Rule {
        match self {
            Self::Rehost | Self::RehostUnconfirmed => Rule::RehostNotOffered,
            Self::Temporary => Rule::TemporaryNotOffered,
        }
    }
}

/// When so many units of these uses count no more; none, if there are fewer.
fn freed_at(mut counted: Vec<(Timestamp, Timestamp, u32)>, units: u32) -> Option<Timestamp> {
    counted.sort_by_key(|(_, end, _)| *end);
    let mut freed = 0_u32;
    counted.into_iter().find_map(|(_, end, of_use)| {
        freed = freed.saturating_add(of_use);
        (freed >= units).then_some(end)
    })
}

fn sum(units: impl Iterator<Item = u32>) -> u32 {
    units.fold(0, u32::saturating_add)
}
