//! The same, on another gateway.

use axum::http::Method;

use super::{Args, Command, List, Set, Show, rules, show_list, show_policy, tell_of_put, unknown};
use crate::cli::remote::{Body, Query};
use crate::cli::{Failure, Remote, contracts, note, policy_overrides};
use crate::http::policies::{Policy, PolicyInForce, PolicyLine};
use crate::http::policy_rules::PolicyRules;

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list(gateway, args),
        Command::Show(args) => show(gateway, args),
        Command::Set(args) => set(gateway, args),
        Command::Overrides(args) => policy_overrides::list_remote(gateway, args),
        other => contracts::run_remote(gateway, other),
    }
}

fn list(gateway: &Remote, args: &List) -> Result<(), Failure> {
    let mut versions: Vec<PolicyLine> =
        gateway.whole("/policies", Query::default(), &args.order)?;
    if args.order.sort.is_none() {
        versions.sort_by(|a, b| (&a.tier, b.version).cmp(&(&b.tier, a.version)));
    }
    show_list(args, versions)
}

fn show(gateway: &Remote, args: &Show) -> Result<(), Failure> {
    let mut path = format!("/policies/{}", args.tier);
    if let Some(number) = args.number {
        path = format!("{path}/versions/{number}");
    }
    let found = gateway.find::<Policy>(&path)?;
    show_policy(args, found.ok_or_else(|| unknown(&args.tier))?.0)
}

fn set(gateway: &Remote, args: &Set) -> Result<(), Failure> {
    let asked = PolicyRules::from(&rules(args)?);
    let path = format!("/policies/{}", args.tier);
    // What is replaced is what is in force now, and nothing that comes in between.
    let replaced = gateway.find::<Policy>(&path)?;
    let version = replaced.and_then(|(_, version)| version);
    let query = Query::preview(args.dry_run);
    let body = Body::Json(&asked);
    let put: PolicyInForce = gateway.try_write(&Method::PUT, &path, &query, &body, version)?;
    if args.dry_run {
        note("it can be put in force");
        return Ok(());
    }
    let tag = format!("{}/{}", put.policy.tier, put.policy.version);
    tell_of_put(&tag, put.changed);
    Ok(())
}
