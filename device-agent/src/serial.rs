//! Messages over a serial line, for a device whose way to the broker leads through a bridge: a
//! host processor, a modem or a tool at the factory.
//!
//! A frame is `0xfa ‖ kind (1) ‖ length (2, big-endian) ‖ payload ‖ CRC-32 (4, little-endian)`,
//! the CRC over kind, length and payload. A frame that is damaged is dropped, and the next one is
//! found by its first byte; the agent repeats what got no answer. The line needs no secrecy, and
//! what comes over it is trusted no more than the broker is.

use fleetgrant_schemas::topic::MessageType;

use crate::frame::Crc;

/// How every frame begins.
const START: u8 = 0xfa;
/// Bytes before the payload.
const HEAD: usize = 4;
/// Bytes of a frame beside its payload.
pub const OVERHEAD: usize = HEAD + 4;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message of the protocol.
    Message(MessageType),
    /// From the bridge, without payload: there is a connection to the broker (again).
    Connected,
}

impl Kind {
    const fn number(self) -> u8 {
        match self {
            Self::Connected => 0,
            Self::Message(MessageType::Request) => 1,
            Self::Message(MessageType::Ack) => 2,
            Self::Message(MessageType::Grant) => 3,
            Self::Message(MessageType::Notice) => 4,
            Self::Message(MessageType::Keys) => 5,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Connected,
            1 => Self::Message(MessageType::Request),
            2 => Self::Message(MessageType::Ack),
            3 => Self::Message(MessageType::Grant),
            4 => Self::Message(MessageType::Notice),
            5 => Self::Message(MessageType::Keys),
            _ => return None,
        })
    }
}

/// Sends a frame byte by byte; a payload above 65,535 bytes is not sent.
pub fn send(kind: Kind, payload: &[u8], mut byte: impl FnMut(u8)) {
    let Ok(len) = u16::try_from(payload.len()) else {
        return;
    };
    let [high, low] = len.to_be_bytes();
    let head = [kind.number(), high, low];
    let crc = Crc::new().over(&head).over(payload).value().to_le_bytes();
    byte(START);
    for part in [&head, payload, &crc] {
        part.iter().copied().for_each(&mut byte);
    }
}

/// Finds frames in a stream of bytes. The buffer bounds their payload.
#[derive(Debug)]
pub struct Receiver<B> {
    buffer: B,
    step: Step,
    kind: u8,
    len: usize,
    crc: Crc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Looks for the first byte of a frame.
    Start,
    /// So many bytes of the head are there.
    Head(u8),
    /// So many bytes of payload are there.
    Payload(usize),
    /// So many bytes of the CRC are there.
    Tail(u8),
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Receiver<B> {
    /// Payloads up to the length of this buffer are received, longer ones dropped.
    pub const fn new(buffer: B) -> Self {
        Self {
            buffer,
            step: Step::Start,
            kind: 0,
            len: 0,
            crc: Crc::new(),
        }
    }

    /// Takes the next byte; gives the frame that it completes.
    pub fn take(&mut self, byte: u8) -> Option<(Kind, &[u8])> {
        self.step = match self.step {
            Step::Start => {
                self.crc = Crc::new();
                self.len = 0;
                match byte {
                    START => Step::Head(0),
                    _ => Step::Start,
                }
            }
            Step::Head(0) => {
                self.kind = byte;
                self.counted(byte, Step::Head(1))
            }
            Step::Head(place) => {
                self.len = self.len << 8 | usize::from(byte);
                match place {
                    1 => self.counted(byte, Step::Head(2)),
                    _ if self.len > self.buffer.as_ref().len() => Step::Start,
                    _ if self.len == 0 => self.counted(byte, Step::Tail(0)),
                    _ => self.counted(byte, Step::Payload(0)),
                }
            }
            Step::Payload(place) => {
                if let Some(slot) = self.buffer.as_mut().get_mut(place) {
                    *slot = byte;
                }
                let next = place + 1;
                if next == self.len {
                    self.counted(byte, Step::Tail(0))
                } else {
                    self.counted(byte, Step::Payload(next))
                }
            }
            Step::Tail(3) => {
                self.crc = self.crc.over(&[byte]);
                self.step = Step::Start;
                let kind = Kind::from_number(self.kind).filter(|_| self.crc.is_whole())?;
                return Some((kind, self.buffer.as_ref().get(..self.len)?));
            }
            Step::Tail(place) => self.counted(byte, Step::Tail(place + 1)),
        };
        None
    }

    fn counted(&mut self, byte: u8, next: Step) -> Step {
        self.crc = self.crc.over(&[byte]);
        next
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[allow(
        unused_extern_crates,
        reason = "without the feature `std` there is none"
    )]
    extern crate std;
    use std::vec::Vec;

    use super::*;

    fn line(kind: Kind, payload: &[u8]) -> Vec<u8> {
        let mut line = Vec::new();
        send(kind, payload, |byte| line.push(byte));
        line
    }

    fn received(bytes: &[u8]) -> Vec<(Kind, Vec<u8>)> {
        let mut receiver = Receiver::new([0; 8]);
        let mut frames = Vec::new();
        for byte in bytes {
            if let Some((kind, payload)) = receiver.take(*byte) {
                frames.push((kind, payload.to_vec()));
            }
        }
        frames
    }

    #[test]
    fn frames_of_every_kind_come_through() {
        let kinds = MessageType::ALL.iter().copied().map(Kind::Message);
        for kind in kinds.chain([Kind::Connected]) {
            for payload in [&b""[..], b"\xfa", b"12345678"] {
                let line = line(kind, payload);
                assert_eq!(line.len(), payload.len() + OVERHEAD);
                assert_eq!(received(&line), [(kind, payload.to_vec())]);
            }
        }
    }

    #[test]
    fn damage_anywhere_drops_the_frame_and_the_line_recovers() {
        let kind = Kind::Message(MessageType::Grant);
        let whole = line(kind, b"\xfaabc");
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x40;
            // A length that grew swallows frames until it is filled.
            for _ in 0..8 {
                bytes.extend(&whole);
            }
            let frames = received(&bytes);
            assert!(frames.len() >= 6, "{place}: {}", frames.len());
            assert!(
                frames
                    .iter()
                    .all(|frame| *frame == (kind, b"\xfaabc".to_vec()))
            );
        }
        for len in 0..whole.len() {
            let mut bytes = whole[..len].to_vec();
            for _ in 0..4 {
                bytes.extend(&whole);
            }
            assert!(received(&bytes).len() >= 2, "cut off at {len}");
        }
    }

    #[test]
    fn what_does_not_fit_or_is_of_no_kind_is_dropped() {
        let kind = Kind::Message(MessageType::Notice);
        let mut bytes = line(kind, b"123456789");
        bytes.extend(line(kind, b"after"));
        assert_eq!(received(&bytes), [(kind, b"after".to_vec())]);
        let mut other = line(kind, b"x");
        other[1] = 77;
        assert_eq!(received(&other), []);
    }
}
