#![allow(clippy::unwrap_used)]

use fleetgrant_core::domain::Timestamp;
use fleetgrant_core::tier::{Mode, shipped, standard};

use super::*;
use crate::store::scratch::{self, Scratch};

const OCCASION: Occasion<'static> = Occasion {
    at: Timestamp::from_seconds(1_800_000_000),
    actor: "operator",
    cause: &[],
};

#[test]
fn an_installation_begins_with_what_is_shipped() {
    let scratch = Scratch::new();
    let stored = scratch
        .open()
        .write_blocking("test", |db| all(db, 10))
        .unwrap();
    for policy in shipped() {
        let row = stored
            .iter()
            .find(|row| row.tier == policy.tag.tier.as_str());
        let row = row.unwrap();
        assert_eq!(row.policy().unwrap(), policy);
        assert_eq!(row.rules, json(&policy.rules).unwrap());
        assert_eq!(row.state.0, PolicyState::Active);
    }
    assert_eq!(stored.len(), 3);
}

#[test]
fn a_change_is_a_new_version_and_the_old_one_stays_as_it_was() {
    let put = |db: &mut Db, mode| {
        let mut rules = standard().rules;
        rules.activation = mode;
        put_in_force(db, &standard().tag.tier, &rules, OCCASION)
    };
    let scratch = Scratch::new();
    scratch
        .open()
        .write_blocking("test", move |db| {
            for (mode, version) in [
                (Mode::SelfService, None),
                (Mode::Approval, Some(2)),
                (Mode::Approval, None),
                (Mode::SelfService, Some(3)),
            ] {
                let put = put(db, mode)?;
                match (put, version) {
                    (Put::InForce(tag), Some(version)) => assert_eq!(tag.version, version),
                    (Put::Unchanged(_), None) => {}
                    (put, _) => panic!("{put:?}"),
                }
            }
            let second = version(db, "standard", 2)?.unwrap();
            assert_eq!(second.state.0, PolicyState::Retired);
            assert_eq!(second.policy()?.rules.activation, Mode::Approval);
            let tier = TierName::new("standard").unwrap();
            let history = event::of_stream(db, Stream::Policy(&tier))?;
            assert_eq!(history.len(), 2);
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_schema_keeps_a_version_as_it_is_and_one_in_force() {
    let another = format!(
        "INSERT INTO policy_versions VALUES ({}, 'standard', 9, '{{}}', 2, 0)",
        scratch::bytes("ff")
    );
    // SQLite names the column that an index is of, PostgreSQL the index.
    let index = if scratch::is_postgres() {
        "policy_version_active_is_unique"
    } else {
        "policy_versions.tier"
    };
    for (statement, name) in [
        (
            "UPDATE policy_versions SET rules = '{}'",
            "policy_versions_are_written_once",
        ),
        (&another, index),
    ] {
        let scratch = Scratch::new();
        let failed = scratch::write(&scratch.open(), statement);
        assert!(
            failed.unwrap_err().to_string().contains(name),
            "{statement}"
        );
    }
}

#[test]
fn a_party_has_the_policy_of_its_tier_and_whoever_has_none_the_standard_one() {
    let scratch = Scratch::new();
    scratch
        .open()
        .write_blocking("test", |db| {
            for (first, name, tier) in [
                ("01", "a", "'volume'"),
                ("02", "b", "NULL"),
                ("03", "c", "'gone'"),
            ] {
                let id = scratch::bytes(&format!("{first}{}", "00".repeat(15)));
                let insert = format!(
                    "INSERT INTO parties (id, kind, name, tier, time_zone, state, created_at, changed_at)
                     VALUES ({id}, 1, '{name}', {tier}, 'UTC', 1, 0, 0)"
                );
                scratch::execute(db, &insert)?;
            }
            for (owner, tier) in [
                (Some(1), "volume"),
                (Some(2), "standard"),
                (Some(3), "standard"),
                (Some(4), "standard"),
                (None, "standard"),
            ] {
                let owner = owner.map(|first| {
                    let mut id = [0; 16];
                    id[0] = first;
                    PartyId(id)
                });
                let policy = of_owner(db, owner)?;
                assert_eq!(policy.tag.tier.as_str(), tier, "{owner:?}");
            }
            Ok(())
        })
        .unwrap();
}
