//! SKUs: a row for each product that a copy of a SKU gives.

use fleetgrant_core::domain::{CatalogueState, StartBasis};
use fleetgrant_core::event::{Event, EventKind};

use super::cells::{Cells, Column};
use super::diff::{Changes, Diff, Maybe};
use super::rows::Run;
use super::{Effect, Halt, Row, lookup, refuse, term};
use crate::store::column::{Code, Micros};
use crate::store::event::{self, Stream};
use crate::store::sku::{self, Sku, SkuContent};
use crate::store::{Db, id};

pub(super) const COLUMNS: &[Column] = &[
    Column::required("sku"),
    Column::required("title"),
    Column::optional("state"),
    Column::required("product"),
    Column::required("model"),
    Column::optional("term"),
    Column::optional("start_basis"),
    Column::optional("units_per_copy"),
];

const CHANGED: &str = "sku-changed";

#[derive(Debug)]
pub(super) struct SkuRow {
    part_number: String,
    title: String,
    state: CatalogueState,
    product: String,
    model: String,
    term: Option<String>,
    /// None for what the model says.
    start_basis: Option<StartBasis>,
    units_per_copy: i64,
}

impl Row for SkuRow {
    fn parse(cells: &mut Cells<'_>) -> Option<Self> {
        let part_number = cells.text("sku", 64);
        let title = cells.text("title", 200);
        let state = cells.parsed_or("state", CatalogueState::Active);
        let product = cells.text("product", 64);
        let model = cells.text("model", 64);
        let term = term::parse(cells, "term");
        let start_basis = cells.parsed("start_basis");
        let units_per_copy = cells.optional_number("units_per_copy", 1, i64::from(u32::MAX));
        Some(Self {
            part_number: part_number?,
            title: title?,
            state,
            product: product?,
            model: model?,
            term,
            start_basis,
            units_per_copy: units_per_copy.unwrap_or(1),
        })
    }

    fn apply(self, db: &mut Db, run: &mut Run<'_>) -> Result<Effect, Halt> {
        let product = lookup::product(db, &self.product)?;
        let model = lookup::model(db, &self.model)?;
        let rules = model.model()?;
        if let Err(reason) = term::check(&model.code, &rules, self.term.is_some()) {
            return refuse("term", reason);
        }
        let mut changes = Changes::default();
        let (sku, of_sku) = self.put_sku(db, run, &mut changes)?;
        let content = SkuContent {
            sku_id: sku.id,
            product_id: product.id,
            license_model_id: model.id,
            term: self.term.clone(),
            start_basis: Code(self.start_basis.unwrap_or(rules.sale.start_basis)),
            units_per_copy: self.units_per_copy,
        };
        let of_content = put_content(db, run, &content, &mut changes)?;
        if of_content == Effect::Created {
            lookup::sellable(db, &model, &rules.rules, &product)?;
        }
        let (effect, kind) = match (of_sku, of_content) {
            (Effect::Unchanged, Effect::Unchanged) => return Ok(Effect::Unchanged),
            (Effect::Created, _) | (_, Effect::Created) => {
                (Effect::Created, EventKind::CatalogueCreated)
            }
            _ => (Effect::Amended, EventKind::CatalogueAmended),
        };
        let happened = Event::new(kind)
            .with("sku", self.part_number.as_str())
            .with("product", self.product.as_str())
            .with("model", self.model.as_str());
        let happened = changes.told(happened);
        event::append(db, Stream::Catalogue, run.occasion(), &[happened])?;
        Ok(effect)
    }
}

impl SkuRow {
    fn put_sku(
        &self,
        db: &mut Db,
        run: &Run<'_>,
        changes: &mut Changes,
    ) -> Result<(Sku, Effect), Halt> {
        let Some(known) = sku::by_part_number(db, &self.part_number)? else {
            let sku = Sku {
                id: id::fresh(run.now()),
                part_number: self.part_number.clone(),
                title: self.title.clone(),
                state: Code(self.state),
                created_at: Micros(run.now()),
                changed_at: Micros(run.now()),
            };
            sku::insert(db, &sku)?;
            return Ok((sku, Effect::Created));
        };
        let mut diff = Diff::default();
        diff.field("title", &known.title, &self.title);
        diff.field("state", &known.state.0, &self.state);
        match diff.settle(run.amend(), CHANGED)? {
            None => return Ok((known, Effect::Unchanged)),
            Some(found) => changes.add(found),
        }
        let sku = Sku {
            title: self.title.clone(),
            state: Code(self.state),
            changed_at: Micros(run.now()),
            ..known
        };
        sku::update(db, &sku)?;
        Ok((sku, Effect::Amended))
    }
}

/// What was sold keeps the terms it was sold under; a change is for what is sold from now on.
fn put_content(
    db: &mut Db,
    run: &Run<'_>,
    content: &SkuContent,
    changes: &mut Changes,
) -> Result<Effect, Halt> {
    let known = sku::content(
        db,
        content.sku_id,
        content.product_id,
        content.license_model_id,
    )?;
    let effect = match known {
        None => Effect::Created,
        Some(known) => {
            let mut diff = Diff::default();
            diff.field(
                "term",
                &Maybe(known.term.as_deref()),
                &Maybe(content.term.as_deref()),
            );
            diff.field("start_basis", &known.start_basis.0, &content.start_basis.0);
            diff.field(
                "units_per_copy",
                &known.units_per_copy,
                &content.units_per_copy,
            );
            match diff.settle(run.amend(), CHANGED)? {
                None => return Ok(Effect::Unchanged),
                Some(found) => changes.add(found),
            }
            Effect::Amended
        }
    };
    sku::put_content(db, content)?;
    Ok(effect)
}
