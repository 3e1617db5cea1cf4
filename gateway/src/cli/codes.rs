//! `fleetgrant codes`: what became of the codes that were handed out, and what is to become of them.

mod remote;

use anyhow::anyhow;
use fleetgrant_core::domain::CodeState;

use super::ledger::{Ledger, ListArgs, SortArgs, runtime};
use super::output::{self, Format, row};
use super::{Failure, Global, OrUnavailable, Remote};
use crate::code_void::{CodeError, Codes};
use crate::http::code_acts::CodesVoided;
use crate::http::packs::{ActivationCode, Pack};
use crate::http::value::CodeId;
use crate::operator::Effects;
use crate::store::activation_code::single::{self, CodeSort};
use crate::store::activation_code::{self, PackSort};

/// Count and list activation codes, or let nobody redeem what is left of them
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
    Show(Show),
    Void(Void),
}

/// Count the codes of each pack, by what became of them
///
/// Nobody is named who used one: these are the figures that a partner is told.
#[derive(Debug, clap::Args)]
struct List {
    /// Only packs of this partner: its name or id, or what some system calls it
    #[arg(long, value_name = "PARTY")]
    partner: Option<String>,
    #[command(flatten)]
    order: SortArgs<PackSort>,
    /// The form of the list
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// List the codes of a pack, by id: where each stands, and nothing of its secret
#[derive(Debug, clap::Args)]
struct Show {
    /// What the pack is called
    pack: String,
    /// Only those in this state, as active
    #[arg(long)]
    state: Option<CodeState>,
    #[command(flatten)]
    list: ListArgs<CodeSort>,
}

/// Let nobody redeem what is left of a code, or of all codes of a pack
///
/// Whoever tries is answered as with any wrong code. What was redeemed stays, and the units that it
/// could have given are free for other codes, as they were. A code that is used up is refused; in a
/// pack, those stay as they are. It cannot be undone.
#[derive(Debug, clap::Args)]
struct Void {
    /// One code: its id, or the first eight characters of the code; never all of it, which is secret
    #[arg(required_unless_present = "pack", conflicts_with = "pack")]
    code: Option<String>,
    /// All codes of this pack that are not used up
    #[arg(long)]
    pack: Option<String>,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

row!(
    /// A code of a pack.
    CodeLine {
        code: String,
        begins: String,
        state: String,
        units: i64,
        uses: i64,
        used: i64,
        expires: Option<String>,
    }
);

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
        void: u64,
        units_used: i64,
    }
);

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if let Some(gateway) = Remote::of(global)? {
        return remote::run(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    match &args.command {
        Command::List(args) => list(&ledger, args),
        Command::Show(args) => show(&ledger, args),
        Command::Void(args) => void(&ledger, args),
    }
}

fn list(ledger: &Ledger, args: &List) -> Result<(), Failure> {
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

fn show(ledger: &Ledger, args: &Show) -> Result<(), Failure> {
    let (pack, state, part, limit) = (
        args.pack.clone(),
        args.state,
        args.list.part()?,
        args.list.rows_to_read(),
    );
    let rows = ledger.read(move |db| match single::gives(db, &pack)? {
        Some(gives) => single::list(db, (&pack, gives), state, &part, limit).map(Some),
        None => Ok(None),
    })?;
    let unknown = || CodeError::UnknownPack(args.pack.clone());
    let rows = args.list.cut(rows.ok_or_else(unknown)?);
    show_codes(args, rows.into_iter().map(ActivationCode::from).collect())
}

fn show_codes(args: &Show, codes: Vec<ActivationCode>) -> Result<(), Failure> {
    let lines: Vec<_> = codes.into_iter().map(CodeLine::from).collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}

fn void(ledger: &Ledger, args: &Void) -> Result<(), Failure> {
    let effects = if args.preview {
        Effects::Undone
    } else {
        Effects::Kept
    };
    let operator = ledger.operator()?;
    let voided = runtime()?.block_on(operator.void_codes(args.which()?, effects))?;
    tell_of_void(args, &voided.into());
    Ok(())
}

fn tell_of_void(args: &Void, voided: &CodesVoided) {
    let CodesVoided {
        pack,
        codes,
        uses,
        void_before,
        used_up,
    } = voided;
    super::note(&match (codes, void_before) {
        (0, _) if args.pack.is_none() => format!("the code is void already; it is of {pack}"),
        (0, _) => format!(
            "{pack} had nothing left: {void_before} codes are void already, {used_up} are used up"
        ),
        _ if args.pack.is_none() => {
            format!("the code is void, with {uses} uses left; it is of {pack}")
        }
        _ => format!(
            "{codes} codes of {pack} are void, with {uses} uses left; {void_before} were so already, \
             {used_up} are used up"
        ),
    });
    if args.preview {
        super::note("nothing was changed");
    }
}

impl Void {
    fn which(&self) -> Result<Codes, Failure> {
        match (&self.code, &self.pack) {
            // Read here, and not by clap, which would tell again what was given.
            (Some(code), None) => {
                let id = CodeId::read(code).map_err(|why| Failure::input(anyhow!(why)))?;
                Ok(Codes::One(id.0))
            }
            (None, Some(pack)) => Ok(Codes::Pack(pack.clone())),
            _ => Err(Failure::input(anyhow!("give either a code or --pack"))),
        }
    }
}

impl From<CodeError> for Failure {
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::Act(error) => error.into(),
            error => Self::refused(error),
        }
    }
}

impl From<ActivationCode> for CodeLine {
    fn from(code: ActivationCode) -> Self {
        Self {
            code: code.id.to_string(),
            begins: code.begins,
            state: code.state.to_string(),
            units: code.units,
            uses: code.uses,
            used: code.used,
            expires: code.expires_at.map(|at| at.to_string()),
        }
    }
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
            void: pack.void,
            units_used: pack.units_used,
        }
    }
}
