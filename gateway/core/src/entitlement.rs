//! What a party owns, as far as a decision needs it.

use std::sync::Arc;

use fleetgrant_schemas::code::CodeKey;
use jiff::tz::TimeZone;

use crate::domain::{
    CodeId, EntitlementId, EntitlementState, FeatureName, OrderLineId, PartyId, ProductId,
    ProductLineId, Purpose, Timestamp,
};
use crate::license::ModelRules;

/// Units of a product under a licence model, owned by a party.
#[derive(Clone, Debug, PartialEq)]
pub struct Entitlement {
    /// Its id.
    pub id: EntitlementId,
    /// Who owns it; none if it was sold by codes to nobody known yet.
    pub owner: Option<PartyId>,
    /// The owner's time zone: a term ends at the start of a day there.
    pub zone: TimeZone,
    /// The order line that it came from.
    pub order_line: Option<OrderLineId>,
    /// What is licensed.
    pub product: ProductId,
    /// The line whose devices the product is for; none: those of all.
    pub product_line: Option<ProductLineId>,
    /// The features of the product, one grant entry each.
    pub features: Arc<[Feature]>,
    /// What the device must have before it gets any of it: of each of these, one product. A product
    /// that takes the place of what is required will do.
    pub requires: Arc<[Arc<[ProductId]>]>,
    /// The rules of its licence model, as they were when it was made.
    pub rules: ModelRules,
    /// Where it stands.
    pub state: EntitlementState,
    /// What it is for.
    pub purpose: Purpose,
    /// Units it has.
    pub quantity: Quantity,
    /// Units that activations hold now, on all devices.
    pub live: u32,
    /// Of the units that are free, those that a device gave back or that were written off with it
    /// and that no other device has taken up since.
    pub returned: u32,
    /// Units beyond the quantity that policy allows.
    pub overdraft: u32,
    /// Uses that devices have reported, of all its activations; known where they are limited.
    pub used: u64,
    /// Units that one device draws when none are named; at least 1.
    pub units_per_device: u32,
    /// When its term starts.
    pub start: Start,
    /// How long it runs.
    pub term: Term,
    /// From then on nothing of it runs, whatever its term.
    pub revoked_from: Option<Timestamp>,
    /// The end of its maintenance: firmware built then or later does not turn it on.
    pub maintained_until: Option<Timestamp>,
    /// How it is bound to the device of the snapshot.
    pub binding: Binding,
    /// When it was made; of two that end alike the older serves first.
    pub created_at: Timestamp,
}

/// Units of an entitlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// So many.
    Units(u32),
    /// As many as are asked for.
    Unlimited,
}

/// One feature of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// The name the firmware asks for.
    pub name: FeatureName,
    /// The highest version it is on for.
    pub version_ceiling: Option<String>,
    /// Never switched off by an expiry.
    pub essential: bool,
    /// Uses that each unit gives; none if uses are not counted.
    pub uses: Option<u64>,
    /// What the maker hands to the firmware, at most 64 bytes; empty for nothing.
    pub vendor_data: Vec<u8>,
}

/// When a term starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At a date that is known: fixed, or the order, shipment or first activation has been.
    At(Timestamp),
    /// When its first unit is published, at the latest at `latest`.
    FirstActivation {
        /// The latest start.
        latest: Option<Timestamp>,
    },
    /// For each activation when it is published, at the latest at `latest`.
    EachActivation {
        /// The latest start.
        latest: Option<Timestamp>,
    },
    /// At a date that is not known yet, as of a shipment that has not been.
    Awaited,
}

/// How long an entitlement runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// For ever.
    Perpetual,
    /// Until an instant, exclusive.
    Until(Timestamp),
    /// For a time by the calendar of the owner's time zone.
    For {
        /// Months; a year is 12.
        months: u16,
        /// Days.
        days: u16,
    },
}

/// How an entitlement is bound to the device of the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Binding {
    /// By the order line, shipment or manifest that names the device.
    Device,
    /// By nothing but its owner, who owns the device too.
    Owner,
    /// By neither: only a code, or an activation already there, leads to it.
    None,
}

/// An activation code that the request named and the back office knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its public half.
    pub id: CodeId,
    /// SHA-256 of its secret half: the key of the device's proof.
    pub key: CodeKey,
    /// What it gives.
    pub entitlement: EntitlementId,
    /// Who hands it out; what it gives is that party's until it is used, and then the user's.
    pub partner: Option<PartyId>,
    /// Units a use gives.
    pub units: u32,
    /// Uses left.
    pub uses_left: u32,
    /// From here on it gives nothing.
    pub expires_at: Option<Timestamp>,
    /// An operator made it worthless.
    pub void: bool,
    /// Wrong proofs so far.
    pub failures: u16,
}
