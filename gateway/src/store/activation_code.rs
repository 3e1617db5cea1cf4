//! Activation codes. Of the secret half only its hash is kept.

pub mod single;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use diesel::dsl::{count_star, exists};
use diesel::prelude::*;
use fleetgrant_core::domain::{CodeState, EntitlementId, PartyId, ProductLineId};
use fleetgrant_schemas::code::CodeKey;
use fleetgrant_schemas::id::CodeId;

use super::column::{Code, Micros, Octets};
use super::listing::part::{Part, Place, Placed, sorts};
use super::schema::{activation_codes as table, entitlements, parties, products};
use super::{Db, StoreError};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
pub struct ActivationCode {
    /// Its public half.
    pub id: Octets<CodeId>,
    /// SHA-256 of its secret half.
    pub hmac_key: Octets<CodeKey>,
    /// What it gives units of.
    pub entitlement_id: Octets<EntitlementId>,
    /// Units a use gives.
    pub units: i64,
    /// How often it can be used.
    pub uses: i64,
    /// How often it was.
    pub used: i64,
    /// Wrong proofs so far.
    pub failures: i64,
    /// When the last of them was.
    pub failed_at: Option<Micros>,
    /// Who hands it out.
    pub partner_id: Option<Octets<PartyId>>,
    /// The codes it was made with.
    pub pack: String,
    /// From here on it gives nothing.
    pub expires_at: Option<Micros>,
    /// Where it stands.
    pub state: Code<CodeState>,
    /// When it was made.
    pub created_at: Micros,
}

/// The code of this id.
pub fn find(db: &mut Db, id: CodeId) -> Result<Option<ActivationCode>, StoreError> {
    Ok(on!(db, c => table::table
        .find(Octets(id))
        .select(ActivationCode::as_select())
        .first(c)
        .optional())?)
}

/// The codes of a pack.
pub fn of_pack(db: &mut Db, pack: &str) -> Result<Vec<ActivationCode>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::pack.eq(pack))
        .order(table::id)
        .select(ActivationCode::as_select())
        .load(c))?)
}

/// Adds a code.
pub fn insert(db: &mut Db, code: &ActivationCode) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(table::table).values(code).execute(c))?;
    Ok(())
}

/// What became of the codes of a pack that give units of one entitlement.
#[derive(Clone, Debug)]
pub struct Pack {
    /// What it is called.
    pub pack: String,
    /// Who hands it out.
    pub partner: Option<String>,
    /// What it gives units of.
    pub entitlement: String,
    /// The id of that.
    pub entitlement_id: EntitlementId,
    /// Codes in it.
    pub codes: u64,
    /// How often they can be used, together.
    pub uses: i64,
    /// How often they were.
    pub used: i64,
    /// How often they can be used still.
    pub left: i64,
    /// Codes whose uses that were left nobody can redeem any more.
    pub void: u64,
    /// Units that went out with what was used.
    pub units_used: i64,
}

sorts!(
    /// What packs can be ordered by.
    pub PackSort {
        Name = "pack" [Text "activation_codes.pack", Octets "activation_codes.entitlement_id"],
    }
);

impl Placed for Pack {
    type By = PackSort;

    fn place(&self, by: PackSort) -> Place {
        match by {
            PackSort::Name => [(&self.pack).into(), Octets(self.entitlement_id).into()].into(),
        }
    }
}

