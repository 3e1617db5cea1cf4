//! A round of upkeep carries campaigns on.

use std::sync::Arc;

use fleetgrant_core::activation::Standing;
use fleetgrant_core::campaign::{self, Act as Next, Campaign, CampaignState, Failing, Late};
use fleetgrant_core::domain::{ActivationId, CampaignId, DeviceId, RemovalReason, Timestamp};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::operator::{Of, OperatorError, Provision};
use fleetgrant_core::outcome::{Change, Outcome};
use fleetgrant_core::rule::Rule;

use super::tell;
use crate::activation::Rules;
use crate::clock::Clock;
use crate::lifecycle::{self, DeviceUpgrade, Kept};
use crate::operator::{Act, ActError, Attempt, Operator};
use crate::store::campaign::{self as store, Ended, Row};
use crate::store::column::{Micros, Octets};
use crate::store::conversation::Recorded;
use crate::store::event::Occasion;
use crate::store::{Db, Store, StoreError, Verdict};

/// Transactions in which one campaign is prepared, or draws devices, in one round.
const STEPS: usize = 20;

/// Carries campaigns on.
#[derive(Clone, Debug)]
pub struct Campaigns {
    /// The ledger.
    pub store: Store,
    /// What it is decided under.
    pub rules: Arc<Rules>,
    /// The gateway's clock.
    pub clock: Clock,
}

/// Whether there is more to do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    Yes,
    No,
}

impl Campaigns {
    /// Goes on with every campaign that is not over, and does what is due to its devices. A
    /// campaign that fails holds up no other; what was not done is done in the next round.
    ///
    /// # Errors
    /// The campaigns cannot be read.
    pub async fn round(&self, now: Timestamp) -> Result<(), StoreError> {
        let going = self.store.read("campaigns-going", store::going).await?;
        for row in going {
            if let Err(error) = self.go_on(&row, now).await {
                tracing::error!(campaign = row.name, %error, "a campaign waits; it is tried again");
            }
        }
        Ok(())
    }

    async fn go_on(&self, row: &Row, now: Timestamp) -> Result<(), StoreError> {
        for _ in 0..STEPS {
            let id = row.id;
            let more = self
                .store
                .transaction("campaign-advance", move |db| advance(db, id, now))
                .await?;
            self.serve_due(row, now).await?;
            if more == More::No {
                break;
            }
        }
        Ok(())
    }

    async fn serve_due(&self, row: &Row, now: Timestamp) -> Result<(), StoreError> {
        let id = row.id;
        let due = self
            .store
            .read("campaign-due", move |db| store::due(db, id))
            .await?;
        for device in due {
            let served = match DeviceId::new(&device) {
                Ok(id) => self.serve(row, &id, now).await,
                Err(error) => Err(StoreError::Corrupt(error.to_string())),
            };
            if let Err(error) = served {
                tracing::error!(
                    device, campaign = row.name, %error,
                    "a device of a campaign waits; it is tried again"
                );
            }
        }
        Ok(())
    }

    /// Does the deed to one device whose turn came, and marks it; or marks why not.
    async fn serve(&self, row: &Row, device: &DeviceId, now: Timestamp) -> Result<(), StoreError> {
        let operator = Operator {
            store: self.store.clone(),
            rules: Arc::clone(&self.rules),
            clock: self.clock.clone(),
            actor: actor(row),
        };
        let (deed, id, named) = (Deed::of(row)?, row.id, device.clone());
        let tried = self
            .store
            .transaction("campaign-deed", move |db| {
                if !store::sent(db, id, &named, now)? {
                    return Ok(Verdict::Rollback(None));
                }
                Ok(match deed.attempt(db, &operator, &named, now)? {
                    Attempt::Done(outcomes) => {
                        for outcome in &outcomes {
                            store::follow(db, id, &named, &followed(outcome))?;
                        }
                        Verdict::Commit(None)
                    }
                    Attempt::Refused(reason) => Verdict::Rollback(Some(reason)),
                    Attempt::Stale => Verdict::Rollback(None),
                })
            })
            .await?;
        let Some(reason) = tried else { return Ok(()) };
        let (ended, rule) = refused(&reason);
        if let Ended::Failed(Failing::Fault | Failing::NotUpgradable) = ended {
            tracing::warn!(%device, campaign = row.name, %reason, "a deed of a campaign failed");
        }
        let device = device.clone();
        self.store
            .write("campaign-denied", move |db| {
                store::settle_due(db, id, &device, ended, rule, now)
            })
            .await
    }
}

/// What a campaign does to each device.
enum Deed {
    Act(Act),
    Upgrade(DeviceUpgrade),
}

