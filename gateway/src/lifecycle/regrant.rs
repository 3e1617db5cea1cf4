//! What is maintained for longer goes again to the devices that refused it for their firmware's
//! build.

use fleetgrant_core::domain::{DeviceId, EntitlementId, Timestamp};
use fleetgrant_core::operator::{self, OperatorError, Provision};
use fleetgrant_core::rule::{Refusal, Rule};

use crate::activation::{Rules, system_entropy};
use crate::store::column::{Code, Micros};
use crate::store::conversation::{self, Basis, Cause, Look, Recorded};
use crate::store::regrant::{self, Refused, Regrant};
use crate::store::{Db, StoreError, refresh};

/// Seconds until it is tried again, at least and at most. Where its own units wait for the proof that
/// they are gone, as long as they have waited so far; otherwise twice as long after each denial.
const PAUSES: (u64, u64) = (10, 86_400);
/// Denials after which it is given up: in a month or so. What waits for its own proof is not denied.
const TRIES: i64 = 42;

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
    for noted in regrant::of_device(db, device)? {
        let entitlement = noted.entitlement_id.0;
        let refused = regrant::refused(db, device, entitlement)?;
        let due = noted.due_at.map(|due| due.0);
        let given = if refused.units == 0 {
            Given::No
        } else if noted.is_given_up() {
            continue;
        } else if let Some(due) = due.filter(|due| *due > now) {
            refresh::mark_later(db, device, actor, due)?;
            continue;
        } else {
            give_one(db, device, (entitlement, refused), actor, rules, now)?
        };
        let put_off = match given {
            Given::Yes => {
                regranted = Regranted::InASet;
                None
            }
            Given::No => None,
            Given::Stale => return Ok(Regranted::Stale),
            Given::OnceProven(later) => Some(Regrant {
                due_at: Some(Micros(later)),
                rule: Some(Code(Rule::NoUnitsLeft)),
                ..noted
            }),
            Given::Denied(rule) => Some(denied(noted, rule, now)),
        };
        let Some(put_off) = put_off else {
            regrant::settle(db, device, entitlement)?;
            continue;
        };
        regrant::put_off(db, device, &put_off)?;
        match put_off.due_at {
            Some(due) => refresh::mark_later(db, device, actor, due.0)?,
            None => tell_of_the_end(device, &put_off),
        }
    }
    Ok(regranted)
}

/// As it is after one denial more.
fn denied(before: Regrant, rule: Rule, now: Timestamp) -> Regrant {
    let tries = before.tries + 1;
    let doublings = u32::try_from(before.tries).unwrap_or(u32::MAX);
    let pause = 1_u64
        .checked_shl(doublings)
        .map_or(PAUSES.1, |times| PAUSES.0.saturating_mul(times));
    let due = now.plus_seconds(pause.min(PAUSES.1));
    Regrant {
        tries,
        due_at: (tries < TRIES).then_some(Micros(due)),
        rule: Some(Code(rule)),
        ..before
    }
}

fn tell_of_the_end(device: &DeviceId, given_up: &Regrant) {
    let entitlement = given_up.entitlement_id.0;
    let rule = given_up.rule.map(|rule| rule.0.as_str());
    tracing::warn!(%device, %entitlement, rule, "what is maintained again is not given any more");
    metrics::counter!("fleetgrant_regrants_given_up_total").increment(1);
}

enum Given {
    Yes,
    No,
    /// Its own units wait for the proof that they are gone.
    OnceProven(Timestamp),
    Denied(Rule),
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
            return Ok(Given::OnceProven(now.plus_seconds(pause)));
        }
        Err(OperatorError::Denied(rule) | OperatorError::Limited(Refusal { rule, .. })) => {
            return Ok(Given::Denied(rule));
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

#[cfg(test)]
mod tests {
    use fleetgrant_core::domain::EntitlementId;

    use super::*;
    use crate::store::column::Octets;

    #[test]
    fn it_is_tried_at_longer_and_longer_pauses_for_a_month_and_then_no_more() {
        let mut now = Timestamp::from_seconds(1_000_000);
        let begun = now;
        let mut regrant = Regrant {
            entitlement_id: Octets(EntitlementId([1; 16])),
            tries: 0,
            due_at: None,
            rule: None,
        };
        let mut pauses = Vec::new();
        while !regrant.is_given_up() {
            regrant = denied(regrant, Rule::Hold, now);
            assert_eq!(regrant.rule, Some(Code(Rule::Hold)));
            if let Some(due) = regrant.due_at {
                pauses.push(due.0.seconds_since(now));
                now = due.0;
            }
        }
        assert_eq!(pauses[..4], [10, 20, 40, 80]);
        assert_eq!(pauses.len() as i64, TRIES - 1);
        assert_eq!(pauses.last(), Some(&PAUSES.1));
        let days = now.seconds_since(begun) / 86_400;
        assert!((28..=32).contains(&days), "{days}");
    }
}
