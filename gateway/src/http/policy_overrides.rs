//! What a product, or one entitlement, has of a policy of its own.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::{EntitlementId, ProductId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::caller::Caller;
use super::etag::{MatchParams, Tagged};
use super::problem::{Problem, ProblemKind, found};
use super::query::{Named, Query};
use super::value::Id;
use super::within::Within;
use super::write::{ActQuery, Step, Write, WriteParams};
use crate::policy_layers::{self, Terms};
use crate::store::event::Occasion;
use crate::store::listing::{self, EntitlementFilter, ProductFilter};
use crate::store::policy_override::{self, Ended, MOST, Put, Subject};
use crate::store::{Db, StoreError};

/// What a product or an entitlement has of a policy of its own.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct OwnPolicy {
    /// What it is called; null if it has none.
    pub(crate) reference: Option<String>,
    /// Fields of a policy, each of which lies over those below, a table as a whole; null as above.
    #[schema(value_type = Option<Object>)]
    pub(crate) terms: Option<serde_json::Value>,
}

/// A policy for the rights to a product, or for those of one entitlement.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOwnPolicy {
    /// What it is called; decisions name it.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub(crate) reference: String,
    /// Fields of a policy, each of which lies over those below, a table as a whole. Of those that are
    /// about a device or a party as a whole there can be none.
    #[schema(value_type = Object)]
    pub(crate) terms: BTreeMap<String, serde_json::Value>,
}

/// What came of putting a policy of its own in force.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct OwnPolicyInForce {
    /// How decisions name it after the tier's, as `product:P-7`.
    pub(crate) named: String,
    /// Whether anything changed; not if it says so already.
    pub(crate) changed: bool,
}

/// What came of ending a policy of its own.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct OwnPolicyEnded {
    /// What it was called; null if there was none in force.
    pub(crate) ended: Option<String>,
}

/// Show what a product has of a policy of its own
#[utoipa::path(
    get, path = "/products/{product}/policy", operation_id = "show_policy_of_product", tag = "policies",
    params(("product" = inline(Id), Path, description = "Its id")),
    responses((status = OK, body = OwnPolicy))
)]
pub(super) async fn of_product(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<Id>,
) -> Result<Tagged<OwnPolicy>, Problem> {
    show(&api, &caller, Subject::Product(ProductId(id.0))).await
}

/// Show what an entitlement has of a policy of its own
#[utoipa::path(
    get, path = "/entitlements/{entitlement}/policy", operation_id = "show_policy_of_entitlement",
    tag = "policies",
    params(("entitlement" = inline(Id), Path, description = "Its id")),
    responses((status = OK, body = OwnPolicy))
)]
pub(super) async fn of_entitlement(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<Id>,
) -> Result<Tagged<OwnPolicy>, Problem> {
    show(&api, &caller, Subject::Entitlement(EntitlementId(id.0))).await
}

async fn show(api: &Api, caller: &Caller, subject: Subject) -> Result<Tagged<OwnPolicy>, Problem> {
    let within = caller.within();
    let answer = api.read(move |db| sheet(db, subject, within)).await?;
    found(answer, subject.layer().as_str(), id_of(subject)).map(Tagged)
}

fn sheet(db: &mut Db, subject: Subject, within: Within) -> Result<Option<OwnPolicy>, StoreError> {
    if !is_there(db, subject, within)? {
        return Ok(None);
    }
    let named = policy_override::in_force(db, subject)?;
    let (reference, terms) = match named {
        Some(named) => (Some(named.reference), Some(named.terms.json()?)),
        None => (None, None),
    };
    let terms = terms.map(|terms| serde_json::from_str(&terms)).transpose();
    let terms = terms.map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(Some(OwnPolicy { reference, terms }))
}

fn is_there(db: &mut Db, subject: Subject, within: Within) -> Result<bool, StoreError> {
    Ok(match subject {
        Subject::Product(id) => {
            let filter = ProductFilter {
                id: Some(id),
                within: within.line(),
                ..ProductFilter::default()
            };
            !listing::products(db, &filter, 1)?.is_empty()
        }
        Subject::Entitlement(id) => {
            let filter = EntitlementFilter {
                id: Some(id),
                within: within.line(),
                ..EntitlementFilter::default()
            };
            !listing::entitlements(db, &filter, 1)?.is_empty()
        }
    })
}

fn id_of(subject: Subject) -> Id {
    match subject {
        Subject::Product(id) => Id(id.0),
        Subject::Entitlement(id) => Id(id.0),
    }
}

/// Put a policy for the rights to a product in force
///
/// It lies over the tiers' and under the contracts'. It is never changed: what is decided anew has
/// another reference, and the one before ends.
#[utoipa::path(
    post, path = "/products/{product}/policy", operation_id = "put_policy_of_product", tag = "policies",
    params(
        ("product" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    request_body = NewOwnPolicy,
    responses((status = OK, body = OwnPolicyInForce))
)]
pub(super) async fn put_of_product(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    put(&api, Subject::Product(ProductId(id.0)), how, write).await
}

