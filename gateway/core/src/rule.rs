//! Why a want is denied.

use crate::domain::{EntitlementId, Timestamp, named};
use crate::policy::Policy;

const DAY: u32 = 86_400;

named! {
    /// The rule that denied a want. The name goes to the device, to people and into reports.
    Rule("rule") {
        /// No entitlement of the device's owner has the feature.
        NotOwned = 1 "not-owned",
        /// The entitlement belongs to another owner than the device.
        OtherOwner = 2 "other-owner",
        /// All units are in use.
        NoUnitsLeft = 3 "no-units-left",
        /// Not active yet.
        Draft = 4 "entitlement-draft",
        /// On hold: nothing new.
        Hold = 5 "entitlement-on-hold",
        /// Suspended.
        Suspended = 6 "entitlement-suspended",
        /// Its end has passed.
        Expired = 7 "entitlement-expired",
        /// Closed.
        Closed = 8 "entitlement-closed",
        /// Its start is not known yet, as of a shipment that has not been.
        NotStarted = 9 "entitlement-not-started",
        /// The device had an evaluation of this product before.
        EvaluationUsed = 10 "evaluation-used",
        /// The set would have more entries or bytes than the device takes.
        SetFull = 11 "set-full",
        /// The code gives nothing: wrong, unknown, used, expired or void, which is not told.
        CodeRefused = 12 "code-refused",
        /// Too many wrong codes from this device.
        CodesBlocked = 13 "codes-blocked",
        /// A clone of the device is suspected.
        CloneSuspected = 14 "clone-suspected",
        /// The device held less than it had acknowledged.
        ReturnsStopped = 15 "returns-stopped",
        /// Policy takes nothing back.
        ReturnsNotOffered = 16 "returns-not-offered",
        /// The licence model takes nothing back.
        NotReturnable = 17 "not-returnable",
        /// What the factory gave does not come back from storage that can be set back.
        FactoryNotReturnable = 18 "factory-not-returnable",
        /// Policy moves no units from one device to another.
        RehostNotOffered = 19 "rehost-not-offered",
        /// Stop-gaps are not offered.
        TemporaryNotOffered = 20 "temporary-not-offered",
        /// On the factory line a device gets what is bound to it, and nothing by a want.
        FactoryNotOffered = 21 "factory-not-offered",
        /// Nothing is bound to the device.
        NothingBound = 22 "nothing-bound",
        /// More units in one want than policy allows.
        TooMany = 23 "too-many-units",
        /// The maker took this right back from this device.
        RevokedHere = 24 "revoked-on-this-device",
        /// The tier's policy wants somebody to approve it.
        ApprovalNeeded = 25 "approval-needed",
        /// The tier's policy serves no devices in files.
        OfflineNotOffered = 26 "offline-not-offered",
        /// The tier's policy gives what is assigned, and nothing for the asking.
        AssignedOnly = 27 "assigned-only",
        /// The tier's quota is used up.
        QuotaUsed = 28 "quota-used",
        /// The unit is still on the device it is to be taken over from, as far as is proven.
        NotReturned = 29 "not-returned",
        /// Units are free: an ordinary right can be had.
        TemporaryNotNeeded = 30 "temporary-not-needed",
        /// The device comes back from the dead, and has not signed for an empty set yet.
        EmptySetFirst = 31 "empty-set-first",
        /// The request does not say which feature it is about.
        NothingWanted = 32 "nothing-wanted",
        /// The uses that its units give were used up.
        UsesSpent = 33 "uses-spent",
        /// The device has not got what the product is an addition to.
        PrerequisiteMissing = 34 "prerequisite-missing",
        /// The product is for devices of another product line.
        OtherProductLine = 35 "other-product-line",
        /// The owner of the entitlement, or of the device, is on hold: nothing new.
        PartyOnHold = 36 "party-on-hold",
    }
}