impl Deed {
    fn of(row: &Row) -> Result<Self, StoreError> {
        let takes = match (row.take_entitlement_id, row.take_product_id) {
            (Some(id), _) => Some(Of::Entitlement(id.0)),
            (None, Some(id)) => Some(Of::Product(id.0)),
            (None, None) => None,
        };
        let corrupt = || StoreError::Corrupt(format!("campaign {}: it does nothing", row.name));
        match (row.give_id, takes, row.upgrade_to_id) {
            (None, Some(of), Some(to)) => Ok(Self::Upgrade(DeviceUpgrade {
                of,
                to: to.0,
                name: row.name.clone(),
            })),
            (Some(give), replaces, _) => {
                let total = row.total.and_then(|total| u32::try_from(total).ok());
                let provision = Provision {
                    entitlement: give.0,
                    total: total.ok_or_else(corrupt)?,
                };
                Ok(Self::Act(Act::Provide(provision, replaces)))
            }
            (None, Some(of), None) => Ok(Self::Act(Act::Withdraw(of))),
            (None, None, _) => Err(corrupt()),
        }
    }

    fn attempt(
        &self,
        db: &mut Db,
        operator: &Operator,
        device: &DeviceId,
        now: Timestamp,
    ) -> Result<Attempt<Vec<Outcome>, Kept>, StoreError> {
        match self {
            Self::Upgrade(order) => lifecycle::upgrade_device(db, operator, device, order, now),
            Self::Act(act) => Ok(match operator.attempt(db, device, *act, now)? {
                Attempt::Done(outcome) => Attempt::Done(vec![*outcome]),
                Attempt::Refused(reason) => Attempt::Refused(reason.into()),
                Attempt::Stale => Attempt::Stale,
            }),
        }
    }
}

/// What the device must sign for: the activation, and whether it is taken.
fn followed(outcome: &Outcome) -> Vec<(ActivationId, bool)> {
    let changes = outcome.activations.iter();
    let followed = changes.filter_map(|change| match change {
        Change::New(activation) => Some((activation.id, false)),
        Change::Updated(activation) => {
            let by_campaign = match activation.standing {
                Standing::Removing(removal) => matches!(
                    removal.reason,
                    RemovalReason::Revoke | RemovalReason::Supersede
                ),
                standing => standing == Standing::Cancelled,
            };
            by_campaign.then_some((activation.id, true))
        }
    });
    followed.collect()
}

/// What a refusal makes of the device.
fn refused(reason: &Kept) -> (Ended, Option<Rule>) {
    let reason = match reason {
        Kept::Act(ActError::Refused(reason)) => reason,
        Kept::Act(_) => return (Ended::Failed(Failing::Fault), None),
        Kept::Entitlement(_) => return (Ended::Failed(Failing::NotUpgradable), None),
    };
    match reason {
        OperatorError::NothingToApprove => (Ended::Skipped, None),
        OperatorError::Denied(rule) => (Ended::Failed(Failing::Denied), Some(*rule)),
        OperatorError::Limited(refusal) => (Ended::Failed(Failing::Denied), Some(refusal.rule)),
        OperatorError::OutOfService(_) => (Ended::Failed(Failing::OutOfService), None),
        reason if reason.is_for_want_of_a_key() => (Ended::Failed(Failing::NotAdmitted), None),
        _ => (Ended::Failed(Failing::Fault), None),
    }
}

/// Counts, decides and records.
fn advance(
    db: &mut Db,
    id: Octets<CampaignId>,
    now: Timestamp,
) -> Result<Verdict<More>, StoreError> {
    let Some(mut row) = store::find(db, id)? else {
        return Ok(Verdict::Rollback(More::No));
    };
    let mut campaign = store::load(db, &row)?;
    let mut events = Vec::new();
    let more = match row.state.0 {
        CampaignState::Preparing => prepare(db, &mut row, &mut campaign, &mut events, now)?,
        CampaignState::Running | CampaignState::Paused => {
            join_late(db, &mut row, &campaign, now)?;
            store::settle(db, &row, &campaign, now)?;
            campaign = store::load(db, &row)?;
            let more = begin_next(db, &mut row, &mut campaign, &mut events, now)?;
            if campaign.state == CampaignState::Finished
                && move_free_units(db, &row, &mut events, now)? == Recorded::Stale
            {
                return Ok(Verdict::Rollback(More::No));
            }
            more
        }
        _ => {
            store::settle(db, &row, &campaign, now)?;
            return Ok(Verdict::Commit(More::No));
        }
    };
    if !store::save(db, &mut row, &campaign, now)? {
        // Another gateway, or an operator, was faster.
        return Ok(Verdict::Rollback(More::No));
    }
    tell(db, row.id.0, "gateway", &events, now)?;
    Ok(Verdict::Commit(more))
}

