//! The description of the API (OpenAPI 3.1), and a page to try it.
//!
//! What each route takes and answers is told by its handler; what all of them share is added here,
//! from the table of roles and the list of problems.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::Path;
use axum::http::{Method, header};
use axum::response::{IntoResponse, Redirect, Response};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HeaderBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder,
    OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder, Type,
};
use utoipa::{IntoParams as _, PartialSchema as _, ToSchema as _};
use utoipa_swagger_ui::Config;

use super::imports::ImportFault;
use super::kept::ReportParams;
use super::problem::{Problem, ProblemDetails, ProblemKind};
use super::roles::{self, Endpoint};

/// Where the description is.
pub(super) const DOCUMENT: &str = "/api/v1/openapi.json";
/// Where the page is.
pub(super) const PAGE: &str = "/api/docs";

/// The name of the way in, and of the component that describes it.
const KEY: &str = "key";
/// The response that every refusal is.
const PROBLEM: &str = "Problem";

/// An SPDX expression.
const LICENSE: &str = "MIT OR Apache-2.0";

/// What the page may load: its own files. Its styles are made by scripts as they run.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// The description without its routes.
pub(super) fn frame() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Fleetgrant")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Which features each device of a fleet may use, and what became of it. docs/api.md \
             tells of keys, roles, lists and refusals.",
        ))
        .license(Some(
            LicenseBuilder::new()
                .name(LICENSE)
                .identifier(Some(LICENSE))
                .build(),
        ))
        .build();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A key, as `fleetgrant keys create` makes one"))
        .build();
    let problem = ResponseBuilder::new()
        .description("Refused: RFC 9457 tells the form")
        .content(
            "application/problem+json",
            ContentBuilder::new()
                .schema(Some(Ref::from_schema_name(ProblemDetails::name())))
                .build(),
        );
    let components = ComponentsBuilder::new()
        .security_scheme(KEY, SecurityScheme::Http(bearer))
        .schema(ProblemDetails::name(), ProblemDetails::schema())
        .schema(ImportFault::name(), ImportFault::schema())
        .response(PROBLEM, problem.build());
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components.build()))
        .build()
}

/// Adds to each route its roles, the way in, and how it refuses.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    for endpoint in roles::ENDPOINTS {
        let item = document.paths.paths.get_mut(endpoint.path);
        let operation = match (item, &endpoint.method) {
            (Some(item), &Method::GET) => item.get.as_mut(),
            (Some(item), &Method::POST) => item.post.as_mut(),
            (Some(item), &Method::PUT) => item.put.as_mut(),
            _ => None,
        };
        if let Some(operation) = operation {
            share(operation, endpoint);
        }
    }
    document
}

fn share(operation: &mut Operation, endpoint: &Endpoint) {
    let roles = format!("Roles: {}.", endpoint.roles);
    operation.description = Some(match operation.description.take() {
        Some(description) => format!("{description}\n\n{roles}"),
        None => roles,
    });
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response.description = "Done".to_owned();
        }
    }
    if endpoint.method == Method::GET && endpoint.is_changeable() {
        tell_version(operation);
    }
    if endpoint.is_report() {
        tell_age(operation);
    }
    let no_scopes: [&str; 0] = [];
    operation.security = Some(vec![SecurityRequirement::new(KEY, no_scopes)]);
    for status in refusals(endpoint) {
        let problem = RefOr::Ref(Ref::from_response_name(PROBLEM));
        operation
            .responses
            .responses
            .insert(status.to_string(), problem);
    }
}

/// That an answer bears the version of what it shows.
fn tell_version(operation: &mut Operation) {
    let about = "The version of what is shown, to be given in If-Match";
    let header = HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .description(Some(about))
        .build();
    if let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") {
        response
            .headers
            .insert(header::ETAG.to_string(), RefOr::T(header));
    }
}

/// That a report may be one that was made a while ago, and that who asks may have it already.
fn tell_age(operation: &mut Operation) {
    let asked = ReportParams::into_params(|| None);
    operation
        .parameters
        .get_or_insert_default()
        .extend(asked.into_iter().map(RefOr::T));
    let header = |kind: Type, about: &str| {
        let schema = ObjectBuilder::new().schema_type(kind);
        let header = HeaderBuilder::new().schema(Some(schema));
        RefOr::T(header.description(Some(about)).build())
    };
    let headers = BTreeMap::from([
        (
            header::AGE.to_string(),
            header(
                Type::Integer,
                "How many seconds ago the instant was that it is of",
            ),
        ),
        (
            header::ETAG.to_string(),
            header(
                Type::String,
                "The version of the report, to be given in If-None-Match",
            ),
        ),
    ]);
    let responses = &mut operation.responses.responses;
    if let Some(RefOr::T(response)) = responses.get_mut("200") {
        response.headers.extend(headers.clone());
    }
    let mut same = ResponseBuilder::new()
        .description("It is the report that If-None-Match names")
        .build();
    same.headers.extend(headers);
    responses.insert("304".to_owned(), RefOr::T(same));
}

/// The status codes that a route may refuse with.
fn refusals(endpoint: &Endpoint) -> BTreeSet<u16> {
    use ProblemKind as Kind;
    let always = [
        Kind::BadQuery,
        Kind::Unauthenticated,
        Kind::Forbidden,
        Kind::NotFound,
        Kind::TooManyRequests,
        Kind::Internal,
        Kind::Busy,
    ];
    let of_writes = [
        Kind::Refused,
        Kind::TooLarge,
        Kind::UnsupportedMediaType,
        Kind::IdempotencyKeyReused,
        Kind::PreconditionFailed,
    ];
    let of_replacements = [Kind::PreconditionNeeded]
        .into_iter()
        .filter(|_| endpoint.method == Method::PUT);
    let of_writes = of_writes
        .into_iter()
        .filter(|_| endpoint.method != Method::GET);
    always
        .into_iter()
        .chain(of_writes)
        .chain(of_replacements)
        .map(|kind| kind.status().as_u16())
        .collect()
}

/// The description, made once.
pub(super) async fn document(document: Arc<OpenApi>) -> Json<Arc<OpenApi>> {
    Json(document)
}

/// Leads to the page.
pub(super) async fn to_page() -> Redirect {
    Redirect::permanent(&format!("{PAGE}/"))
}

/// The page; all of its files are in the binary.
pub(super) async fn page(file: Option<Path<String>>) -> Result<Response, Problem> {
    let name = file.map_or_else(String::new, |Path(name)| name);
    // Without a validator elsewhere, which the page would send the description to.
    let config = Config::from(DOCUMENT)
        .validator_url("none")
        .try_it_out_enabled(true);
    let file = utoipa_swagger_ui::serve(&name, Arc::new(config))
        .map_err(|error| Problem::internal(&error))?
        .ok_or_else(|| Problem::new(ProblemKind::NotFound, "the page has no such file"))?;
    let headers = [
        (header::CONTENT_TYPE, file.content_type),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY.to_owned()),
    ];
    Ok((headers, file.bytes).into_response())
}
