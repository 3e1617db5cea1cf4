//! What operations do to firmware, hardware and network.

use fleetgrant_agent::{Ask, Instant, Record};
use fleetgrant_core::domain::{DeviceId, SetKey};
use fleetgrant_schemas::id::ActivationId;
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::topic::MessageType;

use crate::broker::{Parcel, Way};
use crate::cast::{BEGIN_SECS, COUNTED, DEVICES, FEATURES};
use crate::gateway::Gateway;
use crate::op::Op;
use crate::simulation::Simulation;
use crate::stock::code;
use crate::unit::{SimAgent, Unit};

/// Hardware that there is room for, clones included.
const MAX_UNITS: usize = 7;

impl Simulation {
    fn unit(&self, number: u8) -> usize {
        usize::from(number) % self.units.len()
    }

    pub(crate) fn id(&self, device: u8) -> DeviceId {
        self.cast.devices[usize::from(device) % DEVICES].id.clone()
    }

    /// Does what an operation says.
    pub(crate) fn perform(&mut self, op: Op) {
        match op {
            Op::Ask { unit, reason } => self.ask(unit, &Ask::for_what_is_owed(reason)),
            Op::Want {
                unit,
                feature,
                total,
                other,
            } => {
                let wants = [feature, other];
                let wants = wants.map(|feature| (FEATURES[usize::from(feature)], total.into()));
                let ask = Ask {
                    features: &wants,
                    ..Ask::for_what_is_owed(Reason::Upgrade)
                };
                self.ask(unit, &ask);
            }
            Op::GiveBack {
                unit,
                feature,
                total,
            } => self.ask(
                unit,
                &Ask {
                    features: &[(FEATURES[usize::from(feature)], total.into())],
                    ..Ask::for_what_is_owed(Reason::Return)
                },
            ),
            Op::GiveBackOne { unit, place } => {
                let held = self.activations_held(self.unit(unit));
                if let Some(activation) = held.get(usize::from(place) % held.len().max(1)) {
                    let ask = Ask {
                        concerned: &[*activation],
                        ..Ask::for_what_is_owed(Reason::Return)
                    };
                    self.ask(unit, &ask);
                }
            }
            Op::Redeem {
                unit,
                code: place,
                is_mistyped,
            } => {
                let mut code = code(place);
                code.secret[0] ^= u8::from(is_mistyped);
                let ask = Ask {
                    code: Some(code),
                    ..Ask::for_what_is_owed(Reason::Upgrade)
                };
                self.ask(unit, &ask);
            }
            Op::Use { unit, times } => {
                let place = self.unit(unit);
                for _ in 0..times {
                    let name = FEATURES[COUNTED];
                    let was_on = self.units[place].is_on();
                    let used = self.call(place, |agent, now| agent.use_one(name, now).is_ok());
                    self.units[place].uses += u64::from(used == Some(true));
                    self.units[place].unsure_uses += u64::from(used.is_none() && was_on);
                }
            }
            Op::SetClock { unit, ahead_secs } => {
                let secs = (BEGIN_SECS + self.now / 1_000).saturating_add_signed(ahead_secs);
                self.call(self.unit(unit), |agent, now| agent.set_clock(secs, now));
            }
            Op::ExportRequest { unit, reason } => {
                let ask = Ask::for_what_is_owed(reason);
                self.export(unit, |agent, buffer, now| {
                    agent.export_request(&ask, buffer, now).ok()
                });
            }
            Op::ExportAck { unit } => self.export(unit, |agent, buffer, now| {
                agent.export_ack(buffer, now).ok().flatten()
            }),
            Op::Install { unit, version } => {
                let place = self.unit(unit);
                self.units[place].power_off();
                self.units[place].version = usize::from(version);
                self.power_on(place);
            }
            Op::PowerOff { unit } => {
                let place = self.unit(unit);
                self.units[place].power_off();
            }
            Op::PowerOn { unit } => {
                let place = self.unit(unit);
                self.units[place].power_off();
                self.power_on(place);
            }
            Op::Cut { unit, cut } => self.units[self.unit(unit)].flash.cut(cut),
            Op::FailWrites { unit, writes } => self.units[self.unit(unit)].flash.fail(writes),
            Op::Disconnect {
                unit,
                loses_session,
            } => {
                let place = self.unit(unit);
                self.units[place].is_connected = false;
                if loses_session {
                    self.broker.forget_session(self.units[place].identity.place);
                }
            }
            Op::Connect { unit } => self.connect(self.unit(unit)),
            Op::Wipe { .. }
            | Op::Snapshot { .. }
            | Op::Restore { .. }
            | Op::Damage { .. }
            | Op::Clone { .. } => self.tamper(op),
            Op::Crash(crash) => self.gateway.crash = Some(crash),
            Op::Restart => self.gateway.restart(),
            Op::ForgetChains => self.gateway.forget_chains(),
            Op::Busy { requests } => self.gateway.busy = requests,
            Op::Weather(weather) => self.broker.weather = weather,
            Op::ReplayGrants { device } => {
                let device = usize::from(device);
                self.broker.replay_grants(device, self.now, &mut self.luck);
            }
            Op::Replay { messages } => {
                for _ in 0..messages {
                    self.broker.replay(self.now, &mut self.luck);
                }
            }
            Op::Pass { secs } if secs < 3_600 => self.run_for(u64::from(secs) * 1_000),
            Op::Pass { secs } => self.sleep_for(u64::from(secs) * 1_000),
            _ => self.operate(op),
        }
    }

