//! What parties own.

use diesel::prelude::*;
use fleetgrant_core::credit::Stock;
use fleetgrant_core::domain::{
    ActivationId, ActivationKind, ActivationState, EntitlementId, EntitlementState, Holds,
    LicenseModel, LicenseModelId, OrderLineId, PartyId, ProductId, Purpose, Scope, Source,
    StartBasis, Timestamp,
};
use fleetgrant_core::lifecycle::Posture;

use super::column::{Code, Micros, Octets};
use super::condition::HoldsUnits;
use super::schema::{activations, entitlements as table};
use super::{Db, StoreError, conversation};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = table, treat_none_as_null = true)]
pub struct Entitlement {
    /// Its id.
    pub id: Octets<EntitlementId>,
    /// The system that made it, or whose order did.
    pub system: String,
    /// What that system calls it.
    pub reference: String,
    /// Who owns it; none if it was sold by codes to nobody known yet.
    pub owner_id: Option<Octets<PartyId>>,
    /// What is licensed.
    pub product_id: Octets<ProductId>,
    /// Under which model.
    pub license_model_id: Octets<LicenseModelId>,
    /// The order line it came from.
    pub order_line_id: Option<Octets<OrderLineId>>,
    /// Where it stands.
    pub state: Code<EntitlementState>,
    /// Where it comes from.
    pub source: Code<Source>,
    /// What it is for.
    pub purpose: Code<Purpose>,
    /// What it covers.
    pub scope: Code<Scope>,
    /// The built-in model devices are told.
    pub model_kind: Code<LicenseModel>,
    /// The rules it was sold under, in JSON.
    pub model_rules: String,
    /// Seconds an activation goes on after its end, of the rules.
    pub grace_seconds: i64,
    /// Whether units are not counted.
    pub unlimited: bool,
    /// Units it has.
    pub units: i64,
    /// Units beyond them that policy allows.
    pub overdraft: i64,
    /// Units that activations hold now.
    pub live_units: i64,
    /// Units that were credited while in use; the next ones freed are lost to it.
    pub pending_credit: i64,
    /// What one device draws when it names no number.
    pub units_per_device: i64,
    /// When its term starts.
    pub start_basis: Code<StartBasis>,
    /// When that is, once it is known.
    pub starts_at: Option<Micros>,
    /// The latest start.
    pub latest_start_at: Option<Micros>,
    /// How long it runs, as ISO 8601 writes it (`P1Y`); none for ever, or until `ends_at`.
    pub term: Option<String>,
    /// Until when it runs, exclusive, where that is fixed.
    pub ends_at: Option<Micros>,
    /// An IANA name: where its term ends.
    pub time_zone: String,
    /// When it was made.
    pub created_at: Micros,
    /// When it last changed, takings aside.
    pub changed_at: Micros,
    /// Why nothing new is activated of it: [`Holds::bits`].
    pub holds: i16,
    /// From then on nothing of it runs.
    pub revoked_from_at: Option<Micros>,
    /// The end of its maintenance: firmware built then or later does not turn it on.
    pub maintained_until_at: Option<Micros>,
}

impl Entitlement {
    /// Its units, by what becomes of them.
    pub fn stock(&self) -> Result<Stock, StoreError> {
        let count = |column: &str, value: i64| {
            u32::try_from(value).map_err(|_| StoreError::Corrupt(format!("{column} is {value}")))
        };
        Ok(Stock {
            units: count("units", self.units)?,
            pending_credit: count("pending_credit", self.pending_credit)?,
            live: count("live_units", self.live_units)?,
            overdraft: count("overdraft", self.overdraft)?,
        })
    }

    /// Where it stands, as far as acts on it go.
    pub fn posture(&self) -> Result<Posture, StoreError> {
        let holds = Holds::from_bits(self.holds)
            .ok_or_else(|| StoreError::Corrupt(format!("holds is {}", self.holds)))?;
        Ok(Posture {
            state: self.state.0,
            holds,
            revoked_from: self.revoked_from_at.map(|at| at.0),
        })
    }
}

/// The entitlement that a system calls by this reference.
pub fn by_reference(
    db: &mut Db,
    system: &str,
    reference: &str,
) -> Result<Option<Entitlement>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::system.eq(system))
        .filter(table::reference.eq(reference))
        .select(Entitlement::as_select())
        .first(c)
        .optional())?)
}

/// The entitlement of this id.
pub fn find(db: &mut Db, id: EntitlementId) -> Result<Option<Entitlement>, StoreError> {
    Ok(on!(db, c => table::table
        .find(Octets(id))
        .select(Entitlement::as_select())
        .first(c)
        .optional())?)
}

/// What came of an order line.
pub fn of_order_line(
    db: &mut Db,
    line: Octets<OrderLineId>,
) -> Result<Vec<Entitlement>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::order_line_id.eq(line))
        .order(table::id)
        .select(Entitlement::as_select())
        .load(c))?)
}

