//! Uses of metered rights that another system counted. What was counted stands: the same reference
//! adds nothing, and says another number only as an amendment.

use std::time::Duration;

use fleetgrant_core::domain::{DeviceId, EntitlementId};
use fleetgrant_core::event::{Event, EventKind};

use super::cells::{Cells, Column};
use super::diff::{Diff, Maybe};
use super::rows::Run;
use super::{Effect, Halt, Reason, Row, lookup, refuse};
use crate::store::column::{Micros, Octets};
use crate::store::entitlement::{self, Entitlement};
use crate::store::event::{self, Stream};
use crate::store::imported_usage::{self as store, ImportedUsage};
use crate::store::{Db, device, license_model, party};
use crate::when::When;

pub(super) const COLUMNS: &[Column] = &[
    Column::required("system"),
    Column::required("usage"),
    Column::optional("entitlement"),
    Column::optional("device"),
    Column::optional("feature"),
    Column::optional("count"),
    Column::optional("since"),
    Column::optional("until"),
    Column::optional("total"),
];

const CHANGED: &str = "usage-changed";

/// More than any meter counts, and far from what the database holds.
const MAX_USES: i64 = 1_000_000_000_000_000;

/// How far the clock of who counted may be ahead.
const AHEAD: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) struct UsageRow {
    system: String,
    reference: String,
    entitlement: Option<String>,
    device: Option<DeviceId>,
    feature: Option<String>,
    counted: Counted,
}

/// What was counted.
#[derive(Debug)]
enum Counted {
    /// In a period.
    Count(i64, When, When),
    /// In all, so far.
    Total(i64),
}

impl Row for UsageRow {
    fn parse(cells: &mut Cells<'_>) -> Option<Self> {
        let system = cells.text("system", 32);
        let reference = cells.text("usage", 128);
        let entitlement = cells.optional("entitlement", 256);
        let device = device_id(cells);
        let feature = cells.optional("feature", 32);
        let counted = counted(cells);
        let mut unfit = |column, text: &str| cells.fault(column, Reason::Unfit(text.to_owned()));
        match (&entitlement, &feature) {
            (None, None) => unfit(
                "entitlement",
                "is empty: name an entitlement, or a device and a feature",
            ),
            (Some(_), Some(_)) => unfit(
                "feature",
                "goes with a device where no entitlement is named: leave one of them empty",
            ),
            _ => {}
        }
        Some(Self {
            system: system?,
            reference: reference?,
            entitlement,
            device,
            feature,
            counted: counted?,
        })
    }

    fn apply(self, db: &mut Db, run: &mut Run<'_>) -> Result<Effect, Halt> {
        if let Some(device) = &self.device
            && device::find(db, device.as_str())?.is_none()
        {
            let value = device.as_str().to_owned();
            let kind = "manifest";
            return refuse("device", Reason::Unknown { value, kind });
        }
        let entitlement = self.entitlement(db)?;
        let known = store::find(db, &self.system, &self.reference)?;
        let given = self.given(db, run, &entitlement, known.as_ref())?;
        if let Some(known) = known {
            return correct(db, run, &known, &given);
        }
        if let Some(other) = store::overlapping(db, &given)? {
            let reason = Reason::Unfit(format!(
                "the period has a part in common with that of {other:?}, which is counted already"
            ));
            return refuse("since", reason);
        }
        let Some(used) = store::insert(db, &given)? else {
            let reason = Reason::Unfit("is more than can be counted, with what is".to_owned());
            return refuse("count", reason);
        };
        let mut told = Event::new(EventKind::UsageImported)
            .with("system", given.system.as_str())
            .with("usage", given.reference.as_str())
            .with_some("device", given.device_id.as_deref())
            .with_some("since", given.since_at.map(|at| at.0.seconds()))
            .with_some("until", given.until_at.map(|at| at.0.seconds()))
            .with("uses", given.uses.unsigned_abs())
            .with("total", used.unsigned_abs());
        told.entitlement = Some(entitlement.id.0);
        let stream = Stream::Entitlement(entitlement.id.0);
        event::append(db, stream, run.occasion(), &[told])?;
        Ok(Effect::Created)
    }
}

