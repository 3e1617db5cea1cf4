//! The figures of reports: rounded for people, whole for programs.

use std::io;

use fleetgrant_core::domain::Timestamp;

use crate::cli::output::{self, Format, row};
use crate::report::activation::ActivationReport;
use crate::report::delay::{Delay, DelayReport};
use crate::report::expiring::Expiring;
use crate::report::operations::OperationsReport;
use crate::report::platform::PlatformUse;
use crate::report::share::ShareReport;
use crate::report::stuck::Stuck;
use crate::report::tiers::Suggested;
use crate::report::usage::{Usage, UsageReport};
use crate::report::uses::UsesReport;
use crate::report::{DataError, Spoken};

row!(
    /// A figure of a report.
    Figure {
        section: &'static str,
        item: String,
        value: String,
    }
);

pub(super) fn print_activation(form: Format, report: &ActivationReport) -> io::Result<()> {
    match form {
        Format::Json => output::print_json(report),
        Format::Table => output::print_text(&report.lines()),
        Format::Csv => {
            let figures: Vec<_> = report
                .lines()
                .0
                .into_iter()
                .map(|(section, item, value)| Figure {
                    section,
                    item,
                    value,
                })
                .collect();
            output::print(Format::Csv, &figures)
        }
    }
}

row!(
    /// How long the units of a group take, for people.
    DelayLine {
        group: String,
        activated: String,
        mean_of_those: String,
        median: String,
        p95: String,
    }
);

row!(
    /// How long the units of a group take, for programs.
    DelayFigures {
        group: String,
        n: u64,
        of: u64,
        mean_seconds: Option<f64>,
        median_seconds: Option<f64>,
        p95_seconds: Option<f64>,
    }
);

row!(
    /// Units whose dates contradict each other.
    DataErrorLine {
        what: String,
        device: Option<String>,
        units: u64,
        begins: String,
        ends: String,
    }
);

pub(super) fn print_delay(form: Format, report: &DelayReport) -> io::Result<()> {
    match form {
        Format::Json => output::print_json(report),
        Format::Csv => {
            let figures: Vec<_> = report.groups.iter().map(DelayFigures::from).collect();
            output::print(Format::Csv, &figures)?;
            if report.data_errors_in_all > 0 {
                crate::cli::note(&format!(
                    "{} left out, whose dates contradict each other: see them with --output table",
                    report.data_errors_in_all
                ));
            }
            Ok(())
        }
        Format::Table => {
            let lines: Vec<_> = report.groups.iter().map(DelayLine::from).collect();
            output::print(Format::Table, &lines)?;
            if report.surplus > 0 {
                let surplus = report.surplus;
                crate::cli::note(&format!(
                    "left out: {surplus} units activated beyond those ordered or shipped"
                ));
            }
            let errors: Vec<_> = report.data_errors.iter().map(DataErrorLine::from).collect();
            let told = errors.len() as u64;
            output::print_part("left out, since it ends before it begins", &errors)?;
            if report.data_errors_in_all > told {
                let more = report.data_errors_in_all - told;
                crate::cli::note(&format!("and {more} more like these"));
            }
            Ok(())
        }
    }
}

impl From<&Delay> for DelayLine {
    fn from(delay: &Delay) -> Self {
        let summary = &delay.summary;
        Self {
            group: delay.group.clone(),
            activated: format!("{} of {}", summary.over, summary.all),
            mean_of_those: Spoken(summary.mean).to_string(),
            median: Spoken(summary.median).to_string(),
            p95: Spoken(summary.p95).to_string(),
        }
    }
}

impl From<&Delay> for DelayFigures {
    fn from(delay: &Delay) -> Self {
        let summary = &delay.summary;
        Self {
            group: delay.group.clone(),
            n: summary.over,
            of: summary.all,
            mean_seconds: summary.mean.map(|mean| mean.as_secs_f64()),
            median_seconds: summary.median.map(|median| median.as_secs_f64()),
            p95_seconds: summary.p95.map(|p95| p95.as_secs_f64()),
        }
    }
}

