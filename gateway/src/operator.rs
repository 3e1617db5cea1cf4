//! What operators do to devices, decided by the core and recorded in one transaction each.

mod device_key;

use std::sync::Arc;

use fleetgrant_core::domain::{
    ActivationId, CaseId, DeviceId, EntitlementId, KeyThumbprint, Timestamp,
};
use fleetgrant_core::operator::{self, Of, OperatorError, Provision, Publish, Stopgap};
use fleetgrant_core::outcome::Outcome;
use fleetgrant_core::quota::Leave;
use fleetgrant_core::snapshot::Snapshot;

use crate::activation::{Rules, system_entropy};
use crate::approval::{Request, waits};
use crate::clock::{Clock, ClockJumped};
use crate::store::conversation::{self, Basis, Cause, Look, Recorded};
use crate::store::{Db, Store, StoreError, Verdict};

/// How often an act on a stale snapshot is tried anew.
const ATTEMPTS: usize = 8;

/// One act on one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Gives units of an entitlement to the device.
    Assign {
        /// Of which entitlement.
        entitlement: EntitlementId,
        /// How many.
        units: u32,
        /// When they are put in a set.
        publish: Publish,
    },
    /// Undoes an assignment that was never published.
    Cancel(ActivationId),
    /// Takes an activation back.
    Revoke(ActivationId),
    /// Writes and pushes a set with what is meant to be on the device now.
    Push,
    /// Takes back the suspicions against the device.
    Clear,
    /// Admits a device that waits, under this key and no other.
    Admit(KeyThumbprint),
    /// Writes the device's first set, to be carried to it in a file, for this key and no other.
    GrantAtFactory(KeyThumbprint),
    /// Declares the device dead, and writes off its units.
    DeclareDead(Leave),
    /// Lets a device come back that was declared dead.
    Readmit,
    /// Replaces the device's board: it speaks with this key from then on; or else with the one that
    /// waits, or, if none does, with the first that is proven.
    Repair(Option<KeyThumbprint>),
    /// Revokes this key of the device; or else the one that it speaks with.
    RevokeKey(Option<KeyThumbprint>),
    /// Gives the device a temporary licence.
    GiveTemporary(Stopgap, Publish),
    /// Gives the device what an activation of another gave back or was written off with.
    TakeOver(ActivationId, Publish),
    /// Gives the device what is missing of a total, and takes back what that replaces.
    Provide(Provision, Option<Of>),
    /// Takes all of these rights back.
    Withdraw(Of),
}

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The device was never recorded.
    #[error("there is no device {0}: list them with `fleetgrant devices list`")]
    UnknownDevice(DeviceId),
    /// The core refused it.
    #[error(transparent)]
    Refused(#[from] OperatorError),
    /// Policy does not give it unasked: somebody else is to decide it.
    #[error("{reason}; {waits}", waits = waits(*.case))]
    Waits {
        /// The rule that denied it.
        reason: OperatorError,
        /// What it waits in.
        case: CaseId,
    },
    /// The factory says that the device has another key.
    #[error(
        "the manifest names another key for {0}: where it is wrong, amend it with `fleetgrant import \
         manifest --amend` and admit the device again"
    )]
    OtherKeyExpected(DeviceId),
    /// Each of them was shown for the device lately, and only one is that of its new board.
    #[error(
        "{} keys wait for {device}, the latest {}: name the one of its new board with --key, from \
         `fleetgrant devices show {device}`", .waiting.len(), .waiting[0]
    )]
    SeveralKeysWait {
        /// The device.
        device: DeviceId,
        /// Those that were shown, the latest first; at least two.
        waiting: Vec<KeyThumbprint>,
    },
    /// The key is none that the device ever had.
    #[error(
        "{0} never had that key: see its keys with `fleetgrant devices show {0}`. A certificate that \
         was never used is revoked by the revocation list of its issuer"
    )]
    NotItsKey(DeviceId),
    /// No key speaks for the device that could be revoked.
    #[error("no key speaks for {0} now: name one that it had with its thumbprint")]
    NoKey(DeviceId),
    /// What is written would bear a wrong time.
    #[error(transparent)]
    Clock(#[from] ClockJumped),
    /// The device's rights change so often that the act never met a still moment.
    #[error("the device is too busy: try again")]
    Contended,
    /// The database did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Acts on devices in the name of a person.
#[derive(Clone, Debug)]
pub struct Operator {
    /// The ledger.
    pub store: Store,
    /// What it is decided under.
    pub rules: Arc<Rules>,
    /// The gateway's clock.
    pub clock: Clock,
    /// Who acts, for the history.
    pub actor: String,
}

/// What one try of an act came to.
#[derive(Debug)]
pub enum Attempt<T = Box<Outcome>, E = ActError> {
    /// It is recorded, and waits for the commit.
    Done(T),
    /// It is not to be done; what the transaction wrote must be undone.
    Refused(E),
    /// The device changed meanwhile; as above, and then once more.
    Stale,
}

/// What becomes of what a try wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effects {
    /// It is committed.
    Kept,
    /// It is undone, as of a preview.
    Undone,
}

impl Operator {
    /// Does it, or tells why not; a refusal leaves nothing behind but the case of what waits for an
    /// approval.
    ///
    /// # Errors
    /// See [`ActError`].
    pub async fn act(&self, device: &DeviceId, act: Act) -> Result<Outcome, ActError> {
        let request = Request::of_act(&self.actor, device, act);
        let device = device.clone();
        let done = self.until_still("operator", Effects::Kept, move |operator, db, now| {
            operator.attempt(db, &device, act, now)
        });
        match done.await {
            Ok(outcome) => Ok(*outcome),
            Err(error) => Err(self.asking(request, error).await),
        }
    }

