//! The mapping file: what an older system's words mean here.

use std::collections::BTreeMap;

use fleetgrant_core::domain::LegacyKind;
use serde::Deserialize;

/// A mapping has a line for each product, customer and device; more than so many bytes is none.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What an older system's words mean here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// What the older system is called: the rights keep their ids in it.
    pub system: String,
    /// The system whose ids the customers have.
    pub customer_system: String,
    /// The product line of the devices; may be left out where there is only one.
    pub product_line: Option<String>,
    /// What its rights are bound to.
    #[serde(deserialize_with = "kind")]
    pub kind: LegacyKind,
    /// How dates are written, as strptime has it; `2026-01-31` if it is not said.
    pub date_format: Option<String>,
    /// What says that a right has no end, beside an empty cell, as `permanent`.
    #[serde(default)]
    pub endless: Vec<String>,
    /// Which of its columns holds what.
    pub columns: Columns,
    /// Its products.
    pub products: BTreeMap<String, Product>,
    /// Its customers: ids of the customer system.
    #[serde(default)]
    pub customers: BTreeMap<String, String>,
    /// Its host ids or dongles: serial numbers.
    #[serde(default)]
    pub devices: BTreeMap<String, String>,
    /// Whether what is not in `customers` has the same id here.
    #[serde(default)]
    pub same_customers: bool,
    /// Whether what is not in `devices` has the same serial number here.
    #[serde(default)]
    pub same_devices: bool,
}

/// Names of columns of the export.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// The right's id.
    pub right: String,
    /// Who has it.
    pub customer: String,
    /// What it is for.
    pub product: String,
    /// The host or dongle it is bound to; none of a site licence.
    pub device: Option<String>,
    /// How many; one if there is no such column.
    pub units: Option<String>,
    /// The last day it runs; for ever if there is no such column.
    pub last_day: Option<String>,
}

/// A product here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Its code.
    pub product: String,
    /// The licence model of what runs for ever.
    pub perpetual: Option<String>,
    /// The licence model of what has an end.
    pub limited: Option<String>,
}

/// Why a file is no mapping.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// It is not TOML, or has what a mapping has not.
    #[error("{}{message}", line.map_or_else(String::new, |line| format!("line {line}: ")))]
    Toml {
        /// In which line, from 1.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// A right that is bound to a device needs the column that names it.
    #[error("columns.device is missing: rights of the kind {0} are bound to a device")]
    NoDeviceColumn(LegacyKind),
    /// It is looked up and stored as it stands.
    #[error("{0:?} has control characters, which no name may have")]
    Control(String),
}

/// Reads a mapping.
///
/// # Errors
/// See [`MappingError`].
pub fn parse(text: &str) -> Result<Mapping, MappingError> {
    let mapping: Mapping = toml::from_str(text).map_err(|error| MappingError::Toml {
        line: error
            .span()
            .and_then(|span| text.get(..span.start))
            .map(|before| before.matches('\n').count() + 1),
        message: error.message().to_owned(),
    })?;
    if mapping.kind.is_bound() && mapping.columns.device.is_none() {
        return Err(MappingError::NoDeviceColumn(mapping.kind));
    }
    let control = mapping.names().find(|name| name.contains(char::is_control));
    if let Some(name) = control {
        return Err(MappingError::Control(name.to_owned()));
    }
    Ok(mapping)
}

impl Mapping {
    /// All that it calls something here.
    fn names(&self) -> impl Iterator<Item = &str> {
        let products = self.products.values().flat_map(|product| {
            let models = [&product.perpetual, &product.limited];
            std::iter::once(&product.product).chain(models.into_iter().flatten())
        });
        [&self.system, &self.customer_system]
            .into_iter()
            .chain(&self.product_line)
            .chain(products)
            .chain(self.customers.values())
            .chain(self.devices.values())
            .map(String::as_str)
    }

    /// The id of a customer here.
    #[must_use]
    pub fn customer<'m>(&'m self, theirs: &'m str) -> Option<&'m str> {
        let mapped = self.customers.get(theirs).map(String::as_str);
        mapped.or(self.same_customers.then_some(theirs))
    }

    /// The serial number of a device here.
    #[must_use]
    pub fn serial<'m>(&'m self, theirs: &'m str) -> Option<&'m str> {
        let mapped = self.devices.get(theirs).map(String::as_str);
        mapped.or(self.same_devices.then_some(theirs))
    }
}

fn kind<'de, D: serde::Deserializer<'de>>(source: D) -> Result<LegacyKind, D::Error> {
    let text = String::deserialize(source)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const GOOD: &str = include_str!("../../../docs/samples/migration/mapping.toml");

    #[test]
    fn a_device_is_called_by_the_map_or_by_its_own_name_if_that_is_said() {
        let mut mapping = parse(GOOD).unwrap();
        assert_eq!(mapping.serial("HOST-A"), Some("SN-1"));
        assert_eq!(mapping.serial("SN-9"), None);
        mapping.same_devices = true;
        assert_eq!(mapping.serial("SN-9"), Some("SN-9"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let unknown = GOOD.replace("customer_system", "customers_system");
        let told = parse(&unknown).unwrap_err().to_string();
        assert!(told.contains("customers_system"), "{told}");
        let kind = GOOD.replace("node-locked", "floating");
        let told = parse(&kind).unwrap_err().to_string();
        assert!(
            told.starts_with("line ") && told.contains("dongle"),
            "{told}"
        );
        let nul = GOOD.replace("\"erp\"", r#""e\u0000rp""#);
        assert_ne!(nul, GOOD);
        let told = parse(&nul).unwrap_err().to_string();
        assert!(told.contains("control characters"), "{told}");
        let unbound = GOOD.replace("device = \"Host\"\n", "");
        let told = parse(&unbound).unwrap_err().to_string();
        assert!(told.contains("columns.device"), "{told}");
    }
}
