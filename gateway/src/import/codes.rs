//! Packs of activation codes. The codes are made here, and leave with the report only.

use fleetgrant_core::domain::{CodeState, EntitlementId, PartyId};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_schemas::code::ActivationCode;
use fleetgrant_schemas::id::CodeId;

use super::cells::{Cells, Column};
use super::diff::{Diff, Maybe};
use super::report::IssuedCode;
use super::rows::Run;
use super::{Effect, Halt, MAX_CODES, Reason, Row, lookup, refuse};
use crate::store::activation_code::{self, ActivationCode as StoredCode};
use crate::store::column::{Code, Micros, Octets};
use crate::store::event::{self, Stream};
use crate::store::{Db, StoreError, entitlement};
use crate::when::When;

pub(super) const COLUMNS: &[Column] = &[
    Column::required("pack"),
    Column::required("system"),
    Column::required("entitlement"),
    Column::required("count"),
    Column::optional("units"),
    Column::optional("uses"),
    Column::optional("expires_at"),
    Column::optional("partner"),
];

#[derive(Debug)]
pub(super) struct PackRow {
    pack: String,
    system: String,
    entitlement: String,
    count: i64,
    units: i64,
    uses: i64,
    expires_at: Option<When>,
    partner: Option<String>,
}

/// What all codes of a pack share.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Terms {
    entitlement: Octets<EntitlementId>,
    units: i64,
    uses: i64,
    expires_at: Option<Micros>,
    partner: Option<Octets<PartyId>>,
}

impl Row for PackRow {
    fn parse(cells: &mut Cells<'_>) -> Option<Self> {
        let pack = cells.text("pack", 64);
        let system = cells.text("system", 32);
        let entitlement = cells.text("entitlement", 256);
        let count = cells.number("count", 1, MAX_CODES as i64);
        let units = cells.optional_number("units", 1, i64::from(u32::MAX));
        let uses = cells.optional_number("uses", 1, i64::from(u32::MAX));
        let expires_at = cells.optional_when("expires_at");
        let partner = cells.optional("partner", 64);
        Some(Self {
            pack: pack?,
            system: system?,
            entitlement: entitlement?,
            count: count?,
            units: units.unwrap_or(1),
            uses: uses.unwrap_or(1),
            expires_at,
            partner,
        })
    }

    fn apply(self, db: &mut Db, run: &mut Run<'_>) -> Result<Effect, Halt> {
        let found = entitlement::by_reference(db, &self.system, &self.entitlement)?;
        let Some(entitlement) = found else {
            return refuse(
                "entitlement",
                Reason::Unknown {
                    value: self.entitlement,
                    kind: "orders or entitlements",
                },
            );
        };
        let partner = lookup::optional_party(db, &self.system, self.partner.as_deref(), "partner")?;
        let zone = lookup::zone_of(partner.as_ref(), run.zone());
        let terms = Terms {
            entitlement: entitlement.id,
            units: self.units,
            uses: self.uses,
            expires_at: self.expires_at.map(|when| Micros(when.at(&zone))),
            partner: partner.map(|partner| partner.id),
        };
        let known = activation_code::of_pack(db, &self.pack)?;
        if let Some(first) = known.first() {
            self.difference(first, known.len(), terms)
                .forbid("codes are out once they are made; make another pack")?;
            return Ok(Effect::Unchanged);
        }
        if let Some(Micros(expires_at)) = terms.expires_at
            && expires_at <= run.now()
        {
            let reason = Reason::OutOfOrder {
                given: expires_at.to_string(),
                bound: run.now().to_string(),
                what: "now: nobody could redeem them",
            };
            return refuse("expires_at", reason);
        }
        for _ in 0..self.count {
            let code = fresh(db)?;
            activation_code::insert(db, &self.stored(code, terms, run))?;
            run.codes.push(IssuedCode {
                pack: self.pack.clone(),
                entitlement: self.entitlement.clone(),
                code,
            });
        }
        let mut happened = Event::new(EventKind::CodesCreated)
            .with("pack", self.pack.as_str())
            .with("count", self.count.unsigned_abs())
            .with("units", self.units.unsigned_abs())
            .with("uses", self.uses.unsigned_abs());
        happened.entitlement = Some(entitlement.id.0);
        let stream = Stream::Entitlement(entitlement.id.0);
        event::append(db, stream, run.occasion(), &[happened])?;
        Ok(Effect::Created)
    }
}

impl PackRow {
    fn difference(&self, first: &StoredCode, count: usize, terms: Terms) -> Diff {
        let at = |at: Option<Micros>| Maybe(at.map(|at| at.0));
        let mut diff = Diff::default();
        diff.field("entitlement", &first.entitlement_id.0, &terms.entitlement.0);
        diff.field("count", &(count as i64), &self.count);
        diff.field("units", &first.units, &terms.units);
        diff.field("uses", &first.uses, &terms.uses);
        diff.field("expires_at", &at(first.expires_at), &at(terms.expires_at));
        diff.field(
            "partner",
            &Maybe(first.partner_id.map(|party| party.0)),
            &Maybe(terms.partner.map(|party| party.0)),
        );
        diff
    }

    fn stored(&self, code: ActivationCode, terms: Terms, run: &Run<'_>) -> StoredCode {
        StoredCode {
            id: Octets(code.id),
            hmac_key: Octets(code.key()),
            entitlement_id: terms.entitlement,
            units: terms.units,
            uses: terms.uses,
            used: 0,
            failures: 0,
            failed_at: None,
            partner_id: terms.partner,
            pack: self.pack.clone(),
            expires_at: terms.expires_at,
            state: Code(CodeState::Free),
            created_at: Micros(run.now()),
        }
    }
}

/// A code that nobody can foresee. Ids are short, so one that is taken is drawn again.
fn fresh(db: &mut Db) -> Result<ActivationCode, StoreError> {
    loop {
        let code = ActivationCode {
            id: CodeId(rand::random()),
            secret: rand::random(),
        };
        if activation_code::find(db, code.id)?.is_none() {
            return Ok(code);
        }
    }
}
