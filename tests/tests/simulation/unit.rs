//! A device as hardware: storage, power, a connection, and the agent that runs while it is on.

use std::collections::BTreeMap;

use fleetgrant_agent::{Agent, Event, Instant};
use fleetgrant_core::domain::{ActivationId, SetKey};
use fleetgrant_schemas::ack::Ack;
use fleetgrant_schemas::envelope::Envelope;
use fleetgrant_schemas::notice::NoticeCode;
use fleetgrant_schemas::topic::MessageType;

use crate::audit::set_key;
use crate::cast::Identity;
use crate::chance::Chance;
use crate::explore::tell;
use crate::flash::Flash;
use crate::keys::DeviceKeys;
use crate::tally::count;

/// More than the largest message that any device takes can hold.
pub(crate) const RIGHTS: usize = 32;
const REQUEST: usize = 1_024;
const TRANSMIT: usize = 4_096;

pub(crate) type SimAgent = Agent<'static, DeviceKeys, Flash, Vec<u8>, RIGHTS>;

pub(crate) struct Unit {
    pub(crate) identity: &'static Identity,
    pub(crate) flash: Flash,
    /// Place of the version of its firmware.
    pub(crate) version: usize,
    /// Runs while the power is on.
    pub(crate) agent: Option<SimAgent>,
    /// When the power came on, in milliseconds of the simulation.
    on_since: u64,
    /// When the agent wants to be called, in milliseconds of the simulation.
    timeout: Option<u64>,
    /// When somebody switches it on again.
    pub(crate) on_again_at: Option<u64>,
    pub(crate) is_connected: bool,
    /// Its storage was set back or copied: it may run what it gave back.
    pub(crate) is_tampered: bool,
    /// What it was last seen to hold; none if it is blank.
    pub(crate) held: Option<SetKey>,
    /// The last acknowledgement: of which set, and which of those.
    pub(crate) acked: Option<(SetKey, u32)>,
    /// While it is blank: the latest set there was when it became so. Older ones are void.
    pub(crate) blank_since: Option<SetKey>,
    /// Uses that it counted.
    pub(crate) uses: u64,
    /// Uses during which its power failed: counted or not.
    pub(crate) unsure_uses: u64,
    /// Requests that were answered for good.
    pub(crate) answers: u32,
    /// Its storage as it was once.
    pub(crate) snapshot: Option<Flash>,
    /// Rights that were seen in force before their end, in milliseconds of its uptime, while it
    /// held one set without being switched off.
    pub(crate) seen: BTreeMap<ActivationId, u64>,
    /// When the power came on, and of which set.
    seen_of: Option<(u64, Option<SetKey>)>,
}

impl Unit {
    pub(crate) fn new(identity: &'static Identity, flash: Flash) -> Self {
        Self {
            identity,
            flash,
            version: 0,
            agent: None,
            on_since: 0,
            timeout: None,
            on_again_at: None,
            is_connected: false,
            is_tampered: false,
            held: None,
            acked: None,
            blank_since: None,
            uses: 0,
            unsure_uses: 0,
            answers: 0,
            snapshot: None,
            seen: BTreeMap::new(),
            seen_of: None,
        }
    }

    /// Forgets what was seen in force in an earlier run, or of another set.
    pub(crate) fn renew_seen(&mut self) {
        let of = self.is_on().then_some((self.on_since, self.held));
        if self.seen_of != of {
            self.seen.clear();
            self.seen_of = of;
        }
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.agent.is_some()
    }

    pub(crate) fn uptime(&self, now: u64) -> Instant {
        Instant(now - self.on_since)
    }

    pub(crate) const fn timeout(&self) -> Option<u64> {
        self.timeout
    }

