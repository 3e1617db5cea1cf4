//! Devices, broker and gateway on one clock.

use fleetgrant_agent::Ask;
use fleetgrant_core::domain::{DeviceId, EntitlementState, SetKey, Timestamp};
use fleetgrant_core::entitlement::{Quantity, Term};
use fleetgrant_core::operator;
use fleetgrant_core::operator::Publish;
use fleetgrant_schemas::id::ActivationId;
use fleetgrant_schemas::request::Reason;

use crate::broker::{Broker, Parcel, Way, Weather};
use crate::cast::{BEGIN_SECS, Cast, DEVICES, FEATURES, cast};
use crate::chance::Chance;
use crate::explore::tell;
use crate::flash::Flash;
use crate::gateway::Gateway;
use crate::keys::Scheme;
use crate::op::{Op, Step};
use crate::stock::{code, entitlement_id};
use crate::unit::{SimAgent, Unit};

const HOUR: u64 = 3_600_000;
/// Ticks of the upkeep.
const TICK: u64 = 6 * HOUR;
/// Through longer times devices sleep, and wake up this often.
const NAP: u64 = 6 * HOUR;
/// Hardware that there is room for, clones included.
const MAX_UNITS: usize = 7;

/// Everything.
pub(crate) struct Simulation {
    pub(crate) cast: &'static Cast,
    /// Milliseconds since the simulation began.
    pub(crate) now: u64,
    pub(crate) luck: Chance,
    pub(crate) gateway: Gateway,
    pub(crate) broker: Broker,
    pub(crate) units: Vec<Unit>,
    next_tick: u64,
    /// How often devices that sleep look at their timers; none: at once.
    nap: Option<u64>,
}

impl Simulation {
    pub(crate) fn new(scheme: Scheme, seed: u64) -> Self {
        let cast = cast(scheme);
        let mut luck = Chance::new(seed);
        let gateway = Gateway::new(cast, &mut luck, timestamp(0));
        let units = cast.devices.iter();
        let units = units.map(|identity| Unit::new(identity, Flash::default()));
        let mut simulation = Self {
            cast,
            now: 0,
            luck,
            gateway,
            broker: Broker::new(DEVICES),
            units: units.collect(),
            next_tick: TICK,
            nap: None,
        };
        for place in 0..DEVICES {
            // The others are switched on in the course of events.
            if simulation.luck.percent(60) {
                simulation.connect(place);
                simulation.power_on(place);
            }
        }
        simulation
    }

    /// Lets a step happen, and some time pass.
    pub(crate) fn run(&mut self, step: &Step) {
        self.luck = Chance::new(step.luck);
        self.perform(step.op);
        let pause = if self.luck.percent(30) {
            0
        } else {
            self.luck.below(40_000)
        };
        self.run_for(pause);
        self.check();
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        timestamp(self.now)
    }

    pub(crate) fn run_for(&mut self, millis: u64) {
        self.nap = None;
        self.run_until(self.now + millis);
    }

    /// As [`Simulation::run_for`], with devices that sleep.
    pub(crate) fn sleep_for(&mut self, millis: u64) {
        self.nap = Some(NAP);
        self.run_until(self.now + millis);
        self.nap = None;
    }

