//! What must hold of devices and ledger together. README.md says why.

use std::collections::{BTreeMap, BTreeSet};

use fleetgrant_agent::Ask;
use fleetgrant_core::activation::Standing;
use fleetgrant_core::domain::{ActivationId, DeliveryState, DeviceState, EntitlementId};
use fleetgrant_core::entitlement::Quantity;
use fleetgrant_schemas::request::Reason;

use crate::audit::{Right, Sold, set_key};
use crate::cast::{BEGIN_SECS, BUILT, FEATURES};
use crate::simulation::Simulation;
use crate::stock::{EVALUATION, entitlement_id};
use crate::tally::count;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

impl Simulation {
    /// After every step.
    pub(crate) fn check(&mut self) {
        let violations = self.gateway.world.violations();
        assert!(violations.is_empty(), "{violations:?}");
        for place in 0..self.units.len() {
            self.units[place].renew_seen();
            self.check_enforcement(place);
            self.note_in_force(place);
        }
        self.check_copies();
        self.check_evaluations();
    }

    /// A device has one evaluation of a product, ever.
    fn check_evaluations(&self) {
        for identity in &self.cast.devices {
            let activations = self.gateway.world.activations(&identity.id);
            // Giving back part of it makes two of one.
            let evaluations = activations.filter(|activation| {
                activation.entitlement == entitlement_id(EVALUATION)
                    && activation.predecessor.is_none()
            });
            assert!(evaluations.count() <= 1, "{}: evaluated twice", identity.id);
        }
    }

    /// A unit is freed by a device's word only when that device runs it no more.
    pub(crate) fn check_freed(&mut self) {
        for freed in self.gateway.audit.take_freed() {
            let units = self.units.iter().filter(|unit| {
                unit.identity.id == freed.device && !unit.is_tampered && unit.held.is_some()
            });
            for unit in units {
                assert!(
                    unit.held >= Some(freed.removed_in),
                    "{} holds {:?}, and what {} removed is free",
                    freed.device,
                    unit.held,
                    freed.removed_in
                );
                assert!(
                    !self.holds(unit.identity.place, unit.held, freed.activation),
                    "{} runs {}, and its units are free",
                    freed.device,
                    freed.activation
                );
            }
        }
    }

    fn holds(
        &self,
        device: usize,
        held: Option<fleetgrant_core::domain::SetKey>,
        activation: ActivationId,
    ) -> bool {
        let id = &self.cast.devices[device].id;
        held.and_then(|key| self.gateway.audit.set(id, key))
            .is_some_and(|sold| sold.rights.iter().any(|r| r.activation == activation))
    }

    /// What is on was granted to this device by a committed set, and what such a set grants is on.
    fn check_enforcement(&self, place: usize) {
        let unit = &self.units[place];
        let Some(agent) = &unit.agent else {
            return;
        };
        let now = unit.uptime(self.now);
        let sold = agent.held().map(|held| {
            let sold = self.gateway.audit.set(&unit.identity.id, set_key(held));
            let sold = sold.expect("what is held was committed");
            assert_eq!(sold.cti, held.cti, "what is held was committed");
            sold
        });
        let floor = agent.clock_floor(now);
        assert!(
            sold.is_none_or(|sold| sold.issued_at <= floor),
            "{}: the clock went back behind the set in force",
            unit.identity.id
        );
        // The time when the power came on, by what the device knows now: in milliseconds, to the second.
        let at_zero = (floor * 1_000).saturating_sub(now.0);
        let built = BUILT[unit.version];
        for (feature, name) in FEATURES.iter().enumerate() {
            let is_on = agent.is_on(name, now).is_on();
            let of_it = sold.iter().flat_map(|sold| &sold.rights).filter(|right| {
                right.feature == Some(feature) && !(right.is_limited && unit.version > 0)
            });
            let is_too_new =
                |right: &&Right| right.build_ceiling.is_some_and(|ceiling| built >= ceiling);
            if of_it.clone().any(|right| is_too_new(&right)) {
                count("right", "off for its build");
            }
            let of_it = of_it.filter(|right| !is_too_new(right));
            // What waits for the next start was in force in this run before its end.
            let lingers = |right: &&Right| right.lingers_since(0, at_zero);
            let is_granted = of_it
                .clone()
                .any(|right| right.runs_at(floor) || lingers(&right));
            let is_certain = of_it.clone().any(|right| {
                let seen = unit.seen.get(&right.activation);
                let goes_on = seen.is_some_and(|seen| right.lingers_since(*seen, at_zero + 999));
                !right.is_counted && (right.runs_at(floor) || goes_on)
            });
            if is_on && !of_it.clone().any(|right| right.runs_at(floor)) {
                count("right", "on past its end");
            }
            assert!(
                !is_on || is_granted,
                "{}: {name} is on at {floor} without a right",
                unit.identity.id
            );
            assert!(
                is_on || !is_certain,
                "{}: {name} is off at {floor} in spite of a right",
                unit.identity.id
            );
        }
    }

