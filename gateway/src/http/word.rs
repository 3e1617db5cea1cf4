//! States and kinds of the domain, by their names, in queries, answers and the API's description.

use std::borrow::Cow;

use fleetgrant_core::webhook;
use fleetgrant_core::{campaign, domain, event, license, quota, rule, tier};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::{import, report};

/// Wraps enums of other modules, whose variants have names, for serde and utoipa.
macro_rules! words {
    ($($name:ident: $domain:ty,)*) => {$(
        #[doc = concat!("[`", stringify!($domain), "`], by its name.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) $domain);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.0.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                let all = <$domain>::ALL;
                match all.iter().find(|value| value.as_str() == text) {
                    Some(value) => Ok(Self(*value)),
                    None => Err(none_of(&text, all.iter().map(|value| value.as_str()))),
                }
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                one_of(<$domain>::ALL.iter().map(|value| value.as_str()))
            }
        }

        impl ToSchema for $name {}
    )*};
}

words! {
    ActivationKind: domain::ActivationKind,
    ActivationState: domain::ActivationState,
    AtEnd: license::AtEnd,
    Because: campaign::Because,
    CampaignState: campaign::CampaignState,
    CaseState: domain::CaseState,
    CaseStep: domain::CaseStep,
    CodeState: domain::CodeState,
    ContractState: domain::ContractState,
    CatalogueState: domain::CatalogueState,
    CredentialState: domain::CredentialState,
    DeviceState: domain::DeviceState,
    DeviceStep: campaign::DeviceStep,
    EntitlementState: domain::EntitlementState,
    EventKind: event::EventKind,
    Failing: campaign::Failing,
    GroupBy: report::group::GroupBy,
    HoldReason: domain::HoldReason,
    ImportKind: import::Kind,
    KeyLoss: domain::KeyLoss,
    KeyState: domain::KeyState,
    Layer: tier::Layer,
    LicenseModel: domain::LicenseModel,
    OrderState: domain::OrderState,
    Origin: domain::Origin,
    PartyKind: domain::PartyKind,
    PartyState: domain::PartyState,
    PolicyState: domain::PolicyState,
    Purpose: domain::Purpose,
    QuotaKind: quota::QuotaKind,
    RemovalReason: domain::RemovalReason,
    Renewal: license::Renewal,
    Role: domain::Role,
    RunState: domain::RunState,
    Rule: rule::Rule,
    ShipmentState: domain::ShipmentState,
    Source: domain::Source,
    StartBasis: domain::StartBasis,
    StorageClass: domain::StorageClass,
    StuckStep: report::stuck::Step,
    DeliveryStep: webhook::DeliveryStep,
    DisabledBecause: webhook::DisabledBecause,
    WebhookState: webhook::WebhookState,
    Trial: license::Trial,
    WaveState: campaign::WaveState,
}

fn none_of<E: de::Error>(text: &str, known: impl Iterator<Item = &'static str>) -> E {
    let known: Vec<_> = known.collect();
    E::custom(format_args!("{text:?} is none of {}", known.join(", ")))
}

fn one_of(names: impl Iterator<Item = &'static str>) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names))
        .into()
}