    fn ask(&mut self, unit: u8, ask: &Ask<'_>) {
        self.call(self.unit(unit), |agent, now| {
            // An earlier one may be outstanding, or the storage full.
            let _ = agent.ask(ask, now);
            // It is made at once.
            agent.handle_timeout(now);
        });
    }

    fn export(
        &mut self,
        unit: u8,
        export: impl FnOnce(&mut SimAgent, &mut [u8], Instant) -> Option<usize>,
    ) {
        let place = self.unit(unit);
        let mut buffer = vec![0; 4_096];
        let written = self.call(place, |agent, now| export(agent, &mut buffer, now));
        let Some(len) = written.flatten() else {
            return;
        };
        buffer.truncate(len);
        let message = SimAgent::file_type(&buffer).expect("the agent wrote a message");
        if message == MessageType::Ack {
            self.units[place].note_ack(&buffer);
        }
        let parcel = Parcel {
            device: self.units[place].identity.place,
            message,
            bytes: buffer.into(),
            way: Way::File,
        };
        self.broker.publish(parcel, self.now, &mut self.luck);
    }

    fn tamper(&mut self, op: Op) {
        match op {
            Op::Wipe { unit } => {
                let place = self.unit(unit);
                let unit = &mut self.units[place];
                unit.forget();
                unit.flash.wipe();
                unit.blank_since = latest(&self.gateway, unit);
                self.gateway.audit.tampered.insert(unit.identity.id.clone());
            }
            Op::Snapshot { unit } => {
                let place = self.unit(unit);
                self.units[place].snapshot = Some(self.units[place].flash.copy());
            }
            Op::Restore { unit, records } => {
                let place = self.unit(unit);
                let unit = &mut self.units[place];
                if let Some(snapshot) = unit.snapshot.clone() {
                    unit.forget();
                    unit.flash.take_over(&snapshot, records);
                    unit.is_tampered = true;
                    self.gateway.audit.tampered.insert(unit.identity.id.clone());
                }
            }
            Op::Damage {
                unit,
                record,
                place,
            } => {
                let unit_place = self.unit(unit);
                let unit = &mut self.units[unit_place];
                unit.forget();
                unit.flash
                    .damage(Record::ALL[usize::from(record)], place.into());
                self.gateway.audit.tampered.insert(unit.identity.id.clone());
            }
            Op::Clone { unit } if self.units.len() < MAX_UNITS => {
                let original = self.unit(unit);
                let original = &mut self.units[original];
                original.is_tampered = true;
                let mut clone = Unit::new(original.identity, original.flash.copy());
                clone.is_tampered = true;
                self.gateway
                    .audit
                    .tampered
                    .insert(clone.identity.id.clone());
                self.units.push(clone);
                let place = self.units.len() - 1;
                self.connect(place);
                self.power_on(place);
            }
            _ => {}
        }
    }

    fn activations_held(&self, place: usize) -> Vec<ActivationId> {
        let unit = &self.units[place];
        let sold = unit
            .held
            .and_then(|key| self.gateway.audit.set(&unit.identity.id, key));
        sold.map(|sold| sold.rights.iter().map(|right| right.activation).collect())
            .unwrap_or_default()
    }
}

fn latest(gateway: &Gateway, unit: &Unit) -> Option<SetKey> {
    let latest = gateway.world.latest_set(&unit.identity.id)?;
    Some(latest.set.key)
}
