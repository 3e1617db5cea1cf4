//! Entitlements, and how much of them is in use.

use diesel::dsl::exists;
use diesel::prelude::*;
use fleetgrant_core::domain::{
    EntitlementId, EntitlementState, LicenseModel, PartyId, ProductLineId, Purpose, Source,
    StartBasis, Timestamp,
};
use fleetgrant_core::entitlement::{Start, Term};
use fleetgrant_core::license::months_and_days;
use fleetgrant_core::renewal;
use jiff::tz::TimeZone;

use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::listing::part::{Part, Place, Placed, Unsortable, sorts};
use crate::store::listing::small;
use crate::store::schema::{entitlements, parties, products};

// Looked up for each row, so that the rows come in the order of an index.
diesel::alias!(products as own: Own);

condition!(
    /// As the partial index has it: most are active.
    IsNotActive = "entitlements.state <> 2"
);

/// Which entitlements.
#[derive(Clone, Debug, Default)]
pub struct EntitlementFilter {
    /// This one.
    pub id: Option<EntitlementId>,
    /// Those that some system calls by this reference.
    pub reference: Option<String>,
    /// Those in this state.
    pub state: Option<EntitlementState>,
    /// Those of these owners.
    pub owners: Option<Vec<PartyId>>,
    /// Those of the product of this code.
    pub product: Option<String>,
    /// Those of this product line, which is all that the caller sees.
    pub within: Option<ProductLineId>,
    /// In which order, and which part.
    pub part: Part<EntitlementSort>,
}

sorts!(
    /// What entitlements can be ordered by.
    pub EntitlementSort {
        Id = "id" [Octets "entitlements.id"],
        Reference = "reference" [Text "entitlements.reference", Octets "entitlements.id"],
    }
);

impl EntitlementFilter {
    /// Whether it is of one thing or of one party.
    const fn is_of_few(&self) -> bool {
        self.id.is_some() || self.reference.is_some() || self.owners.is_some()
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
            ("state", self.state.is_some()),
            ("product", self.product.is_some()),
        ])
    }
}

/// An entitlement, and how much of it is in use.
#[derive(Clone, Debug, Queryable)]
pub struct EntitlementRow {
    /// Its id.
    pub id: Octets<EntitlementId>,
    /// The system that made it, or whose order did.
    pub system: String,
    /// What that system calls it.
    pub reference: String,
    /// The id of its owner.
    pub owner_id: Option<Octets<PartyId>>,
    /// The name of its owner.
    pub owner: Option<String>,
    /// The code of its product.
    pub product: String,
    /// The licence model.
    pub model: Code<LicenseModel>,
    /// Where it stands.
    pub state: Code<EntitlementState>,
    /// Where it comes from.
    pub source: Code<Source>,
    /// What it is for.
    pub purpose: Code<Purpose>,
    /// Whether units are not counted.
    pub unlimited: bool,
    /// Units it has.
    pub units: i64,
    /// Units that activations hold.
    pub live_units: i64,
    /// Units credited while in use.
    pub pending_credit: i64,
    /// When its term starts.
    pub start_basis: Code<StartBasis>,
    /// When that is, once known.
    pub starts_at: Option<Micros>,
    /// How long it runs (ISO 8601).
    pub term: Option<String>,
    /// Until when it runs, where that is fixed.
    pub ends_at: Option<Micros>,
    /// Why nothing new is activated of it: [`fleetgrant_core::domain::Holds::bits`].
    pub holds: i16,
    /// From then on nothing of it runs.
    pub revoked_from_at: Option<Micros>,
    /// The end of its maintenance.
    pub maintained_until_at: Option<Micros>,
    /// An IANA name: where its term ends.
    pub time_zone: String,
}

impl EntitlementRow {
    /// Until when it runs; none, where that is for ever, has not begun, or begins on each device.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        let by_term = || term_end(self.starts_at, self.term.as_deref(), &self.time_zone).ok()?;
        self.ends_at.map(|end| end.0).or_else(by_term)
    }
}

/// When a term ends that starts then, in a zone; none where one of both is not known. Fails with what
/// cannot be read.
pub(crate) fn term_end(
    starts_at: Option<Micros>,
    term: Option<&str>,
    zone: &str,
) -> Result<Option<Timestamp>, &'static str> {
    let (Some(start), Some(term)) = (starts_at, term) else {
        return Ok(None);
    };
    let (months, days) = months_and_days(term).ok_or("term")?;
    let zone = TimeZone::get(zone).map_err(|_| "time zone")?;
    Ok(renewal::end(
        Start::At(start.0),
        Term::For { months, days },
        &zone,
    ))
}

/// Up to `limit` entitlements.
pub fn entitlements(
    db: &mut Db,
    filter: &EntitlementFilter,
    limit: i64,
) -> Result<Vec<EntitlementRow>, StoreError> {
    let small = match filter.is_of_few() || filter.product.is_some() {
        true => None,
        false => small::in_entitlements(db, filter.within)?,
    };
    Ok(on!(db, c => {
        let mut query = entitlements::table
            .inner_join(products::table)
            .left_join(parties::table)
            .select((
                entitlements::id,
                entitlements::system,
                entitlements::reference,
                parties::id.nullable(),
                parties::name.nullable(),
                products::code,
                entitlements::model_kind,
                entitlements::state,
                entitlements::source,
                entitlements::purpose,
                entitlements::unlimited,
                entitlements::units,
                entitlements::live_units,
                entitlements::pending_credit,
                entitlements::start_basis,
                entitlements::starts_at,
                entitlements::term,
                entitlements::ends_at,
                entitlements::holds,
                entitlements::revoked_from_at,
                entitlements::maintained_until_at,
                entitlements::time_zone,
            ))
            .limit(limit)
            .into_boxed()
            .order(filter.part.order());
        if let Some(id) = filter.id {
            query = query.filter(entitlements::id.eq(Octets(id)));
        }
        if let Some(reference) = &filter.reference {
            query = query.filter(entitlements::reference.eq(reference));
        }
        if let Some(state) = filter.state {
            query = query.filter(entitlements::state.eq(Code(state)));
            if state != EntitlementState::Active {
                query = query.filter(IsNotActive);
            }
        }
        if let Some(owners) = &filter.owners {
            let owners: Vec<_> = owners.iter().copied().map(Octets).collect();
            query = query.filter(entitlements::owner_id.eq_any(owners));
        }
        if let Some(product) = &filter.product {
            query = query.filter(products::code.eq(product));
        }
        if let Some(line) = small {
            let of_line = own.filter(own.field(products::product_line_id).eq(Octets(line)));
            query = query.filter(entitlements::product_id.eq_any(of_line.select(own.field(products::id))));
        } else if let Some(line) = filter.within {
            query = query.filter(exists(
                own.filter(own.field(products::id).eq(entitlements::product_id))
                    .filter(own.field(products::product_line_id).eq(Octets(line))),
            ));
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

/// Up to two entitlements of a reference: one is what was meant, two are ambiguous.
pub fn entitlement_named(db: &mut Db, reference: &str) -> Result<Vec<EntitlementRow>, StoreError> {
    let filter = EntitlementFilter {
        reference: Some(reference.to_owned()),
        ..EntitlementFilter::default()
    };
    entitlements(db, &filter, 2)
}

impl Placed for EntitlementRow {
    type By = EntitlementSort;

    fn place(&self, by: EntitlementSort) -> Place {
        match by {
            EntitlementSort::Id => [self.id.into()].into(),
            EntitlementSort::Reference => [(&self.reference).into(), self.id.into()].into(),
        }
    }
}
