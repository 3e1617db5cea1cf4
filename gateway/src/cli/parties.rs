//! `fleetgrant parties`: customers, partners and contract manufacturers.

mod remote;

use anyhow::anyhow;
use fleetgrant_core::domain::{PartyKind, PartyState};
use fleetgrant_core::party::PartyAct;
use serde::Serialize;

use super::ledger::{Ledger, ListArgs, actor};
use super::output::{self, Format, row};
use super::{Failure, Global, OrUnavailable, Remote};
use crate::clock::Clock;
use crate::history::erasure;
use crate::http::parties::{self as shown, Party, PartySheet};
use crate::http::party_acts::{PartyActed, PartyErased, PartyMerged};
use crate::operator::Effects;
use crate::store::event::Occasion;
use crate::store::listing::{self, PartyFilter, PartySort};

/// List parties, show, hold, release or forget one, or make one part of another
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
    Show(Show),
    /// Put a party on hold: nothing new is activated of what it owns, nor on its devices
    ///
    /// What runs goes on, and so do returns, renewals and acknowledgements. It is of this party alone, not
    /// of those that are part of it.
    Hold(Which),
    /// Release a party that is on hold; what waited for it goes out
    Release(Which),
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
    #[command(flatten)]
    list: ListArgs<PartySort>,
}

/// Show a party, and what systems call it
#[derive(Debug, clap::Args)]
struct Show {
    /// The party: its name or id, or what some system calls it
    party: String,
    /// The form of what is shown
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The party: its name or id, or what some system calls it
    party: String,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

/// Erase what can name a person of a party: its name, also in the history, the reasons of acts, and the
/// sites of its devices
///
/// The ids that systems call it by stay, and so does what was decided. It cannot be undone.
#[derive(Debug, clap::Args)]
struct Erase {
    /// The party: its name or id, or what some system calls it
    party: String,
}

/// Make a party part of another, with all it owns
///
/// Entitlements, devices and contracts belong to the other from then on, under its tier's policy,
/// and systems that call it by its old id find the other. Its orders stay its own, as they were
/// signed. It cannot be undone.
#[derive(Debug, clap::Args)]
struct Merge {
    /// The party that is no more: its name or id, or what some system calls it
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
    fn from(party: Party) -> Self {
        Self {
            party: party.id.to_string(),
            kind: party.kind.to_string(),
            name: party.name,
            tier: party.tier,
            time_zone: party.time_zone,
            state: party.state.to_string(),
            created: party.created_at.to_string(),
        }
    }
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if let Some(gateway) = Remote::of(global)? {
        return remote::run(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    match &args.command {
        Command::List(args) => list(&ledger, args),
        Command::Show(args) => {
            let party = ledger.party(&args.party)?;
            let sheet = ledger.read(move |db| shown::sheet(db, party))?;
            let gone = || Failure::refused(anyhow!("there is no party {party}"));
            show(args, sheet.ok_or_else(gone)?)
        }
        Command::Hold(args) => act(&ledger, args, PartyAct::Hold),
        Command::Release(args) => act(&ledger, args, PartyAct::Release),
        Command::Erase(args) => erase(&ledger, args),
        Command::Merge(args) => merge(&ledger, args),
    }
}

fn list(ledger: &Ledger, args: &List) -> Result<(), Failure> {
    let filter = PartyFilter {
        kind: args.kind,
        state: args.state,
        tier: args.tier.clone(),
        part: args.list.part()?,
        ..PartyFilter::default()
    };
    let limit = args.list.rows_to_read();
    let rows = ledger.read(move |db| listing::parties(db, &filter, limit))?;
    let rows = args.list.cut(rows);
    show_list(args, rows.into_iter().map(Party::from).collect())
}

fn show_list(args: &List, parties: Vec<Party>) -> Result<(), Failure> {
    let lines: Vec<_> = parties.into_iter().map(PartyEntry::from).collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}

row!(
    /// What a system calls a party.
    ExternalIdLine {
        system: String,
        id: String,
    }
);

/// A party, and what systems call it.
#[derive(Serialize)]
struct Sheet {
    #[serde(flatten)]
    party: PartyEntry,
    external_ids: Vec<ExternalIdLine>,
}

fn show(args: &Show, sheet: PartySheet) -> Result<(), Failure> {
    let external_ids = sheet.external_ids.into_iter();
    let sheet = Sheet {
        party: sheet.party.into(),
        external_ids: external_ids
            .map(|external| ExternalIdLine {
                system: external.system,
                id: external.id,
            })
            .collect(),
    };
    match args.output {
        Format::Json => output::print_json(&sheet),
        Format::Csv => output::print(Format::Csv, &[sheet.party]),
        Format::Table => output::print_record(&sheet.party)
            .and_then(|()| output::print_part("external ids", &sheet.external_ids)),
    }
    .or_unavailable(|| "cannot write the party".to_owned())
}

fn act(ledger: &Ledger, args: &Which, act: PartyAct) -> Result<(), Failure> {
    let party = ledger.party(&args.party)?;
    let effects = if args.preview {
        Effects::Undone
    } else {
        Effects::Kept
    };
    tell_of_act(args, &ledger.act_on_party(party, act, effects)?.into());
    Ok(())
}

fn tell_of_act(args: &Which, acted: &PartyActed) {
    let Which { party, .. } = args;
    let PartyActed { state, devices, .. } = acted;
    super::note(&match (acted.changed, state.0) {
        (false, _) => format!("{party} is so already: {state}"),
        (true, PartyState::Hold) => {
            format!("{party} is on hold: nothing new is activated, what runs goes on")
        }
        (true, _) => format!("{party} is {state}; on {devices} devices something waited for it"),
    });
    if args.preview {
        super::note("nothing was changed");
    }
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
    tell_of_erasure(&party.to_string(), &erased.into());
    Ok(())
}

fn tell_of_erasure(party: &str, erased: &PartyErased) {
    let is_nothing = !erased.name && erased.events == 0 && erased.sites == 0 && erased.reasons == 0;
    super::note(&if is_nothing {
        format!("{party} had nothing left to erase")
    } else {
        format!(
            "erased of {party}: its name, also in {} events, {} reasons and {} sites; backups still \
             have them",
            erased.events, erased.reasons, erased.sites
        )
    });
}

fn merge(ledger: &Ledger, args: &Merge) -> Result<(), Failure> {
    let (from, into) = (ledger.party(&args.party)?, ledger.party(&args.into)?);
    let effects = if args.preview {
        Effects::Undone
    } else {
        Effects::Kept
    };
    let belongings = ledger.merge_parties(from, into, effects)?;
    tell_of_merge(args, &belongings.into());
    Ok(())
}

fn tell_of_merge(args: &Merge, merged: &PartyMerged) {
    let PartyMerged {
        entitlements,
        devices,
        others,
    } = merged;
    super::note(&if (*entitlements, *devices, *others) == (0, 0, 0) {
        format!("{} had nothing left", args.party)
    } else {
        format!(
            "{entitlements} entitlements, {devices} devices and {others} other things of {} belong to \
             {}",
            args.party, args.into
        )
    });
    if args.preview {
        super::note("nothing was changed");
    }
}