/// Up to `limit` packs, or those that these partners hand out, or that give units of products of this
/// product line.
pub fn packs(
    db: &mut Db,
    partners: Option<&[PartyId]>,
    within: Option<ProductLineId>,
    part: &Part<PackSort>,
    limit: i64,
) -> Result<Vec<Pack>, StoreError> {
    let places = places(db, partners, within, part, limit)?;
    let alike = alike(db, partners, &places)?;
    let of: Vec<_> = places.iter().map(|(_, id)| *id).collect();
    let references: HashMap<Octets<EntitlementId>, String> = on!(db, c => entitlements::table
        .filter(entitlements::id.eq_any(&of))
        .select((entitlements::id, entitlements::reference))
        .load::<(Octets<EntitlementId>, String)>(c))?
    .into_iter()
    .collect();
    let by: Vec<_> = alike.iter().filter_map(|row| row.partner).collect();
    let names: HashMap<Octets<PartyId>, String> = on!(db, c => parties::table
        .filter(parties::id.eq_any(&by))
        .select((parties::id, parties::name))
        .load::<(Octets<PartyId>, String)>(c))?
    .into_iter()
    .collect();
    let mut packs: BTreeMap<_, Pack> = BTreeMap::new();
    for row in alike {
        let place = (row.pack.clone(), row.entitlement_id);
        let pack = packs.entry(place).or_insert_with(|| Pack {
            entitlement: references
                .get(&row.entitlement_id)
                .cloned()
                .unwrap_or_default(),
            entitlement_id: row.entitlement_id.0,
            partner: row.partner.and_then(|id| names.get(&id).cloned()),
            pack: row.pack,
            codes: 0,
            uses: 0,
            used: 0,
            left: 0,
            void: 0,
            units_used: 0,
        });
        if row.state.0 == CodeState::Void {
            pack.void += row.codes.unsigned_abs();
        } else {
            pack.left += row.codes * (row.uses - row.used);
        }
        pack.codes += row.codes.unsigned_abs();
        pack.uses += row.codes * row.uses;
        pack.used += row.codes * row.used;
        pack.units_used += row.codes * row.used * row.units;
    }
    let packs = packs.into_values();
    Ok(if part.sort.descending {
        packs.rev().collect()
    } else {
        packs.collect()
    })
}

/// Packs, each with what it gives units of.
fn places(
    db: &mut Db,
    partners: Option<&[PartyId]>,
    within: Option<ProductLineId>,
    part: &Part<PackSort>,
    limit: i64,
) -> Result<Vec<(String, Octets<EntitlementId>)>, StoreError> {
    Ok(on!(db, c => {
        let mut query = table::table
            .select((table::pack, table::entitlement_id))
            .distinct()
            .limit(limit)
            .into_boxed()
            .order(part.order());
        if let Some(partners) = partners {
            let partners: Vec<_> = partners.iter().copied().map(Octets).collect();
            query = query.filter(table::partner_id.eq_any(partners));
        }
        if let Some(line) = within {
            query = query.filter(exists(
                entitlements::table
                    .inner_join(products::table)
                    .filter(entitlements::id.eq(table::entitlement_id))
                    .filter(products::product_line_id.eq(Octets(line))),
            ));
        }
        if let Some(beyond) = part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

/// Codes of a pack that stand alike.
#[derive(Queryable)]
struct Alike {
    pack: String,
    entitlement_id: Octets<EntitlementId>,
    partner: Option<Octets<PartyId>>,
    units: i64,
    uses: i64,
    used: i64,
    state: Code<CodeState>,
    codes: i64,
}

/// How many codes of these packs stand alike. What they sum up to is added by the caller: the
/// databases differ in what a SUM of BIGINT is.
fn alike(
    db: &mut Db,
    partners: Option<&[PartyId]>,
    places: &[(String, Octets<EntitlementId>)],
) -> Result<Vec<Alike>, StoreError> {
    let packs: BTreeSet<_> = places.iter().map(|(pack, _)| pack).collect();
    let found: Vec<Alike> = on!(db, c => {
        let mut query = table::table
            .group_by((
                table::pack,
                table::entitlement_id,
                table::partner_id,
                table::units,
                table::uses,
                table::used,
                table::state,
            ))
            .select((
                table::pack,
                table::entitlement_id,
                table::partner_id,
                table::units,
                table::uses,
                table::used,
                table::state,
                count_star(),
            ))
            .filter(table::pack.eq_any(&packs))
            .into_boxed();
        if let Some(partners) = partners {
            let partners: Vec<_> = partners.iter().copied().map(Octets).collect();
            query = query.filter(table::partner_id.eq_any(partners));
        }
        query.load(c)
    })?;
    // A page may end in the middle of a pack.
    let places: HashSet<_> = places
        .iter()
        .map(|(pack, id)| (pack.as_str(), *id))
        .collect();
    let is_of_page = |row: &Alike| places.contains(&(row.pack.as_str(), row.entitlement_id));
    Ok(found.into_iter().filter(is_of_page).collect())
}
