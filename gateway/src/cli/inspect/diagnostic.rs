//! CBOR diagnostic notation (RFC 8949 section 8, with the embedded CBOR of RFC 8610 appendix G.3).

use std::fmt::Write as _;
use std::io::{self, Write};

use fleetgrant_schemas::topic::MessageType;
use serde_cbor::Value;

use super::names::{self, Shape};

/// Writes a message; without its type, claims have no names.
pub(super) fn write_envelope(
    out: &mut impl Write,
    value: &Value,
    message: Option<MessageType>,
) -> io::Result<()> {
    let mut text = String::new();
    match (value, message) {
        (Value::Tag(18, inner), Some(message)) => match inner.as_ref() {
            Value::Array(parts) => sign1(&mut text, parts, message),
            other => notation(&mut text, other, &Shape::Plain, 0),
        },
        _ => notation(&mut text, value, &Shape::Plain, 0),
    }
    writeln!(out, "{text}")
}

fn sign1(text: &mut String, parts: &[Value], message: MessageType) {
    const PARTS: [&str; 4] = ["protected", "unprotected", "payload", "signature"];
    text.push_str("18([");
    for (part, name) in parts.iter().zip(PARTS) {
        line(text, 1);
        let _ = write!(text, "/ {name} / ");
        match (name, part) {
            ("protected", Value::Bytes(bytes)) => embedded(text, bytes, &names::HEADER, 1),
            ("payload", Value::Bytes(bytes)) => embedded(text, bytes, &names::payload(message), 1),
            _ => notation(text, part, &Shape::Plain, 1),
        }
        if name != "signature" {
            text.push(',');
        }
    }
    line(text, 0);
    text.push_str("])");
}

fn embedded(text: &mut String, bytes: &[u8], shape: &Shape, depth: usize) {
    match serde_cbor::from_slice(bytes) {
        Ok(value) => {
            text.push_str("<< ");
            notation(text, &value, shape, depth);
            text.push_str(" >>");
        }
        Err(_) => hex(text, bytes),
    }
}

fn notation(text: &mut String, value: &Value, shape: &Shape, depth: usize) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(is) => text.push_str(if *is { "true" } else { "false" }),
        Value::Integer(number) => integer(text, *number, shape),
        Value::Float(number) => {
            let _ = write!(text, "{number:?}");
        }
        Value::Bytes(bytes) => match shape {
            Shape::Embedded(inner) => embedded(text, bytes, inner, depth),
            _ => hex(text, bytes),
        },
        Value::Text(string) => quoted(text, string),
        Value::Array(items) => array(text, items, shape, depth),
        Value::Map(entries) => {
            let known = match shape {
                Shape::Map(keys) => *keys,
                _ => &[],
            };
            let entries = entries.iter().map(|(key, value)| {
                let known = known.iter().find(|known| *key == Value::Integer(known.0));
                (key, value, known)
            });
            block(
                text,
                '{',
                '}',
                depth,
                entries,
                |text, (key, value, known)| {
                    notation(text, key, &Shape::Plain, depth + 1);
                    text.push(':');
                    if let Some(known) = known {
                        let _ = write!(text, " / {} /", known.1);
                    }
                    text.push(' ');
                    let shape = known.map_or(&Shape::Plain, |known| &known.2);
                    notation(text, value, shape, depth + 1);
                },
            );
        }
        Value::Tag(tag, inner) => {
            let _ = write!(text, "{tag}(");
            notation(text, inner, &Shape::Plain, depth);
            text.push(')');
        }
        // A hidden variant that the library never makes.
        _ => text.push_str("simple"),
    }
}

fn integer(text: &mut String, number: i128, shape: &Shape) {
    let _ = write!(text, "{number}");
    let meaning = match shape {
        Shape::Instant => i64::try_from(number)
            .ok()
            .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
            .map(|instant| instant.to_string()),
        Shape::Word(word) => u64::try_from(number)
            .ok()
            .and_then(word)
            .map(ToOwned::to_owned),
        Shape::Algorithm(known) => known
            .iter()
            .find(|(known, _)| *known == number)
            .map(|(_, name)| (*name).to_owned()),
        _ => None,
    };
    if let Some(meaning) = meaning {
        let _ = write!(text, " / {meaning} /");
    }
}

fn array(text: &mut String, items: &[Value], shape: &Shape, depth: usize) {
    match shape {
        Shape::Tuple(places) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                let place = places.get(index);
                if let Some(place) = place {
                    let _ = write!(text, "/ {} / ", place.0);
                }
                let shape = place.map_or(&Shape::Plain, |place| &place.1);
                notation(text, item, shape, depth);
            }
            text.push(']');
        }
        _ => {
            let each = match shape {
                Shape::Each(each) => each,
                _ => &Shape::Plain,
            };
            block(text, '[', ']', depth, items.iter(), |text, item| {
                notation(text, item, each, depth + 1);
            });
        }
    }
}

/// Brackets around one line an element.
fn block<T>(
    text: &mut String,
    open: char,
    close: char,
    depth: usize,
    items: impl ExactSizeIterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    text.push(open);
    let count = items.len();
    for (index, item) in items.enumerate() {
        line(text, depth + 1);
        write(text, item);
        if index + 1 < count {
            text.push(',');
        }
    }
    if count > 0 {
        line(text, depth);
    }
    text.push(close);
}

fn line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

fn hex(text: &mut String, bytes: &[u8]) {
    let _ = write!(text, "h'{}'", data_encoding::HEXLOWER.encode(bytes));
}

/// As JSON quotes it, so that no control character reaches a terminal.
fn quoted(text: &mut String, string: &str) {
    let _ = write!(text, "{}", serde_json::Value::from(string));
}
