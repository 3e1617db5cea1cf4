//! Two devices race for the last unit of an entitlement.

use crate::ask::Reason;
use crate::request::on_request;
use crate::testkit::{Bench, Handset, want};

/// Two devices want the last unit; `order` says whose step is next. Returns how many have it.
pub(super) fn race(order: &[bool], at_once: bool) -> usize {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut devices = [bench.admitted("one"), bench.admitted("other")];
    let requests = devices
        .each_mut()
        .map(|device| device.request(Reason::Upgrade, &[want("scan", 1)]));
    let decide = |bench: &mut Bench, which: usize, device: &Handset| {
        let snapshot = bench.world.snapshot(&device.id, Some(&requests[which].ask));
        bench.decide(|ctx, dice| on_request(snapshot, &requests[which], ctx, dice))
    };
    // Both replicas may have decided before either writes.
    let mut early = [0, 1].map(|which| at_once.then(|| decide(&mut bench, which, &devices[which])));
    let mut outcomes = [None, None];
    let mut acks = [None, None];
    let mut steps = [0, 0];
    for first in order {
        let which = usize::from(!first);
        match steps[which] {
            0 => {
                let decided = early[which].take();
                let outcome = decided
                    .filter(|outcome| bench.world.apply(outcome, bench.now).is_ok())
                    .unwrap_or_else(|| {
                        let outcome = decide(&mut bench, which, &devices[which]);
                        bench.apply(&outcome);
                        outcome
                    });
                outcomes[which] = Some(outcome);
            }
            1 => {
                let outcome = outcomes[which].take().unwrap();
                acks[which] = bench.deliver(&mut devices[which], &outcome);
            }
            _ => {
                if let Some(ack) = acks[which].take() {
                    bench.acknowledge(&devices[which], &ack);
                }
            }
        }
        steps[which] += 1;
        assert_eq!(bench.world.violations(), []);
    }
    assert_eq!(bench.live(sold), 1);
    devices
        .iter()
        .filter(|device| device.features() == ["scan"])
        .count()
}
