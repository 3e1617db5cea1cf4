//! The same path for messages that people carry: files in, files out.

use std::sync::Arc;

use bytes::Bytes;
use fleetgrant_core::ask::Channel;
use fleetgrant_core::domain::DeviceId;
use fleetgrant_schemas::topic::MessageType;

use super::authenticate::{Dropped, Received};
use super::{Again, Intake, Settled};
use crate::clock::Clock;
use crate::issue::{IssueError, Issuer};

/// Takes messages in files to their effects and their answers.
#[derive(Debug)]
pub struct FileDesk {
    /// Authenticates, decides and records.
    pub intake: Intake,
    /// Signs what goes back.
    pub issuer: Arc<Issuer>,
    /// The gateway's clock.
    pub clock: Clock,
}

/// What came of a file.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Whose message it was.
    pub device: DeviceId,
    /// In a word: `granted`, `recorded`, `repeated`, or the notice's code.
    pub outcome: &'static str,
    /// What is to be carried back: what it is, and its bytes.
    pub answer: Option<(MessageType, Vec<u8>)>,
}

/// Why nothing came of a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It was not verified, so nothing was recorded and nothing is answered.
    #[error("the message was not accepted: {reason}{remedy}")]
    Unverified {
        /// Its stable name.
        reason: &'static str,
        /// What to do about it; empty, or a sentence.
        remedy: &'static str,
    },
    /// It could not be recorded now.
    #[error("nothing was recorded: {0}")]
    Unrecorded(String),
    /// It was recorded, and the answer could not be signed. The same file again is answered.
    #[error("the answer could not be signed, give the same file again: {0}")]
    Unsigned(#[from] IssueError),
}

impl FileDesk {
    /// Takes one message, a request or an ack.
    ///
    /// The grant that answers is also pushed over the broker, like any other: whichever way
    /// reaches the device first, it takes the set once.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn take(&self, kind: MessageType, bytes: Vec<u8>) -> Result<Answered, FileError> {
        let now = self.clock.trusted_now().map_err(unrecorded)?;
        let payload = Bytes::from(bytes);
        let received = Received {
            kind,
            device: None,
            payload: &payload,
        };
        let opened = self.intake.authenticate(received, now).await;
        let opened = opened.map_err(unrecorded)?.map_err(unverified)?;
        let device = opened.sender.device().clone();
        let recorder = &self.intake.recorder;
        let recorded = recorder.record(opened, Channel::File, now).await;
        let Settled { outcome, reply } = recorded.map_err(unrecorded)?;
        let answer = match reply {
            Some(reply) => {
                let message = reply.message;
                Some((message, self.issuer.sign(message, reply.payload).await?))
            }
            None => None,
        };
        Ok(Answered {
            device,
            outcome,
            answer,
        })
    }
}

fn unrecorded(again: impl Into<Again>) -> FileError {
    FileError::Unrecorded(again.into().to_string())
}

fn unverified(dropped: Dropped) -> FileError {
    FileError::Unverified {
        reason: dropped.as_str(),
        remedy: match dropped {
            Dropped::UnknownCertificate => {
                "; the certificate is not known here: let the device make a request with its chain"
            }
            Dropped::Malformed(_) => "; `fleetgrant inspect` shows what is in the file",
            _ => "",
        },
    }
}
