//! What holds for the whole installation; what a tier is allowed is [`crate::tier`].

use fleetgrant_schemas::limits;

use crate::delivery::Pauses;

/// What holds for the whole installation. Durations are seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Units that one want may name in total.
    pub max_units_per_want: u32,
    /// Resyncs within a week from which on a clone is suspected.
    pub resync_limit: u16,
    /// Wrong codes of one device within a day, after which its codes are refused unread.
    pub code_failures_per_device: u16,
    /// Wrong proofs for one code, after which it is refused for all.
    pub code_failures_per_code: u16,
    /// Messages refused without counting that the history tells of each device and day. All are
    /// counted elsewhere.
    pub refusals_told_per_day: u16,
    /// After so long a device asks again, where its tier says nothing else.
    pub renew_after: u32,
    /// After so long a denied want may be asked for again, where time alone may lift it.
    pub retry_after: u32,
    /// Between one push of a set that is not acknowledged and the next.
    pub push_pauses: Pauses,
    /// How long a grant can be installed.
    pub install_window: u64,
    /// How long past end and grace a unit counts as held without proof.
    pub slack: u64,
    /// How long a removal waits for proof before it is shown as orphaned.
    pub orphan_after: u64,
    /// How long a challenge is good for, sent over the wire.
    pub challenge_lifetime: u64,
    /// How long a challenge is good for, sent in a file.
    pub challenge_lifetime_offline: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_units_per_want: 10_000,
            resync_limit: 3,
            code_failures_per_device: 10,
            code_failures_per_code: 100,
            refusals_told_per_day: 10,
            renew_after: 7 * 86_400,
            retry_after: 3_600,
            push_pauses: Pauses::default(),
            install_window: limits::INSTALL_WINDOW,
            slack: limits::SLACK,
            orphan_after: 90 * 86_400,
            challenge_lifetime: limits::CHALLENGE_LIFETIME,
            challenge_lifetime_offline: limits::CHALLENGE_LIFETIME_OFFLINE,
        }
    }
}
