//! What happened, for the history.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::domain::{
    ActivationId, CodeId, Cti, EntitlementId, KeyThumbprint, PartyId, ProductId, RemovalReason,
    Seq, SetKey, named,
};
use crate::rule::Rule;
use crate::tier::PolicyTag;

named! {
    /// What kind of thing happened.
    EventKind("event kind") {
        /// A device was heard for the first time.
        FirstContact = 1 "first-contact",
        /// A device was pinned to its key and is served.
        DeviceAdmitted = 2 "device-admitted",
        /// A device waits for an operator.
        DeviceQuarantined = 3 "device-quarantined",
        /// A device was refused that may not be admitted.
        DeviceRefused = 4 "device-refused",
        /// A key spoke for an id that is pinned to another.
        IdentityConflict = 5 "identity-conflict",
        /// A device says of itself what it did not say before: another model, or other software.
        DeviceDescribed = 6 "device-described",
        /// A message that a device signed could not be decided on: it is malformed, or for another
        /// realm.
        MessageRefused = 7 "message-refused",
        /// A device's board was replaced: its key is superseded by that of the new one.
        DeviceRepaired = 8 "device-repaired",
        /// A key of a device was revoked.
        DeviceKeyRevoked = 9 "device-key-revoked",
        /// A request's number was too far above the last.
        SeqJumped = 10 "seq-jumped",
        /// A device took up a new number, and proved that it is not a replay.
        Resynced = 11 "resynced",
        /// Resyncs came so often that two devices may be using one identity.
        CloneSuspected = 12 "clone-suspected",
        /// A device held less than it had acknowledged, and proved that it is not a replay.
        RolledBack = 13 "rolled-back",
        /// A device held more than is recorded: the database may have been set back.
        HeldBeyondRecord = 14 "held-beyond-record",
        /// A device holds a set that was never issued: the authority's key may have leaked.
        HeldNeverIssued = 15 "held-never-issued",
        /// An operator took back the suspicions against a device.
        Cleared = 16 "cleared",
        /// Units were assigned to a device.
        Reserved = 20 "reserved",
        /// An activation was put in a committed set for the first time.
        Published = 21 "published",
        /// The device's word that an activation is in was recorded for the first time.
        Activated = 22 "activated",
        /// The feature is off, the unit kept.
        Suspended = 23 "suspended",
        /// The feature is on again.
        Resumed = 24 "resumed",
        /// An activation was taken out of the set.
        Removing = 25 "removing",
        /// Its removal is proven; its units are free.
        Removed = 26 "removed",
        /// It was undone before it was published; its units are free.
        Cancelled = 27 "cancelled",
        /// The time it could run has passed; its units are free.
        Lapsed = 28 "lapsed",
        /// Its removal was not proven in time.
        Orphaned = 29 "orphaned",
        /// Part of its units became an activation of their own, to be removed; or is free at once,
        /// if it was never published.
        Split = 30 "split",
        /// Its device was declared dead: its units are free, though it may still be out there.
        WrittenOff = 31 "written-off",
        /// A use of what policy gives without asking anybody, or of an approval.
        QuotaUsed = 32 "quota-used",
        /// A device was declared dead.
        DeviceTombstoned = 33 "device-tombstoned",
        /// A device that was declared dead may come back, once, with nothing.
        DeviceReadmitted = 34 "device-readmitted",
        /// Somebody asked for what policy gives by approval only.
        ApprovalRequested = 35 "approval-requested",
        /// Somebody else approved what was asked for.
        Approved = 36 "approved",
        /// Somebody else refused what was asked for.
        ApprovalRefused = 37 "approval-refused",
        /// A device reported that a feature was used more often.
        UsageReported = 38 "usage-reported",
        /// A grant set was written.
        SetIssued = 40 "set-issued",
        /// A device signed for a grant set.
        Acknowledged = 41 "acknowledged",
        /// A device did not put an activation in force.
        Excepted = 42 "excepted",
        /// An acknowledgement named activations that its set does not have.
        AckForeign = 43 "ack-foreign",
        /// A want was denied.
        Denied = 50 "denied",
        /// A want was served by what is there.
        Served = 51 "served",
        /// An activation code was used.
        CodeUsed = 52 "code-used",
        /// A proof for an activation code was wrong.
        CodeFailed = 53 "code-failed",
        /// Products, features, SKUs or licence models are new.
        CatalogueCreated = 100 "catalogue-created",
        /// Products, features, SKUs or licence models have changed.
        CatalogueAmended = 101 "catalogue-amended",
        /// A party is new.
        PartyCreated = 102 "party-created",
        /// A party has changed.
        PartyAmended = 103 "party-amended",
        /// An order, or a line of it, is new.
        OrderCreated = 104 "order-created",
        /// An order, or a line of it, has changed.
        OrderAmended = 105 "order-amended",
        /// Something left the house; of a device: it was in that shipment.
        Shipped = 106 "shipped",
        /// A shipment has changed.
        ShipmentAmended = 107 "shipment-amended",
        /// An entitlement is new.
        EntitlementCreated = 108 "entitlement-created",
        /// An entitlement has changed.
        EntitlementAmended = 109 "entitlement-amended",
        /// A device is known before it was heard.
        DeviceExpected = 110 "device-expected",
        /// What others say of a device has changed.
        DeviceAmended = 111 "device-amended",
        /// Activation codes were made.
        CodesCreated = 112 "codes-created",
        /// A draft can be used.
        EntitlementActivated = 113 "entitlement-activated",
        /// Its features are off, its units kept.
        EntitlementSuspended = 114 "entitlement-suspended",
        /// Its features are on again.
        EntitlementResumed = 115 "entitlement-resumed",
        /// Nothing new is activated of it.
        EntitlementHeld = 116 "entitlement-held",
        /// A reason to hold it is gone.
        EntitlementReleased = 117 "entitlement-released",
        /// It is taken off every device, now or from an instant on.
        EntitlementRevoked = 118 "entitlement-revoked",
        /// A revocation to come was withdrawn.
        EntitlementKept = 119 "entitlement-kept",
        /// Another policy is in force for a tier.
        PolicyChanged = 120 "policy-changed",
        /// Nothing more happens to an entitlement.
        EntitlementClosed = 121 "entitlement-closed",
        /// Nothing new is activated of an order before it is paid for.
        OrderHeld = 122 "order-held",
        /// An order is paid for.
        OrderReleased = 123 "order-released",
        /// It runs longer.
        EntitlementRenewed = 124 "entitlement-renewed",
        /// Part of it is an entitlement of its own now.
        EntitlementSplit = 125 "entitlement-split",
        /// It belongs to another party.
        EntitlementTransferred = 126 "entitlement-transferred",
        /// A device belongs to another party, with the rights it has.
        DeviceTransferred = 127 "device-transferred",
        /// A party has become another, with all it has.
        PartyMerged = 128 "party-merged",
        /// An entitlement of another product takes its place.
        EntitlementSuperseded = 129 "entitlement-superseded",
        /// A key of the HTTP API was made.
        KeyCreated = 130 "key-created",
        /// A key of the HTTP API was ended.
        KeyRevoked = 131 "key-revoked",
        /// Another policy, or none, lies over that of a party's tier.
        ContractChanged = 132 "contract-changed",
        /// A product or an entitlement has another policy of its own, or none.
        PolicyOverridden = 136 "policy-overridden",
        /// Its end, and its grace, have passed.
        EntitlementExpired = 145 "entitlement-expired",
        /// Uses that another system counted were imported.
        UsageImported = 133 "usage-imported",
        /// Up to which build firmware turns it on is another.
        EntitlementMaintained = 134 "entitlement-maintained",
        /// What another system counted was corrected.
        UsageCorrected = 135 "usage-corrected",
        /// What was left of activation codes cannot be redeemed any more.
        CodesVoided = 137 "codes-voided",
        /// Nothing new is activated of what a party owns, nor on its devices.
        PartyHeld = 138 "party-held",
        /// A party is served again.
        PartyReleased = 139 "party-released",
        /// What could name a person was erased of a party.
        PersonalErased = 140 "personal-erased",
        /// Units in use became those of another entitlement, and stayed where they are.
        UnitsHandedOver = 150 "units-handed-over",
        /// A right of an older system was given up for what came of it.
        LegacySurrendered = 151 "legacy-surrendered",
        /// A device is tried at a station of the line.
        RunOpened = 152 "run-opened",
        /// A try of a device passed, failed, or ended with its being scrapped.
        RunClosed = 153 "run-closed",
        /// A campaign was made.
        CampaignCreated = 170 "campaign-created",
        /// The devices of a campaign are looked up.
        CampaignReady = 171 "campaign-ready",
        /// A campaign began.
        CampaignStarted = 172 "campaign-started",
        /// A campaign waits for somebody.
        CampaignPaused = 173 "campaign-paused",
        /// A campaign goes on.
        CampaignResumed = 174 "campaign-resumed",
        /// A campaign stopped by itself.
        CampaignStopped = 175 "campaign-stopped",
        /// Somebody ended a campaign.
        CampaignAborted = 176 "campaign-aborted",
        /// Every device of a campaign is settled.
        CampaignFinished = 177 "campaign-finished",
        /// A wave of a campaign began.
        WaveBegan = 178 "wave-began",
        /// Enough of a wave succeeded.
        WavePassed = 179 "wave-passed",
        /// Too much of a wave failed.
        WaveFailed = 180 "wave-failed",
        /// A webhook was made.
        WebhookCreated = 190 "webhook-created",
        /// A webhook was given another secret.
        WebhookRotated = 191 "webhook-rotated",
        /// Nothing is sent to a webhook until it is resumed.
        WebhookPaused = 192 "webhook-paused",
        /// A webhook is sent to again, with what it missed.
        WebhookResumed = 193 "webhook-resumed",
        /// A webhook's endpoint took nothing for too long, or is gone.
        WebhookDisabled = 194 "webhook-disabled",
        /// Messages are sent to a webhook once more.
        WebhookReplayed = 195 "webhook-replayed",
        /// A webhook was removed.
        WebhookRemoved = 196 "webhook-removed",
    }
}

