//! The gateway's core with a store in memory, and something to sell.

use std::sync::{Arc, LazyLock};

use fleetgrant_core::acknowledge::on_ack;
use fleetgrant_core::ask::{Channel, Request, Sender, SignedAck, SignedUnfit, Verdict};
use fleetgrant_core::context::{Authority, Context};
use fleetgrant_core::device::Device;
use fleetgrant_core::domain::{
    DeviceId, DeviceState, EntitlementId, EntitlementState, Epoch, FeatureName, LicenseModel,
    PartyId, ProductId, Purpose, Realm, Timestamp,
};
use fleetgrant_core::entitlement::{Binding, Entitlement, Feature, Quantity, Start, Term};
use fleetgrant_core::license::ModelRules;
use fleetgrant_core::model::World;
use fleetgrant_core::outcome::Outcome;
use fleetgrant_core::policy::Policy;
use fleetgrant_core::request::on_request;
use fleetgrant_core::tick::on_tick;
use fleetgrant_core::unfit::on_unfit;
use fleetgrant_core::wire::{self, Said};
use fleetgrant_schemas::envelope::{Draft, Envelope, Signer};
use fleetgrant_schemas::id::CertificateThumbprint;
use fleetgrant_schemas::topic::MessageType;

use crate::device::Vectors;

const OWNER: PartyId = PartyId([1; 16]);
/// When it begins: 2026-01-01.
const BEGIN: u64 = 1_767_225_600;
/// The features of the vectors, and how each is sold.
const SOLD: [(&str, LicenseModel, Term); 4] = [
    ("bandwidth-500", LicenseModel::Perpetual, Term::Perpetual),
    (
        "decode",
        LicenseModel::Subscription,
        Term::For { months: 1, days: 0 },
    ),
    ("meter", LicenseModel::Metered, Term::Perpetual),
    ("prepaid", LicenseModel::Counted, Term::Perpetual),
];

static VECTORS: LazyLock<&'static Vectors> = LazyLock::new(Vectors::get);

/// A gateway that knows the vectors' device and has a few units of each of its features.
pub struct Gateway {
    world: World,
    authority: Authority,
    policy: Policy,
    device: DeviceId,
    now: Timestamp,
    drawn: u64,
}

impl Default for Gateway {
    /// # Panics
    /// The vectors are not as they were when this was written.
    fn default() -> Self {
        let device = known(DeviceId::new(VECTORS.device()).ok());
        let mut world = World::default();
        let mut stored = Device::new(device.clone(), DeviceState::Admitted);
        stored.owner = Some(OWNER);
        world.add_device(stored);
        for (place, (feature, model, term)) in (1..).zip(SOLD) {
            world.add_entitlement(Entitlement {
                id: EntitlementId([place; 16]),
                owner: Some(OWNER),
                zone: jiff::tz::TimeZone::UTC,
                order_line: None,
                product: ProductId([place; 16]),
                features: Arc::from([Feature {
                    name: known(FeatureName::new(feature).ok()),
                    version_ceiling: None,
                    essential: false,
                    uses: (model == LicenseModel::Counted).then_some(5),
                    vendor_data: Vec::new(),
                }]),
                product_line: None,
                requires: Arc::from([]),
                rules: ModelRules::of(model),
                state: EntitlementState::Active,
                purpose: Purpose::Production,
                quantity: Quantity::Units(place.into()),
                live: 0,
                returned: 0,
                overdraft: 0,
                used: 0,
                units_per_device: 1,
                start: match term {
                    Term::Perpetual => Start::At(Timestamp::from_seconds(BEGIN)),
                    _ => Start::EachActivation { latest: None },
                },
                term,
                revoked_from: None,
                maintained_until: None,
                binding: Binding::None,
                created_at: Timestamp::from_seconds(BEGIN),
            });
        }
        Self {
            world,
            authority: Authority {
                realm: known(Realm::new(VECTORS.realm()).ok()),
                epoch: Epoch(1),
            },
            policy: Policy::default(),
            device,
            now: Timestamp::from_seconds(BEGIN),
            drawn: 0,
        }
    }
}

impl Gateway {
    /// Takes a payload that the device signed, as one of the two messages of a device.
    ///
    /// # Panics
    /// What the core promises does not hold.
    pub fn take(&mut self, message: MessageType, payload: &[u8]) {
        let signer = Signer::Thumbprint(CertificateThumbprint([7; 32]));
        let mut buffer = [0; 8_192];
        let Ok(draft) = Draft::of_payload(&mut buffer, message, &signer, payload) else {
            return;
        };
        let Ok(envelope) = Envelope::parse(draft.finish(&[7; 64])) else {
            return;
        };
        let Ok(verified) = envelope.verify(|_, _| true) else {
            return;
        };
        let sender = Sender {
            key: VECTORS.device_key().thumbprint(),
            verdict: match self.world.device(&self.device).and_then(|it| it.key()) {
                Some(_) => Verdict::Pinned,
                None => Verdict::Admissible,
            },
            channel: Channel::Online,
        };
        let digest = verified.digest();
        let (authority, policy) = (self.authority.clone(), self.policy.clone());
        let context = Context {
            authority: &authority,
            policy: &policy,
            now: self.now,
        };
        let mut entropy = |bytes: &mut [u8]| {
            for byte in bytes {
                self.drawn += 1;
                *byte = (self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
            }
        };
        let outcome = match wire::read(&verified, &self.device, &authority.realm) {
            Said::Request(ask) => {
                let snapshot = self.world.snapshot(&self.device, Some(&ask));
                let request = Request {
                    digest,
                    sender,
                    ask,
                };
                on_request(snapshot, &request, context, &mut entropy)
            }
            Said::Ack(ack) => {
                let snapshot = self.world.snapshot(&self.device, None);
                let signed = SignedAck {
                    digest,
                    sender,
                    ack,
                };
                on_ack(snapshot, &signed, context, &mut entropy)
            }
            Said::Unfit(unfit) => {
                let snapshot = self.world.snapshot(&self.device, None);
                let signed = SignedUnfit {
                    digest,
                    sender,
                    unfit,
                };
                on_unfit(snapshot, &signed, context, &mut entropy)
            }
        };
        self.apply(&outcome);
    }

    /// Time passes.
    ///
    /// # Panics
    /// What the core promises does not hold.
    pub fn wait(&mut self, seconds: u64) {
        self.now = self.now.plus_seconds(seconds);
        let (authority, policy) = (self.authority.clone(), self.policy.clone());
        let context = Context {
            authority: &authority,
            policy: &policy,
            now: self.now,
        };
        let snapshot = self.world.snapshot(&self.device, None);
        let outcome = on_tick(snapshot, context);
        self.apply(&outcome);
    }

    fn apply(&mut self, outcome: &Outcome) {
        let applied = self.world.apply(outcome, self.now);
        assert!(applied.is_ok(), "nobody came between");
        let violations = self.world.violations();
        assert!(violations.is_empty(), "{violations:?}");
    }
}

fn known<T>(made: Option<T>) -> T {
    made.unwrap_or_else(|| panic!("the vectors have changed"))
}
