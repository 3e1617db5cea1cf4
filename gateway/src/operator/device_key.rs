//! A device whose key changes: what is recorded of keys is read, the core decides, and what it expects
//! from then on is written.

use fleetgrant_core::domain::{KeyThumbprint, Timestamp};
use fleetgrant_core::operator::{self, KeyStanding, NewKey};
use fleetgrant_core::outcome::Outcome;
use fleetgrant_core::snapshot::Snapshot;

use super::{ActError, Operator};
use crate::store::{Db, StoreError, conversation, waiting_key};

impl Operator {
    /// Of the key that the device waits for then, what is recorded is read first.
    pub(super) fn repair(
        &self,
        db: &mut Db,
        snapshot: Snapshot,
        key: Option<KeyThumbprint>,
        now: Timestamp,
    ) -> Result<Result<Outcome, ActError>, StoreError> {
        let device = snapshot.device.id.clone();
        let key = match key {
            Some(key) => Some(key),
            None => {
                let shown = waiting_key::of_late(db, &device, now)?;
                let waiting: Vec<_> = shown.into_iter().map(|waiting| waiting.key).collect();
                if waiting.len() > 1 {
                    return Ok(Err(ActError::SeveralKeysWait { device, waiting }));
                }
                waiting.first().copied()
            }
        };
        let new = match key {
            Some(key) => Some(NewKey {
                standing: match conversation::recorded(db, key)? {
                    None => KeyStanding::Unknown,
                    Some(known) if known.device == device => KeyStanding::Own(known.state),
                    Some(_) => KeyStanding::OfAnother,
                },
                key,
            }),
            None => None,
        };
        let expected = conversation::expected_key(db, &device)?;
        let context = self.rules.at(now);
        let outcome = match operator::repair(snapshot, new, expected, context) {
            Ok(outcome) => outcome,
            Err(reason) => return Ok(Err(reason.into())),
        };
        conversation::expect_of_new_board(db, &device, key)?;
        Ok(Ok(outcome))
    }

    pub(super) fn revoke_key(
        &self,
        db: &mut Db,
        snapshot: Snapshot,
        key: Option<KeyThumbprint>,
        now: Timestamp,
    ) -> Result<Result<Outcome, ActError>, StoreError> {
        let device = snapshot.device.id.clone();
        let Some(key) = key.or(snapshot.device.key()) else {
            return Ok(Err(ActError::NoKey(device)));
        };
        let known = conversation::recorded(db, key)?.filter(|known| known.device == device);
        let Some(known) = known else {
            return Ok(Err(ActError::NotItsKey(device)));
        };
        let context = self.rules.at(now);
        let outcome = match operator::revoke_key(snapshot, key, known.state, context) {
            Ok(outcome) => outcome,
            Err(reason) => return Ok(Err(reason.into())),
        };
        conversation::revoke(db, &device, key, now)?;
        Ok(Ok(outcome))
    }
}
