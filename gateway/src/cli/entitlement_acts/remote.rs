//! The same, on another gateway.

use fleetgrant_core::domain::HoldReason;
use jiff::tz::TimeZone;

use super::{Command, From, Hold, Maintain, Renew, Revoke, Transfer, Upgrade, Which};
use crate::cli::remote::{Body, Query};
use crate::cli::{Failure, Remote, note};
use crate::http::entitlement_acts::{ActOnEntitlement, EntitlementActed, RenewalBase, Verb};
use crate::http::entitlements::Entitlement;
use crate::http::parties::PartySheet;
use crate::http::value::When;
use crate::http::word;

pub(in crate::cli) fn run(gateway: &Remote, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Activate(which) => plainly(gateway, which, Verb::Activate),
        Command::Suspend(which) => plainly(gateway, which, Verb::Suspend),
        Command::Resume(which) => plainly(gateway, which, Verb::Resume),
        Command::Hold(args) => hold(gateway, args, Verb::Hold),
        Command::Release(args) => hold(gateway, args, Verb::Release),
        Command::Revoke(args) => revoke(gateway, args),
        Command::Keep(which) => plainly(gateway, which, Verb::Keep),
        Command::Close(which) => plainly(gateway, which, Verb::Close),
        Command::Renew(args) => renew(gateway, args),
        Command::Split(args) => {
            let asked = ActOnEntitlement {
                units: Some(args.units),
                reference: Some(args.reference.clone()),
                ..ActOnEntitlement::of(Verb::Split)
            };
            put(gateway, &args.which, &find(gateway, &args.which)?, &asked)
        }
        Command::Transfer(args) => transfer(gateway, args),
        Command::Upgrade(args) => upgrade(gateway, args, Verb::Upgrade),
        Command::Downgrade(args) => upgrade(gateway, args, Verb::Downgrade),
        Command::Maintain(args) => maintain(gateway, args, Verb::Maintain),
        Command::Unmaintain(args) => maintain(gateway, args, Verb::Unmaintain),
    }
}

fn plainly(gateway: &Remote, which: &Which, verb: Verb) -> Result<(), Failure> {
    let asked = ActOnEntitlement::of(verb);
    put(gateway, which, &find(gateway, which)?, &asked)
}

fn hold(gateway: &Remote, args: &Hold, verb: Verb) -> Result<(), Failure> {
    let reason: HoldReason = args.cause;
    let asked = ActOnEntitlement {
        reason: Some(word::HoldReason(reason)),
        ..ActOnEntitlement::of(verb)
    };
    put(gateway, &args.which, &find(gateway, &args.which)?, &asked)
}

fn revoke(gateway: &Remote, args: &Revoke) -> Result<(), Failure> {
    let found = find(gateway, &args.which)?;
    let asked = ActOnEntitlement {
        at: instant(gateway, &found, args.at)?,
        ..ActOnEntitlement::of(Verb::Revoke)
    };
    put(gateway, &args.which, &found, &asked)
}

fn renew(gateway: &Remote, args: &Renew) -> Result<(), Failure> {
    let found = find(gateway, &args.which)?;
    let asked = ActOnEntitlement {
        reference: Some(args.reference.clone()),
        term: args.term.map(|term| term.to_string()),
        from: args.from.map(|from| match from {
            From::End => RenewalBase::End,
            From::Now => RenewalBase::Now,
        }),
        at: instant(gateway, &found, args.until)?,
        ..ActOnEntitlement::of(Verb::Renew)
    };
    put(gateway, &args.which, &found, &asked)
}

fn transfer(gateway: &Remote, args: &Transfer) -> Result<(), Failure> {
    let asked = ActOnEntitlement {
        to: Some(gateway.party(&args.to)?),
        units: args.units,
        reference: args.reference.clone(),
        ..ActOnEntitlement::of(Verb::Transfer)
    };
    put(gateway, &args.which, &find(gateway, &args.which)?, &asked)
}

fn upgrade(gateway: &Remote, args: &Upgrade, verb: Verb) -> Result<(), Failure> {
    let asked = ActOnEntitlement {
        product: Some(args.to.clone()),
        reference: Some(args.reference.clone()),
        ..ActOnEntitlement::of(verb)
    };
    put(gateway, &args.which, &find(gateway, &args.which)?, &asked)
}

fn maintain(gateway: &Remote, args: &Maintain, verb: Verb) -> Result<(), Failure> {
    let asked = ActOnEntitlement {
        by: Some(gateway.entitlement(&args.by)?.id),
        ..ActOnEntitlement::of(verb)
    };
    put(gateway, &args.which, &find(gateway, &args.which)?, &asked)
}

fn find(gateway: &Remote, which: &Which) -> Result<Entitlement, Failure> {
    gateway.entitlement(&which.entitlement)
}

/// A date of the owner's.
fn instant(
    gateway: &Remote,
    entitlement: &Entitlement,
    when: Option<crate::when::When>,
) -> Result<Option<When>, Failure> {
    let zone = match (when, &entitlement.owner) {
        (Some(crate::when::When::Date(_)), Some(owner)) => {
            let path = format!("/parties/{}", owner.id);
            let sheet: PartySheet = gateway.get(&path, &Query::default())?;
            TimeZone::get(&sheet.party.time_zone).map_err(Failure::unavailable)?
        }
        _ => TimeZone::UTC,
    };
    Ok(when.map(|when| When(when.at(&zone))))
}

fn put(
    gateway: &Remote,
    which: &Which,
    entitlement: &Entitlement,
    asked: &ActOnEntitlement,
) -> Result<(), Failure> {
    let path = format!("/entitlements/{}/acts", entitlement.id);
    let acted: EntitlementActed =
        gateway.post(&path, &Query::preview(which.preview), &Body::Json(asked))?;
    note(&acted.said);
    if which.preview {
        note("nothing was changed");
    }
    Ok(())
}
