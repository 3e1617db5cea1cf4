//! A firmware that has a core library, a panic handler and nothing else: no std, no allocator, no
//! C library. That it links proves that the agent needs none of them. It is never run.
#![no_std]
#![no_main]

use fleetgrant_agent::{
    Agent, Ask, Event, Instant, KeyError, KeyOperations, Profile, Record, Storage, StorageError,
};
use fleetgrant_schemas::Platform;
use fleetgrant_schemas::envelope::{SigStructure, Signature};
use fleetgrant_schemas::id::DeviceId;
use fleetgrant_schemas::keys::PublicKey;
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::topic::MessageType;

/// Keeps the code below in the program.
#[used]
static FIRMWARE: fn(&[u8], u64) -> usize = firmware;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

fn firmware(message: &[u8], uptime: u64) -> usize {
    let Ok(device) = DeviceId::new("scope-4711") else {
        return 0;
    };
    let profile = Profile {
        device,
        realm: "acme",
        platform: Platform::default(),
        features: &["bandwidth", "decode"],
        authority_keys: &[],
        roots: &[],
        sw_built: None,
        min_key_set: 0,
        max_down: 1_024,
    };
    let mut buffer = [0; 2_048];
    let now = Instant(uptime);
    let started =
        Agent::<_, _, _, 8>::start(&profile, keys(), Nothing, [0; 1_024], &mut buffer, now);
    let Ok(mut agent) = started else {
        return 0;
    };
    agent.resend(now);
    agent.handle_timeout(now);
    agent.set_clock(uptime, now);
    let mut done = usize::from(
        agent
            .ask(&Ask::for_what_is_owed(Reason::Upgrade), now)
            .is_ok(),
    );
    for kind in MessageType::ALL {
        done += usize::from(agent.handle_message(message, *kind, now).is_ok());
    }
    while let Some(transmit) = agent.poll_transmit(&mut buffer) {
        done += transmit.len;
    }
    while let Some(event) = agent.poll_event() {
        done += usize::from(matches!(event, Event::Installed { .. }));
    }
    let ask = Ask::for_what_is_owed(Reason::Factory);
    done += agent.export_request(&ask, &mut buffer, now).unwrap_or(0);
    done += usize::from(agent.export_ack(&mut buffer, now).is_ok());
    done += usize::from(agent.is_on("decode", now).is_on());
    done += usize::from(agent.use_one("decode", now).is_ok());
    done += usize::from(agent.poll_timeout() == Some(now));
    done + allocated()
}

struct Nothing;

impl Storage for Nothing {
    fn load(&mut self, _: Record, _: usize, _: &mut [u8]) -> Result<usize, StorageError> {
        Ok(0)
    }

    fn store(&mut self, _: Record, _: &[&[u8]]) -> Result<(), StorageError> {
        Ok(())
    }
}

#[cfg(software)]
fn keys() -> impl KeyOperations {
    use fleetgrant_agent::software::{SoftwareKey, SoftwareKeys};

    fn no_entropy(_: &mut [u8]) -> Result<(), KeyError> {
        Err(KeyError)
    }
    let key = SoftwareKey::new(&[1; 32]).unwrap_or_else(|| loop {});
    let chain: &[&[u8]] = &[b"certificate"];
    SoftwareKeys::new(
        key,
        chain,
        no_entropy as fn(&mut [u8]) -> Result<(), KeyError>,
    )
}

#[cfg(not(software))]
fn keys() -> impl KeyOperations {
    Nothing
}

/// A secure element that refuses everything.
impl KeyOperations for Nothing {
    fn public_key(&self) -> PublicKey {
        PublicKey {
            x: [0; 32],
            y: [0; 32],
        }
    }

    fn certificate(&self, _: usize) -> Option<&[u8]> {
        None
    }

    fn sign(&mut self, _: &SigStructure<'_>) -> Result<Signature, KeyError> {
        Err(KeyError)
    }

    fn verify(&mut self, _: &PublicKey, _: &SigStructure<'_>, _: &Signature) -> bool {
        false
    }

    fn fill_random(&mut self, _: &mut [u8]) -> Result<(), KeyError> {
        Err(KeyError)
    }
}

/// With these the program must not link: they show that the check can fail.
#[cfg(allocates)]
fn allocated() -> usize {
    extern crate alloc;
    alloc::vec![1_u8; core::hint::black_box(4)].len()
}

#[cfg(uses_std)]
fn allocated() -> usize {
    extern crate std;
    std::env::args().count()
}

#[cfg(not(any(allocates, uses_std)))]
fn allocated() -> usize {
    0
}
