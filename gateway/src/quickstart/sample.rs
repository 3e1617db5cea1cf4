//! The sample: a scope with two features, a customer, an order, its shipments, and a factory's manifest,
//! as the CSV files that a maker would import.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Cursor};
use std::ops::Range;
use std::path::{Path, PathBuf};

use fleetgrant_core::domain::Timestamp;

use super::Installation;
use crate::import::{self, ImportError, ImportOptions, ImportReport, Kind};
use crate::store::Store;

/// The features that the sample's firmware knows.
pub const FEATURES: [&str; 2] = ["bandwidth-500", "decode-serial"];

/// Why the sample could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// A file cannot be written or read.
    #[error("{}: {source}", path.display())]
    File {
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

/// Makes sure that `devices` devices are paid for, shipped and on the manifest: the `known` that
/// are there stay as they are, and an order of its own brings what is missing. Blocks.
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
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let options = options(installation, now);
    for (kind, name, text) in [
        (Kind::Products, "products.csv", PRODUCTS),
        (Kind::Skus, "skus.csv", SKUS),
        (Kind::Parties, "parties.csv", PARTIES),
    ] {
        write(&folder.join(name), text)?;
        import_text(kind, text.to_owned(), &options, store)?;
    }
    let mut known = known;
    while known < devices {
        let files = delivery(&folder, known..devices, now)?;
        for (kind, text) in files {
            let report = import_text(kind, text, &options, store)?;
            if kind == Kind::Manifest {
                known += report.rows as usize;
            }
        }
    }
    Ok(())
}

fn import_text(
    kind: Kind,
    text: String,
    options: &ImportOptions,
    store: &Store,
) -> Result<ImportReport, SampleError> {
    let report =
        import::run(kind, Cursor::new(text), options.clone(), store).map_err(|source| {
            SampleError::Import {
                kind: kind.as_str(),
                source,
            }
        })?;
    check(&report)?;
    Ok(report)
}

/// An order for devices, its shipments, and the manifest of its devices, which is imported last:
/// devices on it have all the others. The files of a run that was cut off are taken up, since they
/// may have been imported in part; they may be of fewer devices.
fn delivery(
    folder: &Path,
    devices: Range<usize>,
    now: Timestamp,
) -> Result<[(Kind, String); 3], SampleError> {
    let first = devices.start + 1;
    let path = |kind: Kind| folder.join(format!("{}-{first}.csv", kind.as_str()));
    // It is written last as well, so all are there when it is.
    let last = path(Kind::Manifest);
    if !last.exists() {
        let (quantity, part) = (devices.len(), folder.join("part"));
        write(&path(Kind::Orders), &orders(first, quantity, now))?;
        write(
            &path(Kind::Shipments),
            &shipments(first, devices.clone(), now),
        )?;
        write(&part, &manifest(first, devices))?;
        fs::rename(&part, &last).map_err(at(&last))?;
    }
    let read = |kind| {
        let path = path(kind);
        fs::read_to_string(&path)
            .map(|text| (kind, text))
            .map_err(at(&path))
    };
    Ok([
        read(Kind::Orders)?,
        read(Kind::Shipments)?,
        read(Kind::Manifest)?,
    ])
}

fn write(path: &Path, text: &str) -> Result<(), SampleError> {
    fs::write(path, text).map_err(at(path))
}

fn at(path: &Path) -> impl Fn(io::Error) -> SampleError + use<> {
    let path = path.to_owned();
    move |source| SampleError::File {
        path: path.clone(),
        source,
    }
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
        manufacturer: None,
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

/// Serials that one row names: a cell takes some thousands.
const SERIALS: usize = 5_000;

fn shipments(first: usize, devices: Range<usize>, now: Timestamp) -> String {
    let mut text = "system,shipment,order,line,quantity,shipped_at,serials\n".to_owned();
    let serials: Vec<_> = devices.map(serial).collect();
    for (parcel, serials) in serials.chunks(SERIALS).enumerate() {
        let (quantity, serials) = (serials.len(), serials.join(";"));
        let written = writeln!(
            text,
            "erp,D-{first}-{},SO-{first},10,{quantity},{now},{serials}",
            parcel + 1
        );
        debug_assert!(written.is_ok(), "writing into a string cannot fail");
    }
    text
}

fn manifest(first: usize, devices: Range<usize>) -> String {
    let mut text = "serial,hwmodel,system,owner,order,line,batch\n".to_owned();
    for index in devices {
        let serial = serial(index);
        let written = writeln!(text, "{serial},mk2,erp,C-1,SO-{first},10,B-{first}");
        debug_assert!(written.is_ok(), "writing into a string cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use super::*;
    use crate::clock::Clock;
    use crate::quickstart::InstallationOptions;
    use crate::report::delay::{Cohort, shipment_to_activation};
    use crate::report::group::GroupBy;
    use crate::report::history::{HistoryFilter, page};
    use crate::store::listing::Part;
    use crate::store::{SchemaPolicy, StoreOptions};

    /// Events by kind, and units that were shipped.
    fn ledger(store: &Store, now: Timestamp) -> (BTreeMap<&'static str, usize>, u64) {
        let read = move |db: &mut crate::store::Db| {
            let mut kinds = BTreeMap::new();
            for event in page(db, &HistoryFilter::default(), &Part::default(), 10_000)? {
                *kinds.entry(event.kind).or_default() += 1;
            }
            let report = shipment_to_activation(db, None, now, Cohort::default(), GroupBy::All)?;
            assert_eq!(report.data_errors, []);
            Ok((kinds, report.groups.last().unwrap().summary.all))
        };
        store.read_blocking("test", read).unwrap()
    }

    #[test]
    fn what_a_run_that_was_cut_off_left_is_taken_up_and_the_rest_comes_on_top() {
        let folder = tempfile::tempdir().unwrap();
        let now = Clock::system().now();
        let later = now.plus_seconds(3_600);
        let options = InstallationOptions::default();
        let installation =
            Installation::open_or_create(&folder.path().join("data"), &options, now).unwrap();
        let options = StoreOptions {
            schema: SchemaPolicy::Migrate,
            ..StoreOptions::default()
        };
        let store = Store::open_at(&installation.config.database, options).unwrap();
        import(&installation, &store, 0, 2, now).unwrap();
        let whole = ledger(&store, later);
        assert_eq!((whole.0["shipped"], whole.1), (1 + 2, 2 * 2));
        // Cut off before its manifest was imported, it does not know that it has any.
        import(&installation, &store, 0, 2, later).unwrap();
        assert_eq!(ledger(&store, later), whole);
        import(&installation, &store, 0, 3, later).unwrap();
        assert_eq!(ledger(&store, later).1, 3 * 2);
    }
}
