//! What is maintained for longer goes again to the devices that refused it for their firmware's
//! build.

use fleetgrant_core::domain::{DeviceId, EntitlementId, Timestamp};
use fleetgrant_core::operator::{self, OperatorError, Provision};
use fleetgrant_core::rule::Rule;

use crate::activation::{Rules, system_entropy};
use crate::store::conversation::{self, Basis, Cause, Look, Recorded};
use crate::store::regrant::{self, Refused};
use crate::store::{Db, StoreError, refresh};

/// Seconds until it is tried again where the units wait for the proof that they are gone, at least
/// and at most; between, as long as they have waited so far.
const PAUSES: (u64, u64) = (60, 86_400);

/// What became of what a device may have again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Regranted {
    /// There was none of it, or the device keeps without it.
    Nothing,
    /// It is in a set.
    InASet,
    /// Another transaction was faster.
    Stale,
}

/// Gives a device again what it refused for the build of its firmware, within a transaction that the
/// caller ends: what is noted for it, under the rules of an assignment.
pub(crate) fn give_again(
    db: &mut Db,
    device: &DeviceId,
    actor: &str,
    rules: &Rules,
    now: Timestamp,
) -> Result<Regranted, StoreError> {
    let mut regranted = Regranted::Nothing;
    for entitlement in regrant::of_device(db, device)? {
        let refused = regrant::refused(db, device, entitlement)?;
        let given = if refused.units > 0 {
            give_one(db, device, (entitlement, refused), actor, rules, now)?
        } else {
            Given::No
        };
        match given {
            Given::Yes => regranted = Regranted::InASet,
            Given::No => {}
            Given::Stale => return Ok(Regranted::Stale),
            Given::Later(later) => {
                refresh::mark_later(db, device, actor, later)?;
                continue;
            }
        }
        regrant::settle(db, device, entitlement)?;
    }
    Ok(regranted)
}

enum Given {
    Yes,
    No,
    Later(Timestamp),
    Stale,
}

fn give_one(
    db: &mut Db,
    device: &DeviceId,
    (entitlement, refused): (EntitlementId, Refused),
    actor: &str,
    rules: &Rules,
    now: Timestamp,
) -> Result<Given, StoreError> {
    let look = Look {
        named: Some(entitlement),
        quotas: true,
        now: Some(now),
        ..Look::default()
    };
    let Some(snapshot) = conversation::load_for(db, &rules.cache, device, &look)? else {
        return Ok(Given::No);
    };
    let basis = Basis::of(&snapshot);
    let provision = Provision {
        entitlement,
        total: refused.units,
    };
    let (context, mut entropy) = (rules.at(now), system_entropy());
    let outcome = match operator::provide(snapshot, provision, None, context, &mut entropy) {
        Ok(outcome) => outcome,
        Err(OperatorError::Denied(Rule::NoUnitsLeft))
            if let Some(since) = refused.removing_since =>
        {
            let waited = now.seconds().saturating_sub(since.seconds());
            let pause = waited.clamp(PAUSES.0, PAUSES.1);
            return Ok(Given::Later(now.plus_seconds(pause)));
        }
        Err(reason) => {
            tracing::warn!(%device, %entitlement, %reason, "what is maintained again is not given");
            return Ok(Given::No);
        }
    };
    let cause = Cause {
        actor: actor.to_owned(),
        message: None,
        at: now,
    };
    Ok(
        match conversation::record(db, &rules.cache, &basis, &outcome, &cause)? {
            Recorded::Whole => Given::Yes,
            Recorded::Stale => Given::Stale,
        },
    )
}
