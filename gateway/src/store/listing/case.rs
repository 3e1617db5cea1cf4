//! Cases: what devices want and do not have yet.

use diesel::prelude::*;
use fleetgrant_core::domain::{CaseId, CaseState, CaseStep, DeviceId, ProductLineId};

use crate::store::case::Case;
use crate::store::column::{Code, Octets};
use crate::store::condition::is_of_line;
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::listing::part::{Part, Place, Placed, sorts};
use crate::store::listing::small;
use crate::store::schema::{cases, devices};

/// Which cases.
#[derive(Clone, Debug, Default)]
pub struct CaseFilter {
    /// This one.
    pub id: Option<CaseId>,
    /// Those of this device.
    pub device: Option<DeviceId>,
    /// Those in this state.
    pub state: Option<CaseState>,
    /// Those that wait for this.
    pub step: Option<CaseStep>,
    /// Those of this product line, which is all that the caller sees.
    pub within: Option<ProductLineId>,
    /// In which order, and which part.
    pub part: Part<CaseSort>,
}

sorts!(
    /// What cases can be ordered by.
    pub CaseSort {
        Id = "id" [Octets "cases.id"],
        ChangedAt = "changed_at" [Number "cases.changed_at", Octets "cases.id"],
    }
);

/// Up to `limit` cases.
pub fn cases(db: &mut Db, filter: &CaseFilter, limit: i64) -> Result<Vec<Case>, StoreError> {
    let small = match filter.id.is_some() || filter.device.is_some() {
        true => None,
        false => small::in_devices(db, filter.within)?,
    };
    Ok(on!(db, c => {
        let mut query = cases::table
            .select(Case::as_select())
            .limit(limit)
            .into_boxed()
            .order(filter.part.order());
        if let Some(id) = filter.id {
            query = query.filter(cases::id.eq(Octets(id)));
        }
        if let Some(device) = &filter.device {
            query = query.filter(cases::device_id.eq(device.as_str()));
        }
        if let Some(state) = filter.state {
            query = query.filter(cases::state.eq(Code(state)));
        }
        if let Some(step) = filter.step {
            query = query.filter(cases::step.eq(Code(step)));
        }
        if let Some(line) = small {
            let own = devices::table.filter(devices::product_line_id.eq(Octets(line)));
            query = query.filter(cases::device_id.eq_any(own.select(devices::id)));
        } else if let Some(line) = filter.within {
            query = query.filter(is_of_line!(cases::device_id, line));
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

impl Placed for Case {
    type By = CaseSort;

    fn place(&self, by: CaseSort) -> Place {
        match by {
            CaseSort::Id => [self.id.into()].into(),
            CaseSort::ChangedAt => [self.changed_at.into(), self.id.into()].into(),
        }
    }
}
