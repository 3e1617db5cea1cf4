//! What happens to a fleet, as a list that can be run again and made shorter.

use fleetgrant_schemas::request::Reason;

use crate::broker::Weather;
use crate::cast::{DEVICES, FEATURES};
use crate::chance::Chance;
use crate::flash::Cut;
use crate::gateway::Crash;
use crate::stock::{CODES, ENTITLEMENTS};

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
    /// A feature is used.
    Use {
        unit: u8,
        feature: u8,
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
    Suspend {
        entitlement: u8,
    },
    Hold {
        entitlement: u8,
    },
    Resume {
        entitlement: u8,
    },
    Extend {
        entitlement: u8,
        days: u8,
    },
    AddUnit {
        entitlement: u8,
    },

    /// The gateway ends at its next transaction.
    Crash(Crash),
    Restart,
    /// Requests are over their rate.
    Busy {
        requests: u8,
    },

    Weather(Weather),
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

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Whatever broker, network, power, people and gateway do; storage keeps what it was given.
    Honest,
    /// And storage is wiped, set back and copied.
    Tampered,
}

/// A schedule of so many steps.
pub(crate) fn plan(mix: Mix, steps: usize, luck: &mut Chance) -> Vec<Step> {
    let draw = |luck: &mut Chance| Step {
        op: op(mix, luck),
        luck: luck.draw(),
    };
    (0..steps).map(|_| draw(luck)).collect()
}

fn op(mix: Mix, luck: &mut Chance) -> Op {
    let tampering = match mix {
        Mix::Honest => 0,
        Mix::Tampered => 14,
    };
    match luck.below(86 + tampering) {
        0..30 => firmware(luck),
        30..48 => hardware(luck),
        48..62 => operator(luck),
        62..74 => network(luck),
        74..78 => gateway(luck),
        78..86 => pass(luck),
        _ => tamper(luck),
    }
}

fn firmware(luck: &mut Chance) -> Op {
    let unit = luck.byte_below(8);
    let feature = luck.byte_below(FEATURES.len() as u8);
    let reason = [Reason::Boot, Reason::Renew, Reason::Upgrade][luck.below(3) as usize];
    match luck.below(20) {
        0..3 => Op::Ask { unit, reason },
        3..9 => Op::Want {
            unit,
            feature,
            total: luck.byte_below(3) + 1,
        },
        9..11 => Op::GiveBack {
            unit,
            feature,
            total: luck.byte_below(2),
        },
        11..13 => Op::GiveBackOne {
            unit,
            place: luck.byte_below(8),
        },
        13..15 => Op::Redeem {
            unit,
            code: luck.byte_below(CODES),
            is_mistyped: luck.percent(20),
        },
        15..17 => Op::Use {
            unit,
            // Half of them of what is counted.
            feature: if luck.percent(50) { 3 } else { feature },
        },
        17 => Op::SetClock {
            unit,
            ahead_secs: [-86_400, 0, 3_600, 30 * 86_400][luck.below(4) as usize],
        },
        18 => Op::ExportRequest { unit, reason },
        _ => Op::ExportAck { unit },
    }
}

fn hardware(luck: &mut Chance) -> Op {
    let unit = luck.byte_below(8);
    match luck.below(20) {
        0..3 => Op::PowerOff { unit },
        3..7 => Op::PowerOn { unit },
        7..13 => Op::Cut {
            unit,
            cut: Cut {
                after: luck.byte_below(4),
                keeps_new: luck.percent(50),
            },
        },
        13 => Op::FailWrites {
            unit,
            writes: luck.byte_below(4) + 1,
        },
        14..16 => Op::Disconnect {
            unit,
            loses_session: luck.percent(50),
        },
        _ => Op::Connect { unit },
    }
}

fn operator(luck: &mut Chance) -> Op {
    let device = luck.byte_below(DEVICES as u8);
    let entitlement = luck.byte_below(ENTITLEMENTS);
    match luck.below(20) {
        0..6 => Op::Assign {
            device,
            entitlement,
            units: luck.byte_below(2) + 1,
            at_contact: luck.percent(40),
        },
        6..8 => Op::Cancel { device },
        8..12 => Op::Revoke {
            device,
            place: luck.byte_below(8),
        },
        12 => Op::Push { device },
        13 => Op::Clear { device },
        14 => Op::Suspend { entitlement },
        15 => Op::Hold { entitlement },
        16..18 => Op::Resume { entitlement },
        18 => Op::Extend {
            entitlement,
            days: luck.byte_below(30) + 1,
        },
        _ => Op::AddUnit { entitlement },
    }
}

fn network(luck: &mut Chance) -> Op {
    match luck.below(12) {
        0..6 => Op::Replay {
            messages: luck.byte_below(12) + 1,
        },
        6 => Op::Weather(Weather::FAIR),
        7 => Op::Weather(Weather::OUTAGE),
        _ => Op::Weather(Weather {
            lost: luck.byte_below(60),
            doubled: luck.byte_below(50),
            late: luck.byte_below(40),
        }),
    }
}

fn gateway(luck: &mut Chance) -> Op {
    match luck.below(4) {
        0 => Op::Crash(Crash::BeforeCommit),
        1 => Op::Crash(Crash::AfterCommit),
        2 => Op::Restart,
        _ => Op::Busy {
            requests: luck.byte_below(4) + 1,
        },
    }
}

fn pass(luck: &mut Chance) -> Op {
    let secs = match luck.below(8) {
        0..3 => 60 + luck.below(3_600),
        3..5 => luck.below(86_400),
        5..7 => luck.below(8 * 86_400),
        _ => luck.below(40 * 86_400),
    };
    Op::Pass { secs: secs as u32 }
}

fn tamper(luck: &mut Chance) -> Op {
    let unit = luck.byte_below(8);
    match luck.below(14) {
        0..3 => Op::Wipe { unit },
        3..7 => Op::Snapshot { unit },
        7..12 => Op::Restore {
            unit,
            // All of them half the time.
            records: if luck.percent(50) {
                0xf
            } else {
                luck.byte_below(16)
            },
        },
        _ => Op::Clone { unit },
    }
}
