//! The content of a grant set: which activations are in it, and its exact bytes.

use std::collections::BTreeSet;

use fleetgrant_schemas::entitlement::{EndEffect, Entitlement as Right, Model};
use fleetgrant_schemas::envelope::{Draft, Signer};
use fleetgrant_schemas::grant::{Flags, Grant};
use fleetgrant_schemas::id::KeyId;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::{Denial as WireDenial, Message, Want as WireWant, Writer, id, limits};

use crate::activation::{Activation, Run, Standing};
use crate::ask::Want;
use crate::domain::{
    ActivationId, ActivationKind, Challenge, Cti, DeviceId, DeviceNonce, EntitlementState,
    KeyThumbprint, LicenseModel, PartyId, Realm, RemovalReason, SetKey, Timestamp,
};
use crate::entitlement::{Entitlement, Feature};
use crate::ledger::Ledger;
use crate::party::OnHold;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::term;
use crate::tier::Policies;

/// What a set makes of an activation the device is meant to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// It is in.
    In(Run),
    /// It is left out for now, by this rule, and keeps its units.
    Out(Rule),
    /// Its time and its grace are over.
    Over,
    /// It is taken back.
    Revoked,
}

/// What a set is written under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) rules: &'a Policies,
    /// A clone is suspected: nothing new.
    pub(crate) frozen: bool,
    /// Whose device it is.
    pub(crate) owner: Option<PartyId>,
    pub(crate) on_hold: &'a OnHold,
    pub(crate) now: Timestamp,
}

/// What a set made now makes of an activation the device is meant to have.
pub(crate) fn prospect(
    activation: &Activation,
    entitlement: &Entitlement,
    conditions: &Conditions<'_>,
) -> Prospect {
    let now = conditions.now;
    let is_new = activation.standing == Standing::Reserved;
    if entitlement.is_revoked(now) {
        return Prospect::Revoked;
    }
    if !entitlement.is_on() {
        return Prospect::Out(Rule::Suspended);
    }
    if is_new && conditions.frozen {
        return Prospect::Out(Rule::CloneSuspected);
    }
    if is_new && conditions.on_hold.forbids(conditions.owner, entitlement) {
        return Prospect::Out(Rule::PartyOnHold);
    }
    let rules = conditions.rules.rules(entitlement.id);
    let (slack, grace) = (conditions.policy.slack, rules.grace);
    let run = match (activation.kind, rules.temporary) {
        (ActivationKind::Normal, _) => {
            term::run(entitlement, activation.run.as_ref(), now, slack, grace)
        }
        (ActivationKind::Temporary, Some(temporary)) => Ok(activation
            .run
            .unwrap_or_else(|| term::temporary(temporary.days, activation.created_at, slack))),
        // Policy has none any more: what is out goes on to its end, and nothing new goes out.
        (ActivationKind::Temporary, None) => match activation.run {
            Some(run) => Ok(run),
            None => return Prospect::Over,
        },
    };
    let Ok(run) = run else {
        return Prospect::Out(Rule::NotStarted);
    };
    // A device puts what it has not got in force anew, and then it is past its end.
    let waits = entitlement.ends_at_next_boot() && activation.standing != Standing::Suspended;
    let stays =
        !is_new && activation.kind == ActivationKind::Normal && (entitlement.warns() || waits);
    let is_over = run.is_over(now) && !stays;
    match entitlement.state {
        _ if is_over => Prospect::Over,
        // A stop-gap is for what has expired.
        EntitlementState::Expired if activation.kind == ActivationKind::Temporary => {
            Prospect::In(run)
        }
        EntitlementState::Draft if is_new => Prospect::Out(Rule::Draft),
        EntitlementState::Hold if is_new => Prospect::Out(Rule::Hold),
        EntitlementState::Closed if is_new => Prospect::Out(Rule::Closed),
        EntitlementState::Expired if is_new => Prospect::Out(Rule::Expired),
        _ => Prospect::In(run),
    }
}

