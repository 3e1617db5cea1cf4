#![allow(clippy::unwrap_used)]

mod random;

use std::num::NonZeroU32;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_796_126_400);

fn plan(sizes: &[&str]) -> Plan {
    Plan {
        sizes: sizes.iter().map(|size| size.parse().unwrap()).collect(),
        success: Percent::new(80).unwrap(),
        on_success: OnSuccess::Next,
        failure: Percent::new(20).unwrap(),
        on_failure: OnFailure::Pause,
        rate: "1000/min".parse().unwrap(),
        patience: NonZeroU32::new(3_600).unwrap(),
        late: Late::Never,
    }
}

fn running(plan: Plan, devices: u64) -> Campaign {
    let mut campaign = Campaign {
        state: CampaignState::Ready,
        because: None,
        waves: plan.divide(devices),
        plan,
    };
    command(&mut campaign, Command::Start).unwrap();
    campaign
}

fn ticked(campaign: &mut Campaign, progress: Progress) -> Vec<Act> {
    let acts = tick(campaign, progress, NOW);
    for act in &acts {
        campaign.apply(*act);
        if let Act::Draw { wave, devices } = act {
            campaign.waves[*wave].tally.drawn += devices;
        }
    }
    acts
}

fn on(campaign: &mut Campaign) -> Vec<Act> {
    ticked(campaign, Progress::default())
}

const fn draw(wave: usize, devices: u64) -> Act {
    Act::Draw { wave, devices }
}

#[test]
fn waves_are_shares_of_all_and_the_rest() {
    let sizes = |sizes: &[&str], devices| -> Vec<u64> {
        let waves = plan(sizes).divide(devices);
        waves.iter().map(|wave| wave.size).collect()
    };
    assert_eq!(sizes(&["10", "5%", "25%"], 1_000), [10, 50, 250, 690]);
    assert_eq!(sizes(&["5%"], 3), [1, 2], "at least one");
    assert_eq!(
        sizes(&["10", "50%"], 4),
        [4],
        "and never more than there are"
    );
    assert_eq!(sizes(&["50%", "50%"], 3), [2, 1]);
    assert_eq!(sizes(&[], 0), [0; 0]);
}

#[test]
fn a_wave_begins_when_the_one_before_it_has_passed() {
    let mut campaign = running(plan(&["10", "20"]), 100);
    assert_eq!(on(&mut campaign), [Act::Begin(0), draw(0, 10)]);
    assert_eq!(on(&mut campaign), [], "it waits for the devices");
    campaign.waves[0].tally.succeeded = 7;
    assert_eq!(on(&mut campaign), []);
    campaign.waves[0].tally.succeeded = 8;
    assert_eq!(
        on(&mut campaign),
        [Act::Pass(0), Act::Begin(1), draw(1, 20)]
    );
    campaign.waves[1].tally.succeeded = 20;
    on(&mut campaign);
    campaign.waves[2].tally.succeeded = 70;
    assert_eq!(
        on(&mut campaign),
        [Act::Pass(2)],
        "two of the first are open"
    );
    campaign.waves[0].tally.succeeded = 10;
    assert_eq!(on(&mut campaign), [Act::Finish]);
    assert_eq!(campaign.state, CampaignState::Finished);
    assert_eq!(on(&mut campaign), []);
}

#[test]
fn two_waves_that_fail_in_one_tick_pause_once() {
    let mut campaign = running(plan(&["10", "10"]), 30);
    on(&mut campaign);
    campaign.waves[0].tally.succeeded = 8;
    on(&mut campaign);
    // The last two of the first wave fail late, with the second.
    campaign.waves[0].tally.failed = 2;
    campaign.waves[1].tally.failed = 5;
    let because = Because::TooManyFailed;
    assert_eq!(
        on(&mut campaign),
        [
            Act::Fail(0, because),
            Act::Fail(1, because),
            Act::Pause(because)
        ]
    );
    assert_eq!(campaign.because, Some(because));
    assert_eq!(on(&mut campaign), [], "it waits for somebody");

    command(&mut campaign, Command::Resume).unwrap();
    assert_eq!(campaign.waves[0].state, WaveState::Passed);
    assert_eq!(on(&mut campaign), [], "what failed is excused");
    campaign.waves[1].tally.failed = 7;
    assert_eq!(
        on(&mut campaign),
        [Act::Fail(1, because), Act::Pause(because)],
        "what fails from then on is not"
    );
}

#[test]
fn a_failure_and_a_success_in_one_tick_begin_nothing() {
    let mut strict = plan(&["10"]);
    strict.on_failure = OnFailure::Stop;
    strict.failure = Percent::new(10).unwrap();
    let mut campaign = running(strict, 20);
    on(&mut campaign);
    (
        campaign.waves[0].tally.succeeded,
        campaign.waves[0].tally.failed,
    ) = (9, 1);
    let because = Because::TooManyFailed;
    assert_eq!(
        on(&mut campaign),
        [Act::Fail(0, because), Act::Stop(because)]
    );
    assert!(campaign.state == CampaignState::Stopped);
    let refused = command(&mut campaign, Command::Resume).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the campaign is stopped: it cannot resume any more; make a new one for what is left"
    );
}

