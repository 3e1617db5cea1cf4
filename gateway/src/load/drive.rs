//! The devices of a load: connected once, then asking in turn.

use std::sync::Arc;
use std::time::Duration;

use fleetgrant_agent::Event;
use fleetgrant_agent::host::{AnyStorage, Asked as Ask, Device, DeviceEvent, MemoryStorage};
use fleetgrant_core::domain::Timestamp;
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::topic::MessageType;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::latency::Asked;
use super::{LoadError, LoadOptions, seed};
use crate::clock::Clock;
use crate::quickstart::Installation;
use crate::quickstart::fleet::Fleet;

/// How long one device may take for one exchange.
const PATIENCE: Duration = Duration::from_secs(120);

/// The devices, and what they need.
pub(super) struct Driver<'a> {
    installation: &'a Installation,
    fleet: Fleet,
    devices: Vec<(String, Device)>,
    count: usize,
    rounds: usize,
    places: Arc<Semaphore>,
    clock: Clock,
}

/// A device after its turn: its id, itself, and when it asked; or the last it was told.
type Turn = (String, Device, Result<Vec<Timestamp>, String>);

impl<'a> Driver<'a> {
    pub(super) fn new(
        installation: &'a Installation,
        options: &LoadOptions,
        rounds: usize,
        clock: Clock,
    ) -> Result<Self, LoadError> {
        let features: Vec<String> = (0..=rounds).map(seed::feature).collect();
        let features: Vec<&str> = features.iter().map(String::as_str).collect();
        Ok(Self {
            installation,
            fleet: Fleet::new(installation, &features)?,
            devices: Vec::new(),
            count: options.devices.get(),
            rounds,
            places: Arc::new(Semaphore::new(options.concurrency.get())),
            clock,
        })
    }

    /// Makes and connects every device, and waits for its first acknowledgement.
    pub(super) async fn first_contact(
        &mut self,
        progress: &impl Fn(&'static str, usize, usize),
    ) -> Result<Asked, LoadError> {
        let mut turns = JoinSet::new();
        for index in 0..self.count {
            let config = self.device(index)?;
            let (places, clock) = (Arc::clone(&self.places), self.clock.clone());
            turns.spawn(async move {
                let _place = places.acquire_owned().await;
                let id = config.device.clone();
                let mut device = Device::spawn(config);
                let asked = first(&mut device, &clock).await.map(|at| vec![at]);
                (id, device, asked)
            });
        }
        self.collect(turns, "first contact", progress).await
    }

    /// Lets every device activate one feature after the other.
    pub(super) async fn activate(
        &mut self,
        progress: &impl Fn(&'static str, usize, usize),
    ) -> Result<Asked, LoadError> {
        let rounds = self.rounds;
        let mut turns = JoinSet::new();
        for (id, mut device) in std::mem::take(&mut self.devices) {
            let (places, clock) = (Arc::clone(&self.places), self.clock.clone());
            turns.spawn(async move {
                let _place = places.acquire_owned().await;
                let mut asked = Ok(Vec::new());
                for round in 1..=rounds {
                    match (upgrade(&mut device, round, &clock).await, &mut asked) {
                        (Ok(at), Ok(asked)) => asked.push(at),
                        (Err(last), _) => {
                            asked = Err(last);
                            break;
                        }
                        (Ok(_), Err(_)) => break,
                    }
                }
                (id, device, asked)
            });
        }
        self.collect(turns, "activation", progress).await
    }

    fn device(&self, index: usize) -> Result<fleetgrant_agent::host::DeviceConfig, LoadError> {
        let serial = seed::serial(index);
        let credentials = self
            .installation
            .pki
            .issue_device(&serial, "mk2")
            .map_err(crate::quickstart::fleet::FleetError::from)?;
        let storage = AnyStorage::Memory(MemoryStorage::default());
        let chain = credentials.chain().to_vec();
        Ok(self
            .fleet
            .assemble(&serial, chain, credentials.key_der(), storage)?)
    }

    async fn collect(
        &mut self,
        mut turns: JoinSet<Turn>,
        what: &'static str,
        progress: &impl Fn(&'static str, usize, usize),
    ) -> Result<Asked, LoadError> {
        let mut all = Asked::new();
        let (mut failed, mut last) = (0, String::new());
        while let Some(turn) = turns.join_next().await {
            let Ok((id, device, asked)) = turn else {
                failed += 1;
                continue;
            };
            match asked {
                Ok(asked) => {
                    all.insert(id.clone(), asked);
                }
                Err(told) => {
                    failed += 1;
                    last = told;
                }
            }
            self.devices.push((id, device));
            progress(what, all.len() + failed, self.count);
        }
        if failed == 0 {
            Ok(all)
        } else {
            Err(LoadError::Failed {
                failed,
                devices: self.count,
                last,
            })
        }
    }
}

/// From the first request that leaves to the acknowledgement that leaves.
async fn first(device: &mut Device, clock: &Clock) -> Result<Timestamp, String> {
    let mut asked = None;
    acknowledged(device, |event| {
        if matches!(event, DeviceEvent::Sent(sent) if sent.message == MessageType::Request) {
            asked.get_or_insert_with(|| clock.now());
        }
    })
    .await?;
    asked.ok_or_else(|| "it acknowledged what it had not asked for".to_owned())
}

async fn upgrade(device: &mut Device, round: usize, clock: &Clock) -> Result<Timestamp, String> {
    let asked_at = clock.now();
    let asked = device.ask(Ask {
        reason: Reason::Upgrade,
        features: vec![(seed::feature(round), 1)],
        code: None,
        concerned: Vec::new(),
    });
    match asked.await {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => return Err(reason.to_string()),
        Err(stopped) => return Err(stopped.to_string()),
    }
    acknowledged(device, |_| {}).await?;
    Ok(asked_at)
}

async fn acknowledged(
    device: &mut Device,
    mut see: impl FnMut(&DeviceEvent),
) -> Result<(), String> {
    let mut last = "nothing".to_owned();
    // A repeated grant is acknowledged once more, which answers nothing that was asked since.
    let mut is_granted = false;
    let waiting = async {
        while let Some(event) = device.next_event().await {
            see(&event);
            match event {
                DeviceEvent::Sent(sent) if is_granted && sent.message == MessageType::Ack => {
                    return true;
                }
                DeviceEvent::Granted { denials, .. } if denials.is_empty() => is_granted = true,
                DeviceEvent::Granted { denials, .. } => {
                    last = denials.join(", ");
                    return false;
                }
                DeviceEvent::Disconnected(reason) => last = reason,
                DeviceEvent::Agent(event @ (Event::Notice(_) | Event::Refused { .. })) => {
                    last = format!("{event:?}");
                }
                _ => {}
            }
        }
        false
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(last),
    }
}
