//! Policies that lie over those of tiers, of products, entitlements and contracts in one list.

use diesel::prelude::*;
use fleetgrant_core::domain::{
    ContractState, EntitlementId, PartyId, PolicyOverrideId, PolicyState, ProductLineId,
};
use fleetgrant_core::tier::Layer;

use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::listing::contract::{ContractFilter, ContractRow, ContractSort, contracts};
use crate::store::listing::part::{Part, Place, Placed, Sort, sorts};
use crate::store::schema::{entitlements, parties, policy_overrides, products};

diesel::alias!(products as given: Given);

/// Which policies that lie over those of tiers.
#[derive(Clone, Debug, Default)]
pub struct PolicyOverrideFilter {
    /// Those of this kind.
    pub layer: Option<Layer>,
    /// Those of contracts of these parties, and of entitlements that they own.
    pub parties: Option<Vec<PartyId>>,
    /// Those of the product of this code, and of entitlements to it.
    pub product: Option<String>,
    /// Those in this state.
    pub state: Option<PolicyState>,
    /// Those of products of this product line and of all, of entitlements to its products, and of
    /// contracts of parties that own something of it, which is all that the caller sees.
    pub within: Option<ProductLineId>,
    /// In which order, and which part.
    pub part: Part<PolicyOverrideSort>,
}

sorts!(
    /// What policies that lie over those of tiers can be ordered by.
    pub PolicyOverrideSort {
        Id = "id" [Octets "policy_overrides.id"],
    }
);

/// A policy that lies over those of tiers.
#[derive(Clone, Debug)]
pub struct PolicyOverrideRow {
    /// Its id: that of the contract, if it is of one.
    pub id: Octets<PolicyOverrideId>,
    /// What it is of.
    pub of: OverrideOf,
    /// What people call it.
    pub reference: String,
    /// What it says, in JSON.
    pub policy: String,
    /// Where it stands.
    pub state: PolicyState,
    /// When it was put in force.
    pub created_at: Micros,
}

/// What a policy is of that lies over those of tiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverrideOf {
    /// The rights to the product of this code.
    Product(String),
    /// One entitlement.
    Entitlement {
        /// Its id.
        id: EntitlementId,
        /// What a system calls it.
        reference: String,
        /// The code of its product.
        product: String,
        /// The id of its owner, and the owner's name.
        owner: Option<(PartyId, String)>,
    },
    /// A party's contract.
    Contract {
        /// The id of the party.
        party: PartyId,
        /// Its name.
        name: String,
    },
}

