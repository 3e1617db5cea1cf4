//! The request's number, and what a device shows that takes up a new one.

use fleetgrant_schemas::limits;

use crate::ask::{Ask, Channel, Request};
use crate::challenge::Echo;
use crate::context::Entropy;
use crate::domain::Seq;
use crate::event::{Event, EventKind, Resync};
use crate::notice::NoticeCode;
use crate::outcome::Answer;
use crate::turn::{Said, Turn};

/// The window in which resyncs are counted, in seconds.
const RESYNC_WINDOW: u64 = 7 * 86_400;

impl<E: Entropy> Turn<'_, E> {
    /// Whether the number is above the last, and not so far above it that the counter would soon
    /// be used up.
    pub(super) fn check_number(&mut self, request: &Request) -> Result<(), Answer> {
        let ask = &request.ask;
        let last = self.device.last.as_ref().map_or(Seq::ZERO, |last| last.seq);
        if self.device.last.is_some() && ask.seq <= last {
            return Err(self.stale(request, last));
        }
        if ask.seq.get() - last.get() >= limits::MAX_SEQ_JUMP {
            if self.is_refusal_worth_telling(request.digest) {
                self.record(
                    Event::new(EventKind::SeqJumped)
                        .with("last", last)
                        .with("seq", ask.seq),
                );
            }
            let said = Said {
                expected_seq: last.next(),
                text: Some("seq-jump"),
                ..Said::default()
            };
            return Err(self.notice(NoticeCode::Denied, Some(ask.nonce), said));
        }
        Ok(())
    }

    /// A file may have been overtaken by what came online, so it gets an ordinary challenge, and
    /// what echoes that is no resync.
    fn stale(&mut self, request: &Request, last: Seq) -> Answer {
        let challenge = match request.sender.channel {
            Channel::Online => self.resync_challenge(),
            Channel::File => self.challenge(Channel::File),
        };
        let said = Said {
            expected_seq: last.next(),
            challenge: Some(challenge),
            ..Said::default()
        };
        self.notice(NoticeCode::StaleSeq, Some(request.ask.nonce), said)
    }

    /// What a request that echoes a challenge shows of the device's memory. It was signed after
    /// what had been acknowledged when the challenge was sent, so holding less than that means
    /// that the memory was set back; a request that was merely overtaken cannot look like this.
    pub(super) fn judge(&mut self, ask: &Ask, echo: Echo) {
        let held = ask.held.map(|held| held.key);
        let class = match held {
            None => Resync::Wiped,
            Some(held) if echo.acked.is_some_and(|acked| held < acked) => Resync::RolledBack,
            Some(_) => Resync::SeqLost,
        };
        if echo.resync {
            self.record(
                Event::new(EventKind::Resynced)
                    .with("class", class)
                    .with("seq", ask.seq),
            );
            let watch = &mut self.device.watch;
            let count = watch.resyncs.add(self.ctx.now, RESYNC_WINDOW);
            if count >= self.ctx.policy.resync_limit && !watch.frozen {
                watch.frozen = true;
                self.record(
                    Event::new(EventKind::CloneSuspected).with("resyncs", u32::from(count)),
                );
            }
        }
        if class == Resync::RolledBack {
            self.device.watch.returns_stopped = true;
            self.record(
                Event::new(EventKind::RolledBack)
                    .with_some("held", held)
                    .with_some("acknowledged", echo.acked),
            );
        }
    }
}
