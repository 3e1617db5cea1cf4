//! What the load stands on: a catalogue, buyers with orders, and devices on a manifest; and as
//! many devices besides that were served before.

use fleetgrant_core::domain::{
    CatalogueState, DeviceState, EntitlementState, KeyThumbprint, OrderLineId, OrderState, PartyId,
    PartyKind, PartyState, ProductId, ProductLineId, Purpose, Scope, SkuId, Source, StartBasis,
    Timestamp,
};
use fleetgrant_schemas::id::CertificateThumbprint;
use sha2::{Digest as _, Sha256};

use super::{LoadError, LoadOptions};
use crate::identity::{StoredCredential, TrustDigest};
use crate::store::column::{Code, Micros, Octets};
use crate::store::conversation::Credential;
use crate::store::entitlement::Entitlement;
use crate::store::order::{Order, OrderLine};
use crate::store::party::Party;
use crate::store::product::{Feature, Product, ProductFeature};
use crate::store::sku::Sku;
use crate::store::{
    Db, Store, StoreError, device, entitlement, id, license_model, order, party, product,
    product_line, sku,
};

/// Activations of one device at most: a set holds 64 entries.
pub(super) const MAX_ROUNDS: usize = 32;
/// Devices of one buyer.
const FLEET: usize = 100;
/// Devices written in one transaction.
const CHUNK: usize = 1_000;
const SYSTEM: &str = "load";
/// As a development PKI names it.
const PRODUCT_LINE: (&str, &str) = ("development", "dev");

/// The feature that is activated in a round; 0 is that of the first contact.
pub(super) fn feature(round: usize) -> String {
    format!("load-{round:02}")
}

/// The serial of a device.
pub(super) fn serial(index: usize) -> String {
    format!("L{index:07}")
}

#[derive(Clone)]
struct Catalogue {
    line: Octets<ProductLineId>,
    sku: Octets<SkuId>,
    /// By round; 0 is bound to the order line.
    products: Vec<Octets<ProductId>>,
}

pub(super) async fn seed(
    store: &Store,
    options: &LoadOptions,
    rounds: usize,
    now: Timestamp,
) -> Result<(), LoadError> {
    let catalogue = store
        .write("load-catalogue", move |db| catalogue(db, rounds, now))
        .await?;
    let active = options.devices.get();
    let all = active + options.known;
    for from in (0..all).step_by(CHUNK) {
        let catalogue = catalogue.clone();
        let to = all.min(from + CHUNK);
        store
            .write("load-devices", move |db| {
                let mut buyer = None;
                for index in from..to {
                    if index % FLEET == 0 || buyer.is_none() {
                        buyer = Some(self::buyer(db, &catalogue, index, now)?);
                    }
                    if let Some(buyer) = &buyer {
                        device(db, &catalogue, buyer, index, index >= active, now)?;
                    }
                }
                Ok(())
            })
            .await?;
    }
    Ok(())
}

fn catalogue(db: &mut Db, rounds: usize, now: Timestamp) -> Result<Catalogue, StoreError> {
    let at = Micros(now);
    let (name, prefix) = PRODUCT_LINE;
    let line = product_line::ensure(db, name, prefix, now)?.id;
    let sku = Sku {
        id: id::fresh(now),
        part_number: SYSTEM.to_owned(),
        title: SYSTEM.to_owned(),
        state: Code(CatalogueState::Active),
        created_at: at,
        changed_at: at,
    };
    sku::insert(db, &sku)?;
    let mut products = Vec::with_capacity(rounds + 1);
    for round in 0..=rounds {
        let name = feature(round);
        let product = Product {
            id: id::fresh(now),
            code: name.clone(),
            title: name.clone(),
            product_line_id: Some(line),
            replaces_id: None,
            state: Code(CatalogueState::Active),
            created_at: at,
            changed_at: at,
        };
        let feature = Feature {
            id: id::fresh(now),
            title: name.clone(),
            name,
            essential: false,
            state: Code(CatalogueState::Active),
            created_at: at,
            changed_at: at,
        };
        product::insert(db, &product)?;
        product::insert_feature(db, &feature)?;
        product::put_product_feature(
            db,
            &ProductFeature {
                product_id: product.id,
                feature_id: feature.id,
                version_ceiling: None,
                use_count: None,
                vendor_data: None,
            },
        )?;
        products.push(product.id);
    }
    Ok(Catalogue {
        line,
        sku: sku.id,
        products,
    })
}

