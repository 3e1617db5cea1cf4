//! `fleetgrant activations`: units on devices.

mod remote;

use anyhow::anyhow;
use fleetgrant_core::domain::{ActivationId, ActivationState, DeviceId};
use fleetgrant_core::operator::{Publish, Stopgap};
use fleetgrant_core::outcome::Outcome;
use fleetgrant_core::quota::Leave;

use super::ledger::{Ledger, ListArgs, activation_id, device_id};
use super::output::{self, Format, row};
use super::{Failure, Global, OrUnavailable, Remote, preview};
use crate::http::activations::Activation;
use crate::http::acts::Acted;
use crate::operator::{Act, ActError};
use crate::store::listing::{self, ActivationFilter, ActivationRow, ActivationSort};

/// List activations, assign units to devices, or take them back
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
    Show(Show),
    Assign(Assign),
    Cancel(Cancel),
    Revoke(Revoke),
    Temporary(Temporary),
    TakeOver(TakeOver),
}

/// List activations, the oldest first
#[derive(Debug, clap::Args)]
struct List {
    /// Only those on this device
    #[arg(long, value_parser = device_id)]
    device: Option<DeviceId>,
    /// Only those of this entitlement: its reference or its id
    #[arg(long, value_name = "ENTITLEMENT")]
    entitlement: Option<String>,
    /// Only those in this state, as activated
    #[arg(long)]
    state: Option<ActivationState>,
    /// Only those of this owner's entitlements
    #[arg(long, value_name = "PARTY")]
    owner: Option<String>,
    #[command(flatten)]
    list: ListArgs<ActivationSort>,
}

