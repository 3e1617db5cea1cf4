//! Logs and metrics of the process.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal};
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{Log, LogFormat};

/// How often samples are folded.
const UPKEEP: Duration = Duration::from_secs(5);

/// Upper ends of the classes that times fall into, in seconds.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];
/// Upper ends of the classes that numbers of operations fall into.
const COUNTS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// The counters of this process, once [`init`] has been called.
#[derive(Clone)]
pub struct Telemetry {
    metrics: PrometheusHandle,
}

/// Why logs or metrics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be parsed.
    #[error("log.level = {level:?} is no filter; write it as info, or info,fleetgrant=debug")]
    Filter {
        /// What was configured.
        level: String,
        /// What is wrong with it.
        #[source]
        cause: ParseError,
    },
    /// A subscriber is there already.
    #[error("logs were set up twice")]
    Subscriber(#[from] TryInitError),
    /// A recorder is there already.
    #[error("metrics were set up twice")]
    Recorder(#[from] BuildError),
}

/// Starts logging to standard error, and counting. Once a process.
///
/// # Errors
/// When the level is no filter, or this was called before.
pub fn init(log: &Log) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(&log.level).map_err(|cause| TelemetryError::Filter {
        level: log.level.clone(),
        cause,
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    if is_json(log.format) {
        let lines = lines.json().flatten_event(true).with_current_span(false);
        lines.finish().try_init()?;
    } else {
        lines.with_target(false).finish().try_init()?;
    }
    let metrics = counting()?.install_recorder()?;
    Ok(Telemetry { metrics })
}

/// Counts in histograms, which can be added up over several gateways as quantiles cannot, and cost
/// less to fold.
fn counting() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &COUNTS)
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

fn is_json(format: LogFormat) -> bool {
    match format {
        LogFormat::Json => true,
        LogFormat::Human => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    }
}

impl Telemetry {
    /// Folds the samples of histograms into their classes for as long as the process counts:
    /// without it they are kept one by one until somebody asks.
    pub async fn keep_up(self) {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            ticks.tick().await;
            self.metrics.run_upkeep();
        }
    }

    /// Every metric so far, in the text format of Prometheus.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        self.metrics.render()
    }

    /// What a counter has come to, by one of its labels.
    #[must_use]
    pub fn counted(&self, counter: &str, label: &str) -> BTreeMap<String, u64> {
        counted(&self.metrics_text(), counter, label)
    }
}

/// Reads lines such as `counter{label="value",other="x"} 3`. Label values of ours are names, without
/// quotes or commas.
fn counted(text: &str, counter: &str, label: &str) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for line in text.lines() {
        let labels = line
            .strip_prefix(counter)
            .and_then(|rest| rest.strip_prefix('{'));
        let Some((labels, count)) = labels.and_then(|rest| rest.split_once("} ")) else {
            continue;
        };
        let value = labels.split(',').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (name == label).then(|| value.trim_matches('"'))
        });
        if let (Some(value), Ok(count)) = (value, count.parse::<u64>()) {
            *counted.entry(value.to_owned()).or_default() += count;
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn times_and_numbers_are_counted_by_class() {
        let recorder = counting().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            for seconds in [0.002, 0.2, 60.0] {
                metrics::histogram!("wait_seconds", "lane" => "sign").record(seconds);
            }
            metrics::histogram!("group_size").record(3.0);
        });
        let text = recorder.handle().render();
        for line in [
            "# TYPE wait_seconds histogram",
            "wait_seconds_bucket{lane=\"sign\",le=\"0.001\"} 0",
            "wait_seconds_bucket{lane=\"sign\",le=\"0.0025\"} 1",
            "wait_seconds_bucket{lane=\"sign\",le=\"0.25\"} 2",
            "wait_seconds_bucket{lane=\"sign\",le=\"+Inf\"} 3",
            "group_size_bucket{le=\"2\"} 0",
            "group_size_bucket{le=\"4\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }

    #[test]
    fn a_counter_is_read_by_its_label() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            for (kind, reason, times) in [
                ("ack", "late", 2),
                ("request", "late", 1),
                ("ack", "odd", 4),
            ] {
                metrics::counter!("refused_total", "kind" => kind, "reason" => reason)
                    .increment(times);
            }
            metrics::counter!("refused_total_more", "reason" => "late").increment(8);
            metrics::counter!("refused").increment(16);
        });
        let by = |label| counted(&handle.render(), "refused_total", label);
        let expect = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
            pairs
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect()
        };
        assert_eq!(by("reason"), expect(&[("late", 3), ("odd", 4)]));
        assert_eq!(by("kind"), expect(&[("ack", 6), ("request", 1)]));
        assert_eq!(by("other"), expect(&[]));
    }
}
