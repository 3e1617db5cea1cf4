//! Logs and metrics of the process.

use std::io::{self, IsTerminal};

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{Log, LogFormat};

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
    let metrics = PrometheusBuilder::new().install_recorder()?;
    Ok(Telemetry { metrics })
}

fn is_json(format: LogFormat) -> bool {
    match format {
        LogFormat::Json => true,
        LogFormat::Human => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    }
}

impl Telemetry {
    /// Every metric so far, in the text format of Prometheus.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        self.metrics.render()
    }
}
