//! Contracts of parties, those that have ended too.

use diesel::dsl::exists;
use diesel::prelude::*;
use fleetgrant_core::domain::{ContractId, ContractState, PartyId, ProductLineId};

use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::listing::part::{Part, Place, Placed, Unsortable, sorts};
use crate::store::listing::small;
use crate::store::schema::{contracts, devices, entitlements, parties, products};

/// Which contracts.
#[derive(Clone, Debug, Default)]
pub struct ContractFilter {
    /// Those of these parties.
    pub parties: Option<Vec<PartyId>>,
    /// Those of parties of this tier.
    pub tier: Option<String>,
    /// Those that are called so.
    pub reference: Option<String>,
    /// Those in this state.
    pub state: Option<ContractState>,
    /// Only those that say something of policy.
    pub has_terms: bool,
    /// Those of parties that own a device or an entitlement of this product line, which is all that the
    /// caller sees.
    pub within: Option<ProductLineId>,
    /// In which order, and which part.
    pub part: Part<ContractSort>,
}

sorts!(
    /// What contracts can be ordered by.
    pub ContractSort {
        Id = "id" [Octets "contracts.id"],
        Reference = "reference" [Text "contracts.reference", Octets "contracts.id"],
    }
);

impl ContractFilter {
    /// Whether it is of one party or of one name.
    const fn is_of_few(&self) -> bool {
        self.parties.is_some() || self.reference.is_some()
    }

    /// Whether its rows can come in the order that is asked for.
    ///
    /// # Errors
    /// They would have to be sorted, and may be many.
    pub fn check(&self) -> Result<(), Unsortable> {
        if self.is_of_few() {
            return Ok(());
        }
        self.part.check(&[("state", self.state.is_some())])
    }
}

/// A contract.
#[derive(Clone, Debug, Queryable)]
pub struct ContractRow {
    /// Its id.
    pub id: Octets<ContractId>,
    /// What people call it.
    pub reference: String,
    /// The id of whose it is.
    pub party_id: Octets<PartyId>,
    /// Its name.
    pub party: String,
    /// Its tier, which the contract lies over.
    pub tier: Option<String>,
    /// Where it stands.
    pub state: Code<ContractState>,
    /// What it says of policy, in JSON; none, if it says nothing of that.
    pub policy: Option<String>,
    /// When what is bought under it ends.
    pub coterm_at: Option<Micros>,
    /// When it was put in force.
    pub created_at: Micros,
}

/// Up to `limit` contracts.
pub fn contracts(
    db: &mut Db,
    filter: &ContractFilter,
    limit: i64,
) -> Result<Vec<ContractRow>, StoreError> {
    let few = match filter.is_of_few() {
        true => None,
        false => small::owners(db, filter.within)?,
    };
    Ok(on!(db, c => {
        let mut query = contracts::table
            .inner_join(parties::table)
            .select((
                contracts::id,
                contracts::reference,
                contracts::party_id,
                parties::name,
                parties::tier,
                contracts::state,
                contracts::policy,
                contracts::coterm_at,
                contracts::created_at,
            ))
            .limit(limit)
            .into_boxed()
            .order(filter.part.order());
        if let Some(parties) = &filter.parties {
            let parties: Vec<_> = parties.iter().copied().map(Octets).collect();
            query = query.filter(contracts::party_id.eq_any(parties));
        }
        if let Some(tier) = &filter.tier {
            query = query.filter(parties::tier.eq(tier));
        }
        if let Some(reference) = &filter.reference {
            query = query.filter(contracts::reference.eq(reference));
        }
        if let Some(state) = filter.state {
            query = query.filter(contracts::state.eq(Code(state)));
        }
        if filter.has_terms {
            query = query.filter(contracts::policy.is_not_null());
        }
        if let Some(few) = few {
            query = query.filter(contracts::party_id.eq_any(few));
        }
        if let Some(line) = filter.within {
            let own_devices = devices::table
                .filter(devices::owner_id.eq(contracts::party_id.nullable()))
                .filter(devices::product_line_id.eq(Octets(line)));
            let own_entitlements = entitlements::table
                .inner_join(products::table)
                .filter(entitlements::owner_id.eq(contracts::party_id.nullable()))
                .filter(products::product_line_id.eq(Octets(line)));
            query = query.filter(exists(own_devices).or(exists(own_entitlements)));
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

impl Placed for ContractRow {
    type By = ContractSort;

    fn place(&self, by: ContractSort) -> Place {
        match by {
            ContractSort::Id => [self.id.into()].into(),
            ContractSort::Reference => [(&self.reference).into(), self.id.into()].into(),
        }
    }
}