/// Moves the activations to where the set `key`, written now, puts them; those for which there
/// is no room stay where they are. Returns what is in it.
pub(crate) fn settle(
    ledger: &mut Ledger,
    no_room: &BTreeSet<ActivationId>,
    conditions: &Conditions<'_>,
    key: SetKey,
) -> Vec<ActivationId> {
    let prospects: Vec<_> = ledger
        .activations()
        .filter(|activation| activation.is_wanted())
        .filter_map(|activation| {
            let entitlement = ledger.entitlement(activation.entitlement)?;
            let prospect = match prospect(activation, entitlement, conditions) {
                Prospect::In(_) if no_room.contains(&activation.id) => Prospect::Out(Rule::SetFull),
                prospect => prospect,
            };
            Some((activation.id, prospect))
        })
        .collect();
    let mut included = Vec::with_capacity(prospects.len());
    for (id, prospect) in prospects {
        match prospect {
            Prospect::In(run) => {
                ledger.publish(id, run, key);
                included.push(id);
            }
            Prospect::Out(_) => ledger.suspend(id, key),
            Prospect::Over => ledger.remove(id, RemovalReason::Expire, key, conditions.now),
            Prospect::Revoked => ledger.remove(id, RemovalReason::Revoke, key, conditions.now),
        }
    }
    included
}

/// A want that is denied in a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(crate) want: Want,
    pub(crate) rule: Rule,
    pub(crate) retry_after: Option<u32>,
}

/// Everything in a grant.
#[derive(Debug)]
pub(crate) struct Content<'a> {
    pub(crate) realm: &'a Realm,
    pub(crate) device: &'a DeviceId,
    pub(crate) confirmation: KeyThumbprint,
    pub(crate) key: SetKey,
    pub(crate) cti: Cti,
    pub(crate) nonce: Option<DeviceNonce>,
    pub(crate) challenge: Challenge,
    pub(crate) issued_at: Timestamp,
    pub(crate) install_until: Timestamp,
    pub(crate) renew_after: u32,
    /// What says how long its rights run without contact.
    pub(crate) rules: &'a Policies,
    pub(crate) ledger: &'a Ledger,
    pub(crate) included: &'a [ActivationId],
    pub(crate) denials: &'a [Denial],
    /// It is made ahead of the device's first start, which takes it without having asked.
    pub(crate) is_factory: bool,
    pub(crate) told: Told,
}

/// What a set tells of its rights that may change under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Uses that are left, from what the device reported on: one that has lost its totals, or forgot
    /// them with an activation that went and came back, gets none a second time. The build ceiling,
    /// where there is one.
    OnRecord,
    /// As large as it can become: only measured, never sent. Maintenance may come to any right.
    Largest,
}

