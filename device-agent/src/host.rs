//! The agent on a host with an operating system: MQTT over mutual TLS, records in files, the key
//! in memory.
//!
//! A [`Device`] is a task that owns an [`Agent`](crate::Agent) and a connection. It is driven by
//! what comes over the wire, by the agent's timers and by what its owner asks.

mod config;
mod connection;
mod device;
mod faults;
mod keys;
mod storage;
mod task;
mod tls;

pub use config::{Broker, DeviceConfig, OwnedPlatform};
pub use connection::{Connection, Happened};
pub use device::{Asked, Device, DeviceError, DeviceEvent, Stopped};
pub use faults::{FaultInjector, Faults};
pub use keys::{HostKeys, InvalidKey, InvalidPublicKey, public_key_from_pem};
pub use storage::{AnyStorage, FileStorage, MemoryStorage};
pub use tls::{TlsError, broker_roots, chain_from_pem, key_from_pem, mutual_tls};
