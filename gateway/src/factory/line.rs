//! Tries of devices at the stations of a line.

use fleetgrant_core::domain::{DeviceId, PartyId, RunState, Timestamp};

use crate::store::column::Octets;
use crate::store::event::Occasion;
use crate::store::station::{self, Run, Station};
use crate::store::{Db, StoreError, device, party};

/// Characters of a station's or an operator's name.
const LONGEST_NAME: usize = 64;
/// The longest time of a station, in seconds.
const LONGEST_TIME: u32 = 86_400;

/// Why nothing was done on the line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It cannot be called so.
    #[error("{0}: a name has 1 to {LONGEST_NAME} characters")]
    Name(&'static str),
    /// No device would pass, or each.
    #[error("time limit: it is 1 to {LONGEST_TIME} seconds")]
    TimeLimit,
    /// There is no such party.
    #[error("there is no party {0}")]
    NoParty(PartyId),
    /// There is no such station.
    #[error("there is no station {0:?}: add it with `fleetgrant factory station add`")]
    NoStation(String),
    /// There is no such device.
    #[error("there is no device {0}: list them with `fleetgrant devices list`")]
    NoDevice(DeviceId),
    /// It is tried already.
    #[error("{device} is at {station}: close that run first with `fleetgrant factory run close`")]
    IsOpen {
        /// Which.
        device: DeviceId,
        /// Where.
        station: String,
    },
    /// It is no more.
    #[error("{0} was scrapped")]
    IsScrapped(DeviceId),
    /// Nothing of it is tried.
    #[error("{0} is at no station: open a run first")]
    AtNoStation(DeviceId),
    /// The database did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds a station, or gives one another time limit; whether it is new.
///
/// # Errors
/// See [`LineError`].
pub fn put_station(
    db: &mut Db,
    name: &str,
    manufacturer: Option<PartyId>,
    time_limit: u32,
    now: Timestamp,
) -> Result<bool, LineError> {
    check_name("station", name)?;
    if !(1..=LONGEST_TIME).contains(&time_limit) {
        return Err(LineError::TimeLimit);
    }
    if let Some(party) = manufacturer
        && party::find(db, Octets(party))?.is_none()
    {
        return Err(LineError::NoParty(party));
    }
    Ok(station::put(db, name, manufacturer, time_limit, now)?)
}

/// Begins a try of a device at a station.
///
/// # Errors
/// See [`LineError`].
pub fn open_run(
    db: &mut Db,
    id: &DeviceId,
    at: &str,
    operator: Option<&str>,
    occasion: Occasion<'_>,
) -> Result<(Run, Station), LineError> {
    if let Some(operator) = operator {
        check_name("operator", operator)?;
    }
    let Some(station) = station::by_name(db, at)? else {
        return Err(LineError::NoStation(at.to_owned()));
    };
    if device::find(db, id.as_str())?.is_none() {
        return Err(LineError::NoDevice(id.clone()));
    }
    if let Some((_, at)) = station::open_run(db, id.as_str())? {
        return Err(LineError::IsOpen {
            device: id.clone(),
            station: at.name,
        });
    }
    if station::is_scrapped(db, id.as_str())? {
        return Err(LineError::IsScrapped(id.clone()));
    }
    let run = station::open(db, &station, id, operator, occasion)?;
    Ok((run, station))
}

/// Closes what is decided: all runs that passed, or whose time is over.
///
/// # Errors
/// The database failed.
pub fn close_runs(db: &mut Db, occasion: Occasion<'_>) -> Result<Vec<(Run, Station)>, StoreError> {
    let mut closed = Vec::new();
    for (run, station) in station::open_runs(db)? {
        let run = station::close(db, (run, &station), false, occasion)?;
        if run.state.0 != RunState::Open {
            closed.push((run, station));
        }
    }
    Ok(closed)
}

/// Scraps the device of a run that is open.
///
/// # Errors
/// See [`LineError`].
pub fn scrap(
    db: &mut Db,
    id: &DeviceId,
    occasion: Occasion<'_>,
) -> Result<(Run, Station), LineError> {
    let Some((run, station)) = station::open_run(db, id.as_str())? else {
        return Err(LineError::AtNoStation(id.clone()));
    };
    let run = station::close(db, (run, &station), true, occasion)?;
    Ok((run, station))
}

fn check_name(what: &'static str, name: &str) -> Result<(), LineError> {
    let length = name.chars().count();
    if (1..=LONGEST_NAME).contains(&length) && !name.contains(char::is_control) {
        Ok(())
    } else {
        Err(LineError::Name(what))
    }
}
