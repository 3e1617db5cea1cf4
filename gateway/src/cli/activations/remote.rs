//! The same, on another gateway.

use fleetgrant_core::domain::DeviceId;
use serde::Serialize;

use super::{
    Args, Assign, Command, List, Show, TakeOver, Temporary, print_each, show_acted, show_list,
    show_one, unknown, what_follows,
};
use crate::cli::remote::{Body, Query, segment};
use crate::cli::{Failure, Remote, note};
use crate::http::activation_acts::Assignment;
use crate::http::acts::Acted;
use crate::http::device_acts::{TakeOver as TakenOver, TemporaryLicense};
use crate::http::value::Id;

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list(gateway, args),
        Command::Show(args) => show(gateway, args),
        Command::Assign(args) => assign(gateway, args),
        Command::Cancel(args) => {
            let path = format!("/activations/{}/cancel", args.activation);
            let query = Query::preview(args.preview);
            let acted: Acted = gateway.post(&path, &query, &Body::None)?;
            if args.preview {
                return show_acted(&[acted]);
            }
            print_each(acted.activations)
        }
        Command::Revoke(args) => {
            let path = format!("/activations/{}/revoke", args.activation);
            let acted = gateway.post(&path, &Query::preview(args.preview), &Body::None)?;
            tell(acted, args.preview)
        }
        Command::Temporary(args) => temporary(gateway, args),
        Command::TakeOver(args) => take_over(gateway, args),
    }
}

fn list(gateway: &Remote, args: &List) -> Result<(), Failure> {
    let entitlement = args.entitlement.as_deref();
    let entitlement = entitlement
        .map(|text| gateway.entitlement(text))
        .transpose()?;
    let query = Query::default()
        .with("device", args.device.as_ref())
        .with("entitlement", entitlement.map(|found| found.id))
        .with("state", args.state)
        .with("owner", gateway.party_if(args.owner.as_deref())?);
    let activations = gateway.list("/activations", query, &args.list)?;
    show_list(args, activations)
}

fn show(gateway: &Remote, args: &Show) -> Result<(), Failure> {
    let found = gateway.find(&format!("/activations/{}", args.activation))?;
    let (activation, _) = found.ok_or_else(|| unknown(args.activation))?;
    show_one(args, activation)
}

fn assign(gateway: &Remote, args: &Assign) -> Result<(), Failure> {
    let asked = Assignment {
        device: args.device.to_string(),
        entitlement: gateway.entitlement(&args.entitlement)?.id,
        units: args.units,
        now: args.now,
    };
    let query = Query::preview(args.preview);
    let acted = gateway.post("/activations", &query, &Body::Json(&asked))?;
    tell(acted, args.preview)
}

fn temporary(gateway: &Remote, args: &Temporary) -> Result<(), Failure> {
    let asked = TemporaryLicense {
        entitlement: gateway.entitlement(&args.entitlement)?.id,
        units: args.units,
    };
    on_device(gateway, &args.device, "temporary", &asked, args.preview)
}

fn take_over(gateway: &Remote, args: &TakeOver) -> Result<(), Failure> {
    let asked = TakenOver {
        from: Id(args.from.0),
    };
    on_device(gateway, &args.device, "take-over", &asked, args.preview)
}

fn on_device(
    gateway: &Remote,
    device: &DeviceId,
    verb: &str,
    asked: &impl Serialize,
    preview: bool,
) -> Result<(), Failure> {
    let path = format!("/devices/{}/{verb}", segment(device.as_str()));
    let acted = gateway.post(&path, &Query::preview(preview), &Body::Json(asked))?;
    tell(acted, preview)
}

fn tell(acted: Acted, preview: bool) -> Result<(), Failure> {
    if preview {
        return show_acted(&[acted]);
    }
    note(&what_follows(&acted));
    print_each(acted.activations)
}
