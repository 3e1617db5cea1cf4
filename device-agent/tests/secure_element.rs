//! A device whose key lives in a secure element, as an ATECC608 or an SE050 keeps it: the agent
//! asks for signatures by slot and reads certificates by slot, and never sees the key.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod support;

use element::{Element, Slot};
use fleetgrant_agent::{Agent, AskError, Event, Instant, KeyError, KeyOperations};
use fleetgrant_schemas::envelope::{SigStructure, Signature};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::keys::PublicKey;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;
use support::*;

/// The chip. Its key has no way out of this module but what the commands give.
mod element {
    use std::cell::Cell;

    use p256::ecdsa::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
    use p256::ecdsa::{Signature, SigningKey, VerifyingKey};

    /// A place in the chip: for a key or for a certificate.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Slot(pub u8);

    /// The chip refused a command, or did not answer.
    #[derive(Debug)]
    pub struct CommandFailed;

    pub struct Element {
        key: SigningKey,
        certificates: [Vec<u8>; 2],
        random: u8,
        /// The bus is cut.
        pub is_gone: Cell<bool>,
        pub signatures: Cell<usize>,
    }

    impl Element {
        pub fn new(seed: u8, certificates: [Vec<u8>; 2]) -> Self {
            Self {
                key: SigningKey::from_slice(&[seed; 32]).unwrap(),
                certificates,
                random: 0,
                is_gone: Cell::new(false),
                signatures: Cell::new(0),
            }
        }

        fn answers<T>(&self, answer: T) -> Result<T, CommandFailed> {
            if self.is_gone.get() {
                Err(CommandFailed)
            } else {
                Ok(answer)
            }
        }

        /// `x ‖ y` of the key in a slot.
        pub fn public_key(&self, slot: Slot) -> Result<[u8; 64], CommandFailed> {
            let point = self.key.verifying_key().to_sec1_point(false);
            match slot {
                Slot(0) => self.answers(point.as_bytes()[1..].try_into().unwrap()),
                _ => Err(CommandFailed),
            }
        }

        /// A certificate, compressed in a real chip.
        pub fn certificate(&self, slot: Slot) -> Result<Vec<u8>, CommandFailed> {
            match slot {
                Slot(place @ 8..=9) => {
                    self.answers(self.certificates[usize::from(place - 8)].clone())
                }
                _ => Err(CommandFailed),
            }
        }

        /// Signs a digest, with randomness of its own: two signatures of one digest differ.
        pub fn sign(&mut self, slot: Slot, digest: &[u8; 32]) -> Result<[u8; 64], CommandFailed> {
            if slot != Slot(0) {
                return Err(CommandFailed);
            }
            self.signatures.set(self.signatures.get() + 1);
            let signature: Signature = self.key.sign_prehash(digest).unwrap();
            // High and low s are the same signature; this chip gives one and the other.
            let signature = match self.signatures.get() % 2 {
                0 => signature,
                _ => Signature::from_scalars(*signature.r(), -*signature.s()).unwrap(),
            };
            self.answers(signature.to_bytes().into())
        }

        /// Whether a digest was signed by a key that is handed in.
        pub fn verify(&self, key: &[u8; 64], digest: &[u8; 32], signature: &[u8; 64]) -> bool {
            let mut point = [4; 65];
            point[1..].copy_from_slice(key);
            let Ok(key) = VerifyingKey::from_sec1_bytes(&point) else {
                return false;
            };
            let signature = Signature::from_slice(signature);
            !self.is_gone.get() && signature.is_ok_and(|s| key.verify_prehash(digest, &s).is_ok())
        }

        pub fn random(&mut self, bytes: &mut [u8]) -> Result<(), CommandFailed> {
            for byte in bytes {
                self.random = self.random.wrapping_mul(5).wrapping_add(113);
                *byte = self.random;
            }
            self.answers(())
        }
    }
}

const KEY: Slot = Slot(0);
const CERTIFICATES: [Slot; 2] = [Slot(8), Slot(9)];

/// The adapter: what a firmware writes for its chip. What does not change is read once, since the
/// agent takes it by reference.
struct ElementKeys<'e> {
    element: &'e mut Element,
    public: PublicKey,
    chain: [Vec<u8>; 2],
}

impl<'e> ElementKeys<'e> {
    fn new(element: &'e mut Element) -> Result<Self, element::CommandFailed> {
        let point = element.public_key(KEY)?;
        let (x, y) = point.split_at(32);
        let public = PublicKey {
            x: x.try_into().unwrap(),
            y: y.try_into().unwrap(),
        };
        let [leaf, issuer] = CERTIFICATES;
        let chain = [element.certificate(leaf)?, element.certificate(issuer)?];
        Ok(Self {
            element,
            public,
            chain,
        })
    }
}

