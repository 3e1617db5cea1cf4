//! The same, on another gateway.

use super::{Contract, Release, show, tell_of_end, tell_of_put, terms};
use crate::cli::policies::Command;
use crate::cli::remote::{Body, Query};
use crate::cli::{Failure, Remote, note, own_policies};
use crate::http::contracts::{ContractEnded, ContractInForce, NewContract};
use crate::http::parties::PartySheet;
use crate::http::value::When;

/// Of the commands that are about contracts; no others are passed on.
pub(in crate::cli) fn run(gateway: &Remote, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Contract(args) => put(gateway, args),
        Command::Release(args) => release(gateway, args),
        Command::Effective(args) => {
            let path = format!("/parties/{}/policy", gateway.party(&args.party)?);
            let entitlement = match &args.entitlement {
                Some(called) => Some(gateway.entitlement(called)?.id.to_string()),
                None => None,
            };
            let query = Query::default()
                .with("product", args.product.as_deref())
                .with("entitlement", entitlement.as_deref());
            show(gateway.get(&path, &query)?)
        }
        Command::Product(args) => own_policies::put_remote(gateway, &args.order()),
        Command::Entitlement(args) => own_policies::put_remote(gateway, &args.order()),
        Command::List(_) | Command::Show(_) | Command::Set(_) | Command::Overrides(_) => {
            Err(gateway.local_only())
        }
    }
}

fn put(gateway: &Remote, args: &Contract) -> Result<(), Failure> {
    let terms = terms(args)?.json()?;
    let party = gateway.party(&args.party)?;
    let of: PartySheet = gateway.get(&format!("/parties/{party}"), &Query::default())?;
    let asked = NewContract {
        reference: args.reference.clone(),
        terms: serde_json::from_str(&terms).map_err(Failure::input)?,
        co_term: args.co_term_in(&of.party.time_zone)?.map(When),
    };
    let path = format!("/parties/{party}/contract");
    let query = Query::preview(args.dry_run);
    let put: ContractInForce = gateway.post(&path, &query, &Body::Json(&asked))?;
    if args.dry_run {
        note("it can be put in force");
    } else {
        tell_of_put(args, &put.policy, put.changed);
    }
    Ok(())
}

fn release(gateway: &Remote, args: &Release) -> Result<(), Failure> {
    if let Some((layer, called)) = args.own() {
        return own_policies::end_remote(gateway, layer, called);
    }
    let called = args.party.as_deref().unwrap_or_default();
    let path = format!("/parties/{}/contract/end", gateway.party(called)?);
    let ended: ContractEnded = gateway.post(&path, &Query::default(), &Body::None)?;
    tell_of_end(called, ended.ended.as_deref());
    Ok(())
}
