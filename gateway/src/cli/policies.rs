//! `fleetgrant policies`: what the tiers of customers are allowed.

mod remote;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use fleetgrant_core::domain::TierName;
use fleetgrant_core::tier::TierRules;
use fleetgrant_core::tier::draft::Draft;
use serde::Serialize;

use super::ledger::{Ledger, SortArgs};
use super::output::{self, Format, row};
use super::{Failure, Global, OrUnavailable, Remote, contracts, own_policies, policy_overrides};
use crate::http::policies::{Policy, PolicyLine as Line};
use crate::policy_file;
use crate::store::policy::{self, PolicyFilter, PolicySort, PolicyVersion, Put};

/// List, show and change what the tiers of customers are allowed
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    List(List),
    Show(Show),
    Set(Set),
    Contract(contracts::Contract),
    Product(own_policies::Product),
    Entitlement(own_policies::Entitlement),
    Release(contracts::Release),
    Effective(contracts::Effective),
    Overrides(policy_overrides::Overrides),
}

/// List the versions of every tier's policy, the newest of each first
#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    order: SortArgs<PolicySort>,
    /// The form of the list
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Show a policy, as a file that `set` takes
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The tier
    tier: TierName,
    /// The version of this number [default: the one in force]
    #[arg(long)]
    number: Option<u32>,
    /// As JSON, with its version
    #[arg(long)]
    json: bool,
}

/// Put a policy in force, as a tier's next version
///
/// Decisions from then on are made under it, for rights that are out already too. A policy that
/// contradicts itself is refused with the line and the reason, and nothing changes.
#[derive(Debug, clap::Args)]
pub(super) struct Set {
    /// The tier; a new one is made
    tier: TierName,
    /// The policy, as TOML or JSON; - for standard input
    file: PathBuf,
    /// Only checks it
    #[arg(long)]
    dry_run: bool,
}

row!(
    /// A version of a policy in a list.
    PolicyLine {
        policy: String,
        state: String,
        parties: Option<i64>,
        since: String,
    }
);

/// A policy as JSON.
#[derive(Serialize)]
struct Sheet {
    policy: String,
    state: String,
    since: String,
    rules: Draft,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if let Some(gateway) = Remote::of(global)? {
        return remote::run(&gateway, args);
    }
    match &args.command {
        Command::List(args) => list(&Ledger::open(global)?, args),
        Command::Show(args) => show(&Ledger::open(global)?, args),
        Command::Set(args) => set(global, args),
        Command::Contract(args) => contracts::put(global, args),
        Command::Product(args) => own_policies::put(global, &args.order()),
        Command::Entitlement(args) => own_policies::put(global, &args.order()),
        Command::Release(args) => contracts::release(global, args),
        Command::Effective(args) => contracts::effective(&Ledger::open(global)?, args),
        Command::Overrides(args) => policy_overrides::list(&Ledger::open(global)?, args),
    }
}

/// More versions than anybody reads.
const MOST: i64 = 1_000;

fn list(ledger: &Ledger, args: &List) -> Result<(), Failure> {
    let filter = args.order.sort.map(|_| PolicyFilter {
        part: args.order.whole(),
        ..PolicyFilter::default()
    });
    let (versions, parties) = ledger.read(move |db| {
        let versions = match filter {
            Some(filter) => policy::list(db, &filter, MOST)?,
            None => policy::all(db, MOST)?,
        };
        Ok((versions, policy::parties_by_tier(db)?))
    })?;
    let versions = versions.into_iter();
    let versions = versions.map(|version| Line::of(version, &parties));
    show_list(args, versions.collect())
}

fn show_list(args: &List, versions: Vec<Line>) -> Result<(), Failure> {
    let lines = versions.into_iter().map(|version| PolicyLine {
        policy: format!("{}/{}", version.tier, version.version),
        state: version.state.to_string(),
        parties: version.parties,
        since: version.created_at.to_string(),
    });
    let lines: Vec<_> = lines.collect();
    output::print(args.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}

fn show(ledger: &Ledger, args: &Show) -> Result<(), Failure> {
    let version = find(ledger, &args.tier, args.number)?;
    show_policy(args, Policy::of(version)?)
}

fn show_policy(args: &Show, policy: Policy) -> Result<(), Failure> {
    let tag = format!("{}/{}", policy.tier, policy.version);
    if args.json {
        output::print_json(&Sheet {
            policy: tag,
            state: policy.state.to_string(),
            since: policy.created_at.to_string(),
            rules: policy.rules.0,
        })
    } else {
        let rules = TierRules::try_from(policy.rules.0).map_err(Failure::refused)?;
        let (text, state) = (policy_file::to_toml(&rules), policy.state);
        output::print_text(&format_args!("# {tag}, {state}\n{text}"))
    }
    .or_unavailable(|| "cannot write the policy".to_owned())
}

fn find(ledger: &Ledger, tier: &TierName, number: Option<u32>) -> Result<PolicyVersion, Failure> {
    let name = tier.clone();
    let found = ledger.read(move |db| match number {
        Some(number) => policy::version(db, name.as_str(), number),
        None => policy::in_force(db, name.as_str()),
    })?;
    found.ok_or_else(|| unknown(tier))
}

fn unknown(tier: &TierName) -> Failure {
    Failure::refused(anyhow!(
        "there is no such policy of the tier {tier}: list them with `fleetgrant policies list`"
    ))
}

/// What the file says.
fn rules(args: &Set) -> Result<TierRules, Failure> {
    let text = read(&args.file)?;
    policy_file::parse(&text).map_err(|reason| {
        let file = args.file.display();
        Failure::refused(anyhow!("{file} is no policy: {reason}"))
    })
}

fn set(global: &Global, args: &Set) -> Result<(), Failure> {
    let rules = rules(args)?;
    if args.dry_run {
        super::note("it can be put in force");
        return Ok(());
    }
    let ledger = Ledger::open(global)?;
    let tier = args.tier.clone();
    let put = contracts::decide(&ledger, move |db, occasion| {
        let put = policy::put_in_force(db, &tier, &rules, occasion)?;
        let keeps = !matches!(put, Put::Contradicted(_));
        Ok((put, keeps))
    })?;
    match put {
        Put::InForce(tag) => tell_of_put(&tag.to_string(), true),
        Put::Unchanged(tag) => tell_of_put(&tag.to_string(), false),
        Put::Contradicted(contradicted) => {
            return Err(Failure::refused(anyhow!(
                "{contradicted}; put another in its place first"
            )));
        }
    }
    Ok(())
}

fn tell_of_put(tag: &str, changed: bool) {
    super::note(&if changed {
        format!("{tag} is in force")
    } else {
        format!("{tag} says so already, and stays in force")
    });
}

pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let reading = || format!("cannot read {}", path.display());
    let source: &mut dyn Read = if path.as_os_str() == "-" {
        &mut io::stdin().lock()
    } else {
        &mut File::open(path).or_unavailable(reading)?
    };
    let mut text = String::new();
    // One byte more than there may be, so that a longer file is refused and not cut.
    source
        .take(policy_file::MAX_BYTES as u64 + 1)
        .read_to_string(&mut text)
        .or_unavailable(reading)?;
    Ok(text)
}
