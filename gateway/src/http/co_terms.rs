//! Entitlements of a party that are to end together.

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::{EntitlementId, PartyId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::entitlement_acts::{self, EntitlementActed};
use super::problem::{Problem, ProblemKind, found};
use super::query::{Named, Query};
use super::value::{Id, When};
use super::within::{Thing, Within};
use super::write::{ActQuery, Many, Step, Write, WriteParams};
use crate::lifecycle::{CoTerm, Deed};
use crate::operator::Operator;
use crate::store::column::Octets;
use crate::store::listing::{self, EntitlementFilter};
use crate::store::{Db, StoreError, contract, entitlement, party};

/// Entitlements that one request moves, at most.
const MOST: usize = 100;

/// When entitlements of a party are to end: `until` an instant, or as its `contract` says.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CoTermOrder {
    #[schema(inline)]
    pub(crate) until: Option<When>,
    /// The reference of the party's contract in force, which has a co-term date.
    #[schema(max_length = 64)]
    pub(crate) contract: Option<String>,
    /// Their ids; all that the party has, if none are named.
    #[schema(max_items = 100)]
    pub(crate) entitlements: Option<Vec<Id>>,
    /// Those that end later than that are to end earlier.
    #[serde(default)]
    pub(crate) shorten: bool,
}

/// Have the entitlements of a party end together
///
/// Each is renewed until then, or refused, by itself, and the same request again does what is not done
/// yet. What has no end that could be moved is left as it is, and says so.
#[utoipa::path(
    post, path = "/parties/{party}/co-term", operation_id = "co_term_entitlements", tag = "entitlements",
    params(("party" = inline(Id), Path, description = "Its id"), ActQuery, WriteParams),
    request_body = CoTermOrder,
    responses((status = OK, body = Many<EntitlementActed>))
)]
pub(super) async fn co_term(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Json<Many<serde_json::Value>>, Problem> {
    let asked: CoTermOrder = write.json()?;
    let (operator, within) = (api.operator(write.actor()), write.within());
    let party = PartyId(id.0);
    let (named, by) = (asked.entitlements, asked.contract.clone());
    let read = move |db: &mut Db| looked_up(db, party, within, named, by.as_deref());
    let (entitlements, agreed) = found(api.read(read).await?, "party", id)?;
    let until = match (asked.until, &asked.contract) {
        (Some(until), None) => until.0,
        (None, Some(contract)) => agreed.ok_or_else(|| none_agreed(contract))?,
        _ => return Err(bad("either `until` or a `contract` is needed")),
    };
    if entitlements.len() > MOST {
        return Err(bad(&format!(
            "the party has more than {MOST} entitlements: name up to so many in `entitlements`"
        )));
    }
    let order = CoTerm {
        until: crate::when::When::Instant(until),
        contract: asked.contract,
        shorten: asked.shorten,
    };
    let operations = entitlements.into_iter().map(|id| {
        let (operator, deed) = (operator.clone(), Deed::CoTerm(order.clone()));
        move |db: &mut Db, now| one(db, &operator, within, (party, id), &deed, how.preview, now)
    });
    let operations = operations.collect();
    write.each(&api, how.preview, operations).await.map(Json)
}

type LookedUp = (Vec<EntitlementId>, Option<Timestamp>);

/// What is to end together, and when by the contract; none, if there is no such party.
fn looked_up(
    db: &mut Db,
    id: PartyId,
    within: Within,
    named: Option<Vec<Id>>,
    by: Option<&str>,
) -> Result<Option<LookedUp>, StoreError> {
    let party = within.see(db, &Thing::Party(id), |db| party::find(db, Octets(id)))?;
    if party.is_none() {
        return Ok(None);
    }
    let contract = contract::of_party(db, id)?;
    let contract = contract.filter(|contract| by == Some(contract.reference.as_str()));
    let agreed = contract
        .and_then(|contract| contract.coterm_at)
        .map(|at| at.0);
    let entitlements = match named {
        Some(named) => named.into_iter().map(|id| EntitlementId(id.0)).collect(),
        None => {
            let filter = EntitlementFilter {
                owners: Some(vec![id]),
                within: within.line(),
                ..EntitlementFilter::default()
            };
            let rows = listing::entitlements(db, &filter, MOST as i64 + 1)?;
            rows.into_iter().map(|row| row.id.0).collect()
        }
    };
    Ok(Some((entitlements, agreed)))
}

fn one(
    db: &mut Db,
    operator: &Operator,
    within: Within,
    (party, id): (PartyId, EntitlementId),
    deed: &Deed,
    preview: bool,
    now: Timestamp,
) -> Result<Step<EntitlementActed>, StoreError> {
    let owner = entitlement::find(db, id)?.map(|known| known.owner_id);
    if owner.is_some_and(|owner| owner != Some(Octets(party))) {
        let told = format!("the entitlement {id} is not of the party");
        return Ok(Step::Refused(Problem::new(ProblemKind::Refused, told)));
    }
    entitlement_acts::attempt(db, operator, within, id, deed, preview, now)
}

fn none_agreed(contract: &str) -> Problem {
    Problem::new(
        ProblemKind::Refused,
        format!("the party has no contract {contract} in force that says when things end"),
    )
}

fn bad(why: &str) -> Problem {
    Problem::new(ProblemKind::BadBody, why.to_owned())
}
