//! A back office for tests: what it imports is CSV, as in real life.

use std::io::Cursor;

use fleetgrant::clock::Clock;
use fleetgrant::import::{self, ImportOptions, ImportReport, Kind};
use fleetgrant::store::Store;
use jiff::tz::TimeZone;

/// One product with one feature, `bandwidth-500`, sold for a year from its first activation.
pub const CATALOGUE: [(Kind, &str); 3] = [
    (
        Kind::Products,
        "product,title,feature,feature_title\n\
         SCOPE,Oscilloscope options,bandwidth-500,500 MHz\n",
    ),
    (
        Kind::Skus,
        "sku,title,product,model,term,start_basis,units_per_copy\n\
         BW-500,500 MHz for a year,SCOPE,subscription,P1Y,first-activation,1\n",
    ),
    (
        Kind::Parties,
        "system,party,name,kind,time_zone\n\
         erp,C-1,First Customer,customer,Europe/Vienna\n",
    ),
];

/// Imports a file whole.
pub async fn import(store: &Store, kind: Kind, csv: &str) -> ImportReport {
    let options = ImportOptions {
        dry_run: false,
        amend: false,
        skip_bad: false,
        actor: "test".to_owned(),
        now: Clock::system().now(),
        product_lines: vec![("development".to_owned(), "dev".parse().unwrap())],
        time_zone: TimeZone::get("Europe/Vienna").unwrap(),
    };
    let (store, source) = (store.clone(), Cursor::new(csv.to_owned().into_bytes()));
    let run = tokio::task::spawn_blocking(move || import::run(kind, source, options, &store));
    let report = run.await.unwrap().unwrap();
    assert_eq!(report.errors, [], "{} are imported", kind.as_str());
    report
}
