//! Versions of the policies of tiers.

use diesel::prelude::*;
use fleetgrant_core::domain::{PartyId, PolicyState, PolicyVersionId, TierName};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::tier::draft::Draft;
use fleetgrant_core::tier::{DEFAULT_TIER, PolicyTag, TierPolicy, TierRules};

use super::column::{Code, Micros, Octets};
use super::event::{self, Occasion, Stream};
use super::listing::part::{Part, Place, Placed, sorts};
use super::policy_override::{self, Contradicted, Reach};
use super::schema::{parties, policy_versions as table};
use super::{Db, StoreError, id};

/// A row. Its rules are never changed; a change is a new version.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
pub struct PolicyVersion {
    /// Its id.
    pub id: Octets<PolicyVersionId>,
    /// The tier.
    pub tier: String,
    /// From 1 for each tier.
    pub version: i64,
    /// [`Draft`] in JSON.
    pub rules: String,
    /// Where it stands.
    pub state: Code<PolicyState>,
    /// When it was made.
    pub created_at: Micros,
}

impl PolicyVersion {
    /// What it says.
    ///
    /// # Errors
    /// If the row is not what this version of the gateway would have written.
    pub fn policy(&self) -> Result<TierPolicy, StoreError> {
        let tag = format!("policy {}/{}", self.tier, self.version);
        let corrupt = |reason: String| StoreError::Corrupt(format!("{tag}: {reason}"));
        let draft: Draft =
            serde_json::from_str(&self.rules).map_err(|error| corrupt(error.to_string()))?;
        Ok(TierPolicy {
            tag: PolicyTag {
                tier: TierName::new(&self.tier).map_err(|error| corrupt(error.to_string()))?,
                version: u32::try_from(self.version).map_err(|error| corrupt(error.to_string()))?,
                product: None,
                contract: None,
                entitlement: None,
            },
            rules: TierRules::try_from(draft).map_err(|error| corrupt(error.to_string()))?,
        })
    }
}

/// The policy in force for an owner's devices: its tier's, with its contract's over it; that of
/// whoever has none, if it has none, or one of which there is no policy.
///
/// Where the two contradict each other, as after a party came to another tier, the tier's applies
/// alone: `policies effective` says so.
pub fn of_owner(db: &mut Db, owner: Option<PartyId>) -> Result<TierPolicy, StoreError> {
    policy_override::laid(db, owner, None, None)
}

/// The policy in force for the tier of a party, whatever its contract says.
pub fn of_tier(db: &mut Db, owner: Option<PartyId>) -> Result<TierPolicy, StoreError> {
    let tiers = parties::table
        .filter(parties::id.nullable().eq(owner.map(Octets)))
        .filter(parties::tier.is_not_null())
        .select(parties::tier.assume_not_null());
    let read: Option<PolicyVersion> = on!(db, c => table::table
        .filter(table::state.eq(Code(PolicyState::Active)))
        .filter(table::tier.eq_any(tiers).or(table::tier.eq(DEFAULT_TIER)))
        .order(table::tier.eq(DEFAULT_TIER))
        .select(PolicyVersion::as_select())
        .first(c)
        .optional())?;
    let read = read.ok_or_else(|| {
        StoreError::Corrupt(format!(
            "there is no policy in force for the tier {DEFAULT_TIER}"
        ))
    })?;
    read.policy()
}

/// The policy in force for a tier.
pub fn in_force(db: &mut Db, tier: &str) -> Result<Option<PolicyVersion>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::tier.eq(tier))
        .filter(table::state.eq(Code(PolicyState::Active)))
        .select(PolicyVersion::as_select())
        .first(c)
        .optional())?)
}

/// One version of a tier's policy.
pub fn version(db: &mut Db, tier: &str, version: u32) -> Result<Option<PolicyVersion>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::tier.eq(tier))
        .filter(table::version.eq(i64::from(version)))
        .select(PolicyVersion::as_select())
        .first(c)
        .optional())?)
}

/// All versions, by tier and with the newest first.
pub fn all(db: &mut Db, limit: i64) -> Result<Vec<PolicyVersion>, StoreError> {
    Ok(on!(db, c => table::table
        .order((table::tier, table::version.desc()))
        .limit(limit)
        .select(PolicyVersion::as_select())
        .load(c))?)
}

