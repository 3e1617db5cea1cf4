//! What bad input gets, over the real broker: a signed notice where the message was verified,
//! silence where it was not, and nothing already accepted is lost.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fleetgrant::gateway::Gateway;
use fleetgrant::identity::AdmissionMode;
use fleetgrant::report::history::{self, Exported, HistoryFilter};
use fleetgrant::store::Db;
use fleetgrant::store::listing::Part;
use fleetgrant_core::event::EventKind;
use fleetgrant_schemas::envelope::{Draft, Signer};
use fleetgrant_schemas::id::CertificateThumbprint;
use fleetgrant_schemas::notice::NoticeCode;
use fleetgrant_schemas::request::{Reason, Request};
use fleetgrant_schemas::topic::MessageType;
use fleetgrant_schemas::{Message as _, Want, envelope};
use fleetgrant_tests::installation::{TestInstallation, UNLIMITED};
use fleetgrant_tests::ledger;
use fleetgrant_tests::raw_device::{Heard, RawDevice};

const SILENCE: Duration = Duration::from_millis(400);

struct Scene {
    test: TestInstallation,
    gateway: Gateway,
}

impl Scene {
    async fn new(admission: AdmissionMode, more: &str) -> Self {
        let test = TestInstallation::new(admission, more);
        let gateway = test.serve().await;
        Self { test, gateway }
    }

    async fn device(&self, serial: &str) -> RawDevice {
        let installation = &self.test.installation;
        let credentials = installation.pki.issue_device(serial, "mk2").unwrap();
        RawDevice::connect(installation, &credentials).await
    }

    /// A device that was admitted; nothing is bound to it.
    async fn admitted(&self, serial: &str) -> RawDevice {
        let mut device = self.device(serial).await;
        expect(&device.first_contact().await, NoticeCode::Denied);
        device
    }
}

