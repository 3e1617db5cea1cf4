//! What ends soon, for whoever sells its renewal.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use diesel::prelude::*;
use fleetgrant_core::domain::{
    ActivationKind, ActivationState, EntitlementId, EntitlementState, ProductLineId, Timestamp,
};
use fleetgrant_core::license::months_and_days;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::written;
use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::on;
use crate::store::listing::part::{Part, Place, Placed, Value, sorts};
use crate::store::listing::term_end;
use crate::store::prepared::condition;
use crate::store::schema::{activations, entitlements, license_models, parties, products};
use crate::store::{Db, StoreError};

/// An entitlement of which something ends soon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Expiring {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub entitlement: String,
    /// Who owns it.
    pub owner: Option<String>,
    /// The product, by its code.
    pub product: String,
    /// The licence model, by its code.
    pub model: String,
    /// When it ends, grace aside; of activations with ends of their own, when the first does.
    #[serde(with = "written::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
    /// Units that end; null if they are not counted.
    pub units: Option<u64>,
    /// Units that are in use and end.
    pub in_use: u64,
}

#[derive(Queryable)]
struct Row {
    id: Octets<EntitlementId>,
    reference: String,
    owner: Option<String>,
    product: String,
    model: String,
    unlimited: bool,
    units: i64,
    live: i64,
    starts_at: Option<Micros>,
    term: Option<String>,
    ends_at: Option<Micros>,
    zone: String,
}

sorts!(
    /// What it can be ordered by.
    pub ExpiringSort {
        EndsAt = "ends_at" [Number "entitlements.ends_at", Text "entitlements.id"],
    }
);

impl Placed for Expiring {
    type By = ExpiringSort;

    fn place(&self, _: ExpiringSort) -> Place {
        [Micros(self.ends_at).into(), (&self.id).into()].into()
    }
}

/// The time that is looked at first for a page; four times as much after it, and so on.
const FIRST_LOOK: u64 = 3_600;

/// What ends from now on until an instant, exclusive, what ends first first; of the products of a
/// product line or of all.
pub fn read(
    db: &mut Db,
    line: Option<ProductLineId>,
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<Expiring>, StoreError> {
    between(db, line, &(now..until), &(now..until))
}

/// At least `limit` of what [`read`] has, from a place on, as far as there is so much. Ends are
/// computed, so no index has their order: the time is gone through in stretches until they are
/// enough, and what ends in other stretches is not looked at.
pub fn page(
    db: &mut Db,
    line: Option<ProductLineId>,
    whole: &Range<Timestamp>,
    part: &Part<ExpiringSort>,
    limit: i64,
) -> Result<Vec<Expiring>, StoreError> {
    let descending = part.sort.descending;
    let after = match part.place().map(|place| place.0.as_slice()) {
        Some([Value::Number(at), Value::Text(id)]) => Some((*at, id.as_str())),
        _ => None,
    };
    let mut left = whole.clone();
    if let Some((at, _)) = after {
        let at = Timestamp::from_micros(at);
        if descending {
            left.end = left
                .end
                .min(Timestamp::from_micros(at.micros().saturating_add(1)));
        } else {
            left.start = left.start.max(at);
        }
    }
    let enough = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut found, mut stretch) = (Vec::new(), FIRST_LOOK);
    while left.start < left.end && found.len() < enough {
        let look = if descending {
            let from = left.end.minus_seconds(stretch).max(left.start);
            from..std::mem::replace(&mut left.end, from)
        } else {
            let to = left.start.plus_seconds(stretch).min(left.end);
            std::mem::replace(&mut left.start, to)..to
        };
        let mut rows = between(db, line, whole, &look)?;
        if descending {
            rows.reverse();
        }
        let is_beyond = |row: &Expiring| {
            let place = (row.ends_at.micros(), row.id.as_str());
            after.is_none_or(|after| {
                if descending {
                    place < after
                } else {
                    place > after
                }
            })
        };
        found.extend(rows.into_iter().filter(is_beyond));
        stretch = stretch.saturating_mul(4);
    }
    Ok(found)
}