impl From<&DataError> for DataErrorLine {
    fn from(error: &DataError) -> Self {
        Self {
            what: error.subject.clone(),
            device: error.device.clone(),
            units: error.units,
            begins: error.from.to_string(),
            ends: error.to.to_string(),
        }
    }
}

row!(
    /// A platform with what is activated on it.
    PlatformLine {
        maker: Option<String>,
        hwmodel: Option<String>,
        software: Option<String>,
        version: Option<String>,
        devices: u64,
        units: u64,
    }
);

pub(super) fn print_platforms(form: Format, platforms: Vec<PlatformUse>) -> io::Result<()> {
    let lines = platforms.into_iter().map(|used| PlatformLine {
        maker: used.platform.maker,
        hwmodel: used.platform.hwmodel,
        software: used.platform.software,
        version: used.platform.version,
        devices: used.devices,
        units: used.units,
    });
    output::print(form, &lines.collect::<Vec<_>>())
}

row!(
    /// How much of a group is in use.
    UsageLine {
        group: String,
        entitlements: u64,
        unlimited: u64,
        units: u64,
        holding: u64,
        activated: u64,
        devices: u64,
        utilisation_percent: Option<f64>,
        at_risk: u64,
        uses: u64,
    }
);

pub(super) fn print_usage(form: Format, report: UsageReport) -> io::Result<()> {
    if form == Format::Json {
        return output::print_json(&report);
    }
    let lines: Vec<_> = report.groups.into_iter().map(UsageLine::from).collect();
    output::print(form, &lines)
}

impl From<Usage> for UsageLine {
    fn from(usage: Usage) -> Self {
        Self {
            group: usage.group,
            entitlements: usage.entitlements,
            unlimited: usage.unlimited,
            units: usage.units,
            holding: usage.holding,
            activated: usage.activated,
            devices: usage.devices,
            utilisation_percent: usage.utilisation.map(percent),
            at_risk: usage.at_risk,
            uses: usage.uses,
        }
    }
}

row!(
    /// Something that is stuck.
    StuckLine {
        step: &'static str,
        device: String,
        what: String,
        reason: Option<String>,
        since: String,
        waited: String,
        remedy: String,
    }
);

pub(super) fn print_stuck(form: Format, stuck: Vec<Stuck>, now: Timestamp) -> io::Result<()> {
    if form == Format::Json {
        return output::print_json(&stuck);
    }
    let lines = stuck.into_iter().map(|stuck| {
        let waited = std::time::Duration::from_secs(now.seconds_since(stuck.since));
        StuckLine {
            step: stuck.step.as_str(),
            device: stuck.device,
            what: stuck.what,
            reason: stuck.reason,
            since: stuck.since.to_string(),
            waited: Spoken(Some(waited)).to_string(),
            remedy: stuck.remedy.into_owned(),
        }
    });
    output::print(form, &lines.collect::<Vec<_>>())
}

row!(
    /// The activations of a group.
    ShareLine {
        group: String,
        activations: u64,
        activated: u64,
        of: u64,
        share_percent: Option<f64>,
    }
);

pub(super) fn print_shares(form: Format, report: ShareReport) -> io::Result<()> {
    if form == Format::Json {
        return output::print_json(&report);
    }
    let lines = report.groups.into_iter().map(|share| ShareLine {
        group: share.group,
        activations: share.activations,
        activated: share.activated,
        of: share.of,
        share_percent: share.share.map(percent),
    });
    output::print(form, &lines.collect::<Vec<_>>())
}

fn percent(ratio: f64) -> f64 {
    (ratio * 1e3).round() / 10.0
}

row!(
    /// What was done with what was sold of a group.
    OperationsLine {
        group: String,
        returned: u64,
        rehosted: u64,
        rehosted_unconfirmed: u64,
        temporary: u64,
        overdrawn: u64,
        overdraft: u64,
        at_risk: u64,
    }
);

