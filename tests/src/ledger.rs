//! What the ledger says, for tests.

use diesel::prelude::*;
use fleetgrant::store::Store;
use fleetgrant::store::schema::{activations, entitlements};

/// Units that activations hold and that entitlements count, which must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Units {
    /// Sum over activations that hold.
    pub held: i64,
    /// Sum of the entitlements' counters.
    pub counted: i64,
    /// Activations in state activated.
    pub activated: i64,
}

/// Counts.
pub async fn units(store: &Store) -> Units {
    store
        .read("test-units", |db| {
            let held: Vec<i64> = fleetgrant::on!(db, c => activations::table
                .filter(activations::state.le(6))
                .select(activations::units)
                .load(c))?;
            let counted: Vec<i64> = fleetgrant::on!(db, c => entitlements::table
                .select(entitlements::live_units)
                .load(c))?;
            let activated = fleetgrant::on!(db, c => activations::table
                .filter(activations::state.eq(3))
                .count()
                .get_result(c))?;
            Ok(Units {
                held: held.iter().sum(),
                counted: counted.iter().sum(),
                activated,
            })
        })
        .await
        .unwrap()
}
