//! Another gateway, asked over HTTP with a key, in the place of the local database.
//!
//! A command sends the request that does there what it does here, and shows the answer as it shows
//! what the database says: what is shown is made of the API's own types on both ways.

mod asking;
mod key;
mod named;

use std::cell::Cell;

use axum::http::HeaderValue;
use fleetgrant_core::domain::ActReason;
use jiff::tz::TimeZone;
use tokio::runtime::Runtime;

pub(super) use asking::{Body, Query, Unmet, segment};

use super::{Failure, Global};
use crate::outgoing::{Outgoing, Reach};

/// A gateway that is asked over HTTP.
pub(super) struct Remote {
    /// Its address, without a slash at its end.
    server: String,
    reach: Reach,
    outgoing: Outgoing,
    /// What stands in `Authorization`.
    key: HeaderValue,
    /// What the command calls its request, if it does.
    name: Option<String>,
    /// Why it is done.
    reason: Option<ActReason>,
    /// Requests that got a name so far.
    named: Cell<u32>,
    zone: TimeZone,
    runtime: Runtime,
}

impl Remote {
    /// The gateway that the command is to work on; none: the local database.
    pub(super) fn of(global: &Global) -> Result<Option<Self>, Failure> {
        let Some((server, config)) = global.server()? else {
            return Ok(None);
        };
        let (server, reach) = asking::address(&server)?;
        let ca = global.server_ca().or(config.ca);
        Ok(Some(Self {
            outgoing: asking::client(reach.clone(), ca.as_deref())?,
            key: key::read(global.key_file(), config.key_file.as_deref(), &server)?,
            name: global.idempotency_key.clone(),
            reason: global.reason.clone(),
            named: Cell::new(0),
            zone: config.time_zone,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(Failure::unavailable)?,
            server,
            reach,
        }))
    }

    /// That the API has no route for what is asked.
    pub(super) fn local_only(&self) -> Failure {
        Failure::LocalOnly(self.server.clone())
    }

    /// The zone in which dates of the command line are read.
    pub(super) const fn zone(&self) -> &TimeZone {
        &self.zone
    }
}
