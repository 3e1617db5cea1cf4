//! Entitlements that come of no order: evaluations, goodwill, what an older system sold.

use fleetgrant_core::domain::{
    EntitlementState, HoldReason, Holds, PartyId, Purpose, Scope, Source, StartBasis,
};
use fleetgrant_core::event::EventKind;
use fleetgrant_core::license::Trial;
use fleetgrant_core::lifecycle::EntitlementAct;

use super::cells::{Cells, Column};
use super::diff::{Diff, Maybe};
use super::rows::Run;
use super::{Effect, Halt, Reason, Row, fulfilment, lookup, refuse, term};
use crate::lifecycle;
use crate::store::column::{Code, Micros, Octets};
use crate::store::entitlement::{self, Entitlement};
use crate::store::{Db, id, refresh};
use crate::when::When;

pub(super) const COLUMNS: &[Column] = &[
    Column::required("system"),
    Column::required("entitlement"),
    Column::optional("owner"),
    Column::required("product"),
    Column::required("model"),
    Column::required("units"),
    Column::optional("units_per_device"),
    Column::optional("overdraft"),
    Column::optional("source"),
    Column::optional("purpose"),
    Column::optional("start_basis"),
    Column::optional("starts_at"),
    Column::optional("latest_start_at"),
    Column::optional("term"),
    Column::optional("ends_at"),
    Column::optional("state"),
];

const CHANGED: &str = "entitlement-changed";
const MAX_UNITS: i64 = u32::MAX as i64;

#[derive(Debug)]
pub(super) struct EntitlementRow {
    system: String,
    reference: String,
    owner: Option<String>,
    product: String,
    model: String,
    /// None for as many as are asked for.
    units: Option<i64>,
    units_per_device: i64,
    overdraft: i64,
    source: Source,
    purpose: Purpose,
    /// None for what the model says, where there is no start.
    start_basis: Option<StartBasis>,
    starts_at: Option<When>,
    latest_start_at: Option<When>,
    term: Option<String>,
    ends_at: Option<When>,
    /// None for where it stands.
    state: Option<EntitlementState>,
}

impl Row for EntitlementRow {
    fn parse(cells: &mut Cells<'_>) -> Option<Self> {
        let system = cells.text("system", 32);
        let reference = cells.text("entitlement", 128);
        let owner = cells.optional("owner", 64);
        let product = cells.text("product", 64);
        let model = cells.text("model", 64);
        let units = match cells.text("units", 32)?.as_str() {
            "unlimited" => Some(None),
            _ => cells.number("units", 0, MAX_UNITS).map(Some),
        };
        let units_per_device = cells.optional_number("units_per_device", 1, MAX_UNITS);
        let overdraft = cells.optional_number("overdraft", 0, MAX_UNITS);
        let source = cells.parsed_or("source", Source::Goodwill);
        let purpose = cells.parsed_or("purpose", Purpose::Production);
        let start_basis = cells.parsed("start_basis");
        let starts_at = cells.optional_when("starts_at");
        let latest_start_at = cells.optional_when("latest_start_at");
        let term = term::parse(cells, "term");
        let ends_at = cells.optional_when("ends_at");
        let state = cells.parsed("state");
        let row = Self {
            system: system?,
            reference: reference?,
            owner,
            product: product?,
            model: model?,
            units: units?,
            units_per_device: units_per_device.unwrap_or(1),
            overdraft: overdraft.unwrap_or(0),
            source,
            purpose,
            start_basis,
            starts_at,
            latest_start_at,
            term,
            ends_at,
            state,
        };
        row.check(cells);
        Some(row)
    }

    fn apply(self, db: &mut Db, run: &mut Run<'_>) -> Result<Effect, Halt> {
        let known = entitlement::by_reference(db, &self.system, &self.reference)?;
        if known.as_ref().is_some_and(|e| e.order_line_id.is_some()) {
            let reason = Reason::Unfit("comes of an order; import the order instead".to_owned());
            return refuse("entitlement", reason);
        }
        let given = self.resolve(db, run, known.as_ref())?;
        let Some(known) = known else {
            entitlement::insert(db, &given)?;
            fulfilment::note(db, run.occasion(), EventKind::EntitlementCreated, &given)?;
            return Ok(Effect::Created);
        };
        let differs = self.difference(db, &known, &given)?;
        if differs.settle(run.amend(), CHANGED)?.is_none() {
            return Ok(Effect::Unchanged);
        }
        check_amendment(&known, &given)?;
        let act = act_between(known.state.0, given.state.0)?;
        let wanted = given.units;
        // In use and in credit are the ledger's to say, not the file's; so is how it stands.
        let given = Entitlement {
            live_units: known.live_units,
            state: known.state,
            ..given
        };
        let given = fulfilment::with_units(given, wanted, run.now())?;
        entitlement::update(db, &given)?;
        lifecycle::maintain(db, &given, run.occasion())?;
        fulfilment::note_change(db, run.occasion(), &known, &given)?;
        refresh::mark_holders(db, given.id.0, run.actor(), run.now())?;
        if let Some(act) = act {
            fulfilment::act(db, run.occasion(), &given, act)?;
        }
        Ok(Effect::Amended)
    }
}

