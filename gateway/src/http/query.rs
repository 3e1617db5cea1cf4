//! What stands in the address of a request, parsed or refused.

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use fleetgrant_core::domain::DeviceId;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::problem::{Problem, ProblemKind};

/// Bytes of a query, at most.
const LONGEST: usize = 4_096;

/// The parameters of a query. Unknown ones, and one given twice, are refused.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

/// A parameter of the path. What cannot be one names nothing.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parse(&pairs(parts)?).map(Self)
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => {
                let why = match error.kind() {
                    ErrorKind::Message(message) | ErrorKind::DeserializeError { message, .. } => {
                        message.clone()
                    }
                    other => other.to_string(),
                };
                Err(Problem::new(ProblemKind::NotFound, why))
            }
            Err(other) => Err(Problem::internal(&other)),
        }
    }
}

/// The parameters of what takes none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// The device that a path names.
pub(super) fn device_named(text: &str) -> Result<DeviceId, Problem> {
    DeviceId::new(text).map_err(|error| Problem::new(ProblemKind::NotFound, error.to_string()))
}

/// The device that a filter names.
pub(super) fn device(text: Option<&str>) -> Result<Option<DeviceId>, Problem> {
    text.map(|text| DeviceId::new(text).map_err(refused))
        .transpose()
}

/// The pairs of a query, decoded.
pub(super) fn pairs(parts: &Parts) -> Result<Vec<(String, String)>, Problem> {
    let query = parts.uri.query().unwrap_or_default();
    if query.len() > LONGEST {
        return Err(refused(format_args!(
            "the query has more than {LONGEST} bytes"
        )));
    }
    let pairs = form_urlencoded::parse(query.as_bytes());
    Ok(pairs.into_owned().collect())
}

/// Reads the parameters of a query from its pairs.
pub(super) fn parse<T: DeserializeOwned>(pairs: &[(String, String)]) -> Result<T, Problem> {
    let encoded = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let read = serde_urlencoded::Deserializer::new(form_urlencoded::parse(encoded.as_bytes()));
    // With the name of the parameter, which serde's message lacks.
    serde_path_to_error::deserialize(read).map_err(refused)
}

/// A query that cannot be answered.
pub(super) fn refused(why: impl std::fmt::Display) -> Problem {
    Problem::new(ProblemKind::BadQuery, why.to_string())
}
