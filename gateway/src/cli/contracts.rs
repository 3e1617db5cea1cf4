//! `fleetgrant policies contract`, `release` and `effective`: what one party's contract says
//! otherwise than its tier, and what applies of all that lies over it.

mod remote;

pub(super) use remote::run as run_remote;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use fleetgrant_core::domain::Timestamp;
use fleetgrant_core::tier::{Layer, TierRules};
use jiff::tz::TimeZone;

use super::ledger::{Ledger, actor};
use super::policies::read;
use super::{Failure, Global, OrUnavailable, output, own_policies};
use crate::clock::Clock;
use crate::http::contracts::{self as shown, EffectivePolicy};
use crate::policy_file;
use crate::policy_layers::{self, Terms};
use crate::store::column::Octets;
use crate::store::contract::{self, Content, Ended, Put};
use crate::store::event::Occasion;
use crate::store::{Db, StoreError, Verdict, party, policy};
use crate::when::When;

/// Put what one party's contract says otherwise than its tier in force
///
/// Each field of the file lies over the tier's, a table as a whole. A contract is never changed:
/// what is agreed anew has another reference, and the one before ends.
#[derive(Debug, clap::Args)]
pub(super) struct Contract {
    /// The party: its name or id, or what some system calls it
    party: String,
    /// Fields of a policy, as TOML or JSON; - for standard input. It may be left out with --co-term
    #[arg(required_unless_present = "co_term")]
    file: Option<PathBuf>,
    /// What the contract is called; decisions name it
    #[arg(long, value_parser = reference)]
    reference: String,
    /// When what is bought under it ends: a date in the party's time zone, or an instant
    #[arg(long, value_name = "WHEN")]
    co_term: Option<When>,
    /// Only checks it
    #[arg(long)]
    dry_run: bool,
}

/// End a policy that lies over the tiers': a contract's, a product's or an entitlement's
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Release {
    /// The party whose contract's ends: its name or id, or what some system calls it
    party: Option<String>,
    /// The product whose policy ends, by its code
    #[arg(long)]
    pub(super) product: Option<String>,
    /// The entitlement whose policy ends: its reference or its id
    #[arg(long)]
    pub(super) entitlement: Option<String>,
}

/// Show the policy that applies to a party, or to some of its rights
#[derive(Debug, clap::Args)]
pub(super) struct Effective {
    /// The party: its name or id, or what some system calls it
    party: String,
    /// To its rights to this product, by its code
    #[arg(long, conflicts_with = "entitlement")]
    product: Option<String>,
    /// To the rights of this entitlement: its reference or its id
    #[arg(long)]
    entitlement: Option<String>,
}

impl Contract {
    /// When what is bought under it ends, with a date of this zone.
    fn co_term_in(&self, zone: &str) -> Result<Option<Timestamp>, Failure> {
        let zone = TimeZone::get(zone).map_err(Failure::unavailable)?;
        Ok(self.co_term.map(|when| when.at(&zone)))
    }
}

fn refused(args: &Contract, reason: &dyn std::fmt::Display) -> Failure {
    let file = args.file.as_deref().unwrap_or_else(|| Path::new("it"));
    Failure::refused(anyhow!(
        "{} is no part of a policy: {reason}",
        file.display()
    ))
}

/// What the file says.
fn terms(args: &Contract) -> Result<Terms, Failure> {
    let Some(file) = &args.file else {
        return Ok(Terms::of(BTreeMap::new()));
    };
    let text = read(file)?;
    let terms = policy_file::parse_terms(&text).map_err(|reason| refused(args, &reason))?;
    if terms.is_empty() {
        let told = "it says nothing; `policies release` ends a contract";
        return Err(refused(args, &told));
    }
    terms
        .check(Layer::Contract)
        .map_err(|reason| refused(args, &reason))?;
    Ok(terms)
}

