//! A database with a dispatcher, on a clock that tests move.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use fleetgrant_core::domain::{PartyId, Timestamp};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::webhook::{DeliveryStep, Patience, WebhookState};
use jiff::tz::TimeZone;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::{
    Dispatcher, Made, MessageId, NewWebhook, Sender, WebhookError, WebhookName, create,
};
use crate::clock::{Clock, ManualClock};
use crate::config::Webhooks;
use crate::import::{self, ImportOptions, Kind};
use crate::outgoing::Reach;
use crate::store::event::{self, Occasion, Stream};
use crate::store::listing::Part;
use crate::store::scratch::Scratch;
use crate::store::webhook::{self as store, Delivery, DeliveryFilter, Wanted, Webhook};
use crate::store::{Db, Store, StoreError, Verdict};

pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// A configuration that is in less of a hurry to give up than tests are.
pub(super) fn patient() -> Webhooks {
    Webhooks {
        patience: Patience {
            pauses: vec![5, 60],
            disable_after: 86_400,
        },
        timeout: Duration::from_secs(1),
        keep: Duration::from_secs(86_400),
        reach: Reach {
            plain: true,
            networks: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
        },
        roots: None,
        sealing_key: PathBuf::new(),
    }
}

pub(super) struct Scene {
    store: Store,
    clock: Clock,
    pub(super) hands: ManualClock,
    pub(super) config: Webhooks,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    _folder: tempfile::TempDir,
    _scratch: Scratch,
}

impl Scene {
    pub(super) async fn start() -> Self {
        let mut scene = Self::empty();
        scene.dispatch();
        scene
    }

    fn empty() -> Self {
        let (scratch, folder) = (Scratch::new(), tempfile::tempdir().unwrap());
        let (clock, hands) = Clock::manual(NOW);
        Self {
            store: scratch.open(),
            clock,
            hands,
            config: Webhooks {
                sealing_key: folder.path().join("webhooks.key"),
                ..patient()
            },
            stop: watch::channel(false).0,
            tasks: Vec::new(),
            _folder: folder,
            _scratch: scratch,
        }
    }

    /// With what the sample files hold.
    pub(super) async fn with_samples() -> Self {
        let scene = Self::start().await;
        let store = scene.store.clone();
        let imported = tokio::task::spawn_blocking(move || {
            let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/samples/imports");
            for kind in Kind::ALL {
                let file = File::open(format!("{samples}/{}.csv", kind.as_str())).unwrap();
                let options = ImportOptions {
                    dry_run: false,
                    amend: false,
                    skip_bad: false,
                    actor: "tester".to_owned(),
                    now: NOW,
                    product_lines: vec![("pumps".to_owned(), "pump".parse().unwrap())],
                    time_zone: TimeZone::UTC,
                    manufacturer: None,
                };
                assert!(import::run(kind, file, options, &store).unwrap().committed);
            }
        });
        imported.await.unwrap();
        scene
    }

    /// Starts a dispatcher, as a gateway does.
    pub(super) fn dispatch(&mut self) {
        let dispatcher = Dispatcher {
            store: self.store.clone(),
            sender: Sender::new(&self.config).unwrap(),
            config: self.config.clone(),
            clock: self.clock.clone(),
        };
        let stopped = self.stop.subscribe();
        self.tasks.push(tokio::spawn(dispatcher.run(stopped)));
    }

