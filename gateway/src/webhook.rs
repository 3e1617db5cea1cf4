//! Webhooks: the maker's ERP, its CRM, is told what happened.
//!
//! An event that some webhook may want is noted in the event's own transaction, looked at here, and
//! becomes a message for each webhook that wants it; a message is sent until the endpoint takes it,
//! in the order of the history within each stream. What it says is the event itself, so nothing is
//! kept twice. Messages are signed as standardwebhooks.com says.

mod act;
mod concern;
mod dispatch;
mod message;
mod name;
mod plan;
mod secret;
mod send;
#[cfg(test)]
mod tests;
mod vault;

pub use act::{
    Made, NewWebhook, Replay, WebhookError, create, pause, remove, replay, resume, rotate, seal_all,
};
pub use dispatch::Dispatcher;
pub use message::{MessageId, test_message};
pub use name::{InvalidWebhookName, WebhookName};
pub use plan::plan;
pub use secret::{InvalidSecret, Secret};
pub use send::{Sender, Sent};
pub use vault::{Vault, VaultError};
