//! What the tests of Fleetgrant as a whole stand on.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod installation;
pub mod ledger;
pub mod raw_device;

use std::time::Duration;

/// Longer than anything in a test takes on a busy machine; reaching it is a failure.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something that must happen.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("not in time: {what}"),
    }
}
