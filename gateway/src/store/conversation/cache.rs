//! What is kept from one transaction to the next.
//!
//! Features of products, the policies of tiers and of what lies over them, and which parties are on hold,
//! hardly ever change, and every decision looks at them. The database draws a new random stamp whenever
//! one changes; whoever
//! finds another stamp in its transaction forgets what was kept. It is random and not counted, so
//! that a stamp that was rolled back does not come again.
//!
//! Devices that were just heard are kept by the connection that writes, for an [`Era`] of its.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use diesel::prelude::*;
use fleetgrant_core::domain::{FeatureName, PartyId, ProductId, ProductLineId};
use fleetgrant_core::entitlement::{Entitlement, Feature};
use fleetgrant_core::party::OnHold;
use fleetgrant_core::tier::{Policies, TierPolicy};

use super::recent::Recent;
use super::{corrupt, unsigned};
use crate::store::column::Octets;
use crate::store::dialect::{Db, Era};
use crate::store::error::StoreError;
use crate::store::policy_override::{self, Overrides, Subject};
use crate::store::schema::{features, product_features, products};
use crate::store::{party, policy, product};

/// Products that are kept at most; beyond that all are forgotten.
const MAX_PRODUCTS: usize = 4_096;
/// Owners that are kept at most.
const MAX_OWNERS: usize = 16_384;

/// For every thread that decides.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    kept: Arc<Mutex<Kept>>,
    heard: Arc<Mutex<Heard>>,
}

/// Devices, in one era and under one stamp.
#[derive(Debug, Default)]
struct Heard {
    of: Option<(Era, Stamp)>,
    recent: Recent,
}

#[derive(Debug, Default)]
struct Kept {
    stamp: Stamp,
    products: HashMap<ProductId, Arc<[Feature]>>,
    requires: HashMap<ProductId, Requires>,
    product_lines: HashMap<ProductId, Option<ProductLineId>>,
    tiers: HashMap<Option<PartyId>, Arc<TierPolicy>>,
    /// All at once, since most installations have few of them or none.
    overrides: Option<Arc<Overrides>>,
    /// Of an owner's rights to what something of its own lies over.
    own: HashMap<(Option<PartyId>, Subject), Arc<TierPolicy>>,
    on_hold: HashMap<PartyId, bool>,
}

/// What a product is an addition to: of each, what will do.
pub(super) type Requires = Arc<[Arc<[ProductId]>]>;

/// The state of all that is kept, as one transaction sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp(pub(super) i64);

/// What is kept, as it is in one transaction.
pub(super) struct View<'a> {
    cache: &'a Cache,
    stamp: Stamp,
}

