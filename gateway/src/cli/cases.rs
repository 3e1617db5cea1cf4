//! `fleetgrant cases`: what devices want and do not have, and what waits for an approval.

mod remote;

use std::collections::HashMap;

use anyhow::anyhow;
use fleetgrant_core::domain::{CaseId, CaseState, CaseStep, DeviceId};
use serde::Serialize;

use super::activations::ActivationLine;
use super::ledger::{Ledger, ListArgs, case_id, device_id};
use super::output::{self, Format, row};
use super::{Failure, Global, OrUnavailable, Remote, activations, preview};
use crate::approval::Decision;
use crate::clock::Clock;
use crate::http::case_facts::{CaseFacts, CaseSheet, sheet};
use crate::http::cases::Case;
use crate::operator::Effects;
use crate::store::listing::{self, CaseFilter, CaseSort};

/// List what devices want and do not have, and decide what waits for an approval
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
    Show(Show),
    /// Give what a case asks for; nobody approves what they asked for themselves
    Approve(Decide),
    /// Refuse what a case asks for; nobody refuses what they asked for themselves
    Refuse(Decide),
}

/// List cases, the oldest first
#[derive(Debug, clap::Args)]
struct List {
    /// Only those of this device
    #[arg(long, value_parser = device_id)]
    device: Option<DeviceId>,
    /// Only those that wait for this, as approval
    #[arg(long)]
    step: Option<CaseStep>,
    /// Settled ones too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    list: ListArgs<CaseSort>,
}

/// Show a case, with what whoever decides it looks at
#[derive(Debug, clap::Args)]
struct Show {
    /// The case: its id, as `cases list` shows it
    #[arg(value_parser = case_id)]
    case: CaseId,
    /// The form of what is shown
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, clap::Args)]
struct Decide {
    /// A case that waits for an approval
    #[arg(value_parser = case_id)]
    case: CaseId,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

row!(
    /// A case in a list.
    CaseEntry {
        case: String,
        device: String,
        want: String,
        total: Option<i64>,
        step: String,
        state: String,
        denied_by: Option<String>,
        remedy: Option<String>,
        requested_by: String,
        decided_by: Option<String>,
        opened: String,
        closed: Option<String>,
    }
);

impl From<Case> for CaseEntry {
    fn from(case: Case) -> Self {
        Self {
            case: case.id.to_string(),
            device: case.device,
            want: case.want,
            total: case.total,
            step: case.step.to_string(),
            state: case.state.to_string(),
            denied_by: case.denied_by.map(|rule| rule.to_string()),
            remedy: case.remedy,
            requested_by: case.requested_by,
            decided_by: case.decided_by,
            opened: case.opened_at.to_string(),
            closed: case.closed_at.map(|at| at.to_string()),
        }
    }
}

row!(
    /// Whose device it is, and the policy that it is decided under.
    OwnerLine {
        owner: Option<String>,
        tier: String,
        policy: String,
    }
);

row!(
    /// Units that are asked for.
    AskedLine {
        entitlement: String,
        product: String,
        units: u32,
        at_risk: u64,
    }
);

row!(
    /// A quota that they count towards.
    QuotaLine {
        quota: String,
        entitlement: String,
        used: Option<u32>,
        limit: Option<u32>,
        policy: String,
    }
);

/// A case, with what whoever decides it looks at.
#[derive(Serialize)]
struct Sheet {
    #[serde(flatten)]
    case: CaseEntry,
    facts: Option<Facts>,
}

#[derive(Serialize)]
struct Facts {
    #[serde(flatten)]
    of: OwnerLine,
    asked: Vec<AskedLine>,
    quotas: Vec<QuotaLine>,
    has: Vec<ActivationLine>,
}

impl From<CaseSheet> for Sheet {
    fn from(sheet: CaseSheet) -> Self {
        Self {
            case: sheet.case.into(),
            facts: sheet.facts.map(Facts::from),
        }
    }
}

impl From<CaseFacts> for Facts {
    fn from(facts: CaseFacts) -> Self {
        let called: HashMap<_, _> = (facts.asked.iter())
            .map(|asked| (asked.entitlement.0, asked.entitlement_reference.clone()))
            .collect();
        let asked = facts.asked.into_iter().map(|asked| AskedLine {
            entitlement: asked.entitlement_reference,
            product: asked.product,
            units: asked.units,
            at_risk: asked.at_risk,
        });
        let quotas = facts.quotas.into_iter().map(|quota| QuotaLine {
            quota: quota.kind.to_string(),
            entitlement: (called.get(&quota.entitlement.0).cloned())
                .unwrap_or_else(|| quota.entitlement.to_string()),
            used: quota.used,
            limit: quota.limit,
            policy: quota.policy,
        });
        Self {
            of: OwnerLine {
                owner: facts.owner.map(|owner| owner.name),
                tier: facts.tier,
                policy: facts.policy,
            },
            asked: asked.collect(),
            quotas: quotas.collect(),
            has: facts.has.into_iter().map(ActivationLine::from).collect(),
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
        Command::Show(args) => {
            let id = args.case;
            let rules = ledger.operator()?.rules;
            let now = Clock::system().now();
            let case = ledger.read(move |db| sheet(db, &rules.cache, id, now))?;
            show(args, case)
        }
        Command::Approve(args) => decide(&ledger, args, Decision::Approve),
        Command::Refuse(args) => decide(&ledger, args, Decision::Refuse),
    }
}

fn decide(ledger: &Ledger, args: &Decide, decision: Decision) -> Result<(), Failure> {
    let effects = if args.preview {
        Effects::Undone
    } else {
        Effects::Kept
    };
    let outcomes = ledger.decide_case(args.case, decision, effects)?;
    if args.preview {
        if decision == Decision::Approve {
            preview::print(&outcomes)?;
        }
        super::note("nothing was changed");
        return Ok(());
    }
    for outcome in &outcomes {
        super::note(&activations::what_follows(outcome));
    }
    Ok(())
}

fn show(args: &Show, case: Option<CaseSheet>) -> Result<(), Failure> {
    let case = case.ok_or_else(|| {
        Failure::refused(anyhow!(
            "there is no case {}: list them with `fleetgrant cases list --all`",
            args.case
        ))
    })?;
    let sheet = Sheet::from(case);
    match args.output {
        Format::Json => output::print_json(&sheet),
        Format::Csv => output::print(Format::Csv, &[sheet.case]),
        Format::Table => output::print_record(&sheet.case).and_then(|()| {
            let Some(facts) = &sheet.facts else {
                return Ok(());
            };
            output::print_part("decided for", std::slice::from_ref(&facts.of))
                .and_then(|()| output::print_part("asked", &facts.asked))
                .and_then(|()| output::print_part("quotas", &facts.quotas))
                .and_then(|()| output::print_part("the device has", &facts.has))
        }),
    }
    .or_unavailable(|| "cannot write the case".to_owned())
}

fn list(ledger: &Ledger, args: &List) -> Result<(), Failure> {
    let filter = CaseFilter {
        id: None,
        device: args.device.clone(),
        state: (!args.all).then_some(CaseState::Open),
        step: args.step,
        within: None,
        part: args.list.part()?,
    };
    let limit = args.list.rows_to_read();
    let rows = ledger.read(move |db| listing::cases(db, &filter, limit))?;
    let rows = args.list.cut(rows);
    show_list(args, rows.into_iter().map(Case::from).collect())
}

fn show_list(args: &List, cases: Vec<Case>) -> Result<(), Failure> {
    let lines: Vec<_> = cases.into_iter().map(CaseEntry::from).collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}
