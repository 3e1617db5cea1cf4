//! `fleetgrant codes`: what became of the codes that were handed out.

use std::collections::BTreeMap;

use super::ledger::Ledger;
use super::output::{self, Format, row};
use super::{Failure, Global, OrUnavailable};
use crate::store::activation_code::{self, Use};

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
    let ledger = Ledger::open(global)?;
    let Command::List(args) = &args.command;
    let partners = ledger.parties(args.partner.as_deref())?;
    let uses = ledger.read(move |db| activation_code::uses(db, partners.as_deref()))?;
    let mut packs: BTreeMap<_, PackLine> = BTreeMap::new();
    for code in uses {
        let key = (code.pack.clone(), code.entitlement.clone());
        packs
            .entry(key)
            .or_insert_with(|| none_yet(&code))
            .count(&code);
    }
    let packs: Vec<_> = packs.into_values().collect();
    output::print(args.output, &packs).or_unavailable(|| "cannot write the list".to_owned())
}

fn none_yet(code: &Use) -> PackLine {
    PackLine {
        pack: code.pack.clone(),
        partner: code.partner.clone(),
        gives_units_of: code.entitlement.clone(),
        codes: 0,
        uses: 0,
        used: 0,
        left: 0,
        units_used: 0,
    }
}

impl PackLine {
    fn count(&mut self, code: &Use) {
        self.codes += 1;
        self.uses += code.uses;
        self.used += code.used;
        self.left += code.uses - code.used;
        self.units_used += code.used * code.units;
    }
}
