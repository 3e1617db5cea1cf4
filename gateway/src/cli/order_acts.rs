//! `fleetgrant orders amend`, `cancel`, `hold` and `release`.

mod remote;

pub(super) use remote::run as run_remote;

use super::ledger::Ledger;
use super::orders::find;
use super::output::{self, Format, row};
use super::{Failure, OrUnavailable};
use crate::http::order_acts::{ChangedEntitlement, OrderActed};
use crate::operator::Effects;
use crate::order_change::OrderAct;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Change the quantity of a line, up or down
    ///
    /// Fewer is a credit. What is in use is not taken away: it is a pending credit, which the next
    /// units that are returned go to.
    Amend(Amend),
    /// Cancel an order, or a line of it
    Cancel(Cancel),
    /// Let nothing new of an order be activated before it is paid for
    Hold(Which),
    /// Say that an order is paid for
    Release(Which),
}

#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Its reference
    reference: String,
    /// The system, where several call an order so
    #[arg(long)]
    system: Option<String>,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Amend {
    #[command(flatten)]
    which: Which,
    /// The line
    #[arg(long)]
    line: String,
    /// Copies that the line has from now on
    #[arg(long)]
    quantity: u32,
}

#[derive(Debug, clap::Args)]
pub(super) struct Cancel {
    #[command(flatten)]
    which: Which,
    /// Only this line
    #[arg(long)]
    line: Option<String>,
    /// Takes back what is in use, too; or else it stays until it is returned
    #[arg(long)]
    revoke: bool,
}

row!(
    /// What became of an entitlement of a line.
    ChangedLine {
        line: String,
        quantity: i64,
        entitlement: String,
        state: String,
        units: i64,
        in_use: i64,
        pending_credit: i64,
    }
);

impl From<ChangedEntitlement> for ChangedLine {
    fn from(change: ChangedEntitlement) -> Self {
        Self {
            line: change.line,
            quantity: change.quantity,
            entitlement: change.reference,
            state: change.state.to_string(),
            units: change.units,
            in_use: change.in_use,
            pending_credit: change.pending_credit,
        }
    }
}

pub(super) fn run(ledger: &Ledger, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Amend(args) => {
            let act = OrderAct::Amend {
                line: args.line.clone(),
                quantity: args.quantity,
            };
            change(ledger, &args.which, act)
        }
        Command::Cancel(args) => {
            let act = OrderAct::Cancel {
                line: args.line.clone(),
                revoke: args.revoke,
            };
            change(ledger, &args.which, act)
        }
        Command::Hold(which) => change(ledger, which, OrderAct::Hold),
        Command::Release(which) => change(ledger, which, OrderAct::Release),
    }
}

fn change(ledger: &Ledger, which: &Which, act: OrderAct) -> Result<(), Failure> {
    let id = find(ledger, &which.reference, which.system.as_deref())?
        .id
        .0;
    let effects = if which.preview {
        Effects::Undone
    } else {
        Effects::Kept
    };
    tell(which, ledger.change_order(id, act, effects)?.into())
}

fn tell(which: &Which, change: OrderActed) -> Result<(), Failure> {
    let lines: Vec<_> = change.entitlements.into_iter().map(Into::into).collect();
    output::print::<ChangedLine>(Format::Table, &lines)
        .or_unavailable(|| "cannot write what changed".to_owned())?;
    if !change.changed {
        super::note("it is so already");
    } else if which.preview {
        super::note("nothing was changed");
    }
    Ok(())
}