    /// Tries on what holds each time, until no other transaction was faster.
    pub(crate) async fn until_still<T, E>(
        &self,
        name: &'static str,
        effects: Effects,
        attempt: impl Fn(&Self, &mut Db, Timestamp) -> Result<Attempt<T, E>, StoreError>
        + Clone
        + Send
        + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<ActError> + Send + 'static,
    {
        for _ in 0..ATTEMPTS {
            let now = self.clock.trusted_now().map_err(ActError::from)?;
            let (operator, attempt) = (self.clone(), attempt.clone());
            let transaction = move |db: &mut Db| {
                let tried = attempt(&operator, db, now)?;
                Ok(match (&tried, effects) {
                    (Attempt::Done(_), Effects::Kept) => Verdict::Commit(tried),
                    _ => Verdict::Rollback(tried),
                })
            };
            let tried = self.store.transaction(name, transaction).await;
            match tried.map_err(ActError::from)? {
                Attempt::Done(done) => return Ok(done),
                Attempt::Refused(reason) => return Err(reason),
                Attempt::Stale => {
                    metrics::counter!("fleetgrant_stale_snapshots_total").increment(1);
                }
            }
        }
        Err(ActError::Contended.into())
    }

    /// One try, within a transaction that the caller ends.
    ///
    /// # Errors
    /// The database failed.
    pub fn attempt(
        &self,
        db: &mut Db,
        device: &DeviceId,
        act: Act,
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        let (named, taken_over) = match act {
            Act::Assign { entitlement, .. } => (Some(entitlement), None),
            Act::GiveTemporary(stopgap, _) => (Some(stopgap.entitlement), None),
            Act::Provide(provision, _) => (Some(provision.entitlement), None),
            Act::TakeOver(from, _) => (None, Some(from)),
            _ => (None, None),
        };
        let look = Look {
            named,
            taken_over,
            quotas: true,
            now: Some(now),
            ..Look::default()
        };
        let Some(snapshot) = conversation::load_for(db, &self.rules.cache, device, &look)? else {
            let unknown = ActError::UnknownDevice(device.clone());
            return Ok(Attempt::Refused(unknown));
        };
        let basis = Basis::of(&snapshot);
        let outcome = match self.decide(db, snapshot, act, now)? {
            Ok(outcome) => outcome,
            Err(reason) => return Ok(Attempt::Refused(reason)),
        };
        let cause = Cause {
            actor: self.actor.clone(),
            message: None,
            at: now,
        };
        if let Act::Admit(key) | Act::GrantAtFactory(key) = act
            && !conversation::expect_key(db, device, key)?
        {
            let other = ActError::OtherKeyExpected(device.clone());
            return Ok(Attempt::Refused(other));
        }
        Ok(
            match conversation::record(db, &self.rules.cache, &basis, &outcome, &cause)? {
                Recorded::Whole => Attempt::Done(Box::new(outcome)),
                Recorded::Stale => Attempt::Stale,
            },
        )
    }

    /// As [`attempt`](Self::attempt). What is given in the place of another right is pushed now, where
    /// the device was ever admitted; or else it gets it when it asks.
    ///
    /// # Errors
    /// The database failed.
    pub fn attempt_promptly(
        &self,
        db: &mut Db,
        device: &DeviceId,
        act: Act,
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        let given = |publish| match act {
            Act::GiveTemporary(stopgap, _) => Act::GiveTemporary(stopgap, publish),
            Act::TakeOver(from, _) => Act::TakeOver(from, publish),
            other => other,
        };
        match self.attempt(db, device, given(Publish::Now), now)? {
            Attempt::Refused(ActError::Refused(reason)) if reason.is_for_want_of_a_key() => {
                self.attempt(db, device, given(Publish::AtContact), now)
            }
            attempt => Ok(attempt),
        }
    }

    fn decide(
        &self,
        db: &mut Db,
        snapshot: Snapshot,
        act: Act,
        now: Timestamp,
    ) -> Result<Result<Outcome, ActError>, StoreError> {
        let context = self.rules.at(now);
        let mut entropy = system_entropy();
        let decided = match act {
            Act::Assign {
                entitlement,
                units,
                publish,
            } => operator::assign(snapshot, entitlement, units, publish, context, &mut entropy),
            Act::Cancel(activation) => operator::cancel(snapshot, activation, context),
            Act::Revoke(activation) => {
                operator::revoke(snapshot, activation, context, &mut entropy)
            }
            Act::Repair(key) => return self.repair(db, snapshot, key, now),
            Act::RevokeKey(key) => return self.revoke_key(db, snapshot, key, now),
            Act::Push => operator::push(snapshot, context, &mut entropy),
            Act::Clear => Ok(operator::clear(snapshot, context)),
            Act::Admit(key) => operator::admit(snapshot, key, context),
            Act::GrantAtFactory(key) => {
                operator::grant_at_factory(snapshot, key, context, &mut entropy)
            }
            Act::DeclareDead(leave) => {
                operator::declare_dead(snapshot, leave, context, &mut entropy)
            }
            Act::Readmit => operator::readmit(snapshot, context, &mut entropy),
            Act::GiveTemporary(stopgap, publish) => {
                operator::give_temporary(snapshot, stopgap, publish, context, &mut entropy)
            }
            Act::TakeOver(from, publish) => {
                operator::take_over(snapshot, from, publish, context, &mut entropy)
            }
            Act::Provide(provision, replaces) => {
                operator::provide(snapshot, provision, replaces, context, &mut entropy)
            }
            Act::Withdraw(of) => operator::withdraw(snapshot, of, context, &mut entropy),
        };
        Ok(decided.map_err(ActError::from))
    }
}
