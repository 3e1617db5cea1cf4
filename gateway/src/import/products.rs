//! Products and their features: a row for each feature of each product.

use fleetgrant_core::domain::{CatalogueState, FeatureId, FeatureName, ProductId, ProductLineId};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_schemas::limits;

use super::cells::{Cells, Column};
use super::diff::{Changes, Diff, Maybe};
use super::rows::Run;
use super::{Effect, Halt, Reason, Row, lookup, refuse, requirements};
use crate::store::column::{Code, Micros, Octets};
use crate::store::event::{self, Stream};
use crate::store::product::{self, Feature, Product, ProductFeature};
use crate::store::{Db, id};

pub(super) const COLUMNS: &[Column] = &[
    Column::required("product"),
    Column::required("title"),
    Column::optional("product_line"),
    Column::optional("state"),
    Column::required("feature"),
    Column::optional("feature_title"),
    Column::optional("essential"),
    Column::optional("version_ceiling"),
    Column::optional("uses"),
    Column::optional("vendor_data"),
    Column::optional("replaces"),
    Column::optional("requires"),
];

pub(super) const CHANGED: &str = "product-changed";

#[derive(Debug)]
pub(super) struct ProductRow {
    code: String,
    title: String,
    product_line: Option<String>,
    state: CatalogueState,
    feature: FeatureName,
    feature_title: Option<String>,
    essential: Option<bool>,
    version_ceiling: Option<String>,
    uses: Option<i64>,
    vendor_data: Option<Vec<u8>>,
    replaces: Option<String>,
    requires: Option<Vec<String>>,
}

impl Row for ProductRow {
    fn parse(cells: &mut Cells<'_>) -> Option<Self> {
        let code = cells.text("product", 64);
        let title = cells.text("title", 200);
        let product_line = cells.optional("product_line", 64);
        let state = cells.parsed_or("state", CatalogueState::Active);
        let feature = cells.text("feature", 64);
        let feature_title = cells.optional("feature_title", 200);
        let essential = cells.flag("essential");
        let version_ceiling = cells.optional("version_ceiling", limits::MAX_VERSION_CEILING);
        let uses = cells.optional_number("uses", 1, i64::from(u32::MAX));
        let vendor_data = cells.hex("vendor_data", limits::MAX_VENDOR_DATA);
        let replaces = cells.optional("replaces", 64);
        let requires = requirements::parse(cells);
        let feature = feature.and_then(|name| feature_name(cells, &name));
        if let Some(ceiling) = version_ceiling.as_deref().filter(|c| !is_visible(c)) {
            let reason = Reason::Invalid {
                value: ceiling.to_owned(),
                expected: "a version in visible ASCII characters".to_owned(),
            };
            cells.fault("version_ceiling", reason);
        }
        Some(Self {
            code: code?,
            title: title?,
            product_line,
            state,
            feature: feature?,
            feature_title,
            essential,
            version_ceiling,
            uses,
            vendor_data,
            replaces,
            requires,
        })
    }

    fn apply(self, db: &mut Db, run: &mut Run<'_>) -> Result<Effect, Halt> {
        let line = match &self.product_line {
            Some(name) => Some(lookup::product_line(db, Some(name))?.id),
            None => None,
        };
        let mut changes = Changes::default();
        let product = self.put_product(db, run, line, &mut changes)?;
        let requires = match &self.requires {
            Some(codes) => {
                let (known, effect) = (&product.0, product.1);
                requirements::put(db, run, known, codes, effect, &mut changes)?
            }
            None => Effect::Unchanged,
        };
        let feature = self.put_feature(db, run, &mut changes)?;
        let link = ProductFeature {
            product_id: product.0.id,
            feature_id: feature.0,
            version_ceiling: self.version_ceiling.clone(),
            use_count: self.uses,
            vendor_data: self.vendor_data.clone(),
        };
        let link = put_link(db, run, &link, &mut changes)?;
        let effect = [product.1, requires, feature.1, link]
            .into_iter()
            .reduce(stronger)
            .unwrap_or(Effect::Unchanged);
        let kind = match effect {
            Effect::Created => EventKind::CatalogueCreated,
            Effect::Amended => EventKind::CatalogueAmended,
            Effect::Unchanged => return Ok(effect),
        };
        let happened = Event::new(kind)
            .with("product", self.code.as_str())
            .with("feature", self.feature.as_str());
        let happened = changes.told(happened);
        event::append(db, Stream::Catalogue, run.occasion(), &[happened])?;
        Ok(effect)
    }
}

impl ProductRow {
    fn put_product(
        &self,
        db: &mut Db,
        run: &Run<'_>,
        line: Option<Octets<ProductLineId>>,
        changes: &mut Changes,
    ) -> Result<(Product, Effect), Halt> {
        let known = product::by_code(db, &self.code)?;
        let replaces = self.replaced(db, known.as_ref())?;
        let Some(known) = known else {
            let product = Product {
                id: id::fresh(run.now()),
                code: self.code.clone(),
                title: self.title.clone(),
                product_line_id: line,
                replaces_id: replaces,
                state: Code(self.state),
                created_at: Micros(run.now()),
                changed_at: Micros(run.now()),
            };
            product::insert(db, &product)?;
            return Ok((product, Effect::Created));
        };
        let mut diff = Diff::default();
        diff.field("title", &known.title, &self.title);
        diff.field("state", &known.state.0, &self.state);
        diff.field(
            "product_line",
            &Maybe(known.product_line_id.map(|line| line.0)),
            &Maybe(line.map(|line| line.0)),
        );
        diff.field(
            "replaces",
            &Maybe(known.replaces_id.map(|product| product.0)),
            &Maybe(replaces.map(|product| product.0)),
        );
        match diff.settle(run.amend(), CHANGED)? {
            None => return Ok((known, Effect::Unchanged)),
            Some(found) => changes.add(found),
        }
        let product = Product {
            title: self.title.clone(),
            product_line_id: line,
            replaces_id: replaces,
            state: Code(self.state),
            changed_at: Micros(run.now()),
            ..known
        };
        product::update(db, &product)?;
        Ok((product, Effect::Amended))
    }

