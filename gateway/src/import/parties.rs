//! Customers, partners and contract manufacturers.

use fleetgrant_core::domain::{PartyKind, PartyState};
use fleetgrant_core::event::{Event, EventKind};
use jiff::tz::TimeZone;

use super::cells::{Cells, Column};
use super::diff::{Diff, Maybe};
use super::rows::Run;
use super::{Effect, Halt, Reason, Row, lookup, refuse};
use crate::store::column::{Code, Micros};
use crate::store::event::{self, Stream};
use crate::store::party::{self, Party};
use crate::store::policy;
use crate::store::{Db, id};

pub(super) const COLUMNS: &[Column] = &[
    Column::required("system"),
    Column::required("party"),
    Column::required("name"),
    Column::optional("kind"),
    Column::optional("tier"),
    Column::optional("time_zone"),
    Column::optional("parent"),
    Column::optional("state"),
];

#[derive(Debug)]
pub(super) struct PartyRow {
    system: String,
    external_id: String,
    name: String,
    kind: PartyKind,
    tier: Option<String>,
    time_zone: Option<String>,
    parent: Option<String>,
    state: PartyState,
}

impl Row for PartyRow {
    fn parse(cells: &mut Cells<'_>) -> Option<Self> {
        let system = cells.text("system", 32);
        let external_id = cells.text("party", 64);
        let name = cells.text("name", 200);
        let kind = cells.parsed_or("kind", PartyKind::Customer);
        let tier = cells.optional("tier", 64);
        let time_zone = cells.optional("time_zone", 64);
        let parent = cells.optional("parent", 64);
        let state = cells.parsed_or("state", PartyState::Active);
        if let Some(zone) = time_zone.as_deref().filter(|z| TimeZone::get(z).is_err()) {
            let reason = Reason::Invalid {
                value: zone.to_owned(),
                expected: "an IANA time zone, as Europe/Vienna".to_owned(),
            };
            cells.fault("time_zone", reason);
        }
        if state == PartyState::Merged {
            let reason = Reason::Unfit("a file cannot merge parties".to_owned());
            cells.fault("state", reason);
        }
        Some(Self {
            system: system?,
            external_id: external_id?,
            name: name?,
            kind,
            tier,
            time_zone,
            parent,
            state,
        })
    }

    fn apply(self, db: &mut Db, run: &mut Run<'_>) -> Result<Effect, Halt> {
        if self.parent.as_ref() == Some(&self.external_id) {
            let reason = Reason::Unfit("a party cannot be its own parent".to_owned());
            return refuse("parent", reason);
        }
        if let Some(tier) = &self.tier {
            check_tier(db, tier)?;
        }
        let parent = lookup::optional_party(db, &self.system, self.parent.as_deref(), "parent")?;
        let realm = run.zone().iana_name().unwrap_or("UTC").to_owned();
        let known = party::by_external_id(db, &self.system, &self.external_id)?;
        let given = Party {
            id: known
                .as_ref()
                .map_or_else(|| id::fresh(run.now()), |known| known.id),
            kind: Code(self.kind),
            name: self.name,
            tier: self.tier,
            time_zone: self.time_zone.unwrap_or(realm),
            parent_id: parent.map(|parent| parent.id),
            merged_into_id: known.as_ref().and_then(|known| known.merged_into_id),
            state: Code(self.state),
            created_at: known
                .as_ref()
                .map_or(Micros(run.now()), |known| known.created_at),
            changed_at: Micros(run.now()),
        };
        let (effect, kind) = match known {
            None => {
                party::insert(db, &given, &self.system, &self.external_id)?;
                (Effect::Created, EventKind::PartyCreated)
            }
            Some(known) => {
                let differs = difference(db, &self.system, &known, &given)?;
                if !differs.settle(run.amend(), "party-changed")? {
                    return Ok(Effect::Unchanged);
                }
                party::update(db, &given)?;
                (Effect::Amended, EventKind::PartyAmended)
            }
        };
        let happened = Event::new(kind)
            .with("system", self.system.as_str())
            .with("party", self.external_id.as_str());
        event::append_with(
            db,
            Stream::Party(given.id.0),
            run.occasion(),
            &[happened],
            Some(&given.name),
        )?;
        Ok(effect)
    }
}

fn check_tier(db: &mut Db, tier: &str) -> Result<(), Halt> {
    if policy::in_force(db, tier)?.is_some() {
        return Ok(());
    }
    let known = policy::tiers(db)?.join(", ");
    refuse(
        "tier",
        Reason::Invalid {
            value: tier.to_owned(),
            expected: format!(
                "a tier with a policy in force: {known}; add one with `policies set`"
            ),
        },
    )
}

fn difference(db: &mut Db, system: &str, known: &Party, given: &Party) -> Result<Diff, Halt> {
    let mut diff = Diff::default();
    diff.field("name", &known.name, &given.name);
    diff.field("kind", &known.kind.0, &given.kind.0);
    diff.field(
        "tier",
        &Maybe(known.tier.as_deref()),
        &Maybe(given.tier.as_deref()),
    );
    diff.field("time_zone", &known.time_zone, &given.time_zone);
    diff.field(
        "parent",
        &Maybe(lookup::party_name(db, system, known.parent_id)?),
        &Maybe(lookup::party_name(db, system, given.parent_id)?),
    );
    diff.field("state", &known.state.0, &given.state.0);
    Ok(diff)
}
