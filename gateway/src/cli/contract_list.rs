//! `fleetgrant contracts`: those of all parties.

use std::collections::BTreeMap;

use fleetgrant_core::domain::ContractState;

use super::ledger::{Ledger, ListArgs};
use super::output::{self, row};
use super::remote::Query;
use super::{Failure, Global, OrUnavailable, Remote};
use crate::http::contract_list::Contract;
use crate::store::listing::{self, ContractFilter, ContractSort};

/// List the contracts of parties
///
/// `fleetgrant policies contract` puts one in force, and `policies release` ends it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
}

/// List contracts, the oldest first
#[derive(Debug, clap::Args)]
struct List {
    /// Only those of this party: a name, or the id that some system calls it by
    #[arg(long, value_name = "PARTY")]
    party: Option<String>,
    /// Only those of parties of this tier
    #[arg(long)]
    tier: Option<String>,
    /// Only those that are called so
    #[arg(long)]
    reference: Option<String>,
    /// Only those in this state: active or ended
    #[arg(long)]
    state: Option<ContractState>,
    #[command(flatten)]
    list: ListArgs<ContractSort>,
}

row!(
    /// A contract in a list.
    ContractLine {
        contract: String,
        reference: String,
        party: String,
        tier: Option<String>,
        state: String,
        terms: Option<String>,
        co_term: Option<String>,
        created: String,
    }
);

impl From<Contract> for ContractLine {
    fn from(contract: Contract) -> Self {
        Self {
            contract: contract.id.to_string(),
            reference: contract.reference,
            party: contract.party.name,
            tier: contract.tier,
            state: contract.state.to_string(),
            terms: said(&contract.terms),
            co_term: contract.co_term.map(|at| at.to_string()),
            created: contract.created_at.to_string(),
        }
    }
}

/// Fields of a policy, in a cell; none, if there are none.
pub(super) fn said(terms: &BTreeMap<String, serde_json::Value>) -> Option<String> {
    let fields = terms
        .iter()
        .map(|(field, value)| format!("{field} = {value}"));
    let fields: Vec<_> = fields.collect();
    (!fields.is_empty()).then(|| fields.join(", "))
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let Command::List(args) = &args.command;
    if let Some(gateway) = Remote::of(global)? {
        let query = Query::default()
            .with("party", gateway.party_if(args.party.as_deref())?)
            .with("tier", args.tier.as_ref())
            .with("reference", args.reference.as_ref())
            .with("state", args.state);
        return show_list(args, gateway.list("/contracts", query, &args.list)?);
    }
    let ledger = Ledger::open(global)?;
    let filter = ContractFilter {
        parties: ledger.parties(args.party.as_deref())?,
        tier: args.tier.clone(),
        reference: args.reference.clone(),
        state: args.state,
        has_terms: false,
        within: None,
        part: args.list.part()?,
    };
    filter.check()?;
    let limit = args.list.rows_to_read();
    let rows = ledger.read(move |db| listing::contracts(db, &filter, limit))?;
    let rows = args.list.cut(rows);
    show_list(args, rows.into_iter().map(Contract::from).collect())
}

fn show_list(args: &List, contracts: Vec<Contract>) -> Result<(), Failure> {
    let lines: Vec<_> = contracts.into_iter().map(ContractLine::from).collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}
