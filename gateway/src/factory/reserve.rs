//! Rights reserved for the devices of a batch before any of them was heard.

use fleetgrant_core::domain::{BatchId, DeviceId, EntitlementId, Timestamp};
use fleetgrant_core::operator::Publish;

use crate::operator::{Act, ActError, Attempt, Effects, Operator};
use crate::store::column::Octets;
use crate::store::{Db, StoreError, batch, stock};

/// Devices that are read at once.
const PAGE: i64 = 500;

/// Units of an entitlement for each device of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Reservation {
    /// Of which entitlement.
    pub entitlement: EntitlementId,
    /// Units for each device.
    pub units: u32,
    /// For the devices of which batch.
    pub batch: BatchId,
}

/// What a reservation came to, in devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    /// Those it was made for.
    pub made: u64,
    /// Those that have units of the entitlement already.
    pub kept: u64,
}

/// Why nothing was reserved, for any device.
#[derive(Debug, thiserror::Error)]
pub enum NotReserved {
    /// One of the devices cannot have it.
    #[error("{device}: {error}; nothing was reserved for any device")]
    Device {
        /// Which.
        device: DeviceId,
        /// Why.
        error: ActError,
    },
    /// It was not recorded.
    #[error(transparent)]
    Act(#[from] ActError),
}

impl Operator {
    /// Reserves units for every device of a batch, or for none; a device that has units of the
    /// entitlement keeps what it has.
    ///
    /// # Errors
    /// See [`NotReserved`].
    pub async fn reserve(
        &self,
        reservation: Reservation,
        effects: Effects,
    ) -> Result<Reserved, NotReserved> {
        self.until_still("reserve", effects, move |operator, db, now| {
            operator.reserve_within(db, reservation, now)
        })
        .await
    }

    /// One try of [`reserve`](Self::reserve), within a transaction that the caller ends.
    pub(crate) fn reserve_within(
        &self,
        db: &mut Db,
        reservation: Reservation,
        now: Timestamp,
    ) -> Result<Attempt<Reserved, NotReserved>, StoreError> {
        let Reservation {
            entitlement,
            units,
            batch,
        } = reservation;
        let assign = Act::Assign {
            entitlement,
            units,
            publish: Publish::AtContact,
        };
        let mut reserved = Reserved::default();
        let mut after = String::new();
        loop {
            let page = batch::units(db, Octets(batch), &after, PAGE)?;
            let Some(last) = page.last() else {
                return Ok(Attempt::Done(reserved));
            };
            after.clone_from(&last.id);
            for unit in page {
                if stock::has_units(db, &unit.id, entitlement)? {
                    reserved.kept += 1;
                    continue;
                }
                let device = DeviceId::new(&unit.id)
                    .map_err(|error| StoreError::Corrupt(error.to_string()))?;
                match self.attempt(db, &device, assign, now)? {
                    Attempt::Done(_) => reserved.made += 1,
                    Attempt::Stale => return Ok(Attempt::Stale),
                    Attempt::Refused(error) => {
                        return Ok(Attempt::Refused(NotReserved::Device { device, error }));
                    }
                }
            }
        }
    }
}
