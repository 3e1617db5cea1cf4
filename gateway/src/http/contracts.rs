//! What one party's contract says otherwise than its tier, and the policy that comes of all that
//! applies to it.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::{EntitlementId, PartyId, ProductId};
use fleetgrant_core::tier::Layer;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::etag::{MatchParams, Tagged};
use super::policy_rules::PolicyRules;
use super::problem::{Problem, ProblemKind, found};
use super::query::{Named, Query};
use super::value::{Id, When};
use super::within::Thing;
use super::write::{ActQuery, Step, Write, WriteParams};
use super::{Api, parties};
use crate::policy_layers::{self, Terms};
use crate::store::contract::{self, Content, Ended, Put};
use crate::store::event::Occasion;
use crate::store::listing::{self, ProductFilter};
use crate::store::policy_override::{self, Subject};
use crate::store::{Db, StoreError, entitlement, policy};

/// Which of a party's rights.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfRight {
    /// To the product of this code.
    product: Option<String>,
    /// Of this entitlement: its id.
    #[param(inline)]
    entitlement: Option<Id>,
}

/// The policy that applies to a party, or to some of its rights: its tier's, with what lies over it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EffectivePolicy {
    /// What decisions are recorded under, as `standard/1` or `standard/1+FRAME-7`.
    pub(crate) policy: String,
    /// The policy of the product that was asked for; of those in force, what `policy` does not name
    /// contradicts what is below it and is left out.
    pub(crate) product: Option<String>,
    /// The contract that is in force.
    pub(crate) contract: Option<String>,
    /// When what is bought under the contract ends.
    #[schema(inline)]
    pub(crate) co_term: Option<When>,
    /// The policy of the entitlement that was asked for.
    pub(crate) entitlement: Option<String>,
    pub(crate) rules: PolicyRules,
}

/// What a contract says otherwise than the tier.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewContract {
    /// What it is called; decisions name it.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub(crate) reference: String,
    /// Fields of a policy, each of which lies over the tier's, a table as a whole. It may be empty where
    /// there is a `co_term`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(crate) terms: BTreeMap<String, serde_json::Value>,
    /// When what is bought under it ends.
    #[schema(inline)]
    pub(crate) co_term: Option<When>,
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

/// Show the policy that applies to a party, or to its rights to a product or of an entitlement
#[utoipa::path(
    get, path = "/parties/{party}/policy", operation_id = "show_effective_policy", tag = "policies",
    params(("party" = inline(Id), Path, description = "Its id"), OfRight),
    responses((status = OK, body = EffectivePolicy))
)]
pub(super) async fn effective(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<Id>,
    Query(of): Query<OfRight>,
) -> Result<Tagged<EffectivePolicy>, Problem> {
    let (party, within) = (PartyId(id.0), caller.within());
    let entitlement = of.entitlement.map(|id| EntitlementId(id.0));
    let code = of.product.clone();
    let read = move |db: &mut Db| {
        let product = ProductFilter {
            code,
            within: within.line(),
            ..ProductFilter::default()
        };
        let product = match product.code {
            Some(_) => listing::products(db, &product, 1)?
                .pop()
                .map(|row| row.id.0),
            None => None,
        };
        let entitlement = match entitlement {
            Some(id) => within.see(db, &Thing::Entitlement(id), |db| entitlement::find(db, id))?,
            None => None,
        };
        let asked = (product, entitlement.map(|row| (row.product_id.0, row.id.0)));
        let of = match asked {
            (_, Some((product, entitlement))) => Some((product, Some(entitlement))),
            (Some(product), None) => Some((product, None)),
            (None, None) => None,
        };
        let seen = within.see(db, &Thing::Party(party), |db| sheet(db, party, of))?;
        Ok((seen, asked))
    };
    let (answer, (product, entitled)) = api.read(read).await?;
    let is_known = of.product.is_none() || product.is_some();
    let code = of.product.unwrap_or_default();
    found(is_known.then_some(()), "product", &code)?;
    if let Some(id) = of.entitlement {
        let (of, _) = found(entitled, "entitlement", id)?;
        if product.is_some_and(|product| product != of) {
            let told = format!("entitlement: it is of another product than {code}");
            return Err(Problem::new(ProblemKind::BadQuery, told));
        }
    }
    found(answer, "party", id).map(Tagged)
}

