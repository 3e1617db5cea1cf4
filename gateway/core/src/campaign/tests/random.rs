//! Campaigns with whatever plan, whose devices answer as they like and whose operators interfere:
//! what must hold holds after every tick.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
struct Step {
    seconds: u64,
    /// In hundredths of what is open: settled well, settled ill, skipped.
    settle: (u64, u64, u64),
    late: u64,
    told: Option<Command>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let told = prop_oneof![
        12 => Just(None),
        1 => Just(Some(Command::Pause)),
        6 => Just(Some(Command::Resume)),
    ];
    let step = (
        0_u64..120,
        (0_u64..80, 0_u64..25, 0_u64..10),
        0_u64..3,
        told,
    )
        .prop_map(|(seconds, settle, late, told)| Step {
            seconds,
            settle,
            late,
            told,
        });
    prop::collection::vec(step, 1..200)
}

prop_compose! {
    fn plans()(
        sizes in prop::collection::vec(prop_oneof![
            (1_u32..40).prop_map(|n| Size::Devices(NonZeroU32::new(n).unwrap())),
            (1_u8..30).prop_map(|n| Size::Share(Percent::new(n).unwrap())),
        ], 0..4),
        success in 1_u8..=100,
        failure in 1_u8..=100,
        stops in any::<bool>(),
        looks in any::<bool>(),
        devices in 1_u32..60,
        per in 1_u32..200,
        until in prop::option::of(0_u64..2_000),
    ) -> Plan {
        Plan {
            sizes,
            success: Percent::new(success).unwrap(),
            on_success: if looks { OnSuccess::Pause } else { OnSuccess::Next },
            failure: Percent::new(failure).unwrap(),
            on_failure: if stops { OnFailure::Stop } else { OnFailure::Pause },
            rate: Rate {
                devices: NonZeroU32::new(devices).unwrap(),
                per: NonZeroU32::new(per).unwrap(),
            },
            patience: NonZeroU32::new(3_600).unwrap(),
            late: until.map_or(Late::Never, |after| Late::Until(NOW.plus_seconds(after))),
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_rate_and_the_thresholds_hold(
        plan in plans(), devices in 0_u64..300, steps in steps()
    ) {
        let mut campaign = running(plan, devices);
        let mut now = NOW;
        let mut drawn: VecDeque<(Timestamp, u64)> = VecDeque::new();
        let mut late = 0;
        for step in steps {
            now = now.plus_seconds(step.seconds);
            settle(&mut campaign, step.settle);
            if campaign.plan.late != Late::Never {
                late += step.late;
            }
            if let Some(told) = step.told {
                // What does not fit is refused, and changes nothing.
                let before = campaign.clone();
                if command(&mut campaign, told).is_err() {
                    prop_assert_eq!(&campaign, &before);
                }
            }
            let per = u64::from(campaign.plan.rate.per.get());
            let lately = |drawn: &VecDeque<(Timestamp, u64)>| -> u64 {
                let recent = drawn.iter().filter(|(at, _)| *at > now.minus_seconds(per));
                recent.map(|(_, devices)| devices).sum()
            };
            let progress = Progress { late_waiting: late, drawn_lately: lately(&drawn) };
            let acts = tick(&campaign, progress, now);
            check(&campaign, &acts)?;
            for act in &acts {
                campaign.apply(*act);
                if let Act::Draw { wave, devices } = *act {
                    let wave = &mut campaign.waves[wave];
                    if wave.is_late {
                        late -= devices;
                        wave.size += devices;
                    }
                    wave.tally.drawn += devices;
                    drawn.push_back((now, devices));
                    prop_assert!(wave.tally.drawn <= wave.size);
                }
            }
            prop_assert!(lately(&drawn) <= u64::from(campaign.plan.rate.devices.get()));
            let again = Progress { late_waiting: late, drawn_lately: lately(&drawn) };
            prop_assert_eq!(tick(&campaign, again, now), []);
        }
    }
}

/// What no tick may do.
fn check(before: &Campaign, acts: &[Act]) -> Result<(), TestCaseError> {
    let ends = |act: &&Act| matches!(act, Act::Pause(_) | Act::Stop(_) | Act::Finish);
    prop_assert!(acts.iter().filter(ends).count() <= 1);
    if acts.iter().any(|act| matches!(act, Act::Fail(..))) {
        let goes_on = |act: &Act| matches!(act, Act::Begin(_) | Act::Draw { .. } | Act::Pass(_));
        prop_assert!(!acts.iter().any(goes_on));
    }
    let mut now = before.clone();
    for act in acts {
        if let Act::Begin(number) = *act {
            let passed = |wave: &Wave| wave.state == WaveState::Passed;
            prop_assert!(now.waves[..number].iter().all(passed));
        }
        now.apply(*act);
    }
    if now.state == CampaignState::Finished {
        prop_assert!(now.waves.iter().all(|wave| wave.tally.open() == 0));
    }
    Ok(())
}

fn settle(campaign: &mut Campaign, (well, ill, skipped): (u64, u64, u64)) {
    for wave in &mut campaign.waves {
        let open = wave.tally.open();
        wave.tally.succeeded += open * well / 100;
        wave.tally.failed += (open * ill / 100).min(wave.tally.open());
        wave.tally.skipped += (open * skipped / 100).min(wave.tally.open());
    }
}