/// Looks at the next devices; when it has looked at all, the waves are divided.
fn prepare(
    db: &mut Db,
    row: &mut Row,
    campaign: &mut Campaign,
    events: &mut Vec<Event>,
    now: Timestamp,
) -> Result<More, StoreError> {
    if store::sweep(db, row, false, now)? {
        return Ok(More::Yes);
    }
    let devices = store::count_devices(db, row.id)?;
    campaign.waves = campaign.plan.divide(devices);
    store::insert_waves(db, row.id, &campaign.waves)?;
    campaign.state = CampaignState::Ready;
    let ready = Event::new(EventKind::CampaignReady).with("devices", devices);
    events.push(ready.with("waves", campaign.waves.len() as u64));
    Ok(More::No)
}

/// Looks for devices that fit since, a part in each round, over and over.
fn join_late(
    db: &mut Db,
    row: &mut Row,
    campaign: &Campaign,
    now: Timestamp,
) -> Result<(), StoreError> {
    match campaign.plan.late {
        Late::Until(until) if now < until => store::sweep(db, row, true, now).map(drop),
        _ => Ok(()),
    }
}

fn begin_next(
    db: &mut Db,
    row: &mut Row,
    campaign: &mut Campaign,
    events: &mut Vec<Event>,
    now: Timestamp,
) -> Result<More, StoreError> {
    let progress = store::progress(db, row.id, campaign, now)?;
    let mut more = More::No;
    for next in campaign::tick(campaign, progress, now) {
        campaign.apply(next);
        if let Next::Draw { wave, devices } = next {
            let drawn = store::draw(db, row.id, campaign, wave, devices, now)?;
            if drawn < devices {
                more = More::Yes;
            }
        }
        events.extend(event_of(next, campaign));
    }
    if matches!(
        campaign.state,
        CampaignState::Finished | CampaignState::Stopped
    ) {
        row.ended_at = Some(Micros(now));
    }
    Ok(more)
}

/// Where an upgrade says so, what no device uses goes along: of what is named, or else of all that
/// some device was upgraded of. Since a campaign finishes once, so does this.
fn move_free_units(
    db: &mut Db,
    row: &Row,
    events: &mut Vec<Event>,
    now: Timestamp,
) -> Result<Recorded, StoreError> {
    let Some(to) = row.upgrade_to_id else {
        return Ok(Recorded::Whole);
    };
    if !row.planned()?.move_free_units {
        return Ok(Recorded::Whole);
    }
    let upgraded = match row.take_entitlement_id {
        Some(named) => vec![named.0],
        None => store::taken_of(db, row.id)?,
    };
    let actor = actor(row);
    let occasion = Occasion {
        at: now,
        actor: &actor,
        cause: &row.id.0.0,
    };
    let (mut moved, mut kept) = (0, 0_u64);
    for old in upgraded {
        match lifecycle::upgrade_rest(db, old, to.0, &row.name, occasion)? {
            Attempt::Done(units) => moved += u64::from(units),
            Attempt::Refused(reason) => {
                tracing::warn!(entitlement = %old, campaign = row.name, %reason, "free units stay");
                kept += 1;
            }
            Attempt::Stale => return Ok(Recorded::Stale),
        }
    }
    for event in events {
        if event.kind == EventKind::CampaignFinished {
            *event = Event::new(EventKind::CampaignFinished)
                .with("free-units", moved)
                .with("kept", kept);
        }
    }
    Ok(Recorded::Whole)
}

fn actor(row: &Row) -> String {
    format!("campaign {}", row.name)
}

fn event_of(next: Next, campaign: &Campaign) -> Option<Event> {
    let of_wave = |kind, number: usize| {
        let tally = campaign.waves[number].tally;
        Event::new(kind)
            .with("wave", number as u64 + 1)
            .with("size", campaign.waves[number].size)
            .with("succeeded", tally.succeeded)
            .with("failed", tally.failed)
            .with("skipped", tally.skipped)
    };
    Some(match next {
        Next::Begin(number) => of_wave(EventKind::WaveBegan, number),
        Next::Pass(number) => of_wave(EventKind::WavePassed, number),
        Next::Fail(number, because) => {
            of_wave(EventKind::WaveFailed, number).with("because", because.as_str())
        }
        Next::Draw { .. } => return None,
        Next::Pause(because) => {
            Event::new(EventKind::CampaignPaused).with("because", because.as_str())
        }
        Next::Stop(because) => {
            Event::new(EventKind::CampaignStopped).with("because", because.as_str())
        }
        Next::Finish => Event::new(EventKind::CampaignFinished),
    })
}
