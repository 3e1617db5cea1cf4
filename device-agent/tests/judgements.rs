//! The scenarios of `schemas/vectors/judgements.json`: the agent takes and refuses as they say.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use fleetgrant_agent::software::{SoftwareKey, SoftwareKeys};
use fleetgrant_agent::{Agent, Ask, Instant, Profile, Record, Storage, StorageError, Taken};
use fleetgrant_schemas::Platform;
use fleetgrant_schemas::id::DeviceId;
use fleetgrant_schemas::keys::{AuthorityKey, PublicKey, Role};
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::topic::MessageType;
use serde_json::Value;

#[derive(Debug, Default)]
struct Memory(HashMap<Record, Vec<u8>>);

impl Storage for Memory {
    fn load(
        &mut self,
        record: Record,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        let bytes = self.0.get(&record).map_or(&[][..], Vec::as_slice);
        let rest = bytes.get(offset..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn store(&mut self, record: Record, parts: &[&[u8]]) -> Result<(), StorageError> {
        self.0.insert(record, parts.concat());
        Ok(())
    }
}

fn load(name: &str) -> Value {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/vectors");
    serde_json::from_slice(&fs::read(vectors.join(name)).unwrap()).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    let bytes = HEXLOWER.decode(text(value).as_bytes()).unwrap();
    bytes.try_into().unwrap()
}

/// A key of the vectors: private, public.
fn key(material: &Value, name: &Value) -> ([u8; 32], PublicKey) {
    let keys = material["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["name"] == *name).unwrap();
    let public = PublicKey {
        x: bytes(&key["x"]),
        y: bytes(&key["y"]),
    };
    (bytes(&key["d"]), public)
}

#[test]
fn the_agent_judges_as_the_vectors_say() {
    let (judgements, material) = (load("judgements.json"), load("material.json"));
    let trusted = &judgements["authority"];
    let authority = [AuthorityKey {
        key: key(&material, &trusted["key"]).1,
        not_before: trusted["nbf"].as_u64().unwrap(),
        not_after: trusted["exp"].as_u64().unwrap(),
        epoch: trusted["epoch"].as_u64().unwrap() as u32,
        role: Role::from_number(trusted["role"].as_u64().unwrap()).unwrap(),
    }];
    let roots = judgements["roots"].as_array().unwrap();
    let roots: Vec<PublicKey> = roots.iter().map(|root| key(&material, root).1).collect();
    let profile = Profile {
        device: DeviceId::new(text(&judgements["device"])).unwrap(),
        realm: text(&judgements["realm"]),
        platform: Platform::default(),
        features: &["bandwidth-500"],
        authority_keys: &authority,
        roots: &roots,
        sw_built: None,
        min_key_set: 0,
        max_down: judgements["max_down"].as_u64().unwrap() as u16,
    };
    let (private, _) = key(&material, &judgements["key"]);
    let scenarios = judgements["scenarios"].as_array().unwrap();
    assert!(scenarios.len() >= 10);
    for scenario in scenarios {
        run(scenario, &profile, &private);
    }
}

fn run(scenario: &Value, profile: &Profile<'_>, private: &[u8; 32]) {
    let nonce = Cell::new([0; 16]);
    let random = |wanted: &mut [u8]| {
        let len = wanted.len();
        wanted.copy_from_slice(&nonce.get()[..len]);
        Ok(())
    };
    // What it says of itself is never looked at here, so any certificate will do.
    let chain: &[&[u8]] = &[&[0x30]];
    let keys = SoftwareKeys::new(SoftwareKey::new(private).unwrap(), chain, random);
    let mut now = Instant(0);
    let (mut scratch, buffer) = ([0; 4096], [0; 1024]);
    let storage = Memory::default();
    let mut agent =
        Agent::<_, _, _, 8>::start(profile, keys, storage, buffer, &mut scratch, now).unwrap();
    for step in scenario["steps"].as_array().unwrap() {
        now = now.plus_secs(1);
        if step["do"] == "ask" {
            nonce.set(bytes(&step["nonce"]));
            let ask = Ask::for_what_is_owed(Reason::Upgrade);
            agent.ask(&ask, now).unwrap();
            continue;
        }
        let message = HEXLOWER.decode(text(&step["message"]).as_bytes()).unwrap();
        let topic = MessageType::ALL
            .iter()
            .find(|kind| kind.as_str() == text(&step["topic"]))
            .unwrap();
        let judged = match agent.handle_message(&message, *topic, now) {
            Ok(Taken::Installed(_)) => ("taken", "installed"),
            Ok(Taken::Again(_)) => ("taken", "again"),
            Ok(Taken::Notice(_)) => ("taken", "notice"),
            Ok(Taken::Keys(_)) => ("taken", "keys"),
            Err(reason) => ("refused", reason.as_str()),
        };
        assert_eq!(
            step[judged.0], judged.1,
            "{}, {}: {judged:?}",
            scenario["name"], step["says"]
        );
    }
}
