//! The same, on another gateway.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{CoTerm, CoTermLine, not_of, show};
use crate::cli::remote::{Body, Query};
use crate::cli::{Failure, Remote};
use crate::http::co_terms::CoTermOrder;
use crate::http::entitlements::Entitlement;
use crate::http::parties::PartySheet;
use crate::http::value::{Id, When};

/// Entitlements that a gateway takes in one request.
const TOGETHER: usize = 100;

pub(in crate::cli) fn run(gateway: &Remote, args: &CoTerm) -> Result<(), Failure> {
    let party = gateway.party(&args.party)?;
    let of: PartySheet = gateway.get(&format!("/parties/{party}"), &Query::default())?;
    let zone = TimeZone::get(&of.party.time_zone).map_err(Failure::unavailable)?;
    let entitlements = entitlements(gateway, args, party)?;
    let mut lines = Vec::new();
    for some in entitlements.chunks(TOGETHER) {
        let order = CoTermOrder {
            until: args.until.map(|when| When(when.at(&zone))),
            contract: args.contract.clone(),
            entitlements: Some(some.iter().map(|entitlement| entitlement.id).collect()),
            shorten: args.shorten,
        };
        let path = format!("/parties/{party}/co-term");
        let query = Query::preview(args.preview);
        let done: Value = gateway.post(&path, &query, &Body::Json(&order))?;
        let items = done["items"].as_array().cloned().unwrap_or_default();
        lines.extend(
            some.iter()
                .zip(items)
                .map(|(of, item)| line(&of.reference, &item)),
        );
    }
    show(args, &lines)
}

fn line(reference: &str, item: &Value) -> CoTermLine {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match item.get("done") {
        Some(done) => {
            let changed = done["changed"] == true;
            CoTermLine::done(reference.to_owned(), changed, text(&done["said"]))
        }
        None => CoTermLine::refused(reference.to_owned(), text(&item["refused"]["detail"])),
    }
}

fn entitlements(gateway: &Remote, args: &CoTerm, party: Id) -> Result<Vec<Entitlement>, Failure> {
    if args.only.is_empty() {
        let query = Query::default().with("owner", Some(party));
        return Ok(gateway.pages("/entitlements", query, usize::MAX)?.0);
    }
    let found = args.only.iter().map(|called| {
        let found = gateway.entitlement(called)?;
        match found.owner.as_ref().is_some_and(|owner| owner.id == party) {
            true => Ok(found),
            false => Err(not_of(args, called)),
        }
    });
    found.collect()
}
