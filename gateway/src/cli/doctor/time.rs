//! Whether the clock can be right.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use fleetgrant_core::domain::Timestamp;

use super::Finding;
use crate::config::Config;
use crate::store::Location;

const CHECK: &str = "clock";

/// An authority key with less than this left is to be replaced: 30 days.
const SOON_SECONDS: u64 = 30 * 86_400;

pub(super) fn examine(config: &Config, now: Timestamp) -> Vec<Finding> {
    let mut findings = vec![against_files(config, now)];
    findings.extend(authority(config, now));
    findings
}

/// A clock behind what this machine wrote earlier was set back, or has lost its battery.
fn against_files(config: &Config, now: Timestamp) -> Finding {
    const SLACK_SECONDS: u64 = 60;
    let database = match &config.database {
        Location::Sqlite(path) => Some(path),
        Location::Postgres(_) => None,
    };
    let latest = config
        .file
        .iter()
        .chain(database)
        .filter_map(|path| Some((path, written_at(path)?)))
        .max_by_key(|(_, written)| *written);
    match latest {
        Some((path, written)) if now.plus_seconds(SLACK_SECONDS) < written => Finding::fail(
            CHECK,
            format!("{now} is before {} was written ({written})", path.display()),
            "set the clock; nothing is signed with a wrong time",
        ),
        _ => Finding::ok(CHECK, now.to_string()),
    }
}

fn written_at(path: &Path) -> Option<Timestamp> {
    let written = fs::metadata(path).ok()?.modified().ok()?;
    let micros = written.duration_since(UNIX_EPOCH).ok()?.as_micros();
    i64::try_from(micros).ok().map(Timestamp::from_micros)
}

fn authority(config: &Config, now: Timestamp) -> Option<Finding> {
    const CHECK: &str = "authority";
    let authority = config.authority.as_ref()?;
    let (from, until) = (authority.not_before, authority.not_after);
    Some(if now < from {
        Finding::fail(
            CHECK,
            format!("the key signs from {from} on, and it is {now}"),
            "check the clock and authority.not_before",
        )
    } else if now >= until {
        Finding::fail(
            CHECK,
            format!("the key signs no more since {until}"),
            "make a key with the next epoch: `fleetgrant pki authority`",
        )
    } else if now.plus_seconds(SOON_SECONDS) >= until {
        Finding::warn(
            CHECK,
            format!("the key signs until {until} only"),
            "make a key with the next epoch in time: `fleetgrant pki authority`",
        )
    } else {
        let epoch = authority.epoch;
        Finding::ok(
            CHECK,
            format!("the key of epoch {epoch} signs until {until}"),
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::{Authority, Overrides};

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const END: Timestamp = Timestamp::from_seconds(1_800_000_000 + 365 * 86_400);

    fn verdict_at(now: Timestamp) -> &'static str {
        let overrides = Overrides::none().set("realm", "acme");
        let mut config = Config::load(None, &overrides).unwrap();
        config.authority = Some(Authority {
            key: "authority.key".into(),
            epoch: 1,
            not_before: START,
            not_after: END,
            key_set: None,
        });
        authority(&config, now).unwrap().verdict
    }

    #[test]
    fn an_authority_key_is_judged_by_the_time_it_has_left() {
        let second_before = |t: Timestamp| Timestamp::from_micros(t.micros() - 1_000_000);
        assert_eq!(verdict_at(second_before(START)), "fail");
        assert_eq!(verdict_at(START), "ok");
        assert_eq!(verdict_at(START.plus_seconds(334 * 86_400)), "ok");
        assert_eq!(verdict_at(START.plus_seconds(335 * 86_400)), "warn");
        assert_eq!(verdict_at(second_before(END)), "warn");
        assert_eq!(verdict_at(END), "fail");
    }

    #[test]
    fn a_clock_behind_a_file_it_wrote_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fleetgrant.toml");
        fs::write(&file, "realm = \"acme\"").unwrap();
        let config = Config::load(Some(&file), &Overrides::none()).unwrap();
        let written = written_at(&file).unwrap();
        let hour_before = Timestamp::from_micros(written.micros() - 3_600_000_000);
        assert_eq!(against_files(&config, written).verdict, "ok");
        assert_eq!(against_files(&config, hour_before).verdict, "fail");
    }
}