/// Show an activation
#[derive(Debug, clap::Args)]
struct Show {
    /// The activation: its id, as `activations list` shows it
    #[arg(value_parser = activation_id)]
    activation: ActivationId,
    /// The form of what is shown
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Assign units of an entitlement to a device
///
/// The device gets them when it next asks, and until then `cancel` undoes it.
#[derive(Debug, clap::Args)]
struct Assign {
    /// The device
    #[arg(value_parser = device_id)]
    device: DeviceId,
    /// The entitlement: its reference or its id
    entitlement: String,
    /// Units
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    units: u32,
    /// Pushes them now; only `revoke` takes them back then
    #[arg(long)]
    now: bool,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

/// Undo an assignment that was not published yet; its units are free at once
#[derive(Debug, clap::Args)]
struct Cancel {
    /// The activation: its id, as `activations list` shows it
    #[arg(value_parser = activation_id)]
    activation: ActivationId,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

/// Take an activation back; its units are free when the device has proven that it is gone
#[derive(Debug, clap::Args)]
struct Revoke {
    /// The activation: its id, as `activations list` shows it
    #[arg(value_parser = activation_id)]
    activation: ActivationId,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

/// Give a device a temporary licence, which takes no unit
///
/// A stop-gap where the right has ended and its renewal is late, or an emergency where the device
/// that has the right is broken. The policy of the owner's tier says how long it runs and how many
/// there may be. A device that nobody owns becomes the owner's.
#[derive(Debug, clap::Args)]
struct Temporary {
    /// The device
    #[arg(value_parser = device_id)]
    device: DeviceId,
    /// The entitlement: its reference or its id
    entitlement: String,
    /// Units
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    units: u32,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

/// Give a device what an activation of another was written off with, or gave back
#[derive(Debug, clap::Args)]
struct TakeOver {
    /// The device
    #[arg(value_parser = device_id)]
    device: DeviceId,
    /// The activation of the other
    #[arg(value_parser = activation_id)]
    from: ActivationId,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

row!(
    /// An activation in a list.
    ActivationLine {
        activation: String,
        device: String,
        entitlement: String,
        product: String,
        owner: Option<String>,
        model: String,
        units: i64,
        state: String,
        removal_reason: Option<String>,
        kind: String,
        origin: String,
        starts: Option<String>,
        ends: Option<String>,
        usage: i64,
        created: String,
        activated: Option<String>,
        ended: Option<String>,
    }
);

impl From<Activation> for ActivationLine {
    fn from(it: Activation) -> Self {
        Self {
            activation: it.id.to_string(),
            device: it.device,
            entitlement: it.entitlement_reference,
            product: it.product,
            owner: it.owner.map(|owner| owner.name),
            model: it.license_model.to_string(),
            units: it.units,
            state: it.state.to_string(),
            removal_reason: it.removal_reason.map(|reason| reason.to_string()),
            kind: it.kind.to_string(),
            origin: it.origin.to_string(),
            starts: it.starts_at.map(|at| at.to_string()),
            ends: it.ends_at.map(|at| at.to_string()),
            usage: it.usage,
            created: it.created_at.to_string(),
            activated: it.activated_at.map(|at| at.to_string()),
            ended: it.ended_at.map(|at| at.to_string()),
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
        Command::Show(args) => show(&ledger, args),
        Command::Assign(args) => assign(&ledger, args),
        Command::Cancel(args) => {
            let row = find(&ledger, args.activation)?;
            let (device, act) = (device_of(&row)?, Act::Cancel(args.activation));
            if args.preview {
                return show_only(&ledger, &device, act);
            }
            let outcome = ledger.act(&device, act)?;
            print(&ledger, &outcome)
        }
        Command::Revoke(args) => {
            let row = find(&ledger, args.activation)?;
            if args.preview {
                return show_only(&ledger, &device_of(&row)?, Act::Revoke(args.activation));
            }
            let outcome = ledger.act(&device_of(&row)?, Act::Revoke(args.activation))?;
            super::note(&what_follows(&outcome));
            print(&ledger, &outcome)
        }
        Command::Temporary(args) => {
            let stopgap = Stopgap {
                entitlement: ledger.entitlement(&args.entitlement)?.id.0,
                units: args.units,
                leave: Leave::Policy,
            };
            give(&ledger, &args.device, args.preview, |publish| {
                Act::GiveTemporary(stopgap, publish)
            })
        }
        Command::TakeOver(args) => give(&ledger, &args.device, args.preview, |publish| {
            Act::TakeOver(args.from, publish)
        }),
    }
}

/// Pushes what is given, where the device was ever admitted; or else it gets it when it asks.
fn give(
    ledger: &Ledger,
    device: &DeviceId,
    preview: bool,
    act: impl Fn(Publish) -> Act,
) -> Result<(), Failure> {
    if preview {
        return show_only(ledger, device, act(Publish::AtContact));
    }
    let outcome = match ledger.try_act(device, act(Publish::Now))? {
        Err(ActError::Refused(reason)) if reason.is_for_want_of_a_key() => {
            ledger.act(device, act(Publish::AtContact))?
        }
        outcome => outcome?,
    };
    super::note(&what_follows(&outcome));
    print(ledger, &outcome)
}

fn list(ledger: &Ledger, args: &List) -> Result<(), Failure> {
    let entitlement = args
        .entitlement
        .as_deref()
        .map(|text| ledger.entitlement(text))
        .transpose()?;
    let filter = ActivationFilter {
        id: None,
        device: args.device.clone(),
        entitlement: entitlement.map(|row| row.id.0),
        state: args.state,
        owners: ledger.parties(args.owner.as_deref())?,
        within: None,
        part: args.list.part()?,
    };
    filter.check()?;
    let limit = args.list.rows_to_read();
    let rows = ledger.read(move |db| listing::activations(db, &filter, limit))?;
    let rows = args.list.cut(rows);
    show_list(args, rows.into_iter().map(Activation::from).collect())
}

fn show_list(args: &List, activations: Vec<Activation>) -> Result<(), Failure> {
    let lines: Vec<_> = activations.into_iter().map(ActivationLine::from).collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}

fn show(ledger: &Ledger, args: &Show) -> Result<(), Failure> {
    show_one(args, find(ledger, args.activation)?.into())
}

fn show_one(args: &Show, activation: Activation) -> Result<(), Failure> {
    let line = ActivationLine::from(activation);
    match args.output {
        Format::Json => output::print_json(&line),
        Format::Csv => output::print(Format::Csv, &[line]),
        Format::Table => output::print_record(&line),
    }
    .or_unavailable(|| "cannot write the activation".to_owned())
}

fn assign(ledger: &Ledger, args: &Assign) -> Result<(), Failure> {
    let entitlement = ledger.entitlement(&args.entitlement)?;
    let act = Act::Assign {
        entitlement: entitlement.id.0,
        units: args.units,
        publish: if args.now {
            Publish::Now
        } else {
            Publish::AtContact
        },
    };
    if args.preview {
        return show_only(ledger, &args.device, act);
    }
    let outcome = ledger.act(&args.device, act)?;
    super::note(&what_follows(&outcome));
    print(ledger, &outcome)
}

/// Shows what an act would do.
pub(super) fn show_only(ledger: &Ledger, device: &DeviceId, act: Act) -> Result<(), Failure> {
    preview::print(&[ledger.preview(device, act)?])?;
    super::note("nothing was changed");
    Ok(())
}

fn find(ledger: &Ledger, id: ActivationId) -> Result<ActivationRow, Failure> {
    let filter = ActivationFilter {
        id: Some(id),
        ..ActivationFilter::default()
    };
    let found = ledger.read(move |db| listing::activations(db, &filter, 1))?;
    found.into_iter().next().ok_or_else(|| unknown(id))
}

fn unknown(id: ActivationId) -> Failure {
    Failure::refused(anyhow!(
        "there is no activation {id}: list them with `fleetgrant activations list`"
    ))
}

fn device_of(row: &ActivationRow) -> Result<DeviceId, Failure> {
    DeviceId::new(&row.device).map_err(Failure::refused)
}

/// Shows the activations that an act changed, as they are now.
fn print(ledger: &Ledger, outcome: &Outcome) -> Result<(), Failure> {
    let activations = outcome.activations.iter();
    let activations = activations
        .map(|change| find(ledger, change.activation().id).map(Activation::from))
        .collect::<Result<Vec<_>, _>>()?;
    print_each(activations)
}

fn print_each(activations: Vec<Activation>) -> Result<(), Failure> {
    for line in activations.into_iter().map(ActivationLine::from) {
        output::print_record(&line).or_unavailable(|| "cannot write the activation".to_owned())?;
    }
    Ok(())
}

/// Shows what an act on another gateway would do.
pub(super) fn show_acted(acted: &[Acted]) -> Result<(), Failure> {
    preview::print_acted(acted)?;
    super::note("nothing was changed");
    Ok(())
}

/// An act that was done, here or on another gateway.
pub(super) trait Done {
    /// The device, and the generation that is pushed to it now.
    fn pushed(&self) -> (&str, Option<u64>);
}

impl Done for Outcome {
    fn pushed(&self) -> (&str, Option<u64>) {
        let issued = self.issued.as_ref();
        let generation = issued.map(|set| set.set.key.generation.get());
        (self.device.id.as_str(), generation)
    }
}

impl Done for Acted {
    fn pushed(&self) -> (&str, Option<u64>) {
        (&self.device, self.pushed_generation)
    }
}

/// What happens after an act.
pub(super) fn what_follows(done: &impl Done) -> String {
    match done.pushed() {
        (device, Some(generation)) => {
            format!("generation {generation} is pushed until {device} acknowledges it")
        }
        (device, None) => format!("{device} gets it when it next asks"),
    }
}
