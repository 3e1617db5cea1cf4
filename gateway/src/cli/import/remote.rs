//! The same, on another gateway.

use std::fs::File;
use std::io::Read as _;
use std::num::NonZeroUsize;

use axum::http::{Method, StatusCode};

use indicatif::ProgressBar;

use super::{
    Args, CodesFile, Imported, OrUnavailable as _, conclude, conclude_part, failure, style,
};
use crate::cli::remote::{Body, Query, Unmet};
use crate::cli::{Failure, Remote};
use crate::http::imports::{ImportFault, MAX_FILE};
use crate::import::{self, MAX_REPORTED, Piece};

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
             meanwhile: import it where the gateway is, or in parts (--parts 1000)",
            args.file.display()
        )));
    }
    // Made before anything is sent, since codes that cannot be written are lost.
    let codes = args.codes.as_deref().map(CodesFile::create).transpose()?;
    let imported = send(gateway, args, &file)?;
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

/// So many rows in each request, one after the other; it ends with the first that has a bad row,
/// unless bad rows are left out.
pub(super) fn run_in_parts(
    gateway: &Remote,
    args: &Args,
    rows: NonZeroUsize,
) -> Result<(), Failure> {
    let reading = || format!("cannot read {}", args.file.display());
    let file = File::open(&args.file).or_unavailable(reading)?;
    let size = file.metadata().or_unavailable(reading)?.len();
    let codes = args.codes.as_deref().map(CodesFile::create).transpose()?;
    let progress = ProgressBar::new(size).with_style(style());
    let mut whole = Imported {
        imported: true,
        ..nothing(args)
    };
    let (mut kept, mut ended) = (0, None);
    let source = progress.wrap_read(file);
    // Of fewer rows, where so many are more than a gateway takes at once.
    let bounds = (rows, MAX_FILE);
    let cut = import::cut(args.kind, source, bounds, |piece| {
        match send(gateway, args, &piece.csv) {
            Ok(part) => {
                if part.imported {
                    kept += part.rows;
                }
                whole.take_up(part, &piece);
                whole.imported
            }
            Err(failure) => {
                ended = Some(failure);
                false
            }
        }
    });
    progress.finish_and_clear();
    // What was made is written, whatever came after it.
    if let Some(codes) = codes
        && !whole.codes.is_empty()
    {
        codes.fill(&std::mem::take(&mut whole.codes))?;
    }
    cut.map_err(|cause| failure(&args.file, cause))?;
    if let Some(failure) = ended {
        if kept > 0 {
            crate::cli::note(&format!("{kept} rows are imported, and the rest is not"));
        }
        return Err(failure);
    }
    if !whole.imported && kept > 0 {
        return conclude_part(args, &whole, kept);
    }
    conclude(args, &whole)
}

impl Imported {
    /// With what came of another piece of the file.
    fn take_up(&mut self, part: Self, piece: &Piece) {
        self.imported &= part.imported;
        self.rows += part.rows;
        self.created += part.created;
        self.amended += part.amended;
        self.unchanged += part.unchanged;
        self.refused += part.refused;
        let room = MAX_REPORTED.saturating_sub(self.errors.len());
        let errors = part.errors.into_iter().take(room).map(|error| ImportFault {
            line: piece.line_in_file(error.line),
            ..error
        });
        self.errors.extend(errors);
        self.codes.extend(part.codes);
    }
}

/// What a gateway makes of a file.
fn send(gateway: &Remote, args: &Args, file: &[u8]) -> Result<Imported, Failure> {
    let send = |dry_run| {
        let query = Query::default()
            .flag("dry_run", dry_run)
            .flag("amend", args.amend)
            .flag("skip_bad", args.skip_bad);
        let path = format!("/imports/{}", args.kind.as_str());
        let body = Body::Csv(file.to_vec());
        gateway.try_write::<Imported>(&Method::POST, &path, &query, &body, None)
    };
    match send(args.dry_run) {
        // The refusal has the bad rows, and a dry run what else is to be told.
        Err(unmet @ Unmet::Problem(_)) if unmet.is(StatusCode::UNPROCESSABLE_ENTITY) => {
            let told = send(true).unwrap_or_else(|_| nothing(args));
            match told.refused {
                0 => Err(unmet.into()),
                _ => Ok(told),
            }
        }
        sent => Ok(sent?),
    }
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
