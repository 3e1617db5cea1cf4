//! How words of the domain stand in columns: enums as SMALLINT, ids as binary, instants as BIGINT.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, SmallInt};
use fleetgrant_core::domain::{self, Timestamp};
use fleetgrant_schemas::id;

/// A state or kind in a SMALLINT column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = SmallInt)]
pub struct Code<T: Domain>(pub T);

/// An id or digest of fixed length in a binary column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Binary)]
pub struct Octets<T: Fixed>(pub T);

/// An instant in a BIGINT column, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = BigInt)]
pub struct Micros(pub Timestamp);

/// An enum of the domain with a stable number.
pub trait Domain: Copy + std::fmt::Debug {
    /// The number the tables hold.
    fn number(self) -> i16;
    /// The variant of a number.
    fn of(number: i16) -> Option<Self>;
}

/// A value of a fixed number of bytes.
pub trait Fixed: Copy + std::fmt::Debug {
    /// Its bytes.
    fn bytes(&self) -> &[u8];
    /// The value of these bytes, if their number is right.
    fn of(bytes: &[u8]) -> Option<Self>;
}

macro_rules! domain_enums {
    ($($name:ty),* $(,)?) => {$(
        impl Domain for $name {
            fn number(self) -> i16 {
                self.number()
            }
            fn of(number: i16) -> Option<Self> {
                Self::try_from(number).ok()
            }
        }
    )*};
}

macro_rules! fixed {
    ($($name:path),* $(,)?) => {$(
        impl Fixed for $name {
            fn bytes(&self) -> &[u8] {
                &self.0
            }
            fn of(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map($name)
            }
        }
    )*};
}

domain_enums!(
    fleetgrant_core::campaign::Because,
    fleetgrant_core::campaign::CampaignState,
    fleetgrant_core::campaign::DeviceStep,
    fleetgrant_core::campaign::Failing,
    fleetgrant_core::campaign::WaveState,
    domain::ActivationKind,
    domain::ActivationState,
    domain::BatchState,
    domain::CaseState,
    domain::CaseStep,
    domain::CatalogueState,
    domain::CodeState,
    domain::ContractState,
    domain::CredentialState,
    domain::DeliveryState,
    domain::KeyLoss,
    domain::DeviceState,
    domain::EntitlementState,
    domain::LicenseModel,
    domain::LinkKind,
    domain::OrderState,
    domain::LegacyKind,
    domain::RunState,
    domain::Origin,
    domain::PartyKind,
    domain::PartyState,
    domain::PolicyState,
    domain::Purpose,
    domain::RemovalReason,
    domain::Scope,
    domain::ShipmentState,
    domain::Source,
    domain::StartBasis,
    domain::StorageClass,
    fleetgrant_core::event::EventKind,
    fleetgrant_core::quota::Leave,
    fleetgrant_core::quota::QuotaKind,
    fleetgrant_core::rule::Rule,
    fleetgrant_core::tier::QuotaScope,
    fleetgrant_core::webhook::DeliveryStep,
    fleetgrant_core::webhook::DisabledBecause,
    fleetgrant_core::webhook::WebhookState,
);

fixed!(
    domain::ApiKeyId,
    domain::BatchId,
    domain::CampaignId,
    domain::StationId,
    domain::CaseId,
    domain::ContractId,
    domain::PolicyOverrideId,
    domain::CredentialId,
    domain::EntitlementId,
    domain::FeatureId,
    domain::ImportRunId,
    domain::LicenseModelId,
    domain::OrderId,
    domain::OrderLineId,
    domain::PartyId,
    domain::PolicyVersionId,
    domain::QuotaUseId,
    domain::ProductId,
    domain::ProductLineId,
    domain::ShipmentId,
    domain::SkuId,
    domain::WebhookId,
    fleetgrant_schemas::code::CodeKey,
    id::ActivationId,
    id::CertificateThumbprint,
    id::Challenge,
    id::CodeId,
    id::Cti,
    id::DeviceNonce,
    id::KeyThumbprint,
    id::MessageDigest,
);

impl<const N: usize> Fixed for [u8; N] {
    fn bytes(&self) -> &[u8] {
        self
    }
    fn of(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
}

impl<T, DB> FromSql<SmallInt, DB> for Code<T>
where
    T: Domain,
    DB: Backend,
    i16: FromSql<SmallInt, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let number = i16::from_sql(value)?;
        T::of(number)
            .map(Self)
            .ok_or_else(|| format!("{number} is no {}", std::any::type_name::<T>()).into())
    }
}

impl<T, DB> FromSql<Binary, DB> for Octets<T>
where
    T: Fixed,
    DB: Backend,
    Vec<u8>: FromSql<Binary, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let bytes = Vec::<u8>::from_sql(value)?;
        let length = bytes.len();
        T::of(&bytes)
            .map(Self)
            .ok_or_else(|| format!("{length} bytes are no {}", std::any::type_name::<T>()).into())
    }
}

impl<T, DB> ToSql<Binary, DB> for Octets<T>
where
    T: Fixed,
    DB: Backend,
    [u8]: ToSql<Binary, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.bytes().to_sql(out)
    }
}

impl<DB> FromSql<BigInt, DB> for Micros
where
    DB: Backend,
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        i64::from_sql(value).map(|micros| Self(Timestamp::from_micros(micros)))
    }
}
