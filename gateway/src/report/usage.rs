//! How much of what was sold is in use: utilisation, and licence models in use.

use std::collections::BTreeMap;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use fleetgrant_core::domain::{
    ActivationState, EntitlementId, EntitlementState, ProductLineId, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::group::{self, GroupBy, Names};
use super::{walk, written};
use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::on;
use crate::store::listing::IsAside;
use crate::store::schema::{
    activations, devices, entitlement_usage, entitlements, license_models, parties, products,
};
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
    /// Uses that devices reported, or that were imported.
    pub uses: u64,
}

/// An entitlement that is no draft, as far as what is held of it needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sold {
    id: Octets<EntitlementId>,
    unlimited: bool,
    group: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
struct Row {
    id: Octets<EntitlementId>,
    unlimited: bool,
    units: i64,
    product: String,
    model: String,
    owner: Option<String>,
    used: Option<i64>,
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

/// Reads how much is in use, of the products of a product line or of all.
pub fn usage(
    db: &mut Db,
    line: Option<ProductLineId>,
    now: Timestamp,
    by: GroupBy,
) -> Result<UsageReport, StoreError> {
    let mut tallies = Tallies::new(by);
    rows(db, line, |row| tallies.add(row))?;
    tallies.settle();
    holds(db, line, |hold| tallies.hold(hold, now))?;
    if let Some(line) = line {
        holds_elsewhere(db, line, |hold| tallies.hold(hold, now))?;
    }
    Ok(UsageReport {
        at: now,
        groups: tallies.into_groups(),
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

/// Every entitlement that is no draft, those of a product, or of all, in order of their ids.
fn rows(
    db: &mut Db,
    line: Option<ProductLineId>,
    mut each: impl FnMut(Row),
) -> Result<(), StoreError> {
    for product in walk::products_of(db, line)? {
        on!(db, c => {
            let mut query = entitlements::table
                .inner_join(products::table)
                .inner_join(license_models::table)
                .left_join(parties::table)
                .left_join(entitlement_usage::table)
                .filter(entitlements::state.ne(Code(EntitlementState::Draft)))
                .select((
                    entitlements::id,
                    entitlements::unlimited,
                    entitlements::units,
                    products::code,
                    license_models::code,
                    parties::name.nullable(),
                    entitlement_usage::used.nullable(),
                ))
                .order(entitlements::id)
                .into_boxed();
            if let Some(product) = product {
                query = query.filter(entitlements::product_id.eq(product));
            }
            for row in query.load_iter::<Row, DefaultLoadingMode>(c)? {
                each(row?);
            }
        });
    }
    Ok(())
}

const ENDED: [i16; 3] = [
    ActivationState::Cancelled.number(),
    ActivationState::Removed.number(),
    ActivationState::Lapsed.number(),
];

/// What is held and what was written off, that of one device after the other; on devices of a product
/// line, or on all.
fn holds(
    db: &mut Db,
    line: Option<ProductLineId>,
    mut each: impl FnMut(Hold),
) -> Result<(), StoreError> {
    let columns = (
        activations::entitlement_id,
        activations::device_id,
        activations::units,
        activations::state,
        activations::runs_until_at,
    );
    match line {
        None => on!(db, c => {
            let rows = activations::table
                .filter(activations::state.ne_all(ENDED))
                .order(activations::device_id)
                .select(columns)
                .load_iter::<Hold, DefaultLoadingMode>(c)?;
            for hold in rows {
                each(hold?);
            }
        }),
        Some(line) => on!(db, c => {
            let rows = activations::table
                .inner_join(devices::table)
                .filter(devices::product_line_id.eq(Octets(line)))
                .filter(activations::state.ne_all(ENDED))
                .order(devices::id)
                .select(columns)
                .load_iter::<Hold, DefaultLoadingMode>(c)?;
            for hold in rows {
                each(hold?);
            }
        }),
    }
    Ok(())
}

/// What is held of the products of a product line, and was written off, on devices of others: few,
/// since such a product is for devices of its line.
fn holds_elsewhere(
    db: &mut Db,
    line: ProductLineId,
    each: impl FnMut(Hold),
) -> Result<(), StoreError> {
    let mut found = Vec::<Hold>::new();
    for product in walk::products_of(db, Some(line))? {
        found.extend(on!(db, c => activations::table
            .inner_join(devices::table)
            .inner_join(entitlements::table)
            .filter(entitlements::product_id.nullable().eq(product))
            .filter(devices::product_line_id.ne(Octets(line)))
            .filter(activations::state.ne_all(ENDED))
            .select((
                activations::entitlement_id,
                activations::device_id,
                activations::units,
                activations::state,
                activations::runs_until_at,
            ))
            .load::<Hold>(c))?);
    }
    found.sort_by(|a, b| a.device.cmp(&b.device));
    found.into_iter().for_each(each);
    Ok(())
}

#[derive(Clone, Copy, Default)]
struct Tally {
    entitlements: u64,
    unlimited: u64,
    units: u64,
    holding: u64,
    holding_counted: u64,
    activated: u64,
    devices: u64,
    at_risk: u64,
    uses: u64,
}

/// What was counted of each group, and of all.
struct Tallies {
    by: GroupBy,
    /// In order of their ids.
    sold: Vec<Sold>,
    names: BTreeMap<String, usize>,
    groups: Vec<Tally>,
    all: Tally,
    /// The device whose activations are being counted.
    device: String,
    /// The groups that it is counted in.
    counted_in: Vec<usize>,
}

impl Tallies {
    fn new(by: GroupBy) -> Self {
        Self {
            by,
            sold: Vec::new(),
            names: BTreeMap::new(),
            groups: Vec::new(),
            all: Tally::default(),
            device: String::new(),
            counted_in: Vec::new(),
        }
    }

    /// Adds an entitlement.
    fn add(&mut self, row: Row) {
        let name = self.by.of(Names {
            product: &row.product,
            model: &row.model,
            owner: row.owner.as_deref(),
        });
        let group = match self.names.get(name) {
            Some(group) => *group,
            None => {
                self.names.insert(name.to_owned(), self.groups.len());
                self.groups.push(Tally::default());
                self.groups.len() - 1
            }
        };
        for tally in [&mut self.all, &mut self.groups[group]] {
            tally.entitlements += 1;
            let used = row.used.map_or(0, i64::unsigned_abs);
            tally.uses = tally.uses.saturating_add(used);
            if row.unlimited {
                tally.unlimited += 1;
            } else {
                tally.units += row.units.unsigned_abs();
            }
        }
        self.sold.push(Sold {
            id: row.id,
            unlimited: row.unlimited,
            group,
        });
    }

    /// Puts entitlements in the order of their ids, in which they are looked up; mostly they are.
    fn settle(&mut self) {
        if !self.sold.is_sorted_by_key(|sold| sold.id) {
            self.sold.sort_unstable_by_key(|sold| sold.id);
        }
    }

    /// Adds what is held of one of them; that of one device comes together. What is held of a draft
    /// is left out with it.
    fn hold(&mut self, hold: Hold, now: Timestamp) {
        let found = self
            .sold
            .binary_search_by_key(&hold.entitlement, |sold| sold.id);
        let Ok(found) = found else {
            return;
        };
        let Sold {
            unlimited, group, ..
        } = self.sold[found];
        let is_at_risk = hold.is_at_risk(now);
        let is_activated = hold.state.0 == ActivationState::Activated;
        let (mut first_of_all, mut first_of_group) = (false, false);
        if is_activated {
            if self.device != hold.device {
                self.device = hold.device;
                self.counted_in.clear();
            }
            first_of_all = self.counted_in.is_empty();
            first_of_group = !self.counted_in.contains(&group);
            if first_of_group {
                self.counted_in.push(group);
            }
        }
        let units = hold.units.unsigned_abs();
        for (tally, is_first) in [
            (&mut self.all, first_of_all),
            (&mut self.groups[group], first_of_group),
        ] {
            if hold.state.0.holds_units() {
                tally.holding += units;
                if !unlimited {
                    tally.holding_counted += units;
                }
            }
            if is_activated {
                tally.activated += units;
                tally.devices += u64::from(is_first);
            }
            if is_at_risk {
                tally.at_risk += units;
            }
        }
    }

    fn into_groups(self) -> Vec<Usage> {
        let is_told = self.by != GroupBy::All;
        let groups = self.names.into_iter().filter(|_| is_told);
        let groups = groups.map(|(name, group)| self.groups[group].usage(name));
        groups
            .chain([self.all.usage(group::ALL.to_owned())])
            .collect()
    }
}

impl Tally {
    fn usage(self, group: String) -> Usage {
        Usage {
            group,
            entitlements: self.entitlements,
            unlimited: self.unlimited,
            units: self.units,
            holding: self.holding,
            activated: self.activated,
            devices: self.devices,
            utilisation: (self.units > 0).then(|| self.holding_counted as f64 / self.units as f64),
            at_risk: self.at_risk,
            uses: self.uses,
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

    type Held<'a> = (&'a str, i64, ActivationState);

    /// Entitlements of these products and units, and what is held of each.
    fn tallies(by: GroupBy, all: &[(&str, Option<i64>, &[Held<'_>])]) -> Vec<Usage> {
        let mut tallies = Tallies::new(by);
        let mut holds = Vec::new();
        for (id, (product, units, held)) in (1..).zip(all) {
            let id = Octets(EntitlementId([id; 16]));
            tallies.add(Row {
                id,
                unlimited: units.is_none(),
                units: units.unwrap_or(0),
                product: (*product).to_owned(),
                model: "perpetual".to_owned(),
                owner: None,
                used: Some(7),
            });
            holds.extend(held.iter().map(|(device, units, state)| Hold {
                entitlement: id,
                device: (*device).to_owned(),
                units: *units,
                state: Code(*state),
                runs_until: (*device == "over").then_some(Micros(NOW)),
            }));
        }
        holds.sort_by(|a, b| a.device.cmp(&b.device));
        tallies.settle();
        holds.into_iter().for_each(|hold| tallies.hold(hold, NOW));
        tallies.into_groups()
    }

    #[test]
    fn units_without_number_are_in_use_and_in_no_ratio() {
        use ActivationState::{Activated, Published};
        let groups = tallies(
            GroupBy::Product,
            &[
                ("P", Some(4), &[("a", 1, Activated), ("b", 1, Published)]),
                ("P", None, &[("a", 5, Activated)]),
                ("Q", Some(4), &[]),
            ],
        );
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
            uses: 14,
        };
        let all = Usage {
            group: "all".to_owned(),
            entitlements: 3,
            units: 8,
            utilisation: Some(0.25),
            uses: 21,
            ..p.clone()
        };
        assert_eq!((&groups[0], &groups[2], groups.len()), (&p, &all, 3));
        assert_eq!((groups[1].utilisation, groups[1].holding), (Some(0.0), 0));
    }

    #[test]
    fn a_device_counts_once_in_each_group_and_once_in_all() {
        use ActivationState::{Activated, Reserved};
        let groups = tallies(
            GroupBy::Product,
            &[
                ("P", Some(9), &[("a", 1, Activated), ("b", 1, Activated)]),
                ("Q", Some(9), &[("a", 1, Activated), ("c", 1, Reserved)]),
                ("P", Some(9), &[("a", 1, Activated), ("d", 1, Activated)]),
            ],
        );
        let devices: Vec<_> = groups.iter().map(|group| group.devices).collect();
        assert_eq!(devices, [3, 1, 3]);
    }

    #[test]
    fn a_copy_is_at_risk_until_its_time_is_over() {
        use ActivationState::{Activated, Orphaned, Removing, WrittenOff};
        let states = [
            ("a", 1, Removing),
            ("over", 2, Orphaned),
            ("c", 4, WrittenOff),
            ("d", 8, Activated),
        ];
        let groups = tallies(GroupBy::All, &[("P", Some(20), &states)]);
        // What was written off holds its units no more, and may run all the same.
        assert_eq!((groups[0].holding, groups[0].at_risk), (11, 5));
    }
}
