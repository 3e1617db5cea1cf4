//! `fleetgrant keys`: who may ask the HTTP API.

mod remote;

use std::time::Duration;

use anyhow::anyhow;
use fleetgrant_core::domain::{KeyState, Role, Roles, Timestamp};

use super::ledger::{Ledger, SortArgs, actor};
use super::output::{self, Format, row};
use super::{Failure, Global, OrUnavailable, Remote};
use crate::access::{self, Grant, KeyError, KeyName, Made, NewKey};
use crate::clock::Clock;
use crate::http::keys::ApiKey;
use crate::store::api_key::{self, ApiKeyFilter, ApiKeySort};
use crate::store::{Db, StoreError, Verdict, product_line};
use crate::when::length;

/// Make, list, show and revoke keys of the HTTP API
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Create(Create),
    List(List),
    Show(Show),
    Revoke(Revoke),
}

/// Make a key; it is shown once, on standard output
#[derive(Debug, clap::Args)]
struct Create {
    /// What people call it, and the history whoever acts with it
    name: KeyName,
    /// What it may do: factory, operator, support, approver, integrator, partner, customer, auditor
    /// or admin; can be given again
    #[arg(long, required = true, value_name = "ROLE")]
    role: Vec<Role>,
    /// Whose things it sees, for partner and customer, and for the factory of a contract manufacturer: a
    /// name or id, or what some system calls it
    #[arg(long, value_name = "PARTY")]
    party: Option<String>,
    /// The product line whose things alone it sees, for operator, support, approver, integrator and
    /// auditor: its name
    #[arg(long, value_name = "NAME", conflicts_with = "party")]
    product_line: Option<String>,
    /// How long it lives, as 90d or 12h; five years at most
    #[arg(long, default_value = "365d", value_name = "TIME", value_parser = length)]
    expires_in: Duration,
}

