//! `fleetgrant codes`: what became of the codes that were handed out.

use super::ledger::{Ledger, SortArgs};
use super::output::{self, Format, row};
use super::remote::Query;
use super::{Failure, Global, OrUnavailable, Remote};
use crate::http::packs::Pack;
use crate::store::activation_code::{self, PackSort};

/// Count what became of activation codes
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
}

/// Count the codes of each pack, by what became of them
///
/// Nobody is named who used one: these are the figures that a partner is told.
#[derive(Debug, clap::Args)]
struct List {
    /// Only packs of this partner: a name, or the id that some system calls it by
    #[arg(long, value_name = "PARTY")]
    partner: Option<String>,
    #[command(flatten)]
    order: SortArgs<PackSort>,
    /// The form of the list
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

row!(
    /// A pack of codes.
    PackLine {
        pack: String,
        partner: Option<String>,
        gives_units_of: String,
        codes: u64,
        uses: i64,
        used: i64,
        left: i64,
        units_used: i64,
    }
);

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let Command::List(args) = &args.command;
    if let Some(gateway) = Remote::of(global)? {
        let query = Query::default();
        let query = query.with("partner", gateway.party_if(args.partner.as_deref())?);
        let packs = gateway.whole("/packs", query, &args.order)?;
        return show_list(args, packs);
    }
    let ledger = Ledger::open(global)?;
    let partners = ledger.parties(args.partner.as_deref())?;
    let part = args.order.whole();
    let packs = ledger
        .read(move |db| activation_code::packs(db, partners.as_deref(), None, &part, i64::MAX))?;
    show_list(args, packs.into_iter().map(Pack::from).collect())
}

fn show_list(args: &List, packs: Vec<Pack>) -> Result<(), Failure> {
    let packs: Vec<_> = packs.into_iter().map(PackLine::from).collect();
    output::print(args.output, &packs).or_unavailable(|| "cannot write the list".to_owned())
}

impl From<Pack> for PackLine {
    fn from(pack: Pack) -> Self {
        Self {
            pack: pack.pack,
            partner: pack.partner,
            gives_units_of: pack.gives_units_of,
            codes: pack.codes,
            uses: pack.uses,
            used: pack.used,
            left: pack.left,
            units_used: pack.units_used,
        }
    }
}
