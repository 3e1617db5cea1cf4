//! `fleetgrant webhooks`: who else is told what happened.

mod remote;

use std::time::Duration;

use anyhow::anyhow;
use fleetgrant_core::event::EventKind;
use fleetgrant_core::webhook::{DeliveryStep, WebhookState};

use super::ledger::{Ledger, ListArgs, SortArgs, actor};
use super::output::{self, Format, row};
use super::{Failure, Global, OrUnavailable, Remote};
use crate::clock::Clock;
use crate::http::webhooks::{Message, WebhookStanding};
use crate::store::webhook::{
    self as store, DeliveryFilter, DeliverySort, Wanted, Webhook, WebhookFilter, WebhookSort,
};
use crate::store::{Db, StoreError, Verdict, party, product_line};
use crate::webhook::{
    self, Made, MessageId, NewWebhook, Replay, Sender, WebhookError, WebhookName,
};
use crate::when::{When, length};

/// Make, list and steer webhooks: what happens is sent to an ERP or a CRM
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Add(Box<Add>),
    List(List),
    Show(Show),
    Rotate(Rotate),
    /// Send nothing until it is resumed
    Pause(Which),
    /// Send again, with all that was missed
    Resume(Which),
    /// Remove it with all messages to it
    Remove(Which),
    Deliveries(Deliveries),
    Replay(ReplayArgs),
    /// Send a message of the type `test` now, and tell what came of it
    Test(Which),
}

/// Make a webhook; the secret that its messages are signed with is shown once, on standard output
#[derive(Debug, clap::Args)]
struct Add {
    /// What people call it
    name: WebhookName,
    /// Where messages are sent, as `https://erp.example.com/hooks`
    url: String,
    /// The kind of events to send, as activated; can be given again
    #[arg(long, value_name = "KIND", required_unless_present = "all")]
    kind: Vec<EventKind>,
    /// Send every event
    #[arg(long, conflicts_with = "kind")]
    all: bool,
    /// Only what concerns this party: its name or id, or what some system calls it
    #[arg(long, value_name = "PARTY")]
    party: Option<String>,
    /// Only what concerns devices and products of this line
    #[arg(long, value_name = "NAME")]
    product_line: Option<String>,
}

