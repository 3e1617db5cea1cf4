//! What happens to a fleet, as a list that can be run again and made shorter.

use fleetgrant_core::domain::EntitlementState;
use fleetgrant_schemas::request::Reason;

use crate::broker::Weather;
use crate::flash::Cut;
use crate::gateway::Crash;

/// One thing that happens. Units and activations are numbered; a number without anything behind
/// it counts from the start again, so that any list of operations can be run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// The firmware asks for what is owed.
    Ask {
        unit: u8,
        reason: Reason,
    },
    /// The firmware wants so many units of a feature in total.
    Want {
        unit: u8,
        feature: u8,
        total: u8,
        /// As many of this one too; it may be the same.
        other: u8,
    },
    /// The firmware gives back all above so many units.
    GiveBack {
        unit: u8,
        feature: u8,
        total: u8,
    },
    /// The firmware gives back one activation.
    GiveBackOne {
        unit: u8,
        place: u8,
    },
    /// Somebody types in an activation code.
    Redeem {
        unit: u8,
        code: u8,
        is_mistyped: bool,
    },
    /// A counted feature is used.
    Use {
        unit: u8,
        times: u8,
    },
    /// The wall clock of a device is set.
    SetClock {
        unit: u8,
        ahead_secs: i64,
    },
    /// A request is carried away in a file.
    ExportRequest {
        unit: u8,
        reason: Reason,
    },
    /// An acknowledgement is carried away in a file.
    ExportAck {
        unit: u8,
    },

    /// The firmware is replaced, by a newer or an older one.
    Install {
        unit: u8,
        version: u8,
    },
    PowerOff {
        unit: u8,
    },
    PowerOn {
        unit: u8,
    },
    /// The power will fail at a write.
    Cut {
        unit: u8,
        cut: Cut,
    },
    /// Writes will fail.
    FailWrites {
        unit: u8,
        writes: u8,
    },
    Disconnect {
        unit: u8,
        loses_session: bool,
    },
    Connect {
        unit: u8,
    },

    /// The storage is emptied.
    Wipe {
        unit: u8,
    },
    /// The storage is copied, to be put back later.
    Snapshot {
        unit: u8,
    },
    /// The records whose bit is set are put back.
    Restore {
        unit: u8,
        records: u8,
    },
    /// A byte of a record is changed.
    Damage {
        unit: u8,
        record: u8,
        place: u8,
    },
    /// A second device with the same key and storage.
    Clone {
        unit: u8,
    },

    Assign {
        device: u8,
        entitlement: u8,
        units: u8,
        at_contact: bool,
    },
    Cancel {
        device: u8,
    },
    Revoke {
        device: u8,
        place: u8,
    },
    Push {
        device: u8,
    },
    Clear {
        device: u8,
    },
    /// The state of an entitlement changes, and perhaps its devices are told.
    SetState {
        entitlement: u8,
        state: EntitlementState,
        pushes: bool,
    },
    /// The end of an entitlement is put off, or brought forward.
    MoveEnd {
        entitlement: u8,
        days: i8,
    },
    AddUnit {
        entitlement: u8,
    },
    /// Maintenance is renewed, ends or is sold, so that rights are on for firmware built before a
    /// day, counted from the beginning; none: for any.
    Maintain {
        days: Option<i16>,
    },

    /// The gateway ends at its next transaction.
    Crash(Crash),
    Restart,
    /// The gateway's trust anchors change: every chain must be shown anew.
    ForgetChains,
    /// Requests are over their rate.
    Busy {
        requests: u8,
    },

    Weather(Weather),
    /// The broker publishes again all that a device was ever sent.
    ReplayGrants {
        device: u8,
    },
    /// The broker publishes again what it has seen.
    Replay {
        messages: u8,
    },
    Pass {
        secs: u32,
    },
}

/// An operation, and the luck of everything that happens until the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) op: Op,
    pub(crate) luck: u64,
}
