//! Identifiers of the entities of the back office: UUIDv7, 16 bytes.

use std::fmt;

use fleetgrant_schemas::id::write_hex;

pub use fleetgrant_schemas::id::{
    ActivationId, Challenge, CodeId, CodeProof, Cti, DeviceNonce, KeyThumbprint, MessageDigest,
};

macro_rules! entity_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    )*};
}

entity_id! {
    /// Devices of one kind, with serial numbers of their own.
    ProductLineId;
    /// A product that is licensed.
    ProductId;
    /// A feature of products, as firmware asks for it.
    FeatureId;
    /// A licence model.
    LicenseModelId;
    /// What the ERP sells.
    SkuId;
    /// A customer, partner or contract manufacturer.
    PartyId;
    /// An order.
    OrderId;
    /// A line of an order.
    OrderLineId;
    /// A version of the policy of a tier.
    PolicyVersionId;
    /// A use of what policy gives.
    QuotaUseId;
    /// A frame around a party's orders.
    ContractId;
    /// A policy of one product or entitlement.
    PolicyOverrideId;
    /// What left the house.
    ShipmentId;
    /// Devices that were built together.
    BatchId;
    /// Where devices are tried on a factory line.
    StationId;
    /// What a party owns: units of a product under a licence model.
    EntitlementId;
    /// A key and chain that a device proved.
    CredentialId;
    /// What somebody follows up.
    CaseId;
    /// One run of an import.
    ImportRunId;
    /// One deed for many devices.
    CampaignId;
    /// A key of the HTTP API.
    ApiKeyId;
    /// Who else is told what happened.
    WebhookId;
}
