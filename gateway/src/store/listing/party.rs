//! Customers, partners and contract manufacturers.

use diesel::dsl::exists;
use diesel::prelude::*;
use fleetgrant_core::domain::{PartyId, PartyKind, PartyState, ProductLineId};

use crate::store::column::{Code, Octets};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::listing::part::{Part, Place, Placed, sorts};
use crate::store::listing::small;
use crate::store::party::Party;
use crate::store::schema::{devices, entitlements, parties, party_external_ids, products};

/// Which parties.
#[derive(Clone, Debug, Default)]
pub struct PartyFilter {
    /// This one.
    pub id: Option<PartyId>,
    /// Those that are this to the maker.
    pub kind: Option<PartyKind>,
    /// Those in this state.
    pub state: Option<PartyState>,
    /// Those of this tier.
    pub tier: Option<String>,
    /// Those of this name.
    pub name: Option<String>,
    /// Those that some system calls by this id.
    pub external_id: Option<String>,
    /// Those that own a device or an entitlement of this product line, which is all that the caller
    /// sees.
    pub within: Option<ProductLineId>,
    /// In which order, and which part.
    pub part: Part<PartySort>,
}

sorts!(
    /// What parties can be ordered by.
    pub PartySort {
        Id = "id" [Octets "parties.id"],
        Name = "name" [Text "parties.name", Octets "parties.id"],
        ChangedAt = "changed_at" [Number "parties.changed_at", Octets "parties.id"],
    }
);

/// Up to `limit` parties.
pub fn parties(db: &mut Db, filter: &PartyFilter, limit: i64) -> Result<Vec<Party>, StoreError> {
    let is_of_one = filter.id.is_some() || filter.name.is_some() || filter.external_id.is_some();
    let few = match is_of_one {
        true => None,
        false => small::owners(db, filter.within)?,
    };
    Ok(on!(db, c => {
        let mut query = parties::table
            .select(Party::as_select())
            .limit(limit)
            .into_boxed()
            .order(filter.part.order());
        if let Some(id) = filter.id {
            query = query.filter(parties::id.eq(Octets(id)));
        }
        if let Some(kind) = filter.kind {
            query = query.filter(parties::kind.eq(Code(kind)));
        }
        if let Some(state) = filter.state {
            query = query.filter(parties::state.eq(Code(state)));
        }
        if let Some(tier) = &filter.tier {
            query = query.filter(parties::tier.eq(tier));
        }
        if let Some(name) = &filter.name {
            query = query.filter(parties::name.eq(name));
        }
        if let Some(external_id) = &filter.external_id {
            let called = party_external_ids::table
                .filter(party_external_ids::external_id.eq(external_id))
                .select(party_external_ids::party_id);
            query = query.filter(parties::id.eq_any(called));
        }
        if let Some(few) = few {
            query = query.filter(parties::id.eq_any(few));
        }
        if let Some(line) = filter.within {
            let own_devices = devices::table
                .filter(devices::owner_id.eq(parties::id.nullable()))
                .filter(devices::product_line_id.eq(Octets(line)));
            let own_entitlements = entitlements::table
                .inner_join(products::table)
                .filter(entitlements::owner_id.eq(parties::id.nullable()))
                .filter(products::product_line_id.eq(Octets(line)));
            query = query.filter(exists(own_devices).or(exists(own_entitlements)));
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

impl Placed for Party {
    type By = PartySort;

    fn place(&self, by: PartySort) -> Place {
        match by {
            PartySort::Id => [self.id.into()].into(),
            PartySort::Name => [(&self.name).into(), self.id.into()].into(),
            PartySort::ChangedAt => [self.changed_at.into(), self.id.into()].into(),
        }
    }
}
