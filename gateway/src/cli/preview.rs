//! What an act would do, for a person to look at before it is done.

use fleetgrant_core::outcome::Outcome;

use super::output::{self, Format, row};
use super::{Failure, OrUnavailable};
use crate::http::acts::Acted;

row!(
    /// A change that an act makes.
    ChangeLine {
        device: String,
        activation: String,
        units: i64,
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

/// Shows what another gateway says that acts would change.
pub(super) fn print_acted(acted: &[Acted]) -> Result<(), Failure> {
    let lines: Vec<_> = acted.iter().flat_map(lines_acted).collect();
    output::print(Format::Table, &lines).or_unavailable(|| "cannot write the preview".to_owned())
}

fn lines_acted(acted: &Acted) -> Vec<ChangeLine> {
    let changes = acted.activations.iter().map(|activation| {
        let used = acted.quotas.iter().find(|used| {
            used.entitlement == activation.entitlement && i64::from(used.units) == activation.units
        });
        ChangeLine {
            device: acted.device.clone(),
            activation: activation.id.to_string(),
            units: activation.units,
            kind: activation.kind.to_string(),
            becomes: activation.state.to_string(),
            ends: activation.ends_at.map(|at| at.to_string()),
            of_quota: used.map(|used| format!("{} of {}", used.units, used.kind)),
            policy: acted.policy.clone(),
        }
    });
    changes.collect()
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
            units: activation.units.into(),
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
