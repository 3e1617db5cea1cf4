//! A set: laid out, looked at, and written.

use std::collections::BTreeSet;

use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::limits;

use super::{Turn, Unissuable};
use crate::ask::{Channel, Reason};
use crate::content::{self, Content, Denial, Told};
use crate::context::Entropy;
use crate::device::Pin;
use crate::domain::{
    ActivationId, Challenge, Cti, DeviceNonce, EntitlementId, Generation, KeyThumbprint, SetKey,
    Timestamp,
};
use crate::event::{Event, EventKind};
use crate::ledger::Ledger;
use crate::outcome::Deliveries;
use crate::set::{CommittedSet, IssuedSet};

/// Activations that a set leaves out since the device would not take it with them.
pub(crate) type NoRoom = BTreeSet<ActivationId>;

/// A set before it is written.
pub(crate) struct Proposal {
    pub(crate) ledger: Ledger,
    included: Vec<ActivationId>,
    key: SetKey,
    cti: Cti,
    confirmation: KeyThumbprint,
    challenge: Challenge,
    pub(crate) nonce: Option<DeviceNonce>,
    pub(crate) denials: Vec<Denial>,
    /// It is made ahead of the device's first start.
    pub(crate) is_factory: bool,
}

impl<E: Entropy> Turn<'_, E> {
    /// Whether the device takes a set over `ledger`, in answer to a request or not, whatever its
    /// generation, the uses and the maintenance by then: what fits now must fit in every later set.
    pub(crate) fn has_room(&self, ledger: &Ledger, no_room: &NoRoom) -> bool {
        let rights = ledger.rights();
        if rights <= limits::MAX_ENTITLEMENTS
            && Grant::largest(rights) <= usize::from(self.device.max_down)
        {
            debug_assert!(self.has_room_when_laid_out(ledger, no_room), "{rights}");
            return true;
        }
        self.has_room_when_laid_out(ledger, no_room)
    }

    fn has_room_when_laid_out(&self, ledger: &Ledger, no_room: &NoRoom) -> bool {
        let mut ledger = ledger.clone();
        let key = SetKey {
            epoch: self.ctx.authority.epoch,
            generation: Generation::MAX,
        };
        let included = content::settle(&mut ledger, no_room, &self.conditions(), key);
        let largest = Proposal {
            ledger,
            included,
            key,
            cti: Cti([0; 16]),
            confirmation: self.device.key().unwrap_or(KeyThumbprint([0; 32])),
            challenge: Challenge([0; 16]),
            nonce: Some(DeviceNonce([0; 16])),
            denials: Vec::new(),
            is_factory: false,
        };
        Content {
            told: Told::Largest,
            ..self.content(&largest)
        }
        .fits(self.device.max_down)
    }

    /// What waits to be put in a set over `ledger` and finds no room: the newest first.
    pub(crate) fn no_room(&self, ledger: &Ledger) -> NoRoom {
        let mut no_room = NoRoom::new();
        let mut waiting = ledger.waiting().rev();
        while !self.has_room(ledger, &no_room)
            && let Some(newest) = waiting.next()
        {
            no_room.insert(newest);
        }
        no_room
    }

    /// Lays out a set over `ledger`, which this turn may still discard.
    pub(crate) fn propose(
        &mut self,
        mut ledger: Ledger,
        no_room: &NoRoom,
        nonce: Option<DeviceNonce>,
        denials: Vec<Denial>,
        channel: Channel,
    ) -> Result<Proposal, Unissuable> {
        let key = self.next_key()?;
        let confirmation = match self.device.pin {
            Pin::To(key) => key,
            Pin::Open => return Err(Unissuable::NotPinned),
            Pin::Lost(loss) => return Err(Unissuable::KeyLost(loss)),
        };
        let included = content::settle(&mut ledger, no_room, &self.conditions(), key);
        Ok(Proposal {
            ledger,
            included,
            key,
            cti: Cti(self.random()),
            confirmation,
            challenge: self.challenge(channel),
            nonce,
            denials,
            is_factory: false,
        })
    }

    /// Whether the device takes a set like this, with so many of its denials.
    pub(crate) fn fits(&self, proposal: &Proposal, denials: usize) -> bool {
        let content = self.content(proposal);
        Content {
            denials: &content.denials[..denials.min(content.denials.len())],
            ..content
        }
        .fits(self.device.max_down)
    }

    /// Writes the set: from now on it may be out there.
    pub(crate) fn issue(&mut self, proposal: Proposal, why: Why) {
        let content = self.content(&proposal);
        let payload = content.encode();
        let install_until = content.install_until;
        let Proposal {
            ledger,
            included,
            key,
            cti,
            nonce,
            ..
        } = proposal;
        self.ledger = ledger;
        let set = CommittedSet {
            key,
            cti,
            issued_at: self.ctx.now,
            install_until,
            nonce,
            activations: included,
        };
        let own = self.policies.own_tags(self.entitlements_of(&set));
        self.device.generation = key.generation;
        self.deliveries = Deliveries::Superseded;
        self.record(
            Event::new(EventKind::SetIssued)
                .with("set", key)
                .with("cti", cti)
                .with("activations", set.activations.len() as u64)
                .with("why", why.as_str())
                .with("policy", &self.policies.device().tag)
                .with_some("own_policies", own.as_deref()),
        );
        self.sets.push(set.clone());
        self.issued = Some(IssuedSet {
            repeat_at: self.ctx.policy.push_pauses.first_repeat(self.ctx.now),
            set,
            payload,
        });
    }

    /// Writes a set that nobody asked for, with what is meant to be on the device now.
    pub(crate) fn push(&mut self, nonce: Option<DeviceNonce>, why: Why) -> Result<(), Unissuable> {
        let ledger = self.ledger.clone();
        let no_room = self.no_room(&ledger);
        let proposal = self.propose(ledger, &no_room, nonce, Vec::new(), Channel::Online)?;
        self.issue(proposal, why);
        Ok(())
    }

    /// Whether a set written now would be like the latest, and leave every activation where it
    /// stands.
    pub(crate) fn would_change_nothing(&self) -> Result<bool, Unissuable> {
        let mut ledger = self.ledger.clone();
        let no_room = self.no_room(&ledger);
        let included = content::settle(&mut ledger, &no_room, &self.conditions(), self.next_key()?);
        let (activations, entitlements, _) = ledger.into_changes();
        let is_latest = match self.latest() {
            Some(latest) => latest.activations == included,
            None => included.is_empty(),
        };
        Ok(is_latest && activations.is_empty() && entitlements.is_empty())
    }

    fn entitlements_of(&self, set: &CommittedSet) -> impl Iterator<Item = EntitlementId> {
        let in_it = set.activations.iter();
        in_it.filter_map(|id| Some(self.ledger.activation(*id)?.entitlement))
    }

    fn content<'p>(&'p self, proposal: &'p Proposal) -> Content<'p> {
        let (policy, now) = (self.ctx.policy, self.ctx.now);
        let renew_after = self.policies.device().rules.renew_after;
        let last = Timestamp::from_seconds(limits::MAX_INSTANT - 1);
        let window = match proposal.is_factory {
            true => limits::INSTALL_WINDOW_FACTORY,
            false => policy.install_window,
        };
        Content {
            realm: &self.ctx.authority.realm,
            device: &self.device.id,
            confirmation: proposal.confirmation,
            key: proposal.key,
            cti: proposal.cti,
            nonce: proposal.nonce,
            challenge: proposal.challenge,
            issued_at: now,
            install_until: now.plus_seconds(window).min(last),
            renew_after: renew_after.unwrap_or(policy.renew_after),
            rules: &self.policies,
            ledger: &proposal.ledger,
            included: &proposal.included,
            denials: &proposal.denials,
            is_factory: proposal.is_factory,
            told: Told::OnRecord,
        }
    }
}

impl Proposal {
    pub(crate) fn is_empty(&self) -> bool {
        self.included.is_empty()
    }
}

/// Why a set was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The device asked.
    Asked(Reason),
    /// The device refused part of the one before.
    Refused,
    /// The one before can no longer be installed.
    WindowOver,
    /// An operator changed something.
    Operator,
    /// What the device has a right to has changed.
    Changed,
    /// It was made ahead of the device's first start.
    Factory,
}

impl Why {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Asked(reason) => reason.as_str(),
            Self::Refused => "refused",
            Self::WindowOver => "window-over",
            Self::Operator => "operator",
            Self::Changed => "changed",
            Self::Factory => "factory-grant",
        }
    }
}
