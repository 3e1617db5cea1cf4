//! What an act would do, for a person to look at before it is done.

use fleetgrant_core::outcome::Outcome;

use super::output::{self, Format, row};
use super::{Failure, OrUnavailable};

row!(
    /// A change that an act makes.
    ChangeLine {
        device: String,
        activation: String,
        units: u32,
        kind: String,
        becomes: String,
        ends: Option<String>,
        of_quota: Option<String>,
        policy: String,
    }
);

/// Shows what these would change.
pub(super) fn print(outcomes: &[Outcome]) -> Result<(), Failure> {
    let lines: Vec<_> = outcomes.iter().flat_map(lines).collect();
    output::print(Format::Table, &lines).or_unavailable(|| "cannot write the preview".to_owned())
}

fn lines(outcome: &Outcome) -> Vec<ChangeLine> {
    let changes = outcome.activations.iter().map(|change| {
        let activation = change.activation();
        let used = outcome.uses.iter().find(|used| {
            used.entitlement == activation.entitlement && used.units == activation.units
        });
        ChangeLine {
            device: outcome.device.id.to_string(),
            activation: activation.id.to_string(),
            units: activation.units,
            kind: activation.kind.to_string(),
            becomes: activation.standing.state().to_string(),
            ends: activation
                .run
                .and_then(|run| run.end)
                .map(|end| end.to_string()),
            of_quota: used.map(|used| format!("{} of {}", used.units, used.kind)),
            policy: outcome.policy.to_string(),
        }
    });
    changes.collect()
}
