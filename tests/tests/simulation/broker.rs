//! A broker that nobody trusts, and the network around it.

use std::rc::Rc;

use fleetgrant_schemas::topic::MessageType;

use crate::chance::Chance;

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    /// The device of its topic, by its place in the cast.
    pub(crate) device: usize,
    /// The last level of its topic.
    pub(crate) message: MessageType,
    pub(crate) bytes: Rc<[u8]>,
    pub(crate) way: Way,
}

/// How it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Online,
    /// As a file that people carry.
    File,
}

/// What the network does to messages, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weather {
    pub(crate) lost: u8,
    pub(crate) doubled: u8,
    /// Later than all that follow in the next minutes.
    pub(crate) late: u8,
}

impl Weather {
    pub(crate) const FAIR: Self = Self {
        lost: 0,
        doubled: 0,
        late: 0,
    };
    /// Nothing gets through.
    pub(crate) const OUTAGE: Self = Self {
        lost: 100,
        doubled: 0,
        late: 0,
    };
}

/// Everything between devices and gateway.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) weather: Weather,
    /// By the instant of their delivery, in milliseconds.
    under_way: Vec<(u64, Parcel)>,
    /// Everything that was ever published.
    seen: Vec<Parcel>,
    /// What the session of a device that is away keeps, by its place in the cast.
    kept: Vec<Vec<Parcel>>,
}

impl Broker {
    pub(crate) fn new(devices: usize) -> Self {
        Self {
            weather: Weather::FAIR,
            under_way: Vec::new(),
            seen: Vec::new(),
            kept: vec![Vec::new(); devices],
        }
    }

    pub(crate) fn publish(&mut self, parcel: Parcel, now: u64, luck: &mut Chance) {
        self.seen.push(parcel.clone());
        self.carry(parcel, now, luck);
    }

    /// Publishes anew something that was seen before, perhaps under another topic.
    pub(crate) fn replay(&mut self, now: u64, luck: &mut Chance) {
        if self.seen.is_empty() {
            return;
        }
        // The newest half the time.
        let newest = self.seen.len().min(8) as u64;
        let back = if luck.percent(50) {
            luck.below(newest)
        } else {
            luck.below(self.seen.len() as u64)
        };
        let mut parcel = self.seen[self.seen.len() - 1 - back as usize].clone();
        if luck.percent(5) {
            parcel.device = luck.below(self.kept.len() as u64) as usize;
        }
        if luck.percent(5) {
            parcel.message = MessageType::ALL[luck.below(MessageType::ALL.len() as u64) as usize];
        }
        self.under_way.push((now + luck.below(2_000), parcel));
    }

    /// Publishes everything anew that a device was ever sent, in its order.
    pub(crate) fn replay_grants(&mut self, device: usize, now: u64, luck: &mut Chance) {
        let down = |parcel: &&Parcel| parcel.device == device && !parcel.message.is_up();
        let sent: Vec<Parcel> = self.seen.iter().filter(down).cloned().collect();
        let mut at = now;
        for parcel in sent {
            // No faster than the device checks signatures.
            at += 900 + luck.below(400);
            self.under_way.push((at, parcel));
        }
    }

    /// Delivers it again later: the gateway did not acknowledge it.
    pub(crate) fn redeliver(&mut self, parcel: Parcel, now: u64, luck: &mut Chance) {
        self.under_way
            .push((now + 1_000 + luck.below(9_000), parcel));
    }

    /// Keeps what a device that is away should have had, unless its session is lost.
    pub(crate) fn keep(&mut self, parcel: Parcel) {
        self.kept[parcel.device].push(parcel);
    }

    pub(crate) fn forget_session(&mut self, device: usize) {
        self.kept[device].clear();
    }

    /// A device is back: what was kept follows.
    pub(crate) fn resume(&mut self, device: usize, now: u64, luck: &mut Chance) {
        for parcel in std::mem::take(&mut self.kept[device]) {
            self.carry(parcel, now, luck);
        }
    }

    pub(crate) fn next_delivery(&self) -> Option<u64> {
        self.under_way.iter().map(|(at, _)| *at).min()
    }

    /// Takes the next message that is to be delivered by now.
    pub(crate) fn take_due(&mut self, now: u64) -> Option<Parcel> {
        let due = self.under_way.iter().enumerate();
        let due = due.filter(|(_, (at, _))| *at <= now);
        let (place, _) = due.min_by_key(|(place, (at, _))| (*at, *place))?;
        Some(self.under_way.remove(place).1)
    }

    /// Takes another message for the gateway that is to be delivered by now, of another device.
    pub(crate) fn take_rival(&mut self, device: usize, now: u64) -> Option<Parcel> {
        let place = self.under_way.iter().position(|(at, parcel)| {
            // What comes within a second meets in the gateway.
            *at <= now + 1_000 && parcel.message.is_up() && parcel.device != device
        })?;
        Some(self.under_way.remove(place).1)
    }

    fn carry(&mut self, parcel: Parcel, now: u64, luck: &mut Chance) {
        if parcel.way == Way::File {
            let days = luck.below(4 * 86_400_000);
            self.under_way.push((now + days, parcel));
            return;
        }
        let copies = 1 + usize::from(luck.percent(self.weather.doubled));
        for _ in 0..copies {
            if luck.percent(self.weather.lost) {
                continue;
            }
            let delay = if luck.percent(self.weather.late) {
                luck.below(600_000)
            } else {
                20 + luck.below(400)
            };
            self.under_way.push((now + delay, parcel.clone()));
        }
    }
}
