//! The header is made from the code, and committed: this says when they differ.
#![allow(clippy::unwrap_used)]

use std::path::Path;

/// In the order in which the header has them.
const SOURCES: [&str; 7] = [
    "types", "status", "handle", "calls", "asking", "features", "rights",
];

#[test]
fn the_header_is_what_the_code_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(folder.join(format!("src/{source}.rs")));
    }
    let mut made = Vec::new();
    builder.generate().unwrap().write(&mut made);
    // In C a safety section is part of the text.
    let made = String::from_utf8(made).unwrap();
    let made = made.replace("// # Safety\n", "// What the caller answers for:\n");
    let path = folder.join("include/fleetgrant.h");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == made,
        "include/fleetgrant.h is not what the code says; BLESS=1 before this test writes it anew"
    );
}
