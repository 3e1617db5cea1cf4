//! An endpoint on a real port, which does as it is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response};
use bytes::Bytes;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sha2::Sha256;
use tokio::net::TcpListener;

/// What the endpoint answers.
#[derive(Clone, Debug)]
pub(super) enum Say {
    Status(u16),
    AfterASleep(Duration),
    HangUp,
    Redirect(String),
    /// 200, and a body without an end.
    Endless,
}

/// A message as it came in.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) target: String,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

#[derive(Debug)]
struct Told {
    next: VecDeque<Say>,
    then: Say,
    received: Vec<Message>,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) address: SocketAddr,
    told: Arc<Mutex<Told>>,
}

impl Endpoint {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Mutex::new(Told {
            next: VecDeque::new(),
            then: Say::Status(200),
            received: Vec::new(),
        }));
        let shared = Arc::clone(&told);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let told = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&told), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, told }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn will_say<const N: usize>(&self, next: [Say; N]) {
        self.told.lock().unwrap().next.extend(next);
    }

    pub(super) fn will_always_say(&self, then: Say) {
        self.told.lock().unwrap().then = then;
    }

    pub(super) fn count(&self) -> usize {
        self.told.lock().unwrap().received.len()
    }

    /// Waits until so many messages have come in.
    pub(super) async fn received(&self, count: usize) -> Vec<Message> {
        for _ in 0..400 {
            let received = self.told.lock().unwrap().received.clone();
            if received.len() >= count {
                return received;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{} messages instead of {count}", self.count());
    }
}

async fn answer(
    told: Arc<Mutex<Told>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let message = Message {
        target: head.uri.to_string(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    };
    let say = {
        let mut told = told.lock().unwrap();
        told.received.push(message);
        told.next.pop_front().unwrap_or_else(|| told.then.clone())
    };
    let response = Response::builder();
    let response = match say {
        Say::Status(status) => response.status(status).body(Body::from("no\n thanks")),
        Say::AfterASleep(time) => {
            tokio::time::sleep(time).await;
            response.body(Body::empty())
        }
        // hyper closes the connection after a panic of the service.
        Say::HangUp => panic!("hangs up, as told"),
        Say::Redirect(to) => response
            .status(307)
            .header("location", to)
            .body(Body::empty()),
        Say::Endless => response.body(Body::new(Endless)),
    };
    Ok(response.unwrap())
}

struct Endless;

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        let data = Bytes::from_static(&[b'x'; 1_024]);
        std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(data))))
    }
}

impl Message {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(super) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub(super) fn signature(&self) -> &str {
        self.header("webhook-signature")
    }

    pub(super) fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Was signed at an instant by each of these secrets and no other; verified by another
    /// implementation than signs.
    #[track_caller]
    pub(super) fn is_signed_by(&self, secrets: &[&str], at: u64) {
        assert_eq!(self.header("webhook-timestamp"), at.to_string());
        let signatures: Vec<_> = self.signature().split(' ').collect();
        assert_eq!(signatures.len(), secrets.len(), "{signatures:?}");
        for (signature, secret) in signatures.iter().zip(secrets) {
            let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap().as_bytes());
            let mut mac = Hmac::<Sha256>::new_from_slice(&key.unwrap()).unwrap();
            mac.update(format!("{}.{at}.", self.id()).as_bytes());
            mac.update(&self.body);
            let expected = signature.strip_prefix("v1,").unwrap();
            mac.verify_slice(&BASE64.decode(expected.as_bytes()).unwrap())
                .unwrap();
        }
    }
}
