//! Order-to-activation and shipment-to-activation.

use std::collections::HashSet;

use diesel::prelude::*;
use fleetgrant_core::domain::{ProductLineId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::group::{GroupBy, Groups, Names};
use super::lag::{Batch, Lags, lags};
use super::purchase::{Portion, Portions, Purchase};
use super::wait::{DataError, DataErrors, Summary, Waits};
use super::{Lines, written};
use crate::store::column::Octets;
use crate::store::dialect::on;
use crate::store::schema::devices;
use crate::store::{Db, StoreError};

/// Whose waits are measured: those that began in this interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cohort {
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
}

/// How long units take to be activated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DelayReport {
    /// The instant it is of.
    #[serde(with = "written::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By group, all of them last.
    pub groups: Vec<Delay>,
    /// Units whose dates contradict each other; in no group. The first hundred.
    pub data_errors: Vec<DataError>,
    /// How many such there are.
    pub data_errors_in_all: u64,
    /// Units that were activated beyond those ordered or shipped; in no group.
    pub surplus: u64,
}

/// How long the units of a group take to be activated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Delay {
    /// Which group.
    pub group: String,
    /// How long.
    #[serde(flatten)]
    pub summary: Summary,
}

impl DelayReport {
    /// How long all units take, as a section of that name; nothing where there are none.
    #[must_use]
    pub fn lines(&self, section: &'static str) -> Lines {
        let all = self.groups.last().into_iter();
        let lines = all.flat_map(|all| all.summary.lines("units"));
        Lines(lines.map(|(item, value)| (section, item, value)).collect())
    }
}

/// From the date of the order to the first activation in the field, by unit.
pub fn order_to_activation(
    db: &mut Db,
    line: Option<ProductLineId>,
    now: Timestamp,
    cohort: Cohort,
    by: GroupBy,
) -> Result<DelayReport, StoreError> {
    let portions = Portions::ordered(db, line)?;
    let mut report = report(db, portions, now, cohort, by, |_, purchase| {
        vec![Portion::order_of(purchase)]
    })?;
    hide_others(db, line, &mut report.data_errors)?;
    Ok(report)
}

/// From the shipment, or from the later making of the right, to the first activation in the
/// field, by unit.
pub fn shipment_to_activation(
    db: &mut Db,
    line: Option<ProductLineId>,
    now: Timestamp,
    cohort: Cohort,
    by: GroupBy,
) -> Result<DelayReport, StoreError> {
    let portions = Portions::shipped(db, line)?;
    let mut report = report(db, portions, now, cohort, by, Portion::shipments_of)?;
    hide_others(db, line, &mut report.data_errors)?;
    Ok(report)
}

fn report(
    db: &mut Db,
    mut portions: Portions,
    now: Timestamp,
    cohort: Cohort,
    by: GroupBy,
    batches: impl Fn(&Portion, &Purchase) -> Vec<Batch>,
) -> Result<DelayReport, StoreError> {
    let mut groups = Groups::<Waits>::new(by);
    let mut data_errors = DataErrors::default();
    let mut surplus = 0;
    while let Some(portion) = portions.next(db)? {
        for purchase in &portion.purchases {
            let Lags {
                waits,
                errors,
                surplus: beyond,
            } = lags(
                batches(&portion, purchase),
                portion.firsts_of(purchase),
                now,
            );
            let names = Names {
                product: &purchase.product,
                model: &purchase.model,
                owner: purchase.owner.as_deref(),
            };
            let waits = waits.into_iter().filter(|wait| cohort.has(wait.from()));
            groups.add_each(names, waits, |all, wait| all.add(wait));
            let errors = errors.into_iter().filter(|error| cohort.has(error.from));
            errors.for_each(|error| data_errors.add(error));
            surplus += beyond;
        }
    }
    Ok(DelayReport {
        at: now,
        groups: groups.into_rows(|group, waits| Delay {
            group,
            summary: waits.summary(),
        }),
        data_errors: data_errors.first,
        data_errors_in_all: data_errors.all,
        surplus,
    })
}

/// Devices of other product lines are not named to one: units of its products may be on them.
fn hide_others(
    db: &mut Db,
    line: Option<ProductLineId>,
    errors: &mut [DataError],
) -> Result<(), StoreError> {
    let Some(line) = line else {
        return Ok(());
    };
    let told: Vec<_> = errors
        .iter()
        .filter_map(|error| error.device.clone())
        .collect();
    let own: HashSet<String> = on!(db, c => devices::table
        .filter(devices::id.eq_any(&told))
        .filter(devices::product_line_id.eq(Octets(line)))
        .select(devices::id)
        .load(c))?
    .into_iter()
    .collect();
    for error in errors {
        error.device = error.device.take().filter(|device| own.contains(device));
    }
    Ok(())
}

impl Cohort {
    pub(super) fn has(self, from: Timestamp) -> bool {
        self.since.is_none_or(|since| from >= since) && self.until.is_none_or(|until| from < until)
    }
}
