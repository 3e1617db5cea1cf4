//! `fleetgrant policies overrides`: what lies over the policies of tiers, in one list.

use fleetgrant_core::domain::PolicyState;
use fleetgrant_core::tier::Layer;

use super::ledger::{Ledger, ListArgs};
use super::output::{self, row};
use super::remote::Query;
use super::{Failure, OrUnavailable, Remote, contract_list};
use crate::http::policy_override_list::PolicyOverride;
use crate::store::listing::{self, PolicyOverrideFilter, PolicyOverrideSort};

/// List the policies that lie over those of tiers: of products, entitlements and contracts
///
/// Those that are in force no more are retired; --state active leaves them out.
#[derive(Debug, clap::Args)]
pub(super) struct Overrides {
    /// Only those of this kind: product, contract or entitlement
    #[arg(long)]
    kind: Option<Layer>,
    /// Only those of this party's contracts, and of entitlements that it owns: a name, or the id that
    /// some system calls it by
    #[arg(long, value_name = "PARTY")]
    party: Option<String>,
    /// Only those of the product of this code, and of entitlements to it
    #[arg(long, value_name = "CODE")]
    product: Option<String>,
    /// Only those in this state: active or retired
    #[arg(long)]
    state: Option<PolicyState>,
    #[command(flatten)]
    list: ListArgs<PolicyOverrideSort>,
}

row!(
    /// A policy in a list that lies over those of tiers.
    OverrideLine {
        policy: String,
        kind: String,
        reference: String,
        product: Option<String>,
        entitlement: Option<String>,
        party: Option<String>,
        state: String,
        terms: Option<String>,
        since: String,
    }
);

impl From<PolicyOverride> for OverrideLine {
    fn from(it: PolicyOverride) -> Self {
        Self {
            policy: it.id.to_string(),
            kind: it.kind.to_string(),
            reference: it.reference,
            product: it.product,
            entitlement: it.entitlement.map(|entitlement| entitlement.reference),
            party: it.party.map(|party| party.name),
            state: it.state.to_string(),
            terms: contract_list::said(&it.terms),
            since: it.created_at.to_string(),
        }
    }
}

pub(super) fn list(ledger: &Ledger, args: &Overrides) -> Result<(), Failure> {
    let filter = PolicyOverrideFilter {
        layer: args.kind,
        parties: ledger.parties(args.party.as_deref())?,
        product: args.product.clone(),
        state: args.state,
        within: None,
        part: args.list.part()?,
    };
    let limit = args.list.rows_to_read();
    let rows = ledger.read(move |db| listing::policy_overrides(db, &filter, limit))?;
    let rows = args.list.cut(rows);
    show(args, rows.into_iter().map(PolicyOverride::from).collect())
}

/// The same, on another gateway.
pub(super) fn list_remote(gateway: &Remote, args: &Overrides) -> Result<(), Failure> {
    let query = Query::default()
        .with("kind", args.kind)
        .with("party", gateway.party_if(args.party.as_deref())?)
        .with("product", args.product.as_ref())
        .with("state", args.state);
    show(args, gateway.list("/policy-overrides", query, &args.list)?)
}

fn show(args: &Overrides, overrides: Vec<PolicyOverride>) -> Result<(), Failure> {
    let lines: Vec<_> = overrides.into_iter().map(OverrideLine::from).collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}