/// What ends in a part of a time, each as it is in the whole of it: what has an end of its own in
/// that is told there, and nowhere by the ends of its activations.
fn between(
    db: &mut Db,
    line: Option<ProductLineId>,
    whole: &Range<Timestamp>,
    part: &Range<Timestamp>,
) -> Result<Vec<Expiring>, StoreError> {
    let own = own_ends(db, line, whole, part)?;
    let mut all = Vec::new();
    for row in rows(db, line, part, &own)? {
        let ends_at = match row.ends_at {
            Some(end) => Some(end.0),
            None => row.end()?,
        };
        let soon = ends_at.filter(|end| whole.contains(end));
        let expiring = match (soon, own.get(&row.id)) {
            (Some(ends_at), _) if part.contains(&ends_at) => row.expiring(ends_at, None),
            (None, Some((ends_at, units))) => row.expiring(*ends_at, Some(*units)),
            (Some(_), _) | (None, None) => continue,
        };
        all.push(expiring);
    }
    all.sort_by(|a, b| (a.ends_at, &a.id).cmp(&(b.ends_at, &b.id)));
    Ok(all)
}

impl Row {
    /// When it ends by its term; none where that has not begun, or begins on each device.
    fn end(&self) -> Result<Option<Timestamp>, StoreError> {
        term_end(self.starts_at, self.term.as_deref(), &self.zone)
            .map_err(|what| StoreError::Corrupt(format!("{}: {what}", self.reference)))
    }

    /// With the units of activations that have ends of their own, if it is about those.
    fn expiring(self, ends_at: Timestamp, own: Option<u64>) -> Expiring {
        let all = (!self.unlimited).then(|| self.units.unsigned_abs());
        Expiring {
            id: self.id.0.to_string(),
            entitlement: self.reference,
            owner: self.owner,
            product: self.product,
            model: self.model,
            ends_at,
            units: own.or(all),
            in_use: own.unwrap_or(self.live.unsigned_abs()),
        }
    }
}

/// What may end then: by its own end, by its term, or on devices.
fn rows(
    db: &mut Db,
    line: Option<ProductLineId>,
    then: &Range<Timestamp>,
    own: &Own,
) -> Result<Vec<Row>, StoreError> {
    let (now, until) = (then.start, then.end);
    const ENDED: [i16; 3] = [
        EntitlementState::Draft.number(),
        EntitlementState::Expired.number(),
        EntitlementState::Closed.number(),
    ];
    macro_rules! all {
        () => {{
            let mut query = entitlements::table
                .inner_join(products::table)
                .inner_join(license_models::table)
                .left_join(parties::table)
                .filter(entitlements::state.ne_all(ENDED))
                .select((
                    entitlements::id,
                    entitlements::reference,
                    parties::name.nullable(),
                    products::code,
                    license_models::code,
                    entitlements::unlimited,
                    entitlements::units,
                    entitlements::live_units,
                    entitlements::starts_at,
                    entitlements::term,
                    entitlements::ends_at,
                    entitlements::time_zone,
                ))
                .into_boxed();
            if let Some(line) = line {
                query = query.filter(products::product_line_id.eq(Octets(line)));
            }
            query
        }};
    }
    let mut found: Vec<Row> = on!(db, c => all!()
        .filter(entitlements::ends_at.ge(Micros(now)))
        .filter(entitlements::ends_at.lt(Micros(until)))
        .load(c))?;
    for term in terms(db)? {
        let Some((months, days)) = months_and_days(&term) else {
            return Err(StoreError::Corrupt(format!("the term {term:?}")));
        };
        let (months, days) = (u64::from(months), u64::from(days));
        // No month is shorter or longer, and no zone is further away.
        let shortest = (months * 28 + days).saturating_sub(2) * DAY;
        let longest = (months * 31 + days + 2) * DAY;
        found.extend(on!(db, c => all!()
            .filter(HasATerm)
            .filter(entitlements::term.eq(&term))
            .filter(entitlements::starts_at.ge(Micros(now.minus_seconds(longest))))
            .filter(entitlements::starts_at.lt(Micros(until.minus_seconds(shortest))))
            .load::<Row>(c))?);
    }
    let ids: Vec<_> = own.keys().copied().collect();
    for ids in ids.chunks(TOGETHER) {
        found.extend(on!(db, c => all!()
            .filter(entitlements::id.eq_any(ids))
            .load::<Row>(c))?);
    }
    let rows: BTreeMap<_, Row> = found.into_iter().map(|row| (row.id, row)).collect();
    Ok(rows.into_values().collect())
}

