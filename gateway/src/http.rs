//! The HTTP API: what people's programs ask the gateway, and how it stands.
//!
//! A refusal is always a [`Problem`]; what a route takes is bounded before it is parsed. There is
//! no TLS here: the listener belongs on the machine itself, or behind a proxy that has it.

mod activation_acts;
mod activations;
mod acts;
mod bulk;
mod caller;
mod campaign_acts;
mod campaigns;
mod case_acts;
mod cases;
mod device_acts;
mod device_moves;
mod devices;
mod entitlement_acts;
mod entitlements;
mod etag;
mod events;
mod factory;
mod guard;
mod health;
mod history;
mod imports;
mod key;
mod keys;
mod license_models;
mod listener;
mod migrations;
mod openapi;
mod order_acts;
mod orders;
mod packs;
mod page;
mod parties;
mod party_acts;
mod policies;
mod policy_rules;
mod problem;
mod products;
mod query;
mod reports;
pub mod roles;
mod router;
mod value;
mod webhook_acts;
mod webhooks;
mod word;
mod write;

use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::{Semaphore, watch};

use caller::Rates;

use crate::access::OidcVerifier;
use crate::activation::Rules;
use crate::clock::Clock;
use crate::config::Bucket;
use crate::identity::IdPrefix;
use crate::mqtt::LinkStatus;
use crate::operator::Operator;
use crate::store::{Db, Store, StoreError};
use crate::telemetry::Telemetry;
use crate::webhook::Sender;

pub use imports::ImportFault;
pub use listener::{BindError, HttpListener, HttpServer};
pub use problem::{Problem, ProblemDetails, ProblemKind};
pub use router::router;

/// Reports that are made at once: one of the threads that read stays free of them.
const REPORTS: usize = 1;

/// What requests are answered from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Api {
    parts: Arc<ApiParts>,
    rates: Arc<Rates>,
    reports: Arc<Semaphore>,
}

/// What an [`Api`] is made of.
#[derive(Debug)]
pub struct ApiParts {
    /// The ledger.
    pub store: Store,
    /// How the link to the broker stands.
    pub link: watch::Receiver<LinkStatus>,
    /// What operators' acts are decided under.
    pub rules: Arc<Rules>,
    /// The product lines of the configuration, which imports name.
    pub product_lines: Vec<(String, IdPrefix)>,
    /// The zone of days that reports count by, and of dates that belong to no party.
    pub time_zone: TimeZone,
    /// The gateway's clock.
    pub clock: Clock,
    /// The counters of the process.
    pub telemetry: Telemetry,
    /// What checks people's tokens; none where there are keys only.
    pub people: Option<OidcVerifier>,
    /// What tries the endpoints of webhooks.
    pub webhooks: Sender,
}

impl Api {
    /// Of these parts; each key has a bucket of this size.
    #[must_use]
    pub fn new(parts: ApiParts, key: Bucket) -> Self {
        Self {
            parts: Arc::new(parts),
            rates: Arc::new(Rates::new(key)),
            reports: Arc::new(Semaphore::new(REPORTS)),
        }
    }

    /// Whoever acts over HTTP by this name.
    fn operator(&self, actor: String) -> Operator {
        Operator {
            store: self.store.clone(),
            rules: Arc::clone(&self.rules),
            clock: self.clock.clone(),
            actor,
        }
    }

    /// Looks at one state of the ledger.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        Ok(self.store.read("http", query).await?)
    }
}

impl std::ops::Deref for Api {
    type Target = ApiParts;

    fn deref(&self) -> &ApiParts {
        &self.parts
    }
}
