//! What operators do to entitlements, and what reaches devices of it.
//!
//! An act changes the entitlement and marks the devices that have something of it, in one
//! transaction; the [`refresh`](crate::refresh) then gives each a set of its own.

mod co_term;
mod expire;
mod maintain;
mod merge;
mod party_hold;
mod regrant;
mod renew;
mod resale;
mod split;
mod upgrade;
mod upgrade_device;

pub use co_term::CoTerm;
pub(crate) use expire::expire_due;
pub use maintain::Maintenance;
pub(crate) use maintain::put as put_maintenance;
pub use party_hold::PartyChange;
pub(crate) use party_hold::followed as party_followed;
pub(crate) use regrant::{Regranted, give_again};
pub use renew::{InvalidTerm, Length, Months, Renewal};
pub use resale::Resale;
pub use split::Split;
pub use upgrade::{Direction, Upgrade};
pub(crate) use upgrade::{follow, settle_upgrades};
pub(crate) use upgrade_device::{DeviceUpgrade, Kept, upgrade_device, upgrade_rest};

pub(crate) use crate::store::maintenance::follow as maintain;

use fleetgrant_core::domain::{
    DeviceId, EntitlementId, EntitlementState, HoldReason, LicenseModel, PartyId, Timestamp,
};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::hand_over::HandOverError;
use fleetgrant_core::lifecycle::{self, EntitlementAct, LifecycleError, Posture};
use fleetgrant_core::maintenance::MaintenanceError;
use fleetgrant_core::party::{MergeError, PartyError};
use fleetgrant_core::renewal::RenewalError;
use fleetgrant_core::succession::SuccessionError;

use crate::operator::{ActError, Attempt, Effects, Operator};
use crate::store::entitlement::{self, Entitlement};
use crate::store::event::{self, Occasion, Stream};
use crate::store::{Db, StoreError, refresh};

/// What is to be done to an entitlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It is to stand otherwise.
    Act(EntitlementAct),
    /// It is to run longer.
    Renew(Renewal),
    /// It is to end as others do.
    CoTerm(CoTerm),
    /// Part of it is to be one of its own.
    Split(Split),
    /// It is to belong to this party.
    Transfer(PartyId),
    /// It is to be of another product.
    Upgrade(Upgrade),
    /// It is to be maintained by another, or not.
    Maintain(Maintenance),
}

/// What an act on an entitlement came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntitlementChange {
    /// Of which.
    pub id: EntitlementId,
    /// What its system calls it.
    pub reference: String,
    /// Where it stood.
    pub before: Posture,
    /// Where it stands.
    pub after: Posture,
    /// Units of it that were in use.
    pub live: u32,
    /// Devices that get another set for it.
    pub devices: usize,
    /// Whether anything changed.
    pub changed: bool,
    /// The entitlement that came of it.
    pub made: Option<EntitlementId>,
    /// What people are told.
    pub said: String,
}

