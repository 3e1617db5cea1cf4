//! The same, on another gateway.

use std::fs::File;
use std::io::Read as _;

use axum::http::{Method, StatusCode};

use super::{Args, CodesFile, Imported, OrUnavailable as _, conclude};
use crate::cli::remote::{Body, Query, Unmet};
use crate::cli::{Failure, Remote};
use crate::http::imports::MAX_FILE;

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    let reading = || format!("cannot read {}", args.file.display());
    let mut file = Vec::new();
    File::open(&args.file)
        .or_unavailable(reading)?
        // One byte more than there may be, so that a longer file is refused and not cut.
        .take(MAX_FILE as u64 + 1)
        .read_to_end(&mut file)
        .or_unavailable(reading)?;
    if file.len() > MAX_FILE {
        return Err(Failure::input(anyhow::anyhow!(
            "{} has more than the {MAX_FILE} bytes that a gateway takes, since devices wait \
             meanwhile: import it where the gateway is, or in parts",
            args.file.display()
        )));
    }
    // Made before anything is sent, since codes that cannot be written are lost.
    let codes = args.codes.as_deref().map(CodesFile::create).transpose()?;
    let send = |dry_run| {
        let query = Query::default()
            .flag("dry_run", dry_run)
            .flag("amend", args.amend)
            .flag("skip_bad", args.skip_bad);
        let path = format!("/imports/{}", args.kind.as_str());
        let body = Body::Csv(file.clone());
        gateway.try_write::<Imported>(&Method::POST, &path, &query, &body, None)
    };
    let imported = match send(args.dry_run) {
        // The refusal has the bad rows, and a dry run what else is to be told.
        Err(unmet @ Unmet::Problem(_)) if unmet.is(StatusCode::UNPROCESSABLE_ENTITY) => {
            let told = send(true).unwrap_or_else(|_| nothing(args));
            match told.refused {
                0 => return Err(unmet.into()),
                _ => told,
            }
        }
        sent => sent?,
    };
    if imported.imported
        && let Some(codes) = codes
    {
        codes.fill(&imported.codes)?;
    }
    let told = Imported {
        codes: Vec::new(),
        ..imported
    };
    conclude(args, &told)
}

/// Of a file of which nothing can be told.
fn nothing(args: &Args) -> Imported {
    Imported {
        kind: args.kind.as_str().to_owned(),
        imported: false,
        rows: 0,
        created: 0,
        amended: 0,
        unchanged: 0,
        refused: 0,
        errors: Vec::new(),
        codes: Vec::new(),
    }
}
