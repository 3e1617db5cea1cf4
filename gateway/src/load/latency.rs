//! From a device's request to the commit of its acknowledgement, both by this machine's clock.

use std::collections::HashMap;
use std::time::Duration;

use fleetgrant_core::domain::Timestamp;

use super::LoadError;
use crate::store::Store;
use crate::store::conversation::acknowledged;

/// When each device asked, in the order in which it did.
pub(super) type Asked = HashMap<String, Vec<Timestamp>>;

/// How long the last acknowledgements may take to be committed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until every ask of this phase has an activation that the device signed for, and pairs
/// them. Each device had `earlier` of them in the phases before.
pub(super) async fn settle(
    store: &Store,
    asked: &Asked,
    earlier: usize,
) -> Result<Vec<u64>, LoadError> {
    let wanted = asked.values().map(Vec::len).sum();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let latencies = pair(asked, &committed(store).await?, earlier);
        if latencies.len() >= wanted {
            return Ok(latencies);
        }
        if tokio::time::Instant::now() > deadline {
            return Err(LoadError::Failed {
                failed: wanted - latencies.len(),
                devices: asked.len(),
                last: "its acknowledgement was not committed".to_owned(),
            });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// When each device's activations were acknowledged, in the order in which they were made.
async fn committed(store: &Store) -> Result<HashMap<String, Vec<Timestamp>>, LoadError> {
    let rows = store.read("load-committed", acknowledged).await?;
    let mut committed: HashMap<_, Vec<_>> = HashMap::new();
    for (device, at) in rows {
        committed.entry(device).or_default().push(at);
    }
    Ok(committed)
}

fn pair(asked: &Asked, committed: &HashMap<String, Vec<Timestamp>>, earlier: usize) -> Vec<u64> {
    let mut latencies = Vec::new();
    for (device, asked) in asked {
        let of_phase = committed.get(device).and_then(|all| all.get(earlier..));
        let pairs = asked.iter().zip(of_phase.unwrap_or_default());
        latencies.extend(pairs.map(|(asked, committed)| {
            u64::try_from(committed.micros() - asked.micros()).unwrap_or(0)
        }));
    }
    latencies
}

/// The percentiles of these, by rank.
pub(super) fn percentiles(latencies: &[u64]) -> impl Fn(usize) -> u64 + use<> {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    move |percent| {
        let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(rank).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_phases_activated_is_no_answer_to_an_ask_of_this_one() {
        let at = |seconds: &[u64]| {
            let seconds = seconds.iter().copied();
            HashMap::from([(
                "d".to_owned(),
                seconds.map(Timestamp::from_seconds).collect::<Vec<_>>(),
            )])
        };
        let asked = at(&[10, 20]);
        assert!(pair(&asked, &at(&[1]), 1).is_empty());
        assert_eq!(pair(&asked, &at(&[1, 11]), 1), [1_000_000]);
        assert_eq!(pair(&asked, &at(&[1, 11, 22]), 1), [1_000_000, 2_000_000]);
    }
}
