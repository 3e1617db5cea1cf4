//! `fleetgrant policies product` and `entitlement`: what the rights to a product, or those of one
//! entitlement, have of a policy of their own.

mod remote;

pub(super) use remote::{end as end_remote, put as put_remote};

use std::path::PathBuf;

use anyhow::anyhow;
use fleetgrant_core::domain::ProductId;
use fleetgrant_core::tier::Layer;

use super::contracts::{Release, decide, reference};
use super::ledger::Ledger;
use super::policies::read;
use super::{Failure, Global};
use crate::policy_file;
use crate::policy_layers::{Named, Terms};
use crate::store::policy_override::{self, Ended, MOST, Put, Subject};
use crate::store::product;

/// Put a policy for the rights to a product in force, whoever owns them
///
/// Each field of the file lies over the tier's, a table as a whole, and under those of contracts and
/// entitlements. It is never changed: what is decided anew has another reference, and the one before
/// ends.
#[derive(Debug, clap::Args)]
pub(super) struct Product {
    /// The code of the product
    product: String,
    #[command(flatten)]
    own: Own,
}

/// Put a policy for one entitlement in force
///
/// Each field of the file lies over all other policies, a table as a whole. It is never changed: what is
/// agreed anew has another reference, and the one before ends.
#[derive(Debug, clap::Args)]
pub(super) struct Entitlement {
    /// Its reference or its id
    entitlement: String,
    #[command(flatten)]
    own: Own,
}

#[derive(Debug, clap::Args)]
pub(super) struct Own {
    /// Fields of a policy, as TOML or JSON; - for standard input
    file: PathBuf,
    /// What it is called; decisions name it
    #[arg(long, value_parser = reference)]
    reference: String,
    /// Only checks it
    #[arg(long)]
    dry_run: bool,
}

/// What is to have a policy of its own, as it is called, and what that is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order<'a> {
    layer: Layer,
    called: &'a str,
    own: &'a Own,
}

impl Product {
    pub(super) fn order(&self) -> Order<'_> {
        Order {
            layer: Layer::Product,
            called: &self.product,
            own: &self.own,
        }
    }
}

impl Entitlement {
    pub(super) fn order(&self) -> Order<'_> {
        Order {
            layer: Layer::Entitlement,
            called: &self.entitlement,
            own: &self.own,
        }
    }
}

impl Order<'_> {
    fn refused(&self, reason: &dyn std::fmt::Display) -> Failure {
        let file = self.own.file.display();
        Failure::refused(anyhow!("{file} is no policy of {}: {reason}", self.what()))
    }

    const fn what(&self) -> &'static str {
        match self.layer {
            Layer::Product => "a product",
            Layer::Contract => "a contract",
            Layer::Entitlement => "an entitlement",
        }
    }

    /// What the file says.
    fn named(&self) -> Result<Named, Failure> {
        let text = read(&self.own.file)?;
        let terms: Terms =
            policy_file::parse_terms(&text).map_err(|reason| self.refused(&reason))?;
        if terms.is_empty() {
            let told = format!(
                "it says nothing; `policies release --{}` ends one",
                self.layer
            );
            return Err(self.refused(&told));
        }
        terms
            .check(self.layer)
            .map_err(|reason| self.refused(&reason))?;
        Ok(Named {
            reference: self.own.reference.clone(),
            terms,
        })
    }

    fn tell_of_put(&self, changed: bool) {
        let reference = &self.own.reference;
        super::note(&match (self.own.dry_run, changed) {
            (true, _) => "it can be put in force".to_owned(),
            (false, true) => format!("{}:{reference} is in force for {}", self.layer, self.called),
            (false, false) => format!("{reference} says so already, and stays in force"),
        });
    }
}

pub(super) fn put(global: &Global, order: &Order<'_>) -> Result<(), Failure> {
    let named = order.named()?;
    let ledger = Ledger::open(global)?;
    let subject = subject(&ledger, order.layer, order.called)?;
    let dry_run = order.own.dry_run;
    let put = decide(&ledger, move |db, occasion| {
        let put = policy_override::put_in_force(db, subject, &named, occasion)?;
        let keeps = matches!(put, Put::InForce | Put::Unchanged) && !dry_run;
        Ok((put, keeps))
    })?;
    match put {
        Put::InForce => order.tell_of_put(true),
        Put::Unchanged => order.tell_of_put(false),
        Put::ReferenceTaken => {
            let (called, reference) = (order.called, &order.own.reference);
            return Err(Failure::refused(anyhow!(
                "{called} has had a policy {reference} that says something else: give this one another \
                 reference"
            )));
        }
        Put::TooMany => {
            return Err(Failure::refused(anyhow!(
                "{MOST} entitlements have a policy of their own, and no more can: set it by product or \
                 by contract, or release others"
            )));
        }
        Put::Contradicted(contradicted) => return Err(order.refused(&contradicted)),
    }
    Ok(())
}

/// Ends what a product or an entitlement has of its own.
pub(super) fn end(ledger: &Ledger, layer: Layer, called: &str) -> Result<(), Failure> {
    let subject = subject(ledger, layer, called)?;
    let ended = decide(ledger, move |db, occasion| {
        let ended = policy_override::end(db, subject, occasion)?;
        let keeps = !matches!(ended, Ended::Contradicted(_));
        Ok((ended, keeps))
    })?;
    match ended {
        Ended::Ended(reference) => tell_of_end(called, Some(&reference)),
        Ended::None => tell_of_end(called, None),
        Ended::Contradicted(contradicted) => {
            return Err(Failure::refused(anyhow!("{contradicted}")));
        }
    }
    Ok(())
}

fn tell_of_end(called: &str, ended: Option<&str>) {
    super::note(&match ended {
        Some(reference) => {
            format!("{reference} has ended: {called} has no policy of its own any more")
        }
        None => format!("{called} has no policy of its own already"),
    });
}

fn subject(ledger: &Ledger, layer: Layer, called: &str) -> Result<Subject, Failure> {
    match layer {
        Layer::Entitlement => Ok(Subject::Entitlement(ledger.entitlement(called)?.id.0)),
        Layer::Product | Layer::Contract => Ok(Subject::Product(product_called(ledger, called)?)),
    }
}

/// The product of a code.
pub(super) fn product_called(ledger: &Ledger, code: &str) -> Result<ProductId, Failure> {
    let called = code.to_owned();
    let found = ledger.read(move |db| product::by_code(db, &called))?;
    let found = found.map(|product| product.id.0);
    found.ok_or_else(|| no_product(code))
}

fn no_product(code: &str) -> Failure {
    Failure::refused(anyhow!(
        "there is no product {code:?}: list them with `fleetgrant products list`"
    ))
}

impl Release {
    /// The product or the entitlement whose policy is to end; none: a party's contract.
    pub(super) fn own(&self) -> Option<(Layer, &str)> {
        let product = self.product.as_deref();
        let entitlement = self.entitlement.as_deref();
        let product = product.map(|called| (Layer::Product, called));
        product.or(entitlement.map(|called| (Layer::Entitlement, called)))
    }
}
