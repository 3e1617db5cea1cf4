//! Frames around a party's orders: a policy that lies over that of its tier, and a date on which what is
//! bought ends.

use diesel::prelude::*;
use fleetgrant_core::domain::{ContractId, ContractState, PartyId, Timestamp};
use fleetgrant_core::event::{Event, EventKind};

use super::column::{Code, Micros, Octets};
use super::event::{self, Occasion, Stream};
use super::policy_override::{self, Contradicted, Reach};
use super::schema::contracts as table;
use super::{Db, StoreError, id};
use crate::policy_layers::{Named, Terms};

/// A contract in force.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = table)]
pub struct InForce {
    /// Its id.
    pub id: Octets<ContractId>,
    /// Whose.
    pub party_id: Octets<PartyId>,
    /// What people call it.
    pub reference: String,
    /// [`Terms`] in JSON; none, if it says nothing of policy.
    pub policy: Option<String>,
    /// When what is bought under it ends.
    pub coterm_at: Option<Micros>,
}

/// What a contract says.
#[derive(Clone, Debug)]
pub struct Content {
    /// Of policy; may be nothing.
    pub terms: Terms,
    /// When what is bought under it ends; none: as it is sold.
    pub co_term: Option<Timestamp>,
}

impl From<Terms> for Content {
    fn from(terms: Terms) -> Self {
        Self {
            terms,
            co_term: None,
        }
    }
}

/// When what a party buys ends, where its contract says so.
pub fn co_term_of(db: &mut Db, party: PartyId) -> Result<Option<Timestamp>, StoreError> {
    let contract = of_party(db, party)?;
    Ok(contract
        .and_then(|contract| contract.coterm_at)
        .map(|at| at.0))
}

/// The contract in force for a party.
pub fn of_party(db: &mut Db, party: PartyId) -> Result<Option<InForce>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::party_id.eq(Octets(party)))
        .filter(table::state.eq(Code(ContractState::Active)))
        .select(InForce::as_select())
        .first(c)
        .optional())?)
}

/// Its policy, as it lies over others; none, if it has none, or one that cannot be read.
pub(super) fn named_of(db: &mut Db, party: PartyId) -> Result<Option<Named>, StoreError> {
    let Some(contract) = of_party(db, party)? else {
        return Ok(None);
    };
    match contract.policy.as_deref().map(Terms::parse) {
        Some(Ok(terms)) => Ok(Some(Named {
            reference: contract.reference,
            terms,
        })),
        Some(Err(error)) => {
            tracing::warn!(contract = %contract.reference, %error, "a contract's policy is left out");
            Ok(None)
        }
        None => Ok(None),
    }
}

/// What became of a contract that was put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// They are in force.
    InForce,
    /// They were already.
    Unchanged,
    /// The party has had another contract of this reference: a contract is never changed, since
    /// decisions name it.
    ReferenceTaken,
    /// It does not go with its party's tier, or what lies beside or over it does not go with it. The
    /// caller must undo the transaction.
    Contradicted(Contradicted),
}

/// What became of a contract that was to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It has ended; what it was called.
    Ended(String),
    /// There was none.
    None,
    /// What lay over it does not go with what was below it. The caller must undo the transaction.
    Contradicted(Contradicted),
}

/// Puts a contract in force for a party; the one before ends.
pub fn put_in_force(
    db: &mut Db,
    party: PartyId,
    reference: &str,
    content: &Content,
    occasion: Occasion<'_>,
) -> Result<Put, StoreError> {
    let json = match content.terms.is_empty() {
        true => None,
        false => Some(content.terms.json()?),
    };
    let coterm_at = content.co_term.map(Micros);
    let before = of_party(db, party)?;
    if let Some(before) = &before
        && before.reference == reference
    {
        return Ok(
            match before.policy == json && before.coterm_at == coterm_at {
                true => Put::Unchanged,
                false => Put::ReferenceTaken,
            },
        );
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
        table::coterm_at.eq(coterm_at),
        table::state.eq(Code(ContractState::Active)),
        table::created_at.eq(Micros(occasion.at)),
    );
    on!(db, c => diesel::insert_into(table::table).values(row).execute(c))?;
    let told = Event::new(EventKind::ContractChanged)
        .with("contract", reference)
        .with_some("before", before.map(|before| before.reference).as_deref())
        .with_some("rules", json.as_deref())
        .with_some("co-term", content.co_term.map(Timestamp::seconds));
    event::append(db, Stream::Party(party), occasion, &[told])?;
    Ok(
        match policy_override::contradicted(db, Reach::Party(party))? {
            Some(contradicted) => Put::Contradicted(contradicted),
            None => Put::InForce,
        },
    )
}

