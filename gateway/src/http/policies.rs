//! What the tiers of customers are allowed, version by version.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::{PolicyState, TierName};
use fleetgrant_core::tier::{DEFAULT_TIER, TierRules};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::etag::{MatchParams, Tagged};
use super::page::{List, Page, PageParams};
use super::policy_rules::PolicyRules;
use super::problem::{Problem, ProblemKind, found};
use super::query::{Named, Query};
use super::value::When;
use super::write::{ActQuery, Step, Write, WriteParams};
use super::{Api, word};
use crate::store::event::Occasion;
use crate::store::policy::{self, PolicyFilter, PolicySort, PolicyVersion, Put};
use crate::store::{Db, StoreError};

/// Which versions of policies.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PolicyQuery {
    /// Those of this tier.
    tier: Option<String>,
    /// Those in this state; the one in force of each tier is active.
    #[param(inline)]
    state: Option<word::PolicyState>,
}

/// A version of the policy of a tier.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PolicyLine {
    pub(crate) tier: String,
    /// From 1 for each tier.
    pub(crate) version: i64,
    pub(crate) state: word::PolicyState,
    /// Parties that it applies to; null if it is not in force.
    pub(crate) parties: Option<i64>,
    /// Since when it was in force.
    pub(crate) created_at: When,
}

/// A version of the policy of a tier, and what it says.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Policy {
    pub(crate) tier: String,
    /// From 1 for each tier.
    pub(crate) version: i64,
    pub(crate) state: word::PolicyState,
    /// Since when it was in force.
    pub(crate) created_at: When,
    pub(crate) rules: PolicyRules,
}

/// What came of putting a policy in force.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PolicyInForce {
    pub(crate) policy: Policy,
    /// Whether anything changed; not if the policy in force says so already.
    pub(crate) changed: bool,
}

impl PolicyLine {
    /// As it is shown; `parties` counts those of each tier.
    pub(crate) fn of(row: PolicyVersion, parties: &[(Option<String>, i64)]) -> Self {
        let is_under = |tier: &Option<String>| match tier {
            Some(tier) => *tier == row.tier,
            None => row.tier == DEFAULT_TIER,
        };
        let under = parties.iter().filter(|(tier, _)| is_under(tier));
        let under = under.map(|(_, count)| count).sum();
        Self {
            parties: (row.state.0 == PolicyState::Active).then_some(under),
            tier: row.tier,
            version: row.version,
            state: word::PolicyState(row.state.0),
            created_at: When(row.created_at.0),
        }
    }
}

impl Policy {
    /// As it is shown.
    pub(crate) fn of(row: PolicyVersion) -> Result<Self, StoreError> {
        Ok(Self {
            rules: PolicyRules::from(&row.policy()?.rules),
            tier: row.tier,
            version: row.version,
            state: word::PolicyState(row.state.0),
            created_at: When(row.created_at.0),
        })
    }
}

/// List the versions of policies, the oldest first
#[utoipa::path(
    get, path = "/policies", operation_id = "list_policies", tag = "policies",
    params(PolicyQuery, PageParams::<PolicySort>),
    responses((status = OK, body = Page<PolicyLine>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    list: List<PolicyQuery, PolicySort>,
) -> Result<Json<Page<PolicyLine>>, Problem> {
    let query = list.filter.clone();
    let filter = PolicyFilter {
        tier: query.tier,
        state: query.state.map(|word| word.0),
        part: list.part.clone(),
    };
    let limit = list.rows_to_read();
    let (rows, parties) = api
        .read(move |db| {
            let rows = policy::list(db, &filter, limit)?;
            Ok((rows, policy::parties_by_tier(db)?))
        })
        .await?;
    let rows = list.cut(rows);
    Ok(Json(rows.map(|row| PolicyLine::of(row, &parties))))
}

/// Show the policy in force for a tier
#[utoipa::path(
    get, path = "/policies/{tier}", operation_id = "show_policy", tag = "policies",
    params(("tier" = String, Path, description = "The name of the tier", pattern = "^[a-z0-9-]{1,32}$")),
    responses((status = OK, body = Policy))
)]
pub(super) async fn show(
    State(api): State<Api>,
    Named(tier): Named<String>,
) -> Result<Tagged<Policy>, Problem> {
    let name = tier.clone();
    let answer = api.read(move |db| in_force(db, &name)).await?;
    found(answer, "policy of the tier", tier).map(Tagged)
}