/// Takes another number of what was counted already, as an amendment.
fn correct(
    db: &mut Db,
    run: &Run<'_>,
    known: &ImportedUsage,
    given: &ImportedUsage,
) -> Result<Effect, Halt> {
    fixed_difference(known, given)
        .forbid("what was counted is of this; tell what comes on top under another reference")?;
    let (column, told) = match given.since_at {
        Some(_) => ("count", [known.uses, given.uses]),
        None => ("total", [known.total, given.total]),
    };
    let mut diff = Diff::default();
    diff.field(column, &told[0], &told[1]);
    if diff.settle(run.amend(), CHANGED)?.is_none() {
        return Ok(Effect::Unchanged);
    }
    let later = store::later(db, known)?;
    if let Some((other, _)) = later.iter().find(|(_, is_total)| *is_total) {
        let reason = Reason::Unfit(format!(
            "{other:?} told a total since, of which this is a part: amend that"
        ));
        return refuse(column, reason);
    }
    // A total tells what is beyond all before it, so nothing that was counted since moves with it.
    if given.since_at.is_none() && !later.is_empty() {
        let reason = Reason::Unfit(format!(
            "{:?} was counted on top of it since: amend that",
            later[0].0
        ));
        return refuse(column, reason);
    }
    let later: Vec<_> = later.into_iter().map(|(reference, _)| reference).collect();
    let Some(used) = store::correct(db, known, given, &later, run.now())? else {
        let reason = Reason::Unfit(
            "does not go with what devices have signed for, or is more than can be counted"
                .to_owned(),
        );
        return refuse(column, reason);
    };
    let mut told = Event::new(EventKind::UsageCorrected)
        .with("system", given.system.as_str())
        .with("usage", given.reference.as_str())
        .with_some("device", given.device_id.as_deref())
        .with("before", known.uses.unsigned_abs())
        .with("uses", given.uses.unsigned_abs())
        .with("total", used.unsigned_abs());
    told.entitlement = Some(given.entitlement_id.0);
    let stream = Stream::Entitlement(given.entitlement_id.0);
    event::append(db, stream, run.occasion(), &[told])?;
    Ok(Effect::Amended)
}

fn device_id(cells: &mut Cells<'_>) -> Option<DeviceId> {
    let text = cells.optional("device", 64)?;
    let id = DeviceId::new(&text);
    let fault = |error: &dyn std::fmt::Display| Reason::Invalid {
        value: text.clone(),
        expected: format!("the id of a device: {error}"),
    };
    if let Err(error) = &id {
        cells.fault("device", fault(error));
    }
    id.ok()
}

/// The number, and what it is of.
fn counted(cells: &mut Cells<'_>) -> Option<Counted> {
    let faults = cells.faults();
    let count = cells.optional_number("count", 0, MAX_USES);
    let (since, until) = (cells.optional_when("since"), cells.optional_when("until"));
    let total = cells.optional_number("total", 0, MAX_USES);
    let (column, text) = match (count, since, until, total) {
        (Some(count), Some(since), Some(until), None) => {
            return Some(Counted::Count(count, since, until));
        }
        (None, None, None, Some(total)) => return Some(Counted::Total(total)),
        (Some(_), None, _, None) => ("since", "is empty: a count is of a period"),
        (Some(_), _, None, None) => ("until", "is empty: a count is of a period"),
        (_, _, _, Some(_)) => (
            "total",
            "goes alone: a total is of all so far, a count of a period",
        ),
        (None, ..) => (
            "count",
            "is empty: give a count with its period, or a total",
        ),
    };
    // What cannot be read is told already, and is not empty.
    if cells.faults() == faults {
        cells.fault(column, Reason::Unfit(text.to_owned()));
    }
    None
}