impl Cache {
    /// Looks at it within a transaction that sees this stamp.
    pub(super) const fn at(&self, stamp: Stamp) -> View<'_> {
        View { cache: self, stamp }
    }

    /// What is kept of devices, with the stamp it was read under; none, if it may have changed.
    pub(super) fn recall<T>(
        &self,
        db: &Db,
        find: impl FnOnce(&Recent) -> Option<T>,
    ) -> Option<(T, Stamp)> {
        let era = db.era()?;
        let heard = lock(&self.heard);
        let (of, stamp) = heard.of?;
        (of == era)
            .then(|| find(&heard.recent))?
            .map(|found| (found, stamp))
    }

    /// Keeps what was just read under a stamp.
    pub(super) fn keep(&self, db: &Db, stamp: Stamp, keep: impl FnOnce(&mut Recent)) {
        let Some(era) = db.era() else {
            return;
        };
        let mut heard = lock(&self.heard);
        if heard.of != Some((era, stamp)) {
            heard.recent.clear();
            heard.of = Some((era, stamp));
        }
        keep(&mut heard.recent);
    }

    /// Changes what is kept, as the database was just changed.
    pub(super) fn amend(&self, db: &Db, change: impl FnOnce(&mut Recent)) {
        let mut heard = lock(&self.heard);
        if db.era().is_some() && heard.of.map(|(era, _)| era) == db.era() {
            change(&mut heard.recent);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl View<'_> {
    /// What it was read under.
    pub(super) const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The features of a product.
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

    /// What a product is an addition to.
    pub(super) fn requires(&self, db: &mut Db, product: ProductId) -> Result<Requires, StoreError> {
        if let Some(known) = self.kept(|kept| kept.requires.get(&product).cloned()) {
            return Ok(known);
        }
        let required = product::requirements_of(db, product)?;
        let one_of = required
            .into_iter()
            .map(|required| Ok(product::successors(db, required)?.into()));
        let read: Requires = one_of.collect::<Result<_, StoreError>>()?;
        self.kept(|kept| kept.requires.insert(product, Arc::clone(&read)));
        Ok(read)
    }

    /// The line whose devices a product is for; none: those of all.
    pub(super) fn product_line(
        &self,
        db: &mut Db,
        product: ProductId,
    ) -> Result<Option<ProductLineId>, StoreError> {
        if let Some(known) = self.kept(|kept| kept.product_lines.get(&product).copied()) {
            return Ok(known);
        }
        let read: Option<Octets<ProductLineId>> = on!(db, c => products::table
            .find(Octets(product))
            .select(products::product_line_id)
            .first(c))?;
        let line = read.map(|line| line.0);
        self.kept(|kept| kept.product_lines.insert(product, line));
        Ok(line)
    }

    /// The policy in force for an owner's devices.
    fn tier(&self, db: &mut Db, owner: Option<PartyId>) -> Result<Arc<TierPolicy>, StoreError> {
        if let Some(known) = self.kept(|kept| kept.tiers.get(&owner).cloned()) {
            return Ok(known);
        }
        let read = Arc::new(policy::of_owner(db, owner)?);
        self.kept(|kept| kept.tiers.insert(owner, Arc::clone(&read)));
        Ok(read)
    }

    /// The policies in force for an owner's device and for its rights to these entitlements.
    pub(super) fn policies(
        &self,
        db: &mut Db,
        owner: Option<PartyId>,
        entitlements: &[Entitlement],
    ) -> Result<Policies, StoreError> {
        let mut policies = Policies::new(self.tier(db, owner)?);
        let overrides = self.overrides(db)?;
        if !overrides.is_empty() {
            for entitlement in entitlements {
                if let Some(own) = self.own(db, &overrides, owner, entitlement)? {
                    policies.put(entitlement.id, own);
                }
            }
        }
        Ok(policies)
    }

    fn own(
        &self,
        db: &mut Db,
        overrides: &Overrides,
        owner: Option<PartyId>,
        entitlement: &Entitlement,
    ) -> Result<Option<Arc<TierPolicy>>, StoreError> {
        let of_product = overrides.products.get(&entitlement.product);
        let of_entitlement = overrides.entitlements.get(&entitlement.id);
        let subject = match (of_product, of_entitlement) {
            (_, Some(_)) => Subject::Entitlement(entitlement.id),
            (Some(_), None) => Subject::Product(entitlement.product),
            (None, None) => return Ok(None),
        };
        let key = (owner, subject);
        if let Some(known) = self.kept(|kept| kept.own.get(&key).cloned()) {
            return Ok(Some(known));
        }
        let read = Arc::new(policy_override::laid(
            db,
            owner,
            of_product,
            of_entitlement,
        )?);
        self.kept(|kept| kept.own.insert(key, Arc::clone(&read)));
        Ok(Some(read))
    }

    fn overrides(&self, db: &mut Db) -> Result<Arc<Overrides>, StoreError> {
        if let Some(known) = self.kept(|kept| kept.overrides.clone()) {
            return Ok(known);
        }
        let read = Arc::new(policy_override::all(db)?);
        self.kept(|kept| kept.overrides = Some(Arc::clone(&read)));
        Ok(read)
    }

    /// Of these parties, those on hold.
    pub(super) fn on_hold(
        &self,
        db: &mut Db,
        parties: impl IntoIterator<Item = PartyId>,
    ) -> Result<OnHold, StoreError> {
        let mut on_hold = Vec::new();
        for id in BTreeSet::from_iter(parties) {
            let is_held = match self.kept(|kept| kept.on_hold.get(&id).copied()) {
                Some(known) => known,
                None => {
                    let read = party::is_on_hold(db, id)?;
                    self.kept(|kept| kept.on_hold.insert(id, read));
                    read
                }
            };
            if is_held {
                on_hold.push(id);
            }
        }
        Ok(on_hold.into_iter().collect())
    }

    /// What is kept under this view's stamp.
    fn kept<T>(&self, step: impl FnOnce(&mut Kept) -> T) -> T {
        let mut kept = lock(&self.cache.kept);
        let is_full = kept.products.len() > MAX_PRODUCTS
            || kept.requires.len() > MAX_PRODUCTS
            || kept.product_lines.len() > MAX_PRODUCTS
            || kept.tiers.len() > MAX_OWNERS
            || kept.own.len() > MAX_OWNERS
            || kept.on_hold.len() > MAX_OWNERS;
        if kept.stamp != self.stamp || is_full {
            *kept = Kept {
                stamp: self.stamp,
                ..Kept::default()
            };
        }
        step(&mut kept)
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
