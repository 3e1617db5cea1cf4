//! What the devices of a data set do: they are switched on some days after they left the house, ask
//! for what they are owed, acknowledge it, and some later ask for more than was bought.

use fleetgrant_core::acknowledge::on_ack;
use fleetgrant_core::ask::{Reason, Want};
use fleetgrant_core::domain::{FeatureName, MessageDigest, Timestamp};
use fleetgrant_core::outcome::Outcome;
use fleetgrant_core::request::on_request;
use fleetgrant_schemas::id::CertificateThumbprint;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::files::{OPTION, Shipped};
use super::phone::Phone;
use super::{NOW, Progress, ScaleError};
use crate::activation::Rules;
use crate::identity::{StoredCredential, TrustDigest};
use crate::store::conversation::{self, Basis, Cause, Credential, Look, Recorded};
use crate::store::{Db, Store, StoreError};

/// Devices that live in one transaction.
const CHUNK: usize = 200;
/// Days from the shipment until all devices that are ever switched on have been.
const DAYS: u64 = 40;
const DAY: u64 = 86_400;
/// Of a hundred devices, those that are switched on.
const ALIVE: u32 = 95;
/// Of a hundred that are, those that ask for the option. Fewer were bought.
const CURIOUS: u32 = 50;

/// Lets the devices live, in the order in which they left the house; how many activations they
/// came to.
pub(super) fn live(
    store: &Store,
    rules: &Rules,
    devices: &[Shipped],
    progress: &impl Progress,
) -> Result<u64, ScaleError> {
    let mut activations = 0;
    for (index, chunk) in devices.chunks(CHUNK).enumerate() {
        progress("activating", index * CHUNK, devices.len());
        let (rules, chunk) = (rules.clone(), chunk.to_vec());
        let lived = store.write_blocking("scale", move |db| {
            // A transaction may run more than once, with the same result.
            let random = &mut StdRng::seed_from_u64(index as u64);
            let mut activations = 0;
            for device in &chunk {
                let mut life = Life {
                    phone: Phone::new(device.id.clone(), random),
                    rules: &rules,
                    random,
                    activations: 0,
                };
                if let Err(fault) = life.live(db, device.at) {
                    return fault.kept(&device.id);
                }
                activations += life.activations;
            }
            Ok(Ok(activations))
        })?;
        activations += lived?;
    }
    Ok(activations)
}

/// Why a device did not live its life.
enum Fault {
    Store(StoreError),
    Device(&'static str),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fault {
    /// What is wrong with the data set is no fault of the database's.
    fn kept<T>(
        self,
        device: &fleetgrant_core::domain::DeviceId,
    ) -> Result<Result<T, ScaleError>, StoreError> {
        match self {
            Self::Store(error) => Err(error),
            Self::Device(reason) => Ok(Err(ScaleError::Device {
                device: device.to_string(),
                reason,
            })),
        }
    }
}

struct Life<'a> {
    phone: Phone,
    rules: &'a Rules,
    random: &'a mut StdRng,
    activations: u64,
}

impl Life<'_> {
    fn live(&mut self, db: &mut Db, shipped: Timestamp) -> Result<(), Fault> {
        if !self.happens(ALIVE) {
            return Ok(());
        }
        let at = shipped.plus_seconds(self.random.random_range(0..DAYS * DAY));
        // The first is answered by a challenge, the second by a grant.
        self.ask(db, Vec::new(), at)?;
        if !self.ask(db, Vec::new(), at.plus_seconds(1))? {
            return Err(Fault::Device("it was not given what it is owed"));
        }
        self.acknowledge(db, at.plus_seconds(2))?;
        if self.happens(CURIOUS) {
            let later = at.plus_seconds(self.random.random_range(DAY..20 * DAY));
            let option = FeatureName::new(OPTION).map_err(|_| Fault::Device("no such option"))?;
            let want = Want::Feature {
                feature: option,
                total: 1,
            };
            if self.ask(db, vec![want], later.min(NOW))? {
                self.acknowledge(db, later.min(NOW).plus_seconds(1))?;
            }
        }
        Ok(())
    }

    fn happens(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    /// Asks; whether it was given a set.
    fn ask(&mut self, db: &mut Db, wants: Vec<Want>, now: Timestamp) -> Result<bool, Fault> {
        let reason = if wants.is_empty() {
            Reason::Boot
        } else {
            Reason::Upgrade
        };
        let request = self
            .phone
            .request(reason, wants, self.random)
            .ok_or(Fault::Device("it has asked too often"))?;
        let look = Look {
            wants: &request.ask.wants,
            now: Some(now),
            ..Look::default()
        };
        let snapshot = conversation::load_for(db, &self.rules.cache, &self.phone.id, &look)?
            .ok_or(Fault::Device("it is not on the manifest"))?;
        let basis = Basis::of(&snapshot);
        let random = &mut *self.random;
        let mut entropy = |buffer: &mut [u8]| random.fill_bytes(buffer);
        let outcome = on_request(snapshot, &request, self.rules.at(now), &mut entropy);
        self.record(db, &basis, &outcome, request.digest, now)?;
        if outcome.device.key() == Some(self.phone.key) && basis.key().is_none() {
            self.credential(now).record(db, &self.phone.id, now)?;
        }
        self.activations += outcome
            .activations
            .iter()
            .filter(|change| matches!(change, fleetgrant_core::outcome::Change::New(_)))
            .count() as u64;
        Ok(self.phone.take_in(&outcome))
    }

    fn acknowledge(&mut self, db: &mut Db, now: Timestamp) -> Result<(), Fault> {
        let ack = self
            .phone
            .acknowledge(self.random)
            .ok_or(Fault::Device("it holds nothing to acknowledge"))?;
        let holdings = conversation::load_holdings(db, &self.rules.cache, &self.phone.id)?
            .ok_or(Fault::Device("it was forgotten"))?;
        let basis = Basis::of_holdings(&holdings);
        let random = &mut *self.random;
        let mut entropy = |buffer: &mut [u8]| random.fill_bytes(buffer);
        let outcome = on_ack(holdings, &ack, self.rules.at(now), &mut entropy);
        self.record(db, &basis, &outcome, ack.digest, now)
    }

    fn record(
        &self,
        db: &mut Db,
        basis: &Basis,
        outcome: &Outcome,
        message: MessageDigest,
        at: Timestamp,
    ) -> Result<(), Fault> {
        let cause = Cause {
            actor: "device".to_owned(),
            message: Some(message),
            at,
        };
        match conversation::record(db, &self.rules.cache, basis, outcome, &cause)? {
            Recorded::Whole => Ok(()),
            Recorded::Stale => Err(Fault::Device("somebody else changes the data set")),
        }
    }

    fn credential(&self, now: Timestamp) -> Credential {
        Credential {
            key: self.phone.key,
            certificate: CertificateThumbprint(self.phone.key.0),
            not_after: now,
            verified: StoredCredential {
                // About what two P-256 certificates take.
                chain: vec![0x30; 1_100],
                anchor: "scale".to_owned(),
                trust: TrustDigest([0; 32]),
                in_force_until: now,
                issuer_expired: false,
            },
        }
    }
}