/// Up to `limit` policies that lie over those of tiers.
pub fn policy_overrides(
    db: &mut Db,
    filter: &PolicyOverrideFilter,
    limit: i64,
) -> Result<Vec<PolicyOverrideRow>, StoreError> {
    let mut rows = match filter.layer {
        Some(Layer::Contract) => Vec::new(),
        _ => of_one_right(db, filter, limit)?,
    };
    if filter.may_be_of_contracts() {
        rows.extend(of_contracts(db, filter, limit)?);
        rows.sort_by_key(|row| row.id);
        if filter.part.sort.descending {
            rows.reverse();
        }
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    Ok(rows)
}

impl PolicyOverrideFilter {
    /// A contract is of no product, and never a draft.
    fn may_be_of_contracts(&self) -> bool {
        matches!(self.layer, None | Some(Layer::Contract))
            && self.product.is_none()
            && self.state != Some(PolicyState::Draft)
    }
}

#[derive(Queryable)]
struct Own {
    id: Octets<PolicyOverrideId>,
    reference: String,
    policy: String,
    state: Code<PolicyState>,
    created_at: Micros,
    product: Option<String>,
    entitlement: Option<(Octets<EntitlementId>, String)>,
    given: Option<String>,
    owner: Option<(Octets<PartyId>, String)>,
}

/// Those of products and entitlements.
fn of_one_right(
    db: &mut Db,
    filter: &PolicyOverrideFilter,
    limit: i64,
) -> Result<Vec<PolicyOverrideRow>, StoreError> {
    let rows: Vec<Own> = on!(db, c => {
        let mut query = policy_overrides::table
            .left_join(products::table.on(
                products::id.nullable().eq(policy_overrides::product_id),
            ))
            .left_join(entitlements::table.on(
                entitlements::id.nullable().eq(policy_overrides::entitlement_id),
            ))
            .left_join(given.on(
                given.field(products::id).nullable().eq(entitlements::product_id.nullable()),
            ))
            .left_join(parties::table.on(
                parties::id.nullable().eq(entitlements::owner_id.nullable()),
            ))
            .select((
                policy_overrides::id,
                policy_overrides::reference,
                policy_overrides::policy,
                policy_overrides::state,
                policy_overrides::created_at,
                products::code.nullable(),
                (entitlements::id, entitlements::reference).nullable(),
                given.field(products::code).nullable(),
                (parties::id, parties::name).nullable(),
            ))
            .limit(limit)
            .into_boxed()
            .order(filter.part.order());
        match filter.layer {
            Some(Layer::Product) => {
                query = query.filter(policy_overrides::product_id.is_not_null());
            }
            Some(Layer::Entitlement) => {
                query = query.filter(policy_overrides::entitlement_id.is_not_null());
            }
            Some(Layer::Contract) | None => {}
        }
        if let Some(parties) = &filter.parties {
            let parties: Vec<_> = parties.iter().copied().map(Octets).collect();
            query = query.filter(parties::id.nullable().eq_any(parties));
        }
        if let Some(code) = &filter.product {
            query = query.filter(
                products::code
                    .nullable()
                    .eq(code)
                    .or(given.field(products::code).nullable().eq(code)),
            );
        }
        if let Some(state) = filter.state {
            query = query.filter(policy_overrides::state.eq(Code(state)));
        }
        if let Some(line) = filter.within {
            let line = Octets(line);
            let of_products = policy_overrides::product_id.is_not_null().and(
                products::product_line_id
                    .nullable()
                    .is_null()
                    .or(products::product_line_id.nullable().eq(line)),
            );
            let of_entitlements = given.field(products::product_line_id).nullable().eq(line);
            query = query.filter(of_products.or(of_entitlements));
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?;
    rows.into_iter().map(PolicyOverrideRow::try_from).collect()
}

/// Those of contracts that say something of policy.
fn of_contracts(
    db: &mut Db,
    filter: &PolicyOverrideFilter,
    limit: i64,
) -> Result<Vec<PolicyOverrideRow>, StoreError> {
    let sort = Sort {
        by: ContractSort::Id,
        descending: filter.part.sort.descending,
    };
    let filter = ContractFilter {
        parties: filter.parties.clone(),
        state: match filter.state {
            None => None,
            Some(PolicyState::Active) => Some(ContractState::Active),
            Some(PolicyState::Draft | PolicyState::Retired) => Some(ContractState::Ended),
        },
        has_terms: true,
        within: filter.within,
        part: match filter.part.place() {
            Some(place) => Part::after(sort, place.clone()),
            None => Part::new(sort, None).unwrap_or_default(),
        },
        ..ContractFilter::default()
    };
    let rows = contracts(db, &filter, limit)?.into_iter();
    Ok(rows.filter_map(PolicyOverrideRow::of_contract).collect())
}

impl TryFrom<Own> for PolicyOverrideRow {
    type Error = StoreError;

    fn try_from(row: Own) -> Result<Self, StoreError> {
        let of = match (row.product, row.entitlement, row.given) {
            (Some(code), ..) => OverrideOf::Product(code),
            (None, Some((id, reference)), Some(product)) => OverrideOf::Entitlement {
                id: id.0,
                reference,
                product,
                owner: row.owner.map(|(id, name)| (id.0, name)),
            },
            _ => {
                let told = format!("policy override {}: it is of nothing", row.reference);
                return Err(StoreError::Corrupt(told));
            }
        };
        Ok(Self {
            id: row.id,
            of,
            reference: row.reference,
            policy: row.policy,
            state: row.state.0,
            created_at: row.created_at,
        })
    }
}

impl PolicyOverrideRow {
    fn of_contract(row: ContractRow) -> Option<Self> {
        Some(Self {
            id: Octets(PolicyOverrideId(row.id.0.0)),
            of: OverrideOf::Contract {
                party: row.party_id.0,
                name: row.party,
            },
            reference: row.reference,
            policy: row.policy?,
            state: match row.state.0 {
                ContractState::Active => PolicyState::Active,
                ContractState::Ended => PolicyState::Retired,
            },
            created_at: row.created_at,
        })
    }
}

impl Placed for PolicyOverrideRow {
    type By = PolicyOverrideSort;

    fn place(&self, by: PolicyOverrideSort) -> Place {
        match by {
            PolicyOverrideSort::Id => [self.id.into()].into(),
        }
    }
}
