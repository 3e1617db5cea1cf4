//! What one party's contract says otherwise than its tier, and the policy that comes of both.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::PartyId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::etag::{MatchParams, Tagged};
use super::policy_rules::PolicyRules;
use super::problem::{Problem, ProblemKind, found};
use super::query::{Named, Query};
use super::value::Id;
use super::within::Thing;
use super::write::{ActQuery, Step, Write, WriteParams};
use super::{Api, parties};
use crate::store::contract::{self, Put, Terms, TermsError};
use crate::store::event::Occasion;
use crate::store::{Db, StoreError, policy};

/// The policy that applies to a party: its tier's, with its contract's over it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EffectivePolicy {
    /// What decisions are recorded under, as `standard/1` or `standard/1+FRAME-7`.
    pub(crate) policy: String,
    /// The contract that is in force; if `policy` does not name it, it contradicts the tier's policy,
    /// which applies alone.
    pub(crate) contract: Option<String>,
    pub(crate) rules: PolicyRules,
}

/// What a contract says otherwise than the tier.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewContract {
    /// What it is called; decisions name it.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub(crate) reference: String,
    /// Fields of a policy, each of which lies over the tier's, a table as a whole.
    #[schema(value_type = Object)]
    pub(crate) terms: BTreeMap<String, serde_json::Value>,
}

/// What came of putting a contract in force.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ContractInForce {
    /// What decisions are recorded under from now on, as `standard/1+FRAME-7`.
    pub(crate) policy: String,
    /// Whether anything changed; not if it says so already.
    pub(crate) changed: bool,
}

/// What came of ending a contract.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ContractEnded {
    /// What it was called; null if none was in force.
    pub(crate) ended: Option<String>,
}

/// Show the policy that applies to a party, its contract's over its tier's
#[utoipa::path(
    get, path = "/parties/{party}/policy", operation_id = "show_effective_policy", tag = "policies",
    params(("party" = inline(Id), Path, description = "Its id")),
    responses((status = OK, body = EffectivePolicy))
)]
pub(super) async fn effective(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<Id>,
) -> Result<Tagged<EffectivePolicy>, Problem> {
    let (party, within) = (PartyId(id.0), caller.within());
    let read = move |db: &mut Db| within.see(db, &Thing::Party(party), |db| sheet(db, party));
    let answer = api.read(read).await?;
    found(answer, "party", id).map(Tagged)
}

/// The policy that applies to a party.
pub(crate) fn sheet(db: &mut Db, party: PartyId) -> Result<Option<EffectivePolicy>, StoreError> {
    if parties::sheet(db, party)?.is_none() {
        return Ok(None);
    }
    let effective = policy::of_owner(db, Some(party))?;
    let contract = contract::of_party(db, party)?;
    Ok(Some(EffectivePolicy {
        policy: effective.tag.to_string(),
        contract: contract.map(|contract| contract.reference),
        rules: PolicyRules::from(&effective.rules),
    }))
}

/// Put what a party's contract says otherwise than its tier in force
///
/// A contract is never changed: what is agreed anew has another reference, and the one before ends.
#[utoipa::path(
    post, path = "/parties/{party}/contract", operation_id = "put_contract", tag = "policies",
    params(
        ("party" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    request_body = NewContract,
    responses((status = OK, body = ContractInForce))
)]
pub(super) async fn put(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: NewContract = write.json()?;
    if !contract::is_reference(&asked.reference) {
        let told = format!("reference: {}", contract::REFERENCE);
        return Err(Problem::new(ProblemKind::BadBody, told));
    }
    let (actor, party) = (write.actor(), PartyId(id.0));
    let (reference, terms) = (asked.reference, Terms::of(asked.terms));
    if terms.is_empty() {
        let told = "terms: they say nothing; end the contract instead";
        return Err(Problem::new(ProblemKind::BadBody, told));
    }
    write
        .once_as_seen(
            &api,
            move |db| sheet(db, party),
            move |db, now| {
                let occasion = Occasion {
                    at: now,
                    actor: &actor,
                    cause: &[],
                };
                let step = attempt(db, party, &reference, &terms, occasion)?;
                Ok(step.kept_unless(how.preview))
            },
        )
        .await
}

fn attempt(
    db: &mut Db,
    party: PartyId,
    reference: &str,
    terms: &Terms,
    occasion: Occasion<'_>,
) -> Result<Step<ContractInForce>, StoreError> {
    if let Err(problem) = found(parties::sheet(db, party)?, "party", party) {
        return Ok(Step::Refused(problem));
    }
    let of_tier = policy::of_tier(db, Some(party))?;
    if let Err(error) = terms.laid_on(of_tier.tag.tier.as_str(), &of_tier.rules) {
        let kind = match error {
            TermsError::Unreadable(_) => ProblemKind::BadBody,
            TermsError::Contradiction { .. } => ProblemKind::ContradictoryPolicy,
        };
        return Ok(Step::Refused(Problem::new(kind, format!("terms: {error}"))));
    }
    let changed = match contract::put_in_force(db, party, reference, terms, occasion)? {
        Put::InForce => true,
        Put::Unchanged => false,
        Put::ReferenceTaken => {
            return Ok(Step::Refused(Problem::new(
                ProblemKind::Refused,
                format!(
                    "the party has had a contract {reference} that says something else: give this \
                     one another reference"
                ),
            )));
        }
    };
    Ok(Step::Done(ContractInForce {
        policy: format!("{}+{reference}", of_tier.tag),
        changed,
    }))
}

/// End the contract of a party, which is under its tier's policy alone then
#[utoipa::path(
    post, path = "/parties/{party}/contract/end", operation_id = "end_contract", tag = "policies",
    params(
        ("party" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = ContractEnded))
)]
pub(super) async fn end(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    let (actor, party) = (write.actor(), PartyId(id.0));
    write
        .once_as_seen(
            &api,
            move |db| sheet(db, party),
            move |db, now| {
                if let Err(problem) = found(parties::sheet(db, party)?, "party", party) {
                    return Ok(Step::Refused(problem));
                }
                let occasion = Occasion {
                    at: now,
                    actor: &actor,
                    cause: &[],
                };
                let ended = contract::end(db, party, occasion)?;
                Ok(Step::Done(ContractEnded { ended }).kept_unless(how.preview))
            },
        )
        .await
}
