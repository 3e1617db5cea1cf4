//! A running gateway: every part, started in order and stopped in order.

use std::sync::Arc;
use std::time::Duration;

use fleetgrant_core::context::Authority;
use fleetgrant_core::domain::{Epoch, InvalidText, Realm};
use fleetgrant_core::policy::Policy;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::activation::{Buckets, Conductor, FileDesk, Intake, Recorder, Rules};
use crate::broker::{
    BrokerConfig, BrokerError, BrokerLimits, BrokerStorage, EmbeddedBroker, RunningBroker,
};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::crypto::{AuthorityKey, AuthorityKeyError, KeySetError, Lanes, PublishedKeySet};
use crate::identity::{AnchorError, DeviceVerifier, TrustAnchor, VerifierError};
use crate::issue::{Issuer, Signing};
use crate::mqtt::{InvalidTopicSpace, LinkConfig, LinkStatus, MqttLink, TopicSpace};
use crate::outbox::Outbox;
use crate::refresh::Refresher;
use crate::store::conversation::Cache;
use crate::store::{OpenError, SchemaPolicy, Store, StoreError, StoreOptions, product_line};
use crate::tls::{self, TlsError};
use crate::upkeep::Upkeep;
use crate::webhook::{Dispatcher, Sender};

/// Bytes for verified certificates that are remembered: some 100,000 P-256 chains.
const CREDENTIAL_CACHE: u64 = 256 << 20;
/// How long what is under way may take when the gateway stops.
const FAREWELL: Duration = Duration::from_secs(10);

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration lacks something.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The realm cannot stand on the wire.
    #[error(transparent)]
    Realm(#[from] InvalidText),
    /// A trust anchor is of no use.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The trust anchors do not go together.
    #[error(transparent)]
    Verifier(#[from] VerifierError),
    /// The authority's key is of no use.
    #[error(transparent)]
    AuthorityKey(#[from] AuthorityKeyError),
    /// The key set is of no use.
    #[error(transparent)]
    KeySet(#[from] KeySetError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The topics cannot be those of an installation.
    #[error(transparent)]
    Topics(#[from] InvalidTopicSpace),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The embedded broker did not start.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// No thread could be started.
    #[error("cannot start a thread: {0}")]
    Threads(#[from] std::io::Error),
}

/// Whether the gateway's process runs the embedded broker too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithBroker {
    /// If the configuration has one.
    IfConfigured,
    /// It runs in a process of its own.
    No,
}

/// A gateway that serves until it is stopped.
#[derive(Debug)]
pub struct Gateway {
    store: Store,
    rules: Arc<Rules>,
    broker: Option<RunningBroker>,
    link: MqttLink,
    conductor: JoinHandle<()>,
    background: Vec<JoinHandle<()>>,
    webhooks: Sender,
    signing: Signing,
    stop: watch::Sender<bool>,
}

impl Gateway {
    /// Starts every part. It serves as soon as it reaches the broker.
    ///
    /// # Errors
    /// What cannot work, and what to do about it; nothing is left running.
    pub async fn start(
        config: &Config,
        schema: SchemaPolicy,
        with_broker: WithBroker,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let verifier = Arc::new(device_verifier(config)?);
        let key = Arc::new(authority_key(config)?);
        let key_set = key_set(config, &key)?;
        let topics = topics(config)?;
        let tls = Arc::new(tls::client_config(&config.broker.tls)?);
        let store = open_store(config, schema).await?;
        check_lines_of_people(config, &store).await?;
        let rules = Arc::new(rules(config)?);
        let lanes = Lanes::start(&config.limits.lanes)?;
        let issuer = Issuer::new(Arc::clone(&key), lanes.sign.clone(), clock.clone());
        let signing = Signing {
            key,
            issuer: Arc::new(issuer),
        };
        let issuer = Arc::clone(&signing.issuer);
        let broker = match with_broker {
            WithBroker::IfConfigured => embedded_broker(config, &verifier, &clock).await?,
            WithBroker::No => None,
        };
        let (link, inbound, outbound) = MqttLink::spawn(link_config(config, topics)?, tls);
        let conductor = Arc::new(Conductor {
            intake: Intake {
                recorder: Recorder::new(store.clone(), Arc::clone(&rules)),
                verifier,
                lanes,
            },
            issuer: Arc::clone(&issuer),
            key_set,
            buckets: Buckets::new(&config.limits),
            outbound: outbound.clone(),
            clock: clock.clone(),
        });
        let (stop, stopped) = watch::channel(false);
        let outbox = Outbox {
            store: store.clone(),
            rules: Arc::clone(&rules),
            issuer,
            outbound,
            link: link.status(),
            clock: clock.clone(),
        };
        let upkeep = Upkeep {
            store: store.clone(),
            rules: Arc::clone(&rules),
            clock: clock.clone(),
        };
        let refresher = Refresher {
            store: store.clone(),
            rules: Arc::clone(&rules),
            clock: clock.clone(),
        };
        let sender = Sender::new(&config.webhooks)?;
        let webhooks = Dispatcher {
            store: store.clone(),
            sender: sender.clone(),
            config: config.webhooks.clone(),
            clock,
        };
        Ok(Self {
            store,
            rules,
            broker,
            conductor: tokio::spawn(conductor.serve(inbound)),
            background: vec![
                tokio::spawn(outbox.run(stopped.clone())),
                tokio::spawn(upkeep.run(stopped.clone())),
                tokio::spawn(refresher.run(stopped.clone())),
                tokio::spawn(webhooks.run(stopped)),
            ],
            webhooks: sender,
            signing,
            link,
            stop,
        })
    }

    /// The database it serves from.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// What every decision is made under.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules)
    }

    /// What sends to webhooks.
    #[must_use]
    pub const fn webhooks(&self) -> &Sender {
        &self.webhooks
    }

    /// What signs as the authority.
    #[must_use]
    pub const fn signing(&self) -> &Signing {
        &self.signing
    }

    /// The state of its link to the broker.
    #[must_use]
    pub fn link(&self) -> watch::Receiver<LinkStatus> {
        self.link.status()
    }

    /// Stops: first what sends and what comes in, then what is under way, then the link, then the
    /// broker, then the database. What was not acknowledged comes again.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.background {
            // A task that panicked has said so, and has nothing left to stop.
            let _ = task.await;
        }
        self.link.close_intake();
        if tokio::time::timeout(FAREWELL, self.conductor)
            .await
            .is_err()
        {
            tracing::warn!("messages were still under way; they will come again");
        }
        self.link.stop().await;
        if let Some(broker) = self.broker {
            broker.stop().await;
        }
        // A thread that panicked has said so.
        let _ = tokio::task::spawn_blocking(move || self.store.close()).await;
    }
}

/// The verifier of the configured trust anchors.
pub fn device_verifier(config: &Config) -> Result<DeviceVerifier, StartError> {
    let anchors = config
        .trust_anchors
        .iter()
        // The paths are resolved already.
        .map(|anchor| TrustAnchor::load(anchor.clone(), std::path::Path::new("")))
        .collect::<Result<_, _>>()?;
    Ok(DeviceVerifier::new(anchors, CREDENTIAL_CACHE)?)
}

/// The configured authority's key.
pub fn authority_key(config: &Config) -> Result<AuthorityKey, StartError> {
    let authority = config.authority()?;
    Ok(AuthorityKey::load(
        &authority.key,
        authority.epoch,
        authority.not_before,
        authority.not_after,
    )?)
}

/// The configured key set, if there is one.
fn key_set(config: &Config, key: &AuthorityKey) -> Result<Option<PublishedKeySet>, StartError> {
    let Some(path) = &config.authority()?.key_set else {
        return Ok(None);
    };
    let realm = Realm::new(config.realm.as_str())?;
    Ok(Some(PublishedKeySet::load(path, &realm, key)?))
}

/// What takes messages in files, on a database that is open already.
pub fn file_desk(config: &Config, store: Store, clock: Clock) -> Result<FileDesk, StartError> {
    let lanes = Lanes::start(&config.limits.lanes)?;
    let key = Arc::new(authority_key(config)?);
    Ok(FileDesk {
        issuer: Arc::new(Issuer::new(key, lanes.sign.clone(), clock.clone())),
        intake: Intake {
            verifier: Arc::new(device_verifier(config)?),
            recorder: Recorder::new(store, Arc::new(rules(config)?)),
            lanes,
        },
        clock,
    })
}

/// What every decision is made under.
pub fn rules(config: &Config) -> Result<Rules, StartError> {
    Ok(Rules {
        authority: Authority {
            realm: Realm::new(config.realm.as_str())?,
            epoch: Epoch(config.authority()?.epoch),
        },
        policy: policy(config),
        cache: Cache::default(),
    })
}

/// The embedded broker, if the configuration has one.
pub async fn embedded_broker(
    config: &Config,
    verifier: &Arc<DeviceVerifier>,
    clock: &Clock,
) -> Result<Option<RunningBroker>, StartError> {
    match broker_config(config, verifier, clock)? {
        Some(broker) => Ok(Some(EmbeddedBroker::start(broker).await?)),
        None => Ok(None),
    }
}

/// What the embedded broker is told, if the configuration has one.
pub fn broker_config(
    config: &Config,
    verifier: &Arc<DeviceVerifier>,
    clock: &Clock,
) -> Result<Option<BrokerConfig>, StartError> {
    let Some(embedded) = &config.broker.embedded else {
        return Ok(None);
    };
    let (certificate, key) = tls::server_identity(embedded)?;
    Ok(Some(BrokerConfig {
        listen: embedded.listen,
        certificate,
        key,
        peers: Arc::new(tls::peers(embedded, Arc::clone(verifier))?),
        clock: clock.clone(),
        topics: topics(config)?,
        limits: BrokerLimits {
            max_connections: embedded.max_connections,
            session_expiry: config.broker.session_expiry,
            ..BrokerLimits::default()
        },
        storage: BrokerStorage::Directory(config.data_dir.join("broker")),
    }))
}

fn topics(config: &Config) -> Result<TopicSpace, InvalidTopicSpace> {
    TopicSpace::new(&config.broker.topic_prefix, &config.broker.share_group)
}

fn link_config(config: &Config, topics: TopicSpace) -> Result<LinkConfig, TlsError> {
    let address = &config.broker.address;
    let client_id = match &config.broker.client_id {
        Some(id) => id.clone(),
        None => format!("gateway:{}", tls::instance(&config.broker.tls)?),
    };
    let mut link = LinkConfig::new(&address.host, address.port, client_id);
    link.topics = topics;
    link.session_expiry = config.broker.session_expiry;
    link.receive_maximum = config.broker.receive_maximum;
    Ok(link)
}

fn policy(config: &Config) -> Policy {
    Policy {
        push_pauses: config.delivery.backoff.clone(),
        install_window: config.delivery.installable.as_secs(),
        ..Policy::default()
    }
}

/// Whether the product lines that people get roles for are there.
async fn check_lines_of_people(config: &Config, store: &Store) -> Result<(), StartError> {
    let Some(people) = config.http.as_ref().and_then(|http| http.oidc.as_ref()) else {
        return Ok(());
    };
    let known = store.read("product-lines", product_line::names).await?;
    let configured = config.product_lines().into_iter().map(|(name, _)| name);
    Ok(people.check_lines(&known.into_values().chain(configured).collect())?)
}

/// Opens the database off the reactor: it may migrate.
pub async fn open_store(config: &Config, schema: SchemaPolicy) -> Result<Store, StartError> {
    let options = StoreOptions {
        schema,
        batch: config.limits.batch.get(),
        batch_wait: config.limits.batch_wait,
        queue: config.limits.queue.get(),
        readers: config.limits.database_readers.get(),
        reason: None,
    };
    let location = config.database.clone();
    let opened = tokio::task::spawn_blocking(move || Store::open_at(&location, options));
    Ok(opened.await.map_err(std::io::Error::other)??)
}
