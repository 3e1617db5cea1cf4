//! A device's events, appended to its stream.

use fleetgrant_core::domain::DeviceId;
use fleetgrant_core::event::{Body, Event};
use serde::Serialize;

use super::{Cause, corrupt};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::event::{self, NewEvent};

/// An event's body as it is hashed and kept.
#[derive(Serialize)]
struct Stored<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    activation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entitlement: Option<String>,
    #[serde(flatten)]
    body: &'a Body,
}

pub(super) fn append(
    db: &mut Db,
    device: &DeviceId,
    events: &[Event],
    cause: &Cause,
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let bodies = events
        .iter()
        .map(|event| {
            serde_cbor::to_vec(&Stored {
                activation: event.activation.map(|id| id.to_string()),
                entitlement: event.entitlement.map(|id| id.to_string()),
                body: &event.body,
            })
            .map_err(corrupt)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let message = cause.message.map(|digest| digest.0);
    let new: Vec<_> = events
        .iter()
        .zip(&bodies)
        .map(|(event, body)| NewEvent {
            kind: event.kind,
            at: cause.at,
            actor: &cause.actor,
            cause: message.as_ref().map_or(&[][..], |digest| &digest[..]),
            body,
        })
        .collect();
    event::append(db, &format!("device:{device}"), &new)
}
