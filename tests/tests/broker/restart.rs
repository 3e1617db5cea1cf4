//! The broker is restarted again and again, with and without its state, under traffic. Devices
//! repeat a request until they are answered; the gateway must never wedge.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fleetgrant::broker::{BrokerStorage, EmbeddedBroker, RunningBroker};
use fleetgrant::mqtt::{Inbound, Outbound};
use fleetgrant_schemas::topic::MessageType;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{Event, Incoming};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::harness::{Client, broker_config, link, link_config, options, within};
use crate::pki::Pki;

const DEVICES: usize = 8;
const RESTARTS: usize = 24;
/// A device repeats what was not answered for so long.
const REPEAT: Duration = Duration::from_millis(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_its_state() {
    restarts(|_| false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_state() {
    restarts(|_| true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn now_with_and_now_without() {
    restarts(|random| random.random()).await;
}

async fn restarts(forget: fn(&mut StdRng) -> bool) {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(rand::random);
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let pki = Arc::new(Pki::new());
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("broker");
    let mut broker = start_on(&pki, ([127, 0, 0, 1], 0).into(), &state).await;
    let address = broker.local_addr();

    let (link, inbound, outbound) = link(&pki, link_config(address)).await;
    let gateway = tokio::spawn(answer(inbound, outbound));
    let mut devices = JoinSet::new();
    let (done, _) = tokio::sync::watch::channel(false);
    for n in 0..DEVICES {
        devices.spawn(ask(Arc::clone(&pki), address, n, done.subscribe()));
    }

    let mut status = link.status();
    for round in 0..RESTARTS {
        sleep(Duration::from_millis(random.random_range(20..250))).await;
        let before = status.borrow().connections;
        broker.stop().await;
        sleep(Duration::from_millis(random.random_range(0..100))).await;
        if forget(&mut random) {
            std::fs::remove_dir_all(&state).unwrap();
        }
        broker = start_on(&pki, address, &state).await;
        within(
            &format!("the gateway is back after restart {round}"),
            status.wait_for(|s| s.is_connected() && s.connections > before),
        )
        .await
        .unwrap();
    }

    // Whatever is still unanswered now is answered without another restart.
    done.send_replace(true);
    let mut answered = 0;
    while let Some(device) = within("every request is answered", devices.join_next()).await {
        answered += device.unwrap();
    }
    assert!(
        answered > RESTARTS,
        "hardly any traffic: {answered} requests"
    );
    link.stop().await;
    let seen = within("the gateway ends", gateway).await.unwrap();
    assert!(seen >= answered, "{answered} answers to {seen} requests");
    broker.stop().await;
}

async fn start_on(pki: &Pki, address: SocketAddr, state: &Path) -> RunningBroker {
    let storage = BrokerStorage::Directory(PathBuf::from(state));
    let config = broker_config(pki, address, storage);
    EmbeddedBroker::start(config).await.unwrap()
}

/// Answers each request with its own text, once it is "committed", and acknowledges it. Returns
/// how many different ones there were.
async fn answer(mut inbound: Inbound, outbound: Outbound) -> usize {
    let mut committed = HashSet::new();
    let mut batch = Vec::new();
    while inbound.recv_many(&mut batch, 32).await > 0 {
        for message in batch.drain(..) {
            let device = message.device;
            committed.insert((device.to_string(), message.payload.clone()));
            // What is lost here the device asks for again.
            let _ = outbound
                .begin(&device, MessageType::Grant, message.payload.clone())
                .await;
            message.ack.acknowledge();
        }
    }
    committed.len()
}

/// One device: one request after the other, each repeated until it is answered, the last one after
/// all restarts. Returns how many.
async fn ask(
    pki: Arc<Pki>,
    address: SocketAddr,
    n: usize,
    done: tokio::sync::watch::Receiver<bool>,
) -> usize {
    let id = format!("dev-{n}");
    let tls = pki.device(&id);
    let topics = [format!("fg/v1/{id}/request"), format!("fg/v1/{id}/grant")];
    let mut answered = 0;
    loop {
        let mut options = options(address, &id, Arc::clone(&tls));
        options.set_clean_start(false);
        options.set_session_expiry_interval(Some(60));
        let mut device = Client::new(options);
        device
            .client
            .try_subscribe(topics[1].as_str(), QoS::AtLeastOnce)
            .unwrap();
        loop {
            let last = *done.borrow();
            match ask_once(&mut device, &topics[0], answered).await {
                Answer::Given => answered += 1,
                Answer::Missing => continue,
                Answer::Disconnected => break,
            }
            if last {
                return answered;
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
}

enum Answer {
    Given,
    Missing,
    Disconnected,
}

/// Sends a request and awaits its answer for a while.
async fn ask_once(device: &mut Client, topic: &str, request: usize) -> Answer {
    let text = Bytes::from(request.to_string());
    // Full only when the broker has stopped answering, and then the polling below says so.
    let _ = device
        .client
        .try_publish(topic, QoS::AtLeastOnce, false, text.clone());
    let repeat_at = Instant::now() + REPEAT;
    while let Ok(event) = timeout_at(repeat_at, device.events.poll()).await {
        match event {
            Ok(Event::Incoming(Incoming::Publish(grant))) if grant.payload == text => {
                return Answer::Given;
            }
            Ok(_) => {}
            Err(_) => return Answer::Disconnected,
        }
    }
    Answer::Missing
}
