//! The same, on another gateway.

use anyhow::anyhow;

use super::{
    Add, Args, Command, Deliveries, ReplayArgs, Rotate, WebhookLine, Which, output,
    print_secret_of, show_line, show_messages, tell_of_replay, tell_of_test,
};
use crate::cli::ledger::SortArgs;
use crate::cli::remote::{Body, Query, segment};
use crate::cli::{Failure, OrUnavailable as _, Remote};
use crate::http::parties::PartySheet;
use crate::http::value::When;
use crate::http::webhook_acts::{Again, NewHook, Replayed, Rotation, Tried, WithSecret};
use crate::http::webhooks::{Webhook, WebhookStanding};
use crate::http::word;
use crate::store::webhook::WebhookSort;
use crate::webhook::{WebhookError, WebhookName};

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Add(args) => add(gateway, args),
        Command::List(args) => {
            let query = Query::default()
                .with("kind", args.kind)
                .with("state", args.state)
                .with("party", gateway.party_if(args.party.as_deref())?)
                .with("product_line", args.product_line.as_ref());
            let lines = lines(gateway, query, &args.order, None)?;
            output::print(args.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
        }
        Command::Show(args) => {
            let (all, order) = (Query::default(), SortArgs { sort: None });
            let line = lines(gateway, all, &order, Some(&args.which.webhook))?.pop();
            let unknown = || WebhookError::Unknown(args.which.webhook.clone());
            show_line(args, line.ok_or_else(unknown)?)
        }
        Command::Rotate(args) => rotate(gateway, args),
        Command::Pause(which) => change(gateway, which, "pause"),
        Command::Resume(which) => change(gateway, which, "resume"),
        Command::Remove(which) => change(gateway, which, "remove"),
        Command::Deliveries(args) => deliveries(gateway, args),
        Command::Replay(args) => replay(gateway, args),
        Command::Test(which) => {
            let path = format!("{}/test", path(which));
            let tried: Tried = gateway.post(&path, &Query::default(), &Body::None)?;
            let took = tried.took_milliseconds.into();
            tell_of_test(&tried.message, tried.status, tried.problem, took)
        }
    }
}

fn path(which: &Which) -> String {
    format!("/webhooks/{}", segment(which.webhook.as_str()))
}

fn lines(
    gateway: &Remote,
    query: Query,
    order: &SortArgs<WebhookSort>,
    only: Option<&WebhookName>,
) -> Result<Vec<WebhookLine>, Failure> {
    let mut found: Vec<WebhookStanding> = gateway.whole("/webhooks", query, order)?;
    found.retain(|it| only.is_none_or(|name| it.webhook.name == name.as_str()));
    let line = |standing: WebhookStanding| {
        let party = match standing.webhook.party {
            Some(id) => {
                let path = format!("/parties/{id}");
                let sheet: PartySheet = gateway.get(&path, &Query::default())?;
                Some(sheet.party.name)
            }
            None => None,
        };
        Ok(WebhookLine::of(standing, party))
    };
    found.into_iter().map(line).collect()
}

fn add(gateway: &Remote, args: &Add) -> Result<(), Failure> {
    let asked = NewHook {
        name: args.name.to_string(),
        url: args.url.clone(),
        all: args.all,
        kinds: args.kind.iter().copied().map(word::EventKind).collect(),
        party: gateway.party_if(args.party.as_deref())?,
        product_line: args.product_line.clone(),
    };
    secret(gateway.post("/webhooks", &Query::default(), &Body::Json(&asked))?)
}

fn rotate(gateway: &Remote, args: &Rotate) -> Result<(), Failure> {
    let seconds = args.overlap.as_secs();
    let asked = Rotation {
        overlap_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
    };
    let path = format!("{}/rotate", path(&args.which));
    secret(gateway.post(&path, &Query::default(), &Body::Json(&asked))?)
}

fn secret(made: WithSecret) -> Result<(), Failure> {
    let name = &made.webhook.name;
    match made.secret {
        Some(secret) => print_secret_of(name, &secret),
        None => Err(Failure::refused(anyhow!(
            "the secret of {name} was shown before: rotate it, if it is lost"
        ))),
    }
}

fn change(gateway: &Remote, which: &Which, verb: &str) -> Result<(), Failure> {
    let path = format!("{}/{verb}", path(which));
    gateway
        .post::<Webhook>(&path, &Query::default(), &Body::None)
        .map(drop)
}

fn deliveries(gateway: &Remote, args: &Deliveries) -> Result<(), Failure> {
    let path = format!("{}/deliveries", path(&args.which));
    let query = Query::default().with("state", args.state);
    let messages = gateway.list(&path, query, &args.list)?;
    show_messages(args, messages)
}

fn replay(gateway: &Remote, args: &ReplayArgs) -> Result<(), Failure> {
    let asked = Again {
        message: args.message.as_ref().map(ToString::to_string),
        since: args.since.map(|since| When(since.at(gateway.zone()))),
        delivered: args.delivered,
    };
    let path = format!("{}/replay", path(&args.which));
    let replayed: Replayed = gateway.post(&path, &Query::default(), &Body::Json(&asked))?;
    tell_of_replay(replayed.messages);
    Ok(())
}
