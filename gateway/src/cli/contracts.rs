//! `fleetgrant policies contract`, `release` and `effective`: what one party's contract says
//! otherwise than its tier.

use std::path::PathBuf;

use anyhow::anyhow;

use super::ledger::{Ledger, actor};
use super::policies::read;
use super::{Failure, Global, OrUnavailable, output};
use crate::clock::Clock;
use crate::policy_file;
use crate::store::contract::{self, Put};
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

pub(super) fn put(global: &Global, args: &Contract) -> Result<(), Failure> {
    let text = read(&args.file)?;
    let file = args.file.display();
    let refused = |reason: &dyn std::fmt::Display| {
        Failure::refused(anyhow!("{file} is no part of a policy: {reason}"))
    };
    let terms = policy_file::parse_terms(&text).map_err(|reason| refused(&reason))?;
    if terms.is_empty() {
        return Err(refused(
            &"it says nothing; `policies release` ends a contract",
        ));
    }
    let ledger = Ledger::open(global)?;
    let party = ledger.party(&args.party)?;
    let of_tier = ledger.read(move |db| policy::of_tier(db, Some(party)))?;
    let tier = of_tier.tag.tier.as_str();
    terms
        .laid_on(tier, &of_tier.rules)
        .map_err(|reason| refused(&reason))?;
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
        Put::InForce => super::note(&format!("{}+{name} is in force", of_tier.tag)),
        Put::Unchanged => super::note(&format!("{name} says so already, and stays in force")),
        Put::ReferenceTaken => {
            return Err(Failure::refused(anyhow!(
                "{} has had a contract {name} that says something else: give this one another reference",
                args.party
            )));
        }
    }
    Ok(())
}

pub(super) fn release(global: &Global, args: &Party) -> Result<(), Failure> {
    let ledger = Ledger::open(global)?;
    let party = ledger.party(&args.party)?;
    let ended = write(&ledger, move |db, occasion| {
        contract::end(db, party, occasion)
    })?;
    super::note(&match ended {
        Some(reference) => format!(
            "{reference} has ended: {} is under its tier alone",
            args.party
        ),
        None => format!("{} is under its tier alone already", args.party),
    });
    Ok(())
}

pub(super) fn effective(ledger: &Ledger, args: &Party) -> Result<(), Failure> {
    let party = ledger.party(&args.party)?;
    let (effective, contract) = ledger.read(move |db| {
        let effective = policy::of_owner(db, Some(party))?;
        Ok((effective, contract::of_party(db, party)?))
    })?;
    if let (None, Some(contract)) = (&effective.tag.contract, contract) {
        super::note(&format!(
            "{} contradicts the policy of the tier, which applies alone",
            contract.reference
        ));
    }
    let text = policy_file::to_toml(&effective.rules);
    output::print_text(&format_args!("# {}\n{text}", effective.tag))
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
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    match text.chars().count() {
        1..=64 if text.chars().all(is_plain) => Ok(text.to_owned()),
        _ => Err("1 to 64 of A-Z a-z 0-9 - . _".to_owned()),
    }
}
