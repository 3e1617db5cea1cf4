//! What the customer has bought.

use std::sync::Arc;

use fleetgrant_core::domain::{
    EntitlementId, EntitlementState, FeatureName, LicenseModel, OrderLineId, PartyId, ProductId,
    Purpose, Timestamp,
};
use fleetgrant_core::entitlement::{Binding, Code, Entitlement, Feature, Quantity, Start, Term};
use fleetgrant_core::license::{AtEnd, ModelRules};
use fleetgrant_core::model::World;
use fleetgrant_schemas::code::ActivationCode;
use fleetgrant_schemas::id::CodeId;
use jiff::tz::TimeZone;

use crate::cast::{CEILING, COUNTED, Cast, FEATURES, LIMITED, UNKNOWN_FEATURE};
use crate::chance::Chance;

pub(crate) const OWNER: PartyId = PartyId([7; 16]);
pub(crate) const ENTITLEMENTS: u8 = 11;
pub(crate) const CODES: u8 = 2;
/// The entitlement that firmware of a certain age only turns on.
pub(crate) const MAINTAINED: u8 = 10;
/// The entitlement that can be had once by each device.
pub(crate) const EVALUATION: u8 = 5;
const DAY: u64 = 86_400;
/// Uses that a unit of a counted feature gives.
pub(crate) const USES: u64 = 5;

pub(crate) const fn entitlement_id(place: u8) -> EntitlementId {
    EntitlementId([place + 1; 16])
}

pub(crate) const fn code(place: u8) -> ActivationCode {
    ActivationCode {
        id: CodeId([place + 1; 5]),
        secret: [place + 1; 10],
    }
}

/// One of each kind of right, in quantities that devices quarrel about.
pub(crate) fn stock(world: &mut World, cast: &Cast, luck: &mut Chance, now: Timestamp) {
    let mut quantity = || Quantity::Units(luck.below(5) as u32 + 1);
    let pool = Some(OWNER);
    let offers = [
        (pool, vec!["scope"], Model::of(LicenseModel::Perpetual)),
        (
            pool,
            vec!["decode", "limit"],
            Model::of(LicenseModel::Subscription).ending(now, 20),
        ),
        (
            pool,
            vec!["decode"],
            Model::of(LicenseModel::Subscription).days_from_each(10),
        ),
        (
            pool,
            vec!["scope", "limit"],
            Model::of(LicenseModel::Subscription).days_from_first(40),
        ),
        (pool, vec!["count"], Model::of(LicenseModel::Counted)),
        (
            pool,
            vec!["trial"],
            Model::of(LicenseModel::Evaluation).days_from_each(5),
        ),
        // Sold by codes only.
        (None, vec!["limit"], Model::of(LicenseModel::Perpetual)),
        // Bound to a device, and taken by none.
        (
            pool,
            vec![UNKNOWN_FEATURE],
            Model::of(LicenseModel::Perpetual),
        ),
        // Not taken back.
        (
            pool,
            vec!["scope"],
            Model {
                returns_credit: false,
                ..Model::of(LicenseModel::Perpetual).ending(now, 60)
            },
        ),
        // On until the next start after its end.
        (
            pool,
            vec!["linger"],
            Model {
                at_end: AtEnd::NextBoot,
                ..Model::of(LicenseModel::Subscription).ending(now, 12)
            },
        ),
        // Maintained, so that the newer firmware is too new for it at first.
        (pool, vec!["care"], Model::of(LicenseModel::Perpetual)),
    ];
    for (place, (owner, features, model)) in (0..).zip(offers) {
        world.add_entitlement(Entitlement {
            id: entitlement_id(place),
            owner,
            zone: TimeZone::UTC,
            order_line: None::<OrderLineId>,
            product: ProductId([place + 1; 16]),
            features: features.into_iter().map(feature).collect::<Arc<[_]>>(),
            product_line: None,
            requires: Arc::from([]),
            rules: ModelRules {
                grace: model.grace,
                returns_credit: model.returns_credit,
                rehost: true,
                at_end: model.at_end,
                ..ModelRules::of(model.model)
            },
            state: EntitlementState::Active,
            purpose: Purpose::Production,
            quantity: quantity(),
            live: 0,
            returned: 0,
            overdraft: u32::from(place == 0),
            used: 0,
            units_per_device: 1,
            start: model.start,
            term: model.term,
            revoked_from: None,
            maintained_until: (place == MAINTAINED).then(|| now.plus_seconds(20 * DAY)),
            binding: Binding::None,
            created_at: now,
        });
    }
    for place in 0..CODES {
        let code = code(place);
        world.add_code(Code {
            id: code.id,
            key: code.key(),
            entitlement: entitlement_id(6),
            units: u32::from(place) + 1,
            uses_left: 2,
            expires_at: (place == 1).then(|| now.plus_seconds(15 * DAY)),
            void: false,
            failures: 0,
            partner: None,
        });
    }
    for identity in &cast.devices {
        for place in [0, 4, 7, 8, 9, 10] {
            if luck.percent(40) {
                world.bind(&identity.id, entitlement_id(place));
            }
        }
    }
}

/// A licence model with its term.
struct Model {
    model: LicenseModel,
    grace: u32,
    returns_credit: bool,
    at_end: AtEnd,
    start: Start,
    term: Term,
}

impl Model {
    fn of(model: LicenseModel) -> Self {
        Self {
            model,
            grace: 0,
            returns_credit: true,
            at_end: AtEnd::Hard,
            start: Start::At(Timestamp::from_seconds(0)),
            term: Term::Perpetual,
        }
    }

    fn ending(self, now: Timestamp, days: u64) -> Self {
        Self {
            grace: 2 * DAY as u32,
            term: Term::Until(now.plus_seconds(days * DAY)),
            ..self
        }
    }

    fn days_from_each(self, days: u16) -> Self {
        Self {
            start: Start::EachActivation { latest: None },
            term: Term::For { months: 0, days },
            ..self
        }
    }

    fn days_from_first(self, days: u16) -> Self {
        Self {
            start: Start::FirstActivation { latest: None },
            ..self.days_from_each(days)
        }
    }
}

fn feature(name: &str) -> Feature {
    Feature {
        name: FeatureName::new(name).unwrap(),
        version_ceiling: (name == FEATURES[LIMITED]).then(|| CEILING.to_owned()),
        essential: false,
        uses: (name == FEATURES[COUNTED]).then_some(USES),
        vendor_data: Vec::new(),
    }
}