/// The policy that applies to a party, or to its rights to a product, and of an entitlement of that.
pub(crate) fn sheet(
    db: &mut Db,
    party: PartyId,
    of: Option<(ProductId, Option<EntitlementId>)>,
) -> Result<Option<EffectivePolicy>, StoreError> {
    if parties::sheet(db, party)?.is_none() {
        return Ok(None);
    }
    let mut own = [None, None];
    let effective = match of {
        Some((product, entitlement)) => {
            own[0] = policy_override::in_force(db, Subject::Product(product))?;
            if let Some(id) = entitlement {
                own[1] = policy_override::in_force(db, Subject::Entitlement(id))?;
            }
            policy_override::of_right(db, Some(party), product, entitlement)?
        }
        None => policy::of_owner(db, Some(party))?,
    };
    let contract = contract::of_party(db, party)?;
    let [product, entitlement] = own.map(|own| own.map(|named| named.reference));
    Ok(Some(EffectivePolicy {
        policy: effective.tag.to_string(),
        product,
        co_term: (contract.as_ref())
            .and_then(|contract| contract.coterm_at)
            .map(|at| When(at.0)),
        contract: contract.map(|contract| contract.reference),
        entitlement,
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
    if !policy_layers::is_reference(&asked.reference) {
        let told = format!("reference: {}", policy_layers::REFERENCE);
        return Err(Problem::new(ProblemKind::BadBody, told));
    }
    let (actor, party) = (write.actor(), PartyId(id.0));
    let (reference, terms) = (asked.reference, Terms::of(asked.terms));
    let co_term = asked.co_term.map(|at| at.0);
    if terms.is_empty() && co_term.is_none() {
        let told = "terms: they say nothing; end the contract instead";
        return Err(Problem::new(ProblemKind::BadBody, told));
    }
    if let Err(error) = terms.check(Layer::Contract) {
        return Err(Problem::new(
            ProblemKind::BadBody,
            format!("terms: {error}"),
        ));
    }
    let content = Content { terms, co_term };
    write
        .once_as_seen(
            &api,
            move |db| sheet(db, party, None),
            move |db, now| {
                let occasion = Occasion {
                    at: now,
                    actor: &actor,
                    cause: &[],
                };
                let step = attempt(db, party, &reference, &content, occasion)?;
                Ok(step.kept_unless(how.preview))
            },
        )
        .await
}

fn attempt(
    db: &mut Db,
    party: PartyId,
    reference: &str,
    content: &Content,
    occasion: Occasion<'_>,
) -> Result<Step<ContractInForce>, StoreError> {
    if let Err(problem) = found(parties::sheet(db, party)?, "party", party) {
        return Ok(Step::Refused(problem));
    }
    let of_tier = policy::of_tier(db, Some(party))?;
    let changed = match contract::put_in_force(db, party, reference, content, occasion)? {
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
        Put::Contradicted(contradicted) => {
            return Ok(Step::Refused(Problem::new(
                ProblemKind::ContradictoryPolicy,
                format!("terms: {contradicted}"),
            )));
        }
    };
    Ok(Step::Done(ContractInForce {
        policy: match content.terms.is_empty() {
            true => of_tier.tag.to_string(),
            false => format!("{}+{reference}", of_tier.tag),
        },
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
            move |db| sheet(db, party, None),
            move |db, now| {
                if let Err(problem) = found(parties::sheet(db, party)?, "party", party) {
                    return Ok(Step::Refused(problem));
                }
                let occasion = Occasion {
                    at: now,
                    actor: &actor,
                    cause: &[],
                };
                let ended = match contract::end(db, party, occasion)? {
                    Ended::Ended(reference) => Some(reference),
                    Ended::None => None,
                    Ended::Contradicted(contradicted) => {
                        let kind = ProblemKind::ContradictoryPolicy;
                        return Ok(Step::Refused(Problem::new(kind, contradicted.to_string())));
                    }
                };
                Ok(Step::Done(ContractEnded { ended }).kept_unless(how.preview))
            },
        )
        .await
}
