//! Customers, partners and contract manufacturers.

use fleetgrant_core::domain::{PartyKind, PartyState};
use fleetgrant_core::event::{Event, EventKind};
use jiff::tz::TimeZone;

use super::cells::{Cells, Column};
use super::diff::{Changes, Diff, Maybe};
use super::rows::Run;
use super::{Effect, Halt, Reason, Row, lookup, refuse};
use crate::lifecycle;
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

/// The column that can name a person.
const NAME: &str = "name";

/// Parties above a party.
const MOST_ANCESTORS: usize = 32;

#[derive(Debug)]
pub(super) struct PartyRow {
    system: String,
    external_id: String,
    name: String,
    kind: Option<PartyKind>,
    tier: Said<String>,
    time_zone: Said<String>,
    parent: Said<String>,
    state: Option<PartyState>,
}

/// What a file says of a column that may be empty; none, if it has no such column: then what is known
/// stays.
type Said<T> = Option<Option<T>>;

impl Row for PartyRow {
    fn parse(cells: &mut Cells<'_>) -> Option<Self> {
        let system = cells.text("system", 32);
        let external_id = cells.text("party", 64);
        let name = cells.text("name", 200);
        let kind = cells
            .has("kind")
            .then(|| cells.parsed_or("kind", PartyKind::Customer));
        let tier = cells.has("tier").then(|| cells.optional("tier", 64));
        let time_zone = cells
            .has("time_zone")
            .then(|| cells.optional("time_zone", 64));
        let parent = cells.has("parent").then(|| cells.optional("parent", 64));
        let state = cells
            .has("state")
            .then(|| cells.parsed_or("state", PartyState::Active));
        let zone = time_zone.as_ref().and_then(Option::as_ref);
        if let Some(zone) = zone.filter(|zone| TimeZone::get(zone).is_err()) {
            let reason = Reason::Invalid {
                value: zone.clone(),
                expected: "an IANA time zone, as Europe/Vienna".to_owned(),
            };
            cells.fault("time_zone", reason);
        }
        if state == Some(PartyState::Merged) {
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
        let parent = self.parent.as_ref().and_then(Option::as_ref);
        if parent == Some(&self.external_id) {
            let reason = Reason::Unfit("a party cannot be its own parent".to_owned());
            return refuse("parent", reason);
        }
        if let Some(Some(tier)) = &self.tier {
            check_tier(db, tier)?;
        }
        let parent =
            lookup::optional_party(db, &self.system, parent.map(String::as_str), "parent")?;
        let known = party::by_external_id(db, &self.system, &self.external_id)?;
        if let (Some(parent), Some(known)) = (&parent, &known) {
            check_ancestors(db, parent, known)?;
        }
        let stays = known.as_ref();
        let realm = || run.zone().iana_name().unwrap_or("UTC").to_owned();
        let given = Party {
            id: known
                .as_ref()
                .map_or_else(|| id::fresh(run.now()), |known| known.id),
            kind: match self.kind {
                Some(kind) => Code(kind),
                None => stays.map_or(Code(PartyKind::Customer), |known| known.kind),
            },
            name: self.name,
            tier: match self.tier {
                Some(tier) => tier,
                None => stays.and_then(|known| known.tier.clone()),
            },
            time_zone: match (self.time_zone, stays) {
                (Some(zone), _) => zone.unwrap_or_else(realm),
                (None, Some(known)) => known.time_zone.clone(),
                (None, None) => realm(),
            },
            parent_id: match self.parent {
                Some(_) => parent.map(|parent| parent.id),
                None => stays.and_then(|known| known.parent_id),
            },
            merged_into_id: known.as_ref().and_then(|known| known.merged_into_id),
            state: match self.state {
                Some(state) => Code(state),
                None => stays.map_or(Code(PartyState::Active), |known| known.state),
            },
            created_at: known
                .as_ref()
                .map_or(Micros(run.now()), |known| known.created_at),
            changed_at: Micros(run.now()),
        };
        let (effect, kind, changes, personal) = match known {
            None => {
                party::insert(db, &given, &self.system, &self.external_id)?;
                let name = given.name.clone();
                let none = Changes::default();
                (Effect::Created, EventKind::PartyCreated, none, name)
            }
            Some(known) => {
                let differs = difference(db, &self.system, &known, &given)?;
                let Some(changes) = differs.settle(run.amend(), "party-changed")? else {
                    return Ok(Effect::Unchanged);
                };
                party::update(db, &given)?;
                let stood = (known.state.0, given.state.0);
                lifecycle::party_followed(db, given.id.0, stood, run.occasion())?;
                let names = match changes.has(NAME) {
                    true => format!("{}\n{}", known.name, given.name),
                    false => given.name.clone(),
                };
                (Effect::Amended, EventKind::PartyAmended, changes, names)
            }
        };
        let happened = Event::new(kind)
            .with("system", self.system.as_str())
            .with("party", self.external_id.as_str());
        let happened = changes.told(happened);
        event::append_with(
            db,
            Stream::Party(given.id.0),
            run.occasion(),
            &[happened],
            Some(&personal),
        )?;
        Ok(effect)
    }
}

/// Refuses a parent that is below the party itself, at whatever depth.
fn check_ancestors(db: &mut Db, parent: &Party, party: &Party) -> Result<(), Halt> {
    let mut above = Some(parent.id);
    for _ in 0..MOST_ANCESTORS {
        let Some(id) = above else { return Ok(()) };
        if id == party.id {
            let reason = Reason::Unfit(
                "the parent is below this party: parents cannot go round in a circle".to_owned(),
            );
            return refuse("parent", reason);
        }
        above = party::find(db, id)?.and_then(|party| party.parent_id);
    }
    let reason = Reason::Unfit(format!("has more than {MOST_ANCESTORS} parties above it"));
    refuse("parent", reason)
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
    diff.personal(NAME, &known.name, &given.name);
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
