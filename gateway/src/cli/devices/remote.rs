//! The same, on another gateway.

use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::repair::{KeyOf, Repair, RevokeKey, nobodys, tell_of_repair, tell_of_revocation};
use super::{
    Admit, Args, Command, FREE, List, PART, Sheet, Show, Transfer, check_waits, key_thumbprint,
    no_key_shown, show_list, show_sheet, tell_of_admission, tell_of_transfer, unknown,
    waiting_keys,
};
use crate::cli::remote::{Body, Query, segment};
use crate::cli::{Failure, Remote, activations, note};
use crate::http::acts::Acted;
use crate::http::device_acts::DeviceAdmission;
use crate::http::device_keys::{DeviceKeyRevocation, DeviceRepair};
use crate::http::device_moves::{DeviceTransfer, DeviceTransferred};
use crate::http::devices::{Device, DeviceSheet};
use crate::http::events::{Detail, Event};
use crate::http::page::Page;
use crate::http::value::Thumbprint;
use fleetgrant_core::domain::{DeviceId, KeyThumbprint};
use fleetgrant_core::event::EventKind;

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list(gateway, args),
        Command::Show(args) => show(gateway, args),
        Command::Admit(args) => admit(gateway, args),
        Command::Push(args) => {
            let acted = act(gateway, &args.device, "push", false)?;
            note(&activations::what_follows(&acted));
            Ok(())
        }
        Command::Clear(args) => {
            let acted = act(gateway, &args.device, "clear", args.preview)?;
            if args.preview {
                return activations::show_acted(&[acted]);
            }
            Ok(())
        }
        Command::DeclareDead(args) => {
            let acted = act(gateway, &args.device, "declare-dead", args.preview)?;
            if args.preview {
                return activations::show_acted(&[acted]);
            }
            note(FREE);
            Ok(())
        }
        Command::Readmit(args) => {
            let acted = act(gateway, &args.device, "readmit", args.preview)?;
            if args.preview {
                return activations::show_acted(&[acted]);
            }
            note(&activations::what_follows(&acted));
            Ok(())
        }
        Command::Repair(args) => repair(gateway, args),
        Command::RevokeKey(args) => revoke_key(gateway, args),
        Command::Transfer(args) => transfer(gateway, args),
    }
}

fn path(device: &DeviceId) -> String {
    format!("/devices/{}", segment(device.as_str()))
}

fn act(gateway: &Remote, device: &DeviceId, verb: &str, preview: bool) -> Result<Acted, Failure> {
    let path = format!("{}/{verb}", path(device));
    gateway.post(&path, &Query::preview(preview), &Body::None)
}

fn list(gateway: &Remote, args: &List) -> Result<(), Failure> {
    let query = Query::default()
        .with("state", args.state)
        .with("owner", gateway.party_if(args.owner.as_deref())?)
        .with("product_line", args.product_line.as_ref())
        .with("key", args.key);
    let devices = gateway.list("/devices", query, &args.list)?;
    show_list(args, devices)
}

fn show(gateway: &Remote, args: &Show) -> Result<(), Failure> {
    let found = gateway.find::<DeviceSheet>(&path(&args.device))?;
    let (sheet, _) = found.ok_or_else(|| unknown(&args.device))?;
    let of_it = Query::default()
        .with("device", Some(&args.device))
        .with("limit", Some(PART));
    let activations: Page<crate::http::activations::Activation> =
        gateway.get("/activations", &of_it)?;
    let mut cases: Page<crate::http::cases::Case> = if_allowed(gateway, "/cases", &of_it)?;
    // The latest first.
    cases
        .items
        .sort_by_key(|case| std::cmp::Reverse(case.opened_at.0));
    let sheet = Sheet {
        waiting_keys: waiting_keys(sheet.waiting_keys, sheet.device.expected_key.as_deref()),
        expected_key: sheet.device.expected_key.clone(),
        device: sheet.device.into(),
        keys: sheet.keys.into_iter().map(Into::into).collect(),
        activations: activations.items.into_iter().map(Into::into).collect(),
        cases: cases.items.into_iter().map(Into::into).collect(),
        regrants: sheet.regrants.into_iter().map(Into::into).collect(),
    };
    show_sheet(args, sheet)
}

