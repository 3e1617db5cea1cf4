//! What operators do.

use fleetgrant_core::activation::Activation;
use fleetgrant_core::domain::{DeviceId, EntitlementId, EntitlementState, Timestamp};
use fleetgrant_core::entitlement::{Quantity, Term};
use fleetgrant_core::operator::{self, OperatorError, Publish};
use fleetgrant_schemas::id::ActivationId;

use crate::cast::BEGIN_SECS;
use crate::op::Op;
use crate::simulation::Simulation;
use crate::stock::{MAINTAINED, entitlement_id};

impl Simulation {
    /// Does what an operator does.
    pub(crate) fn operate(&mut self, op: Op) {
        let now = self.timestamp();
        let luck = &mut self.luck;
        match op {
            Op::Assign {
                device,
                entitlement,
                units,
                at_contact,
            } => {
                let publish = if at_contact {
                    Publish::AtContact
                } else {
                    Publish::Now
                };
                let id = self.cast.devices[usize::from(device)].id.clone();
                let entitlement = entitlement_id(entitlement);
                self.gateway
                    .operate(&id, now, luck, |snapshot, ctx, mut entropy| {
                        operator::assign(
                            snapshot,
                            entitlement,
                            units.into(),
                            publish,
                            ctx,
                            &mut entropy,
                        )
                    });
            }
            Op::Cancel { device } => {
                let id = self.id(device);
                if let Some(activation) = self.activation_of(&id, 0) {
                    self.gateway
                        .operate(&id, now, &mut self.luck, |snapshot, ctx, _| {
                            operator::cancel(snapshot, activation, ctx)
                        });
                }
            }
            Op::Revoke { device, place } => {
                let id = self.id(device);
                if let Some(activation) = self.activation_of(&id, place) {
                    self.gateway
                        .operate(&id, now, &mut self.luck, |snapshot, ctx, mut entropy| {
                            operator::revoke(snapshot, activation, ctx, &mut entropy)
                        });
                }
            }
            Op::Push { device } => self.push(&self.id(device)),
            Op::Clear { device } => self.clear(&self.id(device)),
            Op::SetState {
                entitlement,
                state,
                pushes,
            } => self.set_state(entitlement_id(entitlement), state, pushes),
            Op::MoveEnd { entitlement, days } => {
                let world = &mut self.gateway.world;
                let entitlement = world.entitlement_mut(entitlement_id(entitlement));
                match entitlement.map(|entitlement| &mut entitlement.term) {
                    Some(Term::Until(end)) => {
                        let micros = i64::from(days) * 86_400_000_000;
                        *end = Timestamp::from_micros(end.micros() + micros);
                    }
                    Some(Term::For { days: term, .. }) => {
                        *term = term.saturating_add_signed(days.into());
                    }
                    _ => {}
                }
            }
            Op::AddUnit { entitlement } => {
                let world = &mut self.gateway.world;
                let entitlement = world.entitlement_mut(entitlement_id(entitlement));
                if let Some(Quantity::Units(units)) =
                    entitlement.map(|entitlement| &mut entitlement.quantity)
                {
                    *units += 1;
                }
            }
            Op::Maintain { days } => self.maintain(days),
            _ => unreachable!("{op:?} is nothing that operators do"),
        }
    }

    pub(crate) fn clear(&mut self, id: &DeviceId) {
        let now = self.timestamp();
        self.gateway
            .operate(id, now, &mut self.luck, |snapshot, ctx, _| {
                Ok(operator::clear(snapshot, ctx))
            });
    }

    fn set_state(&mut self, id: EntitlementId, state: EntitlementState, pushes: bool) {
        let world = &mut self.gateway.world;
        if let Some(entitlement) = world.entitlement_mut(id) {
            entitlement.state = state;
        }
        let concerned = |device: &DeviceId| {
            let mut activations = self.gateway.world.activations(device);
            activations.any(|activation| activation.entitlement == id && activation.is_wanted())
        };
        let devices = self.cast.devices.iter().map(|identity| &identity.id);
        let devices: Vec<&DeviceId> = devices.filter(|id| pushes && concerned(id)).collect();
        for device in devices {
            self.push(device);
        }
    }

    /// Writes up to which build a right is on; its devices are told, though they have what they had.
    fn maintain(&mut self, days: Option<i16>) {
        let id = entitlement_id(MAINTAINED);
        let begin = Timestamp::from_seconds(BEGIN_SECS);
        let until = days
            .map(|days| Timestamp::from_micros(begin.micros() + i64::from(days) * 86_400_000_000));
        if let Some(entitlement) = self.gateway.world.entitlement_mut(id) {
            entitlement.maintained_until = until;
        }
        let now = self.timestamp();
        for identity in &self.cast.devices {
            let is_wanted = |held: &Activation| held.entitlement == id && held.is_wanted();
            if !self.gateway.world.activations(&identity.id).any(is_wanted) {
                continue;
            }
            self.gateway.operate(
                &identity.id,
                now,
                &mut self.luck,
                |snapshot, ctx, mut entropy| {
                    operator::refresh(snapshot, ctx, &mut entropy, true)?
                        .ok_or(OperatorError::NothingToApprove)
                },
            );
        }
    }

    fn push(&mut self, device: &DeviceId) {
        let now = self.timestamp();
        self.gateway
            .operate(device, now, &mut self.luck, |snapshot, ctx, mut entropy| {
                operator::push(snapshot, ctx, &mut entropy)
            });
    }

    /// An activation of a device that holds units.
    fn activation_of(&self, id: &DeviceId, place: u8) -> Option<ActivationId> {
        let live = || {
            let all = self.gateway.world.activations(id);
            all.filter(|activation| activation.holds_units())
        };
        let count = live().count();
        live()
            .nth(usize::from(place) % count.max(1))
            .map(|activation| activation.id)
    }
}
