//! Devices, broker and gateway on one clock.

use fleetgrant_core::domain::Timestamp;

use crate::broker::{Broker, Parcel, Way, Weather};
use crate::cast::{BEGIN_SECS, Cast, DEVICES, cast};
use crate::chance::Chance;
use crate::explore::tell;
use crate::flash::Flash;
use crate::gateway::Gateway;
use crate::keys::Scheme;
use crate::op::Step;
use crate::unit::{SimAgent, Unit};

const HOUR: u64 = 3_600_000;
/// Ticks of the upkeep.
const TICK: u64 = 12 * HOUR;
/// Through longer times devices sleep, and wake up this often.
const NAP: u64 = 12 * HOUR;

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
            if simulation.luck.percent(85) {
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
    pub(crate) fn call<T>(
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
