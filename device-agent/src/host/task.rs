//! A device's task: the agent, its connection and its timers.

use std::mem;
use std::time::Duration;

use bytes::Bytes;
use fleetgrant_schemas::limits;
use fleetgrant_schemas::topic::MessageType;
use tokio::sync::mpsc;
use tokio::time::{Instant as TokioInstant, sleep_until};

use super::config::{DeviceConfig, profile};
use super::connection::{Connection, Happened};
use super::device::{Asked, Command, DeviceError, DeviceEvent};
use super::faults::{FaultInjector, Faults};
use super::keys::HostKeys;
use super::storage::{AnyStorage, MemoryStorage};
use crate::Agent;
use crate::agent::Taken;
use crate::asking::{Ask, AskError};
use crate::time::Instant;

/// Rights a device on a host has room for: as many as a grant holds.
const RIGHTS: usize = limits::MAX_ENTITLEMENTS;
/// What a request takes beside its certificates, with 64 usage totals, 64 activations and 8 wants.
const REQUEST: usize = 4_096;
/// The longest message, and what the agent needs beside it to show a grant.
const TRANSMIT: usize = limits::MAX_UP + limits::MAX_DOWN;

/// A message on its way through a network that may be bad.
#[derive(Clone, Debug)]
enum Passing {
    Up(MessageType, Vec<u8>),
    Down(MessageType, Bytes),
}

struct Task<'c> {
    agent: Agent<'c, &'c HostKeys, AnyStorage, Vec<u8>, RIGHTS>,
    connection: Connection,
    is_connected: bool,
    network: Option<FaultInjector<Passing>>,
    started: TokioInstant,
    events: mpsc::Sender<DeviceEvent>,
}

/// Runs a device until it is told to stop, or its owner is gone.
pub(super) async fn run(
    mut config: DeviceConfig,
    faults: Option<Faults>,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<DeviceEvent>,
) -> Result<(), DeviceError> {
    let emptied = AnyStorage::Memory(MemoryStorage::default());
    let storage = mem::replace(&mut config.storage, emptied);
    let features: Vec<&str> = config.features.iter().map(String::as_str).collect();
    let id = config.id()?;
    let profile = profile(id, &config, &features);
    let request = vec![0; (REQUEST + config.keys.chain_len()).min(limits::MAX_UP)];
    let agent = {
        let mut scratch = vec![0; limits::MAX_DOWN];
        Agent::start(
            &profile,
            &config.keys,
            storage,
            request,
            &mut scratch,
            Instant(0),
        )?
    };
    let (connection, mut happened) = Connection::open(&config.broker, id);
    let mut task = Task {
        agent,
        connection,
        is_connected: false,
        network: faults.map(FaultInjector::new),
        started: TokioInstant::now(),
        events,
    };
    loop {
        task.settle();
        let due = task.due();
        tokio::select! {
            happening = happened.recv() => match happening {
                Some(happening) => task.happened(happening),
                None => return Ok(()),
            },
            command = commands.recv() => match command {
                Some(Command::Stop) | None => break,
                Some(command) => task.obey(command),
            },
            () = sleep_until(due) => task.agent.handle_timeout(task.uptime()),
        }
    }
    task.connection.close().await;
    Ok(())
}

impl Task<'_> {
    fn uptime(&self) -> Instant {
        Instant(self.started.elapsed().as_millis() as u64)
    }

    /// An owner that does not listen does not stop the device; it misses events.
    fn tell(&self, event: DeviceEvent) {
        drop(self.events.try_send(event));
    }

    /// Brings to its place whatever waits for that.
    fn settle(&mut self) {
        let now = self.uptime();
        while let Some(arrived) = self.network.as_mut().and_then(|network| network.take(now)) {
            match arrived {
                Passing::Up(message, bytes) => self.connection.publish(message, bytes),
                Passing::Down(message, bytes) => self.receive(message, &bytes),
            }
        }
        if self.is_connected {
            self.transmit(now);
        }
        while let Some(event) = self.agent.poll_event() {
            self.tell(DeviceEvent::Agent(event));
        }
    }

    /// The buffer lives for this call only: ten thousand devices have little to say at a time.
    fn transmit(&mut self, now: Instant) {
        let mut buffer = vec![0; TRANSMIT];
        while let Some(transmit) = self.agent.poll_transmit(&mut buffer) {
            let bytes = buffer.get(..transmit.len).unwrap_or_default().to_vec();
            match &mut self.network {
                Some(network) => network.put(Passing::Up(transmit.message, bytes), now),
                None => self.connection.publish(transmit.message, bytes),
            }
            self.tell(DeviceEvent::Sent(transmit));
        }
    }

    fn due(&self) -> TokioInstant {
        let arrival = self.network.as_ref().and_then(FaultInjector::next_arrival);
        let due = self.agent.poll_timeout().into_iter().chain(arrival).min();
        // Without a timer there is still the clock to be persisted, so this is never reached.
        let due = due.unwrap_or(Instant(u64::from(u32::MAX)));
        self.started + Duration::from_millis(due.0)
    }

    fn happened(&mut self, happening: Happened) {
        let now = self.uptime();
        match happening {
            Happened::Ready => {
                self.is_connected = true;
                self.agent.set_clock(unix_seconds(), now);
                self.agent.resend(now);
                self.tell(DeviceEvent::Connected);
            }
            Happened::Message(message, bytes) => match &mut self.network {
                Some(network) => network.put(Passing::Down(message, bytes), now),
                None => self.receive(message, &bytes),
            },
            Happened::Lost(reason) => {
                self.is_connected = false;
                self.tell(DeviceEvent::Disconnected(reason));
            }
        }
    }

    fn receive(&mut self, message: MessageType, bytes: &[u8]) {
        let taken = self.agent.handle_message(bytes, message, self.uptime());
        if let Ok(Taken::Installed(grant)) = taken {
            self.tell(DeviceEvent::Granted {
                generation: grant.generation,
                features: grant.entitlements.len(),
                denials: grant
                    .denials
                    .iter()
                    .map(|denial| denial.rule.to_owned())
                    .collect(),
            });
        }
    }

    /// Whoever asked may have stopped waiting for the reply.
    fn obey(&mut self, command: Command) {
        let now = self.uptime();
        match command {
            Command::Ask(asked, reply) => drop(reply.send(self.ask(&asked))),
            Command::Status(feature, reply) => drop(reply.send(self.agent.is_on(&feature, now))),
            Command::Use(feature, reply) => drop(reply.send(self.agent.use_one(&feature, now))),
            Command::Stop => {}
        }
    }

    fn ask(&mut self, asked: &Asked) -> Result<(), AskError> {
        let features: Vec<_> = asked
            .features
            .iter()
            .map(|(name, total)| (name.as_str(), *total))
            .collect();
        let ask = Ask {
            reason: asked.reason,
            features: &features,
            code: asked.code,
            concerned: &asked.concerned,
        };
        self.agent.ask(&ask, self.uptime())
    }
}

/// A host's clock; the agent takes it as a claim that can only add.
#[allow(clippy::disallowed_methods, reason = "a device has no clock but this")]
fn unix_seconds() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
