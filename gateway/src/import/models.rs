//! Licence models: a row for each, which is its rules.

use fleetgrant_core::domain::{CatalogueState, LicenseModel as Kind, StartBasis};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::license::{
    AtEnd, MAX_GRACE_DAYS, MAX_OVERDRAFT_PERCENT, Model, Renewal, TermRule, Trial,
};

use super::cells::{Cells, Column};
use super::diff::{Diff, Maybe};
use super::rows::Run;
use super::{Effect, Halt, Reason, Row, refuse};
use crate::store::column::{Code, Micros};
use crate::store::event::{self, Stream};
use crate::store::license_model::{self, LicenseModel};
use crate::store::{Db, id};

pub(super) const COLUMNS: &[Column] = &[
    Column::required("model"),
    Column::required("kind"),
    Column::optional("state"),
    Column::optional("term"),
    Column::optional("start_basis"),
    Column::optional("renewal"),
    Column::optional("grace_days"),
    Column::optional("at_end"),
    Column::optional("returns_credit"),
    Column::optional("rehost"),
    Column::optional("trial"),
    Column::optional("metered"),
    Column::optional("counted"),
    Column::optional("uses"),
    Column::optional("uses_overdraft_percent"),
];

const CHANGED: &str = "model-changed";
const DAY: u32 = 86_400;

/// A row; what is empty is as the shipped model of the kind has it.
#[derive(Debug)]
pub(super) struct ModelRow {
    code: String,
    state: CatalogueState,
    model: Model,
}

impl Row for ModelRow {
    fn parse(cells: &mut Cells<'_>) -> Option<Self> {
        let code = cells.text("model", 64);
        let kind = cells.required_as::<Kind>("kind");
        let state = cells.parsed_or("state", CatalogueState::Active);
        let mut model = Model::of(kind.unwrap_or(Kind::Perpetual));
        let (rules, sale) = (&mut model.rules, &mut model.sale);
        put(cells.parsed::<TermRule>("term"), &mut sale.term);
        put(
            cells.parsed::<StartBasis>("start_basis"),
            &mut sale.start_basis,
        );
        put(cells.parsed::<Renewal>("renewal"), &mut sale.renewal);
        let days = cells.optional_number("grace_days", 0, MAX_GRACE_DAYS.into());
        put(
            days.and_then(|days| u32::try_from(days).ok())
                .map(|days| days * DAY),
            &mut rules.grace,
        );
        put(cells.parsed::<AtEnd>("at_end"), &mut rules.at_end);
        put(cells.flag("returns_credit"), &mut rules.returns_credit);
        put(cells.flag("rehost"), &mut rules.rehost);
        put(cells.parsed::<Trial>("trial"), &mut rules.trial);
        put(cells.flag("metered"), &mut rules.metered);
        put(cells.flag("counted"), &mut rules.counted);
        let uses = cells.optional_number("uses", 1, u32::MAX.into());
        rules.uses = uses.and_then(|uses| u64::try_from(uses).ok());
        let percent =
            cells.optional_number("uses_overdraft_percent", 0, MAX_OVERDRAFT_PERCENT.into());
        put(
            percent.and_then(|percent| u16::try_from(percent).ok()),
            &mut rules.uses_overdraft_percent,
        );
        kind?;
        let model = match model.checked() {
            Ok(model) => model,
            Err(reason) => {
                cells.fault(reason.field(), Reason::Unfit(reason.to_string()));
                return None;
            }
        };
        Some(Self {
            code: code?,
            state,
            model,
        })
    }

    fn apply(self, db: &mut Db, run: &mut Run<'_>) -> Result<Effect, Halt> {
        let kind = self.model.rules.model;
        let Some(known) = license_model::by_code(db, &self.code)? else {
            let row = LicenseModel {
                id: id::fresh(run.now()),
                code: self.code,
                kind: Code(kind),
                rules: license_model::json(&self.model)?,
                state: Code(self.state),
                created_at: Micros(run.now()),
                changed_at: Micros(run.now()),
            };
            license_model::insert(db, &row)?;
            note(db, run, EventKind::CatalogueCreated, &row, None)?;
            return Ok(Effect::Created);
        };
        let before = known.model()?;
        if known.kind.0 != kind {
            let reason = Reason::Fixed {
                what: format!("the kind of {}, {},", known.code, known.kind.0),
                remedy: "import a model of another name",
            };
            return refuse("kind", reason);
        }
        let differs = difference(&known, &before, &self);
        if differs.settle(run.amend(), CHANGED)?.is_none() {
            return Ok(Effect::Unchanged);
        }
        let version = before.version.saturating_add(1);
        let row = LicenseModel {
            rules: license_model::json(&Model {
                version,
                ..self.model
            })?,
            state: Code(self.state),
            changed_at: Micros(run.now()),
            ..known.clone()
        };
        license_model::update(db, &row)?;
        note(db, run, EventKind::CatalogueAmended, &row, Some(&known))?;
        Ok(Effect::Amended)
    }
}

fn put<T>(given: Option<T>, rule: &mut T) {
    if let Some(given) = given {
        *rule = given;
    }
}

fn difference(known: &LicenseModel, before: &Model, given: &ModelRow) -> Diff {
    let (old, new) = (&before.rules, &given.model.rules);
    let (old_sale, new_sale) = (&before.sale, &given.model.sale);
    let mut diff = Diff::default();
    diff.field("state", &known.state.0, &given.state);
    diff.field("term", &old_sale.term, &new_sale.term);
    diff.field("start_basis", &old_sale.start_basis, &new_sale.start_basis);
    diff.field("renewal", &old_sale.renewal, &new_sale.renewal);
    diff.field("grace_days", &(old.grace / DAY), &(new.grace / DAY));
    diff.field("at_end", &old.at_end, &new.at_end);
    diff.field("returns_credit", &old.returns_credit, &new.returns_credit);
    diff.field("rehost", &old.rehost, &new.rehost);
    diff.field("trial", &old.trial, &new.trial);
    diff.field("metered", &old.metered, &new.metered);
    diff.field("counted", &old.counted, &new.counted);
    diff.field("uses", &Maybe(old.uses), &Maybe(new.uses));
    diff.field(
        "uses_overdraft_percent",
        &old.uses_overdraft_percent,
        &new.uses_overdraft_percent,
    );
    diff
}

fn note(
    db: &mut Db,
    run: &Run<'_>,
    kind: EventKind,
    model: &LicenseModel,
    before: Option<&LicenseModel>,
) -> Result<(), Halt> {
    let happened = Event::new(kind)
        .with("model", model.code.as_str())
        .with("kind", model.kind.0.as_str())
        .with("state", model.state.0.as_str())
        .with_some("state-before", before.map(|before| before.state.0.as_str()))
        .with_some("before", before.map(|before| before.rules.as_str()))
        .with("rules", model.rules.as_str());
    event::append(db, Stream::Catalogue, run.occasion(), &[happened])?;
    Ok(())
}
