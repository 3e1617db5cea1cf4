//! The least that one activation costs: the request and the acknowledgement are verified, and
//! the grant is signed.

use std::time::Instant;

use p256::elliptic_curve::Generate as _;

use crate::crypto::{Es256 as _, P256PublicKey, Ring};

/// Repetitions of each of the three; the median counts.
const TIMES: usize = 2_000;
/// About what a request's Sig_structure has.
const MESSAGE: [u8; 300] = [0x5a; 300];

/// Microseconds for two verifications and one signature on one thread.
pub(super) fn measure() -> f64 {
    let secret = p256::SecretKey::generate();
    let public = P256PublicKey::from(secret.public_key());
    let key = Ring
        .signing_key(&secret)
        .expect("a key that was just generated is one");
    let signature = key
        .sign(&MESSAGE)
        .expect("the system's random number generator works");
    let sign = median(|| {
        let _ = std::hint::black_box(key.sign(std::hint::black_box(&MESSAGE)));
    });
    let verify = median(|| {
        let _ = std::hint::black_box(Ring.verify(&public, &MESSAGE, &signature));
    });
    2.0 * verify + sign
}

fn median(mut once: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..TIMES)
        .map(|_| {
            let started = Instant::now();
            once();
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[TIMES / 2]
}
