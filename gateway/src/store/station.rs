//! Stations of factory lines, and the runs of devices at them.

use std::collections::HashMap;

use diesel::dsl::max;
use diesel::prelude::*;
use fleetgrant_core::domain::{DeviceId, PartyId, ProductLineId, RunState, StationId, Timestamp};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::yields::{self, judge};

use super::column::{Code, Micros, Octets};
use super::event::{self, Occasion, Stream};
use super::listing::part::{Part, Place, Placed, sorts};
use super::schema::{devices, events, factory_batches, runs, stations as table};
use super::{Db, StoreError, id};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
pub struct Station {
    /// Its id.
    pub id: Octets<StationId>,
    /// What people call it.
    pub name: String,
    /// Who runs it.
    pub manufacturer_id: Option<Octets<PartyId>>,
    /// Seconds in which a device must have signed.
    pub time_limit_seconds: i64,
    /// When it was made.
    pub created_at: Micros,
}

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = runs)]
pub struct Run {
    id: Octets<[u8; 16]>,
    /// Where.
    pub station_id: Octets<StationId>,
    /// Which device.
    pub device_id: String,
    /// Counts the tries of the device at the station, from 1.
    pub attempt: i64,
    /// Who runs it.
    pub operator: Option<String>,
    /// How it stands.
    pub state: Code<RunState>,
    /// When it was opened.
    pub opened_at: Micros,
    /// When it was closed.
    pub closed_at: Option<Micros>,
}

/// The station of this name.
pub fn by_name(db: &mut Db, name: &str) -> Result<Option<Station>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::name.eq(name))
        .select(Station::as_select())
        .first(c)
        .optional())?)
}

/// Every station, by name.
pub fn all(db: &mut Db) -> Result<Vec<Station>, StoreError> {
    Ok(on!(db, c => table::table.order(table::name).select(Station::as_select()).load(c))?)
}

sorts!(
    /// What stations can be ordered by.
    pub StationSort {
        Name = "name" [Text "stations.name"],
        CreatedAt = "created_at" [Number "stations.created_at", Text "stations.name"],
    }
);

impl Placed for Station {
    type By = StationSort;

    fn place(&self, by: StationSort) -> Place {
        match by {
            StationSort::Name => [(&self.name).into()].into(),
            StationSort::CreatedAt => [self.created_at.into(), (&self.name).into()].into(),
        }
    }
}

/// Which stations.
#[derive(Clone, Debug, Default)]
pub struct StationFilter {
    /// Those that these contract manufacturers run.
    pub manufacturers: Option<Vec<PartyId>>,
    /// In which order, and which part.
    pub part: Part<StationSort>,
}