/// List keys, by name
#[derive(Debug, clap::Args)]
struct List {
    /// Only those of this role, as operator
    #[arg(long)]
    role: Option<Role>,
    /// Only those of this party: its name or id, or what some system calls it
    #[arg(long, value_name = "PARTY")]
    party: Option<String>,
    /// Only those of this product line
    #[arg(long, value_name = "NAME")]
    product_line: Option<String>,
    /// Only those that stand so: active, expired or revoked
    #[arg(long)]
    state: Option<KeyState>,
    #[command(flatten)]
    order: SortArgs<ApiKeySort>,
    /// The form of the list
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Show a key, or the one that a gateway is asked with
#[derive(Debug, clap::Args)]
struct Show {
    /// Its name; on another gateway, the own key if none is given
    name: Option<KeyName>,
    /// The form of what is shown
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// End a key now
#[derive(Debug, clap::Args)]
struct Revoke {
    /// Its name
    name: KeyName,
}

row!(
    /// A key in a list.
    KeyLine {
        name: String,
        roles: String,
        party: Option<String>,
        product_line: Option<String>,
        state: String,
        created: String,
        expires: String,
        revoked: Option<String>,
        last_used: Option<String>,
    }
);

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if let Some(gateway) = Remote::of(global)? {
        return remote::run(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    let now = Clock::system().now();
    match &args.command {
        Command::Create(args) => create(&ledger, args, now),
        Command::List(args) => list(&ledger, args, now),
        Command::Show(args) => {
            let name = args.name.clone().ok_or_else(|| {
                Failure::input(anyhow!(
                    "say which key: the local database is worked on without one"
                ))
            })?;
            let called = name.clone();
            let found = ledger.read(move |db| line_of(db, &called, now))?;
            show(args, found.ok_or_else(|| KeyError::Unknown(name))?)
        }
        Command::Revoke(args) => {
            let (name, actor) = (args.name.clone(), actor());
            write(&ledger, move |db| access::revoke(db, &name, &actor, now))
        }
    }
}

fn create(ledger: &Ledger, args: &Create, now: Timestamp) -> Result<(), Failure> {
    let party = match args.party.as_deref() {
        Some(called) => Some(ledger.party(called)?),
        None => None,
    };
    let line = match args.product_line.clone() {
        Some(name) => {
            let called = name.clone();
            let line = ledger.read(move |db| product_line::by_name(db, &called))?;
            Some(line.ok_or(KeyError::UnknownLine(name))?.id.0)
        }
        None => None,
    };
    let new = NewKey {
        name: args.name.clone(),
        grant: Grant::new(Roles::of(&args.role), party, line)?,
        lives: args.expires_in,
    };
    let actor = actor();
    let made: Made = write(ledger, move |db| access::create(db, &new, &actor, now))?;
    let expires = made.key.expires_at.0.to_string();
    print_secret(&made.key.name, &expires, &made.token.to_string())
}

fn print_secret(name: &str, expires: &str, secret: &str) -> Result<(), Failure> {
    super::note(&format!(
        "the key {name} is good until {expires}; it is shown this once:"
    ));
    output::print_text(&format_args!("{secret}\n"))
        .or_unavailable(|| "cannot write the key, so revoke it".to_owned())
}

/// Keys that are read at once.
const PAGE: i64 = 500;

fn list(ledger: &Ledger, args: &List, now: Timestamp) -> Result<(), Failure> {
    let mut lines = Vec::new();
    let mut filter = ApiKeyFilter {
        role: args.role,
        parties: ledger.parties(args.party.as_deref())?,
        product_line: args.product_line.clone(),
        state: args.state.map(|state| (state, now)),
        part: args.order.whole(),
    };
    loop {
        let from = filter.clone();
        let (page, last) = ledger.read(move |db| lines_of(db, &from, now))?;
        let is_last = (page.len() as i64) < PAGE;
        lines.extend(page);
        match last {
            Some(last) if !is_last => filter.part = filter.part.going_on(&last),
            _ => break,
        }
    }
    output::print(args.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}

fn lines_of(
    db: &mut Db,
    filter: &ApiKeyFilter,
    now: Timestamp,
) -> Result<(Vec<KeyLine>, Option<api_key::ApiKey>), StoreError> {
    let keys = api_key::list(db, filter, PAGE)?;
    let last = keys.last().cloned();
    let product_lines = product_line::names(db)?;
    let lines = keys
        .into_iter()
        .map(|key| {
            let party = match key.party_id {
                Some(id) => crate::store::party::find(db, id)?.map(|party| party.name),
                None => None,
            };
            let key = ApiKey::of(key, &product_lines);
            Ok(KeyLine::of(key, party, now))
        })
        .collect::<Result<_, StoreError>>()?;
    Ok((lines, last))
}

fn line_of(db: &mut Db, name: &KeyName, now: Timestamp) -> Result<Option<KeyLine>, StoreError> {
    let Some(key) = api_key::by_name(db, name.as_str())? else {
        return Ok(None);
    };
    let party = match key.party_id {
        Some(id) => crate::store::party::find(db, id)?.map(|party| party.name),
        None => None,
    };
    let key = ApiKey::of(key, &product_line::names(db)?);
    Ok(Some(KeyLine::of(key, party, now)))
}

fn show(args: &Show, line: KeyLine) -> Result<(), Failure> {
    match args.output {
        Format::Json => output::print_json(&line),
        Format::Csv => output::print(Format::Csv, &[line]),
        Format::Table => output::print_record(&line),
    }
    .or_unavailable(|| "cannot write the key".to_owned())
}

impl KeyLine {
    fn of(key: ApiKey, party: Option<String>, now: Timestamp) -> Self {
        let roles: Vec<_> = key.roles.iter().map(|role| role.0).collect();
        Self {
            state: KeyState::at(now, key.revoked_at.is_some(), key.expires_at.0).to_string(),
            roles: Roles::of(&roles).to_string(),
            party,
            product_line: key.product_line,
            created: key.created_at.to_string(),
            expires: key.expires_at.to_string(),
            revoked: key.revoked_at.map(|at| at.to_string()),
            last_used: key.last_used_at.map(|at| at.to_string()),
            name: key.name,
        }
    }
}

/// What was refused leaves nothing behind.
fn write<T: Send + 'static>(
    ledger: &Ledger,
    mut operation: impl FnMut(&mut Db) -> Result<T, KeyError> + Send + 'static,
) -> Result<T, Failure> {
    let outcome = ledger
        .store()
        .transaction_blocking("keys", move |db| match operation(db) {
            Ok(done) => Ok(Verdict::Commit(Ok(done))),
            Err(KeyError::Store(error)) => Err(error),
            Err(refused) => Ok(Verdict::Rollback(Err(refused))),
        })?;
    Ok(outcome?)
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => error.into(),
            refused => Self::refused(refused),
        }
    }
}
