//! Policies that lie over that of a tier, and which of them a right is decided under.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{PolicyTag, TierPolicy, TierRules};
use crate::domain::{EntitlementId, UnknownName};

/// What a policy that lies over a tier's is of; the later goes before the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// A product: the rights to it, whoever owns them.
    Product,
    /// A contract of one party: all its devices and rights.
    Contract,
    /// One entitlement.
    Entitlement,
}

impl Layer {
    /// All, the lowest first.
    pub const ALL: [Self; 3] = [Self::Product, Self::Contract, Self::Entitlement];

    /// As people call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Contract => "contract",
            Self::Entitlement => "entitlement",
        }
    }

    /// Whether a field of a policy, by its name, means anything here. How a device is admitted and
    /// served, and which tier is suggested, no single right of it can say.
    #[must_use]
    pub fn has(self, field: &str) -> bool {
        match self {
            Self::Contract => true,
            Self::Product | Self::Entitlement => !OF_DEVICES.contains(&field),
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Layer {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.into_iter().find(|layer| layer.as_str() == text);
        let known = Self::ALL.map(Self::as_str);
        found.ok_or_else(|| UnknownName::new("kind of policy", text.to_owned(), &known))
    }
}

/// Fields that are about a device or a party as a whole.
const OF_DEVICES: [&str; 5] = [
    "admission",
    "offline",
    "renew_after_days",
    "requests_per_day",
    "suggested",
];

/// The policies that a decision about one device is made under: one for the device, and one for
/// each of its rights that has its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Policies {
    device: Arc<TierPolicy>,
    own: BTreeMap<EntitlementId, Arc<TierPolicy>>,
}

impl Policies {
    /// One for the device and for all its rights.
    #[must_use]
    pub const fn new(device: Arc<TierPolicy>) -> Self {
        Self {
            device,
            own: BTreeMap::new(),
        }
    }

    /// Those of whoever has no tier.
    #[must_use]
    pub fn unassigned() -> Self {
        Self::new(TierPolicy::unassigned())
    }

    /// Puts the rights of an entitlement under a policy of their own.
    pub fn put(&mut self, entitlement: EntitlementId, policy: Arc<TierPolicy>) {
        self.own.insert(entitlement, policy);
    }

    /// That of the device.
    #[must_use]
    pub fn device(&self) -> &TierPolicy {
        &self.device
    }

    /// That of the rights of an entitlement.
    #[must_use]
    pub fn of(&self, entitlement: EntitlementId) -> &TierPolicy {
        self.own.get(&entitlement).unwrap_or(&self.device)
    }

    /// What the rights of an entitlement may.
    #[must_use]
    pub fn rules(&self, entitlement: EntitlementId) -> &TierRules {
        &self.of(entitlement).rules
    }

    /// The names of those of these entitlements that are not the device's, each once; none, if all
    /// are.
    pub(crate) fn own_tags(
        &self,
        entitlements: impl Iterator<Item = EntitlementId>,
    ) -> Option<String> {
        if self.own.is_empty() {
            return None;
        }
        let own = entitlements.filter_map(|id| self.own.get(&id));
        let tags: BTreeSet<String> = own.map(|policy| policy.tag.to_string()).collect();
        let tags: Vec<String> = tags.into_iter().collect();
        (!tags.is_empty()).then(|| tags.join(" "))
    }

    /// No use of a quota of these counts that is longer ago; seconds.
    #[must_use]
    pub fn longest_window(&self) -> u64 {
        let own = self
            .own
            .values()
            .map(|policy| policy.rules.longest_window());
        own.chain([self.device.rules.longest_window()])
            .max()
            .unwrap_or(0)
    }
}

impl PolicyTag {
    /// The name of the same with a layer over it.
    #[must_use]
    pub fn under(mut self, layer: Layer, reference: &str) -> Self {
        let named = match layer {
            Layer::Product => &mut self.product,
            Layer::Contract => &mut self.contract,
            Layer::Entitlement => &mut self.entitlement,
        };
        *named = Some(reference.to_owned());
        self
    }
}

impl fmt::Display for PolicyTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tier, self.version)?;
        if let Some(product) = &self.product {
            write!(f, "+{}:{product}", Layer::Product)?;
        }
        if let Some(contract) = &self.contract {
            write!(f, "+{contract}")?;
        }
        if let Some(entitlement) = &self.entitlement {
            write!(f, "+{}:{entitlement}", Layer::Entitlement)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
