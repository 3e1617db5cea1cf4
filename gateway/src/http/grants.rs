//! Factory grants of a batch, made and fetched: what `fleetgrant factory grants` writes to files. A
//! contract manufacturer has those of its own batches.

use axum::Json;
use axum::extract::State;
use data_encoding::BASE64;
use fleetgrant_core::domain::{BatchId, DeviceId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::problem::{Problem, ProblemKind, found};
use super::query::{Named, Nothing, Query};
use super::value::Id;
use super::within::Thing;
use super::write::{Write, WriteParams};
use crate::factory::{Line, NotBuilt};
use crate::issue::IssueError;
use crate::store::batch::{self, Unit};

/// Devices of one request, at most.
pub(crate) const MOST: u16 = 100;

/// For which devices of a batch: a part of them, by id.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGrants {
    /// Those after this id; from the first, if it is not said.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub(crate) after: Option<String>,
    /// Devices at most.
    #[serde(default = "most")]
    #[schema(minimum = 1, maximum = 100, default = 100)]
    pub(crate) limit: u16,
}

const fn most() -> u16 {
    MOST
}

/// The grants of a part of a batch.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct GrantsMade {
    /// By the devices' ids.
    pub(crate) items: Vec<FactoryGrant>,
    /// After which device to go on; null on the last part.
    pub(crate) next: Option<String>,
}

/// What became of a device.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct FactoryGrant {
    pub(crate) device: String,
    pub(crate) serial: String,
    /// Whether it was made now, or before.
    pub(crate) is_new: bool,
    /// The message that the device installs, in base64 (RFC 4648 section 4): what a grant's file holds.
    #[schema(content_encoding = "base64")]
    pub(crate) message: Option<String>,
    /// Why it has none.
    pub(crate) reason: Option<String>,
}

/// Make the factory grants of a batch, or of a part of it
///
/// A grant gives what is reserved for a device, what its order line gives, and nothing whose time would
/// start to run on the shelf. Asked for again, the same grants are answered; a device that was heard, or
/// that cannot have all that it is owed, has none and a reason.
#[utoipa::path(
    post, path = "/batches/{batch}/grants", operation_id = "make_factory_grants", tag = "factory",
    params(("batch" = inline(Id), Path, description = "Its id"), WriteParams),
    request_body = NewGrants,
    responses((status = OK, body = GrantsMade))
)]
pub(super) async fn make(
    State(api): State<Api>,
    Named(id): Named<Id>,
    _: Query<Nothing>,
    write: Write,
) -> Result<Json<GrantsMade>, Problem> {
    let asked: NewGrants = write.json()?;
    let after = asked.after.as_deref().map(DeviceId::new).transpose();
    let after =
        after.map_err(|error| Problem::new(ProblemKind::BadBody, format!("after: {error}")))?;
    if !(1..=MOST).contains(&asked.limit) {
        let told = format!("limit: {} is not 1 to {MOST}", asked.limit);
        return Err(Problem::new(ProblemKind::BadBody, told));
    }
    let signing = super::signing(&api)?;
    let (own, within) = (write.party(), write.within());
    let after = after.map_or_else(String::new, |device| device.to_string());
    let limit = i64::from(asked.limit);
    let batch = BatchId(id.0);
    let units = api
        .read(move |db| {
            within.see(db, &Thing::Batch(batch), |db| {
                match batch::find(db, batch)? {
                    Some(row)
                        if own.is_none_or(|own| {
                            row.manufacturer_id.is_some_and(|by| by.0 == own)
                        }) =>
                    {
                        batch::units(db, row.id, &after, limit + 1).map(Some)
                    }
                    _ => Ok(None),
                }
            })
        })
        .await?;
    let mut units = found(units, "batch", id)?;
    let more = units.len() > usize::from(asked.limit);
    units.truncate(usize::from(asked.limit));
    let next = units.last().filter(|_| more).map(|unit| unit.id.clone());
    let line = Line {
        operator: api.operator(write.actor()),
        issuer: signing.issuer,
    };
    // Each grant is made once however often it is asked for, so what is stored is that it was.
    write.begin(&api).await?;
    let mut items = Vec::with_capacity(units.len());
    for unit in units {
        items.push(granted(&line, unit).await?);
    }
    Ok(Json(GrantsMade { items, next }))
}

async fn granted(line: &Line, unit: Unit) -> Result<FactoryGrant, Problem> {
    let (is_new, message, reason) = match line.grant(&unit).await {
        Ok(built) => (built.is_new, Some(BASE64.encode(&built.message)), None),
        Err(error) if error.is_general() => return Err(error.into()),
        Err(error) => (false, None, Some(error.to_string())),
    };
    Ok(FactoryGrant {
        device: unit.id,
        serial: unit.serial,
        is_new,
        message,
        reason,
    })
}

impl From<NotBuilt> for Problem {
    fn from(error: NotBuilt) -> Self {
        match error {
            NotBuilt::Act(error) => error.into(),
            NotBuilt::Issue(IssueError::Clock(error)) => error.into(),
            NotBuilt::NoKey
            | NotBuilt::WindowOver
            | NotBuilt::Issue(IssueError::KeyNotValid { .. }) => {
                Self::new(ProblemKind::Refused, error.to_string())
            }
            NotBuilt::Issue(error) => Self::internal(&error),
        }
    }
}
