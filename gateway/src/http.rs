//! The HTTP API: what people's programs ask the gateway, and how it stands.
//!
//! A refusal is always a [`Problem`]; what a route takes is bounded before it is parsed. There is
//! no TLS here: the listener belongs on the machine itself, or behind a proxy that has it.

pub(crate) mod activation_acts;
pub(crate) mod activations;
pub(crate) mod acts;
mod ahead;
pub(crate) mod bulk;
mod caller;
mod campaign_acts;
pub(crate) mod campaigns;
pub(crate) mod case_acts;
pub(crate) mod case_facts;
pub(crate) mod cases;
pub(crate) mod checkpoints;
pub(crate) mod co_terms;
pub(crate) mod code_acts;
pub(crate) mod contract_list;
pub(crate) mod contracts;
pub(crate) mod customers;
pub(crate) mod device_acts;
mod device_events;
pub(crate) mod device_keys;
pub(crate) mod device_moves;
pub(crate) mod devices;
pub(crate) mod entitlement_acts;
pub(crate) mod entitlements;
mod etag;
pub(crate) mod events;
pub(crate) mod factory;
pub(crate) mod grants;
mod guard;
mod head;
mod health;
pub(crate) mod history;
pub(crate) mod imports;
mod kept;
pub(crate) mod key;
pub(crate) mod keys;
pub(crate) mod license_models;
pub(crate) mod line;
mod listener;
pub(crate) mod migrations;
mod openapi;
pub(crate) mod order_acts;
pub(crate) mod orders;
pub(crate) mod packs;
pub(crate) mod page;
pub(crate) mod parties;
pub(crate) mod party_acts;
pub(crate) mod policies;
pub(crate) mod policy_override_list;
pub(crate) mod policy_overrides;
pub(crate) mod policy_rules;
pub(crate) mod problem;
pub(crate) mod products;
mod query;
pub(crate) mod reconcile;
mod reports;
pub mod roles;
mod router;
pub(crate) mod runs;
pub(crate) mod shipments;
pub(crate) mod skus;
pub(crate) mod value;
pub(crate) mod webhook_acts;
pub(crate) mod webhooks;
mod within;
pub(crate) mod word;
mod write;

use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::{Semaphore, watch};

use caller::Rates;
use kept::Kept;

use crate::access::OidcVerifier;
use crate::activation::Rules;
use crate::clock::Clock;
use crate::config::{Bucket, Reports};
use crate::identity::IdPrefix;
use crate::issue::Signing;
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
    turns: Arc<Semaphore>,
    kept: Kept,
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
    /// Which reports are made ahead.
    pub reports: Reports,
    /// What signs as the authority; none where nothing is signed.
    pub signing: Option<Signing>,
}

/// What signs, or that nothing does.
fn signing(api: &Api) -> Result<Signing, Problem> {
    api.signing.clone().ok_or_else(|| {
        Problem::new(
            ProblemKind::Refused,
            "this gateway has no key of the authority, so that nothing is signed here",
        )
    })
}

impl Api {
    /// Of these parts; each key has a bucket of this size.
    #[must_use]
    pub fn new(parts: ApiParts, key: Bucket) -> Self {
        Self {
            parts: Arc::new(parts),
            rates: Arc::new(Rates::new(key)),
            turns: Arc::new(Semaphore::new(REPORTS)),
            kept: Kept::default(),
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
