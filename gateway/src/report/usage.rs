//! How much of what was sold is in use: utilisation, and licence models in use.

use std::collections::{HashMap, HashSet};

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use fleetgrant_core::domain::{ActivationState, EntitlementId, EntitlementState, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::group::{GroupBy, Groups, Names};
use super::written;
use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::on;
use crate::store::listing::IsAside;
use crate::store::schema::{activations, entitlements, license_models, parties, products};
use crate::store::{Db, StoreError};

/// How much of what was sold is in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageReport {
    /// The instant it is of.
    #[serde(with = "written::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By group, all of them last.
    pub groups: Vec<Usage>,
}

/// How much of a group of entitlements is in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Which group.
    pub group: String,
    /// Entitlements, drafts left out.
    pub entitlements: u64,
    /// Of those, entitlements whose units are not counted.
    pub unlimited: u64,
    /// Units of the others.
    pub units: u64,
    /// Units that activations hold, of all.
    pub holding: u64,
    /// Units that devices have signed for and are meant to have, of all.
    pub activated: u64,
    /// Devices with such an activation.
    pub devices: u64,
    /// Units held ÷ units, where units are counted; none if there are no units.
    pub utilisation: Option<f64>,
    /// Units that may still run on a device that is not meant to have them.
    pub at_risk: u64,
}

/// An entitlement with what is held of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stock {
    row: Row,
    holds: Vec<Hold>,
}

#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
struct Row {
    id: Octets<EntitlementId>,
    unlimited: bool,
    units: i64,
    product: String,
    model: String,
    owner: Option<String>,
}

/// Units that are held, or were written off.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
struct Hold {
    entitlement: Octets<EntitlementId>,
    device: String,
    units: i64,
    state: Code<ActivationState>,
    runs_until: Option<Micros>,
}

/// Reads how much is in use.
pub fn usage(db: &mut Db, now: Timestamp, by: GroupBy) -> Result<UsageReport, StoreError> {
    Ok(UsageReport {
        at: now,
        groups: tally(&stocks(db)?, now, by),
    })
}

/// Units at risk, by entitlement.
pub(super) fn at_risk(
    db: &mut Db,
    now: Timestamp,
) -> Result<Vec<(Octets<EntitlementId>, u64)>, StoreError> {
    const UNPROVEN: [i16; 3] = [
        ActivationState::Removing.number(),
        ActivationState::Orphaned.number(),
        ActivationState::WrittenOff.number(),
    ];
    let holds: Vec<Hold> = on!(db, c => activations::table
        .filter(IsAside)
        .filter(activations::state.eq_any(UNPROVEN))
        .select((
            activations::entitlement_id,
            activations::device_id,
            activations::units,
            activations::state,
            activations::runs_until_at,
        ))
        .load(c))?;
    let risky = holds.into_iter().filter(|hold| hold.is_at_risk(now));
    Ok(risky
        .map(|hold| (hold.entitlement, hold.units.unsigned_abs()))
        .collect())
}

fn stocks(db: &mut Db) -> Result<Vec<Stock>, StoreError> {
    let mut holds = HashMap::<_, Vec<Hold>>::new();
    on!(db, c => {
        const ENDED: [i16; 3] = [
            ActivationState::Cancelled.number(),
            ActivationState::Removed.number(),
            ActivationState::Lapsed.number(),
        ];
        let rows = activations::table
            .filter(activations::state.ne_all(ENDED))
            .select((
                activations::entitlement_id,
                activations::device_id,
                activations::units,
                activations::state,
                activations::runs_until_at,
            ))
            .load_iter::<Hold, DefaultLoadingMode>(c)?;
        for hold in rows {
            let hold = hold?;
            holds.entry(hold.entitlement).or_default().push(hold);
        }
    });
    let rows: Vec<Row> = on!(db, c => entitlements::table
        .inner_join(products::table)
        .inner_join(license_models::table)
        .left_join(parties::table)
        .filter(entitlements::state.ne(Code(EntitlementState::Draft)))
        .select((
            entitlements::id,
            entitlements::unlimited,
            entitlements::units,
            products::code,
            license_models::code,
            parties::name.nullable(),
        ))
        .order(entitlements::id)
        .load(c))?;
    let stocks = rows.into_iter().map(|row| Stock {
        holds: holds.remove(&row.id).unwrap_or_default(),
        row,
    });
    Ok(stocks.collect())
}

