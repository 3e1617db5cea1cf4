//! `fleetgrant doctor`: what keeps the gateway from working, and what to do about it.

mod broker;
mod database;
mod files;
mod time;

use std::io::{self, Write};

use anyhow::anyhow;

use super::output::{self, Format, row};
use super::stdout::stdout;
use super::{Failure, Global, OrUnavailable};
use crate::clock::Clock;
use crate::config::Config;

/// Check configuration, keys, clock, database and broker, and say what to do
///
/// Changes nothing. Ends with 0 if nothing failed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The form of the findings
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

row!(
    /// One thing that was looked at.
    Finding {
        /// What.
        check: &'static str,
        /// `ok`, `warn` or `fail`.
        verdict: &'static str,
        /// What was found.
        found: String,
        /// What to do; empty if nothing.
        advice: String,
    }
);

const FAIL: &str = "fail";

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, "ok", found, "")
    }

    fn warn(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(check, "warn", found, advice)
    }

    fn fail(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(check, FAIL, found, advice)
    }

    fn new(
        check: &'static str,
        verdict: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            check,
            verdict,
            found: found.into(),
            advice: advice.into(),
        }
    }
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let findings = match global.load() {
        Ok(config) => examine(&config),
        Err(cause) => vec![Finding::fail(
            "configuration",
            cause.to_string(),
            "mend it; nothing else can be checked before",
        )],
    };
    print(args.output, &findings).or_unavailable(|| "cannot write the findings".to_owned())?;
    match findings
        .iter()
        .filter(|finding| finding.verdict == FAIL)
        .count()
    {
        0 => Ok(()),
        1 => Err(Failure::refused(anyhow!("one check failed"))),
        count => Err(Failure::refused(anyhow!("{count} checks failed"))),
    }
}

fn examine(config: &Config) -> Vec<Finding> {
    let now = Clock::system().now();
    let mut findings = vec![configuration(config)];
    findings.extend(time::examine(config, now));
    findings.push(files::data_dir(&config.data_dir));
    findings.extend(files::examine(config, now));
    findings.push(database::examine(&config.database));
    findings.extend(database::lines_of_people(config));
    findings.extend(broker::examine(&config.broker));
    findings
}

fn configuration(config: &Config) -> Finding {
    let realm = &config.realm;
    let found = match &config.file {
        Some(path) => format!("{} is well formed; realm {realm}", path.display()),
        None => format!("no file; variables and options are well formed; realm {realm}"),
    };
    Finding::ok("configuration", found)
}

fn print(format: Format, findings: &[Finding]) -> io::Result<()> {
    if format != Format::Table {
        return output::print(format, findings);
    }
    let mut out = stdout();
    for finding in findings {
        let Finding {
            check,
            verdict,
            found,
            advice,
        } = finding;
        writeln!(out, "{verdict:4}  {check:14} {}", output::printable(found))?;
        if !advice.is_empty() {
            writeln!(out, "      {:14} → {}", "", output::printable(advice))?;
        }
    }
    out.flush()
}
