//! What is counted of each group, and of all.

use std::collections::BTreeMap;

use fleetgrant_core::domain::{ActivationState, EntitlementId, Timestamp};

use super::{Hold, Row, Usage};
use crate::report::group::{self, GroupBy, Names};
use crate::store::column::Octets;

/// An entitlement that is no draft, as far as what is held of it needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sold {
    id: Octets<EntitlementId>,
    unlimited: bool,
    group: usize,
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
pub(super) struct Tallies {
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
    pub(super) fn new(by: GroupBy) -> Self {
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
    pub(super) fn add(&mut self, row: Row) {
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
    pub(super) fn settle(&mut self) {
        if !self.sold.is_sorted_by_key(|sold| sold.id) {
            self.sold.sort_unstable_by_key(|sold| sold.id);
        }
    }

    /// Adds what is held of one of them; that of one device comes together. What is held of a draft
    /// is left out with it.
    pub(super) fn hold(&mut self, hold: Hold, now: Timestamp) {
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

    pub(super) fn into_groups(self) -> Vec<Usage> {
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
    pub(super) fn is_at_risk(&self, now: Timestamp) -> bool {
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
    use crate::store::column::{Code, Micros};

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
