//! Messages of every shape, within the limits of version 1.

use fleetgrant_schemas::ack::{Ack, Exception, Outcome, OutcomeReason};
use fleetgrant_schemas::code::CodeClaim;
use fleetgrant_schemas::entitlement::{EndEffect, Entitlement, Model};
use fleetgrant_schemas::envelope::{Certificate, Draft, Signer};
use fleetgrant_schemas::grant::{Flags, Grant};
use fleetgrant_schemas::id::*;
use fleetgrant_schemas::keys::{AuthorityKey, KeySet, PublicKey, Role};
use fleetgrant_schemas::limits::{MAX_COUNTER, MAX_INSTANT};
use fleetgrant_schemas::notice::{Notice, NoticeCode};
use fleetgrant_schemas::request::{Reason, Receiver, Request};
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::{Denial, Held, Message, OemId, Platform, Usage, Want};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

/// The bytes of a message, its signature left to be found good.
pub(crate) fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![request(), grant(), ack(), notice(), key_set()]
}

fn laid_out<'m, M: Message<'m>>(signer: &Signer<'_>, message: &M) -> Vec<u8> {
    let mut buffer = [0; 8_192];
    let draft = Draft::new(&mut buffer, signer, message).expect("it fits");
    draft.finish(&[0x5a; 64]).to_vec()
}

/// Heads of every width come up.
fn up_to(max: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        0..=max.min(30),
        0..=max.min(300),
        0..=max.min(70_000),
        0..=max,
        Just(max),
    ]
}

fn small() -> impl Strategy<Value = u32> {
    up_to(u32::MAX.into()).prop_map(|value| value as u32)
}

fn instant() -> impl Strategy<Value = u64> {
    up_to(MAX_INSTANT)
}

fn device() -> impl Strategy<Value = String> {
    "[A-Za-z0-9._-]{1,64}"
}

/// Text of at most so many bytes; a character has up to four.
fn text(max: usize) -> impl Strategy<Value = String> {
    let any = vec(
        any::<char>().prop_filter("no control", |c| !c.is_control()),
        1..=max / 4,
    );
    let ascii = proptest::string::string_regex(&format!("[ -~]{{1,{max}}}")).expect("a pattern");
    prop_oneof![any.prop_map(String::from_iter), ascii]
}

fn name(max: usize) -> impl Strategy<Value = String> {
    proptest::string::string_regex(&format!("[!-~]{{1,{max}}}")).expect("a pattern")
}

fn held() -> impl Strategy<Value = Held> {
    (small(), up_to(MAX_COUNTER), any::<[u8; 16]>()).prop_map(|(epoch, generation, cti)| Held {
        epoch,
        generation,
        cti: Cti(cti),
    })
}

fn usage() -> impl Strategy<Value = Vec<Usage>> {
    btree_map(any::<[u8; 16]>(), up_to(u64::MAX), 0..6).prop_map(|totals| {
        let totals = totals.into_iter().rev();
        totals
            .map(|(activation, total)| Usage {
                activation: ActivationId(activation),
                total,
            })
            .collect()
    })
}

#[derive(Clone, Debug)]
enum OwnedWant {
    Feature(String, u32),
    Code(CodeClaim),
}

impl OwnedWant {
    fn borrowed(&self) -> Want<'_> {
        match self {
            Self::Feature(feature, total) => Want::Feature {
                feature,
                total: *total,
            },
            Self::Code(claim) => Want::Code(*claim),
        }
    }
}

/// Wants for distinct things.
fn wants() -> impl Strategy<Value = Vec<OwnedWant>> {
    let features = btree_map(name(32), small(), 0..5);
    let codes = btree_map(any::<[u8; 5]>(), any::<[u8; 32]>(), 0..3);
    (features, codes).prop_map(|(features, codes)| {
        let codes = codes.into_iter().map(|(id, proof)| {
            OwnedWant::Code(CodeClaim {
                id: CodeId(id),
                proof: CodeProof(proof),
            })
        });
        let features = features
            .into_iter()
            .map(|(f, total)| OwnedWant::Feature(f, total));
        codes.chain(features).collect()
    })
}

#[derive(Clone, Debug)]
struct OwnedPlatform {
    oem: Option<(Option<u32>, bool)>,
    model: Option<Vec<u8>>,
    boots: Option<u32>,
    software: Option<(String, Option<String>)>,
}

fn platform() -> impl Strategy<Value = OwnedPlatform> {
    (
        of((of(small()), any::<bool>())),
        of(vec(any::<u8>(), 1..=32)),
        of(small()),
        of((text(32), of(text(32)))),
    )
        .prop_map(|(oem, model, boots, software)| OwnedPlatform {
            oem,
            model,
            boots,
            software,
        })
}

