//! What people call things, looked up where it is needed by an id.

use anyhow::anyhow;

use super::{Query, Remote, segment};
use crate::cli::Failure;
use crate::cli::ledger::id;
use crate::http::entitlements::Entitlement;
use crate::http::factory::Batch;
use crate::http::orders::Order;
use crate::http::page::Page;
use crate::http::parties::Party;
use crate::http::value::Id;

impl Remote {
    /// The one party of a name, of an id that some system calls it by, or of its own id.
    pub(in crate::cli) fn party(&self, called: &str) -> Result<Id, Failure> {
        if let Ok(id) = id(called) {
            return Ok(Id(id));
        }
        let mut found: Vec<Id> = Vec::new();
        for filter in ["name", "external_id"] {
            let query = Query::default().with(filter, Some(called));
            let page: Page<Party> = self.get("/parties", &query)?;
            for party in page.items {
                if !found.contains(&party.id) {
                    found.push(party.id);
                }
            }
        }
        match found.as_slice() {
            [party] => Ok(*party),
            [] => Err(Failure::refused(anyhow!(
                "no party has the name, the external id or the id {called:?}: list them with \
                 `fleetgrant parties list`"
            ))),
            _ => Err(Failure::refused(anyhow!(
                "{} parties are called {called:?}: name it by an id that one system calls it by",
                found.len()
            ))),
        }
    }

    /// As [`Self::party`], where one is named.
    pub(in crate::cli) fn party_if(&self, called: Option<&str>) -> Result<Option<Id>, Failure> {
        called.map(|called| self.party(called)).transpose()
    }

    /// The one entitlement of an id or a reference.
    pub(in crate::cli) fn entitlement(&self, text: &str) -> Result<Entitlement, Failure> {
        if id(text).is_ok() {
            return self.get(
                &format!("/entitlements/{}", segment(text)),
                &Query::default(),
            );
        }
        let query = Query::default().with("reference", Some(text));
        let mut found: Page<Entitlement> = self.get("/entitlements", &query)?;
        match (found.items.pop(), found.items.is_empty()) {
            (Some(entitlement), true) => Ok(entitlement),
            (Some(_), false) => Err(Failure::refused(anyhow!(
                "several systems call an entitlement {text:?}: give its id, from `fleetgrant \
                 entitlements list --reference {text}`"
            ))),
            (None, _) => Err(Failure::refused(anyhow!(
                "there is no entitlement {text:?}: list them with `fleetgrant entitlements list`"
            ))),
        }
    }

    /// The one order that is called so.
    pub(in crate::cli) fn order(
        &self,
        reference: &str,
        system: Option<&str>,
    ) -> Result<Order, Failure> {
        let query = Query::default()
            .with("reference", Some(reference))
            .with("system", system);
        let mut found: Page<Order> = self.get("/orders", &query)?;
        match (found.items.pop(), found.items.is_empty()) {
            (Some(order), true) => Ok(order),
            (Some(_), false) => Err(Failure::refused(anyhow!(
                "several systems call an order {reference:?}: name one with --system"
            ))),
            (None, _) => Err(Failure::refused(anyhow!(
                "there is no order {reference:?}: list them with `fleetgrant orders list`"
            ))),
        }
    }

    /// The batch that a manifest calls so.
    pub(in crate::cli) fn batch(&self, reference: &str) -> Result<Batch, Failure> {
        let query = Query::default().with("reference", Some(reference));
        let mut found: Page<Batch> = self.get("/batches", &query)?;
        found.items.pop().ok_or_else(|| {
            Failure::refused(anyhow!(
                "no manifest names the batch {reference:?}: import one with `fleetgrant import \
                 manifest`"
            ))
        })
    }
}