pub(super) fn print_operations(
    form: Format,
    devices: bool,
    report: OperationsReport,
) -> io::Result<()> {
    if form == Format::Json {
        return output::print_json(&report);
    }
    let figures = device_figures(&report);
    if form == Format::Csv && devices {
        return output::print(form, &figures);
    }
    let lines = report.groups.into_iter().map(|group| OperationsLine {
        group: group.group,
        returned: group.returned,
        rehosted: group.rehosted,
        rehosted_unconfirmed: group.rehosted_unconfirmed,
        temporary: group.temporary,
        overdrawn: group.overdrawn,
        overdraft: group.overdraft,
        at_risk: group.at_risk,
    });
    output::print(form, &lines.collect::<Vec<_>>())?;
    match form {
        Format::Table => output::print_part("devices and cases", &figures),
        _ => {
            crate::cli::note("--devices writes resyncs, clones and cases, in place of this");
            Ok(())
        }
    }
}

fn device_figures(report: &OperationsReport) -> Vec<Figure> {
    let figure = |section, item: &str, value: String| Figure {
        section,
        item: item.to_owned(),
        value,
    };
    let resyncs = report.resyncs.iter();
    let mut figures: Vec<_> = resyncs
        .map(|(class, times)| figure("resyncs", class, times.to_string()))
        .collect();
    let success = &report.success;
    figures.extend([
        figure(
            "devices",
            "clone suspected",
            report.clones_suspected.to_string(),
        ),
        figure("devices", "rolled back", report.rolled_back.to_string()),
        figure("devices", "repaired", report.repairs.to_string()),
        figure("devices", "keys revoked", report.keys_revoked.to_string()),
        figure("cases", "opened", success.opened.to_string()),
        figure("cases", "activated in a day", success.activated.to_string()),
    ]);
    if let Some(share) = success.share {
        figures.push(figure("cases", "success", format!("{} %", percent(share))));
    }
    figures
}

row!(
    /// How often what is metered of a group was used.
    UsesLine {
        group: String,
        entitlements: u64,
        uses: u64,
        uses_of_limited: u64,
        allowed: u64,
        beyond: u64,
        overdrawn: u64,
        spent: u64,
    }
);

pub(super) fn print_uses(form: Format, report: UsesReport) -> io::Result<()> {
    if form == Format::Json {
        return output::print_json(&report);
    }
    let lines = report.groups.into_iter().map(|uses| UsesLine {
        group: uses.group,
        entitlements: uses.entitlements,
        uses: uses.uses,
        uses_of_limited: uses.uses_of_limited,
        allowed: uses.allowed,
        beyond: uses.beyond,
        overdrawn: uses.overdrawn,
        spent: uses.spent,
    });
    output::print(form, &lines.collect::<Vec<_>>())
}

row!(
    /// An entitlement of which something ends soon.
    ExpiringLine {
        ends_at: String,
        entitlement: String,
        owner: Option<String>,
        product: String,
        model: String,
        units: Option<u64>,
        in_use: u64,
    }
);

pub(super) fn print_expiring(form: Format, soon: Vec<Expiring>) -> io::Result<()> {
    if form == Format::Json {
        return output::print_json(&soon);
    }
    let lines = soon.into_iter().map(|expiring| ExpiringLine {
        ends_at: expiring.ends_at.to_string(),
        entitlement: expiring.entitlement,
        owner: expiring.owner,
        product: expiring.product,
        model: expiring.model,
        units: expiring.units,
        in_use: expiring.in_use,
    });
    output::print(form, &lines.collect::<Vec<_>>())
}

row!(
    /// A party that is suggested another tier.
    TierLine {
        party: String,
        tier: String,
        suggested: String,
        reached_percent: f64,
        bought: String,
        uncounted: String,
    }
);

pub(super) fn print_tiers(form: Format, suggested: Vec<Suggested>) -> io::Result<()> {
    if form == Format::Json {
        return output::print_json(&suggested);
    }
    let lines = suggested.into_iter().map(|told| {
        let bought = told.bought.iter();
        let bought: Vec<_> = bought
            .map(|(currency, value)| format!("{currency} {value}"))
            .collect();
        TierLine {
            party: told.party,
            tier: told.tier,
            suggested: told.suggested,
            reached_percent: percent(told.reached),
            bought: bought.join(", "),
            uncounted: told.uncounted.join(", "),
        }
    });
    output::print(form, &lines.collect::<Vec<_>>())
}