/// Put a policy for one entitlement in force
///
/// It lies over all others. It is never changed: what is agreed anew has another reference, and the one
/// before ends.
#[utoipa::path(
    post, path = "/entitlements/{entitlement}/policy", operation_id = "put_policy_of_entitlement",
    tag = "policies",
    params(
        ("entitlement" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    request_body = NewOwnPolicy,
    responses((status = OK, body = OwnPolicyInForce))
)]
pub(super) async fn put_of_entitlement(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    put(&api, Subject::Entitlement(EntitlementId(id.0)), how, write).await
}

async fn put(
    api: &Api,
    subject: Subject,
    how: ActQuery,
    write: Write,
) -> Result<Response, Problem> {
    let asked: NewOwnPolicy = write.json()?;
    let terms = Terms::of(asked.terms);
    let named = policy_layers::Named {
        reference: asked.reference,
        terms,
    };
    if let Err(told) = check(&named, subject) {
        return Err(Problem::new(ProblemKind::BadBody, told));
    }
    let (actor, within) = (write.actor(), write.within());
    write
        .once_as_seen(
            api,
            move |db| sheet(db, subject, within),
            move |db, now| {
                let occasion = Occasion {
                    at: now,
                    actor: &actor,
                    cause: &[],
                };
                let step = attempt(db, subject, within, &named, occasion)?;
                Ok(step.kept_unless(how.preview))
            },
        )
        .await
}

/// Why this can be the policy of no such thing, whatever lies below it.
fn check(named: &policy_layers::Named, subject: Subject) -> Result<(), String> {
    if !policy_layers::is_reference(&named.reference) {
        return Err(format!("reference: {}", policy_layers::REFERENCE));
    }
    if named.terms.is_empty() {
        return Err("terms: they say nothing; end the policy instead".to_owned());
    }
    let checked = named.terms.check(subject.layer());
    checked.map_err(|error| format!("terms: {error}"))
}

fn attempt(
    db: &mut Db,
    subject: Subject,
    within: Within,
    named: &policy_layers::Named,
    occasion: Occasion<'_>,
) -> Result<Step<OwnPolicyInForce>, StoreError> {
    let (what, reference) = (subject.layer(), &named.reference);
    if !is_there(db, subject, within)? {
        return Ok(Step::Refused(unknown(subject)));
    }
    let refused = |kind, told| Ok(Step::Refused(Problem::new(kind, told)));
    let changed = match policy_override::put_in_force(db, subject, named, occasion)? {
        Put::InForce => true,
        Put::Unchanged => false,
        Put::ReferenceTaken => {
            return refused(
                ProblemKind::Refused,
                format!(
                    "the {what} has had a policy {reference} that says something else: give this one \
                     another reference"
                ),
            );
        }
        Put::TooMany => {
            return refused(
                ProblemKind::Refused,
                format!(
                    "{MOST} entitlements have a policy of their own, and no more can: set it by \
                     product or by contract, or end others"
                ),
            );
        }
        Put::Contradicted(contradicted) => {
            return refused(
                ProblemKind::ContradictoryPolicy,
                format!("terms: {contradicted}"),
            );
        }
    };
    Ok(Step::Done(OwnPolicyInForce {
        named: format!("{what}:{reference}"),
        changed,
    }))
}

fn unknown(subject: Subject) -> Problem {
    let told = format!("there is no {} {}", subject.layer(), id_of(subject));
    Problem::new(ProblemKind::NotFound, told)
}

/// End the policy for the rights to a product
#[utoipa::path(
    post, path = "/products/{product}/policy/end", operation_id = "end_policy_of_product",
    tag = "policies",
    params(
        ("product" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = OwnPolicyEnded))
)]
pub(super) async fn end_of_product(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    end(&api, Subject::Product(ProductId(id.0)), how, write).await
}

/// End the policy for one entitlement
#[utoipa::path(
    post, path = "/entitlements/{entitlement}/policy/end", operation_id = "end_policy_of_entitlement",
    tag = "policies",
    params(
        ("entitlement" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = OwnPolicyEnded))
)]
pub(super) async fn end_of_entitlement(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    end(&api, Subject::Entitlement(EntitlementId(id.0)), how, write).await
}

async fn end(
    api: &Api,
    subject: Subject,
    how: ActQuery,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    let (actor, within) = (write.actor(), write.within());
    write
        .once_as_seen(
            api,
            move |db| sheet(db, subject, within),
            move |db, now| {
                if !is_there(db, subject, within)? {
                    return Ok(Step::Refused(unknown(subject)));
                }
                let occasion = Occasion {
                    at: now,
                    actor: &actor,
                    cause: &[],
                };
                let ended = match policy_override::end(db, subject, occasion)? {
                    Ended::Ended(reference) => Some(reference),
                    Ended::None => None,
                    Ended::Contradicted(contradicted) => {
                        let kind = ProblemKind::ContradictoryPolicy;
                        return Ok(Step::Refused(Problem::new(kind, contradicted.to_string())));
                    }
                };
                Ok(Step::Done(OwnPolicyEnded { ended }).kept_unless(how.preview))
            },
        )
        .await
}
