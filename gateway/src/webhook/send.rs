//! One attempt at a message.

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use bytes::Bytes;
use fleetgrant_core::domain::Timestamp;
use fleetgrant_core::webhook::Attempted;
use http_body_util::Full;

use super::{MessageId, Secret, Vault, VaultError};
use crate::config::Webhooks;
use crate::outgoing::{Answer, Outgoing, OutgoingError, Reach};
use crate::store::webhook::Webhook;
use crate::tls::TlsError;

/// Bytes of an answer that are read: it says nothing beyond its status.
const ANSWER: usize = 4_096;
/// Characters of a problem that are kept.
const PROBLEM: usize = 300;

/// Sends messages to endpoints.
#[derive(Clone, Debug)]
pub struct Sender {
    outgoing: Outgoing,
    reach: Reach,
    vault: Vault,
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What follows from it.
    pub attempted: Attempted,
    /// The status code of the answer.
    pub status: Option<u16>,
    /// What was wrong.
    pub problem: Option<String>,
    /// How long it took.
    pub took: Duration,
}

impl Sender {
    /// As the configuration says.
    ///
    /// # Errors
    /// The roots are of no use.
    pub fn new(config: &Webhooks) -> Result<Self, TlsError> {
        let roots = config.roots.as_deref();
        Ok(Self {
            outgoing: Outgoing::new(config.reach.clone(), roots, config.timeout, ANSWER)?,
            reach: config.reach.clone(),
            vault: Vault::new(config.sealing_key.clone()),
        })
    }

    /// Where endpoints may be.
    #[must_use]
    pub const fn reach(&self) -> &Reach {
        &self.reach
    }

    /// What opens and seals secrets.
    #[must_use]
    pub const fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Signs a message and sends it once.
    pub async fn send(
        &self,
        webhook: &Webhook,
        id: &MessageId,
        payload: Vec<u8>,
        now: Timestamp,
    ) -> Sent {
        let began = Instant::now();
        let secrets = secrets(&self.vault, webhook, now);
        let sent = match (self.reach.target(&webhook.url), secrets) {
            (Ok(_), Err(error)) => {
                tracing::error!(webhook = webhook.name, %error, "nothing can be signed for a webhook");
                failed(None, &error.to_string(), "secret")
            }
            (Ok(target), Ok(secrets)) => {
                let request = request(&secrets, id, payload, now);
                match self.outgoing.send(&target, request).await {
                    Ok(answer) => of_answer(&answer),
                    Err(error) => failed(None, &error.to_string(), label(&error)),
                }
            }
            (Err(refused), _) => failed(None, &format!("{}: {refused}", webhook.url), "address"),
        };
        let (mut sent, outcome) = sent;
        sent.took = began.elapsed();
        metrics::counter!("fleetgrant_webhook_attempts_total", "outcome" => outcome).increment(1);
        metrics::histogram!("fleetgrant_webhook_attempt_seconds").record(sent.took);
        sent
    }
}

/// What messages to a webhook are signed with: its secret, and for a while the one before.
fn secrets(vault: &Vault, webhook: &Webhook, now: Timestamp) -> Result<Vec<Secret>, VaultError> {
    let former = webhook.former_until.filter(|until| until.0 > now);
    let former = former.and(webhook.former_secret.as_ref());
    let kept = std::iter::once(&webhook.secret).chain(former);
    kept.map(|kept| vault.open(webhook.id.0, kept)).collect()
}

fn request(
    secrets: &[Secret],
    id: &MessageId,
    payload: Vec<u8>,
    now: Timestamp,
) -> Request<Full<Bytes>> {
    let signatures: Vec<_> = secrets
        .iter()
        .map(|secret| secret.sign(id, now, &payload))
        .collect();
    let mut request = Request::new(Full::new(Bytes::from(payload)));
    *request.method_mut() = Method::POST;
    let text = |text: String| {
        HeaderValue::try_from(text).expect("ids, numbers and base64 are visible ASCII")
    };
    let headers = request.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert("webhook-id", text(id.to_string()));
    headers.insert("webhook-timestamp", now.seconds().into());
    headers.insert("webhook-signature", text(signatures.join(" ")));
    request
}

fn of_answer(answer: &Answer) -> (Sent, &'static str) {
    let status = answer.status;
    let code = Some(status.as_u16());
    if status.is_success() {
        let sent = Sent {
            attempted: Attempted::Taken,
            status: code,
            problem: None,
            took: Duration::ZERO,
        };
        return (sent, "taken");
    }
    let said = String::from_utf8_lossy(&answer.body);
    // PostgreSQL stores no NUL, and people want no other control character.
    let words = said.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let said = words.join(" ");
    let problem = if status.is_redirection() {
        "a redirection is not followed: give the webhook the address that it leads to".to_owned()
    } else {
        said
    };
    let (mut sent, outcome) = failed(code, &problem, "refused");
    if status == StatusCode::GONE {
        sent.attempted = Attempted::Gone;
        return (sent, "gone");
    }
    sent.attempted = Attempted::Failed {
        retry_after: retry_after(&answer.headers),
    };
    (sent, outcome)
}

fn failed(status: Option<u16>, problem: &str, outcome: &'static str) -> (Sent, &'static str) {
    let sent = Sent {
        attempted: Attempted::Failed { retry_after: None },
        status,
        problem: Some(problem.chars().take(PROBLEM).collect()),
        took: Duration::ZERO,
    };
    (sent, outcome)
}

/// Seconds; the form with a date is rare, and what it would gain is small. `headers::RetryAfter` does
/// not tell what it has read.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

const fn label(error: &OutgoingError) -> &'static str {
    match error {
        OutgoingError::Failed(_) => "unreachable",
        OutgoingError::TooSlow(_) => "too-slow",
    }
}
