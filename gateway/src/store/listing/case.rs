//! Cases: what devices want and do not have yet.

use diesel::prelude::*;
use fleetgrant_core::domain::{CaseId, CaseState, CaseStep, DeviceId};

use crate::store::case::Case;
use crate::store::column::{Code, Octets};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::schema::cases;

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
    /// Those after this id.
    pub after: Option<CaseId>,
}

/// Up to `limit` cases, the oldest first.
pub fn cases(db: &mut Db, filter: &CaseFilter, limit: i64) -> Result<Vec<Case>, StoreError> {
    Ok(on!(db, c => {
        let mut query = cases::table
            .select(Case::as_select())
            .order(cases::id)
            .limit(limit)
            .into_boxed();
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
        if let Some(after) = filter.after {
            query = query.filter(cases::id.gt(Octets(after)));
        }
        query.load(c)
    })?)
}