/// Why an act on an entitlement was not done.
#[derive(Debug, thiserror::Error)]
pub enum EntitlementActError {
    /// There is no such entitlement.
    #[error("there is no entitlement {0}: list them with `fleetgrant entitlements list`")]
    Unknown(EntitlementId),
    /// Where it stands does not allow it.
    #[error(transparent)]
    Refused(#[from] LifecycleError),
    /// It cannot be renewed.
    #[error(transparent)]
    Renewal(#[from] RenewalError),
    /// It ends later than it is to, and that is not to be undone by the way.
    #[error("it runs until {0}, which is later: shorten it only if that is meant (`--shorten`)")]
    EndsLater(Timestamp),
    /// The one cannot maintain the other.
    #[error(transparent)]
    Maintenance(#[from] MaintenanceError),
    /// It is not in use, or no more.
    #[error("an entitlement that is {0} cannot be renewed")]
    NotRenewable(EntitlementState),
    /// Its licence model has no renewals.
    #[error("what is {0} is not renewed: sell what comes after it")]
    NotRenewed(LicenseModel),
    /// Its end was ordered.
    #[error("it is to be revoked: withdraw that first, with `fleetgrant entitlements keep`")]
    ToBeRevoked,
    /// Another entitlement is called so.
    #[error("{0:?} is the name of another entitlement: give this one its own")]
    ReferenceTaken(String),
    /// Its units stay where they are.
    #[error("{reference}: {reason}")]
    HandOver {
        /// What it is called.
        reference: String,
        /// Why.
        reason: HandOverError,
    },
    /// There is no such product.
    #[error("there is no product {0:?}: `fleetgrant import products` brings them")]
    UnknownProduct(String),
    /// No product takes the place of the other.
    #[error(
        "there is no way from {from} to {to}: the column `replaces` of the products says which \
         product takes the place of which"
    )]
    NoPath {
        /// The product it is of.
        from: String,
        /// The product it is to be of.
        to: String,
    },
    /// No other takes its place.
    #[error("{reference}: {reason}")]
    Succession {
        /// What it is called.
        reference: String,
        /// Why.
        reason: SuccessionError,
    },
    /// There is no such party.
    #[error("there is no party {0}")]
    UnknownParty(PartyId),
    /// The party gets nothing new, or does not become another.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// It is no party of its own any more.
    #[error(transparent)]
    Party(#[from] PartyError),
    /// There is no such device.
    #[error("there is no device {0}: list them with `fleetgrant devices list`")]
    UnknownDevice(DeviceId),
    /// It could not be done.
    #[error(transparent)]
    Act(#[from] ActError),
}

type Tried = Attempt<EntitlementChange, EntitlementActError>;

impl Operator {
    /// Does it, or only finds out what it would come to; a refusal leaves nothing behind.
    ///
    /// # Errors
    /// See [`EntitlementActError`].
    pub async fn act_on(
        &self,
        id: EntitlementId,
        deed: Deed,
        effects: Effects,
    ) -> Result<EntitlementChange, EntitlementActError> {
        self.until_still("entitlement-act", effects, move |operator, db, now| {
            operator.attempt_on(db, id, &deed, now)
        })
        .await
    }

    /// One try, within a transaction that the caller ends.
    ///
    /// # Errors
    /// The database failed.
    pub fn attempt_on(
        &self,
        db: &mut Db,
        id: EntitlementId,
        deed: &Deed,
        now: Timestamp,
    ) -> Result<Tried, StoreError> {
        let Some(known) = entitlement::find(db, id)? else {
            return Ok(Tried::Refused(EntitlementActError::Unknown(id)));
        };
        let occasion = Occasion {
            at: now,
            actor: &self.actor,
            cause: &[],
        };
        match deed {
            Deed::Act(act) => put(db, &known, *act, occasion),
            Deed::Renew(renewal) => renew::renew(db, &known, renewal, occasion),
            Deed::CoTerm(order) => co_term::co_term(db, &known, order, occasion),
            Deed::Split(part) => split::split(db, &known, part, occasion),
            Deed::Transfer(to) => split::transfer(db, &known, *to, occasion),
            Deed::Upgrade(order) => upgrade::upgrade(db, &known, order, occasion),
            Deed::Maintain(order) => maintain::put(db, &known, *order, occasion),
        }
    }
}

/// Puts an entitlement where an act leads it, within a transaction that the caller ends.
pub(crate) fn put(
    db: &mut Db,
    known: &Entitlement,
    act: EntitlementAct,
    occasion: Occasion<'_>,
) -> Result<Tried, StoreError> {
    let mut change = EntitlementChange::none(known)?;
    let before = change.before;
    change.after = match lifecycle::after(before, act, change.live, occasion.at) {
        Ok(Some(after)) => after,
        Ok(None) => {
            change.said = format!("{} is so already: {}", known.reference, standing(before));
            return Ok(Tried::Done(change));
        }
        Err(reason) => return Ok(Tried::Refused(reason.into())),
    };
    if !entitlement::stand(db, known, change.after, occasion.at)? {
        return Ok(Tried::Stale);
    }
    if known.model_kind.0 == LicenseModel::Maintenance {
        let after = entitlement::find(db, known.id.0)?;
        maintain(db, after.as_ref().unwrap_or(known), occasion)?;
    }
    if lifecycle::reaches_devices(before, change.after) {
        change.devices = refresh::mark_holders(db, known.id.0, occasion.actor, occasion.at)?;
    }
    change.changed = true;
    change.said = format!(
        "{} is {}; {}",
        known.reference,
        standing(change.after),
        change.reaches()
    );
    let told = told(&change, act);
    event::append(db, Stream::Entitlement(known.id.0), occasion, &[told])?;
    Ok(Tried::Done(change))
}

/// Closes what was to be revoked by now, and marks its devices; up to `limit` of it.
pub(crate) fn close_revoked(db: &mut Db, now: Timestamp, limit: i64) -> Result<(), StoreError> {
    for known in entitlement::to_close(db, now, limit)? {
        let act = EntitlementAct::Revoke { at: now };
        let occasion = Occasion {
            at: now,
            actor: "gateway",
            cause: &[],
        };
        if let Tried::Stale = put(db, &known, act, occasion)? {
            // The next round finds it again.
            tracing::debug!(entitlement = %known.id.0, "changed while it was to be closed");
        }
    }
    Ok(())
}

fn told(change: &EntitlementChange, act: EntitlementAct) -> Event {
    let kind = match act {
        EntitlementAct::Activate => EventKind::EntitlementActivated,
        EntitlementAct::Suspend => EventKind::EntitlementSuspended,
        EntitlementAct::Resume => EventKind::EntitlementResumed,
        EntitlementAct::Hold(_) => EventKind::EntitlementHeld,
        EntitlementAct::Release(_) => EventKind::EntitlementReleased,
        EntitlementAct::Revoke { .. } => EventKind::EntitlementRevoked,
        EntitlementAct::KeepOn => EventKind::EntitlementKept,
        EntitlementAct::Close => EventKind::EntitlementClosed,
    };
    let reason = match act {
        EntitlementAct::Hold(reason) | EntitlementAct::Release(reason) => Some(reason),
        _ => None,
    };
    let mut event = Event::new(kind)
        .with("reference", change.reference.as_str())
        .with("before", change.before.state.as_str())
        .with("state", change.after.state.as_str())
        .with_some("reason", reason.map(HoldReason::as_str))
        .with_some("from", change.after.revoked_from.map(Timestamp::seconds))
        .with("in-use", change.live)
        .with("devices", change.devices as u64);
    event.entitlement = Some(change.id);
    event
}

impl EntitlementChange {
    /// Nothing, so far.
    fn none(known: &Entitlement) -> Result<Self, StoreError> {
        let posture = known.posture()?;
        Ok(Self {
            id: known.id.0,
            reference: known.reference.clone(),
            before: posture,
            after: posture,
            live: u32::try_from(known.live_units).unwrap_or(u32::MAX),
            devices: 0,
            changed: false,
            made: None,
            said: String::new(),
        })
    }

    fn reaches(&self) -> String {
        match self.devices {
            0 => "no device has anything of it".to_owned(),
            1 => "1 device gets another set".to_owned(),
            devices => format!("{devices} devices get another set"),
        }
    }
}

fn standing(posture: Posture) -> String {
    let reasons: Vec<_> = posture.holds.iter().map(HoldReason::as_str).collect();
    let mut text = posture.state.to_string();
    if posture.state == EntitlementState::Hold {
        text.push_str(&format!(" ({})", reasons.join(", ")));
    }
    match posture.revoked_from {
        Some(from) if posture.state == EntitlementState::Closed => {
            text.push_str(&format!(", revoked at {from}"));
        }
        Some(from) => text.push_str(&format!(", to be revoked at {from}")),
        None => {}
    }
    text
}
