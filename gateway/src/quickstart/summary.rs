//! What the quickstart prints at its end, from the ledger.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use fleetgrant_core::domain::{ActivationState, DeviceState};

use crate::store::conversation::{
    activations_by_state, contact_to_activation, denials_by_rule, devices_by_state,
};
use crate::store::{Store, StoreError};

/// The state of the ledger in a few figures.
#[derive(Clone, Debug)]
pub struct Summary {
    devices: Vec<(DeviceState, i64)>,
    activations: Vec<(ActivationState, i64)>,
    denials: BTreeMap<String, u64>,
    /// Of activations, from their device's first contact; ascending.
    contact_to_activation: Vec<Duration>,
}

impl Summary {
    /// Reads it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn read(store: &Store) -> Result<Self, StoreError> {
        store
            .read("summary", |db| {
                Ok(Self {
                    devices: devices_by_state(db)?,
                    activations: activations_by_state(db)?,
                    denials: denials_by_rule(db)?,
                    contact_to_activation: contact_to_activation(db)?,
                })
            })
            .await
    }

    fn mean(&self) -> Option<Duration> {
        let count = u32::try_from(self.contact_to_activation.len()).ok()?;
        let sum: Duration = self.contact_to_activation.iter().sum();
        sum.checked_div(count)
    }

    /// By rank.
    fn percentile(&self, percent: usize) -> Option<Duration> {
        let times = &self.contact_to_activation;
        let rank = (times.len() * percent).div_ceil(100).checked_sub(1)?;
        times.get(rank).copied()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Devices")?;
        for (state, count) in &self.devices {
            writeln!(f, "  {state:<24}{count:>8}")?;
        }
        writeln!(f, "Activations (units)")?;
        for (state, units) in &self.activations {
            writeln!(f, "  {state:<24}{units:>8}")?;
        }
        writeln!(f, "Refusals")?;
        if self.denials.is_empty() {
            writeln!(f, "  {:<24}{:>8}", "none", 0)?;
        }
        for (rule, count) in &self.denials {
            writeln!(f, "  {rule:<24}{count:>8}")?;
        }
        writeln!(f, "Contact to activation")?;
        for (name, time) in [
            ("mean", self.mean()),
            ("median", self.percentile(50)),
            ("p95", self.percentile(95)),
        ] {
            match time {
                Some(time) => writeln!(f, "  {name:<24}{:>6.0}ms", time.as_secs_f64() * 1e3)?,
                None => writeln!(f, "  {name:<24}{:>8}", "-")?,
            }
        }
        Ok(())
    }
}
