//! Policies of single products and entitlements, which lie over those of tiers and contracts.

use std::collections::HashMap;

use diesel::prelude::*;
use fleetgrant_core::domain::{
    ContractState, EntitlementId, PartyId, PolicyOverrideId, PolicyState, ProductId,
};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::tier::{Layer, TierPolicy};

use super::column::{Code, Micros, Octets};
use super::event::{self, Occasion, Stream};
use super::schema::{contracts, entitlements, parties, policy_overrides as table};
use super::{Db, StoreError, contract, id, policy};
use crate::policy_layers::{Layers, LeftOut, Named, Terms};

/// Entitlements that have a policy of their own, at most: decisions keep them all in memory.
pub const MOST: i64 = 10_000;

/// What has a policy of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The rights to a product, whoever owns them.
    Product(ProductId),
    /// One entitlement.
    Entitlement(EntitlementId),
}

impl Subject {
    /// Which layer its policy is.
    #[must_use]
    pub const fn layer(self) -> Layer {
        match self {
            Self::Product(_) => Layer::Product,
            Self::Entitlement(_) => Layer::Entitlement,
        }
    }

    const fn columns(self) -> (Option<Octets<ProductId>>, Option<Octets<EntitlementId>>) {
        match self {
            Self::Product(id) => (Some(Octets(id)), None),
            Self::Entitlement(id) => (None, Some(Octets(id))),
        }
    }
}

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = table)]
struct Row {
    product_id: Option<Octets<ProductId>>,
    entitlement_id: Option<Octets<EntitlementId>>,
    reference: String,
    policy: String,
}

impl Row {
    fn named(self) -> Result<Named, StoreError> {
        Ok(Named {
            terms: Terms::parse(&self.policy).map_err(|error| {
                StoreError::Corrupt(format!("policy override {}: {error}", self.reference))
            })?,
            reference: self.reference,
        })
    }
}

macro_rules! of_subject {
    ($query:expr, $subject:expr) => {{
        let (product, entitlement) = $subject.columns();
        $query.filter(
            table::product_id
                .eq(product)
                .or(table::entitlement_id.eq(entitlement)),
        )
    }};
}

/// The policy of its own that is in force for a product or an entitlement.
pub fn in_force(db: &mut Db, subject: Subject) -> Result<Option<Named>, StoreError> {
    let row: Option<Row> = on!(db, c => of_subject!(table::table, subject)
        .filter(table::state.eq(Code(PolicyState::Active)))
        .select(Row::as_select())
        .first(c)
        .optional())?;
    row.map(Row::named).transpose()
}

/// All that is in force.
#[derive(Debug, Default)]
pub struct Overrides {
    /// By product.
    pub products: HashMap<ProductId, Named>,
    /// By entitlement.
    pub entitlements: HashMap<EntitlementId, Named>,
}

impl Overrides {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.products.is_empty() && self.entitlements.is_empty()
    }
}

/// All that is in force.
pub fn all(db: &mut Db) -> Result<Overrides, StoreError> {
    let rows: Vec<Row> = on!(db, c => table::table
        .filter(table::state.eq(Code(PolicyState::Active)))
        .select(Row::as_select())
        .load(c))?;
    let mut all = Overrides::default();
    for row in rows {
        match (row.product_id, row.entitlement_id) {
            (Some(product), _) => drop(all.products.insert(product.0, row.named()?)),
            (None, Some(entitlement)) => {
                all.entitlements.insert(entitlement.0, row.named()?);
            }
            (None, None) => {}
        }
    }
    Ok(all)
}

/// The policy in force for a right that `owner` has, or buys: of a product, and, where it is there
/// already, of an entitlement.
pub fn of_right(
    db: &mut Db,
    owner: Option<PartyId>,
    product: ProductId,
    entitlement: Option<EntitlementId>,
) -> Result<TierPolicy, StoreError> {
    let of_product = in_force(db, Subject::Product(product))?;
    let of_entitlement = match entitlement {
        Some(entitlement) => in_force(db, Subject::Entitlement(entitlement))?,
        None => None,
    };
    laid(db, owner, of_product.as_ref(), of_entitlement.as_ref())
}

/// What lies over the policy of an owner's tier for a right; what contradicts is left out.
pub(super) fn laid(
    db: &mut Db,
    owner: Option<PartyId>,
    product: Option<&Named>,
    entitlement: Option<&Named>,
) -> Result<TierPolicy, StoreError> {
    let tier = policy::of_tier(db, owner)?;
    let contract = match owner {
        Some(owner) => contract::named_of(db, owner)?,
        None => None,
    };
    let layers = Layers {
        product,
        contract: contract.as_ref(),
        entitlement,
    };
    let (policy, left_out) = layers.over(tier);
    for left_out in left_out {
        tracing::warn!(%left_out, "a policy is left out");
    }
    Ok(policy)
}

