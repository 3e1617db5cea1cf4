//! Activation codes. Of the secret half only its hash is kept.

use std::collections::BTreeMap;

use diesel::prelude::*;
use fleetgrant_core::domain::{CodeState, EntitlementId, PartyId};
use fleetgrant_schemas::code::CodeKey;
use fleetgrant_schemas::id::CodeId;

use super::column::{Code, Micros, Octets};
use super::schema::{activation_codes as table, entitlements, parties};
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

/// How often a code was used, and nobody's name but the partner's.
#[derive(Clone, Debug, Queryable)]
pub struct Use {
    /// The codes it was made with.
    pub pack: String,
    /// Who hands it out.
    pub partner: Option<String>,
    /// What it gives units of.
    pub entitlement: String,
    /// Units a use gives.
    pub units: i64,
    /// How often it can be used.
    pub uses: i64,
    /// How often it was.
    pub used: i64,
}

/// The use of every code, or of those that these partners hand out.
pub fn uses(db: &mut Db, partners: Option<&[PartyId]>) -> Result<Vec<Use>, StoreError> {
    Ok(on!(db, c => {
        let mut query = table::table
            .inner_join(entitlements::table)
            .left_join(parties::table.on(parties::id.nullable().eq(table::partner_id)))
            .select((
                table::pack,
                parties::name.nullable(),
                entitlements::reference,
                table::units,
                table::uses,
                table::used,
            ))
            .into_boxed();
        if let Some(partners) = partners {
            let partners: Vec<_> = partners.iter().copied().map(Octets).collect();
            query = query.filter(table::partner_id.eq_any(partners));
        }
        query.load(c)
    })?)
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
    /// Codes in it.
    pub codes: u64,
    /// How often they can be used, together.
    pub uses: i64,
    /// How often they were.
    pub used: i64,
    /// Units that went out with that.
    pub units_used: i64,
}

/// Every pack, or those that these partners hand out; by name.
pub fn packs(db: &mut Db, partners: Option<&[PartyId]>) -> Result<Vec<Pack>, StoreError> {
    let mut packs: BTreeMap<_, Pack> = BTreeMap::new();
    for code in uses(db, partners)? {
        let key = (code.pack.clone(), code.entitlement.clone());
        let pack = packs.entry(key).or_insert_with(|| Pack {
            pack: code.pack,
            partner: code.partner,
            entitlement: code.entitlement,
            codes: 0,
            uses: 0,
            used: 0,
            units_used: 0,
        });
        pack.codes += 1;
        pack.uses += code.uses;
        pack.used += code.used;
        pack.units_used += code.used * code.units;
    }
    Ok(packs.into_values().collect())
}
