//! The sample: a scope with two features, a customer, an order, and a factory's manifest, as the
//! CSV files that a maker would import.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Cursor};
use std::path::PathBuf;

use fleetgrant_core::domain::Timestamp;

use super::Installation;
use crate::import::{self, ImportError, ImportOptions, ImportReport, Kind};
use crate::store::Store;

/// The features that the sample's firmware knows.
pub const FEATURES: [&str; 2] = ["bandwidth-500", "decode-serial"];

/// Why the sample could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An import broke off.
    #[error("the sample's {kind}: {source}")]
    Import {
        /// Of what.
        kind: &'static str,
        /// Why.
        source: ImportError,
    },
    /// A row was refused.
    #[error("the sample's {kind}: line {line}: {reason}")]
    Refused {
        /// Of what.
        kind: &'static str,
        /// Where.
        line: u64,
        /// Why.
        reason: String,
    },
}

/// The serial of the sample's device of this index.
#[must_use]
pub fn serial(index: usize) -> String {
    format!("QS-{:05}", index + 1)
}

/// Makes sure that `devices` devices are on the manifest and paid for: those that are there stay
/// as they are, and an order of its own brings what is missing. Blocks.
///
/// # Errors
/// A file cannot be written or imported.
pub fn import(
    installation: &Installation,
    store: &Store,
    known: usize,
    devices: usize,
    now: Timestamp,
) -> Result<(), SampleError> {
    let folder = installation.folder().join("imports");
    let first = known + 1;
    let mut files = vec![
        (
            Kind::Products,
            "products.csv".to_owned(),
            PRODUCTS.to_owned(),
        ),
        (Kind::Skus, "skus.csv".to_owned(), SKUS.to_owned()),
        (Kind::Parties, "parties.csv".to_owned(), PARTIES.to_owned()),
    ];
    if devices > known {
        let orders = orders(first, devices - known, now);
        files.push((Kind::Orders, format!("order-{first}.csv"), orders));
        let manifest = manifest(first, known..devices);
        files.push((Kind::Manifest, format!("manifest-{first}.csv"), manifest));
    }
    let write = |path: PathBuf, source| SampleError::Write { path, source };
    fs::create_dir_all(&folder).map_err(|source| write(folder.clone(), source))?;
    for (kind, name, text) in files {
        let path = folder.join(name);
        fs::write(&path, &text).map_err(|source| write(path, source))?;
        let report = import::run(kind, Cursor::new(text), options(installation, now), store)
            .map_err(|source| SampleError::Import {
                kind: kind.as_str(),
                source,
            })?;
        check(&report)?;
    }
    Ok(())
}

fn check(report: &ImportReport) -> Result<(), SampleError> {
    match report.errors.first() {
        None => Ok(()),
        Some(row) => Err(SampleError::Refused {
            kind: report.kind.as_str(),
            line: row.line,
            reason: row.reason.to_string(),
        }),
    }
}

fn options(installation: &Installation, now: Timestamp) -> ImportOptions {
    let config = &installation.config;
    ImportOptions {
        dry_run: false,
        amend: false,
        skip_bad: false,
        actor: "quickstart".to_owned(),
        now,
        product_lines: config
            .trust_anchors
            .iter()
            .map(|anchor| (anchor.product_line.clone(), anchor.id_prefix.clone()))
            .collect(),
        time_zone: config.time_zone.clone(),
    }
}

const PRODUCTS: &str = "\
product,title,feature,feature_title
SCOPE-BW,More bandwidth for the scope,bandwidth-500,Bandwidth 500 MHz
SCOPE-DEC,Serial decoding for the scope,decode-serial,Decode I2C SPI and UART
";

const SKUS: &str = "\
sku,title,product,model,term,start_basis
SC-BUNDLE,Bandwidth for ever and decoding for a year,SCOPE-BW,perpetual,,fixed
SC-BUNDLE,Bandwidth for ever and decoding for a year,SCOPE-DEC,subscription,P1Y,each-activation
";

const PARTIES: &str = "\
system,party,name,time_zone
erp,C-1,Example Laboratory,Europe/Vienna
";

fn orders(first: usize, quantity: usize, now: Timestamp) -> String {
    format!(
        "system,order,revision,ordered_at,sold_to,line,sku,quantity,value,currency\n\
         erp,SO-{first},1,{now},C-1,10,SC-BUNDLE,{quantity},{quantity}00.00,EUR\n"
    )
}

fn manifest(first: usize, devices: std::ops::Range<usize>) -> String {
    let mut text = "serial,hwmodel,system,owner,order,line,batch\n".to_owned();
    for index in devices {
        let serial = serial(index);
        let written = writeln!(text, "{serial},mk2,erp,C-1,SO-{first},10,B-{first}");
        debug_assert!(written.is_ok(), "writing into a string cannot fail");
    }
    text
}