/// What became of terms that were put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// They are in force.
    InForce,
    /// They were already.
    Unchanged,
    /// It has had another policy of this reference: none is ever changed, since decisions name it.
    ReferenceTaken,
    /// As many entitlements as can have one have a policy of their own.
    TooMany,
    /// It does not go with what is in force beside it. The caller must undo the transaction.
    Contradicted(Contradicted),
}

/// What does not go with a policy that was just put in force, or came to lie over others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Contradicted(String);

impl Contradicted {
    fn new(whose: &str, left_out: &LeftOut) -> Self {
        Self(format!("{whose}: {left_out}"))
    }
}

/// Puts terms in force for a product or an entitlement; those before are retired.
pub fn put_in_force(
    db: &mut Db,
    subject: Subject,
    named: &Named,
    occasion: Occasion<'_>,
) -> Result<Put, StoreError> {
    let before = in_force(db, subject)?;
    if let Some(before) = &before
        && before.reference == named.reference
    {
        return Ok(match before.terms == named.terms {
            true => Put::Unchanged,
            false => Put::ReferenceTaken,
        });
    }
    let taken: i64 = on!(db, c => of_subject!(table::table, subject)
        .filter(table::reference.eq(&named.reference))
        .count()
        .get_result(c))?;
    if taken > 0 {
        return Ok(Put::ReferenceTaken);
    }
    if before.is_none() && matches!(subject, Subject::Entitlement(_)) {
        let there: i64 = on!(db, c => table::table
            .filter(table::state.eq(Code(PolicyState::Active)))
            .filter(table::entitlement_id.is_not_null())
            .count()
            .get_result(c))?;
        if there >= MOST {
            return Ok(Put::TooMany);
        }
    }
    retire(db, subject)?;
    insert(db, subject, named, occasion)?;
    let told = Event::new(EventKind::PolicyOverridden)
        .with("policy", named.reference.as_str())
        .with_some("before", before.map(|before| before.reference).as_deref())
        .with("rules", named.terms.json()?.as_str());
    tell(db, subject, told, occasion)?;
    Ok(match contradicted(db, Reach::of(subject))? {
        Some(contradicted) => Put::Contradicted(contradicted),
        None => Put::InForce,
    })
}

fn insert(
    db: &mut Db,
    subject: Subject,
    named: &Named,
    occasion: Occasion<'_>,
) -> Result<(), StoreError> {
    let (product, entitlement) = subject.columns();
    let row = (
        table::id.eq(id::fresh::<PolicyOverrideId>(occasion.at)),
        table::product_id.eq(product),
        table::entitlement_id.eq(entitlement),
        table::reference.eq(&named.reference),
        table::policy.eq(named.terms.json()?),
        table::state.eq(Code(PolicyState::Active)),
        table::created_at.eq(Micros(occasion.at)),
    );
    on!(db, c => diesel::insert_into(table::table).values(&row).execute(c))?;
    Ok(())
}

/// What became of a policy that was to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It has ended; what it was called.
    Ended(String),
    /// There was none.
    None,
    /// What lies over it does not go with what is below it. The caller must undo the transaction.
    Contradicted(Contradicted),
}

/// Ends what a product or an entitlement has of its own.
pub fn end(db: &mut Db, subject: Subject, occasion: Occasion<'_>) -> Result<Ended, StoreError> {
    let Some(before) = in_force(db, subject)? else {
        return Ok(Ended::None);
    };
    retire(db, subject)?;
    let told = Event::new(EventKind::PolicyOverridden).with("before", before.reference.as_str());
    tell(db, subject, told, occasion)?;
    Ok(match contradicted(db, Reach::of(subject))? {
        Some(contradicted) => Ended::Contradicted(contradicted),
        None => Ended::Ended(before.reference),
    })
}

/// Gives what is split off an entitlement its policy too.
pub fn copy(
    db: &mut Db,
    from: EntitlementId,
    to: EntitlementId,
    occasion: Occasion<'_>,
) -> Result<(), StoreError> {
    let Some(named) = in_force(db, Subject::Entitlement(from))? else {
        return Ok(());
    };
    // It is under what the other is under, so it goes with that as well.
    insert(db, Subject::Entitlement(to), &named, occasion)?;
    let told = Event::new(EventKind::PolicyOverridden)
        .with("policy", named.reference.as_str())
        .with("rules", named.terms.json()?.as_str());
    tell(db, Subject::Entitlement(to), told, occasion)
}

