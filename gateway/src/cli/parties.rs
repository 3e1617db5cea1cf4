//! `fleetgrant parties`: customers, partners and contract manufacturers.

use anyhow::anyhow;
use fleetgrant_core::domain::{PartyId, PartyKind, PartyState};

use super::ledger::{Ledger, ListArgs, actor, party_id};
use super::output::{self, row};
use super::{Failure, Global, OrUnavailable};
use crate::clock::Clock;
use crate::history::erasure;
use crate::operator::Effects;
use crate::store::event::Occasion;
use crate::store::listing::{self, PartyFilter};
use crate::store::party::{Belongings, Party};

/// List parties, forget one, or make one part of another
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
    Erase(Erase),
    Merge(Merge),
}

/// List parties, the oldest first
#[derive(Debug, clap::Args)]
struct List {
    /// Only those that are this to the maker, as customer
    #[arg(long)]
    kind: Option<PartyKind>,
    /// Only those in this state, as active
    #[arg(long)]
    state: Option<PartyState>,
    /// Only those of this tier
    #[arg(long)]
    tier: Option<String>,
    /// Only those after this id
    #[arg(long, value_name = "PARTY", value_parser = party_id)]
    after: Option<PartyId>,
    #[command(flatten)]
    list: ListArgs,
}

/// Erase what can name a person of a party: its name, also in the history, and the sites of its devices
///
/// The ids that systems call it by stay, and so does what was decided. It cannot be undone.
#[derive(Debug, clap::Args)]
struct Erase {
    /// The party: a name, or the id that some system calls it by
    party: String,
}

/// Make a party part of another, with all it owns
///
/// Entitlements, devices and contracts belong to the other from then on, under its tier's policy,
/// and systems that call it by its old id find the other. Its orders stay its own, as they were
/// signed. It cannot be undone.
#[derive(Debug, clap::Args)]
struct Merge {
    /// The party that is no more: a name, or the id that some system calls it by
    party: String,
    /// The party it is part of
    #[arg(long, value_name = "PARTY")]
    into: String,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

row!(
    /// A party in a list.
    PartyEntry {
        party: String,
        kind: String,
        name: String,
        tier: Option<String>,
        time_zone: String,
        state: String,
        created: String,
    }
);

impl From<Party> for PartyEntry {
    fn from(row: Party) -> Self {
        Self {
            party: row.id.0.to_string(),
            kind: row.kind.0.to_string(),
            name: row.name,
            tier: row.tier,
            time_zone: row.time_zone,
            state: row.state.0.to_string(),
            created: row.created_at.0.to_string(),
        }
    }
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let ledger = Ledger::open(global)?;
    match &args.command {
        Command::List(args) => list(&ledger, args),
        Command::Erase(args) => erase(&ledger, args),
        Command::Merge(args) => merge(&ledger, args),
    }
}

fn list(ledger: &Ledger, args: &List) -> Result<(), Failure> {
    let filter = PartyFilter {
        kind: args.kind,
        state: args.state,
        tier: args.tier.clone(),
        after: args.after,
        ..PartyFilter::default()
    };
    let limit = args.list.rows_to_read();
    let rows = ledger.read(move |db| listing::parties(db, &filter, limit))?;
    let rows = args.list.cut(rows, |row| row.id.0.to_string());
    let lines: Vec<_> = rows.into_iter().map(PartyEntry::from).collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}

fn erase(ledger: &Ledger, args: &Erase) -> Result<(), Failure> {
    let party = ledger.party(&args.party)?;
    let now = Clock::system()
        .trusted_now()
        .map_err(Failure::unavailable)?;
    let erased = ledger.store().write_blocking("erase-party", move |db| {
        let actor = actor();
        let occasion = Occasion {
            at: now,
            actor: &actor,
            cause: &[],
        };
        erasure::erase_party(db, party, occasion)
    })?;
    let erased = erased.ok_or_else(|| Failure::refused(anyhow!("there is no party {party}")))?;
    super::note(&if erased.is_nothing() {
        format!("{party} had nothing left to erase")
    } else {
        format!(
            "erased of {party}: its name, also in {} events, and {} sites; backups still have them",
            erased.events, erased.sites
        )
    });
    Ok(())
}

fn merge(ledger: &Ledger, args: &Merge) -> Result<(), Failure> {
    let (from, into) = (ledger.party(&args.party)?, ledger.party(&args.into)?);
    let effects = if args.preview {
        Effects::Undone
    } else {
        Effects::Kept
    };
    let belongings = ledger.merge_parties(from, into, effects)?;
    super::note(&if belongings == Belongings::default() {
        format!("{} had nothing left", args.party)
    } else {
        format!(
            "{} entitlements, {} devices and {} other things of {} belong to {}",
            belongings.entitlements, belongings.devices, belongings.others, args.party, args.into
        )
    });
    if args.preview {
        super::note("nothing was changed");
    }
    Ok(())
}
