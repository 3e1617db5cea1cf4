//! Forgetting a party: what can name a person goes, what was decided stays.
//!
//! Names and sites stand outside what is hashed, so the chains hold without them. What others call
//! the party by, and who acted, is part of the record: numbers and logins, not names.

use diesel::prelude::*;
use fleetgrant_core::domain::PartyId;
use fleetgrant_core::event::{Event, EventKind};

use crate::store::column::{Micros, Octets};
use crate::store::dialect::on;
use crate::store::event::{self, Occasion, Stream};
use crate::store::schema::devices;
use crate::store::{Db, StoreError, party};

/// What a party is called that was forgotten.
pub const ERASED: &str = "(erased)";

/// What was erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Whether the party still had a name.
    pub name: bool,
    /// Events of its history that had kept its names.
    pub events: usize,
    /// Devices of its whose site was known.
    pub sites: usize,
}

impl Erased {
    /// Whether there was nothing left to erase.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// Erases a party's name, wherever it stands, and the sites of its devices, and writes that it was
/// done. None: there is no such party. Doing it again changes nothing, and writes nothing.
pub fn erase_party(
    db: &mut Db,
    id: PartyId,
    occasion: Occasion<'_>,
) -> Result<Option<Erased>, StoreError> {
    let Some(mut party) = party::find(db, Octets(id))? else {
        return Ok(None);
    };
    let owned = devices::table
        .filter(devices::owner_id.eq(Octets(id)))
        .filter(devices::site.is_not_null());
    let erased = Erased {
        name: party.name != ERASED,
        events: event::erase_personal(db, Stream::Party(id))?,
        sites: on!(db, c => diesel::update(owned)
            .set(devices::site.eq(None::<String>))
            .execute(c))?,
    };
    if erased.is_nothing() {
        return Ok(Some(erased));
    }
    party.name = ERASED.to_owned();
    party.changed_at = Micros(occasion.at);
    party::update(db, &party)?;
    let told = Event::new(EventKind::PersonalErased)
        .with("events", erased.events as u64)
        .with("sites", erased.sites as u64);
    event::append(db, Stream::Party(id), occasion, &[told])?;
    Ok(Some(erased))
}
