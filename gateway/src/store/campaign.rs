//! Campaigns, their waves and their devices.

mod devices;
mod joining;
mod steps;
mod waves;

pub use devices::{
    CampaignDevice, CampaignDeviceSort, DevicesFilter, count_devices, devices, failures, is_device,
    progress,
};
pub use joining::{count_fitting, sweep};
pub use steps::{Ended, draw, due, follow, sent, settle, settle_due, taken_of};
pub use waves::insert_waves;

use diesel::prelude::*;
use fleetgrant_core::campaign::{Because, Campaign, CampaignState};
use fleetgrant_core::domain::{CampaignId, EntitlementId, ProductId, Timestamp};

use super::column::{Code, Micros, Octets};
use super::listing::part::{Part, Place, Placed, sorts};
use super::schema::campaigns as table;
use super::{Db, StoreError};
use crate::campaign::{PlanTerms, Selection};

/// Campaigns that are carried on at once, at most.
const MAX_GOING: i64 = 100;

condition!(
    /// Some device of it had its turn and is not settled.
    HasOpen = "EXISTS (SELECT 1 FROM campaign_waves WHERE campaign_waves.campaign_id = campaigns.id AND campaign_waves.drawn > campaign_waves.succeeded + campaign_waves.failed + campaign_waves.skipped)"
);

/// A row.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
pub struct Row {
    /// Its id.
    pub id: Octets<CampaignId>,
    /// What people call it.
    pub name: String,
    /// What devices are given units of.
    pub give_id: Option<Octets<EntitlementId>>,
    /// How many each is to have.
    pub total: Option<i64>,
    /// The entitlement whose rights are taken from them.
    pub take_entitlement_id: Option<Octets<EntitlementId>>,
    /// The product whose rights are taken from them.
    pub take_product_id: Option<Octets<ProductId>>,
    /// Which devices, as JSON.
    pub selection: String,
    /// How it goes on, as JSON.
    pub plan: String,
    /// Where it stands.
    pub state: Code<CampaignState>,
    /// Why it paused or stopped.
    pub because: Option<Code<Because>>,
    /// Grows with every change.
    pub revision: i64,
    /// Devices up to this id are looked at.
    pub swept_to: Option<String>,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Micros,
    /// When it last changed.
    pub changed_at: Micros,
    /// When it was started.
    pub started_at: Option<Micros>,
    /// When it ended.
    pub ended_at: Option<Micros>,
    /// The product that what is taken is upgraded to.
    pub upgrade_to_id: Option<Octets<ProductId>>,
}

impl Row {
    /// What is taken from devices: an entitlement or a product, by its id.
    #[must_use]
    pub fn taken(&self) -> Option<String> {
        let entitlement = self.take_entitlement_id.map(|id| id.0.to_string());
        entitlement.or_else(|| self.take_product_id.map(|id| id.0.to_string()))
    }

    /// Which devices it is for.
    ///
    /// # Errors
    /// What is stored is none.
    pub fn selected(&self) -> Result<Selection, StoreError> {
        serde_json::from_str(&self.selection)
            .map_err(|error| StoreError::Corrupt(format!("selection of {}: {error}", self.name)))
    }

    /// How it goes on.
    ///
    /// # Errors
    /// What is stored is none.
    pub fn planned(&self) -> Result<PlanTerms, StoreError> {
        serde_json::from_str(&self.plan)
            .map_err(|error| StoreError::Corrupt(format!("plan of {}: {error}", self.name)))
    }
}

/// Records a campaign.
pub fn insert(db: &mut Db, row: &Row) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(table::table).values(row).execute(c))?;
    Ok(())
}

/// The campaign of this id.
pub fn find(db: &mut Db, id: Octets<CampaignId>) -> Result<Option<Row>, StoreError> {
    Ok(on!(db, c => table::table.find(id).select(Row::as_select()).first(c).optional())?)
}

/// The campaign of this name, or of this id in hex.
pub fn called(db: &mut Db, called: &str) -> Result<Option<Row>, StoreError> {
    let named = on!(db, c => table::table
        .filter(table::name.eq(called))
        .select(Row::as_select())
        .first(c)
        .optional())?;
    let id = data_encoding::HEXLOWER_PERMISSIVE.decode(called.as_bytes());
    match (named, id.ok().and_then(|id| id.try_into().ok())) {
        (None, Some(id)) => find(db, Octets(CampaignId(id))),
        (named, _) => Ok(named),
    }
}

