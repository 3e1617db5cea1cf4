//! An API of its own for each test, on a port that the system chose.

use std::fs::File;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use fleetgrant::access::{self, Grant, NewKey, OidcVerifier};
use fleetgrant::activation::Rules;
use fleetgrant::clock::{Clock, ManualClock};
use fleetgrant::config::{Bucket, Http, Log, Reports, Webhooks};
use fleetgrant::crypto::{AuthorityKey, Lane};
use fleetgrant::http::{Api, ApiParts, HttpListener, HttpServer};
use fleetgrant::identity::IdPrefix;
use fleetgrant::import::{self, ImportOptions, Kind};
use fleetgrant::issue::{Issuer, Signing};
use fleetgrant::mqtt::{LinkState, LinkStatus};
use fleetgrant::pki::NewAuthority;
use fleetgrant::store::conversation::Cache;
use fleetgrant::store::{Store, party};
use fleetgrant::telemetry::{self, Telemetry};
use fleetgrant::webhook::Sender;
use fleetgrant_core::context::Authority;
use fleetgrant_core::domain::{Epoch, PartyId, Realm, Role, Roles, Timestamp};
use fleetgrant_core::policy::Policy;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use crate::store::Location;
use crate::store::scratch::Scratch;

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// How long keys of tests live.
pub(crate) const LIFE: Duration = Duration::from_secs(3_600);

pub(crate) struct Served {
    pub(crate) store: Store,
    pub(crate) address: SocketAddr,
    pub(crate) hands: ManualClock,
    pub(crate) link: watch::Sender<LinkStatus>,
    pub(crate) server: HttpServer,
    scratch: Scratch,
    _folder: tempfile::TempDir,
}

/// What a test changes of the configuration.
pub(crate) fn config() -> Http {
    Http {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        max_connections: NonZeroUsize::new(32).unwrap(),
        key: Bucket {
            every: Duration::from_millis(1),
            burst: NonZeroU32::new(10_000).unwrap(),
        },
        oidc: None,
    }
}

