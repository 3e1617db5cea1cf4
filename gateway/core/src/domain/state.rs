//! States and kinds. Each has a stable number (the tables) and a stable name (CLI, JSON, CSV).

/// A number or name that stands for no variant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is no {kind}; known: {known}")]
pub struct UnknownName {
    kind: &'static str,
    value: String,
    known: String,
}

impl UnknownName {
    pub(crate) fn new(kind: &'static str, value: String, known: &[&str]) -> Self {
        Self {
            kind,
            value,
            known: known.join(", "),
        }
    }
}

/// Makes an enum whose variants have a stable number and a stable name.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident($kind:literal) {
        $($(#[$vdoc:meta])* $variant:ident = $number:literal $text:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum $name {
            $($(#[$vdoc])* $variant = $number,)*
        }

        impl $name {
            /// Every variant, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The number the tables hold.
            #[must_use]
            pub const fn number(self) -> i16 {
                self as i16
            }

            /// The name people and scripts read.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            fn unknown(value: String) -> $crate::domain::UnknownName {
                $crate::domain::UnknownName::new($kind, value, &[$($text,)*])
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::domain::UnknownName;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(Self::unknown(text.to_owned())),
                }
            }
        }

        impl TryFrom<i16> for $name {
            type Error = $crate::domain::UnknownName;
            fn try_from(number: i16) -> Result<Self, Self::Error> {
                match number {
                    $($number => Ok(Self::$variant),)*
                    _ => Err(Self::unknown(number.to_string())),
                }
            }
        }
    };
}

pub(crate) use named;

named! {
    /// Where a device stands.
    DeviceState("device state") {
        /// On a manifest, never seen.
        Expected = 1 "expected",
        /// Authenticated, not yet admitted.
        Seen = 2 "seen",
        /// Pinned to its key; served.
        Admitted = 3 "admitted",
        /// Waits for an operator.
        Quarantined = 4 "quarantined",
        /// Out of service.
        Retired = 5 "retired",
        /// Declared dead; comes back only by an audited re-admission.
        Tombstoned = 6 "tombstoned",
        /// Comes back from the dead; gets nothing before it has signed for an empty set.
        Readmitted = 7 "readmitted",
    }
}

named! {
    /// Where a device's key stands.
    CredentialState("credential state") {
        /// The key the device signs with now.
        Current = 1 "current",
        /// Replaced by another key of the same device.
        Superseded = 2 "superseded",
        /// Never accepted again.
        Revoked = 3 "revoked",
    }
}

named! {
    /// Why no key speaks for a device that had one.
    KeyLoss("loss of a key") {
        /// Its board was replaced: it waits for the key of the new one.
        Replaced = 1 "replaced",
        /// Its key was revoked: it waits for a repair.
        Revoked = 2 "revoked",
    }
}

named! {
    /// How well a device's storage resists being set back; from the manifest, never the device.
    StorageClass("storage class") {
        /// A snapshot can be restored.
        Unprotected = 0 "unprotected",
        /// A hardware monotonic counter guards it.
        Monotonic = 1 "monotonic",
    }
}

named! {
    /// Where an entitlement stands.
    EntitlementState("entitlement state") {
        /// Not yet usable.
        Draft = 1 "draft",
        /// Units can be activated.
        Active = 2 "active",
        /// No new activations; running ones go on.
        Hold = 3 "hold",
        /// Features off, units kept.
        Suspended = 4 "suspended",
        /// Its end has passed.
        Expired = 5 "expired",
        /// Nothing more happens to it.
        Closed = 6 "closed",
    }
}

named! {
    /// Why nothing new is activated of an entitlement.
    HoldReason("reason to hold") {
        /// An operator wants it so.
        Operator = 1 "operator",
        /// It is not paid for.
        Payment = 2 "payment",
    }
}

/// A set of reasons to hold an entitlement; with none it is not on hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Holds(pub(crate) u8);

named! {
    /// How one entitlement came of another.
    LinkKind("link") {
        /// What it was sold with is another product now, with more to it.
        Upgrade = 1 "upgrade",
        /// As an upgrade, with less to it.
        Downgrade = 2 "downgrade",
        /// Part of it is one of its own, of the same owner.
        Split = 3 "split",
        /// Part of it belongs to another party.
        Transfer = 4 "transfer",
        /// It maintains the other: its end is the other's build ceiling.
        Maintenance = 5 "maintenance",
    }
}

named! {
    /// Where an entitlement comes from.
    Source("source") {
        /// An order line.
        Order = 1 "order",
        /// Built in at the factory.
        Factory = 2 "factory",
        /// An evaluation.
        Trial = 3 "trial",
        /// Brought over from an older licensing system.
        Migration = 4 "migration",
        /// Given.
        Goodwill = 5 "goodwill",
    }
}