#[derive(Default)]
struct Tally<'a> {
    entitlements: u64,
    unlimited: u64,
    units: u64,
    holding: u64,
    holding_counted: u64,
    activated: u64,
    devices: HashSet<&'a str>,
    at_risk: u64,
}

fn tally(stocks: &[Stock], now: Timestamp, by: GroupBy) -> Vec<Usage> {
    let mut groups = Groups::<Tally<'_>>::new(by);
    for stock in stocks {
        let row = &stock.row;
        let names = Names {
            product: &row.product,
            model: &row.model,
            owner: row.owner.as_deref(),
        };
        groups.add(names, |tally| tally.add(stock, now));
    }
    groups.into_rows(|group, tally| tally.usage(group))
}

impl<'a> Tally<'a> {
    fn add(&mut self, stock: &'a Stock, now: Timestamp) {
        self.entitlements += 1;
        if stock.row.unlimited {
            self.unlimited += 1;
        } else {
            self.units += stock.row.units.unsigned_abs();
        }
        for hold in &stock.holds {
            let units = hold.units.unsigned_abs();
            if hold.state.0.holds_units() {
                self.holding += units;
                if !stock.row.unlimited {
                    self.holding_counted += units;
                }
            }
            if hold.state.0 == ActivationState::Activated {
                self.activated += units;
                self.devices.insert(&hold.device);
            }
            if hold.is_at_risk(now) {
                self.at_risk += units;
            }
        }
    }

    fn usage(self, group: String) -> Usage {
        Usage {
            group,
            entitlements: self.entitlements,
            unlimited: self.unlimited,
            units: self.units,
            holding: self.holding,
            activated: self.activated,
            devices: self.devices.len() as u64,
            utilisation: (self.units > 0).then(|| self.holding_counted as f64 / self.units as f64),
            at_risk: self.at_risk,
        }
    }
}

impl Hold {
    /// A copy that nobody has proof of being gone, and that time has not ended.
    fn is_at_risk(&self, now: Timestamp) -> bool {
        let is_unproven = matches!(
            self.state.0,
            ActivationState::Removing | ActivationState::Orphaned | ActivationState::WrittenOff
        );
        is_unproven && self.runs_until.is_none_or(|until| until.0 > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn stock(product: &str, units: Option<i64>, holds: &[(&str, i64, ActivationState)]) -> Stock {
        let id = Octets(EntitlementId([1; 16]));
        let holds = holds.iter().map(|(device, units, state)| Hold {
            entitlement: id,
            device: (*device).to_owned(),
            units: *units,
            state: Code(*state),
            runs_until: None,
        });
        Stock {
            row: Row {
                id,
                unlimited: units.is_none(),
                units: units.unwrap_or(0),
                product: product.to_owned(),
                model: "perpetual".to_owned(),
                owner: None,
            },
            holds: holds.collect(),
        }
    }

    #[test]
    fn units_without_number_are_in_use_and_in_no_ratio() {
        use ActivationState::{Activated, Published};
        let stocks = [
            stock("P", Some(4), &[("a", 1, Activated), ("b", 1, Published)]),
            stock("P", None, &[("a", 5, Activated)]),
            stock("Q", Some(4), &[]),
        ];
        let groups = tally(&stocks, NOW, GroupBy::Product);
        let p = Usage {
            group: "P".to_owned(),
            entitlements: 2,
            unlimited: 1,
            units: 4,
            holding: 7,
            activated: 6,
            devices: 1,
            utilisation: Some(0.5),
            at_risk: 0,
        };
        let all = Usage {
            group: "all".to_owned(),
            entitlements: 3,
            units: 8,
            utilisation: Some(0.25),
            ..p.clone()
        };
        assert_eq!((&groups[0], &groups[2], groups.len()), (&p, &all, 3));
        assert_eq!((groups[1].utilisation, groups[1].holding), (Some(0.0), 0));
    }

    #[test]
    fn a_copy_is_at_risk_until_its_time_is_over() {
        use ActivationState::{Activated, Orphaned, Removing, WrittenOff};
        let states = [
            ("a", 1, Removing),
            ("b", 2, Orphaned),
            ("c", 4, WrittenOff),
            ("d", 8, Activated),
        ];
        let mut stock = stock("P", Some(20), &states);
        stock.holds[1].runs_until = Some(Micros(NOW));
        let groups = tally(&[stock], NOW, GroupBy::All);
        // What was written off holds its units no more, and may run all the same.
        assert_eq!((groups[0].holding, groups[0].at_risk), (11, 5));
    }
}
