//! What activations can be broken down by, in any combination.

use std::fmt;
use std::str::FromStr;

/// What activations can be broken down by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// The product, by its code.
    Product,
    /// The feature: a unit of a product counts for each feature of it.
    Feature,
    /// The licence model, by its code.
    Model,
    /// The owner, by its name.
    Customer,
    /// The tier of the owner.
    Tier,
    /// The product line that the product is for.
    ProductLine,
    /// The platform of the device: hardware model and firmware.
    Platform,
    /// The purpose; only so are others counted than production.
    Purpose,
}

impl Dimension {
    /// Every one.
    pub const ALL: &'static [Self] = &[
        Self::Product,
        Self::Feature,
        Self::Model,
        Self::Customer,
        Self::Tier,
        Self::ProductLine,
        Self::Platform,
        Self::Purpose,
    ];

    /// The name people and scripts use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Feature => "feature",
            Self::Model => "model",
            Self::Customer => "customer",
            Self::Tier => "tier",
            Self::ProductLine => "product-line",
            Self::Platform => "platform",
            Self::Purpose => "purpose",
        }
    }
}

/// What a report is broken down by: each of these once, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dimensions(Vec<Dimension>);

/// A text that is no list of dimensions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDimensions {
    /// One of them is none.
    #[error("{0:?} is none of {names}", names = Dimension::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", "))]
    Unknown(String),
    /// One stands there twice.
    #[error("{0} stands there twice")]
    Twice(&'static str),
}

impl FromStr for Dimensions {
    type Err = InvalidDimensions;

    fn from_str(text: &str) -> Result<Self, InvalidDimensions> {
        let mut dimensions = Vec::new();
        for name in text.split(',').filter(|name| !name.is_empty()) {
            let name = name.trim();
            let dimension = Dimension::ALL
                .iter()
                .copied()
                .find(|one| one.as_str() == name);
            let dimension = dimension.ok_or_else(|| InvalidDimensions::Unknown(name.to_owned()))?;
            if dimensions.contains(&dimension) {
                return Err(InvalidDimensions::Twice(dimension.as_str()));
            }
            dimensions.push(dimension);
        }
        Ok(Self(dimensions))
    }
}

impl fmt::Display for Dimensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|dimension| dimension.as_str()).collect();
        f.write_str(&names.join(","))
    }
}

/// What something goes by in each dimension.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) product: &'a str,
    pub(super) features: &'a [String],
    pub(super) model: &'a str,
    pub(super) customer: Option<&'a str>,
    pub(super) tier: Option<&'a str>,
    pub(super) product_line: Option<&'a str>,
    /// None where no device has it.
    pub(super) platform: Option<&'a str>,
    pub(super) purpose: &'static str,
}

const NO_CUSTOMER: &str = "(no owner)";
const NO_TIER: &str = "(no tier)";
const ALL_LINES: &str = "(all lines)";
const NO_DEVICE: &str = "(no device)";

impl Dimensions {
    pub(super) fn has(&self, dimension: Dimension) -> bool {
        self.0.contains(&dimension)
    }

    /// The groups that something is in, one unless features are told apart; none if there are no
    /// dimensions.
    pub(super) fn groups(&self, place: &Place<'_>) -> Vec<String> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut groups = vec![String::new()];
        for dimension in &self.0 {
            let of = place.names(*dimension);
            groups = groups
                .iter()
                .flat_map(|group| {
                    of.iter().map(move |name| match group.is_empty() {
                        true => (*name).to_owned(),
                        false => format!("{group} / {name}"),
                    })
                })
                .collect();
        }
        groups
    }
}

impl<'a> Place<'a> {
    fn names(&self, dimension: Dimension) -> Vec<&'a str> {
        vec![match dimension {
            Dimension::Feature => return self.features.iter().map(String::as_str).collect(),
            Dimension::Product => self.product,
            Dimension::Model => self.model,
            Dimension::Customer => self.customer.unwrap_or(NO_CUSTOMER),
            Dimension::Tier => self.tier.unwrap_or(NO_TIER),
            Dimension::ProductLine => self.product_line.unwrap_or(ALL_LINES),
            Dimension::Platform => self.platform.unwrap_or(NO_DEVICE),
            Dimension::Purpose => self.purpose,
        }]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn any_combination_makes_a_group_for_each_feature() {
        let features = ["scan".to_owned(), "print".to_owned()];
        let place = Place {
            product: "P",
            features: &features,
            model: "perpetual",
            customer: None,
            tier: Some("volume"),
            product_line: None,
            platform: None,
            purpose: "production",
        };
        let groups = |text: &str| text.parse::<Dimensions>().unwrap().groups(&place);
        assert_eq!(groups("tier,feature"), ["volume / scan", "volume / print"]);
        assert_eq!(
            groups("customer,product-line"),
            ["(no owner) / (all lines)"]
        );
        assert_eq!(groups(""), Vec::<String>::new());
        for bad in ["colour", "tier,tier"] {
            assert!(bad.parse::<Dimensions>().is_err(), "{bad}");
        }
    }
}
