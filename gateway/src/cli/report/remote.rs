//! The same, on another gateway.

use std::time::Duration;

use anyhow::anyhow;
use serde::de::DeserializeOwned;

use super::{
    Activations, Args, Command, Delay, Expiring, OfLine, Operations, Stuck, Utilisation, customer,
    events, figures, reconcile,
};
use crate::cli::remote::Query;
use crate::cli::{Failure, OrUnavailable as _, Remote, note};
use crate::clock::Clock;
use crate::http::value;
use crate::report::delay::DelayReport;
use crate::when::When;

/// Rows of each step of what is stuck, at most.
const MOST_STUCK: u32 = 1_000;
const DAY: u64 = 86_400;

/// The reports of another gateway.
struct Reports<'a> {
    gateway: &'a Remote,
    /// How old they may be; nothing is said.
    oldest: Option<Duration>,
}

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    let reports = Reports {
        gateway,
        oldest: args.max_age,
    };
    match &args.command {
        Command::Activation(args) => {
            let query = Query::default()
                .with("since", instant(gateway, args.since))
                .with("product_line", args.product_line.as_deref());
            let report = reports.ask("activation", &query)?;
            figures::print_activation(args.output.output, &report)
        }
        Command::OrderToActivation(args) => figures::print_delay(
            args.output.output,
            &delay(&reports, "order-to-activation", args)?,
        ),
        Command::ShipmentToActivation(args) => {
            let report = delay(&reports, "shipment-to-activation", args)?;
            figures::print_delay(args.output.output, &report)
        }
        Command::Platforms(args) => {
            let platforms = reports.ask("platforms", &of_line(args))?;
            figures::print_platforms(args.output.output, platforms)
        }
        Command::LicenseModels(args) => {
            let report = reports.ask("license-models", &of_line(args))?;
            figures::print_usage(args.output.output, report)
        }
        Command::Utilisation(args) => {
            let query = by(args);
            figures::print_usage(args.output.output, reports.ask("utilisation", &query)?)
        }
        Command::Activations(args) => {
            let report = reports.ask("activations", &shares(gateway, args)?)?;
            figures::print_shares(args.output.output, report)
        }
        Command::Operations(args) => {
            let report = reports.ask("operations", &operations(gateway, args))?;
            figures::print_operations(args.output.output, args.devices, report)
        }
        Command::Uses(args) => {
            let query = by(args);
            figures::print_uses(args.output.output, reports.ask("uses", &query)?)
        }
        Command::Expiring(args) => {
            let (soon, _) = gateway.pages("/reports/expiring", expiring(args)?, usize::MAX)?;
            figures::print_expiring(args.output.output, soon)
        }
        Command::Tiers(args) => {
            let suggested = reports.ask("tiers", &Query::default())?;
            figures::print_tiers(args.output, suggested)
        }
        Command::Stuck(args) => {
            let stuck = reports.ask("stuck", &stuck(args)?)?;
            figures::print_stuck(args.output.output, stuck, Clock::system().now())
        }
        Command::Events(args) => return events::run_remote(gateway, args),
        Command::Reconcile(args) => return reconcile::run_remote(gateway, args),
        Command::Customer(args) => return customer::run_remote(gateway, args),
    }
    .or_unavailable(|| "cannot write the report".to_owned())
}

impl Reports<'_> {
    /// Asks for a report; how old it is, if that matters, is told beside it.
    fn ask<T: DeserializeOwned>(&self, report: &str, query: &Query) -> Result<T, Failure> {
        let path = format!("/reports/{report}");
        let (report, age) = self.gateway.get_made(&path, query, self.oldest)?;
        if let Some(minutes) = age.map(|age| age.as_secs() / 60).filter(|age| *age > 0) {
            note(&format!(
                "the figures are of {minutes} min ago; --max-age 0s has them made now"
            ));
        }
        Ok(report)
    }
}

fn instant(gateway: &Remote, when: Option<When>) -> Option<value::When> {
    when.map(|when| value::When(when.at(gateway.zone())))
}

fn interval(gateway: &Remote, since: Option<When>, until: Option<When>) -> Query {
    Query::default()
        .with("since", instant(gateway, since))
        .with("until", instant(gateway, until))
}

fn delay(reports: &Reports<'_>, report: &str, args: &Delay) -> Result<DelayReport, Failure> {
    let query = interval(reports.gateway, args.since, args.until)
        .with("by", Some(args.by.as_str()))
        .with("product_line", args.product_line.as_deref());
    reports.ask(report, &query)
}

fn operations(gateway: &Remote, args: &Operations) -> Query {
    interval(gateway, args.since, args.until)
        .with("by", Some(args.by.as_str()))
        .with("product_line", args.product_line.as_deref())
}

fn shares(gateway: &Remote, args: &Activations) -> Result<Query, Failure> {
    let by = args.by.to_string();
    let days = args
        .within
        .map(|within| days("--within", within))
        .transpose()?;
    Ok(interval(gateway, args.since, args.until)
        .with("within_days", days)
        .with("by", (!by.is_empty()).then_some(by))
        .with("product_line", args.product_line.as_deref()))
}

fn of_line(args: &OfLine) -> Query {
    Query::default().with("product_line", args.product_line.as_deref())
}

fn by(args: &Utilisation) -> Query {
    Query::default()
        .with("by", Some(args.by.as_str()))
        .with("product_line", args.product_line.as_deref())
}

fn expiring(args: &Expiring) -> Result<Query, Failure> {
    let days = days("--within", args.within)?;
    Ok(Query::default()
        .with("days", Some(days))
        .with("product_line", args.product_line.as_deref()))
}

fn stuck(args: &Stuck) -> Result<Query, Failure> {
    if args.most > MOST_STUCK {
        let told = format!("--most: a gateway tells of {MOST_STUCK} of each step at most");
        return Err(Failure::input(anyhow!(told)));
    }
    let limits = args.limit.iter();
    let limits: Vec<_> = limits
        .map(|(step, limit)| format!("{}={}s", step.as_str(), limit.as_secs()))
        .collect();
    Ok(Query::default()
        .with("step", args.step.map(|step| step.as_str()))
        .with("limits", (!limits.is_empty()).then(|| limits.join(",")))
        .with("most", Some(args.most))
        .with("product_line", args.product_line.as_deref()))
}

/// A length of time as the API takes it.
fn days(option: &str, length: Duration) -> Result<u64, Failure> {
    let seconds = length.as_secs();
    if seconds.is_multiple_of(DAY) {
        Ok(seconds / DAY)
    } else {
        Err(Failure::input(anyhow!(
            "{option}: a gateway counts whole days, as 30d"
        )))
    }
}
