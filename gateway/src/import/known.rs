//! What the rows of an import name again and again, read once. It is of one transaction, in which
//! nobody else writes, and only for files that change nothing of it.

use std::collections::HashMap;
use std::rc::Rc;

use fleetgrant_core::domain::{PartyId, ProductId, SkuId, Timestamp};
use fleetgrant_core::license::Model;
use fleetgrant_core::tier::Overdraft;

use super::{Halt, Reason, lookup, refuse, term};
use crate::store::column::Octets;
use crate::store::license_model::{self, LicenseModel};
use crate::store::party::Party;
use crate::store::product::{self, Product};
use crate::store::sku::{self, SkuContent};
use crate::store::{Db, StoreError, contract, policy_override};

/// Most of each kind; beyond that it is read anew.
const MOST: usize = 10_000;

/// What has been read.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By the system and the id it calls it by.
    parties: HashMap<(String, String), Rc<Party>>,
    skus: HashMap<String, Octets<SkuId>>,
    contents: HashMap<Octets<SkuId>, Rc<[Content]>>,
    overdrafts: HashMap<(PartyId, ProductId), Overdraft>,
    co_terms: HashMap<PartyId, Option<Timestamp>>,
}

/// One product that a copy of a SKU gives, with what it is sold by.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) content: SkuContent,
    pub(super) model: LicenseModel,
    pub(super) rules: Model,
    pub(super) product: Product,
}

impl Known {
    pub(super) fn party(
        &mut self,
        db: &mut Db,
        system: &str,
        external_id: &str,
        column: &'static str,
    ) -> Result<Rc<Party>, Halt> {
        let key = (system.to_owned(), external_id.to_owned());
        if let Some(known) = self.parties.get(&key) {
            return Ok(Rc::clone(known));
        }
        let party = Rc::new(lookup::party(db, system, external_id, column)?);
        keep(&mut self.parties, key, Rc::clone(&party));
        Ok(party)
    }

    pub(super) fn sku(&mut self, db: &mut Db, part_number: &str) -> Result<Octets<SkuId>, Halt> {
        if let Some(known) = self.skus.get(part_number) {
            return Ok(*known);
        }
        let sku = lookup::sku(db, part_number)?.id;
        keep(&mut self.skus, part_number.to_owned(), sku);
        Ok(sku)
    }

    /// What a copy of a SKU gives, if all of it can be sold as it is now.
    pub(super) fn contents(
        &mut self,
        db: &mut Db,
        sku: Octets<SkuId>,
    ) -> Result<Rc<[Content]>, Halt> {
        if let Some(known) = self.contents.get(&sku) {
            return Ok(Rc::clone(known));
        }
        let contents = sku::contents(db, sku)?.into_iter();
        let contents: Rc<[_]> = contents
            .map(|content| Content::read(db, content))
            .collect::<Result<_, _>>()?;
        keep(&mut self.contents, sku, Rc::clone(&contents));
        Ok(contents)
    }

    /// When what an owner buys ends, where its contract says so.
    pub(super) fn co_term(
        &mut self,
        db: &mut Db,
        owner: PartyId,
    ) -> Result<Option<Timestamp>, Halt> {
        if let Some(known) = self.co_terms.get(&owner) {
            return Ok(*known);
        }
        let co_term = contract::co_term_of(db, owner)?;
        keep(&mut self.co_terms, owner, co_term);
        Ok(co_term)
    }

    /// Units beyond those bought that policy gives an owner of a product today.
    pub(super) fn overdraft(
        &mut self,
        db: &mut Db,
        owner: PartyId,
        product: ProductId,
    ) -> Result<Overdraft, Halt> {
        let key = (owner, product);
        if let Some(known) = self.overdrafts.get(&key) {
            return Ok(*known);
        }
        let policy = policy_override::of_right(db, Some(owner), product, None)?;
        let overdraft = policy.rules.overdraft;
        keep(&mut self.overdrafts, key, overdraft);
        Ok(overdraft)
    }
}

impl Content {
    fn read(db: &mut Db, content: SkuContent) -> Result<Self, Halt> {
        let model = license_model::find(db, content.license_model_id)?;
        let rules = model.model()?;
        let product = product::find(db, content.product_id.0)?
            .ok_or_else(|| StoreError::Corrupt(format!("product {}", content.product_id.0)))?;
        // The model may have changed since the SKU was imported.
        let fits = term::check(&model.code, &rules, content.term.is_some());
        if let Err(Reason::Unfit(reason)) = fits {
            let reason = Reason::Unfit(format!("{reason}; amend what the SKU gives"));
            return refuse("sku", reason);
        }
        lookup::sellable(db, &model, &rules.rules, &product).map_err(|halt| halt.at("sku"))?;
        Ok(Self {
            content,
            model,
            rules,
            product,
        })
    }
}

fn keep<K: std::hash::Hash + Eq, V>(known: &mut HashMap<K, V>, key: K, value: V) {
    if known.len() >= MOST {
        known.clear();
    }
    known.insert(key, value);
}
