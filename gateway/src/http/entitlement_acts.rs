//! What operators do to entitlements.

use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::{EntitlementId, HoldReason, Timestamp};
use fleetgrant_core::lifecycle::EntitlementAct;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::entitlements::Entitlement;
use super::problem::{Problem, ProblemKind};
use super::query::{Named, Nothing, Query};
use super::value::{Id, When};
use super::word;
use super::write::{Step, Write, WriteParams};
use crate::lifecycle::EntitlementActError;
use crate::operator::{Attempt, Operator};
use crate::store::listing::{self, EntitlementFilter};
use crate::store::{Db, StoreError};

/// What is to be done.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Verb {
    /// A draft can be used.
    Activate,
    /// Features off on every device; units are kept.
    Suspend,
    /// Features on again.
    Resume,
    /// No new units are activated.
    Hold,
    /// A reason to hold it is gone.
    Release,
    /// It is taken off every device.
    Revoke,
    /// A revocation to come is withdrawn.
    Keep,
    /// It ends; only where nothing of it is in use.
    Close,
}

/// An act on an entitlement.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActOnEntitlement {
    act: Verb,
    /// Of a hold or its release; operator, if it is not said.
    #[schema(inline)]
    reason: Option<word::HoldReason>,
    /// From when on it is revoked; now, if it is not said.
    #[schema(inline)]
    at: Option<When>,
    /// Only tells what would be done.
    #[serde(default)]
    preview: bool,
}

/// What came of an act on an entitlement.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntitlementActed {
    /// As it is now; after a preview, as it would be.
    entitlement: Entitlement,
    /// Whether anything changed.
    changed: bool,
    /// Devices that get another set for it.
    devices: usize,
}

/// Suspend, resume, hold, release, revoke or close an entitlement
#[utoipa::path(
    post, path = "/entitlements/{entitlement}/acts", operation_id = "act_on_entitlement", tag = "entitlements",
    params(
        ("entitlement" = inline(Id), Path, description = "Its id"),
        WriteParams,
    ),
    request_body = ActOnEntitlement,
    responses((status = OK, body = EntitlementActed))
)]
pub(super) async fn act(
    State(api): State<Api>,
    Named(id): Named<Id>,
    _: Query<Nothing>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: ActOnEntitlement = write.json()?;
    let act = asked.act()?;
    let operator = Operator {
        store: api.store.clone(),
        rules: std::sync::Arc::clone(&api.rules),
        clock: api.clock.clone(),
        actor: write.actor(),
    };
    let id = EntitlementId(id.0);
    write
        .once(&api, move |db, now| {
            attempt(db, &operator, id, act, asked.preview, now)
        })
        .await
}

impl ActOnEntitlement {
    fn act(&self) -> Result<EntitlementAct, Problem> {
        let stray = |field: &str| {
            let why = format!("{field}: does not go with this act");
            Err(Problem::new(ProblemKind::BadBody, why))
        };
        let takes_reason = matches!(self.act, Verb::Hold | Verb::Release);
        if self.reason.is_some() && !takes_reason {
            return stray("reason");
        }
        if self.at.is_some() && !matches!(self.act, Verb::Revoke) {
            return stray("at");
        }
        let reason = self.reason.map_or(HoldReason::Operator, |reason| reason.0);
        Ok(match self.act {
            Verb::Activate => EntitlementAct::Activate,
            Verb::Suspend => EntitlementAct::Suspend,
            Verb::Resume => EntitlementAct::Resume,
            Verb::Hold => EntitlementAct::Hold(reason),
            Verb::Release => EntitlementAct::Release(reason),
            Verb::Revoke => EntitlementAct::Revoke {
                // What is past is now.
                at: self.at.map_or(Timestamp::from_seconds(0), |at| at.0),
            },
            Verb::Keep => EntitlementAct::KeepOn,
            Verb::Close => EntitlementAct::Close,
        })
    }
}

fn attempt(
    db: &mut Db,
    operator: &Operator,
    id: EntitlementId,
    act: EntitlementAct,
    preview: bool,
    now: Timestamp,
) -> Result<Step<EntitlementActed>, StoreError> {
    let change = match operator.attempt_on(db, id, act, now)? {
        Attempt::Done(change) => change,
        Attempt::Refused(reason) => return Ok(Step::Refused(reason.into())),
        Attempt::Stale => return Ok(Step::Again),
    };
    let filter = EntitlementFilter {
        id: Some(id),
        ..EntitlementFilter::default()
    };
    let row = listing::entitlements(db, &filter, 1)?.pop();
    let row = row.ok_or_else(|| StoreError::Corrupt(format!("entitlement {id} is gone")))?;
    let acted = EntitlementActed {
        entitlement: row.into(),
        changed: change.before != change.after,
        devices: change.devices,
    };
    Ok(if preview {
        Step::Looked(acted)
    } else {
        Step::Done(acted)
    })
}

impl From<EntitlementActError> for Problem {
    fn from(error: EntitlementActError) -> Self {
        match error {
            EntitlementActError::Unknown(_) => Self::new(ProblemKind::NotFound, error.to_string()),
            EntitlementActError::Refused(_) => Self::new(ProblemKind::Refused, error.to_string()),
            EntitlementActError::Act(error) => error.into(),
        }
    }
}