    /// What ends at the next start and was in force before that goes on in this run of the device.
    fn note_in_force(&mut self, place: usize) {
        let unit = &mut self.units[place];
        let (Some(agent), Some(held)) = (&unit.agent, unit.held) else {
            return;
        };
        let now = unit.uptime(self.now);
        let floor = agent.clock_floor(now);
        let Some(sold) = self.gateway.audit.set(&unit.identity.id, held) else {
            return;
        };
        for right in sold.rights.iter().filter(|right| right.waits) {
            if right.runs_at(floor) {
                unit.seen.entry(right.activation).or_insert(now.0);
            }
        }
    }

    /// No more copies are in force than were sold, on devices whose storage nobody set back.
    fn check_copies(&self) {
        let now = BEGIN_SECS + self.now / 1_000;
        let mut copies: BTreeMap<EntitlementId, u64> = BTreeMap::new();
        for unit in self.units.iter().filter(|unit| !unit.is_tampered) {
            let held = unit.held;
            let sold = held.and_then(|key| self.gateway.audit.set(&unit.identity.id, key));
            for (entitlement, units) in sold.map(|sold| sold.in_force(now)).unwrap_or_default() {
                *copies.entry(entitlement).or_default() += units;
            }
        }
        for (id, copies) in copies {
            let entitlement = self.gateway.world.entitlement(id);
            let entitlement = entitlement.expect("what is sold is there");
            if let Quantity::Units(units) = entitlement.quantity {
                let sold = u64::from(units) + u64::from(entitlement.overdraft);
                assert!(copies <= sold, "{id}: {copies} in force, {sold} sold");
            }
        }
    }

    /// The network heals, and so does everything else, without anybody's doing: at the latest
    /// with the next routine contact.
    pub(crate) fn heal(&mut self) {
        self.mend();
        self.run_among_replays(4 * HOUR);
        self.check();
        if self.divergence().is_some() {
            self.sleep_for(9 * DAY);
            self.run_among_replays(4 * HOUR);
            self.check();
        }
        if let Some(divergence) = self.divergence() {
            panic!("after the network healed: {divergence}");
        }
        self.answer_everybody();
        if let Some(divergence) = self.divergence() {
            panic!("after everybody asked: {divergence}");
        }
        self.check_usage();
    }

    /// The network may be fair and the broker not.
    fn run_among_replays(&mut self, millis: u64) {
        if self.luck.percent(60) {
            self.run_for(millis);
            return;
        }
        const SLICES: u64 = 40;
        for _ in 0..SLICES {
            self.broker.replay(self.now, &mut self.luck);
            self.run_for(millis / SLICES);
        }
    }

    /// Everybody who asks is answered, and can ask again.
    fn answer_everybody(&mut self) {
        let before: Vec<u32> = self.units.iter().map(|unit| unit.answers).collect();
        for place in self.live() {
            let ask = Ask::for_what_is_owed(Reason::Renew);
            self.units[place].call(self.now, &mut self.luck, |agent, now| {
                let _ = agent.ask(&ask, now);
                agent.handle_timeout(now);
            });
            self.connect(place);
        }
        self.run_among_replays(3 * HOUR);
        self.check();
        for place in self.live() {
            let unit = &mut self.units[place];
            let ask = Ask::for_what_is_owed(Reason::Renew);
            let again = unit.call(self.now, &mut self.luck, |agent, now| agent.ask(&ask, now));
            assert_eq!(again, Some(Ok(())), "{} cannot ask", unit.identity.id);
            assert!(
                unit.answers > before[place],
                "{} asked and was not answered",
                unit.identity.id
            );
        }
    }