    /// Starts the device; it may lose its power while it starts.
    pub(crate) fn power_on(&mut self, now: u64, luck: &mut Chance) {
        self.on_again_at = None;
        self.on_since = now;
        let keys = DeviceKeys {
            identity: self.identity,
            luck: Chance::new(luck.draw()),
        };
        let agent = SimAgent::start(
            &self.identity.profiles[self.version],
            keys,
            self.flash.clone(),
            vec![0; REQUEST],
            &mut [0; TRANSMIT],
            Instant(0),
        );
        self.agent = Some(agent.expect("what the agent stored it can load"));
        self.after_call(now, luck);
    }

    pub(crate) fn power_off(&mut self) {
        self.agent = None;
        self.timeout = None;
        self.flash.restore_power();
    }

    /// Calls the agent, if it runs and goes on running.
    pub(crate) fn call<T>(
        &mut self,
        now: u64,
        luck: &mut Chance,
        call: impl FnOnce(&mut SimAgent, Instant) -> T,
    ) -> Option<T> {
        let uptime = self.uptime(now);
        let result = call(self.agent.as_mut()?, uptime);
        self.after_call(now, luck);
        self.agent.as_ref().map(|_| result)
    }

    /// The next message that it publishes.
    pub(crate) fn transmit(
        &mut self,
        now: u64,
        luck: &mut Chance,
    ) -> Option<(MessageType, Vec<u8>)> {
        if !self.is_connected {
            return None;
        }
        let mut buffer = vec![0; TRANSMIT];
        let transmit = self.call(now, luck, |agent, _| agent.poll_transmit(&mut buffer))??;
        buffer.truncate(transmit.len);
        if transmit.message == MessageType::Ack {
            self.note_ack(&buffer);
        }
        Some((transmit.message, buffer))
    }

    /// Of two acknowledgements the gateway must be able to tell the later one.
    pub(crate) fn note_ack(&mut self, bytes: &[u8]) {
        let key = self.identity.key.public();
        let verified = Envelope::parse(bytes)
            .unwrap()
            .verify(|signed, signature| self.identity.key.verify(&key, signed, signature))
            .expect("the device signed it");
        let ack: Ack<'_> = verified.read().unwrap();
        let acked = Some((set_key(ack.held), ack.n));
        assert_eq!(
            Some(set_key(ack.held)),
            self.held,
            "what is acknowledged is held"
        );
        assert!(
            acked > self.acked,
            "{} acknowledged {acked:?} after {:?}",
            self.identity.id,
            self.acked
        );
        self.acked = acked;
    }

    /// Its storage is not what it was.
    pub(crate) fn forget(&mut self) {
        self.power_off();
        (self.held, self.acked, self.blank_since) = (None, None, None);
    }

    /// A power cut ends the agent; whatever it made of it in memory is void.
    fn after_call(&mut self, now: u64, luck: &mut Chance) {
        if self.flash.is_dark() {
            count("device", "power cut at a write");
            self.power_off();
            self.on_again_at = Some(now + 1_000 + luck.below(30_000));
            return;
        }
        let Some(agent) = &mut self.agent else {
            return;
        };
        while let Some(event) = agent.poll_event() {
            tell(|| format!("  {now} {} {event:?}", self.identity.place));
            match event {
                Event::Refused { reason, .. } => count("refusal", reason.as_str()),
                Event::Storage { reason, .. } => count("storage", reason.as_str()),
                Event::Installed { .. } => count("device", "installed"),
                _ => {}
            }
            if let Event::Installed { .. } | Event::Notice(NoticeCode::Denied) = event {
                self.answers += 1;
            }
        }
        let timeout = agent.poll_timeout();
        self.timeout = timeout.map(|at| self.on_since.saturating_add(at.0));
        let held = agent.held().map(set_key);
        let acked = self.acked.map(|(set, _)| set);
        assert!(
            held.is_none() || held > self.blank_since,
            "{} was blank and took {held:?}, which is not after {:?}",
            self.identity.id,
            self.blank_since
        );
        assert!(
            held >= self.held && held >= acked,
            "{} went back from {:?} to {held:?}; it acknowledged {:?}",
            self.identity.id,
            self.held,
            self.acked
        );
        self.held = held;
        if held.is_some() {
            self.blank_since = None;
        }
    }
}
