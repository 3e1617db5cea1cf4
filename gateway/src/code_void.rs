//! Activation codes that nobody is to redeem any more.
//!
//! What was redeemed stays. A code holds no units until it is used, so its entitlement has as many
//! after as before, and they are free for other codes.

use fleetgrant_core::code::{self, VoidError};
use fleetgrant_core::domain::{CodeId, EntitlementId, Timestamp};
use fleetgrant_core::event::{Event, EventKind};

use crate::operator::{ActError, Attempt, Effects, Operator};
use crate::store::activation_code::{self, single};
use crate::store::event::{self, Occasion, Stream};
use crate::store::{Db, StoreError};

/// Which codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codes {
    /// One, by its public half.
    One(CodeId),
    /// All of a pack that are not used up.
    Pack(String),
}

/// What became of codes that were made void.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodesVoided {
    /// The pack that they are of.
    pub pack: String,
    /// Codes that are void now and were not before.
    pub codes: u64,
    /// How often those could be used still.
    pub uses: u64,
    /// Codes that were void before.
    pub void_before: u64,
    /// Codes of the pack that are used up, and stay so.
    pub used_up: u64,
}

/// Why codes were not made void.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// There is no such code.
    #[error("there is no activation code {0}: list them with `fleetgrant codes show PACK`")]
    UnknownCode(CodeId),
    /// There is no such pack.
    #[error("there is no pack {0:?}: list them with `fleetgrant codes list`")]
    UnknownPack(String),
    /// It does not go with where the code stands.
    #[error("the code {id}: {reason}")]
    Refused {
        /// Which code.
        id: CodeId,
        /// Why.
        reason: VoidError,
    },
    /// It could not be done.
    #[error(transparent)]
    Act(#[from] ActError),
}

type Tried = Attempt<CodesVoided, CodeError>;

impl Operator {
    /// Does it, or only finds out what it would come to; a refusal leaves nothing behind.
    ///
    /// # Errors
    /// See [`CodeError`].
    pub async fn void_codes(
        &self,
        which: Codes,
        effects: Effects,
    ) -> Result<CodesVoided, CodeError> {
        self.until_still("void-codes", effects, move |operator, db, now| {
            operator.attempt_void(db, &which, now)
        })
        .await
    }

    /// One try, within a transaction that the caller ends.
    ///
    /// # Errors
    /// The database failed.
    pub fn attempt_void(
        &self,
        db: &mut Db,
        which: &Codes,
        now: Timestamp,
    ) -> Result<Tried, StoreError> {
        let occasion = Occasion {
            at: now,
            actor: &self.actor,
            cause: &[],
        };
        match which {
            Codes::One(id) => one(db, *id, occasion),
            Codes::Pack(pack) => whole(db, pack, occasion),
        }
    }
}

fn one(db: &mut Db, id: CodeId, occasion: Occasion<'_>) -> Result<Tried, StoreError> {
    let Some(known) = activation_code::find(db, id)? else {
        return Ok(Tried::Refused(CodeError::UnknownCode(id)));
    };
    let mut voided = CodesVoided::none(&known.pack);
    match code::void(known.state.0) {
        Err(reason) => return Ok(Tried::Refused(CodeError::Refused { id, reason })),
        Ok(None) => voided.void_before = 1,
        Ok(Some(after)) => {
            // Whoever redeems it meanwhile was first, and it is decided anew.
            if !single::stand_one(db, id, known.state.0, after)? {
                return Ok(Tried::Stale);
            }
            voided.codes = 1;
            voided.uses = (known.uses - known.used).unsigned_abs();
            tell(db, known.entitlement_id.0, &voided, Some(id), occasion)?;
        }
    }
    Ok(Tried::Done(voided))
}

fn whole(db: &mut Db, pack: &str, occasion: Occasion<'_>) -> Result<Tried, StoreError> {
    let Some(entitlement) = single::gives(db, pack)? else {
        return Ok(Tried::Refused(CodeError::UnknownPack(pack.to_owned())));
    };
    let mut voided = CodesVoided::none(pack);
    let mut steps = Vec::new();
    for (state, left, codes) in single::standing(db, pack)? {
        let codes = codes.unsigned_abs();
        match code::void(state) {
            Err(VoidError::Used) => voided.used_up += codes,
            Ok(None) => voided.void_before += codes,
            Ok(Some(after)) => {
                voided.codes += codes;
                voided.uses += codes * left.unsigned_abs();
                if !steps.contains(&(state, after)) {
                    steps.push((state, after));
                }
            }
        }
    }
    if voided.codes == 0 {
        return Ok(Tried::Done(voided));
    }
    let mut stood: u64 = 0;
    for (from, to) in steps {
        stood += single::stand(db, pack, from, to)? as u64;
    }
    if stood != voided.codes {
        return Ok(Tried::Stale);
    }
    tell(db, entitlement, &voided, None, occasion)?;
    Ok(Tried::Done(voided))
}

fn tell(
    db: &mut Db,
    entitlement: EntitlementId,
    voided: &CodesVoided,
    code: Option<CodeId>,
    occasion: Occasion<'_>,
) -> Result<(), StoreError> {
    let mut told = Event::new(EventKind::CodesVoided)
        .with("pack", voided.pack.as_str())
        .with("count", voided.codes)
        .with("uses", voided.uses)
        .with_some("code", code);
    told.entitlement = Some(entitlement);
    event::append(db, Stream::Entitlement(entitlement), occasion, &[told])
}

impl CodesVoided {
    fn none(pack: &str) -> Self {
        Self {
            pack: pack.to_owned(),
            codes: 0,
            uses: 0,
            void_before: 0,
            used_up: 0,
        }
    }
}
