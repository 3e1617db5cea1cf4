//! Frames around a party's orders: a policy that lies over that of its tier.

use std::collections::BTreeMap;

use diesel::prelude::*;
use fleetgrant_core::domain::{ContractId, PartyId};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::tier::TierRules;
use fleetgrant_core::tier::draft::{Contradiction, Draft};
use serde_json::Value;

use super::column::{Micros, Octets};
use super::event::{self, Occasion, Stream};
use super::schema::{contracts as table, parties};
use super::{Db, StoreError, id};

/// In force.
const ACTIVE: i16 = 1;
/// Not any more.
const ENDED: i16 = 2;

/// Fields of a policy that a contract has its own of, by name: a value, or a whole table.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms(BTreeMap<String, Value>);

/// Why terms cannot be laid over a policy.
#[derive(Debug, thiserror::Error)]
pub enum TermsError {
    /// They are not fields of a policy.
    #[error("{0}")]
    Unreadable(#[from] serde_json::Error),
    /// Together with the tier's they contradict themselves.
    #[error("over the policy of the tier {tier}: {reason}")]
    Contradiction {
        /// Which tier.
        tier: String,
        /// Why.
        reason: Contradiction,
    },
}

/// What [`is_reference`] takes.
pub const REFERENCE: &str = "it has 1 to 64 of A-Z a-z 0-9 - . _";

/// Whether a contract can be called so: part of what decisions are recorded under.
#[must_use]
pub fn is_reference(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    (1..=64).contains(&text.chars().count()) && text.chars().all(is_plain)
}

impl Terms {
    /// Reads them, as JSON.
    ///
    /// # Errors
    /// If it is no object.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json).map(Self)
    }

    /// From fields that were read already.
    #[must_use]
    pub const fn of(fields: BTreeMap<String, Value>) -> Self {
        Self(fields)
    }

    /// Whether they say nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As the table holds them.
    pub fn json(&self) -> Result<String, StoreError> {
        serde_json::to_string(&self.0).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    /// The rules of a tier with these over them.
    ///
    /// # Errors
    /// [`TermsError`].
    pub fn laid_on(&self, tier: &str, rules: &TierRules) -> Result<TierRules, TermsError> {
        let mut all = serde_json::to_value(Draft::from(rules))?;
        if let Value::Object(fields) = &mut all {
            for (name, value) in &self.0 {
                fields.insert(name.clone(), value.clone());
            }
        }
        let draft: Draft = serde_json::from_value(all)?;
        TierRules::try_from(draft).map_err(|reason| TermsError::Contradiction {
            tier: tier.to_owned(),
            reason,
        })
    }
}

/// A contract whose policy is in force.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = table)]
pub struct InForce {
    /// Its id.
    pub id: Octets<ContractId>,
    /// Whose.
    pub party_id: Octets<PartyId>,
    /// What people call it.
    pub reference: String,
    /// [`Terms`] in JSON.
    pub policy: Option<String>,
}

/// The contract whose policy is in force for a party.
pub fn of_party(db: &mut Db, party: PartyId) -> Result<Option<InForce>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::party_id.eq(Octets(party)))
        .filter(table::state.eq(ACTIVE))
        .filter(table::policy.is_not_null())
        .select(InForce::as_select())
        .first(c)
        .optional())?)
}

/// Those whose policies lie over that of a tier.
pub fn over_tier(db: &mut Db, tier: &str) -> Result<Vec<InForce>, StoreError> {
    let is_default = tier == fleetgrant_core::tier::DEFAULT_TIER;
    Ok(on!(db, c => {
        let mut query = table::table
            .inner_join(parties::table)
            .filter(table::state.eq(ACTIVE))
            .filter(table::policy.is_not_null())
            .order(table::reference)
            .select(InForce::as_select())
            .into_boxed();
        query = match is_default {
            true => query.filter(parties::tier.eq(tier).or(parties::tier.is_null())),
            false => query.filter(parties::tier.eq(tier)),
        };
        query.load(c)
    })?)
}

/// What became of terms that were put in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// They are in force.
    InForce,
    /// They were already.
    Unchanged,
    /// The party has had another contract of this reference: a contract is never changed, since
    /// decisions name it.
    ReferenceTaken,
}

/// Puts the terms of a contract in force for a party; the one before ends.
pub fn put_in_force(
    db: &mut Db,
    party: PartyId,
    reference: &str,
    terms: &Terms,
    occasion: Occasion<'_>,
) -> Result<Put, StoreError> {
    let json = terms.json()?;
    let before = of_party(db, party)?;
    if let Some(before) = &before
        && before.reference == reference
    {
        return Ok(match before.policy.as_deref() == Some(json.as_str()) {
            true => Put::Unchanged,
            false => Put::ReferenceTaken,
        });
    }
    let taken: i64 = on!(db, c => table::table
        .filter(table::party_id.eq(Octets(party)))
        .filter(table::reference.eq(reference))
        .count()
        .get_result(c))?;
    if taken > 0 {
        return Ok(Put::ReferenceTaken);
    }
    end_of(db, party)?;
    let row = (
        table::id.eq(id::fresh::<ContractId>(occasion.at)),
        table::party_id.eq(Octets(party)),
        table::reference.eq(reference),
        table::policy.eq(&json),
        table::state.eq(ACTIVE),
        table::created_at.eq(Micros(occasion.at)),
    );
    on!(db, c => diesel::insert_into(table::table).values(row).execute(c))?;
    let told = Event::new(EventKind::ContractChanged)
        .with("contract", reference)
        .with_some("before", before.map(|before| before.reference).as_deref())
        .with("rules", json.as_str());
    event::append(db, Stream::Party(party), occasion, &[told])?;
    Ok(Put::InForce)
}