impl OwnedPlatform {
    fn borrowed(&self) -> Platform<'_> {
        Platform {
            oem_id: self.oem.map(|oem| match oem {
                (Some(number), _) => OemId::Pen(number),
                (None, true) => OemId::Bytes(&[2; 3]),
                (None, false) => OemId::Bytes(&[2; 16]),
            }),
            hw_model: self.oem.and(self.model.as_deref()),
            boot_count: self.boots,
            sw_name: self.software.as_ref().map(|(name, _)| name.as_str()),
            sw_version: self.software.as_ref().and_then(|(_, v)| v.as_deref()),
        }
    }
}

fn request() -> BoxedStrategy<Vec<u8>> {
    let claims = (
        device(),
        text(64),
        of(instant()),
        of(any::<[u8; 16]>()),
        platform(),
    );
    let counters = (
        up_to(MAX_COUNTER),
        of(held()),
        small(),
        select(Reason::ALL),
        any::<[u8; 16]>(),
    );
    let lists = (wants(), usage(), vec(any::<[u8; 16]>(), 0..4));
    let receiver = (512u16..=4096, small());
    let chain = vec(vec(any::<u8>(), 1..300), 0..=4);
    (claims, counters, lists, receiver, chain)
        .prop_map(|(claims, counters, lists, receiver, chain)| {
            let wants: Vec<Want<'_>> = lists.0.iter().map(OwnedWant::borrowed).collect();
            let concerned: Vec<ActivationId> = lists.2.into_iter().map(ActivationId).collect();
            let request = Request {
                device: DeviceId::new(&claims.0).expect("a device id"),
                realm: &claims.1,
                issued_at: claims.2,
                challenge: claims.3.map(Challenge),
                platform: claims.4.borrowed(),
                seq: counters.0,
                held: counters.1,
                key_set: counters.2,
                reason: counters.3,
                nonce: DeviceNonce(counters.4),
                wants: Seq::new(&wants),
                usage: Seq::new(&lists.1),
                concerned: Seq::new(&concerned),
                receiver: Receiver {
                    max_down: receiver.0,
                    capabilities: receiver.1,
                },
            };
            let chain: Vec<Certificate<'_>> = chain.iter().map(|der| Certificate(der)).collect();
            let signer = match chain.len() {
                0 => Signer::Thumbprint(CertificateThumbprint([7; 32])),
                _ => Signer::Chain(Seq::new(&chain)),
            };
            laid_out(&signer, &request)
        })
        .boxed()
}

#[derive(Clone, Debug)]
struct OwnedRight {
    activation: [u8; 16],
    feature: String,
    ceiling: Option<String>,
    model: Model,
    instants: [Option<u64>; 4],
    end_effect: Option<EndEffect>,
    counts: [Option<u64>; 2],
    grace: Option<u32>,
    vendor_data: Option<Vec<u8>>,
}

fn right() -> impl Strategy<Value = OwnedRight> {
    let named = (
        any::<[u8; 16]>(),
        name(32),
        of(name(16)),
        select(Model::ALL),
    );
    let numbers = (
        [of(instant()), of(instant()), of(instant()), of(instant())],
        [of(up_to(u64::MAX)), of(up_to(u64::MAX))],
        of(small()),
        of(select(EndEffect::ALL)),
    );
    (named, numbers, of(vec(any::<u8>(), 1..=64))).prop_map(|(named, numbers, vendor_data)| {
        OwnedRight {
            activation: named.0,
            feature: named.1,
            ceiling: named.2,
            model: named.3,
            instants: numbers.0,
            counts: numbers.1,
            grace: numbers.2,
            end_effect: numbers.3,
            vendor_data,
        }
    })
}

impl OwnedRight {
    fn borrowed(&self) -> Entitlement<'_> {
        Entitlement {
            activation: ActivationId(self.activation),
            feature: &self.feature,
            version_ceiling: self.ceiling.as_deref(),
            model: self.model,
            start: self.instants[0],
            end: self.instants[1],
            count: self.counts[0],
            grace: self.grace,
            vendor_data: self.vendor_data.as_deref(),
            usage_base: self.counts[1],
            lease_end: self.instants[2],
            build_ceiling: self.instants[3],
            end_effect: self.end_effect,
        }
    }
}

