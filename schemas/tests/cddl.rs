//! The grammar beside the code is the grammar in the files.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

type Rules = BTreeMap<String, String>;

#[test]
fn every_rule_stands_in_a_file_and_beside_its_code_and_both_are_equal() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut in_files = Rules::new();
    for path in files_of(&root.join("cddl")) {
        add_rules(&mut in_files, &fs::read_to_string(path).unwrap());
    }
    let mut in_docs = Rules::new();
    for path in files_of(&root.join("src")) {
        for block in cddl_blocks(&fs::read_to_string(path).unwrap()) {
            add_rules(&mut in_docs, &block);
        }
    }
    assert!(in_files.len() > 50, "the files were not found");
    assert_eq!(in_docs, in_files);
}

fn files_of(folder: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
}

fn cddl_blocks(source: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in source.lines().map(str::trim) {
        let doc = line.strip_prefix("//!").or(line.strip_prefix("///"));
        match (doc.map(str::trim), &mut open) {
            (Some("```cddl"), None) => open = Some(String::new()),
            (Some("```"), Some(_)) => blocks.extend(open.take()),
            (Some(text), Some(block)) => {
                block.push_str(text);
                block.push('\n');
            }
            _ => {}
        }
    }
    blocks
}

/// Adds what each name is defined as, comments and line breaks aside.
fn add_rules(rules: &mut Rules, text: &str) {
    let mut current = None;
    for line in text.lines().filter(|line| !line.starts_with(';')) {
        if let Some((name, start)) = line.split_once(" = ").filter(|(name, _)| is_name(name)) {
            let earlier = rules.insert(name.to_owned(), start.to_owned());
            assert_eq!(earlier, None, "{name} is defined twice");
            current = Some(name.to_owned());
        } else if let (Some(name), false) = (&current, line.trim().is_empty()) {
            let rule = rules.get_mut(name).unwrap();
            rule.push(' ');
            rule.push_str(line.trim());
        }
    }
}

fn is_name(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