    /// Ends every dispatcher in the middle of what it does.
    pub(super) async fn crash(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
            let _ = task.await;
        }
    }

    pub(super) async fn stop(&self) {
        self.stop.send_replace(true);
        while self.tasks.iter().any(|task| !task.is_finished()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The same database, with another configuration.
    pub(super) fn again(mut self, config: Webhooks) -> Self {
        self.config = Webhooks {
            sealing_key: self.config.sealing_key,
            ..config
        };
        self.stop = watch::channel(false).0;
        self.dispatch();
        self
    }

    pub(super) async fn webhook(&self, url: &str, wanted: Wanted) -> Made {
        self.named_webhook("erp", url, wanted).await
    }

    pub(super) async fn named_webhook(&self, name: &str, url: &str, wanted: Wanted) -> Made {
        self.made(name, url, wanted, None).await
    }

    pub(super) async fn webhook_of(&self, url: &str, wanted: Wanted, party: PartyId) -> Made {
        self.made("erp", url, wanted, Some(party)).await
    }

    async fn made(&self, name: &str, url: &str, wanted: Wanted, party: Option<PartyId>) -> Made {
        let new = NewWebhook {
            name: name.parse().unwrap(),
            url: url.to_owned(),
            wanted,
            party,
            product_line: None,
        };
        let (sender, now) = (Sender::new(&self.config).unwrap(), self.clock.now());
        self.write(move |db| Ok(create(db, &new, &sender, "tester", now).unwrap()))
            .await
    }

    /// Something happens.
    pub(super) async fn happens(&self, stream: Stream<'static>, kind: EventKind) {
        let at = self.clock.now();
        self.write(move |db| tell(db, stream, kind, at)).await;
    }

    /// It happens in a conversation with a device.
    pub(super) async fn is_told(&self, stream: Stream<'static>, kind: EventKind) {
        let at = self.clock.now();
        let told = move |db: &mut Db| tell(db, stream, kind, at).map(Verdict::Commit);
        self.store.converse("test", told).await.unwrap();
    }

    /// Does something to the webhook `erp`.
    pub(super) async fn act<T: Send + 'static>(
        &self,
        mut act: impl FnMut(&mut Db, &WebhookName, Timestamp) -> Result<T, WebhookError>
        + Send
        + 'static,
    ) -> Result<T, WebhookError> {
        let (name, now) = ("erp".parse().unwrap(), self.clock.now());
        self.write(move |db| Ok(act(db, &name, now))).await
    }

    pub(super) async fn named(&self, name: &'static str) -> Webhook {
        let found = self.read(move |db| store::by_name(db, name)).await;
        found.unwrap()
    }

    /// The kinds of a stream's events.
    pub(super) async fn kinds(&self, stream: Stream<'static>) -> Vec<&'static str> {
        let events = self.read(move |db| event::of_stream(db, stream)).await;
        events.iter().map(|event| event.kind.0.as_str()).collect()
    }

    /// Waits until so many messages stand so, and no other does.
    pub(super) async fn settles(
        &self,
        name: &'static str,
        state: DeliveryStep,
        count: usize,
    ) -> Vec<Delivery> {
        let mut found = Vec::new();
        for _ in 0..400 {
            found = self.messages(name).await;
            if found.len() == count && found.iter().all(|message| message.state.0 == state) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("not {count} {state}: {found:#?}");
    }

    /// Waits until a message was attempted so often.
    pub(super) async fn attempted(&self, name: &'static str, id: &str, times: i64) {
        for _ in 0..400 {
            let found = self.messages(name).await;
            let of_id = found.iter().find(|message| {
                MessageId::new(message.webhook_id.0, message.position).to_string() == id
            });
            if of_id.is_some_and(|message| message.attempts == times) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{id} was not attempted {times} times");
    }

    /// Waits until an attempt has failed.
    pub(super) async fn fails(&self, name: &'static str) -> Delivery {
        for _ in 0..400 {
            let found = self.messages(name).await;
            if let Some(failed) = found.into_iter().find(|message| message.problem.is_some()) {
                return failed;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("nothing has failed");
    }

    pub(super) async fn becomes(&self, name: &'static str, state: WebhookState) -> Webhook {
        for _ in 0..400 {
            let webhook = self.named(name).await;
            if webhook.state.0 == state {
                return webhook;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("it does not become {state}");
    }

    pub(super) async fn messages(&self, name: &'static str) -> Vec<Delivery> {
        self.read(move |db| {
            let filter = DeliveryFilter {
                webhook: store::by_name(db, name)?.unwrap().id,
                state: None,
                part: Part::default(),
            };
            store::deliveries(db, &filter, 1_000)
        })
        .await
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.store.read("test", query).await.unwrap()
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        operation: impl FnMut(&mut Db) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.store.write("test", operation).await.unwrap()
    }
}

fn tell(
    db: &mut Db,
    stream: Stream<'static>,
    kind: EventKind,
    at: Timestamp,
) -> Result<(), StoreError> {
    let occasion = Occasion {
        at,
        actor: "tester",
        cause: &[],
    };
    let event = Event::new(kind).with("name", "x");
    event::append_with(db, stream, occasion, &[event], Some("Jane Doe"))
}
