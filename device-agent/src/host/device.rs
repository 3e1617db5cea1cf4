//! A running device, as its owner holds it.

use fleetgrant_schemas::code::ActivationCode;
use fleetgrant_schemas::id::{ActivationId, InvalidDeviceId};
use fleetgrant_schemas::request::Reason;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::config::DeviceConfig;
use super::task::run;
use crate::Transmit;
use crate::agent::StartError;
use crate::asking::AskError;
use crate::event::Event;
use crate::rights::{Status, UseError};

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

/// Why a device cannot run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// Its id is none.
    #[error(transparent)]
    Id(#[from] InvalidDeviceId),
    /// The agent cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
}

pub(super) enum Command {
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
    task: JoinHandle<Result<(), DeviceError>>,
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
    pub async fn stop(mut self) -> Result<(), DeviceError> {
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