sorts!(
    /// What campaigns can be ordered by.
    pub CampaignSort {
        Id = "id" [Octets "campaigns.id"],
        Name = "name" [Text "campaigns.name"],
        ChangedAt = "changed_at" [Number "campaigns.changed_at", Octets "campaigns.id"],
    }
);

impl Placed for Row {
    type By = CampaignSort;

    fn place(&self, by: CampaignSort) -> Place {
        match by {
            CampaignSort::Id => [self.id.into()].into(),
            CampaignSort::Name => [(&self.name).into()].into(),
            CampaignSort::ChangedAt => [self.changed_at.into(), self.id.into()].into(),
        }
    }
}

impl Row {
    /// Whether it is for devices of this product line, and of no other.
    pub fn is_within(&self, line: &str) -> Result<bool, StoreError> {
        Ok(self.selected()?.product_lines == [line])
    }
}

/// Up to `limit` campaigns; of this product line alone, if one is named.
pub fn list(
    db: &mut Db,
    state: Option<CampaignState>,
    within: Option<&str>,
    part: &Part<CampaignSort>,
    limit: i64,
) -> Result<Vec<Row>, StoreError> {
    let Some(line) = within else {
        return page(db, state, part, limit);
    };
    // There are few campaigns, and the tables do not know what their selections say.
    let (mut found, mut part) = (Vec::new(), part.clone());
    loop {
        let rows = page(db, state, &part, limit)?;
        let Some(last) = rows.last() else {
            return Ok(found);
        };
        part = part.going_on(last);
        for row in rows {
            if row.is_within(line)? {
                found.push(row);
            }
        }
        let enough = usize::try_from(limit).unwrap_or(usize::MAX);
        if found.len() >= enough {
            found.truncate(enough);
            return Ok(found);
        }
    }
}

fn page(
    db: &mut Db,
    state: Option<CampaignState>,
    part: &Part<CampaignSort>,
    limit: i64,
) -> Result<Vec<Row>, StoreError> {
    Ok(on!(db, c => {
        let mut query = table::table
            .select(Row::as_select())
            .limit(limit)
            .into_boxed()
            .order(part.order());
        if let Some(state) = state {
            query = query.filter(table::state.eq(Code(state)));
        }
        if let Some(beyond) = part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

/// Those that something may be due for; of those that ended, the ones with devices that may still
/// answer.
pub fn going(db: &mut Db) -> Result<Vec<Row>, StoreError> {
    use CampaignState::{Aborted, Paused, Preparing, Running, Stopped};
    let live = [Preparing, Running, Paused].map(CampaignState::number);
    let ended = [Stopped, Aborted].map(CampaignState::number);
    Ok(on!(db, c => table::table
        .filter(table::state.eq_any(live).or(
            table::state.eq_any(ended).and(HasOpen)
        ))
        .order(table::id)
        .limit(MAX_GOING)
        .select(Row::as_select())
        .load(c))?)
}

/// A campaign as it is decided on.
pub fn load(db: &mut Db, row: &Row) -> Result<Campaign, StoreError> {
    let plan = row
        .planned()?
        .read()
        .map_err(|error| StoreError::Corrupt(format!("plan of {}: {error}", row.name)))?;
    Ok(Campaign {
        state: row.state.0,
        because: row.because.map(|because| because.0),
        plan,
        waves: waves::of(db, row.id)?,
    })
}

/// Writes how a campaign and its waves stand, if nobody else has since; whether nobody had.
pub fn save(
    db: &mut Db,
    row: &mut Row,
    campaign: &Campaign,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let before = row.revision;
    (row.state, row.because) = (Code(campaign.state), campaign.because.map(Code));
    row.revision += 1;
    row.changed_at = Micros(now);
    let changes = (
        table::state.eq(row.state),
        table::because.eq(row.because),
        table::revision.eq(row.revision),
        table::swept_to.eq(row.swept_to.as_deref()),
        table::changed_at.eq(row.changed_at),
        table::started_at.eq(row.started_at),
        table::ended_at.eq(row.ended_at),
    );
    let unchanged = table::table.find(row.id).filter(table::revision.eq(before));
    if on!(db, c => diesel::update(unchanged).set(changes).execute(c))? == 0 {
        return Ok(false);
    }
    waves::save(db, row.id, &campaign.waves)?;
    Ok(true)
}