impl EntitlementRow {
    fn check(&self, cells: &mut Cells<'_>) {
        let mut unfit = |column, text: &str| cells.fault(column, Reason::Unfit(text.to_owned()));
        if self.source == Source::Order {
            unfit(
                "source",
                "what comes of an order is imported with the order",
            );
        }
        if self.term.is_some() && self.ends_at.is_some() {
            unfit("ends_at", "a term and an end exclude each other");
        }
        let Some(start_basis) = self.start_basis else {
            return;
        };
        if needs_a_date(start_basis) && self.starts_at.is_none() {
            unfit("starts_at", "is empty, and this start basis needs it");
        }
        if !needs_a_date(start_basis) && self.starts_at.is_some() {
            unfit("starts_at", "does not go with a start at an activation");
        }
    }

    fn resolve(
        &self,
        db: &mut Db,
        run: &Run<'_>,
        known: Option<&Entitlement>,
    ) -> Result<Entitlement, Halt> {
        let owner = lookup::optional_party(db, &self.system, self.owner.as_deref(), "owner")?;
        let product = lookup::product(db, &self.product)?;
        let model = lookup::model(db, &self.model)?;
        let rules = model.model()?;
        let is_limited = self.term.is_some() || self.ends_at.is_some();
        if let Err(reason) = term::check(&model.code, &rules, is_limited) {
            return refuse("term", reason);
        }
        if rules.rules.trial != Trial::No && self.source != Source::Trial {
            let reason = Reason::Unfit("what is for trying has the source trial".to_owned());
            return refuse("source", reason);
        }
        if known.is_none() {
            lookup::sellable(db, &model, &rules.rules, &product)?;
        }
        let start_basis = self.start_basis(rules.sale.start_basis)?;
        // What was sold keeps the length that its model had.
        let usual = match known {
            Some(known) => known.term.clone(),
            None => rules.sale.term.usual(),
        };
        let term = match (&self.term, self.ends_at) {
            (None, None) => usual,
            (term, _) => term.clone(),
        };
        let zone = lookup::zone_of(owner.as_ref(), run.zone());
        let at = |when: Option<When>| when.map(|when| Micros(when.at(&zone)));
        if let (Some(start), Some(end)) = (at(self.starts_at), at(self.ends_at))
            && end <= start
        {
            let reason = Reason::OutOfOrder {
                given: end.0.to_string(),
                bound: start.0.to_string(),
                what: "when it starts",
            };
            return refuse("ends_at", reason);
        }
        Ok(Entitlement {
            id: known.map_or_else(|| id::fresh(run.now()), |known| known.id),
            system: self.system.clone(),
            reference: self.reference.clone(),
            owner_id: owner.map(|owner| owner.id),
            product_id: product.id,
            license_model_id: model.id,
            order_line_id: None,
            state: Code(match (self.state, known.map(|known| known.state.0)) {
                // A file that says so is of before its end, or moves the end.
                (Some(EntitlementState::Active), Some(EntitlementState::Expired)) => {
                    EntitlementState::Expired
                }
                (Some(given), _) => given,
                (None, known) => known.unwrap_or(EntitlementState::Active),
            }),
            source: Code(self.source),
            purpose: Code(self.purpose),
            scope: Code(Scope::Device),
            model_kind: model.kind,
            model_rules: known.map_or(model.rules, |known| known.model_rules.clone()),
            grace_seconds: known.map_or(i64::from(rules.rules.grace), |known| known.grace_seconds),
            unlimited: self.units.is_none(),
            units: self.units.unwrap_or(0),
            overdraft: self.overdraft,
            live_units: 0,
            pending_credit: 0,
            units_per_device: self.units_per_device,
            start_basis: Code(start_basis),
            starts_at: match self.starts_at {
                Some(_) => at(self.starts_at),
                // The first activation may have written it.
                None => known.and_then(|known| known.starts_at),
            },
            latest_start_at: at(self.latest_start_at),
            term,
            ends_at: at(self.ends_at),
            time_zone: zone.iana_name().unwrap_or("UTC").to_owned(),
            created_at: known.map_or(Micros(run.now()), |known| known.created_at),
            changed_at: Micros(run.now()),
            holds: match (known, self.state) {
                (Some(known), _) => known.holds,
                (None, Some(EntitlementState::Hold)) => {
                    Holds::default().with(HoldReason::Operator).bits()
                }
                (None, _) => 0,
            },
            revoked_from_at: known.and_then(|known| known.revoked_from_at),
            maintained_until_at: known.and_then(|known| known.maintained_until_at),
        })
    }

