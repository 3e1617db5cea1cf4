//! The vectors as files, and that they have not drifted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fleetgrant_schemas::topic::MessageType;
use serde::Serialize;

use crate::invalid::{self, Invalid};
use crate::valid::{self, Valid};
use crate::{codes, judgements, material};

pub(crate) const WRITE: &str = "FLEETGRANT_WRITE_VECTORS";

#[derive(Serialize)]
struct Messages<'v> {
    message: &'static str,
    media_type: &'static str,
    valid: Vec<&'v Valid>,
    invalid: Vec<&'v Invalid>,
}

fn files() -> BTreeMap<PathBuf, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let (valid, invalid) = (valid::all(), invalid::all());
    let mut files = BTreeMap::from([
        (folder.join("material.json"), json(&material::material())),
        (folder.join("codes.json"), json(&codes::codes())),
        (
            folder.join("judgements.json"),
            json(&judgements::judgements()),
        ),
    ]);
    for kind in MessageType::ALL {
        let messages = Messages {
            message: kind.as_str(),
            media_type: kind.media_type(),
            valid: valid.iter().filter(|v| v.kind == *kind).collect(),
            invalid: invalid.iter().filter(|v| v.kind == *kind).collect(),
        };
        files.insert(folder.join(format!("{kind}.json")), json(&messages));
    }
    files
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

#[test]
fn the_files_hold_what_is_generated() {
    let files = files();
    if std::env::var_os(WRITE).is_some() {
        for (path, text) in &files {
            fs::write(path, text).unwrap();
        }
    }
    for (path, text) in &files {
        let found = fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == *text,
            "{} has drifted; if that is meant, write it anew with {WRITE}=1",
            path.display()
        );
    }
}

#[test]
fn no_file_is_left_over_and_no_name_stands_twice() {
    let files = files();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_json = path.extension().is_some_and(|e| e == "json");
        assert!(!is_json || files.contains_key(&path), "{}", path.display());
    }
    let (valid, invalid) = (valid::all(), invalid::all());
    let mut names: Vec<&str> = valid.iter().map(|v| v.name).collect();
    names.extend(invalid.iter().map(|v| v.name.as_str()));
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None);
}
