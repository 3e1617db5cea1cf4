//! How the lines do.

use std::collections::{BTreeMap, HashSet};

use fleetgrant_core::domain::{PartyId, ProductLineId, Timestamp};
use fleetgrant_core::yields::{self, Run, Yield};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::batch::{self, BatchFilter};
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
/// final yield of batches. Of the stations of these manufacturers; none: of all. Of devices of a
/// product line, or of all; a batch belongs to a line if all its devices do.
///
/// # Errors
/// The database failed.
pub fn read(
    db: &mut Db,
    by: By,
    manufacturers: Option<&[PartyId]>,
    line: Option<ProductLineId>,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<YieldOf>, StoreError> {
    let runs = station::runs(db, manufacturers, line)?;
    Ok(match by {
        By::Station => {
            let runs: Vec<Run> = runs.into_iter().map(|(_, run)| run).collect();
            let of = |id| yields::first_pass(&runs, id, from, to);
            let stations = station::all(db)?.into_iter();
            let yields = stations.map(|station| YieldOf::new(station.name, of(station.id.0)));
            yields.filter(|line| line.units > 0).collect()
        }
        By::Batch => {
            let own = line.map(|line| batches_of(db, line)).transpose()?;
            let mut batches: BTreeMap<String, Vec<Run>> = BTreeMap::new();
            for (batch, run) in runs {
                let is_mixed = |name: &String| own.as_ref().is_some_and(|own| !own.contains(name));
                if batch.as_ref().is_some_and(is_mixed) {
                    continue;
                }
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

/// The batches that are of a product line and of nothing else.
fn batches_of(db: &mut Db, line: ProductLineId) -> Result<HashSet<String>, StoreError> {
    let filter = BatchFilter {
        within: Some(line),
        ..BatchFilter::default()
    };
    let found = batch::list(db, &filter, i64::MAX)?.into_iter();
    Ok(found.map(|batch| batch.reference).collect())
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