fn retire(db: &mut Db, subject: Subject) -> Result<(), StoreError> {
    let (product, entitlement) = subject.columns();
    on!(db, c => diesel::update(table::table)
        .filter(table::product_id.eq(product).or(table::entitlement_id.eq(entitlement)))
        .filter(table::state.eq(Code(PolicyState::Active)))
        .set(table::state.eq(Code(PolicyState::Retired)))
        .execute(c))?;
    Ok(())
}

fn tell(
    db: &mut Db,
    subject: Subject,
    told: Event,
    occasion: Occasion<'_>,
) -> Result<(), StoreError> {
    match subject {
        Subject::Product(product) => {
            let told = told.with("product", product);
            event::append(db, Stream::Catalogue, occasion, &[told])
        }
        Subject::Entitlement(entitlement) => {
            let mut told = told;
            told.entitlement = Some(entitlement);
            event::append(db, Stream::Entitlement(entitlement), occasion, &[told])
        }
    }
}

/// How far a policy that has just changed reaches.
#[derive(Clone, Copy, Debug)]
pub enum Reach<'a> {
    /// All parties of a tier.
    Tier(&'a str),
    /// One party.
    Party(PartyId),
    /// The rights to one product.
    Product(ProductId),
    /// One entitlement.
    Entitlement(EntitlementId),
}

impl Reach<'_> {
    const fn of(subject: Subject) -> Self {
        match subject {
            Subject::Product(id) => Self::Product(id),
            Subject::Entitlement(id) => Self::Entitlement(id),
        }
    }
}

/// The first policy within reach that does not go with those below it.
///
/// A contract that contradicts its party's tier alone, as after the party came there, is left out
/// anyway, and stands in the way of no product's policy.
pub fn contradicted(db: &mut Db, reach: Reach<'_>) -> Result<Option<Contradicted>, StoreError> {
    let overrides = all(db)?;
    let products: Vec<&Named> = match reach {
        Reach::Tier(_) | Reach::Party(_) => overrides.products.values().collect(),
        Reach::Product(id) => overrides.products.get(&id).into_iter().collect(),
        Reach::Entitlement(_) => Vec::new(),
    };
    let mut tiers = Tiers::default();
    let names = match reach {
        Reach::Tier(tier) => vec![tier.to_owned()],
        Reach::Product(_) => policy::tiers(db)?,
        Reach::Party(_) | Reach::Entitlement(_) => Vec::new(),
    };
    for name in names {
        for product in &products {
            let layers = Layers {
                product: Some(product),
                ..Layers::default()
            };
            if let Err(left_out) = layers.whole(tiers.of(db, Some(&name))?) {
                let whose = format!("in the tier {name}");
                return Ok(Some(Contradicted::new(&whose, &left_out)));
            }
        }
    }
    let is_strict = matches!(reach, Reach::Tier(_) | Reach::Party(_));
    let reaches_contracts = is_strict || !products.is_empty();
    let found = match reaches_contracts {
        true => contracts_within(db, reach)?,
        false => Vec::new(),
    };
    for of in found {
        let tier = tiers.of(db, of.tier.as_deref())?;
        let alone = Layers {
            contract: Some(&of.named),
            ..Layers::default()
        };
        let contradicted = |left_out| Ok(Some(Contradicted::new(&of.party, &left_out)));
        match alone.whole(tier.clone()) {
            Err(left_out) if is_strict => return contradicted(left_out),
            Err(_) => continue,
            Ok(_) => {}
        }
        for product in &products {
            let layers = Layers {
                product: Some(product),
                ..alone
            };
            if let Err(left_out) = layers.whole(tier.clone()) {
                return contradicted(left_out);
            }
        }
    }
    let mut contracts = HashMap::new();
    for right in rights_within(db, reach)? {
        let Some(own) = overrides.entitlements.get(&right.id) else {
            continue;
        };
        let contract = match right.owner {
            Some(owner) => match contracts.entry(owner) {
                std::collections::hash_map::Entry::Occupied(known) => &*known.into_mut(),
                std::collections::hash_map::Entry::Vacant(new) => {
                    &*new.insert(contract::named_of(db, owner)?)
                }
            },
            None => &None,
        };
        let layers = Layers {
            product: overrides.products.get(&right.product),
            contract: contract.as_ref(),
            entitlement: Some(own),
        };
        let (_, left_out) = layers.over(tiers.of(db, right.tier.as_deref())?);
        let own = left_out
            .into_iter()
            .find(|out| out.layer == Layer::Entitlement);
        if let Some(left_out) = own {
            return Ok(Some(Contradicted::new(&right.reference, &left_out)));
        }
    }
    Ok(None)
}

