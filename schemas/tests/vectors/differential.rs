//! A second opinion: whatever ours accepts, serde_cbor reads and writes again, byte for byte.

use std::cell::Cell;

use fleetgrant_schemas::envelope::Envelope;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use serde_cbor::Value;

use crate::item::Item;
use crate::reading::written_again;
use crate::valid::{self, parts};
use crate::{arbitrary, invalid};

/// How far ours got with some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Refused,
    Envelope,
    Message,
}

/// Reads the bytes as both do, and panics where ours accepts what the other reads differently.
fn compare(bytes: &[u8]) -> Reading {
    let Ok(envelope) = Envelope::parse(bytes) else {
        return Reading::Refused;
    };
    same_again(bytes);
    let mut signed = Vec::new();
    envelope.signed().for_each_part(|part| signed.extend(part));
    let Value::Array(parts) = same_again(&signed) else {
        panic!("a Sig_structure is an array")
    };
    let [
        Value::Text(context),
        Value::Bytes(header),
        Value::Bytes(aad),
        Value::Bytes(payload),
    ] = parts.as_slice()
    else {
        panic!("{parts:?} is no Sig_structure")
    };
    assert_eq!((context.as_str(), aad.as_slice()), ("Signature1", &[][..]));
    same_again(header);
    // Ours must stand any payload, and no test makes so many good signatures.
    let verified = envelope.verify(|_, _| true).expect("found good");
    assert_eq!(verified.payload(), payload);
    let Ok(again) = written_again(&verified) else {
        return Reading::Envelope;
    };
    assert_eq!(&again, payload, "ours writes what it read differently");
    same_again(payload);
    Reading::Message
}

fn same_again(bytes: &[u8]) -> Value {
    let value: Value = serde_cbor::from_slice(bytes).expect("serde_cbor reads what ours accepts");
    let again = serde_cbor::to_vec(&value).expect("serde_cbor writes what it read");
    assert_eq!(again, bytes, "serde_cbor writes it differently");
    value
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn both_agree_on_every_vector() {
    for vector in valid::all() {
        assert_eq!(compare(&vector.bytes), Reading::Message, "{}", vector.name);
    }
    for vector in invalid::all() {
        let wanted = match vector.layer {
            invalid::Layer::Envelope if vector.reason == "type" => continue,
            invalid::Layer::Envelope => Reading::Refused,
            // The signature is not looked at here.
            invalid::Layer::Signature => Reading::Message,
            invalid::Layer::Payload => Reading::Envelope,
        };
        assert_eq!(compare(&vector.bytes), wanted, "{}", vector.name);
    }
}

#[test]
fn both_agree_on_messages_of_every_shape() {
    let run = runner(2_000).run(&arbitrary::message(), |bytes| {
        prop_assert_eq!(compare(&bytes), Reading::Message);
        Ok(())
    });
    run.unwrap();
}

#[test]
fn both_agree_on_whatever_ours_accepts_of_damaged_messages() {
    let messages = valid::all().iter().filter(|v| v.size < 1_000);
    let messages: Vec<&[u8]> = messages.map(|v| v.bytes.as_slice()).collect();
    let strategy = (
        select(messages),
        select(vec![Part::Whole, Part::Header, Part::Payload]),
        vec(damage(), 1..4),
    );
    let (envelopes, accepted) = (Cell::new(0), Cell::new(0));
    let run = runner(30_000).run(&strategy, |(message, part, damages)| {
        match compare(&part.damaged(message, &damages)) {
            Reading::Refused => {}
            Reading::Envelope => envelopes.set(envelopes.get() + 1),
            Reading::Message => accepted.set(accepted.get() + 1),
        }
        Ok(())
    });
    run.unwrap();
    // A comparison that never came to compare would prove nothing.
    assert!(envelopes.get() > 3_000, "{envelopes:?}");
    assert!(accepted.get() > 1_500, "{accepted:?}");
}

#[test]
fn nothing_makes_ours_panic() {
    let run = runner(10_000).run(&vec(any::<u8>(), 0..300), |bytes| {
        compare(&bytes);
        compare(&[&[0xd2, 0x84][..], &bytes].concat());
        Ok(())
    });
    run.unwrap();
}

/// What of a message is damaged; lengths around it are mended, so that ours reads on to it.
#[derive(Clone, Copy, Debug)]
enum Part {
    Whole,
    Header,
    Payload,
}

impl Part {
    fn damaged(self, message: &[u8], damages: &[Damage]) -> Vec<u8> {
        let damaged = |bytes: Vec<u8>| damages.iter().fold(bytes, |bytes, d| d.to(bytes));
        let (header, payload) = parts(message);
        let (header, payload) = match self {
            Self::Whole => return damaged(message.to_vec()),
            Self::Header => (damaged(header.encode()), payload.encode()),
            Self::Payload => (header.encode(), damaged(payload.encode())),
        };
        let sign1 = Item::Array(vec![
            Item::Bytes(header),
            Item::Map(Vec::new()),
            Item::Bytes(payload),
            Item::Bytes(vec![0x5a; 64]),
        ]);
        Item::Tag(18, Box::new(sign1)).encode()
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Swap(Index, Index),
    Cut(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    // Bytes that mean something in CBOR come up more often than others.
    let telling = select(vec![
        0x00, 0x01, 0x17, 0x18, 0x19, 0x1b, 0x20, 0x40, 0x41, 0x50, 0x58, 0x5f, 0x60, 0x7f, 0x80,
        0x81, 0x9f, 0xa0, 0xa1, 0xbf, 0xd2, 0xf4, 0xf6, 0xf9, 0xff,
    ]);
    let byte = prop_oneof![telling, any::<u8>()];
    let at = any::<Index>;
    prop_oneof![
        3 => (at(), 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        3 => (at(), byte.clone()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        1 => (at(), vec(byte, 1..5)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => (at(), 1usize..8).prop_map(|(at, len)| Damage::Remove(at, len)),
        1 => (at(), 1usize..40).prop_map(|(at, len)| Damage::Repeat(at, len)),
        1 => (at(), at()).prop_map(|(a, b)| Damage::Swap(a, b)),
        1 => at().prop_map(Damage::Cut),
    ]
}

impl Damage {
    fn to(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        if bytes.is_empty() {
            return bytes;
        }
        let len = bytes.len();
        match self {
            Self::Flip(at, bit) => bytes[at.index(len)] ^= 1 << bit,
            Self::Set(at, byte) => bytes[at.index(len)] = *byte,
            Self::Insert(at, new) => {
                let at = at.index(len);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Remove(at, count) => {
                let at = at.index(len);
                bytes.drain(at..len.min(at + count));
            }
            Self::Repeat(at, count) => {
                let at = at.index(len);
                let part = bytes[at..len.min(at + count)].to_vec();
                bytes.splice(at..at, part);
            }
            Self::Swap(a, b) => bytes.swap(a.index(len), b.index(len)),
            Self::Cut(at) => bytes.truncate(at.index(len)),
        }
        bytes
    }
}