/// Show a version of the policy of a tier
#[utoipa::path(
    get, path = "/policies/{tier}/versions/{version}", operation_id = "show_policy_version", tag = "policies",
    params(
        ("tier" = String, Path, description = "The name of the tier", pattern = "^[a-z0-9-]{1,32}$"),
        ("version" = u32, Path, description = "From 1"),
    ),
    responses((status = OK, body = Policy))
)]
pub(super) async fn version(
    State(api): State<Api>,
    Named((tier, version)): Named<(String, u32)>,
) -> Result<Json<Policy>, Problem> {
    let name = tier.clone();
    let answer = api
        .read(move |db| {
            let row = policy::version(db, &name, version)?;
            row.map(Policy::of).transpose()
        })
        .await?;
    let tag = format!("{tier}/{version}");
    found(answer, "policy", tag).map(Json)
}

/// Put a policy in force, as a tier's next version
///
/// Decisions from then on are made under it, for rights that are out already too. A tier that has a
/// policy keeps it unless `If-Match` names the version that is replaced; a new tier is made.
#[utoipa::path(
    put, path = "/policies/{tier}", operation_id = "put_policy", tag = "policies",
    params(
        ("tier" = String, Path, description = "The name of the tier", pattern = "^[a-z0-9-]{1,32}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    request_body = PolicyRules,
    responses((status = OK, body = PolicyInForce))
)]
pub(super) async fn put(
    State(api): State<Api>,
    Named(tier): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: PolicyRules = write.json()?;
    let tier = TierName::new(&tier)
        .map_err(|error| Problem::new(ProblemKind::NotFound, format!("tier: {error}")))?;
    let rules = TierRules::try_from(asked.0)
        .map_err(|error| Problem::new(ProblemKind::ContradictoryPolicy, error.to_string()))?;
    let (actor, says_which) = (write.actor(), write.says_which());
    let seen = tier.clone();
    write
        .once_as_seen(
            &api,
            move |db| in_force(db, seen.as_str()),
            move |db, now| {
                let replaces = policy::in_force(db, tier.as_str())?.is_some();
                let refused = |kind, why| Ok(Step::Refused(Problem::new(kind, why)));
                match (says_which, replaces) {
                    (false, true) => {
                        return refused(
                            ProblemKind::PreconditionNeeded,
                            "the tier has a policy: give its ETag in If-Match to replace it",
                        );
                    }
                    (true, false) => {
                        return refused(
                            ProblemKind::PreconditionFailed,
                            "there is no such tier: check its name, or leave If-Match out to make it",
                        );
                    }
                    _ => {}
                }
                let occasion = Occasion {
                    at: now,
                    actor: &actor,
                    cause: &[],
                };
                let put = policy::put_in_force(db, &tier, &rules, occasion)?;
                if let Put::Contradicted(contradicted) = &put {
                    let why = contradicted.to_string();
                    let problem = Problem::new(ProblemKind::ContradictoryPolicy, why);
                    return Ok(Step::Refused(problem));
                }
                let policy = in_force(db, tier.as_str())?;
                let in_force = PolicyInForce {
                    policy: policy
                        .ok_or_else(|| StoreError::Corrupt(format!("policy of {tier} is gone")))?,
                    changed: matches!(put, Put::InForce(_)),
                };
                Ok(Step::Done(in_force).kept_unless(how.preview))
            },
        )
        .await
}

fn in_force(db: &mut Db, tier: &str) -> Result<Option<Policy>, StoreError> {
    policy::in_force(db, tier)?.map(Policy::of).transpose()
}