/// Up to `limit` stations.
pub fn list(db: &mut Db, filter: &StationFilter, limit: i64) -> Result<Vec<Station>, StoreError> {
    Ok(on!(db, c => {
        let mut query = table::table
            .select(Station::as_select())
            .limit(limit)
            .into_boxed()
            .order(filter.part.order());
        if let Some(manufacturers) = &filter.manufacturers {
            let manufacturers = manufacturers.iter().copied().map(Octets);
            query = query.filter(table::manufacturer_id.eq_any(manufacturers.collect::<Vec<_>>()));
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

/// Adds a station, or gives one another time limit; whether it is new.
pub fn put(
    db: &mut Db,
    name: &str,
    manufacturer: Option<PartyId>,
    time_limit: u32,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if let Some(known) = by_name(db, name)? {
        on!(db, c => diesel::update(table::table.find(known.id))
            .set((
                table::manufacturer_id.eq(manufacturer.map(Octets)),
                table::time_limit_seconds.eq(i64::from(time_limit)),
            ))
            .execute(c))?;
        return Ok(false);
    }
    let station = Station {
        id: id::fresh(now),
        name: name.to_owned(),
        manufacturer_id: manufacturer.map(Octets),
        time_limit_seconds: time_limit.into(),
        created_at: Micros(now),
    };
    on!(db, c => diesel::insert_into(table::table).values(&station).execute(c))?;
    Ok(true)
}

/// The run of a device that is open, and its station.
pub fn open_run(db: &mut Db, device: &str) -> Result<Option<(Run, Station)>, StoreError> {
    Ok(on!(db, c => runs::table
        .inner_join(table::table)
        .filter(runs::device_id.eq(device))
        .filter(runs::closed_at.is_null())
        .select((Run::as_select(), Station::as_select()))
        .first(c)
        .optional())?)
}

/// Opens the next try of a device at a station, which must have none open.
pub fn open(
    db: &mut Db,
    station: &Station,
    device: &DeviceId,
    operator: Option<&str>,
    occasion: Occasion<'_>,
) -> Result<Run, StoreError> {
    let last: Option<i64> = on!(db, c => runs::table
        .filter(runs::station_id.eq(station.id))
        .filter(runs::device_id.eq(device.as_str()))
        .select(max(runs::attempt))
        .first(c))?;
    let run = Run {
        id: id::fresh(occasion.at),
        station_id: station.id,
        device_id: device.as_str().to_owned(),
        attempt: last.unwrap_or(0) + 1,
        operator: operator.map(str::to_owned),
        state: Code(RunState::Open),
        opened_at: Micros(occasion.at),
        closed_at: None,
    };
    on!(db, c => diesel::insert_into(runs::table).values(&run).execute(c))?;
    note(db, EventKind::RunOpened, &run, station, occasion)?;
    Ok(run)
}

/// Closes a run as scrapped; the run as it is then.
pub fn scrap(
    db: &mut Db,
    (run, station): (Run, &Station),
    occasion: Occasion<'_>,
) -> Result<Run, StoreError> {
    close(
        db,
        (run, station),
        (RunState::Scrapped, occasion.at),
        occasion,
    )
}

/// Closes those of some runs that are decided by now, and tells of these.
pub fn close_decided(
    db: &mut Db,
    runs: Vec<(Run, Station)>,
    occasion: Occasion<'_>,
) -> Result<Vec<(Run, Station)>, StoreError> {
    let signed = acknowledged(db, &runs)?;
    let mut closed = Vec::new();
    for (run, station) in runs {
        let since = signed.get(&run.device_id).into_iter().flatten();
        let first = since.filter(|at| **at >= run.opened_at).min();
        let limit = station.time_limit_seconds.unsigned_abs();
        let opened = run.opened_at.0;
        if let Some(judged) = judge(opened, limit, first.map(|at| at.0), occasion.at) {
            let run = close(db, (run, &station), judged, occasion)?;
            closed.push((run, station));
        }
    }
    Ok(closed)
}

fn close(
    db: &mut Db,
    (run, station): (Run, &Station),
    (state, at): (RunState, Timestamp),
    occasion: Occasion<'_>,
) -> Result<Run, StoreError> {
    let run = Run {
        state: Code(state),
        closed_at: Some(Micros(at)),
        ..run
    };
    on!(db, c => diesel::update(runs::table.find(run.id))
        .filter(runs::closed_at.is_null())
        .set((runs::state.eq(run.state), runs::closed_at.eq(run.closed_at)))
        .execute(c))?;
    note(db, EventKind::RunClosed, &run, station, occasion)?;
    Ok(run)
}

/// When each device signed for sets since the first of these runs was opened: of the history.
fn acknowledged(
    db: &mut Db,
    runs: &[(Run, Station)],
) -> Result<HashMap<String, Vec<Micros>>, StoreError> {
    let mut signed: HashMap<String, Vec<Micros>> = HashMap::new();
    let Some(first) = runs.iter().map(|(run, _)| run.opened_at).min() else {
        return Ok(signed);
    };
    let streams = runs
        .iter()
        .map(|(run, _)| Stream::Device(&run.device_id).to_string());
    let devices: HashMap<String, &String> = streams
        .zip(runs.iter().map(|(run, _)| &run.device_id))
        .collect();
    let found: Vec<(String, Micros)> = on!(db, c => events::table
        .filter(events::stream.eq_any(devices.keys()))
        .filter(events::kind.eq(EventKind::Acknowledged.number()))
        .filter(events::at.ge(first))
        .select((events::stream, events::at))
        .load(c))?;
    for (stream, at) in found {
        if let Some(device) = devices.get(&stream) {
            signed.entry((*device).clone()).or_default().push(at);
        }
    }
    Ok(signed)
}

/// Up to `limit` runs that are open with their stations, after one of these, the oldest first; at the
/// stations of a manufacturer, if one is given.
pub fn open_runs(
    db: &mut Db,
    manufacturer: Option<PartyId>,
    after: Option<&Run>,
    limit: i64,
) -> Result<Vec<(Run, Station)>, StoreError> {
    Ok(on!(db, c => {
        let mut query = runs::table
            .inner_join(table::table)
            .filter(runs::closed_at.is_null())
            .order((runs::opened_at, runs::id))
            .limit(limit)
            .select((Run::as_select(), Station::as_select()))
            .into_boxed();
        if let Some(manufacturer) = manufacturer {
            query = query.filter(table::manufacturer_id.eq(Octets(manufacturer)));
        }
        if let Some(after) = after {
            query = query.filter(
                runs::opened_at
                    .gt(after.opened_at)
                    .or(runs::opened_at.eq(after.opened_at).and(runs::id.gt(after.id))),
            );
        }
        query.load(c)
    })?)
}

/// Runs, with the batch of each device; of one manufacturer's stations, or of all, and of devices of
/// a product line, or of all.
pub fn runs(
    db: &mut Db,
    manufacturer: Option<&[PartyId]>,
    line: Option<ProductLineId>,
) -> Result<Vec<(Option<String>, yields::Run)>, StoreError> {
    let rows: Vec<(Run, Option<String>)> = on!(db, c => {
        let mut query = runs::table
            .inner_join(table::table)
            .inner_join(devices::table.on(devices::id.eq(runs::device_id)))
            .left_join(factory_batches::table.on(factory_batches::id.nullable().eq(devices::batch_id)))
            .order((runs::opened_at, runs::id))
            .select((Run::as_select(), factory_batches::reference.nullable()))
            .into_boxed();
        if let Some(parties) = manufacturer {
            let parties: Vec<_> = parties.iter().copied().map(Octets).collect();
            query = query.filter(table::manufacturer_id.eq_any(parties));
        }
        if let Some(line) = line {
            query = query.filter(devices::product_line_id.eq(Octets(line)));
        }
        query.load(c)
    })?;
    let runs = rows.into_iter().map(|(run, batch)| {
        let run = yields::Run {
            station: run.station_id.0,
            device: DeviceId::new(&run.device_id)
                .map_err(|error| StoreError::Corrupt(error.to_string()))?,
            attempt: u32::try_from(run.attempt)
                .map_err(|_| StoreError::Corrupt(format!("attempt is {}", run.attempt)))?,
            state: run.state.0,
            closed_at: run.closed_at.map(|at| at.0),
        };
        Ok((batch, run))
    });
    runs.collect()
}

fn note(
    db: &mut Db,
    kind: EventKind,
    run: &Run,
    station: &Station,
    occasion: Occasion<'_>,
) -> Result<(), StoreError> {
    let told = Event::new(kind)
        .with("station", station.name.as_str())
        .with("attempt", run.attempt.unsigned_abs())
        .with("state", run.state.0.as_str())
        .with_some("operator", run.operator.as_deref());
    event::append(db, Stream::Device(&run.device_id), occasion, &[told])
}

/// Whether a device was scrapped.
pub fn is_scrapped(db: &mut Db, device: &str) -> Result<bool, StoreError> {
    let scrapped = runs::table
        .filter(runs::device_id.eq(device))
        .filter(runs::state.eq(Code(RunState::Scrapped)));
    Ok(on!(db, c => diesel::select(diesel::dsl::exists(scrapped)).get_result(c))?)
}