struct Buyer {
    party: Octets<PartyId>,
    line: Octets<OrderLineId>,
}

/// A party that ordered every product for a fleet.
fn buyer(
    db: &mut Db,
    catalogue: &Catalogue,
    index: usize,
    now: Timestamp,
) -> Result<Buyer, StoreError> {
    let at = Micros(now);
    let reference = format!("buyer-{index}");
    let party = Party {
        id: id::fresh(now),
        kind: Code(PartyKind::Customer),
        name: reference.clone(),
        tier: None,
        time_zone: "UTC".to_owned(),
        parent_id: None,
        merged_into_id: None,
        state: Code(PartyState::Active),
        created_at: at,
        changed_at: at,
    };
    party::insert(db, &party, SYSTEM, &reference)?;
    let order = Order {
        id: id::fresh(now),
        system: SYSTEM.to_owned(),
        reference: reference.clone(),
        revision: 1,
        ordered_at: at,
        sold_to_id: party.id,
        ship_to_id: None,
        end_user_id: party.id,
        state: Code(OrderState::Open),
        created_at: at,
        changed_at: at,
        payment_hold: false,
    };
    order::insert(db, &order)?;
    let line = OrderLine {
        id: id::fresh(now),
        order_id: order.id,
        line: "1".to_owned(),
        sku_id: catalogue.sku,
        quantity: FLEET as i64,
        value_e4: None,
        currency: None,
        state: Code(OrderState::Open),
        purpose: Code(Purpose::Production),
        starts_at: None,
        created_at: at,
        changed_at: at,
        maintains: None,
    };
    order::insert_line(db, &line)?;
    let model = license_model::by_code(db, "perpetual")?
        .ok_or_else(|| StoreError::Corrupt("the perpetual model is missing".to_owned()))?;
    for (round, product) in catalogue.products.iter().enumerate() {
        let entitlement = Entitlement {
            id: id::fresh(now),
            system: SYSTEM.to_owned(),
            reference: format!("{reference}-{round}"),
            owner_id: Some(party.id),
            product_id: *product,
            license_model_id: model.id,
            order_line_id: (round == 0).then_some(line.id),
            state: Code(EntitlementState::Active),
            source: Code(Source::Order),
            purpose: Code(Purpose::Production),
            scope: Code(Scope::Device),
            model_kind: model.kind,
            model_rules: model.rules.clone(),
            grace_seconds: 0,
            unlimited: false,
            units: FLEET as i64,
            overdraft: 0,
            live_units: 0,
            pending_credit: 0,
            units_per_device: 1,
            start_basis: Code(StartBasis::Fixed),
            starts_at: Some(at),
            latest_start_at: None,
            term: None,
            ends_at: None,
            time_zone: "UTC".to_owned(),
            created_at: at,
            changed_at: at,
            holds: 0,
            revoked_from_at: None,
            maintained_until_at: None,
        };
        entitlement::insert(db, &entitlement)?;
    }
    Ok(Buyer {
        party: party.id,
        line: line.id,
    })
}

fn device(
    db: &mut Db,
    catalogue: &Catalogue,
    buyer: &Buyer,
    index: usize,
    is_known: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let serial = serial(index);
    let id = format!("{}-{serial}", PRODUCT_LINE.1);
    let state = if is_known {
        DeviceState::Admitted
    } else {
        DeviceState::Expected
    };
    let mut row = device::Device::new(id.clone(), catalogue.line, serial, state, now);
    row.on_manifest = true;
    row.owner_id = Some(buyer.party);
    row.order_line_id = Some(buyer.line);
    device::insert(db, &row)?;
    if is_known {
        let digest: [u8; 32] = Sha256::digest(&id).into();
        let device = fleetgrant_core::domain::DeviceId::new(&id)
            .map_err(|invalid| StoreError::Corrupt(invalid.to_string()))?;
        let credential = Credential {
            key: KeyThumbprint(digest),
            certificate: CertificateThumbprint(digest),
            not_after: now,
            verified: StoredCredential {
                // About what two P-256 certificates take.
                chain: vec![0x30; 1_100],
                anchor: PRODUCT_LINE.0.to_owned(),
                trust: TrustDigest([0; 32]),
                in_force_until: now,
                issuer_expired: false,
            },
        };
        credential.record(db, &device, now)?;
    }
    Ok(())
}
