//! Forgetting a party: what can name a person goes, what was decided stays.
//!
//! Names and sites stand outside what is hashed, so the chains hold without them. What others call
//! the party by, and who acted, is part of the record: numbers and logins, not names.

use diesel::prelude::*;
use fleetgrant_core::domain::PartyId;
use fleetgrant_core::event::{Event, EventKind};

use super::subject::{self, Subject};
use crate::store::column::{Micros, Octets};
use crate::store::dialect::on;
use crate::store::event::{self, Occasion, Stream};
use crate::store::schema::devices;
use crate::store::{Db, StoreError, http_write, party};

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
    /// Events of what it pays, uses and owns that said why, in somebody's words.
    pub reasons: usize,
}

impl Erased {
    /// Whether there was nothing left to erase.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// Erases a party's name, wherever it stands, the reasons of acts in its history and in those of what
/// it pays, uses and owns, and the sites of its devices, also in the answers that
/// are kept for who asks again, and writes that it was done. None: there is no such party. Doing it again changes nothing, and writes nothing.
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
    let sites: Vec<Option<String>> = on!(db, c => owned.select(devices::site).distinct().load(c))?;
    let kept = event::personal(db, Stream::Party(id))?;
    // A line of its own each, where a name was changed.
    let mut texts: Vec<_> = kept
        .iter()
        .flat_map(|text| text.lines())
        .map(str::to_owned)
        .collect();
    texts.extend(sites.into_iter().flatten());
    texts.extend((party.name != ERASED).then(|| party.name.clone()));
    http_write::replace(db, &texts, ERASED)?;
    let mut reasons = 0;
    for part in subject::parts(db, &Subject::Party(id))? {
        reasons += event::erase_reasons(db, &part.stream, &part.only)?;
    }
    let erased = Erased {
        reasons,
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
        .with("sites", erased.sites as u64)
        .with("reasons", erased.reasons as u64);
    // Why it is done would be the next to be erased.
    db.because(None);
    event::append(db, Stream::Party(id), occasion, &[told])?;
    Ok(Some(erased))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fleetgrant_core::domain::{ApiKeyId, PartyKind, PartyState, Timestamp};

    use super::*;
    use crate::store::column::Code;
    use crate::store::http_write::HttpWrite;
    use crate::store::party::Party;
    use crate::store::scratch::Scratch;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn answers_that_are_kept_do_not_name_who_was_erased() {
        let scratch = Scratch::new();
        let mut db = scratch.connect();
        let id = PartyId([7; 16]);
        let party = Party {
            id: Octets(id),
            kind: Code(PartyKind::Customer),
            name: "Ann O\"Hara".to_owned(),
            tier: None,
            time_zone: "UTC".to_owned(),
            parent_id: None,
            merged_into_id: None,
            state: Code(PartyState::Active),
            created_at: Micros(NOW),
            changed_at: Micros(NOW),
        };
        party::insert(&mut db, &party, "erp", "C-1").unwrap();
        let mut keep = |name: &str, answer: &serde_json::Value| {
            let write = HttpWrite {
                api_key_id: Octets(ApiKeyId([1; 16])),
                idempotency_key: name.to_owned(),
                request: Octets([0; 32]),
                answer: answer.to_string().into_bytes(),
                at: Micros(NOW),
            };
            http_write::insert(&mut db, &write, Timestamp::from_seconds(0)).unwrap();
        };
        let theirs = serde_json::json!({"party": {"name": "Ann O\"Hara", "units": 2},
            "told": ["the name Ann O\"Hara is too long"]});
        let other = serde_json::json!({"party": {"name": "Bob"}});
        let before = serde_json::json!({"party": {"name": "Ann Miller"}});
        keep("write-before", &before);
        // More than one portion of them.
        for n in 0..300 {
            keep(
                &format!("write-{n:03}"),
                if n == 299 { &theirs } else { &other },
            );
        }

        let occasion = Occasion {
            at: NOW,
            actor: "tester",
            cause: &[],
        };
        // As an import writes that the name was another.
        let renamed = Event::new(EventKind::PartyAmended).with("personal", "name");
        let names = "Ann Miller\nAnn O\"Hara";
        event::append_with(
            &mut db,
            Stream::Party(id),
            occasion,
            &[renamed],
            Some(names),
        )
        .unwrap();
        let erased = erase_party(&mut db, id, occasion).unwrap().unwrap();
        assert_eq!(erased.events, 1);
        assert_eq!(
            event::personal(&mut db, Stream::Party(id)).unwrap(),
            [""; 0]
        );
        assert!(erased.name);
        let mut answer = |name: &str| {
            let kept = http_write::find(&mut db, Octets(ApiKeyId([1; 16])), name);
            serde_json::from_slice::<serde_json::Value>(&kept.unwrap().unwrap().answer).unwrap()
        };
        assert_eq!(
            answer("write-299"),
            serde_json::json!({"party": {"name": ERASED, "units": 2},
                "told": ["the name (erased) is too long"]})
        );
        assert_eq!(answer("write-000"), other);
        assert_eq!(
            answer("write-before"),
            serde_json::json!({"party": {"name": ERASED}})
        );
    }
}
