//! The agent on a host with an operating system: MQTT over mutual TLS, records in files, the key
//! in memory.
//!
//! A [`Device`] is a task that owns an [`Agent`](crate::Agent) and a connection. It is driven by
//! what comes over the wire, by the agent's timers and by what its owner asks.

mod config;
mod connection;
mod device;
mod keys;
mod storage;

pub use config::{Broker, DeviceConfig, OwnedPlatform};
pub use device::{Asked, Device, DeviceEvent, Stopped};
pub use keys::{HostKeys, InvalidKey};
pub use storage::{AnyStorage, FileStorage, MemoryStorage};
