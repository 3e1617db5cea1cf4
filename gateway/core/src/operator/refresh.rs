//! What reaches a device when something changes that it has a right to.

use super::OperatorError;
use crate::context::{Context, Entropy};
use crate::outcome::{Answer, Outcome};
use crate::snapshot::Snapshot;
use crate::turn::{Turn, Why};

/// Writes a set for a device of which something has changed; none, if a set written now would not
/// differ from the latest, unless `anew` says that it does: it tells something else of what the
/// device has. A device that has no key gets its set when it asks.
///
/// # Errors
/// [`OperatorError::GenerationsExhausted`].
pub fn refresh<E: Entropy>(
    snapshot: Snapshot,
    ctx: Context<'_>,
    entropy: &mut E,
    anew: bool,
) -> Result<Option<Outcome>, OperatorError> {
    let mut turn = Turn::new(snapshot, ctx, entropy);
    if turn.device.key().is_none() || (!anew && turn.would_change_nothing()?) {
        return Ok(None);
    }
    turn.push(None, Why::Changed)?;
    Ok(Some(turn.finish(Answer::None)))
}
