//! Lanes: small pools of threads for work that would stall the reactor.
//!
//! Each lane is fed through a bounded channel, so a caller that outruns it waits: that is the
//! back-pressure that keeps memory bounded under load. A slow kind of work has a lane of its
//! own, so that it cannot hold up a fast one.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

/// Most jobs a thread takes at once, so that one wake-up serves several under load without
/// leaving the lane's other threads idle.
const BATCH: usize = 4;

/// How many threads each lane has, and how many jobs wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LanesConfig {
    /// Threads that verify messages.
    pub verify_threads: NonZeroUsize,
    /// Threads that verify certificate chains.
    pub chain_threads: NonZeroUsize,
    /// Threads that sign.
    pub sign_threads: NonZeroUsize,
    /// Jobs that wait in one lane before its callers do.
    pub queue: NonZeroUsize,
}

impl Default for LanesConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            verify_threads: cores,
            chain_threads: NonZeroUsize::MIN,
            sign_threads: NonZeroUsize::MIN,
            queue: NonZeroUsize::MIN.saturating_add(1_023),
        }
    }
}

/// The gateway's lanes.
#[derive(Clone, Debug)]
pub struct Lanes {
    /// Signatures of messages of known devices: some 50 µs each.
    pub verify: Lane,
    /// Certificate chains: up to a millisecond with large RSA issuers.
    pub chain: Lane,
    /// Grants and notices: some 20 µs each.
    pub sign: Lane,
}

impl Lanes {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start(config: &LanesConfig) -> std::io::Result<Self> {
        Ok(Self {
            verify: Lane::start("verify", config.verify_threads, config.queue)?,
            chain: Lane::start("chain", config.chain_threads, config.queue)?,
            sign: Lane::start("sign", config.sign_threads, config.queue)?,
        })
    }
}

/// The lane has ended, or the job panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {lane} lane did not finish the work")]
pub struct LaneClosed {
    lane: &'static str,
}

/// A handle to a pool of threads; the threads end when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct Lane {
    name: &'static str,
    jobs: mpsc::Sender<Job>,
}

struct Job {
    queued: Instant,
    run: Box<dyn FnOnce() + Send>,
}

impl Lane {
    /// Starts the threads of one lane. `name` labels its metric and its threads.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start(
        name: &'static str,
        threads: NonZeroUsize,
        queue: NonZeroUsize,
    ) -> std::io::Result<Self> {
        let (jobs, receiver) = mpsc::channel(queue.get());
        let receiver = Arc::new(Mutex::new(receiver));
        for index in 0..threads.get() {
            let receiver = Arc::clone(&receiver);
            std::thread::Builder::new()
                .name(format!("{name}-{index}"))
                .spawn(move || work(name, &receiver))?;
        }
        Ok(Self { name, jobs })
    }

    /// Runs `job` on a thread of the lane. Waits while the lane's queue is full. A job whose
    /// caller has gone away by its turn is skipped.
    ///
    /// # Errors
    /// The job panicked, or the threads have ended.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LaneClosed> {
        let closed = LaneClosed { lane: self.name };
        let (answer, answered) = oneshot::channel();
        let run = Box::new(move || {
            if !answer.is_closed() {
                // The caller may still leave while the job runs; then nobody wants the answer.
                let _ = answer.send(job());
            }
        });
        let queued = Instant::now();
        self.jobs
            .send(Job { queued, run })
            .await
            .map_err(|_| closed)?;
        answered.await.map_err(|_| closed)
    }

    /// Jobs that wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }
}

fn work(name: &'static str, receiver: &Mutex<mpsc::Receiver<Job>>) {
    let wait = metrics::histogram!("fleetgrant_lane_wait_seconds", "lane" => name);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        // A receiver is whole between any two calls, so a poisoned lock still guards a good one.
        let taken = receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv_many(&mut batch, BATCH);
        if taken == 0 {
            return;
        }
        for job in batch.drain(..) {
            wait.record(job.queued.elapsed());
            if catch_unwind(AssertUnwindSafe(job.run)).is_err() {
                metrics::counter!("fleetgrant_lane_panics_total", "lane" => name).increment(1);
                tracing::error!(
                    lane = name,
                    "a job panicked; its caller was told, the lane goes on"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc as std_mpsc;
    use std::time::Duration;

    use super::*;

    fn lane(threads: usize, queue: usize) -> Lane {
        Lane::start(
            "test",
            NonZeroUsize::new(threads).unwrap(),
            NonZeroUsize::new(queue).unwrap(),
        )
        .unwrap()
    }

    #[tokio::test]
    async fn answers_come_back_to_their_callers() {
        let lane = lane(3, 8);
        let jobs = (0..200u64).map(|n| {
            let lane = lane.clone();
            tokio::spawn(async move { (n, lane.run(move || n * n).await.unwrap()) })
        });
        for job in jobs.collect::<Vec<_>>() {
            let (n, square) = job.await.unwrap();
            assert_eq!(square, n * n);
        }
    }

    #[tokio::test]
    async fn a_full_queue_holds_its_callers_back() {
        let lane = lane(1, 1);
        let (release, gate) = std_mpsc::sync_channel::<()>(2);
        let gate = Arc::new(Mutex::new(gate));
        let blocked = |lane: Lane| {
            let gate = Arc::clone(&gate);
            tokio::spawn(async move { lane.run(move || gate.lock().unwrap().recv()).await })
        };
        let running = blocked(lane.clone());
        while lane.waiting() > 0 || Arc::strong_count(&gate) < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let queued = blocked(lane.clone());
        while lane.waiting() < 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let third = lane.run(|| ());
        assert!(
            tokio::time::timeout(Duration::from_millis(50), third)
                .await
                .is_err()
        );
        release.send(()).unwrap();
        release.send(()).unwrap();
        running.await.unwrap().unwrap().unwrap();
        queued.await.unwrap().unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_told_to_its_caller_and_the_lane_goes_on() {
        let lane = lane(1, 4);
        let panicked: Result<(), _> = lane.run(|| panic!("on purpose")).await;
        assert_eq!(panicked, Err(LaneClosed { lane: "test" }));
        assert_eq!(lane.run(|| 7).await, Ok(7));
    }
}
