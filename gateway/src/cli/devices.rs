//! `fleetgrant devices`: who they are, and how they stand.

mod remote;
mod repair;

use anyhow::anyhow;
use fleetgrant_core::domain::{DeviceId, DeviceState, KeyThumbprint};
use fleetgrant_core::event::EventKind;
use fleetgrant_core::operator::check_waits;
use fleetgrant_core::quota::Leave;
use serde::Serialize;

use super::activations::{self, ActivationLine};
use super::ledger::{Ledger, ListArgs, device_id, key_thumbprint};
use super::output::{self, Format, row};
use super::{Failure, Global, OrUnavailable, Remote};
use crate::http::activations::Activation;
use crate::http::cases::Case;
use crate::http::device_moves::{DeviceTransferred, MovedUnits};
use crate::http::devices::{Device, DeviceKey, DeviceRegrant, DeviceWaitingKey};
use crate::operator::{Act, Effects};
use crate::report::history::{self, HistoryFilter};
use crate::store::listing::{self, ActivationFilter, DeviceFilter, DeviceRow, DeviceSort, Part};
use crate::store::{case, regrant, waiting_key};
use repair::{Repair, RevokeKey};

/// List devices, show one, or act on one
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
    Show(Show),
    Admit(Admit),
    Push(Push),
    Clear(Clear),
    DeclareDead(DeclareDead),
    Readmit(Readmit),
    Repair(Repair),
    RevokeKey(RevokeKey),
    Transfer(Transfer),
}