/// Which versions.
#[derive(Clone, Debug, Default)]
pub struct PolicyFilter {
    /// Those of this tier.
    pub tier: Option<String>,
    /// Those in this state.
    pub state: Option<PolicyState>,
    /// In which order, and which part.
    pub part: Part<PolicySort>,
}

sorts!(
    /// What versions of policies can be ordered by.
    pub PolicySort {
        Id = "id" [Octets "policy_versions.id"],
        Tier = "tier" [Text "policy_versions.tier", Number "policy_versions.version"],
    }
);

impl Placed for PolicyVersion {
    type By = PolicySort;

    fn place(&self, by: PolicySort) -> Place {
        match by {
            PolicySort::Id => [self.id.into()].into(),
            PolicySort::Tier => [(&self.tier).into(), self.version.into()].into(),
        }
    }
}

/// Up to `limit` versions.
pub fn list(
    db: &mut Db,
    filter: &PolicyFilter,
    limit: i64,
) -> Result<Vec<PolicyVersion>, StoreError> {
    Ok(on!(db, c => {
        let mut query = table::table
            .select(PolicyVersion::as_select())
            .limit(limit)
            .into_boxed()
            .order(filter.part.order());
        if let Some(tier) = &filter.tier {
            query = query.filter(table::tier.eq(tier));
        }
        if let Some(state) = filter.state {
            query = query.filter(table::state.eq(Code(state)));
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

/// The tiers that have a policy in force, by name.
pub fn tiers(db: &mut Db) -> Result<Vec<String>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::state.eq(Code(PolicyState::Active)))
        .order(table::tier)
        .select(table::tier)
        .load(c))?)
}

/// What became of a policy that was put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is in force in this version.
    InForce(PolicyTag),
    /// It was in force already, in this version.
    Unchanged(PolicyTag),
    /// What lies over it does not go with it. The caller must undo the transaction.
    Contradicted(Contradicted),
}

/// Puts rules in force for a tier, as its next version; the one before is retired. Decisions made
/// from here on are made under it, for rights that are out already too.
pub fn put_in_force(
    db: &mut Db,
    tier: &TierName,
    rules: &TierRules,
    occasion: Occasion<'_>,
) -> Result<Put, StoreError> {
    let before = in_force(db, tier.as_str())?;
    if let Some(before) = &before {
        let before = before.policy()?;
        if before.rules == *rules {
            return Ok(Put::Unchanged(before.tag));
        }
    }
    let newest: Option<i64> = on!(db, c => table::table
        .filter(table::tier.eq(tier.as_str()))
        .select(diesel::dsl::max(table::version))
        .first(c))?;
    let next = PolicyVersion {
        id: id::fresh(occasion.at),
        tier: tier.to_string(),
        version: newest.unwrap_or(0) + 1,
        rules: json(rules)?,
        state: Code(PolicyState::Active),
        created_at: Micros(occasion.at),
    };
    on!(db, c => diesel::update(table::table)
        .filter(table::tier.eq(tier.as_str()))
        .filter(table::state.eq(Code(PolicyState::Active)))
        .set(table::state.eq(Code(PolicyState::Retired)))
        .execute(c))?;
    on!(db, c => diesel::insert_into(table::table).values(&next).execute(c))?;
    let tag = next.policy()?.tag;
    let changed = Event::new(EventKind::PolicyChanged)
        .with("policy", &tag)
        .with_some("before", before.map(|before| before.rules).as_deref())
        .with("rules", next.rules.as_str());
    event::append(db, Stream::Policy(tier), occasion, &[changed])?;
    Ok(
        match policy_override::contradicted(db, Reach::Tier(tier.as_str()))? {
            Some(contradicted) => Put::Contradicted(contradicted),
            None => Put::InForce(tag),
        },
    )
}

/// Parties of each tier; those without one under none.
pub fn parties_by_tier(db: &mut Db) -> Result<Vec<(Option<String>, i64)>, StoreError> {
    Ok(on!(db, c => parties::table
        .group_by(parties::tier)
        .select((parties::tier, diesel::dsl::count_star()))
        .load(c))?)
}

/// Rules as the table holds them.
pub(super) fn json(rules: &TierRules) -> Result<String, StoreError> {
    serde_json::to_string(&Draft::from(rules))
        .map_err(|error| StoreError::Corrupt(error.to_string()))
}

#[cfg(test)]
mod tests;
