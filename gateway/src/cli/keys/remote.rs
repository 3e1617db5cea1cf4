//! The same, on another gateway.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Args, Command, Create, KeyLine, List, output, print_secret, show};
use crate::access::KeyError;
use crate::cli::remote::{Body, Query, segment};
use crate::cli::{Failure, OrUnavailable as _, Remote};
use crate::clock::Clock;
use crate::http::key::Key;
use crate::http::keys::{ApiKey, ApiKeyMade, NewApiKey};
use crate::http::parties::PartySheet;
use crate::http::word;

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Create(args) => create(gateway, args),
        Command::List(args) => list(gateway, args),
        Command::Show(args) => {
            let key = match &args.name {
                Some(name) => {
                    let found =
                        gateway.find::<ApiKey>(&format!("/keys/{}", segment(name.as_str())))?;
                    found.ok_or_else(|| KeyError::Unknown(name.clone()))?.0
                }
                None => own(gateway)?,
            };
            // Who may look at keys may not be who may look at parties.
            let party = key.party.map(|party| party.to_string());
            show(args, KeyLine::of(key, party, Clock::system().now()))
        }
        Command::Revoke(args) => {
            let path = format!("/keys/{}/revoke", segment(args.name.as_str()));
            gateway
                .post::<ApiKey>(&path, &Query::default(), &Body::None)
                .map(drop)
        }
    }
}

/// The key that asks.
fn own(gateway: &Remote) -> Result<ApiKey, Failure> {
    let key: Key = gateway.get("/key", &Query::default())?;
    Ok(ApiKey {
        name: key.name,
        roles: key.roles,
        party: key.party,
        product_line: key.product_line,
        created_at: key.created_at,
        expires_at: key.expires_at,
        revoked_at: None,
        last_used_at: None,
    })
}

fn create(gateway: &Remote, args: &Create) -> Result<(), Failure> {
    let asked = NewApiKey {
        name: args.name.to_string(),
        roles: args.role.iter().copied().map(word::Role).collect(),
        party: gateway.party_if(args.party.as_deref())?,
        product_line: args.product_line.clone(),
        lives_seconds: args.expires_in.as_secs(),
    };
    let made: ApiKeyMade = gateway.post("/keys", &Query::default(), &Body::Json(&asked))?;
    match made.secret {
        Some(secret) => print_secret(&made.name, &made.expires_at.to_string(), &secret),
        None => Err(Failure::refused(anyhow::anyhow!(
            "the key {} was made before, and its secret was shown then: revoke it, and make another",
            made.name
        ))),
    }
}

fn list(gateway: &Remote, args: &List) -> Result<(), Failure> {
    let now = Clock::system().now();
    let query = Query::default()
        .with("role", args.role)
        .with("party", gateway.party_if(args.party.as_deref())?)
        .with("product_line", args.product_line.as_ref())
        .with("state", args.state);
    let keys: Vec<ApiKey> = gateway.whole("/keys", query, &args.order)?;
    let mut names = HashMap::new();
    for party in keys.iter().filter_map(|key| key.party) {
        if let Entry::Vacant(unknown) = names.entry(party.to_string()) {
            let path = format!("/parties/{party}");
            let sheet: PartySheet = gateway.get(&path, &Query::default())?;
            unknown.insert(sheet.party.name);
        }
    }
    let lines = keys.into_iter().map(|key| {
        let party = key.party.and_then(|party| names.get(&party.to_string()));
        let party = party.cloned();
        KeyLine::of(key, party, now)
    });
    let lines: Vec<_> = lines.collect();
    output::print(args.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}
