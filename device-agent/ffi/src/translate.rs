//! What the agent says, in the words of C.

use fleetgrant_agent::{Event, Off, Record, Status, Taken};
use fleetgrant_schemas::Want;
use fleetgrant_schemas::entitlement::{Entitlement, Model};
use fleetgrant_schemas::topic::MessageType;

use crate::status::fg_status;
use crate::types::{
    fg_denial, fg_event, fg_event_kind, fg_feature, fg_feature_state, fg_message, fg_model, fg_off,
    fg_record, fg_right, fg_slice, fg_taken, fg_taken_kind,
};

pub(crate) const fn message_number(message: MessageType) -> u32 {
    let message = match message {
        MessageType::Request => fg_message::Request,
        MessageType::Ack => fg_message::Ack,
        MessageType::Grant => fg_message::Grant,
        MessageType::Notice => fg_message::Notice,
        MessageType::Keys => fg_message::Keys,
    };
    message as u32
}

pub(crate) fn message_type(number: u32) -> Option<MessageType> {
    let mut all = MessageType::ALL.iter().copied();
    all.find(|message| message_number(*message) == number)
}

const fn record_number(record: Record) -> u32 {
    let record = match record {
        Record::Set => fg_record::Set,
        Record::State => fg_record::State,
        Record::Keys => fg_record::Keys,
        Record::Usage => fg_record::Usage,
    };
    record as u32
}

pub(crate) fn event(event: &Event) -> fg_event {
    let mut told = fg_event::default();
    let kind = match event {
        Event::Installed { generation, denied } => {
            told.generation = *generation;
            told.denied = u32::from(*denied);
            fg_event_kind::Installed
        }
        Event::Notice(code) => {
            told.notice = code.number().into();
            fg_event_kind::Notice
        }
        Event::KeysInstalled { generation } => {
            told.generation = u64::from(*generation);
            fg_event_kind::KeysInstalled
        }
        Event::FeatureChanged { feature, on } => {
            told.feature = u32::from(*feature);
            told.on = u32::from(*on);
            fg_event_kind::FeatureChanged
        }
        Event::Refused { message, reason } => {
            told.message = message_number(*message);
            told.reason = fg_status::from(*reason) as i32;
            fg_event_kind::Refused
        }
        Event::Storage { record, reason } => {
            told.record = record_number(*record);
            told.reason = fg_status::from(*reason) as i32;
            fg_event_kind::Storage
        }
        Event::CannotAsk(reason) => {
            told.reason = fg_status::from(*reason) as i32;
            fg_event_kind::CannotAsk
        }
    };
    told.kind = kind as u32;
    told
}

pub(crate) fn taken(taken: &Taken<'_>) -> fg_taken {
    const EMPTY: fg_slice = fg_slice::of(&[]);
    let mut told = fg_taken {
        kind: 0,
        generation: 0,
        rights: 0,
        notice: 0,
        retry_after: -1,
        text: EMPTY,
        denials_len: 0,
        denials: [fg_denial {
            feature: EMPTY,
            rule: EMPTY,
            retry_after: -1,
        }; 8],
    };
    let kind = match taken {
        Taken::Installed(grant) | Taken::Again(grant) => {
            told.generation = grant.generation;
            told.rights = grant.entitlements.len() as u32;
            for (slot, denial) in told.denials.iter_mut().zip(grant.denials.iter()) {
                if let Want::Feature { feature, .. } = denial.want {
                    slot.feature = fg_slice::of(feature.as_bytes());
                }
                slot.rule = fg_slice::of(denial.rule.as_bytes());
                slot.retry_after = denial.retry_after.map_or(-1, i64::from);
                told.denials_len += 1;
            }
            match taken {
                Taken::Installed(_) => fg_taken_kind::Installed,
                _ => fg_taken_kind::Again,
            }
        }
        Taken::Notice(notice) => {
            told.notice = notice.code.number().into();
            told.retry_after = notice.retry_after.map_or(-1, i64::from);
            told.text = fg_slice::of(notice.text.unwrap_or_default().as_bytes());
            fg_taken_kind::Notice
        }
        Taken::Keys(set) => {
            told.generation = set.generation.into();
            fg_taken_kind::Keys
        }
    };
    told.kind = kind as u32;
    told
}

pub(crate) fn right(right: &Entitlement<'_>) -> fg_right {
    fg_right {
        feature: fg_slice::of(right.feature.as_bytes()),
        vendor_data: fg_slice::of(right.vendor_data.unwrap_or_default()),
        version_ceiling: fg_slice::of(right.version_ceiling.unwrap_or_default().as_bytes()),
        activation: right.activation.0,
        model: model_number(right.model),
        grace: right.grace.unwrap_or(0),
        start: right.start.unwrap_or(0),
        end: right.end.unwrap_or(u64::MAX),
        count: right.count.unwrap_or(u64::MAX),
        build_ceiling: right.build_ceiling.unwrap_or(u64::MAX),
        ends_at_next_start: u32::from(right.end_effect.is_some()),
    }
}

const fn model_number(model: Model) -> u32 {
    let model = match model {
        Model::Perpetual => fg_model::Perpetual,
        Model::Subscription => fg_model::Subscription,
        Model::Evaluation => fg_model::Evaluation,
        Model::Temporary => fg_model::Temporary,
        Model::Metered => fg_model::Metered,
        Model::Counted => fg_model::Counted,
        Model::Maintenance => fg_model::Maintenance,
    };
    model as u32
}

pub(crate) fn feature(status: &Status) -> fg_feature {
    let (state, off, until, remaining) = match *status {
        Status::On { until, remaining } => (fg_feature_state::On, 0, until, remaining),
        Status::Grace { until, remaining } => (fg_feature_state::Grace, 0, until, remaining),
        Status::Off(off) => (fg_feature_state::Off, off_number(off), Some(0), Some(0)),
    };
    fg_feature {
        state: state as u32,
        off,
        until: until.unwrap_or(u64::MAX),
        remaining: remaining.unwrap_or(u64::MAX),
    }
}

const fn off_number(off: Off) -> u32 {
    let off = match off {
        Off::NotGranted => fg_off::NotGranted,
        Off::VersionCeiling => fg_off::VersionCeiling,
        Off::BuildCeiling => fg_off::BuildCeiling,
        Off::NotStarted => fg_off::NotStarted,
        Off::Ended => fg_off::Ended,
        Off::LeaseEnded => fg_off::LeaseEnded,
        Off::UsedUp => fg_off::UsedUp,
    };
    off as u32
}