#[track_caller]
fn expect(heard: &Heard, expected: NoticeCode) {
    match heard {
        Heard::Notice { code, .. } if *code == expected => {}
        other => panic!("expected {expected}, heard {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_verified_gets_no_answer() {
    let scene = Scene::new(AdmissionMode::Open, UNLIMITED).await;
    let mut device = scene.admitted("0001").await;
    let good = device.request(Reason::Boot, &[]);

    let mut bad_signature = good.clone();
    *bad_signature.last_mut().unwrap() ^= 1;
    let mut changed = good.clone();
    let payload_end = changed.len() - 70;
    changed[payload_end] ^= 1;
    let mut indefinite = good.clone();
    indefinite[1] = 0x9f;
    let bomb = vec![0x9f; 8_000];
    let garbage = b"not CBOR at all".to_vec();
    for bytes in [
        &bad_signature[..],
        &changed,
        &indefinite,
        &bomb,
        &garbage,
        &good[..good.len() - 1],
        &[],
    ] {
        device.send(MessageType::Request, bytes).await;
        assert!(device.hears_nothing_for(SILENCE).await);
    }
    // An ack's topic does not take a request.
    device.send(MessageType::Ack, &good).await;
    assert!(device.hears_nothing_for(SILENCE).await);

    device.send(MessageType::Request, &good).await;
    expect(&device.hear().await, NoticeCode::Denied);
    scene.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_certificate_is_asked_for_its_chain() {
    let scene = Scene::new(AdmissionMode::Open, UNLIMITED).await;
    let mut device = scene.device("0001").await;
    let unknown = Signer::Thumbprint(CertificateThumbprint([7; 32]));
    let request = device.request(Reason::Boot, &[]);
    let payload = payload_of(&request);
    let mut buffer = vec![0; 4096];
    let draft = Draft::of_payload(&mut buffer, MessageType::Request, &unknown, &payload).unwrap();
    let bytes = draft.finish(&[1; 64]).to_vec();
    device.send(MessageType::Request, &bytes).await;
    expect(&device.hear().await, NoticeCode::SendChain);
    scene.gateway.stop().await;
}

/// What was verified once is recorded: a gateway that was started anew need not ask.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_was_recorded_is_known_after_a_restart() {
    let scene = Scene::new(AdmissionMode::Open, UNLIMITED).await;
    let credentials = scene.test.installation.pki.issue_device("0001", "mk2");
    let credentials = credentials.unwrap();
    let mut device = RawDevice::connect(&scene.test.installation, &credentials).await;
    expect(&device.first_contact().await, NoticeCode::Denied);
    scene.gateway.stop().await;

    let gateway = scene.test.serve().await;
    let mut again = RawDevice::connect(&scene.test.installation, &credentials).await;
    again.seq = device.seq;
    again.names_by_thumbprint = true;
    expect(&again.ask(Reason::Boot, &[]).await, NoticeCode::Denied);
    gateway.stop().await;
}

fn payload_of(message: &[u8]) -> Vec<u8> {
    let envelope = envelope::Envelope::parse(message).unwrap();
    envelope.verify(|_, _| true).unwrap().payload().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_devices_message_is_worth_nothing_on_this_ones_topic() {
    let scene = Scene::new(AdmissionMode::Open, UNLIMITED).await;
    let mut one = scene.admitted("0001").await;
    let mut other = scene.admitted("0002").await;
    let stolen = one.request(Reason::Boot, &[]);
    other.send(MessageType::Request, &stolen).await;
    assert!(other.hears_nothing_for(SILENCE).await);
    assert!(one.hears_nothing_for(SILENCE).await);
    scene.gateway.stop().await;
}

/// The messages of the history that could not be decided on: what each was, and why.
async fn told_of_refused(scene: &Scene) -> Vec<(String, String)> {
    let filter = HistoryFilter {
        kinds: vec![EventKind::MessageRefused],
        ..HistoryFilter::default()
    };
    let page = move |db: &mut Db| history::page(db, &filter, &Part::default(), 100);
    let events = scene.gateway.store().read("test", page).await.unwrap();
    let text = |event: &Exported, name: &str| {
        let value = event.body.get(name).and_then(|value| value.as_str());
        value.map(str::to_owned)
    };
    events
        .iter()
        .map(|event| {
            let why = text(event, "reason").or_else(|| text(event, "realm"));
            (text(event, "message").unwrap(), why.unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_another_realm_is_told_so() {
    let scene = Scene::new(AdmissionMode::Open, UNLIMITED).await;
    let mut device = scene.admitted("0001").await;
    let request = device.request_with(9, Reason::Boot, &[], "elsewhere");
    device.send(MessageType::Request, &request).await;
    expect(&device.hear().await, NoticeCode::WrongRealm);
    let told = ("request".to_owned(), "elsewhere".to_owned());
    assert_eq!(told_of_refused(&scene).await, [told]);
    scene.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_well_and_not_understood_is_told_why_and_kept_in_the_history() {
    let scene = Scene::new(AdmissionMode::Open, UNLIMITED).await;
    let mut device = scene.admitted("0001").await;
    let good = payload_of(&device.request(Reason::Boot, &[]));
    let nonce = Request::decode(&good).unwrap().nonce;
    let other = scene.device("0002").await;
    let of_another = payload_of(&other.request_with(1, Reason::Boot, &[], "test"));
    let others_nonce = Request::decode(&of_another).unwrap().nonce;
    // Key 7 of claim −65537, the usage, an empty list before: now a number.
    let mut number_for_list = good.clone();
    let end = good.len() - b"\x07\x80\x09\x82\x19\x10\x00\x00".len();
    assert_eq!(number_for_list[end..end + 2], [0x07, 0x80]);
    number_for_list[end + 1] = 0x00;
    let trailing = [&good[..], &[0]].concat();
    for (message, payload, nonce, reason) in [
        (
            MessageType::Request,
            &number_for_list[..],
            Some(nonce),
            "wrong-type",
        ),
        (
            MessageType::Request,
            &trailing,
            Some(nonce),
            "trailing-bytes",
        ),
        (
            MessageType::Request,
            &of_another,
            Some(others_nonce),
            "out-of-range",
        ),
        (MessageType::Request, b"\xff", None, "wrong-type"),
        (MessageType::Ack, &good, None, "unknown-key"),
    ] {
        let bytes = device.sign_payload(message, payload);
        device.send(message, &bytes).await;
        match device.hear().await {
            Heard::Notice {
                code: NoticeCode::Malformed,
                nonce: echoed,
                text,
                ..
            } => assert_eq!((echoed, text.as_deref()), (nonce, Some(reason))),
            other => panic!("{reason}: {other:?}"),
        }
        // A replay is told again, and leaves no second trace.
        device.send(message, &bytes).await;
        expect(&device.hear().await, NoticeCode::Malformed);
        let told = told_of_refused(&scene).await;
        assert_eq!(
            told.last(),
            Some(&(message.as_str().to_owned(), reason.to_owned()))
        );
    }
    assert_eq!(told_of_refused(&scene).await.len(), 5);
    // Nothing of it counted: the device goes on as before.
    expect(&device.ask(Reason::Boot, &[]).await, NoticeCode::Denied);
    scene.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_answered_as_before_and_a_number_from_the_past_is_told_the_next() {
    let scene = Scene::new(AdmissionMode::Open, UNLIMITED).await;
    let mut device = scene.admitted("0001").await;
    let last = device.request(Reason::Boot, &[]);
    device.send(MessageType::Request, &last).await;
    expect(&device.hear().await, NoticeCode::Denied);
    device.send(MessageType::Request, &last).await;
    expect(&device.hear().await, NoticeCode::Denied);

    let stale = device.request_with(1, Reason::Boot, &[], "test");
    device.send(MessageType::Request, &stale).await;
    match device.hear().await {
        Heard::Notice {
            code: NoticeCode::StaleSeq,
            seq_expected: Some(expected),
            ..
        } => assert_eq!(expected, device.seq),
        other => panic!("{other:?}"),
    }
    scene.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feature_that_nobody_bought_is_denied_by_name_and_takes_no_unit() {
    let scene = Scene::new(AdmissionMode::Open, UNLIMITED).await;
    let mut device = scene.admitted("0001").await;
    let want = Want::Feature {
        feature: "bandwidth-500",
        total: 1,
    };
    match device.ask(Reason::Upgrade, &[want]).await {
        Heard::Grant {
            features, denials, ..
        } => assert_eq!((features.len(), denials), (0, vec!["not-owned".to_owned()])),
        other => panic!("{other:?}"),
    }
    assert_eq!(ledger::units(scene.gateway.store()).await.held, 0);
    scene.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_no_manifest_names_is_not_admitted() {
    let scene = Scene::new(AdmissionMode::Manifest, UNLIMITED).await;
    let mut device = scene.device("0001").await;
    expect(
        &device.ask(Reason::Boot, &[]).await,
        NoticeCode::NotAdmitted,
    );
    let scene_two = Scene::new(AdmissionMode::Quarantine, UNLIMITED).await;
    let mut device = scene_two.device("0001").await;
    expect(&device.first_contact().await, NoticeCode::Quarantined);
    scene.gateway.stop().await;
    scene_two.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_asks_too_often_is_told_to_wait_and_then_ignored() {
    let rates = "\n[limits.device]\nevery = \"1h\"\nburst = 3\n";
    let scene = Scene::new(AdmissionMode::Open, rates).await;
    let mut device = scene.admitted("0001").await;
    expect(&device.ask(Reason::Boot, &[]).await, NoticeCode::Denied);
    for _ in 0..3 {
        expect(&device.ask(Reason::Boot, &[]).await, NoticeCode::RetryLater);
    }
    let request = device.request(Reason::Boot, &[]);
    device.send(MessageType::Request, &request).await;
    assert!(device.hears_nothing_for(SILENCE).await);
    scene.gateway.stop().await;
}
