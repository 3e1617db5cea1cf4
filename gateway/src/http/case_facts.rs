//! The facts that whoever decides a case looks at, as they are now.

use std::collections::BTreeMap;

use fleetgrant_core::ask::{Reason, Want};
use fleetgrant_core::domain::{CaseId, CaseState, DeviceId, EntitlementId, Timestamp};
use fleetgrant_core::operator;
use fleetgrant_core::quota::QuotaKind;
use fleetgrant_core::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::activations::Activation;
use super::cases::Case;
use super::parties::PartyRef;
use super::value::Id;
use super::word;
use crate::report::usage;
use crate::store::case::{Case as Row, Subject};
use crate::store::conversation::{self, Cache, Look};
use crate::store::listing::{self, ActivationFilter, CaseFilter, DeviceFilter, EntitlementFilter};
use crate::store::{Db, StoreError};

/// Activations that are told of, at most.
const MOST: i64 = 200;

/// A case, with what whoever decides it looks at.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct CaseSheet {
    #[serde(flatten)]
    pub(crate) case: Case,
    /// How things stand now; null where the case is settled.
    pub(crate) facts: Option<CaseFacts>,
}

/// What whoever decides a case looks at.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct CaseFacts {
    /// Who owns the device.
    pub(crate) owner: Option<PartyRef>,
    /// The tier whose policy it is decided under.
    pub(crate) tier: String,
    /// Which version of it, as standard/1.
    pub(crate) policy: String,
    /// What it takes, if it is approved; where a feature is wanted, each entitlement that could give it.
    pub(crate) asked: Vec<UnitsAsked>,
    /// The quotas that it counts towards.
    pub(crate) quotas: Vec<QuotaStands>,
    /// What the device has.
    pub(crate) has: Vec<Activation>,
}

/// Units of an entitlement that are asked for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct UnitsAsked {
    pub(crate) entitlement: Id,
    /// What a system calls the entitlement.
    pub(crate) entitlement_reference: String,
    /// The code of the product.
    pub(crate) product: String,
    pub(crate) units: u32,
    /// Units of the entitlement that may still run on a device that is not meant to have them.
    pub(crate) at_risk: u64,
}

/// How a quota stands.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct QuotaStands {
    pub(crate) kind: word::QuotaKind,
    pub(crate) entitlement: Id,
    /// The policy whose quota it is, with what lies over the tier's for this entitlement.
    pub(crate) policy: String,
    /// Units that count within its window; null where policy gives none without an approval.
    pub(crate) used: Option<u32>,
    /// Units that may be given without an approval; null as above.
    pub(crate) limit: Option<u32>,
}

/// What is asked for, and under which policy.
struct Asked {
    tier: String,
    policy: String,
    units: BTreeMap<EntitlementId, u32>,
    quotas: Vec<QuotaStands>,
}

/// The case of this id with its facts.
pub(crate) fn sheet(
    db: &mut Db,
    cache: &Cache,
    id: CaseId,
    now: Timestamp,
) -> Result<Option<CaseSheet>, StoreError> {
    let filter = CaseFilter {
        id: Some(id),
        ..CaseFilter::default()
    };
    let Some(row) = listing::cases(db, &filter, 1)?.pop() else {
        return Ok(None);
    };
    let facts = match (row.state.0, row.subject()) {
        (CaseState::Open, Some(subject)) => facts(db, cache, &row, subject, now)?,
        _ => None,
    };
    let case = row.into();
    Ok(Some(CaseSheet { case, facts }))
}

fn facts(
    db: &mut Db,
    cache: &Cache,
    row: &Row,
    subject: Subject,
    now: Timestamp,
) -> Result<Option<CaseFacts>, StoreError> {
    let device = DeviceId::new(&row.device_id);
    let device = device.map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let Some(asked) = asked(db, cache, &device, row.total, subject, now)? else {
        return Ok(None);
    };
    let filter = DeviceFilter {
        id: Some(device.clone()),
        ..DeviceFilter::default()
    };
    let of = listing::devices(db, &filter, 1)?.pop();
    let filter = ActivationFilter {
        device: Some(device),
        ..ActivationFilter::default()
    };
    let has = listing::activations(db, &filter, MOST)?;
    let has = has.into_iter().filter(|row| row.ended_at.is_none());
    let mut units_asked = Vec::with_capacity(asked.units.len());
    for (entitlement, units) in asked.units {
        units_asked.extend(one(db, entitlement, units, now)?);
    }
    Ok(Some(CaseFacts {
        owner: of.and_then(|device| PartyRef::of(device.owner_id, device.owner)),
        tier: asked.tier,
        policy: asked.policy,
        asked: units_asked,
        quotas: asked.quotas,
        has: has.map(Activation::from).collect(),
    }))
}