impl Content<'_> {
    /// Whether it has no more entries than a grant can have, and is, signed, no larger than
    /// `max` bytes.
    pub(crate) fn fits(&self, max: u16) -> bool {
        let mut buffer = [0; limits::MAX_DOWN];
        let max = usize::from(max).min(buffer.len());
        self.with_grant(|grant| {
            grant.entitlements.len() <= limits::MAX_ENTITLEMENTS
                && Draft::new(&mut buffer[..max], &Signer::Key(KeyId([0; 8])), grant).is_ok()
        })
    }

    /// The payload that is signed.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.with_grant(|grant| encode(grant))
    }

    fn with_grant<R>(&self, use_it: impl FnOnce(&Grant<'_>) -> R) -> R {
        let rights: Vec<Right<'_>> = self
            .included
            .iter()
            .filter_map(|id| self.ledger.activation(*id))
            .filter_map(|activation| {
                let entitlement = self.ledger.entitlement(activation.entitlement)?;
                Some((activation, entitlement))
            })
            .flat_map(|(activation, entitlement)| {
                entitlement
                    .features
                    .iter()
                    .map(|feature| self.right(activation, entitlement, feature))
            })
            .collect();
        let denials: Vec<WireDenial<'_>> = self.denials.iter().map(Denial::to_wire).collect();
        use_it(&Grant {
            realm: self.realm.as_str(),
            device: self.device.as_wire(),
            install_until: self.install_until.seconds(),
            issued_at: self.issued_at.seconds(),
            cti: self.cti,
            confirmation: self.confirmation,
            nonce: self.nonce,
            epoch: self.key.epoch.0,
            generation: self.key.generation.get(),
            renew_after: self.renew_after,
            entitlements: Seq::new(&rights),
            next_challenge: self.challenge,
            denials: Seq::new(&denials),
            flags: Flags {
                factory: self.is_factory,
            },
        })
    }

    /// Without contact, the rights of an entitlement run until here.
    fn lease_end(&self, entitlement: &Entitlement) -> Option<Timestamp> {
        let last = Timestamp::from_seconds(limits::MAX_INSTANT - 1);
        let lease = self.rules.rules(entitlement.id).lease?;
        Some(self.issued_at.plus_seconds(lease.get().into()).min(last))
    }

    fn right<'f>(
        &self,
        activation: &Activation,
        entitlement: &Entitlement,
        feature: &'f Feature,
    ) -> Right<'f> {
        let run = activation.run;
        let model = match activation.kind {
            ActivationKind::Normal => to_wire(entitlement.rules.model),
            ActivationKind::Temporary => Model::Temporary,
        };
        let total = entitlement.rules.count(feature, activation.units);
        let maintained_until = entitlement.maintained_until.map(Timestamp::seconds);
        let may_be_maintained = entitlement.rules.model != LicenseModel::Maintenance;
        let (count, usage_base, build_ceiling) = match self.told {
            Told::OnRecord => (
                total.map(|total| total.saturating_sub(activation.usage)),
                activation.usage,
                maintained_until,
            ),
            Told::Largest => (
                total,
                u64::MAX,
                may_be_maintained.then_some(limits::MAX_INSTANT),
            ),
        };
        // A device reports totals of these only.
        let is_counted = total.is_some() || matches!(model, Model::Metered | Model::Counted);
        // What stays on after its end is told so for a hundred years.
        let stays = activation.kind == ActivationKind::Normal
            && run.is_some_and(|run| run.end.is_some())
            && entitlement.outlives_its_end(feature);
        let grace = run.map(|run| if stays { u32::MAX } else { run.grace });
        let waits = activation.kind == ActivationKind::Normal
            && run.is_some_and(|run| run.end.is_some())
            && !stays
            && entitlement.ends_at_next_boot();
        Right {
            activation: activation.id,
            feature: feature.name.as_str(),
            version_ceiling: feature.version_ceiling.as_deref(),
            model,
            // One that has begun needs no saying, and a device without a clock no waiting.
            start: run
                .and_then(|run| run.start)
                .filter(|start| *start > self.issued_at)
                .map(Timestamp::seconds),
            end: run.and_then(|run| run.end).map(Timestamp::seconds),
            count,
            grace: grace.filter(|grace| *grace > 0),
            vendor_data: Some(&feature.vendor_data[..]).filter(|data| !data.is_empty()),
            usage_base: (is_counted && usage_base > 0).then_some(usage_base),
            lease_end: self.lease_end(entitlement).map(Timestamp::seconds),
            build_ceiling,
            end_effect: waits.then_some(EndEffect::NextBoot),
        }
    }
}

/// The deterministic encoding of a message's payload.
pub(crate) fn encode<'b>(message: &impl Message<'b>) -> Vec<u8> {
    let mut payload = vec![0; Writer::measure(|w| message.encode(w))];
    message.encode(&mut Writer::new(&mut payload));
    payload
}

impl Denial {
    fn to_wire(&self) -> WireDenial<'_> {
        WireDenial {
            want: match &self.want {
                Want::Feature { feature, total } => WireWant::Feature {
                    feature: feature.as_str(),
                    total: *total,
                },
                Want::Code { id, proof } => WireWant::Code(fleetgrant_schemas::code::CodeClaim {
                    id: *id,
                    proof: *proof,
                }),
            },
            rule: self.rule.as_str(),
            retry_after: self.retry_after,
        }
    }
}

impl DeviceId {
    /// As the wire has it.
    #[must_use]
    pub fn as_wire(&self) -> id::DeviceId<'_> {
        id::DeviceId::new(self.as_str()).expect("both types hold the same texts")
    }
}

const fn to_wire(model: LicenseModel) -> Model {
    match model {
        LicenseModel::Perpetual => Model::Perpetual,
        LicenseModel::Subscription => Model::Subscription,
        LicenseModel::Evaluation => Model::Evaluation,
        LicenseModel::Temporary => Model::Temporary,
        LicenseModel::Metered => Model::Metered,
        LicenseModel::Counted => Model::Counted,
        LicenseModel::Maintenance => Model::Maintenance,
    }
}
