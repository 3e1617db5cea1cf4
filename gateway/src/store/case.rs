//! Cases: what a device wants and does not have yet, for somebody to follow up.

use diesel::prelude::*;
use fleetgrant_core::domain::{CaseId, CaseState, CaseStep, Timestamp};
use fleetgrant_core::rule::Rule;

use super::column::{Code, Micros, Octets};
use super::schema::cases as table;
use super::{Db, StoreError, id};

condition!(
    /// The case is open.
    IsOpen = "cases.state = 1"
);

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = table, treat_none_as_default_value = false)]
pub struct Case {
    /// Its id.
    pub id: Octets<CaseId>,
    /// Who wants.
    pub device_id: String,
    /// What: a feature, `code/` and the code's id, or nothing for what is bound to the device.
    pub want: String,
    /// What it waits for.
    pub step: Code<CaseStep>,
    /// Where it stands.
    pub state: Code<CaseState>,
    /// The rule that denied it last.
    pub rule: Option<Code<Rule>>,
    /// When it was first wanted.
    pub opened_at: Micros,
    /// When it last changed.
    pub changed_at: Micros,
    /// When it was settled.
    pub closed_at: Option<Micros>,
}

/// Opens a case, or moves the one that is open for this want.
pub fn put(
    db: &mut Db,
    device: &str,
    want: &str,
    denied: Option<Rule>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let step = Code(match denied {
        Some(Rule::ApprovalNeeded) => CaseStep::Approval,
        Some(_) => CaseStep::Denied,
        None => CaseStep::Published,
    });
    let rule = denied.map(Code);
    let case = Case {
        id: id::fresh(now),
        device_id: device.to_owned(),
        want: want.to_owned(),
        step,
        state: Code(CaseState::Open),
        rule,
        opened_at: Micros(now),
        changed_at: Micros(now),
        closed_at: None,
    };
    let opened = on!(db, c => diesel::insert_into(table::table)
        .values(&case)
        .on_conflict_do_nothing()
        .execute(c))?;
    if opened == 0 {
        // Asking again for what is denied is no news: the case stays as old as it is.
        let other = table::table
            .filter(table::device_id.eq(device))
            .filter(table::want.eq(want))
            .filter(IsOpen)
            .filter(table::step.ne(step).or(table::rule.ne(rule)));
        let changes = (
            table::step.eq(step),
            table::rule.eq(rule),
            table::changed_at.eq(Micros(now)),
        );
        on!(db, c => update!(other, changes).execute(c))?;
    }
    Ok(())
}

/// What was denied is there now, as after an assignment: the case waits for the signature.
pub fn served(db: &mut Db, device: &str, want: &str, now: Timestamp) -> Result<(), StoreError> {
    let denied = table::table
        .filter(table::device_id.eq(device))
        .filter(table::want.eq(want))
        .filter(IsOpen)
        .filter(table::step.ne(Code(CaseStep::Published)));
    let changes = (
        table::step.eq(Code(CaseStep::Published)),
        table::rule.eq(None::<Code<Rule>>),
        table::changed_at.eq(Micros(now)),
    );
    on!(db, c => update!(denied, changes).execute(c))?;
    Ok(())
}

/// The device signed for its set: what it waited for is there.
pub fn activated(db: &mut Db, device: &str, now: Timestamp) -> Result<(), StoreError> {
    let waiting = table::table
        .filter(table::device_id.eq(device))
        .filter(IsOpen)
        .filter(table::step.eq(Code(CaseStep::Published)));
    let changes = (
        table::state.eq(Code(CaseState::Activated)),
        table::changed_at.eq(Micros(now)),
        table::closed_at.eq(Micros(now)),
    );
    on!(db, c => update!(waiting, changes).execute(c))?;
    Ok(())
}

/// Up to `limit` cases of a device, the latest first.
pub fn of_device(db: &mut Db, device: &str, limit: i64) -> Result<Vec<Case>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::device_id.eq(device))
        .order(table::opened_at.desc())
        .limit(limit)
        .select(Case::as_select())
        .load(c))?)
}

/// Cases in a step since before an instant, the oldest first.
pub fn stuck(
    db: &mut Db,
    step: CaseStep,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<Case>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(IsOpen)
        .filter(table::step.eq(Code(step)))
        .filter(table::changed_at.lt(Micros(before)))
        .order(table::changed_at)
        .limit(limit)
        .select(Case::as_select())
        .load(c))?)
}
