//! A message that a device signed and that cannot be decided on: it is malformed, or for another
//! realm.
//!
//! It changes nothing in the conversation, and what it may say of itself is not believed. The
//! history tells of it, since somebody has to mend that device; but not of its replays, and not
//! of more than a few a day, so that a device can fill nobody's disk.

use crate::ask::{Fault, SignedUnfit};
use crate::context::{Context, Entropy};
use crate::event::{Event, EventKind};
use crate::notice::NoticeCode;
use crate::outcome::{Answer, Outcome};
use crate::request::foreign;
use crate::snapshot::Snapshot;
use crate::turn::{Said, Turn};

/// Refuses a verified message that cannot be decided on.
pub fn on_unfit<E: Entropy>(
    snapshot: Snapshot,
    signed: &SignedUnfit,
    ctx: Context<'_>,
    entropy: &mut E,
) -> Outcome {
    let mut turn = Turn::new(snapshot, ctx, entropy);
    let answer = turn.refuse_unfit(signed);
    turn.finish(answer)
}

impl<E: Entropy> Turn<'_, E> {
    fn refuse_unfit(&mut self, signed: &SignedUnfit) -> Answer {
        let SignedUnfit {
            digest,
            sender,
            unfit,
        } = signed;
        if let Some(code) = foreign(&self.device, sender) {
            self.tell_foreign(code, sender, *digest);
        } else if self.is_worth_telling(*digest, |watch| &mut watch.unfit) {
            let event = Event::new(EventKind::MessageRefused)
                .with("message", unfit.message.as_str())
                .with("notice", code(&unfit.fault).as_str());
            self.record(match &unfit.fault {
                Fault::Malformed(reason) => event.with("reason", reason.as_str()),
                Fault::OtherRealm(realm) => event.with("realm", realm.as_str()),
            });
        }
        let said = Said {
            to_key: Some(sender.key),
            text: match &unfit.fault {
                Fault::Malformed(reason) => Some(reason.as_str()),
                Fault::OtherRealm(_) => None,
            },
            ..Said::default()
        };
        self.notice(code(&unfit.fault), unfit.nonce, said)
    }
}

const fn code(fault: &Fault) -> NoticeCode {
    match fault {
        Fault::Malformed(_) => NoticeCode::Malformed,
        Fault::OtherRealm(_) => NoticeCode::WrongRealm,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fleetgrant_schemas::notice::Notice;
    use fleetgrant_schemas::topic::MessageType;
    use fleetgrant_schemas::{Malformed, Message as _};

    use super::*;
    use crate::ask::{Channel, Sender, Unfit, Verdict};
    use crate::domain::{DeviceNonce, KeyThumbprint, MessageDigest};
    use crate::event::Field;
    use crate::testkit::{Bench, DAY, Handset, noticed};

    const NONCE: DeviceNonce = DeviceNonce([5; 16]);

    fn malformed(n: u8) -> SignedUnfit {
        SignedUnfit {
            digest: MessageDigest([n; 32]),
            sender: Sender {
                key: KeyThumbprint([0; 32]),
                verdict: Verdict::Pinned,
                channel: Channel::Online,
            },
            unfit: Unfit {
                message: MessageType::Request,
                fault: Malformed::WrongType.into(),
                nonce: Some(NONCE),
            },
        }
    }

    fn refuse(bench: &mut Bench, device: &Handset, signed: &SignedUnfit) -> Outcome {
        let mut signed = signed.clone();
        if signed.sender.verdict == Verdict::Pinned {
            signed.sender.key = bench.device(device).key().unwrap();
        }
        let outcome = bench.operate(device, |snapshot, ctx, entropy| {
            Ok::<_, ()>(on_unfit(snapshot, &signed, ctx, entropy))
        });
        outcome.unwrap()
    }

    #[test]
    fn it_is_told_why_with_its_nonce_and_changes_nothing_else() {
        let mut bench = Bench::new();
        bench.sell("scan", 1);
        let device = bench.activated("d", "scan", 1);
        let before = bench.device(&device).clone();
        let outcome = refuse(&mut bench, &device, &malformed(1));
        assert_eq!(noticed(&outcome), Some(NoticeCode::Malformed));
        let Answer::Notice(notice) = &outcome.answer else {
            panic!("{:?}", outcome.answer);
        };
        let payload = Notice::decode(&notice.payload).unwrap();
        assert_eq!(payload.nonce, Some(NONCE));
        assert_eq!(payload.text, Some("wrong-type"));
        assert_eq!(payload.challenge, None);
        let [event] = &outcome.events[..] else {
            panic!("{:?}", outcome.events);
        };
        assert_eq!(event.kind, EventKind::MessageRefused);
        let told = |name| event.body.field(name).cloned();
        assert_eq!(told("reason"), Some(Field::Text("wrong-type".to_owned())));
        assert_eq!(told("message"), Some(Field::Text("request".to_owned())));
        let after = bench.device(&device).clone();
        let watch = before.watch;
        assert_eq!(crate::device::Device { watch, ..after }, before);
    }

    #[test]
    fn its_replays_leave_no_trace_and_no_day_has_more_than_a_few() {
        let mut bench = Bench::new();
        let device = bench.admitted("d");
        for n in [1, 1, 1] {
            refuse(&mut bench, &device, &malformed(n));
        }
        assert_eq!(bench.count(EventKind::MessageRefused), 1);
        for n in 2..200 {
            let outcome = refuse(&mut bench, &device, &malformed(n));
            assert_eq!(noticed(&outcome), Some(NoticeCode::Malformed));
        }
        let limit = usize::from(bench.policy.refusals_told_per_day);
        assert_eq!(bench.count(EventKind::MessageRefused), limit);
        bench.wait(DAY);
        refuse(&mut bench, &device, &malformed(200));
        assert_eq!(bench.count(EventKind::MessageRefused), limit + 1);
    }

    #[test]
    fn another_key_shows_as_such_however_much_the_device_itself_is_refused() {
        let mut bench = Bench::new();
        let device = bench.admitted("d");
        for n in 1..100 {
            refuse(&mut bench, &device, &malformed(n));
        }
        let mut foreign = malformed(100);
        foreign.sender.key = KeyThumbprint([9; 32]);
        foreign.sender.verdict = Verdict::IdentityConflict;
        let outcome = refuse(&mut bench, &device, &foreign);
        assert_eq!(noticed(&outcome), Some(NoticeCode::Malformed));
        assert_eq!(bench.count(EventKind::IdentityConflict), 1);
    }

    #[test]
    fn a_message_for_another_realm_is_told_so() {
        let mut bench = Bench::new();
        let device = bench.admitted("d");
        let mut signed = malformed(1);
        signed.unfit.fault = Fault::OtherRealm("elsewhere".to_owned());
        let outcome = refuse(&mut bench, &device, &signed);
        assert_eq!(noticed(&outcome), Some(NoticeCode::WrongRealm));
        let realm = outcome.events[0].body.field("realm");
        assert_eq!(realm, Some(&Field::Text("elsewhere".to_owned())));
    }
}