    /// The product that this one replaces; empty says nothing. One that is replaced by it, at
    /// whatever remove, cannot be replaced by it.
    fn replaced(
        &self,
        db: &mut Db,
        known: Option<&Product>,
    ) -> Result<Option<Octets<ProductId>>, Halt> {
        let Some(code) = &self.replaces else {
            return Ok(known.and_then(|known| known.replaces_id));
        };
        if *code == self.code {
            return circular(&self.code, code);
        }
        let Some(replaced) = product::by_code(db, code)? else {
            let reason = Reason::Unknown {
                value: code.clone(),
                kind: "products",
            };
            return refuse("replaces", reason);
        };
        if let Some(known) = known
            && product::replaces(db, &replaced, known.id)?
        {
            return circular(&self.code, code);
        }
        if let Some(known) = known
            && (product::requires(db, known.id, replaced.id)?
                || product::requires(db, replaced.id, known.id)?)
        {
            let reason = Reason::Unfit(format!(
                "one of {} and {code} is an addition to the other, so neither takes its place",
                self.code
            ));
            return refuse("replaces", reason);
        }
        Ok(Some(replaced.id))
    }

    /// An empty title or mark says nothing: rows of other products may have said it.
    fn put_feature(
        &self,
        db: &mut Db,
        run: &Run<'_>,
        changes: &mut Changes,
    ) -> Result<(Octets<FeatureId>, Effect), Halt> {
        let Some(known) = product::feature_by_name(db, self.feature.as_str())? else {
            let title = self.feature_title.as_deref();
            let feature = Feature {
                id: id::fresh(run.now()),
                name: self.feature.to_string(),
                title: title.unwrap_or(self.feature.as_str()).to_owned(),
                essential: self.essential.unwrap_or(false),
                state: Code(CatalogueState::Active),
                created_at: Micros(run.now()),
                changed_at: Micros(run.now()),
            };
            product::insert_feature(db, &feature)?;
            return Ok((feature.id, Effect::Created));
        };
        let feature = Feature {
            title: self.feature_title.clone().unwrap_or(known.title.clone()),
            essential: self.essential.unwrap_or(known.essential),
            changed_at: Micros(run.now()),
            ..known.clone()
        };
        let mut diff = Diff::default();
        diff.field("feature_title", &known.title, &feature.title);
        diff.field("essential", &known.essential, &feature.essential);
        match diff.settle(run.amend(), CHANGED)? {
            None => return Ok((known.id, Effect::Unchanged)),
            Some(found) => changes.add(found),
        }
        product::update_feature(db, &feature)?;
        Ok((feature.id, Effect::Amended))
    }
}

fn circular<T>(code: &str, replaced: &str) -> Result<T, Halt> {
    let reason = Reason::Unfit(format!(
        "goes in a circle: {replaced} takes the place of {code} already"
    ));
    refuse("replaces", reason)
}

fn put_link(
    db: &mut Db,
    run: &Run<'_>,
    link: &ProductFeature,
    changes: &mut Changes,
) -> Result<Effect, Halt> {
    let effect = match product::product_feature(db, link.product_id, link.feature_id)? {
        None => Effect::Created,
        Some(known) => {
            let hex = |data: &Option<Vec<u8>>| {
                Maybe(data.as_ref().map(|d| data_encoding::HEXLOWER.encode(d)))
            };
            let mut diff = Diff::default();
            diff.field(
                "version_ceiling",
                &Maybe(known.version_ceiling.as_deref()),
                &Maybe(link.version_ceiling.as_deref()),
            );
            diff.field("uses", &Maybe(known.use_count), &Maybe(link.use_count));
            diff.field(
                "vendor_data",
                &hex(&known.vendor_data),
                &hex(&link.vendor_data),
            );
            match diff.settle(run.amend(), CHANGED)? {
                None => return Ok(Effect::Unchanged),
                Some(found) => changes.add(found),
            }
            Effect::Amended
        }
    };
    product::put_product_feature(db, link)?;
    Ok(effect)
}

const fn stronger(a: Effect, b: Effect) -> Effect {
    match (a, b) {
        (Effect::Created, _) | (_, Effect::Created) => Effect::Created,
        (Effect::Amended, _) | (_, Effect::Amended) => Effect::Amended,
        _ => Effect::Unchanged,
    }
}

fn feature_name(cells: &mut Cells<'_>, name: &str) -> Option<FeatureName> {
    match FeatureName::new(name) {
        Ok(name) => Some(name),
        Err(_) => {
            let reason = Reason::Invalid {
                value: name.to_owned(),
                expected: "a feature name: 1 to 32 visible ASCII characters without spaces"
                    .to_owned(),
            };
            cells.fault("feature", reason);
            None
        }
    }
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}
