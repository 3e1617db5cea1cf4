//! A device: the agent, its connection and its timers in one task.

use std::time::Duration;

use fleetgrant_schemas::code::ActivationCode;
use fleetgrant_schemas::id::ActivationId;
use fleetgrant_schemas::limits;
use fleetgrant_schemas::request::Reason;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant as TokioInstant, sleep_until};

use super::config::{DeviceConfig, profile};
use super::connection::{Connection, Happened};
use crate::agent::{StartError, Taken};
use crate::asking::{Ask, AskError};
use crate::event::Event;
use crate::rights::{Status, UseError};
use crate::time::Instant;
use crate::{Agent, Transmit};

/// Rights a device on a host has room for: as many as a grant holds.
const RIGHTS: usize = limits::MAX_ENTITLEMENTS;

/// Events kept for an owner that does not take them.
const EVENTS: usize = 32;

/// What an owner asks for, owned.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Why.
    pub reason: Reason,
    /// Features, each with the units wanted in all.
    pub features: Vec<(String, u32)>,
    /// An activation code.
    pub code: Option<ActivationCode>,
    /// The activations it is about.
    pub concerned: Vec<ActivationId>,
}

/// Something happened.
#[derive(Clone, Debug)]
pub enum DeviceEvent {
    /// It is connected and subscribed.
    Connected,
    /// The connection was lost; it is made again.
    Disconnected(String),
    /// A grant is in force.
    Granted {
        /// Its generation.
        generation: u64,
        /// Features in it.
        features: usize,
        /// The rules that denied wants.
        denials: Vec<String>,
    },
    /// Something was sent; an acknowledgement means that the grant before it is stored.
    Sent(Transmit),
    /// What the agent tells.
    Agent(Event),
}

/// The device's task has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the device has stopped")]
pub struct Stopped;

enum Command {
    Ask(Asked, oneshot::Sender<Result<(), AskError>>),
    Status(String, oneshot::Sender<Status>),
    Use(String, oneshot::Sender<Result<Status, UseError>>),
    Stop,
}

/// A running device. Dropping it stops it at once.
#[derive(Debug)]
pub struct Device {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<DeviceEvent>,
    task: JoinHandle<Result<(), StartError>>,
}

impl Device {
    /// Starts a device: its stored rights are in force, and it asks for what it is owed.
    #[must_use]
    pub fn spawn(config: DeviceConfig) -> Self {
        let (commands, receiver) = mpsc::channel(4);
        let (sender, events) = mpsc::channel(EVENTS);
        Self {
            commands,
            events,
            task: tokio::spawn(run(config, receiver, sender)),
        }
    }

    /// The next thing that happens; none once it has stopped.
    pub async fn next_event(&mut self) -> Option<DeviceEvent> {
        self.events.recv().await
    }

    /// Asks the authority; the answer comes as an event.
    ///
    /// # Errors
    /// The device has stopped, or why it cannot ask.
    pub async fn ask(&self, asked: Asked) -> Result<Result<(), AskError>, Stopped> {
        self.call(|reply| Command::Ask(asked, reply)).await
    }

    /// Whether a feature is on.
    ///
    /// # Errors
    /// The device has stopped.
    pub async fn status(&self, feature: &str) -> Result<Status, Stopped> {
        self.call(|reply| Command::Status(feature.to_owned(), reply))
            .await
    }

    /// Counts one use of a feature.
    ///
    /// # Errors
    /// The device has stopped, or the feature is off.
    pub async fn use_one(&self, feature: &str) -> Result<Result<Status, UseError>, Stopped> {
        self.call(|reply| Command::Use(feature.to_owned(), reply))
            .await
    }

    /// Says good-bye to the broker and ends.
    ///
    /// # Errors
    /// It never started.
    pub async fn stop(mut self) -> Result<(), StartError> {
        // If it is gone already, its task says why.
        let _ = self.commands.send(Command::Stop).await;
        (&mut self.task).await.unwrap_or(Ok(()))
    }

    async fn call<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .send(command(reply))
            .await
            .map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    mut config: DeviceConfig,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<DeviceEvent>,
) -> Result<(), StartError> {
    let started = TokioInstant::now();
    let uptime = || Instant(started.elapsed().as_millis() as u64);
    let storage = std::mem::replace(
        &mut config.storage,
        super::AnyStorage::Memory(super::MemoryStorage::default()),
    );
    let features: Vec<&str> = config.features.iter().map(String::as_str).collect();
    let Ok(id) = config.id() else {
        tracing::error!(device = config.device, "no device id");
        return Ok(());
    };
    let profile = profile(id, &config, &features);
    let mut scratch = vec![0; limits::MAX_UP];
    let request = vec![0; limits::MAX_UP];
    let mut agent: Agent<'_, _, _, _, RIGHTS> = Agent::start(
        &profile,
        &config.keys,
        storage,
        request,
        &mut scratch,
        uptime(),
    )?;
    let (connection, mut happened) = Connection::open(&config.broker, id);
    let mut is_ready = false;
    // An owner that does not listen does not stop the device; it misses events.
    let tell = |event| drop(events.try_send(event));
    loop {
        while is_ready && let Some(transmit) = agent.poll_transmit(&mut scratch) {
            connection.publish(transmit.message, scratch[..transmit.len].to_vec());
            tell(DeviceEvent::Sent(transmit));
        }
        while let Some(event) = agent.poll_event() {
            tell(DeviceEvent::Agent(event));
        }
        let due = agent.poll_timeout();
        tokio::select! {
            happening = happened.recv() => match happening {
                Some(Happened::Ready) => {
                    is_ready = true;
                    agent.set_clock(unix_seconds(), uptime());
                    agent.resend(uptime());
                    tell(DeviceEvent::Connected);
                }
                Some(Happened::Message(message, bytes)) => {
                    let taken = agent.handle_message(&bytes, message, uptime());
                    if let Ok(Taken::Installed(grant)) = taken {
                        tell(DeviceEvent::Granted {
                            generation: grant.generation,
                            features: grant.entitlements.len(),
                            denials: grant.denials.iter().map(|d| d.rule.to_owned()).collect(),
                        });
                    }
                }
                Some(Happened::Lost(reason)) => {
                    is_ready = false;
                    tell(DeviceEvent::Disconnected(reason));
                }
                None => return Ok(()),
            },
            command = commands.recv() => match command {
                Some(Command::Ask(asked, reply)) => {
                    let features: Vec<_> =
                        asked.features.iter().map(|(name, total)| (name.as_str(), *total)).collect();
                    let ask = Ask {
                        reason: asked.reason,
                        features: &features,
                        code: asked.code,
                        concerned: &asked.concerned,
                    };
                    // Whoever asked may have stopped waiting.
                    let _ = reply.send(agent.ask(&ask, uptime()));
                }
                Some(Command::Status(feature, reply)) => {
                    let _ = reply.send(agent.is_on(&feature, uptime()));
                }
                Some(Command::Use(feature, reply)) => {
                    let _ = reply.send(agent.use_one(&feature, uptime()));
                }
                Some(Command::Stop) | None => {
                    connection.close().await;
                    return Ok(());
                }
            },
            () = wait_until(due, started) => agent.handle_timeout(uptime()),
        }
    }
}

async fn wait_until(due: Option<Instant>, started: TokioInstant) {
    match due {
        Some(due) => sleep_until(started + Duration::from_millis(due.0)).await,
        None => std::future::pending().await,
    }
}

/// A host's clock; the agent takes it as a claim that can only add.
#[allow(clippy::disallowed_methods, reason = "a device has no clock but this")]
fn unix_seconds() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
