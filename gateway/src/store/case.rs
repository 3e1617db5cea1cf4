//! Cases: what a device wants and does not have yet, for somebody to follow up.

mod subject;

use diesel::prelude::*;
use fleetgrant_core::domain::{CaseId, CaseState, CaseStep, ProductLineId, Timestamp};
use fleetgrant_core::rule::Rule;

use super::column::{Code, Micros, Octets};
use super::condition::is_of_line;
use super::schema::cases as table;
use super::{Db, StoreError, id};

pub use subject::{Subject, want};

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
    /// What: see [`want`].
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
    /// The total that was wanted, of a feature.
    pub total: Option<i64>,
    /// Who asked: `device`, or the name of an operator.
    pub requested_by: String,
    /// Who approved or refused it.
    pub decided_by: Option<String>,
}

/// The case of what somebody asked for.
#[derive(Clone, Debug)]
pub struct Requested {
    /// As it is now.
    pub case: Case,
    /// Whether it was not asked for before.
    pub is_news: bool,
}

/// Opens the case of what somebody asks for in the name of a device, for somebody else to approve; or
/// has the one that is open for this wait again, where something else was asked for in it.
pub fn request(
    db: &mut Db,
    device: &str,
    subject: &Subject,
    requested_by: &str,
    now: Timestamp,
) -> Result<Requested, StoreError> {
    let case = Case {
        id: id::fresh(now),
        device_id: device.to_owned(),
        want: subject.want(),
        step: Code(CaseStep::Approval),
        state: Code(CaseState::Open),
        rule: Some(Code(Rule::ApprovalNeeded)),
        opened_at: Micros(now),
        changed_at: Micros(now),
        closed_at: None,
        total: subject.units().map(i64::from),
        requested_by: requested_by.to_owned(),
        decided_by: None,
    };
    let opened = on!(db, c => diesel::insert_into(table::table)
        .values(&case)
        .on_conflict_do_nothing()
        .execute(c))?;
    if opened > 0 {
        let is_news = true;
        return Ok(Requested { case, is_news });
    }
    let open: Case = on!(db, c => table::table
        .filter(table::device_id.eq(device))
        .filter(table::want.eq(case.want.as_str()))
        .filter(IsOpen)
        .select(Case::as_select())
        .first(c))?;
    if open.step == case.step && open.total == case.total {
        let (case, is_news) = (open, false);
        return Ok(Requested { case, is_news });
    }
    // It is theirs who asked for what it is about now.
    let case = Case {
        id: open.id,
        opened_at: open.opened_at,
        ..case
    };
    on!(db, c => diesel::update(table::table.find(case.id))
        .set((
            table::step.eq(case.step),
            table::rule.eq(case.rule),
            table::total.eq(case.total),
            table::requested_by.eq(case.requested_by.as_str()),
            table::decided_by.eq(None::<String>),
            table::changed_at.eq(case.changed_at),
        ))
        .execute(c))?;
    let is_news = true;
    Ok(Requested { case, is_news })
}

/// It was approved and done. What was drawn waits for the device's signature; what was let go
/// waits for nobody.
pub fn approve(db: &mut Db, case: &Case, by: &str, now: Timestamp) -> Result<(), StoreError> {
    let waits = case.subject().is_some_and(|it| it.is_signed_for());
    let (step, state) = if waits {
        (CaseStep::Published, CaseState::Open)
    } else {
        (CaseStep::Approval, CaseState::Activated)
    };
    decide(db, case.id.0, by, step, state, now)
}

/// It was refused for good.
pub fn refuse(db: &mut Db, case: CaseId, by: &str, now: Timestamp) -> Result<(), StoreError> {
    decide(db, case, by, CaseStep::Approval, CaseState::Denied, now)
}

fn decide(
    db: &mut Db,
    case: CaseId,
    by: &str,
    step: CaseStep,
    state: CaseState,
    now: Timestamp,
) -> Result<(), StoreError> {
    let closed_at = (state != CaseState::Open).then_some(Micros(now));
    on!(db, c => diesel::update(table::table.find(Octets(case)))
        .set((
            table::step.eq(Code(step)),
            table::state.eq(Code(state)),
            table::decided_by.eq(by),
            table::changed_at.eq(Micros(now)),
            table::closed_at.eq(closed_at),
        ))
        .execute(c))?;
    Ok(())
}

/// Opens a case, or moves the one that is open for this want.
pub fn put(
    db: &mut Db,
    device: &str,
    want: &str,
    total: Option<u32>,
    denied: Option<Rule>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let total = total.map(i64::from);
    let step = Code(match denied {
        Some(Rule::ApprovalNeeded) => CaseStep::Approval,
        Some(_) => CaseStep::Denied,
        None => CaseStep::Published,
    });
    let rule = denied.map(Code);
    let case = columns!(table {
        id: id::fresh::<CaseId>(now),
        device_id: device,
        want: want,
        step: step,
        state: Code(CaseState::Open),
        rule: rule,
        opened_at: Micros(now),
        changed_at: Micros(now),
        total: total,
        requested_by: "device",
    });
    let opened = on!(db, c => insert!(table::table, case, or_ignore).execute(c))?;
    if opened == 0 {
        // Asking again for what is denied is no news: the case stays as old as it is.
        let other = table::table
            .filter(table::device_id.eq(device))
            .filter(table::want.eq(want))
            .filter(IsOpen)
            .filter(
                table::step
                    .ne(step)
                    .or(table::rule.ne(rule))
                    .or(table::total.ne(total)),
            );
        let changes = columns!(table {
            total: total,
            step: step,
            rule: rule,
            changed_at: Micros(now),
        });
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
    let changes = columns!(table {
        step: Code(CaseStep::Published),
        rule: None::<Code<Rule>>,
        changed_at: Micros(now),
    });
    on!(db, c => update!(denied, changes).execute(c))?;
    Ok(())
}

/// The device signed for its set: what it waited for is there.
pub fn activated(db: &mut Db, device: &str, now: Timestamp) -> Result<(), StoreError> {
    let waiting = table::table
        .filter(table::device_id.eq(device))
        .filter(IsOpen)
        .filter(table::step.eq(Code(CaseStep::Published)));
    let changes = columns!(table {
        state: Code(CaseState::Activated),
        changed_at: Micros(now),
        closed_at: Some(Micros(now)),
    });
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

/// Cases in a step since before an instant, the oldest first; of devices of a product line or of all.
pub fn stuck(
    db: &mut Db,
    line: Option<ProductLineId>,
    step: CaseStep,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<Case>, StoreError> {
    Ok(on!(db, c => {
        let mut query = table::table
            .filter(IsOpen)
            .filter(table::step.eq(Code(step)))
            .filter(table::changed_at.lt(Micros(before)))
            .order(table::changed_at)
            .limit(limit)
            .select(Case::as_select())
            .into_boxed();
        if let Some(line) = line {
            query = query.filter(is_of_line!(table::device_id, line));
        }
        query.load(c)
    })?)
}