/// A part that not every role is shown; whoever is not gets none of it.
fn if_allowed<T: DeserializeOwned>(
    gateway: &Remote,
    path: &str,
    query: &Query,
) -> Result<Page<T>, Failure> {
    match gateway.try_get(path, query) {
        Err(unmet) if unmet.is(StatusCode::FORBIDDEN) => Ok(Page {
            items: Vec::new(),
            next: None,
        }),
        answered => Ok(answered?),
    }
}

fn admit(gateway: &Remote, args: &Admit) -> Result<(), Failure> {
    let key = match args.key {
        Some(key) => key,
        None => key_shown(gateway, args)?,
    };
    let admission = DeviceAdmission {
        key: Thumbprint(key.0),
    };
    let path = format!("{}/admit", path(&args.device));
    let query = Query::preview(args.preview);
    gateway.post::<Acted>(&path, &query, &Body::Json(&admission))?;
    tell_of_admission(args, key);
    Ok(())
}

/// The key that a device showed when it was told to wait, of its history.
fn key_shown(gateway: &Remote, args: &Admit) -> Result<KeyThumbprint, Failure> {
    let found = gateway.find::<DeviceSheet>(&path(&args.device))?;
    let (DeviceSheet { device, .. }, _) = found.ok_or_else(|| unknown(&args.device))?;
    check_waits(device.state.0).map_err(Failure::refused)?;
    let events = format!("{}/events", path(&args.device));
    let (events, _) = gateway.pages::<Event>(&events, Query::default(), usize::MAX)?;
    let waits = |event: &&Event| event.kind == EventKind::DeviceQuarantined.as_str();
    let last = events.iter().rev().find(waits);
    match last.and_then(|event| event.body.get("key")) {
        Some(Detail::Text(key)) => key_thumbprint(key).map_err(|why| no_key(&why)),
        _ => Err(no_key_shown(&device.id, device.state.0)),
    }
}

fn no_key(why: &str) -> Failure {
    Failure::refused(anyhow::anyhow!("{why}"))
}

fn repair(gateway: &Remote, args: &Repair) -> Result<(), Failure> {
    let asked = DeviceRepair {
        key: args.key.map(|key| Thumbprint(key.0)),
    };
    let path = format!("{}/repair", path(&args.device));
    let query = Query::preview(args.preview);
    let acted: Acted = gateway.post(&path, &query, &Body::Json(&asked))?;
    if args.preview {
        return activations::show_acted(&[acted]);
    }
    tell_of_repair(args, acted.awaited_key.as_deref());
    Ok(())
}

fn revoke_key(gateway: &Remote, args: &RevokeKey) -> Result<(), Failure> {
    let (device, key) = match args.key.clone() {
        KeyOf::Device(device) => (device, None),
        KeyOf::Key(key) => {
            let of_it = Query::default().with("key", Some(key));
            let found: Page<Device> = gateway.get("/devices", &of_it)?;
            let device = found.items.into_iter().next().ok_or_else(|| nobodys(key))?;
            let device = DeviceId::new(&device.id).map_err(Failure::refused)?;
            (device, Some(Thumbprint(key.0)))
        }
    };
    let path = format!("{}/revoke-key", path(&device));
    let asked = DeviceKeyRevocation { key };
    let query = Query::preview(args.preview);
    let acted: Acted = gateway.post(&path, &query, &Body::Json(&asked))?;
    if args.preview {
        return activations::show_acted(&[acted]);
    }
    tell_of_revocation(&device);
    Ok(())
}

fn transfer(gateway: &Remote, args: &Transfer) -> Result<(), Failure> {
    let to = gateway.party(&args.to)?;
    let path = format!("{}/transfer", path(&args.device));
    let asked = DeviceTransfer { to };
    let transferred: DeviceTransferred =
        gateway.post(&path, &Query::preview(args.preview), &Body::Json(&asked))?;
    tell_of_transfer(args, &transferred);
    Ok(())
}
