//! What a message says, and its name.

use std::fmt;
use std::str::FromStr;

use fleetgrant_core::domain::{Timestamp, WebhookId};
use serde::Serialize;
use uuid::Uuid;

use crate::report::history::Exported;
use crate::store::StoreError;
use crate::store::event::Stored;

/// What a message is called: the same at every attempt, and when it is replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageId(String);

impl MessageId {
    /// Of the message to a webhook about the event at a position.
    #[must_use]
    pub fn new(webhook: WebhookId, position: i64) -> Self {
        Self(format!("msg_{webhook}_{position}"))
    }

    /// What somebody calls a message; it may be none.
    #[must_use]
    pub const fn of(text: String) -> Self {
        Self(text)
    }

    /// The position of the event that it is about; none, if it is no message to this webhook.
    #[must_use]
    pub fn position(&self, webhook: WebhookId) -> Option<i64> {
        let rest = self.0.strip_prefix(&format!("msg_{webhook}_"))?;
        rest.parse().ok().filter(|position| *position > 0)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MessageId {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// The payload that the convention recommends.
#[derive(Serialize)]
struct Payload<'a, T> {
    r#type: &'a str,
    timestamp: &'a str,
    data: T,
}

/// The payload of a message about an event: always the same bytes.
pub(super) fn payload(event: Stored) -> Result<Vec<u8>, StoreError> {
    let mut event = Exported::try_from(event)?;
    // Either may be erased later, and a copy could not be.
    (event.personal, event.reason) = (None, None);
    let payload = Payload {
        r#type: event.kind,
        timestamp: &event.at,
        data: &event,
    };
    serde_json::to_vec(&payload).map_err(|error| StoreError::Corrupt(format!("an event: {error}")))
}

/// A message about nothing, to try an endpoint with.
#[must_use]
pub fn test_message(webhook: &str, at: Timestamp) -> (MessageId, Vec<u8>) {
    #[derive(Serialize)]
    struct Data<'a> {
        webhook: &'a str,
    }
    let id = MessageId(format!("msg_test_{}", Uuid::now_v7().simple()));
    let payload = Payload {
        r#type: "test",
        timestamp: &at.to_string(),
        data: Data { webhook },
    };
    let payload = serde_json::to_vec(&payload).expect("texts always encode");
    (id, payload)
}