    fn start_basis(&self, usual: StartBasis) -> Result<StartBasis, Halt> {
        match (self.start_basis, self.starts_at) {
            (Some(basis), _) => Ok(basis),
            (None, Some(_)) => Ok(StartBasis::Fixed),
            (None, None) if needs_a_date(usual) => {
                let reason = Reason::Unfit(format!(
                    "is empty, and {usual}, the start basis of the model, needs it"
                ));
                refuse("starts_at", reason)
            }
            (None, None) => Ok(usual),
        }
    }

    fn difference(
        &self,
        db: &mut Db,
        known: &Entitlement,
        given: &Entitlement,
    ) -> Result<Diff, Halt> {
        let mut diff = Diff::default();
        if known.owner_id != given.owner_id {
            let mut name = |party: Option<Octets<PartyId>>| {
                lookup::party_name(db, &self.system, party).map(Maybe)
            };
            diff.field("owner", &name(known.owner_id)?, &name(given.owner_id)?);
        }
        let sold = |e: &Entitlement| match e.unlimited {
            true => "unlimited".to_owned(),
            false => (e.units - e.pending_credit).to_string(),
        };
        let at = |at: Option<Micros>| Maybe(at.map(|at| at.0));
        diff.field("product", &known.product_id.0, &given.product_id.0);
        diff.field(
            "model",
            &known.license_model_id.0,
            &given.license_model_id.0,
        );
        diff.field("units", &sold(known), &sold(given));
        diff.field(
            "units_per_device",
            &known.units_per_device,
            &given.units_per_device,
        );
        diff.field("overdraft", &known.overdraft, &given.overdraft);
        diff.field("source", &known.source.0, &given.source.0);
        diff.field("purpose", &known.purpose.0, &given.purpose.0);
        diff.field("start_basis", &known.start_basis.0, &given.start_basis.0);
        diff.field("starts_at", &at(known.starts_at), &at(given.starts_at));
        diff.field(
            "latest_start_at",
            &at(known.latest_start_at),
            &at(given.latest_start_at),
        );
        diff.field(
            "term",
            &Maybe(known.term.as_deref()),
            &Maybe(given.term.as_deref()),
        );
        diff.field("ends_at", &at(known.ends_at), &at(given.ends_at));
        diff.field("state", &known.state.0, &given.state.0);
        Ok(diff)
    }
}

const fn needs_a_date(basis: StartBasis) -> bool {
    matches!(
        basis,
        StartBasis::Fixed | StartBasis::Order | StartBasis::Shipment
    )
}

/// The act that leads from one state to another; none if they are the same.
fn act_between(
    from: EntitlementState,
    to: EntitlementState,
) -> Result<Option<EntitlementAct>, Halt> {
    use EntitlementState::{Active, Closed, Draft, Hold, Suspended};
    let operator = HoldReason::Operator;
    Ok(Some(match (from, to) {
        (from, to) if from == to => return Ok(None),
        (Draft, Active) => EntitlementAct::Activate,
        (Suspended, Active) => EntitlementAct::Resume,
        (Hold, Active) => EntitlementAct::Release(operator),
        (_, Hold) => EntitlementAct::Hold(operator),
        (_, Suspended) => EntitlementAct::Suspend,
        (_, Closed) => EntitlementAct::Close,
        (from, to) => {
            let reason = Reason::Unfit(format!("an entitlement that is {from} cannot be {to}"));
            return refuse("state", reason);
        }
    }))
}

/// What devices were told under an entitlement does not change under them.
fn check_amendment(known: &Entitlement, given: &Entitlement) -> Result<(), Halt> {
    let mut fixed = Diff::default();
    fixed.field("product", &known.product_id.0, &given.product_id.0);
    fixed.field(
        "model",
        &known.license_model_id.0,
        &given.license_model_id.0,
    );
    fixed.forbid("close this entitlement and import another")?;
    if known.live_units == 0 {
        return Ok(());
    }
    let mut in_use = Diff::default();
    let owner = |e: &Entitlement| Maybe(e.owner_id.map(|owner| owner.0));
    in_use.field("owner", &owner(known), &owner(given));
    in_use.field("start_basis", &known.start_basis.0, &given.start_basis.0);
    in_use.field(
        "starts_at",
        &Maybe(known.starts_at.map(|at| at.0)),
        &Maybe(given.starts_at.map(|at| at.0)),
    );
    in_use.forbid("units are in use; return them on the devices first")
}
