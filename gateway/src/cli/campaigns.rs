//! `fleetgrant campaigns`: one deed for many devices, in waves.

mod remote;

use fleetgrant_core::campaign::{CampaignState, Command as Told, DeviceStep};
use serde::Serialize;

use super::ledger::{Ledger, ListArgs};
use super::output::{self, Format, row};
use super::{Failure, Global, OrUnavailable, Remote};
use crate::campaign::{CampaignError, PlanTerms, Selection, Terms};
use crate::http::campaigns::{
    self as shown, Campaign, CampaignDevice, CampaignFailure, CampaignSheet, Wave,
};
use crate::store::campaign::{self as store, CampaignDeviceSort, CampaignSort, DevicesFilter};

/// Give, upgrade or revoke for many devices, in waves
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Create(Box<Create>),
    List(List),
    Show(Show),
    Devices(Devices),
    /// Begin with the first wave
    Start(Which),
    /// Let no device have its turn until it is resumed; what is out is out
    Pause(Which),
    /// Go on; what failed so far is excused
    Resume(Which),
    /// End it for good; what is out is out
    Abort(Which),
}

/// Make a campaign; `serve` then looks up its devices, and it waits to be started
///
/// With --upgrade-to and one of --take it is an upgrade: each unit that is taken becomes one of the
/// product that replaces it. With --give and one of --take it is an exchange: what is taken leaves in
/// the set that brings what is given, and only where that can be given.
#[derive(Debug, clap::Args)]
struct Create {
    /// What people call it
    name: String,
    /// Give units of this entitlement: its reference or its id
    #[arg(long, value_name = "ENTITLEMENT")]
    give: Option<String>,
    /// Units that each device is to have in total
    #[arg(long, value_name = "UNITS", requires = "give")]
    total: Option<u32>,
    /// Take back what devices have of this entitlement
    #[arg(long, value_name = "ENTITLEMENT", conflicts_with = "take_product")]
    take: Option<String>,
    /// Take back what devices have of this product
    #[arg(long, value_name = "CODE")]
    take_product: Option<String>,
    /// Upgrade what is taken to this product, which replaces it
    #[arg(long, value_name = "CODE", conflicts_with = "give")]
    upgrade_to: Option<String>,
    /// Once it has finished, upgrade units that no device uses as well
    #[arg(long, requires = "upgrade_to")]
    move_free_units: bool,
    /// Only devices of this customer: a name, or an id that some system calls it by
    #[arg(long, value_name = "PARTY")]
    customer: Vec<String>,
    /// Only devices of this product line
    #[arg(long, value_name = "NAME")]
    product_line: Vec<String>,
    /// Only devices of this hardware model, as `report platforms` shows it
    #[arg(long, value_name = "HWMODEL")]
    model: Vec<String>,
    /// Only devices that say they run this version
    #[arg(long, value_name = "SWVERSION")]
    software_version: Vec<String>,
    /// Only these devices
    #[arg(long, value_name = "DEVICE", value_delimiter = ',')]
    device: Vec<String>,
    /// Sizes of the waves, as 10,5%,25%; what is left over is one more [default: 1%,10%]
    #[arg(long, value_name = "SIZES", value_delimiter = ',')]
    waves: Option<Vec<String>>,
    /// The share of a wave that must succeed before the next begins [default: 95%]
    #[arg(long, value_name = "SHARE")]
    success: Option<String>,
    /// What happens when a wave has passed: next or pause [default: next]
    #[arg(long, value_name = "ACT")]
    on_success: Option<String>,
    /// The share of a wave at which its failures are too many [default: 5%]
    #[arg(long, value_name = "SHARE")]
    failure: Option<String>,
    /// What happens then: pause or stop [default: pause]
    #[arg(long, value_name = "ACT")]
    on_failure: Option<String>,
    /// How many devices get their turn in how long [default: 100/min]
    #[arg(long, value_name = "DEVICES/TIME")]
    rate: Option<String>,
    /// Seconds that a device has to sign, before it counts as failed [default: 604800]
    #[arg(long, value_name = "SECONDS")]
    patience: Option<u32>,
    /// Until when devices that fit later join, as a date or an instant [default: they do not]
    #[arg(long, value_name = "WHEN")]
    late_until: Option<String>,
    /// Only shows how many devices it would be for
    #[arg(long)]
    preview: bool,
}

/// List campaigns, the oldest first
#[derive(Debug, clap::Args)]
struct List {
    /// Only those that stand so, as running
    #[arg(long)]
    state: Option<CampaignState>,
    #[command(flatten)]
    list: ListArgs<CampaignSort>,
}