impl Served {
    pub(crate) async fn start() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: Http) -> Self {
        Self::with_parts(config, None, product_lines(), Reports::default()).await
    }

    /// With reports that are made ahead.
    pub(crate) async fn with_reports(reports: Reports) -> Self {
        Self::with_parts(config(), None, product_lines(), reports).await
    }

    pub(crate) async fn with_people(people: Option<OidcVerifier>) -> Self {
        Self::with_parts(config(), people, product_lines(), Reports::default()).await
    }

    /// With product lines of these names; ids of their devices begin with the names without the `s`.
    pub(crate) async fn with_lines(names: &[&str]) -> Self {
        Self::with_people_and_lines(None, names).await
    }

    /// With people whose tokens are checked, and these product lines.
    pub(crate) async fn with_people_of(people: OidcVerifier, names: &[&str]) -> Self {
        Self::with_people_and_lines(Some(people), names).await
    }

    async fn with_people_and_lines(people: Option<OidcVerifier>, names: &[&str]) -> Self {
        let lines = names.iter().map(|name| {
            let prefix = name.trim_end_matches('s').parse().unwrap();
            ((*name).to_owned(), prefix)
        });
        Self::with_parts(config(), people, lines.collect(), Reports::default()).await
    }

    async fn with_parts(
        config: Http,
        people: Option<OidcVerifier>,
        product_lines: Vec<(String, IdPrefix)>,
        reports: Reports,
    ) -> Self {
        let (scratch, folder) = (Scratch::new(), tempfile::tempdir().unwrap());
        let webhooks = Webhooks {
            sealing_key: folder.path().join("webhooks.key"),
            ..Webhooks::default()
        };
        let store = scratch.open();
        let (clock, hands) = Clock::manual(NOW);
        let (link, status) = watch::channel(link(LinkState::Connected {
            session_present: false,
        }));
        let listener = HttpListener::bind(&config).await.unwrap();
        let address = listener.local_addr();
        let parts = ApiParts {
            store: store.clone(),
            link: status,
            rules: Arc::new(rules()),
            product_lines,
            time_zone: TimeZone::UTC,
            clock: clock.clone(),
            telemetry: counters(),
            people,
            webhooks: Sender::new(&webhooks).unwrap(),
            reports,
            signing: Some(signing(&clock)),
        };
        let server = listener.serve(Api::new(parts, config.key));
        Self {
            store,
            address,
            hands,
            link,
            server,
            scratch,
            _folder: folder,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its database, where that is a file.
    pub(crate) fn database(&self) -> Option<&std::path::Path> {
        match self.scratch.location() {
            Location::Sqlite(path) => Some(path),
            Location::Postgres(_) => None,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let response = reqwest::get(self.url(path)).await.unwrap();
        Answer::of(response).await
    }

    /// Asks with a key.
    pub(crate) async fn get_as(&self, key: &str, path: &str) -> Answer {
        self.send(key, reqwest::Method::GET, path).await
    }

    /// Asks with a key and another header.
    pub(crate) async fn get_with(&self, key: &str, path: &str, header: (&str, &str)) -> Answer {
        let request = reqwest::Client::new().get(self.url(path)).bearer_auth(key);
        Answer::of(request.header(header.0, header.1).send().await.unwrap()).await
    }

    pub(crate) async fn send(&self, key: &str, method: reqwest::Method, path: &str) -> Answer {
        let request = reqwest::Client::new().request(method, self.url(path));
        Answer::of(request.bearer_auth(key).send().await.unwrap()).await
    }

    /// Writes with a key.
    pub(crate) async fn post(
        &self,
        key: &str,
        name: &str,
        path: &str,
        (media_type, body): (&str, &str),
    ) -> Answer {
        let mut request = reqwest::Client::new()
            .post(self.url(path))
            .bearer_auth(key)
            .body(body.to_owned());
        if !name.is_empty() {
            request = request.header("idempotency-key", name);
        }
        if !media_type.is_empty() {
            request = request.header("content-type", media_type);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// Replaces a thing whose version is known, or is not.
    pub(crate) async fn put(
        &self,
        key: &str,
        (name, version): (&str, Option<&str>),
        path: &str,
        body: &serde_json::Value,
    ) -> Answer {
        let mut request = reqwest::Client::new()
            .put(self.url(path))
            .bearer_auth(key)
            .header("idempotency-key", name)
            .header("content-type", "application/json")
            .body(body.to_string());
        if let Some(version) = version {
            request = request.header("if-match", version);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// Writes with a key, if what is there has this version.
    pub(crate) async fn post_if(
        &self,
        key: &str,
        (name, version): (&str, &str),
        path: &str,
        body: &serde_json::Value,
    ) -> Answer {
        let mut request = reqwest::Client::new()
            .post(self.url(path))
            .bearer_auth(key)
            .header("idempotency-key", name)
            .header("if-match", version);
        if !body.is_null() {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// A key of a role, good for an hour.
    pub(crate) async fn key(&self, role: Role) -> String {
        self.key_for(role, None).await
    }

    /// A key of a role, of a party if it is played by one.
    pub(crate) async fn key_for(&self, role: Role, party: Option<PartyId>) -> String {
        self.key_named(role.as_str(), Roles::of(&[role]), party)
            .await
    }

    pub(crate) async fn key_named(
        &self,
        name: &str,
        roles: Roles,
        party: Option<PartyId>,
    ) -> String {
        let grant = Grant::new(roles, party, None).unwrap();
        self.made(name, grant, LIFE).await
    }

    pub(crate) async fn key_living(&self, name: &str, role: Role, lives: Duration) -> String {
        self.made(name, Grant::All(Roles::of(&[role])), lives).await
    }

    async fn made(&self, name: &str, grant: Grant, lives: Duration) -> String {
        let new = NewKey {
            name: name.parse().unwrap(),
            grant,
            lives,
        };
        let made = self
            .store
            .write("test-key", move |db| {
                Ok(access::create(db, &new, "tester", NOW).unwrap())
            })
            .await;
        made.unwrap().token.to_string()
    }

    /// Imports the sample files, whose devices are `pump-SN-0001` and so on.
    pub(crate) async fn with_samples() -> Self {
        let served = Self::start().await;
        let store = served.store.clone();
        tokio::task::spawn_blocking(move || import_samples(&store))
            .await
            .unwrap();
        served
    }

    /// The party that the samples' ERP calls so.
    pub(crate) async fn party(&self, external_id: &'static str) -> PartyId {
        let found = self
            .store
            .read("test-party", move |db| {
                party::by_external_id(db, "erp", external_id)
            })
            .await;
        found.unwrap().unwrap().id.0
    }
}

fn product_lines() -> Vec<(String, IdPrefix)> {
    vec![("pumps".to_owned(), "pump".parse().unwrap())]
}

fn rules() -> Rules {
    Rules {
        authority: Authority {
            realm: Realm::new("test").unwrap(),
            epoch: Epoch(1),
        },
        policy: Policy::default(),
        cache: Cache::default(),
    }
}

fn import_samples(store: &Store) {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/samples/imports");
    for kind in Kind::ALL {
        let file = File::open(format!("{samples}/{}.csv", kind.as_str())).unwrap();
        let options = ImportOptions {
            dry_run: false,
            amend: false,
            skip_bad: false,
            actor: "tester".to_owned(),
            now: NOW,
            product_lines: product_lines(),
            time_zone: TimeZone::UTC,
            manufacturer: None,
        };
        assert!(import::run(kind, file, options, store).unwrap().committed);
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.unwrap(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Is a problem of this kind, and nothing else.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, kind: &str) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let json = self.json();
        assert_eq!(json["type"], format!("/problems/{kind}"), "{self:?}");
        assert_eq!(json["status"], status);
        assert!(!json["title"].as_str().unwrap().is_empty());
        assert!(!json["detail"].as_str().unwrap().is_empty());
        self
    }
}

pub(crate) fn link(state: LinkState) -> LinkStatus {
    LinkStatus {
        state,
        since: Instant::now(),
        connections: 1,
    }
}

/// A key of the authority of its own.
fn signing(clock: &Clock) -> Signing {
    let folder = tempfile::tempdir().unwrap();
    let made = NewAuthority::create(folder.path(), 1, NOW).unwrap();
    let key = AuthorityKey::load(&made.key, 1, made.not_before, made.not_after).unwrap();
    let key = Arc::new(key);
    let one = NonZeroUsize::new(1).unwrap();
    let lane = Lane::start("sign", one, NonZeroUsize::new(64).unwrap()).unwrap();
    Signing {
        issuer: Arc::new(Issuer::new(Arc::clone(&key), lane, clock.clone())),
        key,
    }
}

/// One for the process, since its recorder is.
fn counters() -> Telemetry {
    static COUNTERS: OnceLock<Telemetry> = OnceLock::new();
    let counters = COUNTERS.get_or_init(|| telemetry::init(&Log::default()).unwrap());
    counters.clone()
}