fn grant() -> BoxedStrategy<Vec<u8>> {
    let claims = (
        text(64),
        device(),
        instant(),
        instant(),
        any::<[[u8; 16]; 2]>(),
    );
    let confirmation = (any::<[u8; 32]>(), of(any::<[u8; 16]>()));
    let counters = (small(), up_to(MAX_COUNTER), small(), any::<bool>());
    let denials = (wants(), name(32), of(small()));
    (claims, confirmation, counters, vec(right(), 0..8), denials)
        .prop_map(|(claims, confirmation, counters, rights, denials)| {
            let rights: Vec<Entitlement<'_>> = rights.iter().map(OwnedRight::borrowed).collect();
            let denied: Vec<Denial<'_>> = denials
                .0
                .iter()
                .map(|want| Denial {
                    want: want.borrowed(),
                    rule: &denials.1,
                    retry_after: denials.2,
                })
                .collect();
            let grant = Grant {
                realm: &claims.0,
                device: DeviceId::new(&claims.1).expect("a device id"),
                install_until: claims.2,
                issued_at: claims.3,
                cti: Cti(claims.4[0]),
                confirmation: KeyThumbprint(confirmation.0),
                nonce: confirmation.1.map(DeviceNonce),
                epoch: counters.0,
                generation: counters.1,
                renew_after: counters.2,
                entitlements: Seq::new(&rights),
                next_challenge: Challenge(claims.4[1]),
                denials: Seq::new(&denied),
                flags: Flags {
                    factory: counters.3,
                },
            };
            laid_out(&Signer::Key(KeyId([3; 8])), &grant)
        })
        .boxed()
}

fn ack() -> BoxedStrategy<Vec<u8>> {
    let exception = (select(Outcome::ALL), select(OutcomeReason::ALL));
    let exceptions = btree_map(any::<[u8; 16]>(), exception, 0..5);
    let claims = (device(), text(64), of(instant()), 1..=u32::MAX, held());
    (claims, exceptions, of(vec(any::<u8>(), 1..600)), usage())
        .prop_map(|(claims, exceptions, shown, usage)| {
            let exceptions: Vec<Exception> = exceptions
                .into_iter()
                .map(|(activation, (outcome, reason))| Exception {
                    activation: ActivationId(activation),
                    outcome,
                    reason,
                })
                .collect();
            let ack = Ack {
                device: DeviceId::new(&claims.0).expect("a device id"),
                realm: &claims.1,
                issued_at: claims.2,
                n: claims.3,
                held: claims.4,
                exceptions: Seq::new(&exceptions),
                shown_grant: shown.as_deref(),
                usage: Seq::new(&usage),
            };
            laid_out(&Signer::Thumbprint(CertificateThumbprint([7; 32])), &ack)
        })
        .boxed()
}

fn notice() -> BoxedStrategy<Vec<u8>> {
    let claims = (text(64), device(), instant(), any::<[u8; 16]>());
    let answer = (
        of(any::<[u8; 32]>()),
        of(any::<[u8; 16]>()),
        select(NoticeCode::ALL),
    );
    let fields = (up_to(MAX_COUNTER), small(), of(text(32)), any::<[u8; 16]>());
    (claims, answer, fields, any::<[bool; 3]>())
        .prop_map(|(claims, answer, fields, also)| {
            let code = answer.2;
            let stale = code == NoticeCode::StaleSeq;
            let later = code == NoticeCode::RetryLater;
            let challenge = stale || code == NoticeCode::Challenge;
            let notice = Notice {
                realm: &claims.0,
                device: DeviceId::new(&claims.1).expect("a device id"),
                issued_at: claims.2,
                cti: Cti(claims.3),
                confirmation: answer.0.map(KeyThumbprint),
                nonce: answer.1.map(DeviceNonce),
                code,
                seq_expected: (stale || also[0]).then_some(fields.0),
                retry_after: (later || also[1]).then_some(fields.1),
                text: fields.2.as_deref(),
                challenge: (challenge || also[2]).then_some(Challenge(fields.3)),
            };
            laid_out(&Signer::Key(KeyId([3; 8])), &notice)
        })
        .boxed()
}

fn key_set() -> BoxedStrategy<Vec<u8>> {
    let validity = (0..MAX_INSTANT, 1..100_000_000u64);
    let key = (any::<[[u8; 32]; 2]>(), validity, small(), select(Role::ALL));
    (
        text(64),
        instant(),
        small(),
        vec(key, 1..=8),
        vec(any::<[u8; 8]>(), 0..=2),
    )
        .prop_map(|(realm, issued_at, generation, keys, roots)| {
            let keys: Vec<AuthorityKey> = keys
                .into_iter()
                .map(|([x, y], (nbf, length), epoch, role)| AuthorityKey {
                    key: PublicKey { x, y },
                    not_before: nbf,
                    not_after: MAX_INSTANT.min(nbf + length),
                    epoch,
                    role,
                })
                .collect();
            let roots: Vec<KeyId> = roots.into_iter().map(KeyId).collect();
            let set = KeySet {
                realm: &realm,
                issued_at,
                generation,
                keys: Seq::new(&keys),
                retired_roots: Seq::new(&roots),
            };
            laid_out(&Signer::Key(KeyId([3; 8])), &set)
        })
        .boxed()
}