/// Ends the contract whose policy is in force for a party, which is under its tier's then; what it
/// was called, if there was one.
pub fn end(
    db: &mut Db,
    party: PartyId,
    occasion: Occasion<'_>,
) -> Result<Option<String>, StoreError> {
    let Some(before) = of_party(db, party)? else {
        return Ok(None);
    };
    end_of(db, party)?;
    let told = Event::new(EventKind::ContractChanged).with("before", before.reference.as_str());
    event::append(db, Stream::Party(party), occasion, &[told])?;
    Ok(Some(before.reference))
}

/// Makes the contracts of a party that is no more another's, which stays under its own; how many.
/// Where it has one of the same reference, the other's stays where it was signed.
pub(super) fn hand_over(db: &mut Db, from: PartyId, to: PartyId) -> Result<usize, StoreError> {
    end_of(db, from)?;
    let own: Vec<String> = on!(db, c => table::table
        .filter(table::party_id.eq(Octets(to)))
        .select(table::reference)
        .load(c))?;
    Ok(on!(db, c => diesel::update(table::table)
        .filter(table::party_id.eq(Octets(from)))
        .filter(table::reference.ne_all(&own))
        .set(table::party_id.eq(Octets(to)))
        .execute(c))?)
}

/// Ends what is in force for a party.
fn end_of(db: &mut Db, party: PartyId) -> Result<(), StoreError> {
    on!(db, c => diesel::update(table::table)
        .filter(table::party_id.eq(Octets(party)))
        .filter(table::state.eq(ACTIVE))
        .filter(table::policy.is_not_null())
        .set(table::state.eq(ENDED))
        .execute(c))?;
    Ok(())
}

