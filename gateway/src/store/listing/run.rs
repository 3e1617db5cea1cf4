//! Tries of devices at stations of factory lines.

use diesel::prelude::*;
use fleetgrant_core::domain::{DeviceId, PartyId, ProductLineId, RunState};

use crate::store::batch;
use crate::store::column::{Code, Micros, Octets};
use crate::store::condition::is_of_line;
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::listing::part::{Part, Place, Placed, Unsortable, sorts};
use crate::store::listing::small;
use crate::store::schema::{devices, factory_batches, runs, stations};

diesel::alias!(devices as tried: Tried);

/// Which runs.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Those at the station of this name.
    pub station: Option<String>,
    /// Those of devices of the batch that a manifest calls so.
    pub batch: Option<String>,
    /// Those of this device.
    pub device: Option<DeviceId>,
    /// Those that stand so.
    pub state: Option<RunState>,
    /// Those at stations that these contract manufacturers run.
    pub manufacturers: Option<Vec<PartyId>>,
    /// Those of devices of this product line, which is all that the caller sees.
    pub within: Option<ProductLineId>,
    /// In which order, and which part.
    pub part: Part<RunSort>,
}

sorts!(
    /// What runs can be ordered by.
    pub RunSort {
        Id = "id" [Octets "runs.id"],
        Device = "device" [Text "runs.device_id", Octets "runs.id"],
    }
);

impl RunFilter {
    /// Whether it is of one device or of one batch.
    const fn is_of_few(&self) -> bool {
        self.device.is_some() || self.batch.is_some()
    }

    /// Whether its rows can come in the order that is asked for.
    ///
    /// # Errors
    /// They would have to be sorted, and may be many.
    pub fn check(&self) -> Result<(), Unsortable> {
        if self.is_of_few() {
            return Ok(());
        }
        self.part.check(&[
            ("station", self.station.is_some()),
            ("state", self.state.is_some()),
        ])
    }
}

/// A try of a device at a station.
#[derive(Clone, Debug, Queryable)]
pub struct RunRow {
    /// Its id.
    pub id: Octets<[u8; 16]>,
    /// Which device.
    pub device: String,
    /// The batch that the device is of, as its manifest calls it.
    pub batch: Option<String>,
    /// The name of the station.
    pub station: String,
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

/// Up to `limit` runs.
pub fn runs(db: &mut Db, filter: &RunFilter, limit: i64) -> Result<Vec<RunRow>, StoreError> {
    let batch = match &filter.batch {
        Some(reference) => match batch::by_reference(db, reference)? {
            Some(batch) => Some(batch.id),
            None => return Ok(Vec::new()),
        },
        None => None,
    };
    let small = match filter.is_of_few() {
        true => None,
        false => small::in_devices(db, filter.within)?,
    };
    Ok(on!(db, c => {
        let mut query = runs::table
            .inner_join(stations::table)
            .inner_join(tried.on(tried.field(devices::id).eq(runs::device_id)))
            .left_join(factory_batches::table.on(
                factory_batches::id.nullable().eq(tried.field(devices::batch_id)),
            ))
            .select((
                runs::id,
                runs::device_id,
                factory_batches::reference.nullable(),
                stations::name,
                runs::attempt,
                runs::operator,
                runs::state,
                runs::opened_at,
                runs::closed_at,
            ))
            .limit(limit)
            .into_boxed()
            .order(filter.part.order());
        if let Some(station) = &filter.station {
            query = query.filter(stations::name.eq(station));
        }
        if let Some(batch) = batch {
            query = query.filter(tried.field(devices::batch_id).eq(batch));
        }
        if let Some(device) = &filter.device {
            query = query.filter(runs::device_id.eq(device.as_str()));
        }
        if let Some(state) = filter.state {
            query = query.filter(runs::state.eq(Code(state)));
        }
        if let Some(manufacturers) = &filter.manufacturers {
            let manufacturers = manufacturers.iter().copied().map(Octets);
            let own = stations::manufacturer_id.eq_any(manufacturers.collect::<Vec<_>>());
            query = query.filter(own);
        }
        if let Some(line) = small {
            let own = devices::table.filter(devices::product_line_id.eq(Octets(line)));
            query = query.filter(runs::device_id.eq_any(own.select(devices::id)));
        } else if let Some(line) = filter.within {
            query = query.filter(is_of_line!(runs::device_id, line));
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

impl Placed for RunRow {
    type By = RunSort;

    fn place(&self, by: RunSort) -> Place {
        match by {
            RunSort::Id => [self.id.into()].into(),
            RunSort::Device => [(&self.device).into(), self.id.into()].into(),
        }
    }
}
