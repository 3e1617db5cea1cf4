//! Tries of devices at the stations of a line.

use fleetgrant_core::domain::{DeviceId, PartyId, Timestamp};

use crate::store::column::Octets;
use crate::store::event::Occasion;
use crate::store::station::{self, Run, Station};
use crate::store::{Db, StoreError, batch, device, party};

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

/// Begins a try of a device at a station; of a manufacturer's own, if `whose` is one.
///
/// # Errors
/// See [`LineError`].
pub fn open_run(
    db: &mut Db,
    id: &DeviceId,
    at: &str,
    operator: Option<&str>,
    whose: Option<PartyId>,
    occasion: Occasion<'_>,
) -> Result<(Run, Station), LineError> {
    if let Some(operator) = operator {
        check_name("operator", operator)?;
    }
    let station = station::by_name(db, at)?.filter(|station| is_of(station, whose));
    let Some(station) = station else {
        return Err(LineError::NoStation(at.to_owned()));
    };
    let is_hidden = whose.is_some() && batch::manufacturer_of(db, id.as_str())? != whose;
    if is_hidden || device::find(db, id.as_str())?.is_none() {
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

/// Runs that one transaction closes, at most: devices wait meanwhile.
const AT_ONCE: usize = 500;

/// Runs that were closed.
#[derive(Debug)]
pub struct Closed {
    /// The runs, and where they were.
    pub runs: Vec<(Run, Station)>,
    /// There may be others that are decided too.
    pub more: bool,
}

/// Closes what is decided: runs that passed, or whose time is over, five hundred at most; at the
/// stations of a manufacturer, if `whose` is one.
///
/// # Errors
/// The database failed.
pub fn close_runs(
    db: &mut Db,
    whose: Option<PartyId>,
    occasion: Occasion<'_>,
) -> Result<Closed, StoreError> {
    let mut closed = Vec::new();
    let mut last: Option<Run> = None;
    loop {
        let open = station::open_runs(db, whose, last.as_ref(), AT_ONCE as i64)?;
        let Some((run, _)) = open.last() else {
            return Ok(Closed {
                runs: closed,
                more: false,
            });
        };
        last = Some(run.clone());
        closed.extend(station::close_decided(db, open, occasion)?);
        if closed.len() >= AT_ONCE {
            return Ok(Closed {
                runs: closed,
                more: true,
            });
        }
    }
}

/// Scraps the device of a run that is open; of a manufacturer's own, if `whose` is one.
///
/// # Errors
/// See [`LineError`].
pub fn scrap(
    db: &mut Db,
    id: &DeviceId,
    whose: Option<PartyId>,
    occasion: Occasion<'_>,
) -> Result<(Run, Station), LineError> {
    let open = station::open_run(db, id.as_str())?;
    let Some((run, station)) = open.filter(|(_, station)| is_of(station, whose)) else {
        return Err(LineError::AtNoStation(id.clone()));
    };
    let run = station::scrap(db, (run, &station), occasion)?;
    Ok((run, station))
}

/// Whether a manufacturer may know of a station; nobody in particular knows of all.
fn is_of(station: &Station, whose: Option<PartyId>) -> bool {
    whose.is_none_or(|whose| station.manufacturer_id == Some(Octets(whose)))
}

fn check_name(what: &'static str, name: &str) -> Result<(), LineError> {
    let length = name.chars().count();
    if (1..=LONGEST_NAME).contains(&length) && !name.contains(char::is_control) {
        Ok(())
    } else {
        Err(LineError::Name(what))
    }
}
