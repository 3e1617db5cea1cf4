//! Features of products, kept from one transaction to the next.
//!
//! A decision looks at the features of every entitlement a device has, and they hardly ever
//! change. The database draws a new random stamp whenever one does; whoever finds another stamp
//! in its transaction forgets what was kept. It is random and not counted, so that a stamp that
//! was rolled back does not come again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::prelude::*;
use fleetgrant_core::domain::{FeatureName, ProductId};
use fleetgrant_core::entitlement::Feature;

use super::{corrupt, unsigned};
use crate::store::column::Octets;
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::schema::{catalogue_stamps, features, product_features};

/// Products whose features are kept at most; beyond that all are forgotten.
const MAX_PRODUCTS: usize = 4_096;

/// What was read of the catalogue, for every thread that decides.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalogue(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    stamp: i64,
    products: HashMap<ProductId, Arc<[Feature]>>,
}

/// The catalogue as it is in one transaction.
pub(super) struct View<'a> {
    catalogue: &'a Catalogue,
    stamp: i64,
}

impl Catalogue {
    /// Looks at the catalogue within a transaction.
    pub(super) fn view(&self, db: &mut Db) -> Result<View<'_>, StoreError> {
        let stamp = on!(db, c => catalogue_stamps::table
            .select(catalogue_stamps::stamp)
            .get_result(c))?;
        Ok(View {
            catalogue: self,
            stamp,
        })
    }
}

impl View<'_> {
    pub(super) fn features(
        &self,
        db: &mut Db,
        product: ProductId,
    ) -> Result<Arc<[Feature]>, StoreError> {
        if let Some(known) = self.kept(|kept| kept.products.get(&product).cloned()) {
            return Ok(known);
        }
        let read = read(db, product)?;
        self.kept(|kept| kept.products.insert(product, Arc::clone(&read)));
        Ok(read)
    }

    /// What is kept under this view's stamp.
    fn kept<T>(&self, step: impl FnOnce(&mut Kept) -> T) -> T {
        let kept = &mut *self
            .catalogue
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if kept.stamp != self.stamp || kept.products.len() >= MAX_PRODUCTS {
            *kept = Kept {
                stamp: self.stamp,
                products: HashMap::new(),
            };
        }
        step(kept)
    }
}

fn read(db: &mut Db, product: ProductId) -> Result<Arc<[Feature]>, StoreError> {
    type Found = (String, bool, Option<String>, Option<i64>, Option<Vec<u8>>);
    let found: Vec<Found> = on!(db, c => product_features::table
        .inner_join(features::table)
        .filter(product_features::product_id.eq(Octets(product)))
        .order(features::name.asc())
        .select((
            features::name,
            features::essential,
            product_features::version_ceiling,
            product_features::use_count,
            product_features::vendor_data,
        ))
        .load(c))?;
    found
        .into_iter()
        .map(|(name, essential, version_ceiling, uses, vendor_data)| {
            Ok(Feature {
                name: FeatureName::new(&name).map_err(corrupt)?,
                version_ceiling,
                essential,
                uses: uses.map(|uses| unsigned("use_count", uses)).transpose()?,
                vendor_data: vendor_data.unwrap_or_default(),
            })
        })
        .collect()
}
