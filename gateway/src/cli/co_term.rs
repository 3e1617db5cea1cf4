//! `fleetgrant entitlements co-term`: what a party owns, to end together.

mod remote;

pub(super) use remote::run as run_remote;

use anyhow::anyhow;
use fleetgrant_core::domain::EntitlementId;

use super::ledger::{Ledger, runtime};
use super::output::{self, Format, row};
use super::{Failure, OrUnavailable};
use crate::lifecycle::{self, Deed, EntitlementActError};
use crate::operator::Effects;
use crate::store::contract;
use crate::store::listing::{self, EntitlementFilter};
use crate::when::When;

/// Have the entitlements of a party end together
///
/// Each is renewed until then, or refused, by itself. None is shortened without --shorten, and what has
/// no end that could be moved is left as it is.
#[derive(Debug, clap::Args)]
pub(super) struct CoTerm {
    /// The party: its name or id, or what some system calls it
    party: String,
    /// Until this date in the owner's time zone, or this instant
    #[arg(long, value_name = "WHEN", required_unless_present = "contract")]
    until: Option<When>,
    /// Until the co-term date of the party's contract of this reference
    #[arg(long, value_name = "REFERENCE", conflicts_with = "until")]
    contract: Option<String>,
    /// Only this one, by its reference or id; may be given more than once
    #[arg(long, value_name = "ENTITLEMENT")]
    only: Vec<String>,
    /// Those that end later than that are to end earlier
    #[arg(long)]
    shorten: bool,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
    /// The form of the list
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

row!(
    /// What came of an entitlement.
    CoTermLine {
        entitlement: String,
        result: String,
        said: String,
    }
);

/// More entitlements than one party has.
const MOST: i64 = 1_000_000;

pub(super) fn run(ledger: &Ledger, args: &CoTerm) -> Result<(), Failure> {
    let order = lifecycle::CoTerm {
        until: until(ledger, args)?,
        contract: args.contract.clone(),
        shorten: args.shorten,
    };
    let effects = match args.preview {
        true => Effects::Undone,
        false => Effects::Kept,
    };
    let (operator, runtime) = (ledger.operator()?, runtime()?);
    let mut lines = Vec::new();
    for (id, reference) in entitlements(ledger, args)? {
        let deed = Deed::CoTerm(order.clone());
        lines.push(match runtime.block_on(operator.act_on(id, deed, effects)) {
            Ok(change) => CoTermLine::done(reference, change.changed, change.said),
            Err(EntitlementActError::Act(error)) => return Err(error.into()),
            Err(reason) => CoTermLine::refused(reference, reason.to_string()),
        });
    }
    show(args, &lines)
}

fn until(ledger: &Ledger, args: &CoTerm) -> Result<When, Failure> {
    let Some(reference) = &args.contract else {
        let none = || Failure::input(anyhow!("give either --until or --contract"));
        return args.until.ok_or_else(none);
    };
    let party = ledger.party(&args.party)?;
    let contract = ledger.read(move |db| contract::of_party(db, party))?;
    let contract = contract.filter(|contract| contract.reference == *reference);
    match contract.and_then(|contract| contract.coterm_at) {
        Some(at) => Ok(When::Instant(at.0)),
        None => Err(Failure::refused(anyhow!(
            "{} has no contract {reference} in force that says when things end: `policies contract \
             --co-term` says so",
            args.party
        ))),
    }
}

/// Ids and references, in order.
fn entitlements(ledger: &Ledger, args: &CoTerm) -> Result<Vec<(EntitlementId, String)>, Failure> {
    let party = ledger.party(&args.party)?;
    if args.only.is_empty() {
        let filter = EntitlementFilter {
            owners: Some(vec![party]),
            ..EntitlementFilter::default()
        };
        let rows = ledger.read(move |db| listing::entitlements(db, &filter, MOST))?;
        return Ok(rows
            .into_iter()
            .map(|row| (row.id.0, row.reference))
            .collect());
    }
    let rows = args.only.iter().map(|called| {
        let row = ledger.entitlement(called)?;
        match row.owner_id.is_some_and(|owner| owner.0 == party) {
            true => Ok((row.id.0, row.reference)),
            false => Err(not_of(args, called)),
        }
    });
    rows.collect()
}

fn not_of(args: &CoTerm, called: &str) -> Failure {
    Failure::refused(anyhow!("{called} is not of {}", args.party))
}

impl CoTermLine {
    fn done(entitlement: String, changed: bool, said: String) -> Self {
        let result = if changed { "moved" } else { "unchanged" };
        Self {
            entitlement,
            result: result.to_owned(),
            said,
        }
    }

    fn refused(entitlement: String, said: String) -> Self {
        Self {
            entitlement,
            result: "refused".to_owned(),
            said,
        }
    }
}

fn show(args: &CoTerm, lines: &[CoTermLine]) -> Result<(), Failure> {
    output::print(args.output, lines).or_unavailable(|| "cannot write the list".to_owned())?;
    if args.preview {
        super::note("nothing was changed");
    }
    match lines.iter().filter(|line| line.result == "refused").count() {
        0 => Ok(()),
        refused => Err(Failure::refused(anyhow!(
            "{refused} of {} were refused",
            lines.len()
        ))),
    }
}
