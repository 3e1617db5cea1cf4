//! Whether the history is what was written, and where it stands, signed by the authority.

use std::io::{self, BufRead, Cursor};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::problem::{Problem, ProblemKind};
use super::query::{self, Nothing, Query};
use super::write::{Write, WriteParams};
use crate::history::checkpoint::{self, CheckpointError};
use crate::history::verify::{self, VerifiedTo, VerifyError};

/// What a checkpoint is sent as: JSON, a line each.
const JSON_LINES: &str = "application/jsonl";
/// Bytes of a checkpoint, at most.
pub(super) const LONGEST_FILE: usize = 16 * 1024 * 1024;
/// Events that are verified for one answer: a second or two.
const PORTION: u64 = 200_000;
/// Bytes of where it goes on, at most: a stream has the name of a thing.
const LONGEST_FROM: usize = 300;
/// How long the chains may take to be computed: less than an answer may.
const LONGEST: Duration = Duration::from_secs(20);

/// A history that is what was written.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct HistoryWhole {
    /// Streams that begin in what was verified now.
    pub(crate) streams: u64,
    /// Events that were verified now.
    pub(crate) events: u64,
    /// As `from`, it goes on there; null at the end.
    pub(crate) next: Option<String>,
}

/// Where it goes on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct VerifyQuery {
    /// What the answer before had as `next`.
    #[param(max_length = 300, pattern = "^[0-9]{1,18}:.+$")]
    from: Option<String>,
}

impl VerifyQuery {
    fn after(&self) -> Result<Option<VerifiedTo>, Problem> {
        let Some(text) = &self.from else {
            return Ok(None);
        };
        let read = || {
            let (seq, stream) = text.split_once(':')?;
            let seq = seq.parse().ok().filter(|seq| *seq > 0)?;
            let fits = !stream.is_empty() && text.len() <= LONGEST_FROM && !stream.contains('\0');
            fits.then(|| VerifiedTo {
                stream: stream.to_owned(),
                seq,
            })
        };
        read()
            .map(Some)
            .ok_or_else(|| query::refused("from: take `next` of the answer before"))
    }
}

/// A checkpoint that holds.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct CheckpointHeld {
    /// Streams that have what they had when it was made.
    pub(crate) streams: u64,
    /// The thumbprint of the key that signed it (RFC 9679).
    pub(crate) key: String,
}

/// Compute the chain of every stream again, and name the first event that is not what was written
///
/// In portions of some 200,000 events: ask again with `next` as `from` until that is null.
#[utoipa::path(
    get, path = "/history/verify", operation_id = "verify_history", tag = "events",
    params(VerifyQuery),
    responses((status = OK, body = HistoryWhole), (status = CONFLICT, description = "It is broken"))
)]
pub(super) async fn verify(
    State(api): State<Api>,
    Query(query): Query<VerifyQuery>,
) -> Result<Json<HistoryWhole>, Problem> {
    let after = query.after()?;
    let store = api.store.clone();
    let (whole, to) = compute(&api, move |_| {
        Ok(verify::portion(&store, after.as_ref(), PORTION)?)
    })
    .await?;
    Ok(Json(HistoryWhole {
        streams: whole.streams,
        events: whole.events,
        next: to.map(|to| format!("{}:{}", to.seq, to.stream)),
    }))
}

/// Compute the chain of every stream again, and sign where each ends
///
/// Keep the answer where whoever can write to the database cannot. A history that takes longer than
/// 20 s, or a checkpoint of more than 16 MiB, is made by `fleetgrant history checkpoint`.
#[utoipa::path(
    get, path = "/history/checkpoint", operation_id = "make_checkpoint", tag = "events",
    responses(
        (status = OK, body = String, content_type = "application/jsonl"),
        (status = CONFLICT, description = "It is broken")
    )
)]
pub(super) async fn make(State(api): State<Api>, _: Query<Nothing>) -> Result<Response, Problem> {
    let key = super::signing(&api)?.key;
    let now = api.clock.trusted_now()?;
    let (store, realm) = (api.store.clone(), api.rules.authority.realm.clone());
    let file = compute(&api, move |began| {
        let mut file = Bounded {
            bytes: Vec::new(),
            began,
        };
        checkpoint::write(&store, &key, realm.as_str(), now, &mut file)?;
        Ok(file.bytes)
    })
    .await?;
    Ok(([(header::CONTENT_TYPE, JSON_LINES)], file).into_response())
}

/// Whether the history still has what it had when a checkpoint was made by this gateway's key
///
/// The body is what `GET /history/checkpoint` or `fleetgrant history checkpoint` wrote. Nothing is
/// changed.
#[utoipa::path(
    post, path = "/history/checkpoint", operation_id = "hold_checkpoint", tag = "events",
    params(WriteParams),
    request_body(content = String, content_type = "application/jsonl"),
    responses((status = OK, body = CheckpointHeld))
)]
pub(super) async fn hold(
    State(api): State<Api>,
    _: Query<Nothing>,
    write: Write,
) -> Result<Json<CheckpointHeld>, Problem> {
    write.expect(JSON_LINES)?;
    write.changes_nothing_seen()?;
    let key = super::signing(&api)?.key;
    let (store, file) = (api.store.clone(), write.body.clone());
    let thumbprint = key.thumbprint().to_string();
    let streams = compute(&api, move |_| {
        let open = || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(Cursor::new(file.clone()))) };
        Ok(checkpoint::hold(&store, key.public_key(), open)?)
    })
    .await?;
    Ok(Json(CheckpointHeld {
        streams,
        key: thumbprint,
    }))
}

/// Computes something long when it is its turn.
async fn compute<T: Send + 'static>(
    api: &Api,
    work: impl FnOnce(Instant) -> Result<T, Stop> + Send + 'static,
) -> Result<T, Problem> {
    // Held by the thread that computes, which goes on if the caller goes away.
    let turn = super::reports::turn(api).await?;
    let computed = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work(Instant::now())
    });
    match computed.await {
        Ok(done) => Ok(done?),
        Err(error) => Err(Problem::internal(&error)),
    }
}

/// Why something was not computed to its end.
enum Stop {
    Checkpoint(CheckpointError),
}

impl From<VerifyError> for Stop {
    fn from(error: VerifyError) -> Self {
        Self::Checkpoint(error.into())
    }
}

impl From<CheckpointError> for Stop {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}

impl From<Stop> for Problem {
    fn from(stop: Stop) -> Self {
        let error = match stop {
            // Only what bounds it fails to be written.
            Stop::Checkpoint(CheckpointError::Io(_)) => {
                return Self::new(
                    ProblemKind::Timeout,
                    "the history is too long for this: use `fleetgrant history` where the database is",
                );
            }
            Stop::Checkpoint(error) => error,
        };
        match error {
            CheckpointError::Verify(VerifyError::Store(error)) => error.into(),
            CheckpointError::Malformed { .. } => Self::new(ProblemKind::BadBody, error.to_string()),
            CheckpointError::Io(error) => Self::internal(&error),
            CheckpointError::Signing(error) => Self::internal(&error),
            CheckpointError::Verify(VerifyError::Broken(_) | VerifyError::Gone(_))
            | CheckpointError::NotValid(_)
            | CheckpointError::Forged(_)
            | CheckpointError::Rewritten { .. } => {
                Self::new(ProblemKind::Refused, error.to_string())
            }
        }
    }
}

/// A file that may become so long, in so much time.
struct Bounded {
    bytes: Vec<u8>,
    began: Instant,
}

impl io::Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.began.elapsed() > LONGEST || self.bytes.len() + part.len() > LONGEST_FILE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
