//! Step 7: what the ledger says, for people.
//!
//! Read models over the tables that decide; nothing here is counted apart. Queries are thin, and
//! what is computed of their rows is pure. `docs/reports.md` defines each measure. What is read with
//! a product line is of that line alone: devices of it, with their activations and cases, and
//! entitlements of its products.

pub mod activation;
pub mod customer;
pub mod delay;
pub mod dimension;
pub mod expiring;
mod first;
pub mod group;
pub mod history;
mod lag;
pub mod operations;
pub mod platform;
mod purchase;
mod refusal;
pub mod share;
pub mod stuck;
pub mod tiers;
pub mod usage;
pub mod uses;
mod wait;
mod walk;
mod written;

use std::fmt;

use fleetgrant_core::domain::Timestamp;
use jiff::tz::TimeZone;

pub use activation::ActivationReport;
pub use refusal::Refusals;
pub use wait::{DataError, Spoken, Summary};

use crate::store::{Store, StoreError};

/// How devices, activations and refusals stand at `now`; what happened counts from `since` on, by
/// days of `zone`.
pub async fn activation(
    store: &Store,
    now: Timestamp,
    since: Option<Timestamp>,
    zone: TimeZone,
) -> Result<ActivationReport, StoreError> {
    store
        .read("report", move |db| {
            activation::read(db, None, now, since, &zone)
        })
        .await
}

/// A report as (section, item, value), in which the items of a section follow each other. It is
/// shown with each section named once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(pub Vec<(&'static str, String, String)>);

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = "";
        for (of, item, value) in &self.0 {
            let heading = if *of == section { "" } else { of };
            writeln!(f, "{heading:<22}  {item:<24}  {value:>12}")?;
            section = of;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
