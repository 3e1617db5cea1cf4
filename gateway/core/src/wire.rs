//! From the wire's borrowed types to this crate's owned ones.

use fleetgrant_schemas::ack::Ack;
use fleetgrant_schemas::envelope::Verified;
use fleetgrant_schemas::request::{self, Request};
use fleetgrant_schemas::topic::MessageType;
use fleetgrant_schemas::{Held, Malformed, OemId, Platform, Want};

use crate::ask::{self, Fault};
use crate::domain::{DeviceId, FeatureName, Realm, Seq, Timestamp};

/// What a verified message says.
#[derive(Debug)]
pub enum Said {
    /// A request for this realm.
    Request(ask::Ask),
    /// An acknowledgement for this realm.
    Ack(ask::Acknowledgement),
    /// What cannot be decided on.
    Unfit(ask::Unfit),
}

/// Reads what a device signed; `sender` is the device whose certificate has the key, `realm` the
/// gateway's.
#[must_use]
pub fn read(verified: &Verified<'_>, sender: &DeviceId, realm: &Realm) -> Said {
    let read = match verified.message() {
        MessageType::Request => read_request(verified, sender, realm),
        MessageType::Ack => read_ack(verified, sender, realm),
        MessageType::Grant | MessageType::Notice | MessageType::Keys => Err(Malformed::Type.into()),
    };
    read.unwrap_or_else(|fault| {
        Said::Unfit(ask::Unfit {
            message: verified.message(),
            fault,
            nonce: match verified.message() {
                MessageType::Request => request::nonce_of_refused(verified.payload()),
                _ => None,
            },
        })
    })
}

fn read_request(verified: &Verified<'_>, sender: &DeviceId, realm: &Realm) -> Result<Said, Fault> {
    let request: Request<'_> = verified.read()?;
    speaks_for_itself(request.device.as_str(), sender)?;
    is_for(request.realm, realm)?;
    Ok(Said::Request(ask(&request)?))
}

fn read_ack(verified: &Verified<'_>, sender: &DeviceId, realm: &Realm) -> Result<Said, Fault> {
    let ack: Ack<'_> = verified.read()?;
    speaks_for_itself(ack.device.as_str(), sender)?;
    is_for(ack.realm, realm)?;
    Ok(Said::Ack(acknowledgement(&ack)?))
}

fn is_for(audience: &str, realm: &Realm) -> Result<(), Fault> {
    if audience == realm.as_str() {
        Ok(())
    } else {
        Err(Fault::OtherRealm(audience.to_owned()))
    }
}

/// `iss` must be the device of the certificate, as the topic is.
fn speaks_for_itself(issuer: &str, sender: &DeviceId) -> Result<(), Malformed> {
    if issuer == sender.as_str() {
        Ok(())
    } else {
        Err(Malformed::OutOfRange)
    }
}

fn ask(request: &Request<'_>) -> Result<ask::Ask, Malformed> {
    Ok(ask::Ask {
        seq: Seq::new(request.seq).map_err(|_| Malformed::OutOfRange)?,
        held: request.held.map(held).transpose()?,
        key_set: request.key_set,
        reason: reason(request.reason),
        nonce: request.nonce,
        wants: request.wants.iter().map(want).collect::<Result<_, _>>()?,
        usage: request.usage.iter().map(usage).collect(),
        concerned: request.concerned.iter().collect(),
        challenge: request.challenge,
        max_down: request.receiver.max_down,
        facts: facts(&request.platform, request.issued_at),
    })
}

fn acknowledgement(ack: &Ack<'_>) -> Result<ask::Acknowledgement, Malformed> {
    Ok(ask::Acknowledgement {
        n: ack.n,
        held: held(ack.held)?,
        issued_at: ack.issued_at.map(Timestamp::from_seconds),
        exceptions: ack
            .exceptions
            .iter()
            .map(|exception| ask::Exception {
                activation: exception.activation,
                outcome: exception.outcome,
                reason: exception.reason,
            })
            .collect(),
        usage: ack.usage.iter().map(usage).collect(),
    })
}

fn held(held: Held) -> Result<ask::Held, Malformed> {
    ask::Held::new(held.epoch, held.generation, held.cti).map_err(|_| Malformed::OutOfRange)
}

fn want(want: Want<'_>) -> Result<ask::Want, Malformed> {
    Ok(match want {
        Want::Feature { feature, total } => ask::Want::Feature {
            feature: FeatureName::new(feature).map_err(|_| Malformed::OutOfRange)?,
            total,
        },
        Want::Code(claim) => ask::Want::Code {
            id: claim.id,
            proof: claim.proof,
        },
    })
}

/// Uses of one activation that are told apart, at most: nobody makes more, and their sums must fit
/// the columns of every database.
const MAX_USES: u64 = 1 << 53;

fn usage(usage: fleetgrant_schemas::Usage) -> ask::Usage {
    ask::Usage {
        activation: usage.activation,
        total: usage.total.min(MAX_USES),
    }
}

const fn reason(reason: request::Reason) -> ask::Reason {
    match reason {
        request::Reason::Boot => ask::Reason::Boot,
        request::Reason::Factory => ask::Reason::Factory,
        request::Reason::Renew => ask::Reason::Renew,
        request::Reason::Upgrade => ask::Reason::Upgrade,
        request::Reason::Return => ask::Reason::Return,
        request::Reason::Rehost => ask::Reason::Rehost,
        request::Reason::Temporary => ask::Reason::Temporary,
        request::Reason::Keys => ask::Reason::Keys,
    }
}

fn facts(platform: &Platform<'_>, issued_at: Option<u64>) -> ask::Facts {
    let maker = platform.oem_id.map(|oem| match oem {
        OemId::Pen(number) => number.to_string(),
        OemId::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    });
    ask::Facts {
        hardware: maker
            .zip(platform.hw_model)
            .map(|(maker, model)| ask::Hardware {
                maker,
                model: model.to_vec(),
            }),
        boot_count: platform.boot_count,
        software: platform.sw_name.map(str::to_owned),
        version: platform.sw_version.map(str::to_owned),
        clock: issued_at.map(Timestamp::from_seconds),
    }
}