/// Policies of tiers, read once.
#[derive(Default)]
struct Tiers(HashMap<Option<String>, TierPolicy>);

impl Tiers {
    /// Of a tier, or of whoever has none, or one without a policy.
    fn of(&mut self, db: &mut Db, tier: Option<&str>) -> Result<TierPolicy, StoreError> {
        let key = tier.map(str::to_owned);
        if let Some(known) = self.0.get(&key) {
            return Ok(known.clone());
        }
        let found = match tier {
            Some(tier) => policy::in_force(db, tier)?,
            None => None,
        };
        let read = match found {
            Some(version) => version.policy()?,
            None => policy::of_tier(db, None)?,
        };
        self.0.insert(key, read.clone());
        Ok(read)
    }
}

/// A contract in force, and of whom.
struct OfContract {
    party: String,
    tier: Option<String>,
    named: Named,
}

fn contracts_within(db: &mut Db, reach: Reach<'_>) -> Result<Vec<OfContract>, StoreError> {
    let found: Vec<(String, Option<String>, String, Option<String>)> = on!(db, c => {
        let mut query = contracts::table
            .inner_join(parties::table)
            .filter(contracts::state.eq(Code(ContractState::Active)))
            .filter(contracts::policy.is_not_null())
            .order(contracts::reference)
            .select((
                parties::name,
                parties::tier,
                contracts::reference,
                contracts::policy,
            ))
            .into_boxed();
        query = match reach {
            Reach::Party(party) => query.filter(contracts::party_id.eq(Octets(party))),
            Reach::Tier(tier) if tier == fleetgrant_core::tier::DEFAULT_TIER => {
                query.filter(parties::tier.eq(tier).or(parties::tier.is_null()))
            }
            Reach::Tier(tier) => query.filter(parties::tier.eq(tier)),
            Reach::Product(_) | Reach::Entitlement(_) => query,
        };
        query.load(c)
    })?;
    let mut all = Vec::with_capacity(found.len());
    for (party, tier, reference, terms) in found {
        // What cannot be read decides nothing.
        if let Some(Ok(terms)) = terms.as_deref().map(Terms::parse) {
            let named = Named { reference, terms };
            all.push(OfContract { party, tier, named });
        }
    }
    Ok(all)
}

/// An entitlement that has a policy of its own.
struct Right {
    id: EntitlementId,
    reference: String,
    product: ProductId,
    owner: Option<PartyId>,
    tier: Option<String>,
}

fn rights_within(db: &mut Db, reach: Reach<'_>) -> Result<Vec<Right>, StoreError> {
    type Found = (
        Octets<EntitlementId>,
        String,
        Octets<ProductId>,
        Option<Octets<PartyId>>,
        Option<String>,
    );
    let found: Vec<Found> = on!(db, c => {
        let own = table::table
            .filter(table::state.eq(Code(PolicyState::Active)))
            .filter(table::entitlement_id.is_not_null())
            .select(table::entitlement_id.assume_not_null());
        let mut query = entitlements::table
            .left_join(parties::table)
            .filter(entitlements::id.eq_any(own))
            .order(entitlements::reference)
            .select((
                entitlements::id,
                entitlements::reference,
                entitlements::product_id,
                entitlements::owner_id,
                parties::tier.nullable(),
            ))
            .into_boxed();
        query = match reach {
            Reach::Tier(tier) if tier == fleetgrant_core::tier::DEFAULT_TIER => {
                query.filter(parties::tier.eq(tier).or(parties::tier.is_null()))
            }
            Reach::Tier(tier) => query.filter(parties::tier.eq(tier)),
            Reach::Party(party) => query.filter(entitlements::owner_id.eq(Octets(party))),
            Reach::Product(product) => query.filter(entitlements::product_id.eq(Octets(product))),
            Reach::Entitlement(id) => query.filter(entitlements::id.eq(Octets(id))),
        };
        query.load(c)
    })?;
    let found = found.into_iter();
    Ok(found
        .map(|(id, reference, product, owner, tier)| Right {
            id: id.0,
            reference,
            product: product.0,
            owner: owner.map(|owner| owner.0),
            tier,
        })
        .collect())
}

#[cfg(test)]
mod tests;
