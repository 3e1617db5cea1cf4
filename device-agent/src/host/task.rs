//! A device's task: the agent, its connection and its timers.

use std::mem;
use std::time::Duration;

use fleetgrant_schemas::limits;
use fleetgrant_schemas::topic::MessageType;
use tokio::sync::mpsc;
use tokio::time::{Instant as TokioInstant, sleep_until};

use super::config::{DeviceConfig, profile};
use super::connection::{Connection, Happened};
use super::device::{Asked, Command, DeviceError, DeviceEvent};
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

/// The agent always has a timer, that of its clock; were it without, nothing would be late.
const WITHOUT_TIMER_SECS: u64 = 900;

struct Task<'c> {
    agent: Agent<'c, &'c HostKeys, AnyStorage, Vec<u8>, RIGHTS>,
    connection: Connection,
    is_connected: bool,
    started: TokioInstant,
    events: mpsc::Sender<DeviceEvent>,
}

/// Runs a device until it is told to stop, or its owner is gone.
pub(super) async fn run(
    mut config: DeviceConfig,
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
        started: TokioInstant::now(),
        events,
    };
    task.agent.set_clock(unix_seconds(), task.uptime());
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

    /// Takes from the agent whatever it has.
    fn settle(&mut self) {
        if self.is_connected {
            self.transmit();
        }
        while let Some(event) = self.agent.poll_event() {
            self.tell(DeviceEvent::Agent(event));
        }
    }

    /// The buffer lives for this call only: ten thousand devices have little to say at a time.
    fn transmit(&mut self) {
        let mut buffer = vec![0; TRANSMIT];
        while let Some(transmit) = self.agent.poll_transmit(&mut buffer) {
            let bytes = buffer.get(..transmit.len).unwrap_or_default().to_vec();
            self.connection.publish(transmit.message, bytes);
            self.tell(DeviceEvent::Sent(transmit));
        }
    }

    fn due(&self) -> TokioInstant {
        let due = self.agent.poll_timeout();
        let due = due.unwrap_or_else(|| self.uptime().plus_secs(WITHOUT_TIMER_SECS));
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
            Happened::Message(message, bytes) => self.receive(message, &bytes),
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
