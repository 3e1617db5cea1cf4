//! What time alone changes: rights that can run no more and reservations that ran out free their
//! units, removals that nobody proved become visible, what has ended is expired, campaigns go on.

use std::sync::Arc;
use std::time::Duration;

use fleetgrant_core::domain::{DeviceId, Timestamp};
use fleetgrant_core::tick::on_tick;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::activation::Rules;
use crate::campaign::Campaigns;
use crate::clock::Clock;
use crate::lifecycle;
use crate::store::conversation::{self, Basis, Cause, Recorded, devices_to_tick};
use crate::store::{Db, Store, StoreError, Verdict};

/// How often what is due is looked for.
const INTERVAL: Duration = Duration::from_secs(60);
/// How often campaigns are gone on with.
const CAMPAIGN_INTERVAL: Duration = Duration::from_secs(5);
/// Devices looked at in one round, and entitlements in one transaction.
const BATCH: i64 = 256;
/// Transactions of entitlements that may have ended, in one round.
const LOOKS: u32 = 32;

/// Lets time pass in the ledger.
#[derive(Debug)]
pub struct Upkeep {
    /// The ledger.
    pub store: Store,
    /// What it is decided under.
    pub rules: Arc<Rules>,
    /// The gateway's clock.
    pub clock: Clock,
}

impl Upkeep {
    /// Runs until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let campaigns = Campaigns {
            store: self.store.clone(),
            rules: Arc::clone(&self.rules),
            clock: self.clock.clone(),
        };
        let mut ticks = tokio::time::interval(INTERVAL);
        let mut campaign_ticks = tokio::time::interval(CAMPAIGN_INTERVAL);
        campaign_ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_campaigns = tokio::select! {
                _ = ticks.tick() => false,
                _ = campaign_ticks.tick() => true,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let Ok(now) = self.clock.trusted_now() else {
                continue;
            };
            let settled = if is_campaigns {
                campaigns.round(now).await
            } else {
                self.round(now).await
            };
            if let Err(error) = settled {
                tracing::error!(%error, "what is due could not be settled; it is tried again");
            }
        }
    }

    async fn round(&self, now: Timestamp) -> Result<(), StoreError> {
        self.store
            .write("revocations-due", move |db| {
                lifecycle::close_revoked(db, now, BATCH)
            })
            .await?;
        for _ in 0..LOOKS {
            let looked_at = self
                .store
                .write("ends", move |db| lifecycle::expire_due(db, now, BATCH))
                .await?;
            if looked_at < BATCH as usize {
                break;
            }
        }
        self.store
            .write("upgrades", move |db| {
                lifecycle::settle_upgrades(db, now, BATCH)
            })
            .await?;
        let orphan_after = self.rules.policy.orphan_after;
        let devices = self
            .store
            .read("tick-due", move |db| {
                devices_to_tick(db, now, orphan_after, BATCH)
            })
            .await?;
        for device in devices {
            let rules = Arc::clone(&self.rules);
            self.store
                .converse("tick", move |db| tick(db, &device, &rules, now))
                .await?;
        }
        Ok(())
    }
}

/// A stale snapshot is left to the next round.
fn tick(
    db: &mut Db,
    device: &DeviceId,
    rules: &Rules,
    now: Timestamp,
) -> Result<Verdict<()>, StoreError> {
    let Some(snapshot) = conversation::load(db, &rules.cache, device, &[])? else {
        return Ok(Verdict::Commit(()));
    };
    let basis = Basis::of(&snapshot);
    let outcome = on_tick(snapshot, rules.at(now));
    let cause = Cause {
        actor: "gateway".to_owned(),
        message: None,
        at: now,
    };
    match conversation::record(db, &rules.cache, &basis, &outcome, &cause)? {
        Recorded::Whole => Ok(Verdict::Commit(())),
        Recorded::Stale => Ok(Verdict::Rollback(())),
    }
}
