//! Activations, with the names of what they tie together.

use diesel::prelude::*;
use fleetgrant_core::domain::{
    ActivationId, ActivationKind, ActivationState, DeviceId, EntitlementId, LicenseModel, Origin,
    PartyId, ProductLineId, RemovalReason,
};

use crate::store::column::{Code, Micros, Octets};
use crate::store::condition::is_of_line;
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::listing::part::{Part, Place, Placed, Unsortable, sorts};
use crate::store::listing::small;
use crate::store::schema::{activations, devices, entitlements, parties, products};

condition!(
    /// It is in a state that few are in, as the partial index has it.
    pub(crate) IsAside = "activations.state = 1 OR activations.state BETWEEN 4 AND 7 OR activations.state >= 9"
);

/// Whether few are in this state: [`IsAside`].
const fn is_aside(state: ActivationState) -> bool {
    use ActivationState as State;
    match state {
        State::Published | State::Activated | State::Removed => false,
        State::Reserved
        | State::Suspended
        | State::Removing
        | State::Orphaned
        | State::Cancelled
        | State::Lapsed
        | State::WrittenOff => true,
    }
}

/// Which activations.
#[derive(Clone, Debug, Default)]
pub struct ActivationFilter {
    /// This one.
    pub id: Option<ActivationId>,
    /// Those on this device.
    pub device: Option<DeviceId>,
    /// Those of this entitlement.
    pub entitlement: Option<EntitlementId>,
    /// Those in this state.
    pub state: Option<ActivationState>,
    /// Those of entitlements of these owners.
    pub owners: Option<Vec<PartyId>>,
    /// Those of this product line, which is all that the caller sees.
    pub within: Option<ProductLineId>,
    /// In which order, and which part.
    pub part: Part<ActivationSort>,
}

sorts!(
    /// What activations can be ordered by.
    pub ActivationSort {
        Id = "id" [Octets "activations.id"],
        Device = "device" [Text "activations.device_id", Octets "activations.id"],
    }
);

impl ActivationFilter {
    /// Whether it is of one thing or of one party.
    const fn is_of_few(&self) -> bool {
        self.id.is_some()
            || self.device.is_some()
            || self.entitlement.is_some()
            || self.owners.is_some()
    }

    /// Whether its rows can come in the order that is asked for.
    ///
    /// # Errors
    /// They would have to be sorted, and may be many.
    pub fn check(&self) -> Result<(), Unsortable> {
        if self.is_of_few() {
            return Ok(());
        }
        let instead = match self.state {
            Some(ActivationState::Published) => {
                "say of which device, entitlement or owner too, or ask the report `stuck`, which tells \
                 what was published and not signed for"
            }
            Some(ActivationState::Removed) => {
                "say of which device, entitlement or owner too, or ask for the events of the kind \
                 `removed`"
            }
            _ => return self.part.check(&[("state", self.state.is_some())]),
        };
        Err(Unsortable::Sought {
            filter: format!("state={}", self.state.map_or("", ActivationState::as_str)),
            instead,
        })
    }
}

/// Units of an entitlement on a device.
#[derive(Clone, Debug, Queryable)]
pub struct ActivationRow {
    /// Its id.
    pub id: Octets<ActivationId>,
    /// The device.
    pub device: String,
    /// The entitlement.
    pub entitlement_id: Octets<EntitlementId>,
    /// What a system calls it.
    pub entitlement: String,
    /// The code of the product.
    pub product: String,
    /// The id of the entitlement's owner.
    pub owner_id: Option<Octets<PartyId>>,
    /// Its name.
    pub owner: Option<String>,
    /// The licence model.
    pub model: Code<LicenseModel>,
    /// Units.
    pub units: i64,
    /// Where it stands.
    pub state: Code<ActivationState>,
    /// Why it was or is being removed.
    pub removal_reason: Option<Code<RemovalReason>>,
    /// What kind of right it is.
    pub kind: Code<ActivationKind>,
    /// How it came about.
    pub origin: Code<Origin>,
    /// From when it may run.
    pub starts_at: Option<Micros>,
    /// Until when it may run.
    pub ends_at: Option<Micros>,
    /// Uses in total.
    pub usage_total: i64,
    /// When it was made.
    pub created_at: Micros,
    /// When it counts as activated: when the device's word was recorded, or given if it was carried.
    pub activated_at: Option<Micros>,
    /// When it ceased to hold its units.
    pub ended_at: Option<Micros>,
}

/// Up to `limit` activations.
pub fn activations(
    db: &mut Db,
    filter: &ActivationFilter,
    limit: i64,
) -> Result<Vec<ActivationRow>, StoreError> {
    let small = match filter.is_of_few() {
        true => None,
        false => small::in_devices(db, filter.within)?,
    };
    Ok(on!(db, c => {
        let mut query = activations::table
            .inner_join(entitlements::table
                .inner_join(products::table)
                .left_join(parties::table))
            .select((
                activations::id,
                activations::device_id,
                activations::entitlement_id,
                entitlements::reference,
                products::code,
                parties::id.nullable(),
                parties::name.nullable(),
                entitlements::model_kind,
                activations::units,
                activations::state,
                activations::removal_reason,
                activations::kind,
                activations::origin,
                activations::starts_at,
                activations::ends_at,
                activations::usage_total,
                activations::created_at,
                activations::activated_at,
                activations::ended_at,
            ))
            .limit(limit)
            .into_boxed()
            .order(filter.part.order());
        if let Some(id) = filter.id {
            query = query.filter(activations::id.eq(Octets(id)));
        }
        if let Some(device) = &filter.device {
            query = query.filter(activations::device_id.eq(device.as_str()));
        }
        if let Some(entitlement) = filter.entitlement {
            query = query.filter(activations::entitlement_id.eq(Octets(entitlement)));
        }
        if let Some(state) = filter.state {
            query = query.filter(activations::state.eq(Code(state)));
            if is_aside(state) {
                query = query.filter(IsAside);
            }
        }
        if let Some(owners) = &filter.owners {
            let owners: Vec<_> = owners.iter().copied().map(Octets).collect();
            query = query.filter(entitlements::owner_id.eq_any(owners));
        }
        if let Some(line) = small {
            let own = devices::table.filter(devices::product_line_id.eq(Octets(line)));
            query = query.filter(activations::device_id.eq_any(own.select(devices::id)));
        } else if let Some(line) = filter.within {
            query = query.filter(is_of_line!(activations::device_id, line));
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

impl Placed for ActivationRow {
    type By = ActivationSort;

    fn place(&self, by: ActivationSort) -> Place {
        match by {
            ActivationSort::Id => [self.id.into()].into(),
            ActivationSort::Device => [(&self.device).into(), self.id.into()].into(),
        }
    }
}