    /// What device and ledger see differently.
    fn divergence(&self) -> Option<String> {
        self.live().find_map(|place| {
            let why = self.divergence_of(place)?;
            Some(format!("{}: {why}", self.units[place].identity.id))
        })
    }

    fn divergence_of(&self, place: usize) -> Option<String> {
        let unit = &self.units[place];
        let id = &unit.identity.id;
        let world = &self.gateway.world;
        let device = world.device(id)?;
        if device.state != DeviceState::Admitted {
            return Some(format!("is {}", device.state));
        }
        let Some(latest) = world.latest_set(id) else {
            return unit
                .held
                .map(|held| format!("holds {held}, nothing was issued"));
        };
        let key = latest.set.key;
        if unit.held != Some(key) {
            return Some(format!("holds {:?}, should hold {key}", unit.held));
        }
        if device.acked_key() != Some(key) {
            return Some(format!("{key} is not acknowledged"));
        }
        let delivery = world.delivery(id, key)?;
        if delivery.state != DeliveryState::Acknowledged || delivery.due.is_some() {
            return Some(format!("the delivery of {key} is {delivery:?}"));
        }
        let activated: BTreeSet<ActivationId> = world
            .activations(id)
            .filter(|activation| activation.standing == Standing::Activated)
            .map(|activation| activation.id)
            .collect();
        let sold = self.gateway.audit.set(id, key)?;
        let in_force: BTreeSet<ActivationId> =
            sold.rights.iter().map(|right| right.activation).collect();
        let lapsed = |id: &ActivationId| {
            world
                .activation(*id)
                .is_some_and(|activation| activation.standing == Standing::Lapsed)
        };
        let differing: Vec<_> = activated
            .symmetric_difference(&in_force)
            .filter(|id| !lapsed(id))
            .collect();
        if !differing.is_empty() {
            return Some(format!("{differing:?} are not as the ledger says"));
        }
        let unproven = world
            .activations(id)
            .find(|activation| activation.standing.removal().is_some());
        unproven.map(|activation| format!("{} is {:?}", activation.id, activation.standing))
    }

    /// Every use that was counted on a device whose storage nobody touched is in the ledger.
    fn check_usage(&self) {
        for place in self.live() {
            let unit = &self.units[place];
            if self.gateway.audit.tampered.contains(&unit.identity.id) {
                continue;
            }
            let activations = self.gateway.world.activations(&unit.identity.id);
            let reported: u64 = activations.map(|activation| activation.usage).sum();
            let made = unit.uses..=unit.uses + unit.unsure_uses;
            assert!(
                made.contains(&reported),
                "{}: {reported} uses are in the ledger, {made:?} were made",
                unit.identity.id
            );
        }
    }
}

impl Sold {
    /// Units in force at an instant, by entitlement; an activation with two features counts once.
    fn in_force(&self, now: u64) -> BTreeMap<EntitlementId, u64> {
        let running = self
            .rights
            .iter()
            .filter(|r| r.waits || r.end.is_none_or(|end| now < end));
        let by_activation: BTreeMap<ActivationId, &Right> =
            running.map(|right| (right.activation, right)).collect();
        let mut units = BTreeMap::new();
        for right in by_activation.values() {
            *units.entry(right.entitlement).or_default() += u64::from(right.units);
        }
        units
    }
}

impl Right {
    fn runs_at(&self, secs: u64) -> bool {
        self.start <= secs && self.end.is_none_or(|end| secs < end)
    }

    /// Whether it goes on past its end, if it is in force since so many milliseconds after the power
    /// came on at `at_zero`.
    fn lingers_since(&self, since: u64, at_zero: u64) -> bool {
        self.waits && self.end.is_none_or(|end| at_zero + since < end * 1_000)
    }
}
