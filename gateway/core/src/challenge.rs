//! Challenges: proof that a request was signed after the gateway last spoke.
//!
//! Each grant and each notice that asks for one carries a challenge. A request that echoes it was
//! signed after that; a request signed beforehand and kept back cannot. A request that counts
//! uses up every challenge, whether it needed one or not, so that a message the broker held
//! back can never be taken for a fresh one.

use crate::device::{Challenges, IssuedChallenge};
use crate::domain::{Challenge, SetKey, Timestamp};

/// A challenge that was echoed in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Echo {
    /// It came in a `stale-seq` notice. A device acts on such a notice only if it answers the
    /// nonce of its own outstanding request, so nobody else can bring this about.
    pub(crate) resync: bool,
    /// What had been acknowledged when it was sent, and so before the request was signed.
    pub(crate) acked: Option<SetKey>,
}

impl Challenges {
    /// Finds the challenge that a request echoes.
    pub(crate) fn find(&self, echoed: Option<Challenge>, now: Timestamp) -> Option<Echo> {
        let echoed = echoed?;
        let slots = [
            (self.newest, false),
            (self.previous, false),
            (self.resync, true),
        ];
        slots.into_iter().find_map(|(issued, resync)| {
            issued
                .filter(|issued| issued.value == echoed && now < issued.expires_at)
                .map(|issued| Echo {
                    resync,
                    acked: issued.acked,
                })
        })
    }

    /// The challenge to send now: the newest, while at least half its lifetime is left, so that
    /// what the device has in hand stays good; or else `fresh`.
    pub(crate) fn offer(
        &mut self,
        fresh: Challenge,
        now: Timestamp,
        lifetime: u64,
        acked: Option<SetKey>,
    ) -> Challenge {
        let good = now.plus_seconds(lifetime / 2);
        match self.newest {
            Some(newest) if newest.expires_at >= good => newest.value,
            older => {
                self.previous = older.filter(|older| now < older.expires_at);
                self.newest = Some(IssuedChallenge {
                    value: fresh,
                    expires_at: now.plus_seconds(lifetime),
                    acked,
                });
                fresh
            }
        }
    }

    /// The challenge for a `stale-seq` notice: the same for every stale message, or a broker that
    /// replays would make the device's worthless; but no older than the last acknowledgement,
    /// which is what it is compared with.
    pub(crate) fn offer_resync(
        &mut self,
        fresh: Challenge,
        now: Timestamp,
        lifetime: u64,
        acked: Option<SetKey>,
    ) -> Challenge {
        let good = now.plus_seconds(lifetime / 2);
        match self.resync {
            Some(resync) if resync.expires_at >= good && resync.acked == acked => resync.value,
            _ => {
                self.resync = Some(IssuedChallenge {
                    value: fresh,
                    expires_at: now.plus_seconds(lifetime),
                    acked,
                });
                fresh
            }
        }
    }
}
