//! Approving what policy does not give unasked.

use std::collections::BTreeSet;

use super::{OperatorError, Publish, publish_now};
use crate::ask::{Ask, Channel, Facts, Reason, Request, Sender, Verdict as Identity, Want};
use crate::context::{Context, Entropy};
use crate::decide::Verdict;
use crate::domain::{DeviceNonce, KeyThumbprint, MessageDigest, Seq};
use crate::outcome::{Answer, Outcome};
use crate::quota::Leave;
use crate::rule::Rule;
use crate::snapshot::Snapshot;
use crate::turn::{NoRoom, Turn};

/// Does for a device what it asked for and what waits for an approval. It is decided anew, on what
/// holds now: an approval passes over modes and quotas, and over no other rule.
///
/// # Errors
/// If a rule denies it whoever approves, or there is nothing left to do.
pub fn approve<E: Entropy>(
    snapshot: Snapshot,
    reason: Reason,
    want: &Want,
    publish: Publish,
    ctx: Context<'_>,
    entropy: &mut E,
) -> Result<Outcome, OperatorError> {
    let mut turn = Turn::new(snapshot, ctx, entropy);
    turn.check_in_service()?;
    turn.leave = Leave::Approval;
    let request = turn.as_if_asked(reason, vec![want.clone()]);
    let plan = turn.decide(&request, &BTreeSet::new());
    match plan.verdicts.first() {
        Some((_, Verdict::Denied(refusal))) => return Err(OperatorError::Limited(*refusal)),
        Some((_, Verdict::Planned)) => {}
        Some((_, Verdict::Served)) | None => return Err(OperatorError::NothingToApprove),
    }
    let (ledger, done) = turn.carry_out(&plan, &request)?;
    if !turn.has_room(&ledger, &NoRoom::new()) {
        return Err(OperatorError::Denied(Rule::SetFull));
    }
    turn.ledger = ledger;
    turn.count_quotas(&plan, &done);
    turn.record_verdicts(&plan, &done, &request.ask);
    // What is let go is out of the set at once, or it would not be let go.
    match publish {
        Publish::AtContact if plan.give_backs.is_empty() => Ok(turn.finish(Answer::None)),
        _ => publish_now(turn),
    }
}

impl<E: Entropy> Turn<'_, E> {
    /// The request as the device would make it now.
    pub(super) fn as_if_asked(&self, reason: Reason, wants: Vec<Want>) -> Request {
        Request {
            digest: MessageDigest([0; 32]),
            sender: Sender {
                key: self.device.key().unwrap_or(KeyThumbprint([0; 32])),
                verdict: Identity::Pinned,
                channel: Channel::Online,
            },
            ask: Ask {
                seq: Seq::ZERO,
                held: None,
                key_set: self.device.key_set,
                reason,
                nonce: DeviceNonce([0; 16]),
                wants,
                usage: Vec::new(),
                concerned: Vec::new(),
                challenge: None,
                max_down: self.device.max_down,
                facts: Facts::default(),
            },
        }
    }
}