named! {
    /// How a device that took up a new number stands.
    Resync("resync") {
        /// It holds nothing.
        Wiped = 1 "wiped",
        /// It holds less than it had acknowledged.
        RolledBack = 2 "rolled-back",
        /// It holds what it had acknowledged: only the number was lost.
        SeqLost = 3 "seq-lost",
    }
}

/// Something that happened to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What kind.
    pub kind: EventKind,
    /// The activation it is about.
    pub activation: Option<ActivationId>,
    /// The entitlement it is about.
    pub entitlement: Option<EntitlementId>,
    /// What else is to be known, by name.
    pub body: Body,
}

/// What else is to be known of an event: few fields, each once, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body(Vec<(&'static str, Field)>);

/// A value in the body of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// A number.
    Number(u64),
    /// A text; ids are in hex.
    Text(String),
}

impl From<u64> for Field {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Field {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<Seq> for Field {
    fn from(seq: Seq) -> Self {
        Self::Number(seq.get())
    }
}

macro_rules! field_from_display {
    ($($name:ty),*) => {$(
        impl From<$name> for Field {
            fn from(value: $name) -> Self {
                Self::Text(value.to_string())
            }
        }
    )*};
}

field_from_display!(
    &str,
    Cti,
    CodeId,
    KeyThumbprint,
    PartyId,
    ProductId,
    SetKey,
    ActivationId,
    Rule,
    RemovalReason,
    Resync,
    &PolicyTag
);

impl Event {
    /// An event without more to it.
    #[must_use]
    pub fn new(kind: EventKind) -> Self {
        Self {
            kind,
            activation: None,
            entitlement: None,
            body: Body::default(),
        }
    }

    /// With the activation it is about, and its entitlement.
    #[must_use]
    pub fn about(mut self, activation: ActivationId, entitlement: EntitlementId) -> Self {
        self.activation = Some(activation);
        self.entitlement = Some(entitlement);
        self
    }

    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Field>) -> Self {
        self.body.0.push((name, value.into()));
        self
    }

    /// With one more field, if there is a value.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl Into<Field>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Whether somebody must look at it now.
    #[must_use]
    pub const fn pages(&self) -> bool {
        matches!(
            self.kind,
            EventKind::HeldNeverIssued | EventKind::HeldBeyondRecord | EventKind::IdentityConflict
        )
    }
}

impl Body {
    /// The fields in order.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &Field)> {
        self.0.iter().map(|(name, field)| (*name, field))
    }

    /// The field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.0
            .iter()
            .find_map(|(other, field)| (*other == name).then_some(field))
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, field) in &self.0 {
            map.serialize_entry(name, field)?;
        }
        map.end()
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}