/// The contracts whose terms would contradict these rules of a tier, and why.
pub fn contradicting(
    db: &mut Db,
    tier: &str,
    rules: &TierRules,
) -> Result<Vec<(String, String)>, StoreError> {
    let mut found = Vec::new();
    for contract in over_tier(db, tier)? {
        let terms = contract.policy.as_deref().map(Terms::parse).transpose();
        let over = match terms {
            Ok(Some(terms)) => terms
                .laid_on(tier, rules)
                .map_err(|error| error.to_string()),
            Ok(None) => continue,
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = over {
            found.push((contract.reference, reason));
        }
    }
    Ok(found)
}

/// The policy of a party's tier, with its contract's over it.
///
/// Where the two contradict each other, as after a party came to another tier, the tier's applies
/// alone: `policies effective` says so.
pub fn laid_over(
    db: &mut Db,
    party: PartyId,
    of_tier: fleetgrant_core::tier::TierPolicy,
) -> Result<fleetgrant_core::tier::TierPolicy, StoreError> {
    let Some(contract) = of_party(db, party)? else {
        return Ok(of_tier);
    };
    let terms = contract.policy.as_deref().map(Terms::parse);
    let Some(Ok(terms)) = terms else {
        return Ok(of_tier);
    };
    match terms.laid_on(of_tier.tag.tier.as_str(), &of_tier.rules) {
        Ok(rules) => Ok(fleetgrant_core::tier::TierPolicy {
            tag: fleetgrant_core::tier::PolicyTag {
                contract: Some(contract.reference),
                ..of_tier.tag
            },
            rules,
        }),
        Err(reason) => {
            tracing::warn!(contract = %contract.reference, %reason, "a contract's policy is left out");
            Ok(of_tier)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fleetgrant_core::domain::Timestamp;
    use fleetgrant_core::tier::{Mode, standard};

    use super::*;
    use crate::import::{self, ImportOptions, Kind};
    use crate::store::scratch::Scratch;
    use crate::store::{Store, party, policy};

    const OCCASION: Occasion<'static> = Occasion {
        at: Timestamp::from_seconds(1_800_000_000),
        actor: "operator",
        cause: &[],
    };

    fn store(scratch: &Scratch) -> Store {
        let store = scratch.open();
        let options = ImportOptions {
            dry_run: false,
            amend: false,
            skip_bad: false,
            actor: "tester".to_owned(),
            now: OCCASION.at,
            product_lines: Vec::new(),
            time_zone: jiff::tz::TimeZone::UTC,
            manufacturer: None,
        };
        let parties = "system,party,name,tier\nerp,C-1,Acme,volume\nerp,C-2,Bright,volume\n";
        let source = std::io::Cursor::new(parties.as_bytes().to_vec());
        let report = import::run(Kind::Parties, source, options, &store).unwrap();
        assert!(report.committed, "{:?}", report.errors);
        store
    }

    fn terms(json: &str) -> Terms {
        Terms::parse(json).unwrap()
    }

    #[test]
    fn a_contract_lies_over_the_tier_for_its_party_alone() {
        let scratch = Scratch::new();
        store(&scratch)
            .write_blocking("test", |db| {
                let [one, other] = ["C-1", "C-2"]
                    .map(|id| party::by_external_id(db, "erp", id).unwrap().unwrap().id.0);
                let before = policy::of_owner(db, Some(one))?;
                let own = terms(r#"{"activation":"approval","grace_days":60}"#);
                let put = |db: &mut Db, reference: &str, own: &Terms| {
                    put_in_force(db, one, reference, own, OCCASION)
                };
                assert_eq!(put(db, "F-1", &own)?, Put::InForce);
                assert_eq!(put(db, "F-1", &own)?, Put::Unchanged);
                let changed = terms(r#"{"grace_days":61}"#);
                assert_eq!(put(db, "F-1", &changed)?, Put::ReferenceTaken);
                let after = policy::of_owner(db, Some(one))?;
                assert_eq!(after.tag.to_string(), "volume/1+F-1");
                assert_eq!(after.rules.activation, Mode::Approval);
                assert_eq!(after.rules.grace, 60 * 86_400);
                // What it says nothing of is as the tier has it.
                assert_eq!(after.rules.rehost, before.rules.rehost);
                assert_eq!(policy::of_owner(db, Some(other))?, before);
                assert_eq!(put(db, "F-2", &changed)?, Put::InForce);
                assert_eq!(
                    policy::of_owner(db, Some(one))?.tag.to_string(),
                    "volume/1+F-2"
                );
                assert_eq!(put(db, "F-1", &own)?, Put::ReferenceTaken);
                assert_eq!(end(db, one, OCCASION)?.as_deref(), Some("F-2"));
                assert_eq!(end(db, one, OCCASION)?, None);
                assert_eq!(policy::of_owner(db, Some(one))?, before);
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn a_party_that_is_merged_takes_its_contracts_along_but_none_that_the_heir_has() {
        let scratch = Scratch::new();
        store(&scratch)
            .write_blocking("test", |db| {
                let [gone, heir] = ["C-1", "C-2"]
                    .map(|id| party::by_external_id(db, "erp", id).unwrap().unwrap().id.0);
                let mut put = |party, reference: &str, json: &str| {
                    put_in_force(db, party, reference, &terms(json), OCCASION).unwrap()
                };
                put(gone, "F-0", r#"{"grace_days":40}"#);
                put(gone, "F-1", r#"{"grace_days":50}"#);
                put(heir, "F-1", r#"{"grace_days":60}"#);
                let moved = party::hand_over(db, Octets(gone), Octets(heir), OCCASION.at)?;
                assert_eq!(moved.others, 1);
                assert_eq!(of_party(db, gone)?.map(|own| own.reference), None);
                let after = policy::of_owner(db, Some(heir))?;
                assert_eq!(after.tag.to_string(), "volume/1+F-1");
                assert_eq!(after.rules.grace, 60 * 86_400);
                // A reference that came along is taken too.
                let again = put_in_force(db, heir, "F-0", &terms("{}"), OCCASION)?;
                assert_eq!(again, Put::ReferenceTaken);
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn terms_that_contradict_a_tier_are_found_and_never_decide() {
        let scratch = Scratch::new();
        store(&scratch)
            .write_blocking("test", |db| {
                let one = party::by_external_id(db, "erp", "C-1")?.unwrap().id.0;
                // A move begins with a return.
                let own = terms(r#"{"returns":"refused"}"#);
                let rules = policy::of_owner(db, Some(one))?.rules;
                let refused = own.laid_on("volume", &rules).unwrap_err();
                assert!(
                    refused
                        .to_string()
                        .contains("over the policy of the tier volume")
                );
                let mut still = rules.clone();
                (still.rehost, still.rehost_unconfirmed) = (None, None);
                let over = own.laid_on("volume", &still).unwrap();
                assert_eq!(over.returns, Mode::Refused);
                put_in_force(db, one, "F-1", &own, OCCASION)?;
                let found = contradicting(db, "volume", &rules)?;
                assert_eq!(found.len(), 1);
                assert!(contradicting(db, "standard", &standard().rules)?.is_empty());
                let alone = policy::of_owner(db, Some(one))?;
                assert_eq!(alone.tag.to_string(), "volume/1");
                Ok(())
            })
            .unwrap();
        let unknown = terms(r#"{"ofline":true}"#).laid_on("standard", &standard().rules);
        assert!(unknown.unwrap_err().to_string().contains("ofline"));
    }
}
