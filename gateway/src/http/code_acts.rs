//! Activation codes that nobody is to redeem any more: one, or a pack of them.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::problem::{Problem, ProblemKind};
use super::query::{Named, Query};
use super::value::CodeId;
use super::within::Thing;
use super::write::{ActQuery, Step, Write, WriteParams};
use crate::code_void::{self, CodeError, Codes};
use crate::operator::Attempt;

/// What became of codes that were made void.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct CodesVoided {
    /// The pack that they are of.
    pub(crate) pack: String,
    /// Codes that are void now and were not before.
    pub(crate) codes: u64,
    /// How often those could be used still.
    pub(crate) uses: u64,
    /// Codes that were void before.
    pub(crate) void_before: u64,
    /// Codes of the pack that are used up, and stay so.
    pub(crate) used_up: u64,
}

/// Let nobody redeem what is left of an activation code
///
/// Whoever tries is answered as with any wrong code. What was redeemed stays, and the units that it
/// could have given are free for other codes, as they were. One that is used up is refused.
#[utoipa::path(
    post, path = "/codes/{code}/void", operation_id = "void_code", tag = "packs",
    params(
        ("code" = inline(CodeId), Path, description = "Its id, or the first eight characters of the code; never all of it, which is secret"),
        ActQuery,
        WriteParams,
    ),
    responses((status = OK, body = CodesVoided))
)]
pub(super) async fn void_code(
    State(api): State<Api>,
    Named(id): Named<CodeId>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    void(api, Codes::One(id.0), Thing::Code(id.0), how, write).await
}

/// Let nobody redeem what is left of a pack of activation codes
///
/// As of each code of it; those that are used up stay as they are.
#[utoipa::path(
    post, path = "/packs/{pack}/void", operation_id = "void_pack", tag = "packs",
    params(
        ("pack" = String, Path, description = "What it is called", max_length = 64),
        ActQuery,
        WriteParams,
    ),
    responses((status = OK, body = CodesVoided))
)]
pub(super) async fn void_pack(
    State(api): State<Api>,
    Named(pack): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let thing = Thing::Pack(pack.clone());
    void(api, Codes::Pack(pack), thing, how, write).await
}

async fn void(
    api: Api,
    which: Codes,
    thing: Thing,
    how: ActQuery,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    let (operator, within) = (api.operator(write.actor()), write.within());
    let operation = move |db: &mut _, now| {
        if let Some(problem) = within.lacks(db, std::slice::from_ref(&thing))? {
            return Ok(Step::Refused(problem));
        }
        let step = match operator.attempt_void(db, &which, now)? {
            Attempt::Done(voided) => Step::Done(CodesVoided::from(voided)),
            Attempt::Refused(reason) => Step::Refused(reason.into()),
            Attempt::Stale => Step::Again,
        };
        Ok(step.kept_unless(how.preview))
    };
    write.once(&api, operation).await
}

impl From<code_void::CodesVoided> for CodesVoided {
    fn from(voided: code_void::CodesVoided) -> Self {
        Self {
            pack: voided.pack,
            codes: voided.codes,
            uses: voided.uses,
            void_before: voided.void_before,
            used_up: voided.used_up,
        }
    }
}

impl From<CodeError> for Problem {
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::UnknownCode(_) | CodeError::UnknownPack(_) => {
                Self::new(ProblemKind::NotFound, error.to_string())
            }
            CodeError::Refused { .. } => Self::new(ProblemKind::Refused, error.to_string()),
            CodeError::Act(error) => error.into(),
        }
    }
}
