//! What the firmware tells whoever looks on: lines on the host's standard output. Without
//! `core::fmt`, which would cost several kilobytes.

use fleetgrant_agent::{Event, Profile};
use semihosting::io::{self, Write as _};

/// Something that can be told.
pub trait Tell {
    /// As text, in pieces.
    fn tell(&self, piece: &mut dyn FnMut(&str));
}

/// Prints the items on a line, with spaces between.
pub fn say(items: &[&dyn Tell]) {
    let Ok(mut out) = io::stdout() else {
        return;
    };
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            let _ = out.write_all(b" ");
        }
        item.tell(&mut |piece| {
            let _ = out.write_all(piece.as_bytes());
        });
    }
    let _ = out.write_all(b"\n");
}

/// Prints what happened.
pub fn say_event(event: &Event, profile: &Profile<'_>) {
    match event {
        Event::Installed { generation, denied } => {
            say(&[&"installed", generation, &"denied", &u64::from(*denied)]);
        }
        Event::Notice(code) => say(&[&"notice", &code.as_str()]),
        Event::KeysInstalled { generation } => say(&[&"keys", &u64::from(*generation)]),
        Event::FeatureChanged { feature, on } => {
            let name = profile.features.get(usize::from(*feature));
            say(&[if *on { &"on" } else { &"off" }, name.unwrap_or(&"?")]);
        }
        Event::Refused { message, reason } => {
            say(&[&"refused", &message.as_str(), &reason.as_str()]);
        }
        Event::Storage { record, reason } => {
            say(&[&"storage", &record.as_str(), &reason.as_str()]);
        }
        Event::CannotAsk(_) => say(&[&"cannot-ask"]),
    }
}

impl Tell for &str {
    fn tell(&self, piece: &mut dyn FnMut(&str)) {
        piece(self);
    }
}

impl Tell for u64 {
    /// In decimal.
    fn tell(&self, piece: &mut dyn FnMut(&str)) {
        const DIGITS: &str = "0123456789";
        let mut power = 1_u64;
        while self / power >= 10 {
            power *= 10;
        }
        while power > 0 {
            let digit = (self / power % 10) as usize;
            piece(DIGITS.get(digit..=digit).unwrap_or_default());
            power /= 10;
        }
    }
}
