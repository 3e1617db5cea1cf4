//! `fleetgrant policies contract`, `release` and `effective`: what one party's contract says
//! otherwise than its tier.

mod remote;

pub(super) use remote::run as run_remote;

use std::path::PathBuf;

use anyhow::anyhow;
use fleetgrant_core::tier::TierRules;

use super::ledger::{Ledger, actor};
use super::policies::read;
use super::{Failure, Global, OrUnavailable, output};
use crate::clock::Clock;
use crate::http::contracts::{self as shown, EffectivePolicy};
use crate::policy_file;
use crate::store::contract::{self, Put, Terms};
use crate::store::event::Occasion;
use crate::store::policy;

/// Put what one party's contract says otherwise than its tier in force
///
/// Each field of the file lies over the tier's, a table as a whole. A contract is never changed:
/// what is agreed anew has another reference, and the one before ends.
#[derive(Debug, clap::Args)]
pub(super) struct Contract {
    /// The party: a name, or the id that some system calls it by
    party: String,
    /// Fields of a policy, as TOML or JSON; - for standard input
    file: PathBuf,
    /// What the contract is called; decisions name it
    #[arg(long, value_parser = reference)]
    reference: String,
    /// Only checks it
    #[arg(long)]
    dry_run: bool,
}

/// A party, whose contract ends or whose policy is shown
#[derive(Debug, clap::Args)]
pub(super) struct Party {
    /// The party: a name, or the id that some system calls it by
    party: String,
}

fn refused(args: &Contract, reason: &dyn std::fmt::Display) -> Failure {
    let file = args.file.display();
    Failure::refused(anyhow!("{file} is no part of a policy: {reason}"))
}

/// What the file says.
fn terms(args: &Contract) -> Result<Terms, Failure> {
    let text = read(&args.file)?;
    let terms = policy_file::parse_terms(&text).map_err(|reason| refused(args, &reason))?;
    if terms.is_empty() {
        let told = "it says nothing; `policies release` ends a contract";
        return Err(refused(args, &told));
    }
    Ok(terms)
}

pub(super) fn put(global: &Global, args: &Contract) -> Result<(), Failure> {
    let terms = terms(args)?;
    let ledger = Ledger::open(global)?;
    let party = ledger.party(&args.party)?;
    let of_tier = ledger.read(move |db| policy::of_tier(db, Some(party)))?;
    let tier = of_tier.tag.tier.as_str();
    terms
        .laid_on(tier, &of_tier.rules)
        .map_err(|reason| refused(args, &reason))?;
    if args.dry_run {
        super::note("it can be put in force");
        return Ok(());
    }
    let reference = args.reference.clone();
    let put = write(&ledger, move |db, occasion| {
        contract::put_in_force(db, party, &reference, &terms, occasion)
    })?;
    let name = &args.reference;
    match put {
        Put::InForce => tell_of_put(args, &format!("{}+{name}", of_tier.tag), true),
        Put::Unchanged => tell_of_put(args, name, false),
        Put::ReferenceTaken => {
            return Err(Failure::refused(anyhow!(
                "{} has had a contract {name} that says something else: give this one another reference",
                args.party
            )));
        }
    }
    Ok(())
}

fn tell_of_put(args: &Contract, policy: &str, changed: bool) {
    super::note(&if changed {
        format!("{policy} is in force")
    } else {
        format!("{} says so already, and stays in force", args.reference)
    });
}

pub(super) fn release(global: &Global, args: &Party) -> Result<(), Failure> {
    let ledger = Ledger::open(global)?;
    let party = ledger.party(&args.party)?;
    let ended = write(&ledger, move |db, occasion| {
        contract::end(db, party, occasion)
    })?;
    tell_of_end(args, ended);
    Ok(())
}

fn tell_of_end(args: &Party, ended: Option<String>) {
    super::note(&match ended {
        Some(reference) => format!(
            "{reference} has ended: {} is under its tier alone",
            args.party
        ),
        None => format!("{} is under its tier alone already", args.party),
    });
}

pub(super) fn effective(ledger: &Ledger, args: &Party) -> Result<(), Failure> {
    let party = ledger.party(&args.party)?;
    let sheet = ledger.read(move |db| shown::sheet(db, party))?;
    let gone = || Failure::refused(anyhow!("there is no party {party}"));
    show(sheet.ok_or_else(gone)?)
}

fn show(sheet: EffectivePolicy) -> Result<(), Failure> {
    if let Some(contract) = &sheet.contract
        && !sheet.policy.ends_with(&format!("+{contract}"))
    {
        super::note(&format!(
            "{contract} contradicts the policy of the tier, which applies alone"
        ));
    }
    let rules = TierRules::try_from(sheet.rules.0).map_err(Failure::refused)?;
    let text = policy_file::to_toml(&rules);
    output::print_text(&format_args!("# {}\n{text}", sheet.policy))
        .or_unavailable(|| "cannot write the policy".to_owned())
}

fn write<T: Send + 'static>(
    ledger: &Ledger,
    act: impl Fn(&mut crate::store::Db, Occasion<'_>) -> Result<T, crate::store::StoreError>
    + Send
    + 'static,
) -> Result<T, Failure> {
    let now = Clock::system()
        .trusted_now()
        .map_err(Failure::unavailable)?;
    let done = ledger.store().write_blocking("contract", move |db| {
        let actor = actor();
        let occasion = Occasion {
            at: now,
            actor: &actor,
            cause: &[],
        };
        act(db, occasion)
    })?;
    Ok(done)
}

/// Part of what decisions are recorded under.
fn reference(text: &str) -> Result<String, String> {
    if contract::is_reference(text) {
        Ok(text.to_owned())
    } else {
        Err(contract::REFERENCE.to_owned())
    }
}