pub(super) fn put(global: &Global, args: &Contract) -> Result<(), Failure> {
    let terms = terms(args)?;
    let ledger = Ledger::open(global)?;
    let party = ledger.party(&args.party)?;
    let of_tier = ledger.read(move |db| policy::of_tier(db, Some(party)))?;
    let of = ledger.read(move |db| party::find(db, Octets(party)))?;
    let zone = of.map_or_else(|| "UTC".to_owned(), |party| party.time_zone);
    let content = Content {
        co_term: args.co_term_in(&zone)?,
        terms,
    };
    let says_policy = !content.terms.is_empty();
    let (reference, dry_run) = (args.reference.clone(), args.dry_run);
    let put = decide(&ledger, move |db, occasion| {
        let put = contract::put_in_force(db, party, &reference, &content, occasion)?;
        let keeps = matches!(put, Put::InForce | Put::Unchanged) && !dry_run;
        Ok((put, keeps))
    })?;
    let name = &args.reference;
    match put {
        Put::InForce | Put::Unchanged if args.dry_run => super::note("it can be put in force"),
        Put::Contradicted(contradicted) => return Err(refused(args, &contradicted)),
        Put::InForce if says_policy => {
            tell_of_put(args, &format!("{}+{name}", of_tier.tag), true);
        }
        Put::InForce => tell_of_put(args, name, true),
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

pub(super) fn release(global: &Global, args: &Release) -> Result<(), Failure> {
    let ledger = Ledger::open(global)?;
    if let Some((layer, called)) = args.own() {
        return own_policies::end(&ledger, layer, called);
    }
    let called = args.party.as_deref().unwrap_or_default();
    let party = ledger.party(called)?;
    let ended = decide(&ledger, move |db, occasion| {
        let ended = contract::end(db, party, occasion)?;
        let keeps = !matches!(ended, Ended::Contradicted(_));
        Ok((ended, keeps))
    })?;
    match ended {
        Ended::Ended(reference) => tell_of_end(called, Some(&reference)),
        Ended::None => tell_of_end(called, None),
        Ended::Contradicted(contradicted) => {
            return Err(Failure::refused(anyhow!("{contradicted}")));
        }
    }
    Ok(())
}

fn tell_of_end(party: &str, ended: Option<&str>) {
    super::note(&match ended {
        Some(reference) => format!("{reference} has ended: {party} is under its tier alone"),
        None => format!("{party} is under its tier alone already"),
    });
}

pub(super) fn effective(ledger: &Ledger, args: &Effective) -> Result<(), Failure> {
    let party = ledger.party(&args.party)?;
    let of = match (&args.product, &args.entitlement) {
        (_, Some(called)) => {
            let row = ledger.entitlement(called)?;
            let code = row.product;
            Some((own_policies::product_called(ledger, &code)?, Some(row.id.0)))
        }
        (Some(code), None) => Some((own_policies::product_called(ledger, code)?, None)),
        (None, None) => None,
    };
    let sheet = ledger.read(move |db| shown::sheet(db, party, of))?;
    let gone = || Failure::refused(anyhow!("there is no party {party}"));
    show(sheet.ok_or_else(gone)?)
}

fn show(sheet: EffectivePolicy) -> Result<(), Failure> {
    let layers = [
        (Layer::Product, &sheet.product),
        (Layer::Contract, &sheet.contract),
        (Layer::Entitlement, &sheet.entitlement),
    ];
    for (layer, reference) in layers {
        if let Some(reference) = reference
            && !names(&sheet.policy, layer, reference)
        {
            super::note(&format!(
                "{reference} of the {layer} contradicts what is below it, which applies without it"
            ));
        }
    }
    let rules = TierRules::try_from(sheet.rules.0).map_err(Failure::refused)?;
    let text = policy_file::to_toml(&rules);
    let co_term = sheet
        .co_term
        .map(|at| format!("# what is bought ends at {at}\n"));
    let co_term = co_term.unwrap_or_default();
    output::print_text(&format_args!("# {}\n{co_term}{text}", sheet.policy))
        .or_unavailable(|| "cannot write the policy".to_owned())
}

/// Whether the name of a policy has a layer in it.
fn names(policy: &str, layer: Layer, reference: &str) -> bool {
    let part = match layer {
        Layer::Contract => reference.to_owned(),
        Layer::Product | Layer::Entitlement => format!("{layer}:{reference}"),
    };
    policy.split('+').skip(1).any(|named| named == part)
}

/// Does it, and keeps it if `act` says so.
pub(super) fn decide<T: Send + 'static>(
    ledger: &Ledger,
    act: impl Fn(&mut Db, Occasion<'_>) -> Result<(T, bool), StoreError> + Send + 'static,
) -> Result<T, Failure> {
    let now = Clock::system()
        .trusted_now()
        .map_err(Failure::unavailable)?;
    let done = ledger.store().transaction_blocking("policy", move |db| {
        let actor = actor();
        let occasion = Occasion {
            at: now,
            actor: &actor,
            cause: &[],
        };
        Ok(match act(db, occasion)? {
            (done, true) => Verdict::Commit(done),
            (done, false) => Verdict::Rollback(done),
        })
    })?;
    Ok(done)
}

/// Part of what decisions are recorded under.
pub(super) fn reference(text: &str) -> Result<String, String> {
    if policy_layers::is_reference(text) {
        Ok(text.to_owned())
    } else {
        Err(policy_layers::REFERENCE.to_owned())
    }
}
