//! Which key speaks for which device.

use diesel::prelude::*;
use fleetgrant_core::device::Pin;
use fleetgrant_core::domain::{
    CredentialState, DeviceId, DeviceState, KeyLoss, KeyThumbprint, Timestamp,
};
use fleetgrant_schemas::id::CertificateThumbprint;

use super::corrupt;
use super::device::IsCurrent;
use crate::identity::{StoredCredential, TrustDigest};
use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::id;
use crate::store::schema::{credentials, devices};

/// A key of a device, and the chain that proved it.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Thumbprint of the key (RFC 9679).
    pub key: KeyThumbprint,
    /// SHA-256 of the leaf's DER.
    pub certificate: CertificateThumbprint,
    /// The end of the leaf's validity.
    pub not_after: Timestamp,
    /// The chain, and under which anchors it was found good.
    pub verified: StoredCredential,
}

type Row = (Vec<u8>, String, Octets<[u8; 32]>, Micros, bool);

/// The chain of the certificate with this thumbprint, if it was recorded.
pub fn chain_of_certificate(
    db: &mut Db,
    certificate: CertificateThumbprint,
) -> Result<Option<StoredCredential>, StoreError> {
    let row: Option<Row> = on!(db, c => credentials::table
        .filter(credentials::certificate_thumbprint.eq(Octets(certificate)))
        .select((
            credentials::chain,
            credentials::anchor,
            credentials::verified_under,
            credentials::in_force_until_at,
            credentials::issuer_expired,
        ))
        .first(c)
        .optional())?;
    Ok(row.map(
        |(chain, anchor, trust, in_force_until, issuer_expired)| StoredCredential {
            chain,
            anchor,
            trust: TrustDigest(trust.0),
            in_force_until: in_force_until.0,
            issuer_expired,
        },
    ))
}

/// What is recorded of a device and of the key that speaks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// The device the key is recorded for, and where it stands.
    pub key: Option<RecordedKey>,
    /// The device has a current key.
    pub device_is_pinned: bool,
    /// Where the device stands; read only where the key is not its own.
    pub device_state: Option<DeviceState>,
    /// The manifest names the device.
    pub on_manifest: bool,
    /// The key that the manifest, or an operator, names.
    pub expected_key: Option<KeyThumbprint>,
    /// Why the device has no key any more.
    pub loss: Option<KeyLoss>,
    /// The trust anchor of the key before; read only where the device waits for that of a new
    /// board.
    pub anchor_before: Option<String>,
}

/// A key on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedKey {
    /// The device that it is, or was, of.
    pub device: DeviceId,
    /// Where it stands.
    pub state: CredentialState,
}

/// What is recorded of a key.
pub fn recorded(db: &mut Db, key: KeyThumbprint) -> Result<Option<RecordedKey>, StoreError> {
    let known: Option<(String, Code<CredentialState>)> = on!(db, c => credentials::table
        .filter(credentials::key_thumbprint.eq(Octets(key)))
        .select((credentials::device_id, credentials::state))
        .first(c)
        .optional())?;
    known
        .map(|(device, state)| {
            let device = DeviceId::new(&device).map_err(corrupt)?;
            let state = state.0;
            Ok(RecordedKey { device, state })
        })
        .transpose()
}

impl Pins {
    /// Of a device that is pinned to the key: nothing else could change the verdict.
    #[must_use]
    pub fn of_pinned(device: &DeviceId) -> Self {
        Self {
            key: Some(RecordedKey {
                device: device.clone(),
                state: CredentialState::Current,
            }),
            device_is_pinned: true,
            ..Self::default()
        }
    }

    /// Reads them, of any device and key.
    pub fn load(db: &mut Db, device: &DeviceId, key: KeyThumbprint) -> Result<Self, StoreError> {
        let key = recorded(db, key)?;
        type Found = (
            Code<DeviceState>,
            bool,
            Option<Octets<KeyThumbprint>>,
            Option<Code<KeyLoss>>,
            Option<Octets<KeyThumbprint>>,
        );
        let found: Option<Found> = on!(db, c => devices::table
            .left_join(credentials::table.on(
                credentials::device_id.eq(devices::id).and(IsCurrent),
            ))
            .filter(devices::id.eq(device.as_str()))
            .select((
                devices::state,
                devices::on_manifest,
                devices::expected_key,
                devices::key_loss,
                credentials::key_thumbprint.nullable(),
            ))
            .first(c)
            .optional())?;
        Ok(match found {
            None => Self {
                key,
                ..Self::default()
            },
            Some((state, on_manifest, expected_key, loss, current)) => Self {
                key,
                device_is_pinned: current.is_some(),
                device_state: Some(state.0),
                on_manifest,
                expected_key: expected_key.map(|key| key.0),
                loss: loss.map(|loss| loss.0),
                anchor_before: match loss {
                    Some(Code(KeyLoss::Replaced)) => anchor_before(db, device)?,
                    _ => None,
                },
            },
        })
    }
}

