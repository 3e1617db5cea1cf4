//! Waves of campaigns, and what is counted of them.

use diesel::prelude::*;
use fleetgrant_core::campaign::{Tally, Wave, WaveState};
use fleetgrant_core::domain::CampaignId;

use crate::store::column::{Code, Octets};
use crate::store::schema::campaign_waves as table;
use crate::store::{Db, StoreError};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
struct Row {
    campaign_id: Octets<CampaignId>,
    number: i16,
    late: bool,
    state: Code<WaveState>,
    size: i64,
    drawn: i64,
    succeeded: i64,
    failed: i64,
    skipped: i64,
    excused: i64,
}

/// Records the waves of a campaign.
pub fn insert_waves(
    db: &mut Db,
    campaign: Octets<CampaignId>,
    waves: &[Wave],
) -> Result<(), StoreError> {
    for (number, wave) in (0..).zip(waves) {
        let row = Row {
            campaign_id: campaign,
            number,
            late: wave.is_late,
            state: Code(wave.state),
            size: signed(wave.size),
            drawn: 0,
            succeeded: 0,
            failed: 0,
            skipped: 0,
            excused: 0,
        };
        on!(db, c => diesel::insert_into(table::table).values(&row).execute(c))?;
    }
    Ok(())
}

/// The waves of a campaign in order.
pub(super) fn of(db: &mut Db, campaign: Octets<CampaignId>) -> Result<Vec<Wave>, StoreError> {
    let rows: Vec<Row> = on!(db, c => table::table
        .filter(table::campaign_id.eq(campaign))
        .order(table::number)
        .select(Row::as_select())
        .load(c))?;
    let waves = rows.into_iter().map(|row| Wave {
        state: row.state.0,
        is_late: row.late,
        size: row.size.unsigned_abs(),
        tally: Tally {
            drawn: row.drawn.unsigned_abs(),
            succeeded: row.succeeded.unsigned_abs(),
            failed: row.failed.unsigned_abs(),
            skipped: row.skipped.unsigned_abs(),
        },
        excused: row.excused.unsigned_abs(),
    });
    Ok(waves.collect())
}

/// Writes where waves stand; what came of their devices is counted where it happens.
pub(super) fn save(
    db: &mut Db,
    campaign: Octets<CampaignId>,
    waves: &[Wave],
) -> Result<(), StoreError> {
    for (number, wave) in (0_i16..).zip(waves) {
        let changes = (
            table::state.eq(Code(wave.state)),
            table::excused.eq(signed(wave.excused)),
        );
        on!(db, c => diesel::update(table::table.find((campaign, number)))
            .set(changes)
            .execute(c))?;
    }
    Ok(())
}

/// What is to be added to the counts of a wave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Growth {
    pub(super) size: i64,
    pub(super) drawn: i64,
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    pub(super) skipped: i64,
}

pub(super) fn grow(
    db: &mut Db,
    campaign: Octets<CampaignId>,
    number: i16,
    growth: Growth,
) -> Result<(), StoreError> {
    let changes = (
        table::size.eq(table::size + growth.size),
        table::drawn.eq(table::drawn + growth.drawn),
        table::succeeded.eq(table::succeeded + growth.succeeded),
        table::failed.eq(table::failed + growth.failed),
        table::skipped.eq(table::skipped + growth.skipped),
    );
    on!(db, c => diesel::update(table::table.find((campaign, number)))
        .set(changes)
        .execute(c))?;
    Ok(())
}

pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
