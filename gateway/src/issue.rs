//! From recorded content to signed bytes. Nothing is decided here.

use std::sync::Arc;

use fleetgrant_schemas::envelope::{BufferTooSmall, Draft, Signer};
use fleetgrant_schemas::limits;
use fleetgrant_schemas::topic::MessageType;

use crate::clock::{Clock, ClockJumped};
use crate::crypto::{AuthorityKey, Lane, LaneClosed, SigningFailed};

/// Signs what was recorded, with the authority's key, on the lane for signatures.
#[derive(Debug)]
pub struct Issuer {
    key: Arc<AuthorityKey>,
    lane: Lane,
    clock: Clock,
}

/// What signs as the authority: messages, and what is no message. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Signing {
    /// The key.
    pub key: Arc<AuthorityKey>,
    /// What signs messages with it.
    pub issuer: Arc<Issuer>,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The clock cannot be trusted.
    #[error(transparent)]
    Clock(#[from] ClockJumped),
    /// The key is not valid now.
    #[error(
        "the authority key of epoch {epoch} may not sign now: it has expired or is not valid \
         yet; make the next epoch's with `fleetgrant pki authority`"
    )]
    KeyNotValid {
        /// Its epoch.
        epoch: u32,
    },
    /// The message would be larger than devices take.
    #[error("the message does not fit into {} bytes", limits::MAX_DOWN)]
    TooLarge(#[from] BufferTooSmall),
    /// The signature could not be made.
    #[error("the signature could not be made: {0}")]
    Signing(#[from] SigningFailed),
    /// The threads that sign have ended.
    #[error(transparent)]
    Lane(#[from] LaneClosed),
}

impl Issuer {
    /// An issuer with this key.
    #[must_use]
    pub const fn new(key: Arc<AuthorityKey>, lane: Lane, clock: Clock) -> Self {
        Self { key, lane, clock }
    }

    /// Signs a payload as a message of this type.
    ///
    /// # Errors
    /// See [`IssueError`].
    pub async fn sign(
        &self,
        message: MessageType,
        payload: Vec<u8>,
    ) -> Result<Vec<u8>, IssueError> {
        let now = self.clock.trusted_now()?;
        if !self.key.may_sign_at(now) {
            return Err(IssueError::KeyNotValid {
                epoch: self.key.epoch(),
            });
        }
        let key = Arc::clone(&self.key);
        self.lane.run(move || sign(&key, message, &payload)).await?
    }
}

fn sign(key: &AuthorityKey, message: MessageType, payload: &[u8]) -> Result<Vec<u8>, IssueError> {
    let mut buffer = vec![0; limits::MAX_DOWN];
    let signer = Signer::Key(key.key_id());
    let draft = Draft::of_payload(&mut buffer, message, &signer, payload)?;
    let mut to_sign = Vec::with_capacity(payload.len() + 128);
    draft
        .to_sign()
        .for_each_part(|part| to_sign.extend_from_slice(part));
    let signature = key.sign(&to_sign)?;
    let len = draft.finish(&signature).len();
    buffer.truncate(len);
    Ok(buffer)
}