/// Ends the contract in force for a party, which is under its tier's policy then.
pub fn end(db: &mut Db, party: PartyId, occasion: Occasion<'_>) -> Result<Ended, StoreError> {
    let Some(before) = of_party(db, party)? else {
        return Ok(Ended::None);
    };
    end_of(db, party)?;
    let told = Event::new(EventKind::ContractChanged).with("before", before.reference.as_str());
    event::append(db, Stream::Party(party), occasion, &[told])?;
    Ok(
        match policy_override::contradicted(db, Reach::Party(party))? {
            Some(contradicted) => Ended::Contradicted(contradicted),
            None => Ended::Ended(before.reference),
        },
    )
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
        .filter(table::state.eq(Code(ContractState::Active)))
        .set(table::state.eq(Code(ContractState::Ended)))
        .execute(c))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fleetgrant_core::tier::{Mode, TierRules};

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

    fn terms(json: &str) -> Content {
        Terms::parse(json).unwrap().into()
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
                let put = |db: &mut Db, reference: &str, own: &Content| {
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
                assert_eq!(end(db, one, OCCASION)?, Ended::Ended("F-2".to_owned()));
                assert_eq!(end(db, one, OCCASION)?, Ended::None);
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
                let before = policy::of_owner(db, Some(one))?;
                // A move begins with a return.
                let own = terms(r#"{"returns":"refused"}"#);
                let put = put_in_force(db, one, "F-1", &own, OCCASION)?;
                let Put::Contradicted(reason) = put else {
                    panic!("{put:?}");
                };
                assert!(
                    reason
                        .to_string()
                        .contains("over the policy of the tier volume: rehost.mode")
                );
                // Nobody undid it here, as after a party came to another tier.
                assert_eq!(policy::of_owner(db, Some(one))?, before);
                let still = TierRules {
                    rehost: None,
                    rehost_unconfirmed: None,
                    ..before.rules.clone()
                };
                let put = policy::put_in_force(db, &before.tag.tier, &still, OCCASION)?;
                assert!(matches!(put, policy::Put::InForce(_)), "{put:?}");
                let over = policy::of_owner(db, Some(one))?;
                assert_eq!(over.tag.to_string(), "volume/2+F-1");
                assert_eq!(over.rules.returns, Mode::Refused);
                let put = policy::put_in_force(db, &before.tag.tier, &before.rules, OCCASION)?;
                assert!(matches!(put, policy::Put::Contradicted(_)), "{put:?}");
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn a_contract_may_say_no_more_than_when_things_end() {
        let scratch = Scratch::new();
        store(&scratch)
            .write_blocking("test", |db| {
                let one = party::by_external_id(db, "erp", "C-1")?.unwrap().id.0;
                let at = OCCASION.at.plus_seconds(86_400);
                let until = |co_term| Content {
                    co_term: Some(co_term),
                    ..terms("{}")
                };
                assert_eq!(
                    put_in_force(db, one, "F-1", &until(at), OCCASION)?,
                    Put::InForce
                );
                assert_eq!(
                    put_in_force(db, one, "F-1", &until(at), OCCASION)?,
                    Put::Unchanged
                );
                let taken = put_in_force(db, one, "F-1", &until(OCCASION.at), OCCASION)?;
                assert_eq!(taken, Put::ReferenceTaken);
                assert_eq!(co_term_of(db, one)?, Some(at));
                assert_eq!(policy::of_owner(db, Some(one))?.tag.to_string(), "volume/1");
                let own = terms(r#"{"grace_days":3}"#);
                assert_eq!(put_in_force(db, one, "F-2", &own, OCCASION)?, Put::InForce);
                assert_eq!(co_term_of(db, one)?, None, "the one before has ended");
                Ok(())
            })
            .unwrap();
    }
}
