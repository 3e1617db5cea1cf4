//! What a device says it holds.

use std::cmp::Ordering;

use fleetgrant_schemas::limits;

use crate::ask::{Held, Request};
use crate::context::Entropy;
use crate::device::Acked;
use crate::event::{Event, EventKind};
use crate::ledger::Word;
use crate::notice::NoticeCode;
use crate::outcome::{Answer, Deliveries};
use crate::turn::Turn;

impl<E: Entropy> Turn<'_, E> {
    /// Takes what a request that counts says it holds as the acknowledgement that was lost.
    ///
    /// A set that outranks everything this gateway can sign leaves nothing to answer: that is an
    /// `Err`, and somebody is paged.
    pub(super) fn believe_held(&mut self, held: Held, request: &Request) -> Result<(), Answer> {
        let ahead = held
            .key
            .generation
            .get()
            .saturating_sub(self.device.generation.get());
        if held.key.epoch > self.ctx.authority.epoch || ahead >= limits::MAX_SEQ_JUMP {
            self.record_never_issued(held);
            return Err(self.notice_counted(NoticeCode::RetryLater, request, self.later()));
        }
        if ahead > 0 {
            // The request echoed a challenge: the device does hold it now.
            self.record(
                Event::new(EventKind::HeldBeyondRecord)
                    .with("held", held.key)
                    .with("recorded", self.device.generation.get()),
            );
            self.device.generation = held.key.generation;
            // What is in that set is not known, so holding it proves nothing; nor will any
            // acknowledgement of it.
            self.device.acked = Some(Acked {
                held,
                n: u32::MAX,
                at: self.ctx.now,
            });
            return Ok(());
        }
        let acked = self.device.acked;
        match acked.map_or(Ordering::Greater, |acked| held.key.cmp(&acked.held.key)) {
            // An acknowledgement overtook the request.
            Ordering::Less => {}
            Ordering::Equal => {
                if acked.is_some_and(|acked| acked.held != held) {
                    self.record_never_issued(held);
                }
            }
            Ordering::Greater => match self.sets.iter().find(|set| set.held() == held).cloned() {
                Some(set) => {
                    self.device.acked = Some(Acked {
                        held,
                        n: 0,
                        at: self.ctx.now,
                    });
                    self.record(
                        Event::new(EventKind::Acknowledged)
                            .with("set", held.key)
                            .with("by", "request"),
                    );
                    self.prove(&set, &[], Word::Recorded(self.ctx.now));
                    if self.latest().is_some_and(|latest| latest.key == set.key) {
                        self.deliveries = Deliveries::Acknowledged;
                    }
                }
                None if self.is_before_record(held) => {}
                None => self.record_never_issued(held),
            },
        }
        Ok(())
    }

    /// Whether a set is older than those that were read, so that nobody can say whether it was
    /// issued, or was for a board that was replaced. It then proves nothing, and accuses nobody.
    pub(crate) fn is_before_record(&self, held: Held) -> bool {
        held.key.generation <= self.device.replaced
            || self.sets.first().is_some_and(|first| held.key < first.key)
    }

    /// A set that carries the authority's signature and was never issued here.
    pub(crate) fn record_never_issued(&mut self, held: Held) {
        self.record(
            Event::new(EventKind::HeldNeverIssued)
                .with("set", held.key)
                .with("cti", held.cti),
        );
    }
}