/// A denial: by which rule, and when it is lifted without anybody's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// The rule that denied.
    pub rule: Rule,
    /// From here on it denies no more, if nothing else happens; none: somebody must act.
    pub lifts_at: Option<Timestamp>,
    /// The entitlement whose policy it was denied under; none: the device's.
    pub under: Option<EntitlementId>,
}

impl From<Rule> for Refusal {
    fn from(rule: Rule) -> Self {
        Self {
            rule,
            lifts_at: None,
            under: None,
        }
    }
}

impl Refusal {
    /// The same, under the policy of an entitlement, unless that of another is named already.
    #[must_use]
    pub(crate) fn under(mut self, entitlement: EntitlementId) -> Self {
        self.under.get_or_insert(entitlement);
        self
    }

    /// Seconds after which asking again may be answered differently; none: only asking for
    /// something else helps.
    #[must_use]
    pub fn retry_after(self, policy: &Policy, now: Timestamp) -> Option<u32> {
        match self.lifts_at {
            Some(at) => Some(u32::try_from(at.seconds_since(now) + 1).unwrap_or(u32::MAX)),
            None => self.rule.retry_after(policy),
        }
    }
}

impl Rule {
    /// Seconds after which asking again may be answered differently, given what policy says for
    /// what others can lift; none: only asking for something else helps.
    #[must_use]
    pub const fn retry_after(self, policy: &Policy) -> Option<u32> {
        match self {
            Self::SetFull
            | Self::CodeRefused
            | Self::EvaluationUsed
            | Self::NotReturnable
            | Self::FactoryNotReturnable
            | Self::NothingWanted
            | Self::TooMany
            | Self::OtherProductLine => None,
            Self::CodesBlocked => Some(DAY),
            _ => Some(policy.retry_after),
        }
    }

    /// What would lift the denial, for a person.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::NotOwned => "order the feature, or assign the device to the party that owns it",
            Self::OtherOwner => "assign the device to the owner of the entitlement",
            Self::NoUnitsLeft => "order more units, or return one on another device",
            Self::Draft => "activate the entitlement",
            Self::Hold => "release the hold",
            Self::PartyOnHold => "release the party",
            Self::Suspended => "resume the entitlement",
            Self::Expired => "renew it",
            Self::Closed => "order anew",
            Self::NotStarted => {
                "record the shipment that starts the term; one that starts when it is activated is \
                 given to the device in the field"
            }
            Self::EvaluationUsed => "order the product",
            Self::SetFull => "return what the device no longer needs",
            Self::CodeRefused => "check the code, or ask who issued it",
            Self::CodesBlocked => "wait a day, and check the code",
            Self::CloneSuspected => "find out which of the two devices is real, then clear it",
            Self::ReturnsStopped => "look into the device's storage, then clear it",
            Self::ReturnsNotOffered | Self::NotReturnable => "ask the maker",
            Self::FactoryNotReturnable => "ask the maker to revoke it",
            Self::RehostNotOffered => "ask the maker: policy or the licence model moves no units",
            Self::TemporaryNotOffered => "ask the maker",
            Self::FactoryNotOffered => {
                "ask in the field: on the line a device gets what is bound to it"
            }
            Self::NothingBound => "reserve an entitlement for the device, or ask for a feature",
            Self::TooMany => "ask for fewer units",
            Self::RevokedHere => "assign it to the device again",
            Self::ApprovalNeeded => "have somebody approve it",
            Self::OfflineNotOffered => "connect the device",
            Self::AssignedOnly => "have it assigned to the device",
            Self::QuotaUsed => "wait until the quota's window has moved on, or order more units",
            Self::NotReturned => {
                "return it on the old device; if that one is dead, have it declared dead"
            }
            Self::TemporaryNotNeeded => "ask for the feature itself: units are free",
            Self::OtherProductLine => "order the product that is made for the device's line",
            Self::PrerequisiteMissing => "activate what it is an addition to first",
            Self::UsesSpent => "order more units, whose uses come to those that were used up",
            Self::NothingWanted => "name the features that are wanted",
            Self::EmptySetFirst => "let the device sign for the empty set that it was sent",
        }
    }
}
