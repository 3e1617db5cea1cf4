//! What a caller can take of the server, and how it stops.

use std::num::NonZeroUsize;
use std::sync::mpsc;
use std::time::Duration;

use fleetgrant::config::Http;
use fleetgrant::http::HttpListener;
use fleetgrant_core::domain::Role;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::api::{Answer, Served, config};

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

/// The first bytes of an answer.
async fn first(stream: &mut TcpStream) -> String {
    let mut bytes = [0; 256];
    let length = stream.read(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_what_to_do() {
    let api = Served::start().await;
    let taken = Http {
        listen: api.address,
        ..config()
    };
    let refused = HttpListener::bind(&taken).await.unwrap_err().to_string();
    assert!(refused.contains(&api.address.to_string()), "{refused}");
    assert!(refused.contains("set http.listen"), "{refused}");
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let api = Served::start().await;
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nx: ")
        .await
        .unwrap();
    let _ = stream.write_all(&[b'a'; 40_000]).await;
    assert!(first(&mut stream).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_head_that_is_somewhat_too_long_is_told_what_may_be() {
    let api = Served::start().await;
    let ask = async |fields: Vec<(String, String)>| {
        let mut request = reqwest::Client::new().get(api.url("/healthz"));
        for (name, value) in fields {
            request = request.header(name, value);
        }
        Answer::of(request.send().await.unwrap()).await
    };
    let long = |bytes: usize| vec![("x-long".to_owned(), "a".repeat(bytes))];
    let many = |count: usize| {
        let fields = (0..count).map(|number| (format!("x-{number}"), "a".to_owned()));
        fields.collect::<Vec<_>>()
    };
    // A client has fields of its own.
    for fields in [long(16_000), many(60)] {
        assert_eq!(ask(fields).await.status, 200);
    }
    for fields in [long(16_400), long(30_000), many(65), many(120)] {
        let refused = ask(fields).await;
        refused.is_problem(431, "head-too-large");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("16384 and 64 are taken"), "{detail}");
    }
    // Nothing is left behind on the connection.
    assert_eq!(ask(Vec::new()).await.status, 200);
}

#[tokio::test]
async fn whoever_comes_when_all_connections_are_taken_waits() {
    let api = Served::with(Http {
        max_connections: NonZeroUsize::MIN,
        ..config()
    })
    .await;
    let mut first_caller = TcpStream::connect(api.address).await.unwrap();
    first_caller.write_all(HEALTH).await.unwrap();
    assert!(first(&mut first_caller).await.starts_with("HTTP/1.1 200 "));
    let mut second = TcpStream::connect(api.address).await.unwrap();
    second.write_all(HEALTH).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(200), first(&mut second)).await;
    assert!(waited.is_err(), "{waited:?}");
    drop(first_caller);
    assert!(first(&mut second).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_server_that_stops_closes_what_is_idle() {
    let api = Served::start().await;
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    stream.write_all(HEALTH).await.unwrap();
    assert!(first(&mut stream).await.starts_with("HTTP/1.1 200 "));
    tokio::time::timeout(Duration::from_secs(2), api.server.stop())
        .await
        .unwrap();
    assert_eq!(first(&mut stream).await, "");
    assert!(TcpStream::connect(api.address).await.is_err());
}

/// Whoever waits for a report is told to ask again.
#[tokio::test]
async fn a_server_that_stops_waits_for_nothing_that_only_reads() {
    let api = Served::start().await;
    let key = api.key(Role::Auditor).await;
    // Both threads that read do, until the end of the test.
    let held = [(); 2].map(|()| {
        let (release, held) = mpsc::sync_channel::<()>(1);
        let store = api.store.clone();
        std::thread::spawn(move || {
            store.read_blocking("slow", move |_| {
                let _ = held.recv();
                Ok(())
            })
        });
        release
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let report = api.url("/api/v1/reports/utilisation");
    let asked = reqwest::Client::new().get(report).bearer_auth(key).send();
    let asked = tokio::spawn(asked);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!asked.is_finished());
    tokio::time::timeout(Duration::from_secs(3), api.server.stop())
        .await
        .unwrap();
    let answer = Answer::of(asked.await.unwrap().unwrap()).await;
    answer.is_problem(503, "busy");
    assert_eq!(answer.header("retry-after"), "5");
    drop(held);
}
