//! Draws schedules.

use fleetgrant_agent::Record;
use fleetgrant_core::domain::EntitlementState;
use fleetgrant_schemas::request::Reason;

use crate::broker::Weather;
use crate::cast::{DEVICES, FEATURES};
use crate::chance::Chance;
use crate::flash::Cut;
use crate::gateway::Crash;
use crate::op::{Op, Step};
use crate::stock::{CODES, ENTITLEMENTS};

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
        Mix::Tampered => 16,
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
            total: luck.byte_below(4) + 1,
            other: luck.byte_below(FEATURES.len() as u8),
        },
        9..11 => Op::GiveBack {
            unit,
            feature,
            total: luck.byte_below(3),
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
            times: luck.byte_below(4) + 1,
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
        0 => Op::Install {
            unit,
            version: luck.byte_below(2),
        },
        1..3 => Op::PowerOff { unit },
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
    match luck.below(26) {
        24..26 => Op::Maintain {
            days: [None, Some(-200), Some(20), Some(100)][luck.below(4) as usize],
        },
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
        14..22 => Op::SetState {
            entitlement,
            state: match luck.below(5) {
                0 | 1 => EntitlementState::Suspended,
                2 => EntitlementState::Hold,
                _ => EntitlementState::Active,
            },
            pushes: luck.percent(60),
        },
        22 => Op::MoveEnd {
            entitlement,
            days: luck.byte_below(50) as i8 - 20,
        },
        _ => Op::AddUnit { entitlement },
    }
}

fn network(luck: &mut Chance) -> Op {
    match luck.below(12) {
        0 | 1 => Op::ReplayGrants {
            device: luck.byte_below(DEVICES as u8),
        },
        2..6 => Op::Replay {
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
    match luck.below(6) {
        0 | 1 => Op::Crash(Crash::BeforeCommit),
        2 | 3 => Op::Crash(Crash::AfterCommit),
        4 if luck.percent(50) => Op::ForgetChains,
        4 => Op::Restart,
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
    match luck.below(16) {
        0..3 => Op::Wipe { unit },
        14..16 => Op::Damage {
            unit,
            record: luck.byte_below(Record::ALL.len() as u8),
            place: luck.byte_below(u8::MAX),
        },
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
