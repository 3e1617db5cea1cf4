//! The least that one activation costs: the request and the acknowledgement are verified, and
//! the grant is signed.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use p256::elliptic_curve::Generate as _;

use crate::crypto::es256::SigningKey;
use crate::crypto::{Es256 as _, P256PublicKey, Ring, SIGNATURE_LENGTH};

/// Repetitions in a row of each of the two; all but the first find warm caches.
const BURST: usize = 20;
/// Repetitions on a machine at rest.
const AT_REST: usize = 100 * BURST;
/// Between two bursts while the machine is under load: they take 1 to 2 % of one processor.
const PAUSE: Duration = Duration::from_millis(150);
/// About what a request's Sig_structure has.
const MESSAGE: [u8; 300] = [0x5a; 300];

/// Times what makes up the floor, on the thread that asks.
struct Bench {
    public: P256PublicKey,
    key: Box<dyn SigningKey>,
    signature: [u8; SIGNATURE_LENGTH],
    /// Microseconds of each repetition.
    signing: Vec<f64>,
    verifying: Vec<f64>,
}

impl Bench {
    fn new() -> Self {
        let secret = p256::SecretKey::generate();
        let public = P256PublicKey::from(secret.public_key());
        let key = Ring
            .signing_key(&secret)
            .expect("a key that was just generated is one");
        let signature = key
            .sign(&MESSAGE)
            .expect("the system's random number generator works");
        Self {
            public,
            key,
            signature,
            signing: Vec::new(),
            verifying: Vec::new(),
        }
    }

    fn burst(&mut self) {
        for _ in 0..BURST {
            self.signing.push(micros(|| {
                let _ = std::hint::black_box(self.key.sign(std::hint::black_box(&MESSAGE)));
            }));
        }
        for _ in 0..BURST {
            self.verifying.push(micros(|| {
                let verified = Ring.verify(&self.public, &MESSAGE, &self.signature);
                let _ = std::hint::black_box(verified);
            }));
        }
    }

    /// Microseconds for two verifications and one signature on one thread, of medians, which a
    /// repetition that was interrupted does not move.
    fn floor(mut self) -> f64 {
        2.0 * median(&mut self.verifying) + median(&mut self.signing)
    }
}

/// The floor of this machine while nothing else is measured, in microseconds.
pub(super) fn at_rest() -> f64 {
    let mut bench = Bench::new();
    while bench.signing.len() < AT_REST {
        bench.burst();
    }
    bench.floor()
}

/// Measures the floor beside a load: what it costs on processors that share caches, clock and
/// power with everything that the load keeps busy, as the gateway's do.
pub(super) struct Beside {
    stop: SyncSender<()>,
    thread: JoinHandle<f64>,
}

impl Beside {
    pub(super) fn start() -> io::Result<Self> {
        let (stop, stopped) = mpsc::sync_channel(0);
        let thread = thread::Builder::new()
            .name("floor".to_owned())
            .spawn(move || {
                let mut bench = Bench::new();
                loop {
                    bench.burst();
                    if stopped.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout) {
                        return bench.floor();
                    }
                }
            })?;
        Ok(Self { stop, thread })
    }

    /// The floor in microseconds.
    pub(super) fn end(self) -> f64 {
        drop(self.stop);
        self.thread
            .join()
            .expect("it panics where a floor at rest would have, and that was measured")
    }
}

fn micros(once: impl FnOnce()) -> f64 {
    let started = Instant::now();
    once();
    started.elapsed().as_secs_f64() * 1e6
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
