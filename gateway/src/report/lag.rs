//! Which units of a purchase an activation activated, and how long they waited.
//!
//! Units of one entitlement are alike, so where some began to wait later than others (two
//! shipments of one order line) nobody can say which of them a device took. What is known is used
//! first, namely which device was in which shipment. The rest comes from what was shipped to
//! nobody in particular, then from what is left, the oldest first.

use std::collections::BTreeSet;

use fleetgrant_core::domain::Timestamp;

use super::first::Activated;
use super::wait::{DataError, Negative, Wait};

/// Units that began to wait together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// What they are, for people.
    pub(super) subject: String,
    /// Since when they wait.
    pub(super) from: Timestamp,
    /// How many.
    pub(super) units: u64,
    /// The devices they went to, as far as that is known.
    pub(super) devices: BTreeSet<String>,
}

/// What became of the units of an entitlement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lags {
    /// Activated in the field, or waiting.
    pub(super) waits: Vec<Wait>,
    /// Those whose dates contradict each other.
    pub(super) errors: Vec<DataError>,
    /// Units activated in the field beyond those that waited.
    pub(super) surplus: u64,
}

/// Matches the units of one entitlement with its first activations, the oldest first. Units that
/// the factory activated, or that an older system brought, wait for nothing and are left out.
#[must_use]
pub(super) fn lags<'a>(
    mut batches: Vec<Batch>,
    firsts: impl IntoIterator<Item = &'a Activated>,
    now: Timestamp,
) -> Lags {
    batches.sort_by_key(|batch| (!batch.devices.is_empty(), batch.from));
    let mut lags = Lags::default();
    let mut unmatched = Vec::new();
    for first in firsts {
        let own = |batch: &Batch| batch.devices.contains(&first.device);
        let left = lags.take(&mut batches, own, first, first.units());
        unmatched.push((first, left));
    }
    for (first, units) in unmatched {
        let left = lags.take(&mut batches, |_| true, first, units);
        if first.is_in_the_field() {
            lags.surplus += left;
        }
    }
    for batch in batches.iter().filter(|batch| batch.units > 0) {
        let wait = Wait::ongoing(batch.from, now, batch.units);
        lags.add(wait, batch, None, batch.units);
    }
    lags
}

impl Lags {
    /// Takes units from batches, in their order; how many could not be taken.
    fn take(
        &mut self,
        batches: &mut [Batch],
        from: impl Fn(&Batch) -> bool,
        first: &Activated,
        mut units: u64,
    ) -> u64 {
        for batch in batches.iter_mut().filter(|batch| from(batch)) {
            let taken = units.min(batch.units);
            if taken == 0 {
                continue;
            }
            units -= taken;
            batch.units -= taken;
            if first.is_in_the_field() {
                let wait = Wait::over(batch.from, first.at(), taken);
                self.add(wait, batch, Some(&first.device), taken);
            }
        }
        units
    }

    fn add(
        &mut self,
        wait: Result<Wait, Negative>,
        batch: &Batch,
        device: Option<&str>,
        units: u64,
    ) {
        match wait {
            Ok(wait) => self.waits.push(wait),
            Err(Negative { from, to }) => self.errors.push(DataError {
                subject: batch.subject.clone(),
                device: device.map(str::to_owned),
                units,
                from,
                to,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