named! {
    /// What an entitlement is for.
    Purpose("purpose") {
        /// Productive use; the only purpose that counts in activation measures.
        Production = 1 "production",
        /// Demonstration.
        Demo = 2 "demo",
        /// Test.
        Test = 3 "test",
        /// The maker's own use.
        Internal = 4 "internal",
    }
}

named! {
    /// What an entitlement covers.
    Scope("scope") {
        /// Units are bound to devices.
        Device = 1 "device",
        /// A site.
        Site = 2 "site",
        /// A fleet.
        Fleet = 3 "fleet",
    }
}

named! {
    /// When the term of an entitlement starts to run.
    StartBasis("start basis") {
        /// At a date.
        Fixed = 1 "fixed",
        /// At the order date.
        Order = 2 "order",
        /// At the shipment date.
        Shipment = 3 "shipment",
        /// When its first unit activates.
        FirstActivation = 4 "first-activation",
        /// For each activation when it activates.
        EachActivation = 5 "each-activation",
    }
}

named! {
    /// The built-in licence models. Numbers are those of key 3 of an entitlement on the wire.
    LicenseModel("licence model") {
        /// No end.
        Perpetual = 1 "perpetual",
        /// A term, renewable.
        Subscription = 2 "subscription",
        /// Once per device and product.
        Evaluation = 3 "evaluation",
        /// A stop-gap.
        Temporary = 4 "temporary",
        /// Paid by use.
        Metered = 5 "metered",
        /// A count of uses.
        Counted = 6 "counted",
        /// A version ceiling on other entitlements.
        Maintenance = 7 "maintenance",
    }
}

named! {
    /// Where an activation stands: one list for the protocol, the tables and the pages.
    ActivationState("activation state") {
        /// Assigned to a device, in no committed set yet. Holds its units.
        Reserved = 1 "reserved",
        /// In a committed set. Holds its units.
        Published = 2 "published",
        /// The device's signed word that it is in. Holds its units.
        Activated = 3 "activated",
        /// Feature off, unit kept. Holds its units.
        Suspended = 4 "suspended",
        /// Taken out of the set, not yet proven. Holds its units.
        Removing = 5 "removing",
        /// Removal never proven. Holds its units.
        Orphaned = 6 "orphaned",
        /// Undone before it was published.
        Cancelled = 7 "cancelled",
        /// Proven gone.
        Removed = 8 "removed",
        /// The time it could run has passed.
        Lapsed = 9 "lapsed",
        /// Given up by an operator's audited act; never reused.
        WrittenOff = 10 "written-off",
    }
}

impl ActivationState {
    /// Whether units of an activation in this state count against its entitlement.
    #[must_use]
    pub const fn holds_units(self) -> bool {
        matches!(
            self,
            Self::Reserved
                | Self::Published
                | Self::Activated
                | Self::Suspended
                | Self::Removing
                | Self::Orphaned
        )
    }

    /// Whether the device is meant to have what stands so.
    #[must_use]
    pub const fn is_wanted(self) -> bool {
        matches!(
            self,
            Self::Reserved | Self::Published | Self::Activated | Self::Suspended
        )
    }
}

named! {
    /// Why an activation is being, or was, removed.
    RemovalReason("removal reason") {
        /// The device gave it back.
        Return = 1 "return",
        /// The maker took it back.
        Revoke = 2 "revoke",
        /// It moved to another device.
        Rehost = 3 "rehost",
        /// Another activation takes its place.
        Supersede = 4 "supersede",
        /// Its time is over.
        Expire = 5 "expire",
        /// The device would not take it.
        Refuse = 6 "refuse",
        /// The device's firmware was built when it was no longer maintained.
        BuildCeiling = 7 "build-ceiling",
    }
}

named! {
    /// What kind of right an activation is.
    ActivationKind("activation kind") {
        /// An ordinary one.
        Normal = 1 "normal",
        /// A stop-gap with an allowance of its own.
        Temporary = 2 "temporary",
    }
}

named! {
    /// How an activation came about.
    Origin("origin") {
        /// On the factory line.
        Factory = 1 "factory",
        /// In the field, online.
        Field = 2 "field",
        /// By files.
        Offline = 3 "offline",
        /// From an older licensing system.
        Migration = 4 "migration",
    }
}

named! {
    /// The push of one grant set, as an operator sees it.
    DeliveryState("delivery state") {
        /// Recorded, not yet sent.
        Pending = 1 "pending",
        /// Sent; the device has not signed for it.
        Published = 2 "published",
        /// The device signed that it holds this set or a later one.
        Acknowledged = 3 "acknowledged",
        /// Tried as often as it is tried without contact; the next contact revives it.
        Exhausted = 4 "exhausted",
        /// A later set took its place.
        Superseded = 5 "superseded",
    }
}