/// Show how a campaign goes: its waves, and why devices failed
#[derive(Debug, clap::Args)]
struct Show {
    #[command(flatten)]
    which: Which,
    /// The form of what is shown
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// List the devices of a campaign, by id
#[derive(Debug, clap::Args)]
struct Devices {
    #[command(flatten)]
    which: Which,
    /// Only those that stand so, as failed
    #[arg(long)]
    step: Option<DeviceStep>,
    #[command(flatten)]
    list: ListArgs<CampaignDeviceSort>,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Its name or its id
    campaign: String,
}

row!(
    /// A campaign in a list.
    CampaignLine {
        campaign: String,
        name: String,
        state: String,
        because: Option<String>,
        gives: Option<String>,
        total: Option<i64>,
        takes: Option<String>,
        upgrades_to: Option<String>,
        created_by: String,
        created: String,
        started: Option<String>,
        ended: Option<String>,
    }
);

impl From<Campaign> for CampaignLine {
    fn from(it: Campaign) -> Self {
        Self {
            campaign: it.id.to_string(),
            takes: it.takes.or(it.takes_product).map(|id| id.to_string()),
            upgrades_to: it.upgrades_to.map(|id| id.to_string()),
            name: it.name,
            state: it.state.to_string(),
            because: it.because.map(|because| because.to_string()),
            gives: it.gives.map(|id| id.to_string()),
            total: it.total,
            created_by: it.created_by,
            created: it.created_at.to_string(),
            started: it.started_at.map(|at| at.to_string()),
            ended: it.ended_at.map(|at| at.to_string()),
        }
    }
}

row!(
    /// A wave.
    WaveLine {
        wave: usize,
        state: String,
        devices: u64,
        waiting: u64,
        open: u64,
        succeeded: u64,
        failed: u64,
        skipped: u64,
    }
);

impl WaveLine {
    fn of(number: usize, wave: Wave) -> Self {
        Self {
            wave: number,
            state: wave.state.to_string(),
            devices: wave.devices,
            waiting: wave.waiting,
            open: wave.open,
            succeeded: wave.succeeded,
            failed: wave.failed,
            skipped: wave.skipped,
        }
    }
}

row!(
    /// Why devices failed.
    FailureLine {
        reason: String,
        rule: Option<String>,
        remedy: Option<String>,
        devices: u64,
    }
);

impl From<CampaignFailure> for FailureLine {
    fn from(failure: CampaignFailure) -> Self {
        Self {
            reason: failure.reason.to_string(),
            rule: failure.rule.map(|rule| rule.to_string()),
            remedy: failure.remedy,
            devices: failure.devices,
        }
    }
}

row!(
    /// A device of a campaign.
    DeviceLine {
        device: String,
        wave: Option<i16>,
        step: String,
        reason: Option<String>,
        rule: Option<String>,
        turn: Option<String>,
        changed: String,
    }
);

impl From<CampaignDevice> for DeviceLine {
    fn from(row: CampaignDevice) -> Self {
        Self {
            device: row.device,
            wave: row.wave,
            step: row.step.to_string(),
            reason: row.reason.map(|failing| failing.to_string()),
            rule: row.rule.map(|rule| rule.to_string()),
            turn: row.turn_at.map(|at| at.to_string()),
            changed: row.changed_at.to_string(),
        }
    }
}

/// How a campaign goes.
#[derive(Serialize)]
struct Sheet {
    #[serde(flatten)]
    campaign: CampaignLine,
    selection: Selection,
    waves: Vec<WaveLine>,
    failures: Vec<FailureLine>,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if let Some(gateway) = Remote::of(global)? {
        return remote::run(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    match &args.command {
        Command::Create(args) => create(&ledger, args),
        Command::List(args) => list(&ledger, args),
        Command::Show(args) => show(&ledger, args),
        Command::Devices(args) => devices(&ledger, args),
        Command::Start(which) => tell(&ledger, which, Told::Start),
        Command::Pause(which) => tell(&ledger, which, Told::Pause),
        Command::Resume(which) => tell(&ledger, which, Told::Resume),
        Command::Abort(which) => tell(&ledger, which, Told::Abort),
    }
}

fn create(ledger: &Ledger, args: &Create) -> Result<(), Failure> {
    let terms = args.terms();
    if args.preview {
        let selection = terms.devices.clone();
        ledger.preview_campaign(terms)?;
        let devices = ledger.read(move |db| store::count_fitting(db, &selection))?;
        tell_of_selection(&args.name, devices);
        return Ok(());
    }
    let row = ledger.create_campaign(terms)?;
    tell_of_creation(&row.name);
    Ok(())
}

fn tell_of_selection(name: &str, devices: u64) {
    super::note(&format!(
        "{name} would be for {devices} devices, as they are now"
    ));
    super::note("nothing was changed");
}

fn tell_of_creation(name: &str) {
    super::note(&format!(
        "`fleetgrant serve` looks up its devices; then begin it with `fleetgrant campaigns start {name}`"
    ));
}

impl Create {
    fn terms(&self) -> Terms {
        let args = self;
        let usual = PlanTerms::default();
        let or = |given: &Option<String>, usual: String| given.clone().unwrap_or(usual);
        Terms {
            name: args.name.clone(),
            give: args.give.clone(),
            total: args.total,
            take: args.take.clone(),
            take_product: args.take_product.clone(),
            upgrade_to: args.upgrade_to.clone(),
            devices: Selection {
                customers: args.customer.clone(),
                product_lines: args.product_line.clone(),
                models: args.model.clone(),
                versions: args.software_version.clone(),
                ids: args.device.clone(),
            },
            plan: PlanTerms {
                waves: args.waves.clone().unwrap_or(usual.waves),
                success: or(&args.success, usual.success),
                on_success: or(&args.on_success, usual.on_success),
                failure: or(&args.failure, usual.failure),
                on_failure: or(&args.on_failure, usual.on_failure),
                rate: or(&args.rate, usual.rate),
                patience_seconds: args.patience.unwrap_or(usual.patience_seconds),
                late_until: args.late_until.clone(),
                move_free_units: args.move_free_units,
            },
        }
    }
}

fn tell(ledger: &Ledger, which: &Which, told: Told) -> Result<(), Failure> {
    let row = ledger.tell_campaign(&which.campaign, told)?;
    super::note(&format!("{} is {}", row.name, row.state.0));
    Ok(())
}

fn list(ledger: &Ledger, args: &List) -> Result<(), Failure> {
    let (state, part, limit) = (args.state, args.list.part()?, args.list.rows_to_read());
    let rows = ledger.read(move |db| store::list(db, state, None, &part, limit))?;
    let rows = args.list.cut(rows);
    show_list(args, rows.into_iter().map(Campaign::from).collect())
}

fn show_list(args: &List, campaigns: Vec<Campaign>) -> Result<(), Failure> {
    let lines: Vec<_> = campaigns.into_iter().map(CampaignLine::from).collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}

fn found<T>(row: Option<T>, which: &Which) -> Result<T, Failure> {
    row.ok_or_else(|| CampaignError::Unknown(which.campaign.clone()).into())
}

fn show(ledger: &Ledger, args: &Show) -> Result<(), Failure> {
    let called = args.which.campaign.clone();
    let sheet = ledger.read(move |db| shown::sheet(db, &called))?;
    show_sheet(args, found(sheet, &args.which)?)
}

fn show_sheet(args: &Show, sheet: CampaignSheet) -> Result<(), Failure> {
    let waves = (1..).zip(sheet.waves);
    let sheet = Sheet {
        selection: sheet.selection,
        campaign: sheet.campaign.into(),
        waves: waves
            .map(|(number, wave)| WaveLine::of(number, wave))
            .collect(),
        failures: sheet.failures.into_iter().map(Into::into).collect(),
    };
    match args.output {
        Format::Json => output::print_json(&sheet),
        Format::Csv => output::print(Format::Csv, &sheet.waves),
        Format::Table => output::print_record(&sheet.campaign)
            .and_then(|()| output::print_part("waves", &sheet.waves))
            .and_then(|()| output::print_part("failures", &sheet.failures)),
    }
    .or_unavailable(|| "cannot write the campaign".to_owned())
}

fn devices(ledger: &Ledger, args: &Devices) -> Result<(), Failure> {
    let filter = DevicesFilter {
        step: args.step,
        part: args.list.part()?,
    };
    filter.check()?;
    let (called, limit) = (args.which.campaign.clone(), args.list.rows_to_read());
    let (row, rows) = ledger.read(move |db| {
        let Some(row) = store::called(db, &called)? else {
            return Ok((None, Vec::new()));
        };
        let rows = store::devices(db, row.id, &filter, limit)?;
        Ok((Some(row), rows))
    })?;
    found(row, &args.which)?;
    let rows = args.list.cut(rows);
    show_devices(args, rows.into_iter().map(CampaignDevice::from).collect())
}

fn show_devices(args: &Devices, devices: Vec<CampaignDevice>) -> Result<(), Failure> {
    let lines: Vec<_> = devices.into_iter().map(DeviceLine::from).collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}