    fn run_until(&mut self, end: u64) {
        let mut events = 0;
        while let Some(at) = self.next_event().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.happen();
            events += 1;
            assert!(events < 20_000, "somebody is busy for ever");
        }
        self.now = end;
    }

    fn next_event(&self) -> Option<u64> {
        let push = self.gateway.next_push();
        let push = push.map(|at| millis(at).max(self.now));
        let units = self.units.iter().filter_map(|unit| {
            let timeout = unit.timeout().map(|at| self.slept(at));
            timeout.into_iter().chain(unit.on_again_at).min()
        });
        [self.broker.next_delivery(), push, Some(self.next_tick)]
            .into_iter()
            .flatten()
            .chain(units)
            .min()
    }

    fn slept(&self, at: u64) -> u64 {
        match self.nap {
            Some(nap) => at.next_multiple_of(nap),
            None => at,
        }
    }

    /// Everything that is due now.
    fn happen(&mut self) {
        while let Some(parcel) = self.broker.take_due(self.now) {
            self.deliver(parcel);
        }
        for place in 0..self.units.len() {
            if self.units[place]
                .on_again_at
                .is_some_and(|at| at <= self.now)
            {
                self.power_on(place);
            }
            let timeout = self.units[place].timeout().map(|at| self.slept(at));
            if timeout.is_some_and(|at| at <= self.now) {
                self.call(place, |agent, now| agent.handle_timeout(now));
            }
        }
        let now = self.timestamp();
        for parcel in self.gateway.push_due(now, &mut self.luck) {
            self.broker.publish(parcel, self.now, &mut self.luck);
        }
        if self.next_tick <= self.now {
            self.next_tick = self.now + TICK;
            self.gateway.tick(now);
        }
    }

    fn deliver(&mut self, parcel: Parcel) {
        tell(|| {
            let (device, message) = (parcel.device, parcel.message);
            format!("  {} {device} {message} {:?}", self.now, parcel.way)
        });
        if !parcel.message.is_up() {
            self.deliver_down(parcel);
            return;
        }
        let now = self.timestamp();
        let rival = if self.luck.percent(25) {
            self.broker.take_rival(parcel.device, self.now)
        } else {
            None
        };
        match rival {
            Some(rival) => {
                let settled = self.gateway.race([&parcel, &rival], now, &mut self.luck);
                for (settled, parcel) in settled.into_iter().zip([parcel, rival]) {
                    self.answer(settled, parcel);
                }
            }
            None => {
                let settled = self.gateway.receive(&parcel, now, &mut self.luck);
                self.answer(settled, parcel);
            }
        }
        self.check_freed();
    }

    fn answer(&mut self, settled: Result<Option<Parcel>, crate::gateway::Again>, parcel: Parcel) {
        match settled {
            Ok(Some(reply)) => self.broker.publish(reply, self.now, &mut self.luck),
            Ok(None) => {}
            Err(_) => self.broker.redeliver(parcel, self.now, &mut self.luck),
        }
    }

    fn deliver_down(&mut self, parcel: Parcel) {
        let is_there = |unit: &Unit| {
            unit.identity.place == parcel.device
                && unit.is_on()
                && (unit.is_connected || parcel.way == Way::File)
        };
        let places: Vec<usize> = (0..self.units.len())
            .filter(|place| is_there(&self.units[*place]))
            .collect();
        if places.is_empty() {
            if self.luck.percent(60) {
                self.broker.keep(parcel);
            }
            return;
        }
        // Clones take each other's messages, or all get them.
        let chosen = self.luck.below(places.len() as u64 + 1) as usize;
        for (nth, place) in places.iter().enumerate() {
            if chosen == places.len() || chosen == nth {
                self.call(*place, |agent, now| {
                    let _ = agent.handle_message(&parcel.bytes, parcel.message, now);
                });
            }
        }
    }

    /// Calls an agent and publishes what it has to say. Whether it runs on.
    fn call<T>(
        &mut self,
        place: usize,
        call: impl FnOnce(&mut SimAgent, fleetgrant_agent::Instant) -> T,
    ) -> Option<T> {
        let result = self.units[place].call(self.now, &mut self.luck, call);
        self.transmit(place);
        result
    }

    fn transmit(&mut self, place: usize) {
        let unit = &mut self.units[place];
        while let Some((message, bytes)) = unit.transmit(self.now, &mut self.luck) {
            let parcel = Parcel {
                device: unit.identity.place,
                message,
                bytes: bytes.into(),
                way: Way::Online,
            };
            self.broker.publish(parcel, self.now, &mut self.luck);
        }
    }

    pub(crate) fn power_on(&mut self, place: usize) {
        self.units[place].power_on(self.now, &mut self.luck);
        // The first request is due at once.
        self.call(place, |agent, now| agent.handle_timeout(now));
    }

    pub(crate) fn connect(&mut self, place: usize) {
        let device = self.units[place].identity.place;
        self.units[place].is_connected = true;
        self.broker.resume(device, self.now, &mut self.luck);
        self.call(place, |agent, now| agent.resend(now));
    }

    fn unit(&self, number: u8) -> usize {
        usize::from(number) % self.units.len()
    }

    fn id(&self, device: u8) -> DeviceId {
        self.cast.devices[usize::from(device) % DEVICES].id.clone()
    }

    fn perform(&mut self, op: Op) {
        match op {
            Op::Ask { unit, reason } => self.ask(unit, &Ask::for_what_is_owed(reason)),
            Op::Want {
                unit,
                feature,
                total,
            } => self.ask(
                unit,
                &Ask {
                    features: &[(FEATURES[usize::from(feature)], total.into())],
                    ..Ask::for_what_is_owed(Reason::Upgrade)
                },
            ),
            Op::GiveBack {
                unit,
                feature,
                total,
            } => self.ask(
                unit,
                &Ask {
                    features: &[(FEATURES[usize::from(feature)], total.into())],
                    ..Ask::for_what_is_owed(Reason::Return)
                },
            ),
            Op::GiveBackOne { unit, place } => {
                let held = self.activations_held(self.unit(unit));
                if let Some(activation) = held.get(usize::from(place) % held.len().max(1)) {
                    let ask = Ask {
                        concerned: &[*activation],
                        ..Ask::for_what_is_owed(Reason::Return)
                    };
                    self.ask(unit, &ask);
                }
            }
            Op::Redeem {
                unit,
                code: place,
                is_mistyped,
            } => {
                let mut code = code(place);
                code.secret[0] ^= u8::from(is_mistyped);
                let ask = Ask {
                    code: Some(code),
                    ..Ask::for_what_is_owed(Reason::Upgrade)
                };
                self.ask(unit, &ask);
            }
            Op::Use { unit, feature } => {
                let place = self.unit(unit);
                let feature = FEATURES[usize::from(feature)];
                let used = self.call(place, |agent, now| agent.use_one(feature, now).is_ok());
                if used == Some(true) && feature == FEATURES[3] {
                    self.units[place].uses += 1;
                }
            }
            Op::SetClock { unit, ahead_secs } => {
                let secs = (BEGIN_SECS + self.now / 1_000).saturating_add_signed(ahead_secs);
                self.call(self.unit(unit), |agent, now| agent.set_clock(secs, now));
            }
            Op::ExportRequest { unit, reason } => {
                let ask = Ask::for_what_is_owed(reason);
                self.export(unit, |agent, buffer, now| {
                    agent.export_request(&ask, buffer, now).ok()
                });
            }
            Op::ExportAck { unit } => self.export(unit, |agent, buffer, now| {
                agent.export_ack(buffer, now).ok().flatten()
            }),
            Op::PowerOff { unit } => {
                let place = self.unit(unit);
                self.units[place].power_off();
            }
            Op::PowerOn { unit } => {
                let place = self.unit(unit);
                self.units[place].power_off();
                self.power_on(place);
            }
            Op::Cut { unit, cut } => self.units[self.unit(unit)].flash.cut(cut),
            Op::FailWrites { unit, writes } => self.units[self.unit(unit)].flash.fail(writes),
            Op::Disconnect {
                unit,
                loses_session,
            } => {
                let place = self.unit(unit);
                self.units[place].is_connected = false;
                if loses_session {
                    self.broker.forget_session(self.units[place].identity.place);
                }
            }
            Op::Connect { unit } => self.connect(self.unit(unit)),
            Op::Wipe { .. } | Op::Snapshot { .. } | Op::Restore { .. } | Op::Clone { .. } => {
                self.tamper(op);
            }
            Op::Crash(crash) => self.gateway.crash = Some(crash),
            Op::Restart => self.gateway.restart(),
            Op::Busy { requests } => self.gateway.busy = requests,
            Op::Weather(weather) => self.broker.weather = weather,
            Op::Replay { messages } => {
                for _ in 0..messages {
                    self.broker.replay(self.now, &mut self.luck);
                }
            }
            Op::Pass { secs } if secs < 3_600 => self.run_for(u64::from(secs) * 1_000),
            Op::Pass { secs } => self.sleep_for(u64::from(secs) * 1_000),
            _ => self.operate(op),
        }
    }

    fn ask(&mut self, unit: u8, ask: &Ask<'_>) {
        self.call(self.unit(unit), |agent, now| {
            // An earlier one may be outstanding, or the storage full.
            let _ = agent.ask(ask, now);
            // It is made at once.
            agent.handle_timeout(now);
        });
    }

    fn export(
        &mut self,
        unit: u8,
        export: impl FnOnce(&mut SimAgent, &mut [u8], fleetgrant_agent::Instant) -> Option<usize>,
    ) {
        let place = self.unit(unit);
        let mut buffer = vec![0; 4_096];
        let written = self.call(place, |agent, now| export(agent, &mut buffer, now));
        let Some(len) = written.flatten() else {
            return;
        };
        buffer.truncate(len);
        let message = SimAgent::file_type(&buffer).expect("the agent wrote a message");
        if message == fleetgrant_schemas::topic::MessageType::Ack {
            self.units[place].note_ack();
        }
        let parcel = Parcel {
            device: self.units[place].identity.place,
            message,
            bytes: buffer.into(),
            way: Way::File,
        };
        self.broker.publish(parcel, self.now, &mut self.luck);
    }

    fn tamper(&mut self, op: Op) {
        match op {
            Op::Wipe { unit } => {
                let place = self.unit(unit);
                let unit = &mut self.units[place];
                unit.power_off();
                unit.flash.wipe();
                (unit.held, unit.acked, unit.uses) = (None, None, 0);
                self.gateway.audit.tampered.insert(unit.identity.id.clone());
            }
            Op::Snapshot { unit } => {
                let place = self.unit(unit);
                self.units[place].snapshot = Some(self.units[place].flash.copy());
            }
            Op::Restore { unit, records } => {
                let place = self.unit(unit);
                let unit = &mut self.units[place];
                if let Some(snapshot) = unit.snapshot.clone() {
                    unit.power_off();
                    unit.flash.take_over(&snapshot, records);
                    unit.is_tampered = true;
                    (unit.held, unit.acked) = (None, None);
                    self.gateway.audit.tampered.insert(unit.identity.id.clone());
                }
            }
            Op::Clone { unit } if self.units.len() < MAX_UNITS => {
                let original = self.unit(unit);
                let original = &mut self.units[original];
                original.is_tampered = true;
                let mut clone = Unit::new(original.identity, original.flash.copy());
                clone.is_tampered = true;
                self.gateway
                    .audit
                    .tampered
                    .insert(clone.identity.id.clone());
                self.units.push(clone);
                let place = self.units.len() - 1;
                self.connect(place);
                self.power_on(place);
            }
            _ => {}
        }
    }

    fn operate(&mut self, op: Op) {
        let now = self.timestamp();
        let luck = &mut self.luck;
        match op {
            Op::Assign {
                device,
                entitlement,
                units,
                at_contact,
            } => {
                let publish = if at_contact {
                    Publish::AtContact
                } else {
                    Publish::Now
                };
                let id = self.cast.devices[usize::from(device)].id.clone();
                let entitlement = entitlement_id(entitlement);
                self.gateway
                    .operate(&id, now, luck, |snapshot, ctx, mut entropy| {
                        operator::assign(
                            snapshot,
                            entitlement,
                            units.into(),
                            publish,
                            ctx,
                            &mut entropy,
                        )
                    });
            }
            Op::Cancel { device } => {
                let id = self.id(device);
                if let Some(activation) = self.activation_of(&id, 0) {
                    self.gateway
                        .operate(&id, now, &mut self.luck, |snapshot, ctx, _| {
                            operator::cancel(snapshot, activation, ctx)
                        });
                }
            }
            Op::Revoke { device, place } => {
                let id = self.id(device);
                if let Some(activation) = self.activation_of(&id, place) {
                    self.gateway
                        .operate(&id, now, &mut self.luck, |snapshot, ctx, mut entropy| {
                            operator::revoke(snapshot, activation, ctx, &mut entropy)
                        });
                }
            }
            Op::Push { device } => {
                let id = self.cast.devices[usize::from(device)].id.clone();
                self.gateway
                    .operate(&id, now, luck, |snapshot, ctx, mut entropy| {
                        operator::push(snapshot, ctx, &mut entropy)
                    });
            }
            Op::Clear { device } => {
                let id = self.cast.devices[usize::from(device)].id.clone();
                self.clear(&id);
            }
            Op::Suspend { entitlement } => {
                self.set_state(entitlement, EntitlementState::Suspended);
            }
            Op::Hold { entitlement } => self.set_state(entitlement, EntitlementState::Hold),
            Op::Resume { entitlement } => self.set_state(entitlement, EntitlementState::Active),
            Op::Extend { entitlement, days } => {
                let world = &mut self.gateway.world;
                let entitlement = world.entitlement_mut(entitlement_id(entitlement));
                match entitlement.map(|entitlement| &mut entitlement.term) {
                    Some(Term::Until(end)) => {
                        *end = end.plus_seconds(u64::from(days) * 86_400);
                    }
                    Some(Term::For { days: term, .. }) => *term += u16::from(days),
                    _ => {}
                }
            }
            Op::AddUnit { entitlement } => {
                let world = &mut self.gateway.world;
                let entitlement = world.entitlement_mut(entitlement_id(entitlement));
                if let Some(Quantity::Units(units)) =
                    entitlement.map(|entitlement| &mut entitlement.quantity)
                {
                    *units += 1;
                }
            }
            _ => unreachable!("{op:?} is nothing that operators do"),
        }
    }

    pub(crate) fn clear(&mut self, id: &DeviceId) {
        let now = self.timestamp();
        self.gateway
            .operate(id, now, &mut self.luck, |snapshot, ctx, _| {
                Ok(operator::clear(snapshot, ctx))
            });
    }

    fn set_state(&mut self, entitlement: u8, state: EntitlementState) {
        let world = &mut self.gateway.world;
        if let Some(entitlement) = world.entitlement_mut(entitlement_id(entitlement)) {
            entitlement.state = state;
        }
    }

    /// An activation of a device that holds units.
    fn activation_of(&self, id: &DeviceId, place: u8) -> Option<ActivationId> {
        let live = || {
            let all = self.gateway.world.activations(id);
            all.filter(|activation| activation.holds_units())
        };
        let count = live().count();
        live()
            .nth(usize::from(place) % count.max(1))
            .map(|activation| activation.id)
    }

    fn activations_held(&self, place: usize) -> Vec<ActivationId> {
        let unit = &self.units[place];
        let held: Option<SetKey> = unit.held;
        let sold = held.and_then(|key| self.gateway.audit.set(&unit.identity.id, key));
        sold.map(|sold| sold.rights.iter().map(|right| right.activation).collect())
            .unwrap_or_default()
    }

    /// The weather turns fair, one device of each identity is left, everybody has power.
    pub(crate) fn mend(&mut self) {
        self.broker.weather = Weather::FAIR;
        self.gateway.restart();
        for device in 0..DEVICES {
            let copies: Vec<usize> = (0..self.units.len())
                .filter(|place| self.units[*place].identity.place == device)
                .collect();
            let kept = copies[self.luck.below(copies.len() as u64) as usize];
            for place in copies {
                let unit = &mut self.units[place];
                unit.flash.fail(0);
                unit.flash.restore_power();
                if place != kept {
                    unit.power_off();
                    unit.is_connected = false;
                    unit.on_again_at = None;
                }
            }
            if !self.units[kept].is_connected {
                self.connect(kept);
            }
            if !self.units[kept].is_on() {
                self.power_on(kept);
            }
            let id = self.cast.devices[device].id.clone();
            self.clear(&id);
        }
    }

    /// The devices that are left.
    pub(crate) fn live(&self) -> impl Iterator<Item = usize> + use<> {
        let live: Vec<usize> = (0..self.units.len())
            .filter(|place| self.units[*place].is_on() && self.units[*place].is_connected)
            .collect();
        live.into_iter()
    }
}

pub(crate) const fn timestamp(now: u64) -> Timestamp {
    Timestamp::from_micros((BEGIN_SECS * 1_000 + now) as i64 * 1_000)
}

/// Milliseconds of the simulation at an instant, or the next one.
const fn millis(at: Timestamp) -> u64 {
    let millis = (at.micros() + 999) / 1_000;
    (millis as u64).saturating_sub(BEGIN_SECS * 1_000)
}