fn one(
    db: &mut Db,
    entitlement: EntitlementId,
    units: u32,
    now: Timestamp,
) -> Result<Option<UnitsAsked>, StoreError> {
    let filter = EntitlementFilter {
        id: Some(entitlement),
        ..EntitlementFilter::default()
    };
    let Some(row) = listing::entitlements(db, &filter, 1)?.pop() else {
        return Ok(None);
    };
    Ok(Some(UnitsAsked {
        entitlement: Id(entitlement.0),
        entitlement_reference: row.reference,
        product: row.product,
        units,
        at_risk: usage::at_risk_of(db, entitlement, now)?,
    }))
}

fn asked(
    db: &mut Db,
    cache: &Cache,
    device: &DeviceId,
    total: Option<i64>,
    subject: Subject,
    now: Timestamp,
) -> Result<Option<Asked>, StoreError> {
    let look = Look {
        quotas: true,
        now: Some(now),
        ..Look::default()
    };
    match subject {
        Subject::WriteOff => {
            let Some(snapshot) = conversation::load_for(db, cache, device, &look)? else {
                return Ok(None);
            };
            let units = operator::written_off(&snapshot);
            let kind = QuotaKind::RehostUnconfirmed;
            Ok(Some(Asked::of(&snapshot, Some(kind), units, now)))
        }
        Subject::TemporaryLicense { entitlement, units } => {
            let units = [(entitlement, units)].into();
            temporary(db, cache, device, units, now)
        }
        Subject::Outage { replacement } => {
            let Some(broken) = conversation::load(db, cache, device, &[])? else {
                return Ok(None);
            };
            temporary(db, cache, &replacement, broken.rights(), now)
        }
        Subject::Want { reason, feature } => {
            let total = total.and_then(|total| u32::try_from(total).ok());
            let total = total.unwrap_or(1);
            let feature_wanted = feature.clone();
            let wants = [Want::Feature { feature, total }];
            let look = Look {
                wants: &wants,
                ..look
            };
            let Some(snapshot) = conversation::load_for(db, cache, device, &look)? else {
                return Ok(None);
            };
            let gives = snapshot.entitlements.iter().filter(|entitlement| {
                let mut features = entitlement.features.iter();
                features.any(|feature| feature.name == feature_wanted)
            });
            let units = gives.map(|entitlement| (entitlement.id, total)).collect();
            let kind = match reason {
                Reason::Temporary => Some(QuotaKind::Temporary),
                Reason::Return => None,
                _ => Some(QuotaKind::Rehost),
            };
            Ok(Some(Asked::of(&snapshot, kind, units, now)))
        }
    }
}

/// Temporary licences that a device is to get.
fn temporary(
    db: &mut Db,
    cache: &Cache,
    device: &DeviceId,
    units: BTreeMap<EntitlementId, u32>,
    now: Timestamp,
) -> Result<Option<Asked>, StoreError> {
    let mut asked: Option<Asked> = None;
    for (entitlement, units) in units {
        let look = Look {
            named: Some(entitlement),
            quotas: true,
            now: Some(now),
            ..Look::default()
        };
        let Some(snapshot) = conversation::load_for(db, cache, device, &look)? else {
            return Ok(None);
        };
        let kind = Some(QuotaKind::Temporary);
        let of = Asked::of(&snapshot, kind, [(entitlement, units)].into(), now);
        match &mut asked {
            None => asked = Some(of),
            Some(asked) => {
                asked.units.extend(of.units);
                asked.quotas.extend(of.quotas);
            }
        }
    }
    Ok(asked)
}

impl Asked {
    fn of(
        snapshot: &Snapshot,
        kind: Option<QuotaKind>,
        units: BTreeMap<EntitlementId, u32>,
        now: Timestamp,
    ) -> Self {
        let quotas = units.keys().filter_map(|entitlement| {
            let stands = snapshot.quota(kind?, *entitlement, now)?;
            Some(QuotaStands {
                kind: word::QuotaKind(stands.kind),
                entitlement: Id(entitlement.0),
                policy: stands.policy.to_string(),
                used: stands.within.map(|within| within.used),
                limit: stands.within.map(|within| within.limit),
            })
        });
        Self {
            tier: snapshot.policies.device().tag.tier.to_string(),
            policy: snapshot.policies.device().tag.to_string(),
            quotas: quotas.collect(),
            units,
        }
    }
}