/// Those whose revocation was to come and has come, the longest due first.
pub fn to_close(db: &mut Db, now: Timestamp, limit: i64) -> Result<Vec<Entitlement>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::revoked_from_at.le(Micros(now)))
        .filter(table::state.ne(Code(EntitlementState::Closed)))
        .order(table::revoked_from_at)
        .limit(limit)
        .select(Entitlement::as_select())
        .load(c))?)
}

/// Puts an entitlement where an act leads it; false if it is not any more as the act was decided
/// on.
pub fn stand(
    db: &mut Db,
    known: &Entitlement,
    posture: Posture,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = on!(db, c => diesel::update(table::table.find(known.id))
        .filter(table::state.eq(known.state))
        .filter(table::holds.eq(known.holds))
        .filter(table::live_units.eq(known.live_units))
        .set((
            table::state.eq(Code(posture.state)),
            table::holds.eq(posture.holds.bits()),
            table::revoked_from_at.eq(posture.revoked_from.map(Micros)),
            table::changed_at.eq(Micros(now)),
        ))
        .execute(c))?;
    if changed == 0 {
        return Ok(false);
    }
    conversation::time_reservations(db, known.id.0)?;
    Ok(true)
}

/// Writes the units of an entitlement, those in use aside; false if it is not any more as this was
/// decided on.
pub fn set_stock(
    db: &mut Db,
    known: &Entitlement,
    stock: Stock,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = on!(db, c => diesel::update(table::table.find(known.id))
        .filter(table::units.eq(known.units))
        .filter(table::overdraft.eq(known.overdraft))
        .filter(table::live_units.eq(known.live_units))
        .filter(table::pending_credit.eq(known.pending_credit))
        .set((
            table::units.eq(i64::from(stock.units)),
            table::pending_credit.eq(i64::from(stock.pending_credit)),
            table::overdraft.eq(i64::from(stock.overdraft)),
            table::changed_at.eq(Micros(now)),
        ))
        .execute(c))?;
    Ok(changed == 1)
}

/// Adds an entitlement.
pub fn insert(db: &mut Db, entitlement: &Entitlement) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(table::table).values(entitlement).execute(c))?;
    Ok(())
}

/// Changes an entitlement, all but its live units, which only takings change. What is reserved of
/// it runs out when its dates now say.
pub fn update(db: &mut Db, entitlement: &Entitlement) -> Result<(), StoreError> {
    // Nobody else writes while this transaction does.
    let live_units = on!(db, c => table::table
        .find(entitlement.id)
        .select(table::live_units)
        .first(c))?;
    let changed = Entitlement {
        live_units,
        ..entitlement.clone()
    };
    on!(db, c => diesel::update(table::table.find(entitlement.id))
        .set(&changed)
        .execute(c))?;
    conversation::time_reservations(db, entitlement.id.0)
}

/// Makes a part of an entitlement one of its own, and leaves the rest; false if the whole is not any
/// more as this was decided on.
pub fn hand_over_units(
    db: &mut Db,
    whole: &Entitlement,
    left: Stock,
    part: &Entitlement,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = on!(db, c => diesel::update(table::table.find(whole.id))
        .filter(table::units.eq(whole.units))
        .filter(table::live_units.eq(whole.live_units))
        .filter(table::overdraft.eq(whole.overdraft))
        .filter(table::pending_credit.eq(whole.pending_credit))
        .set((
            table::units.eq(i64::from(left.units)),
            table::live_units.eq(i64::from(left.live)),
            table::overdraft.eq(i64::from(left.overdraft)),
            table::changed_at.eq(Micros(now)),
        ))
        .execute(c))?;
    if changed == 1 {
        insert(db, part)?;
    }
    Ok(changed == 1)
}

/// Units of an entitlement that a device holds.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = activations)]
pub struct Right {
    /// The activation.
    pub id: Octets<ActivationId>,
    /// Of which entitlement.
    pub entitlement_id: Octets<EntitlementId>,
    /// How many.
    pub units: i64,
    /// What kind of right.
    pub kind: Code<ActivationKind>,
    /// Where it stands.
    pub state: Code<ActivationState>,
}

/// What a device holds, activation by activation.
pub fn rights_on_device(db: &mut Db, device: &str) -> Result<Vec<Right>, StoreError> {
    Ok(on!(db, c => activations::table
        .filter(activations::device_id.eq(device))
        .filter(HoldsUnits)
        .order(activations::id)
        .select(Right::as_select())
        .load(c))?)
}

/// Makes activations of one entitlement those of another.
pub fn move_activations(
    db: &mut Db,
    moved: &[Octets<ActivationId>],
    to: Octets<EntitlementId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    on!(db, c => diesel::update(activations::table)
        .filter(activations::id.eq_any(moved))
        .set((
            activations::entitlement_id.eq(to),
            activations::changed_at.eq(Micros(now)),
        ))
        .execute(c))?;
    Ok(())
}
