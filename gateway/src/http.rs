//! The HTTP API: what people's programs ask the gateway, and how it stands.
//!
//! A refusal is always a [`Problem`]; what a route takes is bounded before it is parsed. There is
//! no TLS here: the listener belongs on the machine itself, or behind a proxy that has it.

mod guard;
mod health;
mod listener;
mod problem;
mod router;

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::mqtt::LinkStatus;
use crate::store::Store;
use crate::telemetry::Telemetry;

pub use listener::{BindError, HttpListener, HttpServer};
pub use problem::{Problem, ProblemDetails, ProblemKind};
pub use router::router;

/// What requests are answered from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Api {
    parts: Arc<ApiParts>,
}

/// What an [`Api`] is made of.
#[derive(Debug)]
pub struct ApiParts {
    /// The ledger.
    pub store: Store,
    /// How the link to the broker stands.
    pub link: watch::Receiver<LinkStatus>,
    /// The gateway's clock.
    pub clock: Clock,
    /// The counters of the process.
    pub telemetry: Telemetry,
}

impl From<ApiParts> for Api {
    fn from(parts: ApiParts) -> Self {
        Self {
            parts: Arc::new(parts),
        }
    }
}

impl std::ops::Deref for Api {
    type Target = ApiParts;

    fn deref(&self) -> &ApiParts {
        &self.parts
    }
}
