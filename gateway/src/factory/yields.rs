//! How the lines do.

use std::collections::BTreeMap;

use fleetgrant_core::domain::{PartyId, Timestamp};
use fleetgrant_core::yields::{self, Run, Yield};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::{Db, StoreError, station};

/// By what yields are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// First-pass yield by station.
    #[default]
    Station,
    /// Final yield by batch.
    Batch,
}

/// A yield.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct YieldOf {
    /// Of which station or batch.
    pub of: String,
    /// Units that passed.
    pub passed: u64,
    /// Of so many.
    pub units: u64,
    /// The one by the other; none of none.
    pub share: Option<f64>,
}

/// First-pass yield of stations, over first runs that closed from `from` on and before `to`; or
/// final yield of batches. Of the stations of these manufacturers; none: of all.
///
/// # Errors
/// The database failed.
pub fn read(
    db: &mut Db,
    by: By,
    manufacturers: Option<&[PartyId]>,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<YieldOf>, StoreError> {
    let runs = station::runs(db, manufacturers)?;
    Ok(match by {
        By::Station => {
            let runs: Vec<Run> = runs.into_iter().map(|(_, run)| run).collect();
            let of = |id| yields::first_pass(&runs, id, from, to);
            let stations = station::all(db)?.into_iter();
            let yields = stations.map(|station| YieldOf::new(station.name, of(station.id.0)));
            yields.filter(|line| line.units > 0).collect()
        }
        By::Batch => {
            let mut batches: BTreeMap<String, Vec<Run>> = BTreeMap::new();
            for (batch, run) in runs {
                let name = batch.unwrap_or_else(|| "no batch".to_owned());
                batches.entry(name).or_default().push(run);
            }
            let batches = batches.into_iter();
            let of =
                |(name, runs): (String, Vec<Run>)| YieldOf::new(name, yields::final_yield(&runs));
            batches.map(of).collect()
        }
    })
}

impl YieldOf {
    fn new(of: String, part: Yield) -> Self {
        Self {
            of,
            passed: part.passed,
            units: part.of,
            share: part.share(),
        }
    }
}
