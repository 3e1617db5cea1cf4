//! The same, on another gateway.

use axum::http::Method;
use fleetgrant_core::tier::Layer;

use super::{Order, no_product, tell_of_end};
use crate::cli::remote::{Body, Query};
use crate::cli::{Failure, Remote};
use crate::http::page::Page;
use crate::http::policy_overrides::{NewOwnPolicy, OwnPolicy, OwnPolicyEnded, OwnPolicyInForce};
use crate::http::products::Product;
use crate::http::value::Id;

pub(in crate::cli) fn put(gateway: &Remote, order: &Order<'_>) -> Result<(), Failure> {
    let named = order.named()?;
    let asked = NewOwnPolicy {
        reference: named.reference,
        terms: serde_json::from_str(&named.terms.json()?).map_err(Failure::input)?,
    };
    let path = path(gateway, order.layer, order.called)?;
    // What ends is what is in force now, and nothing that comes in between.
    let before = gateway.find::<OwnPolicy>(&path)?;
    let version = before.and_then(|(_, version)| version);
    let query = Query::preview(order.own.dry_run);
    let body = Body::Json(&asked);
    let put: OwnPolicyInForce = gateway.try_write(&Method::POST, &path, &query, &body, version)?;
    order.tell_of_put(put.changed);
    Ok(())
}

pub(in crate::cli) fn end(gateway: &Remote, layer: Layer, called: &str) -> Result<(), Failure> {
    let path = format!("{}/end", path(gateway, layer, called)?);
    let ended: OwnPolicyEnded = gateway.post(&path, &Query::default(), &Body::None)?;
    tell_of_end(called, ended.ended.as_deref());
    Ok(())
}

fn path(gateway: &Remote, layer: Layer, called: &str) -> Result<String, Failure> {
    Ok(match layer {
        Layer::Entitlement => format!("/entitlements/{}/policy", gateway.entitlement(called)?.id),
        Layer::Product | Layer::Contract => {
            format!("/products/{}/policy", product_called(gateway, called)?)
        }
    })
}

/// The product of a code.
fn product_called(gateway: &Remote, code: &str) -> Result<Id, Failure> {
    let query = Query::default().with("code", Some(code));
    let mut found: Page<Product> = gateway.get("/products", &query)?;
    let found = found.items.pop().map(|product| product.id);
    found.ok_or_else(|| no_product(code))
}
