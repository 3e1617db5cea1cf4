//! Cuts a file into parts, which are imported by themselves or sent as files of their own.

use std::io::Read;

use csv::ByteRecord;

use super::cells::Header;
use super::rows::each;
use super::{ImportError, Kind};

/// Rows of a file that are imported together.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) header: Header,
    /// Each with its line.
    pub(super) rows: Vec<(ByteRecord, u64)>,
    bytes: usize,
}

/// Some rows of a file as a file of their own.
#[derive(Debug)]
pub(crate) struct Piece {
    /// The file.
    pub(crate) csv: Vec<u8>,
    /// Where each row begins: the line in the piece, and the line in the file.
    lines: Vec<(u64, u64)>,
}

impl Piece {
    /// The line of the file that a line of the piece is; the header's is the header's.
    pub(crate) fn line_in_file(&self, line: u64) -> u64 {
        let after = self.lines.partition_point(|(here, _)| *here <= line);
        match after.checked_sub(1).and_then(|row| self.lines.get(row)) {
            Some((here, there)) => there + (line - here),
            None => line,
        }
    }
}

impl Part {
    pub(super) fn piece(&self) -> Result<Piece, ImportError> {
        let unwritten = |source| ImportError::Read { line: 1, source };
        let mut csv = csv::WriterBuilder::new()
            .flexible(true)
            .from_writer(Vec::new());
        csv.write_record(self.header.names()).map_err(unwritten)?;
        // A row may be of several lines.
        let (mut line, mut lines) = (2, Vec::new());
        for (record, there) in &self.rows {
            lines.push((line, *there));
            csv.write_byte_record(record).map_err(unwritten)?;
            line += 1 + record
                .as_slice()
                .iter()
                .filter(|byte| **byte == b'\n')
                .count() as u64;
        }
        let csv = csv.into_inner();
        let csv = csv.map_err(|error| unwritten(error.into_error().into()))?;
        Ok(Piece { csv, lines })
    }
}

/// How large a part may be: of at least one row, whatever its size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) rows: usize,
    /// Of the part as a file of its own.
    pub(super) bytes: usize,
}

/// Bytes of a part, whatever its rows.
pub(super) const MAX_PART_BYTES: usize = 8 * 1024 * 1024;

/// Bytes that a row takes in a file, at most: each cell may be quoted, and has what ends it.
fn written<'c>(cells: impl Iterator<Item = &'c [u8]>) -> usize {
    let quotes = |cell: &[u8]| cell.iter().filter(|byte| **byte == b'"').count();
    cells.map(|cell| cell.len() + quotes(cell) + 3).sum()
}

/// Cuts a file into parts within these bounds and gives each to `take`, until that says that it is
/// enough.
pub(super) fn parts<R: Read>(
    kind: Kind,
    source: &mut R,
    bounds: Bounds,
    mut take: impl FnMut(Part) -> Result<bool, ImportError>,
) -> Result<(), ImportError> {
    let mut part: Option<Part> = None;
    let mut refused = None;
    let mut is_enough = false;
    let mut give = |part: &mut Option<Part>| match part.take().map_or(Ok(true), &mut take) {
        Ok(more) => !more,
        Err(error) => {
            refused = Some(error);
            true
        }
    };
    each(kind, source, &mut |header, record, line| {
        if is_enough {
            return Ok(());
        }
        let bytes = written(record.iter());
        if part
            .as_ref()
            .is_some_and(|open| open.bytes + bytes > bounds.bytes)
        {
            is_enough = give(&mut part);
            if is_enough {
                return Ok(());
            }
        }
        let open = part.get_or_insert_with(|| Part {
            header: header.clone(),
            rows: Vec::new(),
            bytes: written(header.names().iter().map(|name| name.as_bytes())),
        });
        open.rows.push((record.clone(), line));
        open.bytes += bytes;
        if open.rows.len() >= bounds.rows {
            is_enough = give(&mut part);
        }
        Ok(())
    })?;
    if !is_enough {
        give(&mut part);
    }
    refused.map_or(Ok(()), Err)
}
