//! Cases: what a device wants and does not have yet, for somebody to follow up.

use diesel::prelude::*;
use fleetgrant_core::ask::{Reason, Want};
use fleetgrant_core::domain::{CaseId, CaseState, CaseStep, FeatureName, ProductLineId, Timestamp};
use fleetgrant_core::rule::Rule;

use super::column::{Code, Micros, Octets};
use super::condition::is_of_line;
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

/// What an approval of a case is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// What a device asked for.
    Want {
        /// Why it asked.
        reason: Reason,
        /// Which feature.
        feature: FeatureName,
    },
    /// The device is to be declared dead.
    WriteOff,
}

/// The want of a case of declaring a device dead.
const WRITE_OFF: &str = "write-off/";
const TEMPORARY: &str = "temporary/";
const RETURN: &str = "return/";
const CODE: &str = "code/";

/// How a case calls what is wanted: a feature, which is `temporary/` or `return/` something where
/// that is asked for; `code/` and the code's id; or nothing for what is bound to the device. Cases
/// of different wants do not touch each other.
#[must_use]
pub fn want(reason: Reason, want: Option<&Want>) -> String {
    match (want, reason) {
        (Some(Want::Feature { feature, .. }), Reason::Temporary) => format!("{TEMPORARY}{feature}"),
        (Some(Want::Feature { feature, .. }), Reason::Return) => format!("{RETURN}{feature}"),
        (Some(Want::Feature { feature, .. }), _) => feature.to_string(),
        (Some(Want::Code { id, .. }), _) => format!("{CODE}{id}"),
        (None, _) => String::new(),
    }
}

impl Case {
    /// What an approval of it is about; none, if it is about what nobody approves.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        let want = self.want.as_str();
        if want == WRITE_OFF {
            return Some(Subject::WriteOff);
        }
        if want.starts_with(CODE) {
            return None;
        }
        let (reason, feature) = if let Some(feature) = want.strip_prefix(TEMPORARY) {
            (Reason::Temporary, feature)
        } else if let Some(feature) = want.strip_prefix(RETURN) {
            (Reason::Return, feature)
        } else {
            (Reason::Upgrade, want)
        };
        let feature = FeatureName::new(feature).ok()?;
        Some(Subject::Want { reason, feature })
    }
}

/// Opens the case of declaring a device dead, for somebody to approve; none, if it is open.
pub fn request_write_off(
    db: &mut Db,
    device: &str,
    requested_by: &str,
    now: Timestamp,
) -> Result<Option<Case>, StoreError> {
    let case = Case {
        id: id::fresh(now),
        device_id: device.to_owned(),
        want: WRITE_OFF.to_owned(),
        step: Code(CaseStep::Approval),
        state: Code(CaseState::Open),
        rule: Some(Code(Rule::ApprovalNeeded)),
        opened_at: Micros(now),
        changed_at: Micros(now),
        closed_at: None,
        total: None,
        requested_by: requested_by.to_owned(),
        decided_by: None,
    };
    let opened = on!(db, c => diesel::insert_into(table::table)
        .values(&case)
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok((opened > 0).then_some(case))
}

/// It was approved and done. What was drawn waits for the device's signature; what was let go
/// waits for nobody.
pub fn approve(db: &mut Db, case: &Case, by: &str, now: Timestamp) -> Result<(), StoreError> {
    let waits = match case.subject() {
        Some(Subject::Want { reason, .. }) => reason != Reason::Return,
        Some(Subject::WriteOff) | None => false,
    };
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
