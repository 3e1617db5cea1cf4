//! What a key of a product line may touch: everything else does not exist for it.
//!
//! A device is of the line whose trust anchor vouches for it; activations and cases are of their
//! device's line, as runs are; entitlements, and packs of codes, of their product's. Orders with their
//! shipments, SKUs, batches and campaigns are of a line if they are of nothing else. `docs/api.md` has the table.

use data_encoding::HEXLOWER_PERMISSIVE;
use fleetgrant_core::domain::{
    ActivationId, BatchId, CaseId, CodeId, DeviceId, EntitlementId, OrderId, PartyId, ProductLineId,
};

use super::problem::{Problem, ProblemKind};
use super::{Api, query};
use crate::campaign::Terms;
use crate::lifecycle::Deed;
use crate::operator::Act;
use crate::store::activation_code::{self, single};
use crate::store::batch::{self, BatchFilter};
use crate::store::case::Subject;
use crate::store::column::Octets;
use crate::store::listing::{
    self, ActivationFilter, CaseFilter, DeviceFilter, EntitlementFilter, OrderFilter, PartyFilter,
    ProductFilter,
};
use crate::store::{Db, StoreError, campaign, product_line};

/// The product line whose things alone the caller may see and touch; none: those of all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Within(Option<ProductLineId>);

/// What a request names.
#[derive(Clone, Debug)]
pub(super) enum Thing {
    Activation(ActivationId),
    Batch(BatchId),
    /// By its name or id.
    Campaign(String),
    Case(CaseId),
    Code(CodeId),
    /// A party by one of its names, or ids that systems call it by.
    Customer(String),
    Device(DeviceId),
    Entitlement(EntitlementId),
    /// By its reference or id.
    EntitlementCalled(String),
    Order(OrderId),
    /// A pack of codes, by its name.
    Pack(String),
    Party(PartyId),
    /// By its code; of the line itself, not of all.
    ProductCalled(String),
}

impl Within {
    pub(super) const fn new(line: Option<ProductLineId>) -> Self {
        Self(line)
    }

    /// For the filter of a list.
    pub(super) const fn line(self) -> Option<ProductLineId> {
        self.0
    }

    /// The name of the line.
    pub(super) fn name(self, db: &mut Db) -> Result<Option<String>, StoreError> {
        let Some(line) = self.0 else {
            return Ok(None);
        };
        let found = product_line::find(db, Octets(line))?;
        let gone = || StoreError::Corrupt(format!("the product line {line} of a key is gone"));
        found.map(|line| Some(line.name)).ok_or_else(gone)
    }

    /// The line that is reported on, where one of this name is asked for: of another than the caller's
    /// own it is said that it is not there.
    pub(super) async fn asked(
        self,
        api: &Api,
        name: Option<String>,
    ) -> Result<Option<ProductLineId>, Problem> {
        let Some(name) = name else {
            return Ok(self.0);
        };
        let called = name.clone();
        let found = api
            .read(move |db| product_line::by_name(db, &called))
            .await?;
        let found = found.map(|line| line.id.0);
        match found.filter(|found| self.0.is_none_or(|own| own == *found)) {
            Some(line) => Ok(Some(line)),
            None => Err(query::refused(format_args!(
                "product_line: there is no product line {name:?}"
            ))),
        }
    }

    /// What `read` finds of a thing, if the thing is there for the caller.
    pub(super) fn see<T>(
        self,
        db: &mut Db,
        thing: &Thing,
        read: impl FnOnce(&mut Db) -> Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        if self.has(db, thing)? {
            read(db)
        } else {
            Ok(None)
        }
    }

    /// Why something cannot be done with all of these: one of them is not there for the caller.
    pub(super) fn lacks(
        self,
        db: &mut Db,
        things: &[Thing],
    ) -> Result<Option<Problem>, StoreError> {
        for thing in things {
            if !self.has(db, thing)? {
                return Ok(Some(thing.unknown()));
            }
        }
        Ok(None)
    }

    /// Why a campaign cannot be made: it would be for other devices too, or names what is not there for
    /// the caller.
    pub(super) fn forbids(self, db: &mut Db, terms: &Terms) -> Result<Option<Problem>, StoreError> {
        let Some(line) = self.name(db)? else {
            return Ok(None);
        };
        if terms.devices.product_lines != [line.as_str()] {
            return Ok(Some(Problem::new(
                ProblemKind::Forbidden,
                format!(
                    "devices.product_lines: the key is of the product line {line}, so name that one, \
                     and no other"
                ),
            )));
        }
        let entitlements = terms.give.iter().chain(&terms.take).cloned();
        let products = terms.take_product.iter().cloned();
        let customers = terms.devices.customers.iter().cloned();
        let ids = terms.devices.ids.iter();
        // What is no id is refused where the terms are checked.
        let devices = ids.filter_map(|id| DeviceId::new(id).ok());
        let things: Vec<_> = (entitlements.map(Thing::EntitlementCalled))
            .chain(products.map(Thing::ProductCalled))
            .chain(customers.map(Thing::Customer))
            .chain(devices.map(Thing::Device))
            .collect();
        self.lacks(db, &things)
    }

