//! The back office of a data set: the files that a maker would import.

use std::fmt::Write as _;
use std::io::Cursor;

use fleetgrant_core::domain::{DeviceId, Timestamp};
use jiff::tz::TimeZone;

use super::{NOW, Progress, ScaleError};
use crate::identity::IdPrefix;
use crate::import::{self, ImportOptions, Kind};
use crate::store::Store;

/// Devices of one order, all shipped together.
const ORDER: usize = 50;
/// Devices of one customer.
const FLEET: usize = 200;
/// Of an order's devices, those that the customer buys the option for.
const OPTIONS: usize = 20;
/// Orders in one file, which is one transaction.
const FILE: usize = 200;
/// Products of the suite that each device is owed.
pub(super) const SUITE: usize = 10;
/// The feature of the option, which devices ask for by name.
pub(super) const OPTION: &str = "option";
/// Seconds over which the orders are spread: three years.
const SPAN: u64 = 3 * 365 * 86_400;
const DAY: u64 = 86_400;
const LINES: [(&str, &str); 2] = [("scopes", "scope"), ("pumps", "pump")];
const TIERS: [&str; 3] = ["strategic", "standard", "volume"];
const ZONES: [&str; 4] = ["Europe/Vienna", "Asia/Tokyo", "America/New_York", "UTC"];

/// A device that was made, and when it left the house.
#[derive(Clone, Debug)]
pub(super) struct Shipped {
    pub(super) id: DeviceId,
    pub(super) at: Timestamp,
}

/// The product lines that the files name.
pub(super) fn product_lines() -> Vec<(String, IdPrefix)> {
    let parsed = LINES
        .iter()
        .map(|(name, prefix)| Some(((*name).to_owned(), prefix.parse().ok()?)));
    parsed.flatten().collect()
}

/// Imports the files of so many devices; the devices, those that left first before the others.
pub(super) fn import(
    store: &Store,
    devices: usize,
    progress: &impl Progress,
) -> Result<Vec<Shipped>, ScaleError> {
    let start = NOW.minus_seconds(SPAN + 60 * DAY);
    let orders = devices.div_ceil(ORDER);
    take(store, Kind::Products, products(), start)?;
    take(store, Kind::Skus, skus(), start)?;
    take(
        store,
        Kind::Parties,
        parties(devices.div_ceil(FLEET)),
        start,
    )?;
    let mut shipped = Vec::with_capacity(devices);
    for first in (0..orders).step_by(FILE) {
        progress("importing", first * ORDER, devices);
        let file = first..orders.min(first + FILE);
        let mut texts = Texts::new();
        let mut at = start;
        for order in file {
            at = start.plus_seconds(SPAN / orders as u64 * order as u64);
            let of_it = order * ORDER..devices.min((order + 1) * ORDER);
            texts.order(order, of_it, at, &mut shipped)?;
        }
        take(store, Kind::Orders, texts.orders, at)?;
        take(
            store,
            Kind::Shipments,
            texts.shipments,
            at.plus_seconds(2 * DAY),
        )?;
        take(
            store,
            Kind::Manifest,
            texts.manifest,
            at.plus_seconds(2 * DAY),
        )?;
    }
    Ok(shipped)
}

struct Texts {
    orders: String,
    shipments: String,
    manifest: String,
}

impl Texts {
    fn new() -> Self {
        Self {
            orders: "system,order,ordered_at,sold_to,line,sku,quantity,value,currency\n".to_owned(),
            shipments: "system,shipment,order,line,quantity,shipped_at,product_line,serials\n"
                .to_owned(),
            manifest: "serial,product_line,hwmodel,system,owner,order,line,batch\n".to_owned(),
        }
    }

    fn order(
        &mut self,
        order: usize,
        devices: std::ops::Range<usize>,
        at: Timestamp,
        shipped: &mut Vec<Shipped>,
    ) -> Result<(), ScaleError> {
        let (line, prefix) = LINES[order % LINES.len()];
        let quantity = devices.len();
        let owner = devices.start / FLEET;
        let left = at.plus_seconds(DAY);
        let mut serials = Vec::with_capacity(quantity);
        for device in devices {
            let serial = format!("S{device:07}");
            let written = writeln!(
                self.manifest,
                "{serial},{line},mk{},erp,C-{owner},O-{order},10,B-{}",
                device % 3,
                order / 10
            );
            debug_assert!(written.is_ok(), "writing into a string cannot fail");
            let id = DeviceId::new(&format!("{prefix}-{serial}"))?;
            shipped.push(Shipped { id, at: left });
            serials.push(serial);
        }
        let written = writeln!(
            self.orders,
            "erp,O-{order},{at},C-{owner},10,SUITE,{quantity},{quantity}00.00,EUR\n\
             erp,O-{order},{at},C-{owner},20,OPTION,{OPTIONS},{OPTIONS}0.00,EUR"
        )
        .and_then(|()| {
            let serials = serials.join(";");
            writeln!(
                self.shipments,
                "erp,D-{order},O-{order},10,{quantity},{left},{line},{serials}"
            )
        });
        debug_assert!(written.is_ok(), "writing into a string cannot fail");
        Ok(())
    }
}

fn products() -> String {
    let mut text = "product,title,feature,feature_title\n".to_owned();
    for product in 0..SUITE {
        text.push_str(&format!(
            "SUITE-{product:02},Part {product} of the suite,suite-{product:02},Part {product}\n"
        ));
    }
    text + &format!("OPTION,An option,{OPTION},The option\n")
}

fn skus() -> String {
    let mut text = "sku,title,product,model,term,start_basis\n".to_owned();
    for product in 0..SUITE {
        let (model, term) = match product % 2 {
            0 => ("perpetual", ""),
            _ => ("subscription", "P5Y"),
        };
        text.push_str(&format!(
            "SUITE,The suite,SUITE-{product:02},{model},{term},fixed\n"
        ));
    }
    text + "OPTION,The option,OPTION,perpetual,,fixed\n"
}

fn parties(customers: usize) -> String {
    let mut text = "system,party,name,tier,time_zone\n".to_owned();
    for customer in 0..customers {
        let (tier, zone) = (TIERS[customer % TIERS.len()], ZONES[customer % ZONES.len()]);
        text.push_str(&format!(
            "erp,C-{customer},Customer {customer},{tier},{zone}\n"
        ));
    }
    text
}

fn take(store: &Store, kind: Kind, text: String, now: Timestamp) -> Result<(), ScaleError> {
    let options = ImportOptions {
        dry_run: false,
        amend: false,
        skip_bad: false,
        actor: "scale".to_owned(),
        now,
        product_lines: product_lines(),
        time_zone: TimeZone::UTC,
        manufacturer: None,
    };
    let report = import::run(kind, Cursor::new(text), options, store).map_err(|source| {
        ScaleError::Import {
            kind: kind.as_str(),
            source,
        }
    })?;
    match report.errors.first() {
        None => Ok(()),
        Some(row) => Err(ScaleError::Refused {
            kind: kind.as_str(),
            line: row.line,
            reason: row.reason.to_string(),
        }),
    }
}