/// The trust anchor of the latest key of a device.
fn anchor_before(db: &mut Db, device: &DeviceId) -> Result<Option<String>, StoreError> {
    Ok(on!(db, c => credentials::table
        .filter(credentials::device_id.eq(device.as_str()))
        .order((credentials::created_at.desc(), credentials::id.desc()))
        .select(credentials::anchor)
        .first(c)
        .optional())?)
}

/// Follows a decision on which key speaks for a device: one that was given up stands as such, and
/// is never pinned again. A new one is recorded with its chain by whoever has that.
pub(super) fn follow(
    db: &mut Db,
    device: &DeviceId,
    before: Pin,
    after: Pin,
    now: Timestamp,
) -> Result<(), StoreError> {
    let lost = |pin| match pin {
        Pin::Lost(loss) => Some(loss),
        Pin::Open | Pin::To(_) => None,
    };
    let loss = lost(after);
    if let (Pin::To(key), Some(loss)) = (before, loss) {
        let state = match loss {
            KeyLoss::Replaced => CredentialState::Superseded,
            KeyLoss::Revoked => CredentialState::Revoked,
        };
        give_up(db, device, key, state, now)?;
    }
    if loss == lost(before) {
        return Ok(());
    }
    on!(db, c => diesel::update(devices::table.find(device.as_str()))
        .set((
            devices::key_loss.eq(loss.map(Code)),
            devices::changed_at.eq(Micros(now)),
        ))
        .execute(c))?;
    Ok(())
}

fn give_up(
    db: &mut Db,
    device: &DeviceId,
    key: KeyThumbprint,
    state: CredentialState,
    now: Timestamp,
) -> Result<(), StoreError> {
    on!(db, c => diesel::update(credentials::table)
        .filter(credentials::device_id.eq(device.as_str()))
        .filter(credentials::key_thumbprint.eq(Octets(key)))
        .set((
            credentials::state.eq(Code(state)),
            credentials::changed_at.eq(Micros(now)),
        ))
        .execute(c))?;
    Ok(())
}

/// A key that is, or was, the device's never counts again.
pub fn revoke(
    db: &mut Db,
    device: &DeviceId,
    key: KeyThumbprint,
    now: Timestamp,
) -> Result<(), StoreError> {
    give_up(db, device, key, CredentialState::Revoked, now)
}

/// The only key that may be pinned to a device, where one is named.
pub fn expected_key(db: &mut Db, device: &DeviceId) -> Result<Option<KeyThumbprint>, StoreError> {
    let found: Option<Option<Octets<KeyThumbprint>>> = on!(db, c => devices::table
        .find(device.as_str())
        .select(devices::expected_key)
        .first(c)
        .optional())?;
    Ok(found.flatten().map(|key| key.0))
}

/// Names the only key that a new board may have, in the place of what the factory said of the old
/// one; none: any that is proven.
pub fn expect_of_new_board(
    db: &mut Db,
    device: &DeviceId,
    key: Option<KeyThumbprint>,
) -> Result<(), StoreError> {
    on!(db, c => diesel::update(devices::table.find(device.as_str()))
        .set(devices::expected_key.eq(key.map(Octets)))
        .execute(c))?;
    Ok(())
}

/// Lets only this key be pinned to a device that has none yet; false, and nothing is changed, where
/// the factory named another.
pub fn expect_key(db: &mut Db, device: &DeviceId, key: KeyThumbprint) -> Result<bool, StoreError> {
    let free = devices::expected_key
        .is_null()
        .or(devices::expected_key.eq(Octets(key)));
    let taken = on!(db, c => diesel::update(devices::table.find(device.as_str()).filter(free))
        .set(devices::expected_key.eq(Octets(key)))
        .execute(c))?;
    Ok(taken == 1)
}

impl Credential {
    /// Pins the device to this key, or takes up that its chain was verified anew.
    pub fn record(&self, db: &mut Db, device: &DeviceId, now: Timestamp) -> Result<(), StoreError> {
        let verified = columns!(credentials {
            certificate_thumbprint: Octets(self.certificate),
            chain: &self.verified.chain,
            anchor: &self.verified.anchor,
            not_after_at: Micros(self.not_after),
            verified_under: Octets(self.verified.trust.0),
            in_force_until_at: Micros(self.verified.in_force_until),
            issuer_expired: self.verified.issuer_expired,
            changed_at: Micros(now),
        });
        let known = credentials::table.filter(credentials::key_thumbprint.eq(Octets(self.key)));
        if on!(db, c => update!(known, &verified).execute(c))? == 0 {
            let new = columns!(credentials {
                id: id::fresh::<[u8; 16]>(now),
                device_id: device.as_str(),
                key_thumbprint: Octets(self.key),
                state: Code(CredentialState::Current),
                created_at: Micros(now),
            });
            on!(db, c => insert!(credentials::table, (new, verified)).execute(c))?;
        }
        Ok(())
    }
}