    /// Whether a thing is there for the caller; whether it is there at all, others ask.
    fn has(self, db: &mut Db, thing: &Thing) -> Result<bool, StoreError> {
        let within @ Some(_) = self.0 else {
            return Ok(true);
        };
        Ok(match thing {
            Thing::Activation(id) => {
                let filter = ActivationFilter {
                    id: Some(*id),
                    within,
                    ..ActivationFilter::default()
                };
                !listing::activations(db, &filter, 1)?.is_empty()
            }
            Thing::Batch(id) => {
                let filter = BatchFilter {
                    id: Some(*id),
                    within,
                    ..BatchFilter::default()
                };
                !batch::list(db, &filter, 1)?.is_empty()
            }
            Thing::Campaign(called) => match (campaign::called(db, called)?, self.name(db)?) {
                (Some(row), Some(line)) => row.is_within(&line)?,
                _ => false,
            },
            Thing::Case(id) => {
                let filter = CaseFilter {
                    id: Some(*id),
                    within,
                    ..CaseFilter::default()
                };
                !listing::cases(db, &filter, 1)?.is_empty()
            }
            Thing::Code(id) => match activation_code::find(db, *id)? {
                Some(code) => self.has(db, &Thing::Entitlement(code.entitlement_id.0))?,
                None => false,
            },
            Thing::Customer(called) => {
                for id in listing::parties_called(db, called)? {
                    if self.has(db, &Thing::Party(id))? {
                        return Ok(true);
                    }
                }
                false
            }
            Thing::Device(id) => {
                let filter = DeviceFilter {
                    id: Some(id.clone()),
                    within,
                    ..DeviceFilter::default()
                };
                !listing::devices(db, &filter, 1)?.is_empty()
            }
            Thing::Entitlement(id) => {
                let filter = EntitlementFilter {
                    id: Some(*id),
                    within,
                    ..EntitlementFilter::default()
                };
                !listing::entitlements(db, &filter, 1)?.is_empty()
            }
            Thing::EntitlementCalled(called) => {
                let id = HEXLOWER_PERMISSIVE.decode(called.as_bytes()).ok();
                if let Some(id) = id.and_then(|id| id.try_into().ok()) {
                    return self.has(db, &Thing::Entitlement(EntitlementId(id)));
                }
                let filter = EntitlementFilter {
                    reference: Some(called.clone()),
                    within,
                    ..EntitlementFilter::default()
                };
                !listing::entitlements(db, &filter, 1)?.is_empty()
            }
            Thing::Order(id) => {
                let filter = OrderFilter {
                    id: Some(*id),
                    within,
                    ..OrderFilter::default()
                };
                !listing::orders(db, &filter, 1)?.is_empty()
            }
            Thing::Pack(name) => match single::gives(db, name)? {
                Some(entitlement) => self.has(db, &Thing::Entitlement(entitlement))?,
                None => false,
            },
            Thing::Party(id) => {
                let filter = PartyFilter {
                    id: Some(*id),
                    within,
                    ..PartyFilter::default()
                };
                !listing::parties(db, &filter, 1)?.is_empty()
            }
            Thing::ProductCalled(code) => {
                let filter = ProductFilter {
                    code: Some(code.clone()),
                    within,
                    ..ProductFilter::default()
                };
                let found = listing::products(db, &filter, 1)?;
                found.iter().any(|product| product.product_line.is_some())
            }
        })
    }
}

impl Thing {
    /// The things that an act on a device names besides.
    pub(super) fn of_act(act: Act) -> Option<Self> {
        match act {
            Act::Assign { entitlement, .. } => Some(Self::Entitlement(entitlement)),
            Act::GiveTemporary(stopgap, _) => Some(Self::Entitlement(stopgap.entitlement)),
            Act::Cancel(id) | Act::Revoke(id) | Act::TakeOver(id, _) => Some(Self::Activation(id)),
            // What campaigns and factories do is asked for as such.
            Act::Provide(..) | Act::Withdraw(_) | Act::GrantAtFactory(_) => None,
            Act::Push
            | Act::Clear
            | Act::Admit(_)
            | Act::DeclareDead(_)
            | Act::Readmit
            | Act::Repair(_)
            | Act::RevokeKey(_) => None,
        }
    }

    /// What a case is about besides its device.
    pub(super) fn of_subject(subject: Subject) -> Option<Self> {
        match subject {
            Subject::TemporaryLicense { entitlement, .. } => Some(Self::Entitlement(entitlement)),
            Subject::Outage { replacement } => Some(Self::Device(replacement)),
            Subject::Want { .. } | Subject::WriteOff => None,
        }
    }

    /// An entitlement, and what an act on it names besides.
    pub(super) fn of_deed(id: EntitlementId, deed: &Deed) -> Vec<Self> {
        let mut things = vec![Self::Entitlement(id)];
        match deed {
            Deed::Upgrade(upgrade) => things.push(Self::ProductCalled(upgrade.product.clone())),
            Deed::Maintain(order) => things.push(Self::Entitlement(order.by)),
            _ => {}
        }
        things
    }

    fn unknown(&self) -> Problem {
        let (kind, name) = match self {
            Self::Activation(id) => ("activation", id.to_string()),
            Self::Batch(id) => ("batch", id.to_string()),
            Self::Campaign(called) => ("campaign", called.clone()),
            Self::Case(id) => ("case", id.to_string()),
            Self::Code(id) => ("code", id.to_string()),
            Self::Customer(called) => ("customer", called.clone()),
            Self::Device(id) => ("device", id.to_string()),
            Self::Entitlement(id) => ("entitlement", id.to_string()),
            Self::EntitlementCalled(called) => ("entitlement", called.clone()),
            Self::Order(id) => ("order", id.to_string()),
            Self::Pack(name) => ("pack", name.clone()),
            Self::Party(id) => ("party", id.to_string()),
            Self::ProductCalled(code) => ("product", code.clone()),
        };
        Problem::new(ProblemKind::NotFound, format!("there is no {kind} {name}"))
    }
}
