//! Factory grants: the first sets of a batch's devices, made before any of them was switched on.

use std::sync::Arc;

use fleetgrant_core::domain::DeviceId;
use fleetgrant_core::operator::OperatorError;
use fleetgrant_schemas::topic::MessageType;

use crate::issue::{IssueError, Issuer};
use crate::operator::{Act, ActError, Operator};
use crate::store::StoreError;
use crate::store::batch::Unit;

/// Makes factory grants.
#[derive(Debug)]
pub struct Line {
    /// Decides and records them.
    pub operator: Operator,
    /// Signs them.
    pub issuer: Arc<Issuer>,
}

/// A factory grant.
#[derive(Clone, Debug)]
pub struct Built {
    /// The message: what a grant's file holds.
    pub message: Vec<u8>,
    /// It was recorded now. Else the one that was recorded before was signed once more.
    pub is_new: bool,
}

/// Why a device has no factory grant.
#[derive(Debug, thiserror::Error)]
pub enum NotBuilt {
    /// A grant is bound to a key.
    #[error(
        "the manifest names no key for it: import one with the thumbprint of its key, or let it \
         ask on the line"
    )]
    NoKey,
    /// The grant that was made for it is too old.
    #[error("its factory grant can no longer be installed: it gets its rights when it asks")]
    WindowOver,
    /// It was not decided or recorded.
    #[error(transparent)]
    Act(#[from] ActError),
    /// It is recorded, and could not be signed: try again.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl NotBuilt {
    /// Whether the next device would fare no better.
    #[must_use]
    pub const fn is_general(&self) -> bool {
        matches!(
            self,
            Self::Issue(_) | Self::Act(ActError::Clock(_) | ActError::Store(_))
        )
    }
}

impl Line {
    /// The factory grant of a device: made now, or the one that was made before, as long as the
    /// device was not heard and has no newer set.
    ///
    /// # Errors
    /// See [`NotBuilt`].
    pub async fn grant(&self, unit: &Unit) -> Result<Built, NotBuilt> {
        let key = unit.key.ok_or(NotBuilt::NoKey)?.0;
        let device = DeviceId::new(&unit.id).map_err(corrupt)?;
        let made = self.operator.act(&device, Act::GrantAtFactory(key)).await;
        let (payload, is_new) = match (made, &unit.made) {
            (Ok(outcome), _) => {
                let issued = outcome
                    .issued
                    .ok_or_else(|| corrupt("no set was written"))?;
                (issued.payload, true)
            }
            (Err(ActError::Refused(OperatorError::NotBlank)), Some(payload)) => {
                let now = self.operator.clock.now();
                if unit.install_until.is_some_and(|until| until.0 <= now) {
                    return Err(NotBuilt::WindowOver);
                }
                (payload.clone(), false)
            }
            (Err(error), _) => return Err(error.into()),
        };
        let message = self.issuer.sign(MessageType::Grant, payload).await?;
        Ok(Built { message, is_new })
    }
}

fn corrupt(reason: impl std::fmt::Display) -> NotBuilt {
    NotBuilt::Act(StoreError::Corrupt(reason.to_string()).into())
}