/// Give a device to another party, with the rights it has
///
/// Nothing changes on the device and nothing is activated again: the units it has become an
/// entitlement of the new owner.
#[derive(Debug, clap::Args)]
struct Transfer {
    /// The device
    #[arg(value_parser = device_id)]
    device: DeviceId,
    /// The party: its name or id, or what some system calls it
    #[arg(long, value_name = "PARTY")]
    to: String,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

/// List devices, by id
#[derive(Debug, clap::Args)]
struct List {
    /// Only those in this state, as admitted
    #[arg(long)]
    state: Option<DeviceState>,
    /// Only those of this owner: its name or id, or what some system calls it
    #[arg(long, value_name = "PARTY")]
    owner: Option<String>,
    /// Only those of this product line
    #[arg(long, value_name = "NAME")]
    product_line: Option<String>,
    /// The one whose key this is, or was: its thumbprint (RFC 9679)
    #[arg(long, value_name = "HEX", value_parser = key_thumbprint)]
    key: Option<KeyThumbprint>,
    #[command(flatten)]
    list: ListArgs<DeviceSort>,
}

/// Show all that is known of a device
#[derive(Debug, clap::Args)]
struct Show {
    /// The device: its id, as `devices list` shows it
    #[arg(value_parser = device_id)]
    device: DeviceId,
    /// The form of what is shown
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Admit a device that waits for an operator, under one key
///
/// Compare the key's thumbprint with what the factory says of the device first: whoever holds that
/// key is the device from then on.
#[derive(Debug, clap::Args)]
struct Admit {
    /// The device: its id, as `devices list` shows it
    #[arg(value_parser = device_id)]
    device: DeviceId,
    /// The thumbprint (RFC 9679) of its key [default: of the key it showed when
    /// it was told to wait]
    #[arg(long, value_name = "HEX", value_parser = key_thumbprint)]
    key: Option<KeyThumbprint>,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

/// Write a set with what is meant to be on a device now, and push it
#[derive(Debug, clap::Args)]
struct Push {
    /// The device: its id, as `devices list` shows it
    #[arg(value_parser = device_id)]
    device: DeviceId,
}

/// Take back the suspicions against a device, so that it gets new rights again
#[derive(Debug, clap::Args)]
struct Clear {
    /// The device: its id, as `devices list` shows it
    #[arg(value_parser = device_id)]
    device: DeviceId,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

/// Declare a device dead, so that its units can go to another at once
///
/// It gets nothing any more. Nobody has proven that it is gone: what is written off is counted, and
/// the policy of its owner's tier says how much may be.
#[derive(Debug, clap::Args)]
struct DeclareDead {
    /// The device: its id, as `devices list` shows it
    #[arg(value_parser = device_id)]
    device: DeviceId,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

/// Let a device come back that was declared dead
///
/// It begins with an empty set, and is served again when it has signed for that.
#[derive(Debug, clap::Args)]
struct Readmit {
    /// The device: its id, as `devices list` shows it
    #[arg(value_parser = device_id)]
    device: DeviceId,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

row!(
    /// A device in a list.
    DeviceLine {
        device: String,
        serial: String,
        product_line: String,
        state: String,
        key_loss: Option<String>,
        owner: Option<String>,
        site: Option<String>,
        purpose: String,
        software: Option<String>,
        generation: Option<i64>,
        acknowledged: Option<i64>,
        first_contact: Option<String>,
        last_contact: Option<String>,
    }
);

impl From<Device> for DeviceLine {
    fn from(device: Device) -> Self {
        let software = [device.software, device.software_version];
        let software: Vec<_> = software.into_iter().flatten().collect();
        Self {
            device: device.id,
            serial: device.serial,
            product_line: device.product_line,
            state: device.state.to_string(),
            key_loss: device.key_loss.map(|loss| loss.to_string()),
            owner: device.owner.map(|owner| owner.name),
            site: device.site,
            purpose: device.purpose.to_string(),
            software: (!software.is_empty()).then(|| software.join(" ")),
            generation: device.generation,
            acknowledged: device.acknowledged_generation,
            first_contact: device.first_contact_at.map(|at| at.to_string()),
            last_contact: device.last_contact_at.map(|at| at.to_string()),
        }
    }
}

row!(
    /// A key of a device.
    KeyLine {
        key: String,
        state: String,
        anchor: String,
        certificate_until: String,
        since: String,
    }
);

impl From<DeviceKey> for KeyLine {
    fn from(key: DeviceKey) -> Self {
        Self {
            key: key.thumbprint,
            state: key.state.to_string(),
            anchor: key.trust_anchor,
            certificate_until: key.certificate_ends_at.to_string(),
            since: key.recorded_at.to_string(),
        }
    }
}

row!(
    /// A key that was shown for the device, and is no device's.
    WaitingKeyLine {
        key: String,
        shown: String,
        is_expected: bool,
    }
);

/// The keys that wait, and the one that is expected, though it was not shown yet.
fn waiting_keys(shown: Vec<DeviceWaitingKey>, expected: Option<&str>) -> Vec<WaitingKeyLine> {
    let line = |waiting: DeviceWaitingKey| WaitingKeyLine {
        is_expected: expected == Some(waiting.thumbprint.as_str()),
        key: waiting.thumbprint,
        shown: waiting.shown_at.to_string(),
    };
    shown.into_iter().map(line).collect()
}

row!(
    /// What the device wanted, and how that stands.
    CaseLine {
        want: String,
        step: String,
        state: String,
        denied_by: Option<String>,
        remedy: Option<String>,
        opened: String,
        closed: Option<String>,
    }
);

impl From<Case> for CaseLine {
    fn from(case: Case) -> Self {
        Self {
            want: case.want,
            step: case.step.to_string(),
            state: case.state.to_string(),
            denied_by: case.denied_by.map(|rule| rule.to_string()),
            remedy: case.remedy,
            opened: case.opened_at.to_string(),
            closed: case.closed_at.map(|at| at.to_string()),
        }
    }
}

row!(
    /// What the device refused for the build of its firmware, and is given again.
    RegrantLine {
        entitlement: String,
        tries: i64,
        denied_by: Option<String>,
        remedy: Option<String>,
        next_try: Option<String>,
        given_up: bool,
    }
);

impl From<DeviceRegrant> for RegrantLine {
    fn from(regrant: DeviceRegrant) -> Self {
        Self {
            entitlement: regrant.reference,
            tries: regrant.tries,
            denied_by: regrant.denied_by.map(|rule| rule.to_string()),
            remedy: regrant.remedy,
            next_try: regrant.next_try_at.map(|at| at.to_string()),
            given_up: regrant.given_up,
        }
    }
}

/// All that is known of a device.
#[derive(Serialize)]
struct Sheet {
    #[serde(flatten)]
    device: DeviceLine,
    /// The only key that is taken as its first, or as that of its new board.
    expected_key: Option<String>,
    keys: Vec<KeyLine>,
    waiting_keys: Vec<WaitingKeyLine>,
    activations: Vec<ActivationLine>,
    cases: Vec<CaseLine>,
    regrants: Vec<RegrantLine>,
}

/// What is to be done after a device was declared dead.
const FREE: &str =
    "its units are free: give them to another with `fleetgrant activations take-over`";

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if let Some(gateway) = Remote::of(global)? {
        return remote::run(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    match &args.command {
        Command::List(args) => list(&ledger, args),
        Command::Show(args) => show(&ledger, args),
        Command::Admit(args) => admit(&ledger, args),
        Command::Push(args) => {
            let outcome = ledger.act(&args.device, Act::Push)?;
            super::note(&activations::what_follows(&outcome));
            Ok(())
        }
        Command::Clear(args) => {
            if args.preview {
                return activations::show_only(&ledger, &args.device, Act::Clear);
            }
            ledger.act(&args.device, Act::Clear).map(drop)
        }
        Command::DeclareDead(args) => {
            let act = Act::DeclareDead(Leave::Policy);
            if args.preview {
                return activations::show_only(&ledger, &args.device, act);
            }
            ledger.act(&args.device, act)?;
            super::note(FREE);
            Ok(())
        }
        Command::Transfer(args) => transfer(&ledger, args),
        Command::Repair(args) => repair::repair(&ledger, args),
        Command::RevokeKey(args) => repair::revoke_key(&ledger, args),
        Command::Readmit(args) => {
            if args.preview {
                return activations::show_only(&ledger, &args.device, Act::Readmit);
            }
            let outcome = ledger.act(&args.device, Act::Readmit)?;
            super::note(&activations::what_follows(&outcome));
            Ok(())
        }
    }
}

fn list(ledger: &Ledger, args: &List) -> Result<(), Failure> {
    let filter = DeviceFilter {
        id: None,
        state: args.state,
        owners: ledger.parties(args.owner.as_deref())?,
        product_line: args.product_line.clone(),
        key: args.key,
        within: None,
        part: args.list.part()?,
    };
    filter.check()?;
    let limit = args.list.rows_to_read();
    let rows = ledger.read(move |db| listing::devices(db, &filter, limit))?;
    let rows = args.list.cut(rows);
    show_list(args, rows.into_iter().map(Device::from).collect())
}

fn show_list(args: &List, devices: Vec<Device>) -> Result<(), Failure> {
    let lines: Vec<_> = devices.into_iter().map(DeviceLine::from).collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}

fn admit(ledger: &Ledger, args: &Admit) -> Result<(), Failure> {
    let key = match args.key {
        Some(key) => key,
        None => {
            let device = row(ledger, &args.device)?;
            check_waits(device.state.0).map_err(Failure::refused)?;
            key_shown(ledger, &device)?
        }
    };
    if args.preview {
        ledger.preview(&args.device, Act::Admit(key))?;
    } else {
        ledger.act(&args.device, Act::Admit(key))?;
    }
    tell_of_admission(args, key);
    Ok(())
}

fn tell_of_admission(args: &Admit, key: KeyThumbprint) {
    super::note(&format!(
        "{} is admitted under the key {key} when it next asks",
        args.device
    ));
    if args.preview {
        super::note("nothing was changed");
    }
}

/// The key that a device showed when it was told to wait, of its history.
fn key_shown(ledger: &Ledger, device: &DeviceRow) -> Result<KeyThumbprint, Failure> {
    let filter = HistoryFilter {
        stream: Some(format!("device:{}", device.id)),
        kinds: vec![EventKind::DeviceQuarantined],
        ..HistoryFilter::default()
    };
    let waits = ledger.read(move |db| history::page(db, &filter, &Part::default(), PART))?;
    let shown = waits.last().and_then(|event| event.body.get("key"));
    shown
        .and_then(|key| key_thumbprint(key.as_str()?).ok())
        .ok_or_else(|| no_key_shown(&device.id, device.state.0))
}

fn no_key_shown(device: &str, state: DeviceState) -> Failure {
    Failure::refused(anyhow!(
        "{device} is {state}, and was never told to wait, so no key of it is known: give the one that \
         it will have with --key"
    ))
}

fn row(ledger: &Ledger, device: &DeviceId) -> Result<DeviceRow, Failure> {
    let filter = DeviceFilter {
        id: Some(device.clone()),
        ..DeviceFilter::default()
    };
    let found = ledger.read(move |db| listing::devices(db, &filter, 1))?;
    found.into_iter().next().ok_or_else(|| unknown(device))
}

fn unknown(device: &DeviceId) -> Failure {
    Failure::refused(anyhow!(
        "there is no device {device}: list them with `fleetgrant devices list`"
    ))
}

/// Rows of each part of a sheet.
const PART: i64 = 200;

fn show(ledger: &Ledger, args: &Show) -> Result<(), Failure> {
    let device = args.device.clone();
    let sheet = ledger.read(move |db| {
        let filter = DeviceFilter {
            id: Some(device.clone()),
            ..DeviceFilter::default()
        };
        let Some(row) = listing::devices(db, &filter, 1)?.pop() else {
            return Ok(None);
        };
        let keys = listing::credentials(db, &device)?;
        let waiting = waiting_key::of_device(db, &device)?;
        let cases = case::of_device(db, device.as_str(), PART)?;
        let regrants = regrant::awaited(db, &device)?;
        let filter = ActivationFilter {
            device: Some(device),
            ..ActivationFilter::default()
        };
        let activations = listing::activations(db, &filter, PART)?;
        let keys = keys.into_iter().map(DeviceKey::from);
        let activations = activations.into_iter().map(Activation::from);
        let cases = cases.into_iter().map(Case::from);
        let regrants = regrants.into_iter().map(DeviceRegrant::from);
        let device = Device::from(row);
        let waiting = waiting.into_iter().map(DeviceWaitingKey::from).collect();
        Ok(Some(Sheet {
            waiting_keys: waiting_keys(waiting, device.expected_key.as_deref()),
            expected_key: device.expected_key.clone(),
            device: device.into(),
            keys: keys.map(Into::into).collect(),
            activations: activations.map(Into::into).collect(),
            cases: cases.map(Into::into).collect(),
            regrants: regrants.map(Into::into).collect(),
        }))
    })?;
    let sheet = sheet.ok_or_else(|| unknown(&args.device))?;
    show_sheet(args, sheet)
}

fn show_sheet(args: &Show, sheet: Sheet) -> Result<(), Failure> {
    match args.output {
        Format::Json => output::print_json(&sheet),
        Format::Csv => output::print(Format::Csv, &[sheet.device]),
        Format::Table => output::print_record(&sheet.device)
            .and_then(|()| output::print_part("keys", &sheet.keys))
            .and_then(|()| output::print_part("waiting keys", &sheet.waiting_keys))
            .and_then(|()| output::print_part("activations", &sheet.activations))
            .and_then(|()| output::print_part("cases", &sheet.cases))
            .and_then(|()| output::print_part("regrants", &sheet.regrants)),
    }
    .or_unavailable(|| "cannot write the device".to_owned())
}

fn transfer(ledger: &Ledger, args: &Transfer) -> Result<(), Failure> {
    let to = ledger.party(&args.to)?;
    let effects = if args.preview {
        Effects::Undone
    } else {
        Effects::Kept
    };
    let resale = ledger.transfer_device(&args.device, to, effects)?;
    tell_of_transfer(args, &resale.into());
    Ok(())
}

fn tell_of_transfer(args: &Transfer, transferred: &DeviceTransferred) {
    if !transferred.changed {
        super::note(&format!("{} belongs to {} already", args.device, args.to));
        return;
    }
    for moved in &transferred.moved {
        let MovedUnits { from, to, units } = moved;
        super::note(&format!("{units} units of {from} are {to} now"));
    }
    super::note(&format!("{} belongs to {} now", args.device, args.to));
    if args.preview {
        super::note("nothing was changed");
    }
}