/// List webhooks, by name
#[derive(Debug, clap::Args)]
struct List {
    /// Only those that are told of events of this kind, as activated
    #[arg(long)]
    kind: Option<EventKind>,
    /// Only those in this state: active, paused or disabled
    #[arg(long)]
    state: Option<WebhookState>,
    /// Only those that are told of this party alone: its name or id, or what some system calls it
    #[arg(long, value_name = "PARTY")]
    party: Option<String>,
    /// Only those that are told of this product line alone
    #[arg(long, value_name = "NAME")]
    product_line: Option<String>,
    #[command(flatten)]
    order: SortArgs<WebhookSort>,
    /// The form of the list
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Show one, with what it wants and how it goes
#[derive(Debug, clap::Args)]
struct Show {
    #[command(flatten)]
    which: Which,
    /// The form of what is shown
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Give a webhook another secret, which is shown once; the one before signs beside it for a while
#[derive(Debug, clap::Args)]
struct Rotate {
    #[command(flatten)]
    which: Which,
    /// How long the secret before is good, as 24h; thirty days at most
    #[arg(long, default_value = "24h", value_name = "TIME", value_parser = length)]
    overlap: Duration,
}

/// List messages to a webhook, the latest events first
#[derive(Debug, clap::Args)]
struct Deliveries {
    #[command(flatten)]
    which: Which,
    /// Only those that stand so: waiting, delivered or dead
    #[arg(long)]
    state: Option<DeliveryStep>,
    #[command(flatten)]
    list: ListArgs<DeliverySort>,
}

/// Send messages once more
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
struct ReplayArgs {
    #[command(flatten)]
    which: Which,
    /// This one, delivered or dead
    #[arg(long, group = "what", value_name = "MESSAGE")]
    message: Option<MessageId>,
    /// All that is dead, and all that was never sent, of events since a date or an instant
    #[arg(long, group = "what", value_name = "WHEN")]
    since: Option<When>,
    /// What was delivered too
    #[arg(long, requires = "since")]
    delivered: bool,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Its name
    webhook: WebhookName,
}

row!(
    /// A webhook in a list.
    WebhookLine {
        name: String,
        url: String,
        kinds: String,
        party: Option<String>,
        product_line: Option<String>,
        state: String,
        because: Option<String>,
        waiting: i64,
        dead: i64,
        failures: i64,
        failing_since: Option<String>,
        not_before: Option<String>,
        stopped: Option<String>,
        replayed_since: Option<String>,
        former_secret_until: Option<String>,
        created: String,
        changed: String,
    }
);

row!(
    /// A message in a list.
    MessageLine {
        message: String,
        position: i64,
        stream: String,
        event_at: String,
        state: String,
        attempts: i64,
        next: Option<String>,
        status: Option<i16>,
        problem: Option<String>,
        settled: Option<String>,
    }
);

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if let Some(gateway) = Remote::of(global)? {
        return remote::run(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    match &args.command {
        Command::Add(args) => add(&ledger, args),
        Command::List(args) => {
            let filter = WebhookFilter {
                kind: args.kind,
                state: args.state,
                parties: ledger.parties(args.party.as_deref())?,
                product_line: args.product_line.clone(),
                part: args.order.whole(),
            };
            let lines = ledger.read(move |db| lines(db, &filter))?;
            output::print(args.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
        }
        Command::Show(args) => show(&ledger, args),
        Command::Rotate(args) => rotate(&ledger, args),
        Command::Pause(args) => {
            let name = args.webhook.clone();
            let (now, actor) = (Clock::system().now(), actor());
            write(&ledger, move |db| webhook::pause(db, &name, &actor, now)).map(drop)
        }
        Command::Resume(args) => {
            let name = args.webhook.clone();
            let (now, actor) = (Clock::system().now(), actor());
            write(&ledger, move |db| webhook::resume(db, &name, &actor, now)).map(drop)
        }
        Command::Remove(args) => {
            let name = args.webhook.clone();
            let (now, actor) = (Clock::system().now(), actor());
            write(&ledger, move |db| webhook::remove(db, &name, &actor, now))
        }
        Command::Deliveries(args) => deliveries(&ledger, args),
        Command::Replay(args) => replay(&ledger, args),
        Command::Test(args) => test(&ledger, args),
    }
}

fn add(ledger: &Ledger, args: &Add) -> Result<(), Failure> {
    let party = match args.party.as_deref() {
        Some(called) => Some(ledger.party(called)?),
        None => None,
    };
    let product_line = match args.product_line.clone() {
        Some(name) => Some(line_named(ledger, name)?),
        None => None,
    };
    let mut kinds = args.kind.clone();
    kinds.sort();
    kinds.dedup();
    let new = NewWebhook {
        name: args.name.clone(),
        url: args.url.clone(),
        wanted: if args.all {
            Wanted::All
        } else {
            Wanted::Kinds(kinds)
        },
        party,
        product_line,
    };
    let sender = sender(ledger)?;
    let (now, actor) = (Clock::system().now(), actor());
    let made = write(ledger, move |db| {
        webhook::create(db, &new, &sender, &actor, now)
    })?;
    print_secret(&made)
}

fn line_named(
    ledger: &Ledger,
    name: String,
) -> Result<fleetgrant_core::domain::ProductLineId, Failure> {
    let called = name.clone();
    let line = ledger.read(move |db| product_line::by_name(db, &called))?;
    line.map(|line| line.id.0).ok_or_else(|| {
        Failure::refused(anyhow!(
            "no device or product has the product line {name:?} yet"
        ))
    })
}

fn rotate(ledger: &Ledger, args: &Rotate) -> Result<(), Failure> {
    let (name, overlap) = (args.which.webhook.clone(), args.overlap);
    let vault = sender(ledger)?.vault().clone();
    let (now, actor) = (Clock::system().now(), actor());
    let made = write(ledger, move |db| {
        webhook::rotate(db, &name, overlap, &vault, &actor, now)
    })?;
    print_secret(&made)
}

fn print_secret(made: &Made) -> Result<(), Failure> {
    print_secret_of(&made.webhook.name, &made.secret.to_string())
}

fn print_secret_of(name: &str, secret: &str) -> Result<(), Failure> {
    super::note(&format!(
        "messages to {name} are signed with this secret, which is shown this once:"
    ));
    output::print_text(&format_args!("{secret}\n"))
        .or_unavailable(|| "cannot write the secret, so rotate it".to_owned())
}

fn show(ledger: &Ledger, args: &Show) -> Result<(), Failure> {
    let found = named(ledger, &args.which.webhook)?;
    let line = ledger.read(move |db| line(db, found))?;
    show_line(args, line)
}

fn show_line(args: &Show, line: WebhookLine) -> Result<(), Failure> {
    let shown = match args.output {
        Format::Table => output::print_record(&line),
        Format::Json => output::print_json(&line),
        Format::Csv => output::print(Format::Csv, &[line]),
    };
    shown.or_unavailable(|| "cannot write the webhook".to_owned())
}

/// Webhooks that are read at once: there cannot be more.
const ALL: i64 = 1_000;

fn lines(db: &mut Db, filter: &WebhookFilter) -> Result<Vec<WebhookLine>, StoreError> {
    let found = store::list(db, filter, ALL)?;
    found.into_iter().map(|webhook| line(db, webhook)).collect()
}

fn line(db: &mut Db, webhook: Webhook) -> Result<WebhookLine, StoreError> {
    let party = match webhook.party_id {
        Some(id) => party::find(db, id)?.map(|party| party.name),
        None => None,
    };
    Ok(WebhookLine::of(WebhookStanding::of(db, webhook)?, party))
}

impl WebhookLine {
    fn of(standing: WebhookStanding, party: Option<String>) -> Self {
        let (waiting, dead) = (standing.waiting, standing.dead);
        let webhook = standing.webhook;
        let kinds: Vec<_> = webhook.kinds.iter().map(ToString::to_string).collect();
        Self {
            waiting,
            dead,
            kinds: if webhook.all {
                "all".to_owned()
            } else {
                kinds.join(", ")
            },
            party,
            product_line: webhook.product_line,
            state: webhook.state.to_string(),
            because: webhook.because.map(|because| because.to_string()),
            failures: webhook.failures,
            failing_since: webhook.failing_since.map(|at| at.to_string()),
            not_before: webhook.not_before.map(|at| at.to_string()),
            stopped: webhook.stopped_at.map(|at| at.to_string()),
            replayed_since: webhook.replayed_since.map(|at| at.to_string()),
            former_secret_until: webhook.former_secret_until.map(|at| at.to_string()),
            created: webhook.created_at.to_string(),
            changed: webhook.changed_at.to_string(),
            name: webhook.name,
            url: webhook.url,
        }
    }
}

fn deliveries(ledger: &Ledger, args: &Deliveries) -> Result<(), Failure> {
    let webhook = named(ledger, &args.which.webhook)?;
    let filter = DeliveryFilter {
        webhook: webhook.id,
        state: args.state,
        part: args.list.part()?,
    };
    let limit = args.list.rows_to_read();
    let rows = ledger.read(move |db| store::deliveries(db, &filter, limit))?;
    let rows = args.list.cut(rows);
    show_messages(args, rows.into_iter().map(Message::from).collect())
}

fn show_messages(args: &Deliveries, messages: Vec<Message>) -> Result<(), Failure> {
    let lines: Vec<_> = messages.into_iter().map(MessageLine::from).collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}

impl From<Message> for MessageLine {
    fn from(it: Message) -> Self {
        Self {
            message: it.message,
            position: it.position,
            stream: it.stream,
            event_at: it.event_at.to_string(),
            state: it.state.to_string(),
            attempts: it.attempts,
            next: it.next_at.map(|at| at.to_string()),
            status: it.status,
            problem: it.problem,
            settled: it.settled_at.map(|at| at.to_string()),
        }
    }
}

fn replay(ledger: &Ledger, args: &ReplayArgs) -> Result<(), Failure> {
    let zone = &ledger.config().time_zone;
    let which = match (&args.message, args.since) {
        (Some(message), _) => Replay::One(message.clone()),
        (None, Some(since)) => Replay::Since {
            since: since.at(zone),
            delivered: args.delivered,
        },
        (None, None) => return Err(Failure::input(anyhow!("say which: --message or --since"))),
    };
    let name = args.which.webhook.clone();
    let (now, actor) = (Clock::system().now(), actor());
    let revived = write(ledger, move |db| {
        webhook::replay(db, &name, &which, &actor, now)
    })?;
    tell_of_replay(revived);
    Ok(())
}

fn tell_of_replay(messages: usize) {
    super::note(&format!(
        "{messages} messages are sent once more; `serve` makes those that were never made"
    ));
}

fn test(ledger: &Ledger, args: &Which) -> Result<(), Failure> {
    let found = named(ledger, &args.webhook)?;
    let sender = sender(ledger)?;
    let now = Clock::system().now();
    let (id, payload) = webhook::test_message(&found.name, now);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::unavailable)?;
    let sent = runtime.block_on(sender.send(&found, &id, payload, now));
    let took = sent.took.as_millis();
    tell_of_test(&id.to_string(), sent.status, sent.problem, took)
}

fn tell_of_test(
    id: &str,
    status: Option<u16>,
    problem: Option<String>,
    took: u128,
) -> Result<(), Failure> {
    match (status, problem) {
        (Some(status), None) => {
            super::note(&format!("{id} was taken with {status} in {took} ms"));
            Ok(())
        }
        (Some(status), Some(problem)) => Err(Failure::refused(anyhow!(
            "{id} was answered with {status} in {took} ms: {problem}"
        ))),
        (None, problem) => Err(Failure::unavailable(anyhow!(
            "{id} was not answered: {}",
            problem.unwrap_or_default()
        ))),
    }
}

fn sender(ledger: &Ledger) -> Result<Sender, Failure> {
    Sender::new(&ledger.config().webhooks).map_err(Failure::config)
}

fn named(ledger: &Ledger, name: &WebhookName) -> Result<Webhook, Failure> {
    let called = name.clone();
    let found = ledger.read(move |db| store::by_name(db, called.as_str()))?;
    found.ok_or_else(|| WebhookError::Unknown(name.clone()).into())
}

/// What was refused leaves nothing behind.
fn write<T: Send + 'static>(
    ledger: &Ledger,
    mut operation: impl FnMut(&mut Db) -> Result<T, WebhookError> + Send + 'static,
) -> Result<T, Failure> {
    let outcome =
        ledger
            .store()
            .transaction_blocking("webhooks", move |db| match operation(db) {
                Ok(done) => Ok(Verdict::Commit(Ok(done))),
                Err(WebhookError::Store(error)) => Err(error),
                Err(refused) => Ok(Verdict::Rollback(Err(refused))),
            })?;
    Ok(outcome?)
}

impl From<WebhookError> for Failure {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::Store(error) => error.into(),
            WebhookError::Vault(error) => Self::unavailable(error),
            refused => Self::refused(refused),
        }
    }
}
