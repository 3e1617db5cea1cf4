//! Activation codes that a decision looks at, and the uses it takes.

use diesel::prelude::*;
use fleetgrant_core::ask::Want;
use fleetgrant_core::domain::{CodeId, EntitlementId, PartyId, Timestamp};
use fleetgrant_core::entitlement::Code as ActivationCode;
use fleetgrant_core::outcome::CodeChange;
use fleetgrant_schemas::code::CodeKey;

use super::unsigned;
use crate::store::column::{Micros, Octets};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::schema::activation_codes;

pub(super) fn codes(db: &mut Db, wants: &[Want]) -> Result<Vec<ActivationCode>, StoreError> {
    type Found = (
        Octets<[u8; 32]>,
        Octets<EntitlementId>,
        i64,
        i64,
        i64,
        Option<Micros>,
        i16,
        i64,
        Option<Octets<PartyId>>,
    );
    let mut codes = Vec::new();
    for want in wants {
        let Want::Code { id, .. } = want else {
            continue;
        };
        let found: Option<Found> = on!(db, c => activation_codes::table
            .find(Octets(*id))
            .select((
                activation_codes::hmac_key,
                activation_codes::entitlement_id,
                activation_codes::units,
                activation_codes::uses,
                activation_codes::used,
                activation_codes::expires_at,
                activation_codes::state,
                activation_codes::failures,
                activation_codes::partner_id,
            ))
            .first(c)
            .optional())?;
        let Some((key, entitlement, units, uses, used, expires_at, state, failures, partner)) =
            found
        else {
            continue;
        };
        codes.push(ActivationCode {
            id: *id,
            key: CodeKey(key.0),
            entitlement: entitlement.0,
            units: unsigned("units", units)?,
            uses_left: unsigned("uses", uses - used)?,
            expires_at: expires_at.map(|at| at.0),
            void: state == VOID,
            failures: unsigned("failures", failures.min(u16::MAX.into()))?,
            partner: partner.map(|partner| partner.0),
        });
    }
    Ok(codes)
}

/// States of an activation code: free, partly used, used, void.
const PARTLY_USED: i16 = 2;

const USED: i16 = 3;

const VOID: i16 = 4;

/// Takes uses, or counts wrong proofs; false if the uses are not there.
pub(super) fn apply_code(
    db: &mut Db,
    id: CodeId,
    change: &CodeChange,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row = activation_codes::table.find(Octets(id));
    if change.failures > 0 {
        on!(db, c => diesel::update(row)
            .set((
                activation_codes::failures.eq(activation_codes::failures + i64::from(change.failures)),
                activation_codes::failed_at.eq(Micros(now)),
            ))
            .execute(c))?;
    }
    if change.uses == 0 {
        return Ok(true);
    }
    let uses = i64::from(change.uses);
    let taken = on!(db, c => diesel::update(row)
        .filter((activation_codes::used + uses).le(activation_codes::uses))
        .filter(activation_codes::state.ne(VOID))
        .set((
            activation_codes::used.eq(activation_codes::used + uses),
            activation_codes::state.eq(PARTLY_USED),
        ))
        .execute(c))?;
    on!(db, c => diesel::update(row)
        .filter(activation_codes::used.eq(activation_codes::uses))
        .set(activation_codes::state.eq(USED))
        .execute(c))?;
    Ok(taken == 1)
}