impl KeyOperations for ElementKeys<'_> {
    fn public_key(&self) -> PublicKey {
        self.public
    }

    fn certificate(&self, index: usize) -> Option<&[u8]> {
        self.chain.get(index).map(Vec::as_slice)
    }

    fn sign(&mut self, message: &SigStructure<'_>) -> Result<Signature, KeyError> {
        let signed = self.element.sign(KEY, &message.digest().0);
        signed.map_err(|_| KeyError)
    }

    fn verify(
        &mut self,
        key: &PublicKey,
        message: &SigStructure<'_>,
        signature: &Signature,
    ) -> bool {
        let mut point = [0; 64];
        point[..32].copy_from_slice(&key.x);
        point[32..].copy_from_slice(&key.y);
        let digest = message.digest().0;
        self.element.verify(&point, &digest, signature)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), KeyError> {
        self.element.random(bytes).map_err(|_| KeyError)
    }
}

fn element() -> Element {
    Element::new(DEVICE_SEED, [LEAF.to_vec(), vec![0x31; 300]])
}

fn transmit<S: fleetgrant_agent::Storage>(
    agent: &mut Agent<'_, ElementKeys<'_>, S, Vec<u8>, RIGHTS>,
) -> Vec<(MessageType, Vec<u8>)> {
    let mut buffer = vec![0; 4_096];
    std::iter::from_fn(|| {
        let sent = agent.poll_transmit(&mut buffer)?;
        Some((sent.message, buffer[..sent.len].to_vec()))
    })
    .collect()
}

#[test]
fn a_key_that_stays_in_its_chip_asks_verifies_and_acknowledges() {
    let factory = Factory::new();
    let profile = factory.profile();
    let mut element = element();
    let keys = ElementKeys::new(&mut element).unwrap();
    let mut scratch = vec![0; 4_096];
    let now = Instant(0);
    let mut agent: Agent<'_, _, _, _, RIGHTS> = Agent::start(
        &profile,
        keys,
        Flash::default(),
        vec![0; 2_048],
        &mut scratch,
        now,
    )
    .unwrap();
    agent.handle_timeout(now);
    let sent = transmit(&mut agent);
    let [(MessageType::Request, request)] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    // The signature is good, and both certificates are there.
    let nonce = nonce_of(request);
    assert!(request.len() > LEAF.len() + 300);

    let entitlements = [right(1, "bandwidth")];
    let grant = Grant {
        entitlements: Seq::new(&entitlements),
        ..grant(1, Some(nonce))
    };
    let mut forged = signed(AUTHORITY_SEED, &grant);
    *forged.last_mut().unwrap() ^= 1;
    assert!(
        agent
            .handle_message(&forged, MessageType::Grant, now)
            .is_err()
    );
    let granted = signed(AUTHORITY_SEED, &grant);
    agent
        .handle_message(&granted, MessageType::Grant, now)
        .unwrap();
    assert!(agent.is_on("bandwidth", now).is_on());
    let sent = transmit(&mut agent);
    let [(MessageType::Ack, ack)] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    assert_eq!(read_ack(ack).held.generation, 1);
    drop(agent);
    assert_eq!(element.signatures.get(), 2);
}

#[test]
fn a_chip_that_does_not_answer_is_told_and_asked_again() {
    let factory = Factory::new();
    let profile = factory.profile();
    let mut element = element();
    let keys = ElementKeys::new(&mut element).unwrap();
    let mut scratch = vec![0; 4_096];
    let storage = Flash::default();
    let mut agent: Agent<'_, _, _, _, RIGHTS> = Agent::start(
        &profile,
        keys,
        storage.clone(),
        vec![0; 2_048],
        &mut scratch,
        Instant(0),
    )
    .unwrap();
    let (keys, storage, buffer) = {
        let parts = agent.into_parts();
        parts.0.element.is_gone.set(true);
        parts
    };
    agent = Agent::start(&profile, keys, storage, buffer, &mut scratch, Instant(0)).unwrap();
    agent.handle_timeout(Instant(0));
    assert_eq!(transmit(&mut agent), []);
    let told = std::iter::from_fn(|| agent.poll_event())
        .any(|event| event == Event::CannotAsk(AskError::KeyStore));
    assert!(told);

    let (keys, storage, buffer) = agent.into_parts();
    keys.element.is_gone.set(false);
    let mut agent: Agent<'_, _, _, _, RIGHTS> =
        Agent::start(&profile, keys, storage, buffer, &mut scratch, Instant(0)).unwrap();
    agent.handle_timeout(Instant(60_000));
    assert_eq!(transmit(&mut agent).len(), 1, "the request comes late");
}

#[test]
fn the_element_gives_no_key_for_any_command_or_slot() {
    let mut element = element();
    for slot in (0..=u8::MAX).map(Slot) {
        let secret = [DEVICE_SEED; 32];
        let answers = [
            element.public_key(slot).map(|key| key.to_vec()),
            element.certificate(slot),
            element.sign(slot, &[1; 32]).map(|signed| signed.to_vec()),
        ];
        for answer in answers.into_iter().flatten() {
            assert!(!answer.windows(32).any(|bytes| bytes == secret));
        }
    }
}
