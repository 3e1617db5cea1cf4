//! Campaigns are made and told what to do.

use fleetgrant_core::campaign::{self, CampaignState, Command, NotNow};
use fleetgrant_core::domain::{CampaignId, DeviceId, EntitlementId, ProductId, Timestamp};
use fleetgrant_core::event::{Event, EventKind};

use super::{InvalidTerms, Terms, tell, told};
use crate::operator::{ActError, Attempt, Effects, Operator};
use crate::store::campaign::{self as store, Row};
use crate::store::column::{Code, Micros, Octets};
use crate::store::listing::{self, EntitlementFilter};
use crate::store::{Db, StoreError, entitlement, id, product};

/// Why a campaign was not made, or not told.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// There is none of this name or id.
    #[error("there is no campaign {0:?}: list them with `fleetgrant campaigns list`")]
    Unknown(String),
    /// Names are given once.
    #[error("there is a campaign {0:?} already: names are never given twice")]
    NameTaken(String),
    /// The terms make none.
    #[error(transparent)]
    Terms(#[from] InvalidTerms),
    /// What they name is not there, or is not one.
    #[error("{kind} {name:?}: {why}")]
    Unfit {
        /// What kind of thing.
        kind: &'static str,
        /// What it was called.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It does not fit how it stands.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// It could not be done.
    #[error(transparent)]
    Act(#[from] ActError),
}

impl From<StoreError> for CampaignError {
    fn from(error: StoreError) -> Self {
        Self::Act(error.into())
    }
}

type Tried = Attempt<Row, CampaignError>;

impl Operator {
    /// Makes a campaign. Its devices are looked up by upkeep.
    ///
    /// # Errors
    /// See [`CampaignError`].
    pub async fn create_campaign(&self, terms: Terms) -> Result<Row, CampaignError> {
        self.until_still(
            "campaign-create",
            Effects::Kept,
            move |operator, db, now| operator.try_create_campaign(db, &terms, now),
        )
        .await
    }

    /// What making a campaign would come to; nothing of it is kept.
    ///
    /// # Errors
    /// See [`CampaignError`].
    pub async fn preview_campaign(&self, terms: Terms) -> Result<Row, CampaignError> {
        self.until_still(
            "campaign-create",
            Effects::Undone,
            move |operator, db, now| operator.try_create_campaign(db, &terms, now),
        )
        .await
    }

    /// Starts, pauses, resumes or aborts a campaign, by its name or id.
    ///
    /// # Errors
    /// See [`CampaignError`].
    pub async fn tell_campaign(
        &self,
        called: &str,
        command: Command,
    ) -> Result<Row, CampaignError> {
        let called = called.to_owned();
        self.until_still("campaign-tell", Effects::Kept, move |operator, db, now| {
            operator.try_tell_campaign(db, &called, command, now)
        })
        .await
    }

    /// One try, within a transaction that the caller ends.
    ///
    /// # Errors
    /// The database failed.
    pub fn try_create_campaign(
        &self,
        db: &mut Db,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Tried, StoreError> {
        let row = match self.read_terms(db, terms, now) {
            Ok(row) => row,
            Err(CampaignError::Act(ActError::Store(error))) => return Err(error),
            Err(reason) => return Ok(Tried::Refused(reason)),
        };
        store::insert(db, &row)?;
        let created = Event::new(EventKind::CampaignCreated)
            .with("name", row.name.as_str())
            .with_some("give", row.give_id.map(|id| id.0.to_string()).as_deref())
            .with_some("take", row.taken().as_deref())
            .with_some("upgrade-to", row.upgrade_to_id.map(|id| id.0))
            .with_some(
                "total",
                row.total.and_then(|total| u32::try_from(total).ok()),
            )
            .with("selection", row.selection.as_str())
            .with("plan", row.plan.as_str());
        tell(db, row.id.0, &self.actor, &[created], now)?;
        Ok(Tried::Done(row))
    }

    /// As [`try_create_campaign`](Self::try_create_campaign).
    ///
    /// # Errors
    /// The database failed.
    pub fn try_tell_campaign(
        &self,
        db: &mut Db,
        called: &str,
        command: Command,
        now: Timestamp,
    ) -> Result<Tried, StoreError> {
        let Some(mut row) = store::called(db, called)? else {
            return Ok(Tried::Refused(CampaignError::Unknown(called.to_owned())));
        };
        let mut campaign = store::load(db, &row)?;
        if let Err(reason) = campaign::command(&mut campaign, command) {
            return Ok(Tried::Refused(reason.into()));
        }
        if command == Command::Start {
            row.started_at = Some(Micros(now));
        }
        if campaign.state == CampaignState::Aborted {
            row.ended_at = Some(Micros(now));
        }
        if !store::save(db, &mut row, &campaign, now)? {
            return Ok(Tried::Stale);
        }
        tell(db, row.id.0, &self.actor, &[Event::new(told(command))], now)?;
        Ok(Tried::Done(row))
    }

    fn read_terms(&self, db: &mut Db, terms: &Terms, now: Timestamp) -> Result<Row, CampaignError> {
        terms.check()?;
        if store::called(db, &terms.name)?.is_some() {
            return Err(CampaignError::NameTaken(terms.name.clone()));
        }
        let named = |db: &mut Db, called: &Option<String>| match called {
            Some(called) => entitlement_called(db, called).map(Some),
            None => Ok(None),
        };
        let give_id = named(db, &terms.give)?.map(Octets);
        let take_entitlement_id = named(db, &terms.take)?.map(Octets);
        let take_product_id = match &terms.take_product {
            Some(code) => Some(
                product::by_code(db, code)?
                    .ok_or_else(|| unknown("product", code))?
                    .id,
            ),
            None => None,
        };
        if give_id.is_some() && give_id == take_entitlement_id {
            return Err(CampaignError::Unfit {
                kind: "entitlement",
                name: terms.give.clone().unwrap_or_default(),
                why: "it cannot be given and taken at once",
            });
        }
        let upgrade_to_id = match &terms.upgrade_to {
            Some(code) => Some(upgrade_to(db, code, take_entitlement_id, take_product_id)?),
            None => None,
        };
        for called in &terms.devices.customers {
            if listing::parties_called(db, called)?.is_empty() {
                return Err(unknown("customer", called));
            }
        }
        for id in &terms.devices.ids {
            let id = DeviceId::new(id).map_err(|_| unknown("device", id))?;
            if !store::is_device(db, &id)? {
                return Err(unknown("device", id.as_str()));
            }
        }
        let text = |thing: serde_json::Result<String>| {
            thing.expect("lists of texts and numbers always encode")
        };
        Ok(Row {
            id: id::fresh::<CampaignId>(now),
            name: terms.name.clone(),
            total: give_id.map(|_| i64::from(terms.total.unwrap_or(1))),
            give_id,
            take_entitlement_id,
            take_product_id,
            selection: text(serde_json::to_string(&terms.devices)),
            plan: text(serde_json::to_string(&terms.plan)),
            state: Code(CampaignState::Preparing),
            because: None,
            revision: 1,
            swept_to: None,
            created_by: self.actor.clone(),
            created_at: Micros(now),
            changed_at: Micros(now),
            started_at: None,
            ended_at: None,
            upgrade_to_id,
        })
    }
}

/// The product that what is taken can be upgraded to.
fn upgrade_to(
    db: &mut Db,
    code: &str,
    entitlement: Option<Octets<EntitlementId>>,
    product: Option<Octets<ProductId>>,
) -> Result<Octets<ProductId>, CampaignError> {
    let unfit = |why| CampaignError::Unfit {
        kind: "product",
        name: code.to_owned(),
        why,
    };
    let to = product::by_code(db, code)?.ok_or_else(|| unknown("product", code))?;
    let from = match (entitlement, product) {
        (Some(id), _) => entitlement::find(db, id.0)?.map(|taken| taken.product_id),
        (None, product) => product,
    };
    let from = from.ok_or_else(|| unfit("there is nothing to upgrade to it"))?;
    if !product::replaces(db, &to, from)? {
        return Err(unfit(
            "it does not replace what is taken: the column `replaces` of the products says which \
             product takes the place of which",
        ));
    }
    Ok(to.id)
}

fn entitlement_called(db: &mut Db, called: &str) -> Result<EntitlementId, CampaignError> {
    const KIND: &str = "entitlement";
    let id = data_encoding::HEXLOWER_PERMISSIVE.decode(called.as_bytes());
    let id = id.ok().and_then(|bytes| bytes.try_into().ok());
    let found = match id {
        Some(id) => {
            let filter = EntitlementFilter {
                id: Some(EntitlementId(id)),
                ..EntitlementFilter::default()
            };
            listing::entitlements(db, &filter, 1)?
        }
        None => listing::entitlement_named(db, called)?,
    };
    match found.as_slice() {
        [one] => Ok(one.id.0),
        [] => Err(unknown(KIND, called)),
        _ => Err(CampaignError::Unfit {
            kind: KIND,
            name: called.to_owned(),
            why: "several systems call one so: give its id",
        }),
    }
}

fn unknown(kind: &'static str, name: &str) -> CampaignError {
    CampaignError::Unfit {
        kind,
        name: name.to_owned(),
        why: "there is none",
    }
}