#[test]
fn a_wave_that_can_no_more_succeed_does_not_hang() {
    let mut lax = plan(&["10"]);
    lax.failure = Percent::new(50).unwrap();
    let mut campaign = running(lax, 20);
    on(&mut campaign);
    (
        campaign.waves[0].tally.succeeded,
        campaign.waves[0].tally.failed,
    ) = (7, 3);
    let because = Because::TooFewSucceeded;
    assert_eq!(
        on(&mut campaign),
        [Act::Fail(0, because), Act::Pause(because)]
    );
    command(&mut campaign, Command::Resume).unwrap();
    assert_eq!(on(&mut campaign), [Act::Begin(1), draw(1, 10)]);
}

#[test]
fn the_rate_holds_over_waves() {
    let mut slow = plan(&["10"]);
    slow.rate = "15/h".parse().unwrap();
    let mut campaign = running(slow, 40);
    assert_eq!(on(&mut campaign), [Act::Begin(0), draw(0, 10)]);
    campaign.waves[0].tally.succeeded = 10;
    let lately = |drawn_lately| Progress {
        drawn_lately,
        ..Progress::default()
    };
    assert_eq!(
        ticked(&mut campaign, lately(10)),
        [Act::Pass(0), Act::Begin(1), draw(1, 5)]
    );
    assert_eq!(ticked(&mut campaign, lately(15)), []);
    assert_eq!(ticked(&mut campaign, lately(12)), [draw(1, 3)]);
}

#[test]
fn late_joiners_have_a_wave_that_ends_with_the_campaign() {
    let mut open = plan(&[]);
    open.late = Late::Until(NOW.plus_seconds(10));
    let mut campaign = running(open, 10);
    let late = |late_waiting| Progress {
        late_waiting,
        ..Progress::default()
    };
    assert_eq!(
        ticked(&mut campaign, late(3)),
        [Act::Begin(0), draw(0, 10)],
        "they wait for the others"
    );
    campaign.waves[0].tally.succeeded = 10;
    assert_eq!(
        ticked(&mut campaign, late(3)),
        [Act::Pass(0), Act::Begin(1), draw(1, 3)]
    );
    campaign.waves[1].tally.failed = 1;
    assert_eq!(
        ticked(&mut campaign, late(0)),
        [],
        "one of ten, not one of three"
    );
    campaign.waves[1].tally.succeeded = 2;
    assert_eq!(ticked(&mut campaign, late(0)), [], "more may come");
    let acts = tick(&campaign, Progress::default(), NOW.plus_seconds(10));
    assert_eq!(acts, [Act::Pass(1), Act::Finish]);
}

#[test]
fn what_has_nothing_to_do_proves_nothing() {
    let mut campaign = running(plan(&["10"]), 12);
    on(&mut campaign);
    campaign.waves[0].tally.skipped = 8;
    assert_eq!(on(&mut campaign), []);
    campaign.waves[0].tally.succeeded = 1;
    assert_eq!(on(&mut campaign), []);
    campaign.waves[0].tally.failed = 1;
    assert!(matches!(on(&mut campaign)[..], [Act::Fail(0, _), _]));

    let mut idle = running(plan(&["10"]), 12);
    on(&mut idle);
    idle.waves[0].tally.skipped = 10;
    assert_eq!(on(&mut idle), [Act::Pass(0), Act::Begin(1), draw(1, 2)]);
}

#[test]
fn it_can_wait_for_somebody_between_waves() {
    let mut careful = plan(&["1"]);
    careful.on_success = OnSuccess::Pause;
    let mut campaign = running(careful, 3);
    on(&mut campaign);
    campaign.waves[0].tally.succeeded = 1;
    let because = Because::WavePassed;
    assert_eq!(on(&mut campaign), [Act::Pass(0), Act::Pause(because)]);
    command(&mut campaign, Command::Resume).unwrap();
    assert_eq!(on(&mut campaign), [Act::Begin(1), draw(1, 2)]);
    campaign.waves[1].tally.succeeded = 2;
    assert_eq!(on(&mut campaign), [Act::Pass(1), Act::Finish]);
}

#[test]
fn nothing_is_told_that_does_not_fit() {
    let mut campaign = running(plan(&[]), 3);
    command(&mut campaign, Command::Start).unwrap_err();
    command(&mut campaign, Command::Resume).unwrap_err();
    command(&mut campaign, Command::Pause).unwrap();
    assert_eq!(campaign.because, Some(Because::Operator));
    command(&mut campaign, Command::Pause).unwrap_err();
    command(&mut campaign, Command::Abort).unwrap();
    command(&mut campaign, Command::Abort).unwrap_err();
    assert_eq!(on(&mut campaign), []);
}

#[test]
fn plans_are_read_and_refused() {
    for (text, shown) in [
        ("100/min", "100/min"),
        ("5/90s", "5/90s"),
        ("7/2h", "7/7200s"),
    ] {
        assert_eq!(text.parse::<Rate>().unwrap().to_string(), shown);
    }
    for text in [
        "",
        "5",
        "0/h",
        "5/0s",
        "-1/h",
        "5/week",
        "5/99999999999h",
        "5/h/h",
        "5/éh",
    ] {
        text.parse::<Rate>().unwrap_err();
    }
    for text in ["", "0", "0%", "101%", "1.5%", "-3", "%", "5 %"] {
        text.parse::<Size>().unwrap_err();
    }
    assert_eq!(
        plan(&["60%", "41%"]).check(),
        Err(InvalidPlan::MoreThanAll(101))
    );
    assert_eq!(plan(&["60%", "40%"]).check(), Ok(()));
    let mut slow = plan(&[]);
    slow.rate.per = NonZeroU32::MAX;
    assert_eq!(slow.check(), Err(InvalidPlan::SlowRate(u32::MAX)));
}