impl UsageRow {
    /// What the uses are of.
    fn entitlement(&self, db: &mut Db) -> Result<Entitlement, Halt> {
        if let Some(reference) = &self.entitlement {
            let Some(named) = entitlement::by_reference(db, &self.system, reference)? else {
                let value = reference.clone();
                let kind = "orders or entitlements";
                return refuse("entitlement", Reason::Unknown { value, kind });
            };
            if is_metered(&named)? {
                return Ok(named);
            }
            let reason = Reason::Unfit(format!(
                "{reference} is not metered: its licence model counts no uses"
            ));
            return refuse("entitlement", reason);
        }
        let (Some(device), Some(feature)) = (&self.device, &self.feature) else {
            let reason = Reason::Unfit("is empty: a feature is one of a device".to_owned());
            return refuse("device", reason);
        };
        let mut metered = Vec::new();
        for id in store::of_feature_on(db, device, feature)? {
            if let Some(found) = entitlement::find(db, id.0)?
                && is_metered(&found)?
            {
                metered.push(found);
            }
        }
        match <[Entitlement; 1]>::try_from(metered) {
            Ok([one]) => Ok(one),
            Err(none) if none.is_empty() => {
                let reason = Reason::Unfit(format!(
                    "{device} never had {feature:?} by a right that is metered"
                ));
                refuse("feature", reason)
            }
            Err(several) => {
                let names: Vec<_> = several.iter().map(|one| one.reference.as_str()).collect();
                let reason = Reason::Unfit(format!(
                    "{device} has {feature:?} by {}: name one of these as the entitlement",
                    names.join(", ")
                ));
                refuse("feature", reason)
            }
        }
    }

    fn given(
        &self,
        db: &mut Db,
        run: &Run<'_>,
        entitlement: &Entitlement,
        known: Option<&ImportedUsage>,
    ) -> Result<ImportedUsage, Halt> {
        let id: EntitlementId = entitlement.id.0;
        let device = self.device.as_ref().map(DeviceId::as_str);
        let before = match known {
            // As it was when this was counted.
            Some(known) => known.total - known.uses,
            None => store::total(db, &self.system, id, device)?,
        };
        let (uses, period) = match &self.counted {
            Counted::Count(count, since, until) => {
                let owner = match entitlement.owner_id {
                    Some(owner) => party::find(db, owner)?,
                    None => None,
                };
                let zone = lookup::zone_of(owner.as_ref(), run.zone());
                let (since, until) = (since.at(&zone), until.at(&zone));
                if until <= since {
                    let reason = Reason::Unfit("is not after the beginning".to_owned());
                    return refuse("until", reason);
                }
                if known.is_none() && until > run.now().plus_seconds(AHEAD.as_secs()) {
                    let reason = Reason::Unfit("lies in the future".to_owned());
                    return refuse("until", reason);
                }
                (*count, Some((Micros(since), Micros(until))))
            }
            Counted::Total(total) if *total < before => {
                let reason = Reason::Unfit(format!(
                    "{total} is less than the {before} that {} told before",
                    self.system
                ));
                return refuse("total", reason);
            }
            Counted::Total(total) => (*total - before, None),
        };
        let Some(total) = before.checked_add(uses) else {
            let reason = Reason::Unfit("is more than can be counted, with what is".to_owned());
            return refuse("count", reason);
        };
        Ok(ImportedUsage {
            system: self.system.clone(),
            reference: self.reference.clone(),
            entitlement_id: Octets(id),
            device_id: device.map(str::to_owned),
            since_at: period.map(|(since, _)| since),
            until_at: period.map(|(_, until)| until),
            uses,
            total,
            created_at: Micros(run.now()),
        })
    }
}

fn is_metered(entitlement: &Entitlement) -> Result<bool, Halt> {
    let model = license_model::parse(entitlement.model_kind.0, &entitlement.model_rules)?;
    Ok(model.rules.metered)
}

/// What no amendment changes.
fn fixed_difference(known: &ImportedUsage, given: &ImportedUsage) -> Diff {
    let at = |at: Option<Micros>| Maybe(at.map(|at| at.0));
    let device = |row: &ImportedUsage| Maybe(row.device_id.clone());
    let mut diff = Diff::default();
    diff.field(
        "entitlement",
        &known.entitlement_id.0,
        &given.entitlement_id.0,
    );
    diff.field("device", &device(known), &device(given));
    diff.field("since", &at(known.since_at), &at(given.since_at));
    diff.field("until", &at(known.until_at), &at(given.until_at));
    diff
}
