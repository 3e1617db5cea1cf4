//! Gives devices another set when something changed that they have a right to.

use std::sync::Arc;
use std::time::Duration;

use fleetgrant_core::domain::Timestamp;
use fleetgrant_core::operator;
use tokio::sync::watch;

use crate::activation::{Rules, system_entropy};
use crate::clock::Clock;
use crate::lifecycle::{self, Regranted};
use crate::store::conversation::{self, Basis, Cause, Recorded};
use crate::store::raised_ceiling;
use crate::store::refresh::{self, Refresh};
use crate::store::{Db, Store, StoreError, Verdict};

/// How often what is due is looked for.
const INTERVAL: Duration = Duration::from_secs(1);
/// Devices read at once.
const BATCH: i64 = 64;
/// Seconds until a device is tried again for which it failed.
const AFTER_FAILURE: u64 = 60;
/// Batches at most before what is due is looked for anew.
const BATCHES: usize = 16;
/// Devices of a raised ceiling that are read at once.
const PAGE: i64 = 10_000;
/// Those of them that are marked in one transaction.
const PORTION: usize = 500;

/// Serves the devices that are marked; the outbox pushes what it writes.
#[derive(Debug)]
pub struct Refresher {
    /// The ledger.
    pub store: Store,
    /// What it is decided under.
    pub rules: Arc<Rules>,
    /// The gateway's clock.
    pub clock: Clock,
}

impl Refresher {
    /// Runs until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let Ok(now) = self.clock.trusted_now() else {
                continue;
            };
            if let Err(error) = self.mark_raised(now).await {
                tracing::error!(%error, "devices are not marked yet; it is tried again");
            }
            for _ in 0..BATCHES {
                match self.round(now).await {
                    Ok(served) if served == BATCH => {}
                    Ok(_) => break,
                    Err(error) => {
                        tracing::error!(%error, "devices wait for another set; it is tried again");
                        break;
                    }
                }
            }
        }
    }

    /// Marks a page of the devices of what is maintained for longer.
    async fn mark_raised(&self, now: Timestamp) -> Result<(), StoreError> {
        let next = |db: &mut Db| {
            let Some(raised) = raised_ceiling::next(db)? else {
                return Ok(None);
            };
            let page = raised_ceiling::devices(db, &raised, PAGE)?;
            Ok(Some((raised, page)))
        };
        let Some((mut raised, (reached, is_last))) = self.store.read("raised", next).await? else {
            return Ok(());
        };
        for portion in reached.chunks(PORTION) {
            let (of, portion) = (raised.clone(), portion.to_vec());
            if let Some(last) = portion.last() {
                raised.after_device.clone_from(&last.device);
            }
            self.store
                .write("raised", move |db| {
                    raised_ceiling::mark(db, &of, &portion, now)
                })
                .await?;
        }
        if is_last {
            self.store
                .write("raised", move |db| raised_ceiling::settle(db, &raised))
                .await?;
        }
        Ok(())
    }

    /// Serves up to a batch of what is due; how many. A device that fails holds up no other.
    async fn round(&self, now: Timestamp) -> Result<i64, StoreError> {
        let due = self
            .store
            .read("refresh-due", move |db| refresh::due(db, now, BATCH))
            .await?;
        let mut served = 0;
        for refresh in due {
            let (rules, device) = (Arc::clone(&self.rules), refresh.device_id.clone());
            let done = self
                .store
                .transaction("refresh", move |db| serve(db, &refresh, &rules, now))
                .await;
            match done {
                Ok(()) => served += 1,
                Err(error) => {
                    tracing::error!(device, %error, "a device waits for another set");
                    let later = now.plus_seconds(AFTER_FAILURE);
                    self.store
                        .write("refresh-later", move |db| {
                            refresh::postpone(db, &device, now, later)
                        })
                        .await?;
                }
            }
        }
        Ok(served)
    }
}

/// A stale snapshot is left to the next round.
fn serve(
    db: &mut Db,
    refresh: &Refresh,
    rules: &Rules,
    now: Timestamp,
) -> Result<Verdict<()>, StoreError> {
    refresh::settle(db, refresh)?;
    let device = refresh.device()?;
    match lifecycle::follow(db, &device, &refresh.actor, rules, now)? {
        Recorded::Whole => {}
        Recorded::Stale => return Ok(Verdict::Rollback(())),
    }
    let anew = match lifecycle::give_again(db, &device, &refresh.actor, rules, now)? {
        Regranted::Nothing => refresh.anew,
        // That set tells all that is new.
        Regranted::InASet => false,
        Regranted::Stale => return Ok(Verdict::Rollback(())),
    };
    let Some(snapshot) = conversation::load(db, &rules.cache, &device, &[])? else {
        return Ok(Verdict::Commit(()));
    };
    let basis = Basis::of(&snapshot);
    let outcome = match operator::refresh(snapshot, rules.at(now), &mut system_entropy(), anew) {
        Ok(Some(outcome)) => outcome,
        Ok(None) => return Ok(Verdict::Commit(())),
        Err(reason) => {
            tracing::warn!(%device, %reason, "the device gets no other set");
            return Ok(Verdict::Commit(()));
        }
    };
    metrics::counter!("fleetgrant_refreshed_sets_total").increment(1);
    let cause = Cause {
        actor: refresh.actor.clone(),
        message: None,
        at: now,
    };
    match conversation::record(db, &rules.cache, &basis, &outcome, &cause)? {
        Recorded::Whole => Ok(Verdict::Commit(())),
        Recorded::Stale => Ok(Verdict::Rollback(())),
    }
}