/// The terms there are, each once: a step of the index for each.
fn terms(db: &mut Db) -> Result<Vec<String>, StoreError> {
    let mut terms = Vec::<String>::new();
    loop {
        let last = terms.last().map_or("", String::as_str);
        let next: Option<Option<String>> = on!(db, c => entitlements::table
            .filter(HasATerm)
            .filter(entitlements::term.gt(last))
            .order(entitlements::term)
            .select(entitlements::term)
            .first(c)
            .optional())?;
        match next.flatten() {
            Some(term) => terms.push(term),
            None => return Ok(terms),
        }
    }
}

condition!(
    /// It ends so long after its beginning, as the partial index has it.
    HasATerm = "entitlements.term IS NOT NULL AND entitlements.starts_at IS NOT NULL AND entitlements.ends_at IS NULL"
);

condition!(
    /// It starts with each activation, as the partial index has it.
    StartsOnEach = "entitlements.start_basis = 5"
);

/// Values that are bound in one statement.
const TOGETHER: usize = 1_000;
const DAY: u64 = 86_400;

type Own = BTreeMap<Octets<EntitlementId>, (Timestamp, u64)>;

/// Of entitlements whose activations end each for itself, the first of them in a part of a time: when
/// that is, and the units of all that end in the whole of it.
fn own_ends(
    db: &mut Db,
    line: Option<ProductLineId>,
    whole: &Range<Timestamp>,
    part: &Range<Timestamp>,
) -> Result<Own, StoreError> {
    let mut each: Vec<Octets<EntitlementId>> = on!(db, c => {
        let mut query = entitlements::table
            .inner_join(products::table)
            .filter(StartsOnEach)
            .select(entitlements::id)
            .into_boxed();
        if let Some(line) = line {
            query = query.filter(products::product_line_id.eq(Octets(line)));
        }
        query.load(c)
    })?;
    if part != whole {
        let ending = own_ends_of(db, &each, part)?.into_iter();
        each = ending
            .map(|(id, _, _)| id)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
    }
    let mut own = Own::new();
    for (entitlement, end, units) in own_ends_of(db, &each, whole)? {
        let Some(end) = end else {
            continue;
        };
        let (first, all) = own.entry(entitlement).or_insert((end.0, 0));
        *first = end.0.min(*first);
        *all += units.unsigned_abs();
    }
    own.retain(|_, (first, _)| part.contains(first));
    Ok(own)
}

type End = (Octets<EntitlementId>, Option<Micros>, i64);

/// The activations of these that end then, with their units.
fn own_ends_of(
    db: &mut Db,
    entitlements: &[Octets<EntitlementId>],
    then: &Range<Timestamp>,
) -> Result<Vec<End>, StoreError> {
    const RUNNING: [i16; 2] = [
        ActivationState::Published.number(),
        ActivationState::Activated.number(),
    ];
    let mut found = Vec::<End>::new();
    for some in entitlements.chunks(TOGETHER) {
        found.extend(on!(db, c => activations::table
            .filter(activations::entitlement_id.eq_any(some))
            .filter(activations::kind.eq(Code(ActivationKind::Normal)))
            .filter(activations::state.eq_any(RUNNING))
            .filter(activations::ends_at.ge(Micros(then.start)))
            .filter(activations::ends_at.lt(Micros(then.end)))
            .select((activations::entitlement_id, activations::ends_at, activations::units))
            .load::<End>(c))?);
    }
    Ok(found)
}
