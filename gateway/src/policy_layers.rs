//! Policies that lie over that of a tier: of a product, of a party's contract and of one entitlement.
//!
//! Each has its own of some fields, a table as a whole, and what it leaves out is as below it. What
//! contradicts the layers below it is refused when it is put in force; where one comes to lie over
//! another all the same, as after a party came to another tier, it is left out.

use std::collections::BTreeMap;

use fleetgrant_core::tier::draft::{Contradiction, Draft};
use fleetgrant_core::tier::{Layer, TierPolicy, TierRules, standard};
use serde_json::Value;

use crate::store::StoreError;

/// Fields of a policy, by name: a value, or a whole table.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms(BTreeMap<String, Value>);

/// Why terms cannot be laid over a policy.
#[derive(Debug, thiserror::Error)]
pub enum TermsError {
    /// They are not fields of a policy.
    #[error("{0}")]
    Unreadable(#[from] serde_json::Error),
    /// A field means nothing for a single right.
    #[error(
        "{field} is about a device or a party as a whole, and no {layer} can have its own: leave it \
         out, or set it by tier or contract"
    )]
    NotOf {
        /// The field.
        field: String,
        /// What it cannot be set by.
        layer: Layer,
    },
    /// Together with those below they contradict themselves.
    #[error("over the policy of the tier {below}: {reason}")]
    Contradiction {
        /// The tier, or what decisions would be recorded under without these.
        below: String,
        /// Why.
        reason: Contradiction,
    },
}

/// What [`is_reference`] takes.
pub const REFERENCE: &str = "it has 1 to 64 of A-Z a-z 0-9 - . _";

/// Whether a policy over a tier's can be called so: part of what decisions are recorded under.
#[must_use]
pub fn is_reference(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    (1..=64).contains(&text.chars().count()) && text.chars().all(is_plain)
}

impl Terms {
    /// Reads them, as JSON.
    ///
    /// # Errors
    /// If it is no object.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json).map(Self)
    }

    /// From fields that were read already.
    #[must_use]
    pub const fn of(fields: BTreeMap<String, Value>) -> Self {
        Self(fields)
    }

    /// Whether they say nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As the tables hold them.
    pub fn json(&self) -> Result<String, StoreError> {
        serde_json::to_string(&self.0).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    /// Whether all of them are fields of a policy that mean something for what they are of.
    ///
    /// # Errors
    /// [`TermsError::NotOf`] and [`TermsError::Unreadable`].
    pub fn check(&self, layer: Layer) -> Result<(), TermsError> {
        match self.0.keys().find(|field| !layer.has(field)) {
            Some(field) => Err(TermsError::NotOf {
                field: field.clone(),
                layer,
            }),
            None => {
                self.drafted_over(&standard().rules)?;
                Ok(())
            }
        }
    }

    fn drafted_over(&self, below: &TierRules) -> Result<Draft, serde_json::Error> {
        let mut all = serde_json::to_value(Draft::from(below))?;
        if let Value::Object(fields) = &mut all {
            for (name, value) in &self.0 {
                fields.insert(name.clone(), value.clone());
            }
        }
        serde_json::from_value(all)
    }

    /// A policy with these over it.
    fn laid_on(&self, below: &TierPolicy) -> Result<TierRules, TermsError> {
        let draft = self.drafted_over(&below.rules)?;
        TierRules::try_from(draft).map_err(|reason| {
            let tag = &below.tag;
            let has_layers =
                tag.product.is_some() || tag.contract.is_some() || tag.entitlement.is_some();
            TermsError::Contradiction {
                below: match has_layers {
                    true => tag.to_string(),
                    false => tag.tier.to_string(),
                },
                reason,
            }
        })
    }
}

/// Terms, and what decisions call them.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// What people call them.
    pub reference: String,
    /// What they say.
    pub terms: Terms,
}

/// What lies over a tier's policy for one right, or for a party's devices.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layers<'a> {
    /// What its product has of its own.
    pub product: Option<&'a Named>,
    /// What its owner's contract has.
    pub contract: Option<&'a Named>,
    /// What it has itself.
    pub entitlement: Option<&'a Named>,
}

/// A layer that does not go with those below it.
#[derive(Debug, thiserror::Error)]
#[error("the policy {reference} of the {layer} contradicts what is below it, {error}")]
pub struct LeftOut {
    /// Which.
    pub layer: Layer,
    /// What it is called.
    pub reference: String,
    /// Why.
    pub error: TermsError,
}

impl<'a> Layers<'a> {
    const fn of(self, layer: Layer) -> Option<&'a Named> {
        match layer {
            Layer::Product => self.product,
            Layer::Contract => self.contract,
            Layer::Entitlement => self.entitlement,
        }
    }

    /// The policy of a tier with these over it, and those that were left out.
    #[must_use]
    pub fn over(self, tier: TierPolicy) -> (TierPolicy, Vec<LeftOut>) {
        let mut policy = tier;
        let mut left_out = Vec::new();
        for layer in Layer::ALL {
            let Some(named) = self.of(layer) else {
                continue;
            };
            match named.terms.laid_on(&policy) {
                Ok(rules) => {
                    policy = TierPolicy {
                        tag: policy.tag.under(layer, &named.reference),
                        rules,
                    };
                }
                Err(error) => left_out.push(LeftOut {
                    layer,
                    reference: named.reference.clone(),
                    error,
                }),
            }
        }
        (policy, left_out)
    }

    /// As [`Self::over`], unless one would be left out.
    ///
    /// # Errors
    /// The first that would.
    pub fn whole(self, tier: TierPolicy) -> Result<TierPolicy, LeftOut> {
        let (policy, left_out) = self.over(tier);
        match left_out.into_iter().next() {
            Some(left_out) => Err(left_out),
            None => Ok(policy),
        }
    }
}

#[cfg(test)]
mod tests;
