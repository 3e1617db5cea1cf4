//! Lists, as a person, a program or a spreadsheet wants them.

use std::fmt::Display;
use std::io::{self, Write};

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use super::stdout::stdout;

/// The form of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// One array of objects.
    Json,
    /// For spreadsheets: with a heading line; cells that a spreadsheet would run are quoted.
    Csv,
}

/// One line of a list. [`row!`] makes them, so that the columns and the fields are one.
pub(crate) trait Row: Serialize {
    /// The names of the fields, in order: the keys of JSON and the headings of the others.
    const COLUMNS: &'static [&'static str];
}

/// Defines a struct whose fields are the columns of a list.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, serde::Serialize)]
        pub(crate) struct $name {
            $($(#[$fdoc])* pub(crate) $field: $type,)+
        }

        impl $crate::cli::output::Row for $name {
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field),)+];
        }
    };
}
pub(crate) use row;

/// Writes a list to standard output.
pub(crate) fn print<R: Row>(format: Format, rows: &[R]) -> io::Result<()> {
    let mut out = stdout();
    write(&mut out, format, rows)?;
    out.flush()
}

/// Writes one thing to standard output as JSON.
pub(crate) fn print_json(thing: &impl Serialize) -> io::Result<()> {
    let mut out = stdout();
    serde_json::to_writer_pretty(&mut out, thing)?;
    writeln!(out)
}

/// Whether rows of CSV follow their heading line, or rows that were written before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heading {
    Written,
    LeftOut,
}

/// Writes a part of a list of any length to standard output as CSV.
pub(crate) fn print_csv<R: Row>(heading: Heading, rows: &[R]) -> io::Result<()> {
    write_csv(&mut stdout(), heading, rows)
}

/// Writes a part of a list of any length to standard output, a JSON object a line.
pub(crate) fn print_json_lines(things: &[impl Serialize]) -> io::Result<()> {
    let mut out = stdout();
    for thing in things {
        serde_json::to_writer(&mut out, thing)?;
        writeln!(out)?;
    }
    out.flush()
}

/// Writes what is laid out for people already to standard output.
pub(crate) fn print_text(text: &impl Display) -> io::Result<()> {
    let mut out = stdout();
    write!(out, "{text}")?;
    out.flush()
}

/// Writes one thing to standard output for people: a line for each field that says something.
pub(crate) fn print_record<R: Row>(row: &R) -> io::Result<()> {
    let mut out = stdout();
    let width = R::COLUMNS.iter().map(|name| name.len()).max().unwrap_or(0);
    for record in records(std::slice::from_ref(row))? {
        for (name, cell) in R::COLUMNS.iter().zip(&record) {
            if !cell.is_empty() {
                writeln!(
                    out,
                    "{:width$}  {}",
                    name.replace('_', " "),
                    printable(cell)
                )?;
            }
        }
    }
    Ok(())
}

/// Writes a list that belongs to a record, if there is anything in it.
pub(crate) fn print_part<R: Row>(title: &str, rows: &[R]) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut out = stdout();
    writeln!(out, "\n{title}")?;
    write(&mut out, Format::Table, rows)
}

fn write<R: Row>(out: &mut impl Write, format: Format, rows: &[R]) -> io::Result<()> {
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, rows)?;
            writeln!(out)
        }
        Format::Csv => write_csv(out, Heading::Written, rows),
        Format::Table => {
            let mut table = Table::new();
            table
                .load_style(UTF8_HORIZONTAL_ONLY)
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_header(R::COLUMNS.iter().map(|name| name.replace('_', " ")));
            for record in records(rows)? {
                table.add_row(record.iter().map(printable));
            }
            writeln!(out, "{table}")
        }
    }
}

fn write_csv<R: Row>(out: &mut impl Write, heading: Heading, rows: &[R]) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    if heading == Heading::Written {
        csv.write_record(R::COLUMNS).map_err(unwrapped)?;
    }
    for record in records(rows)? {
        csv.write_record(record.iter().map(inert))
            .map_err(unwrapped)?;
    }
    csv.flush()
}

/// The error of the stream below, which `csv` wraps so that it cannot be found.
fn unwrapped(error: csv::Error) -> io::Error {
    let text = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(cause) => cause,
        _ => io::Error::other(text),
    }
}

/// The cells of each row as text, as the csv crate writes them.
fn records<R: Row>(rows: &[R]) -> io::Result<Vec<csv::StringRecord>> {
    let mut cells = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    for row in rows {
        cells.serialize(row)?;
    }
    let text = cells
        .into_inner()
        .map_err(csv::IntoInnerError::into_error)?;
    csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_slice())
        .records()
        .map(|record| Ok(record?))
        .collect()
}

/// A cell that no spreadsheet takes for a formula: one that starts like one, and is no number, is
/// led by an apostrophe, which spreadsheets hide.
pub(crate) fn inert(cell: &str) -> String {
    let runs = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
    if runs {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

/// A cell that cannot steer the terminal it is shown on.
pub(crate) fn printable(cell: &str) -> String {
    cell.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    row!(Sample {
        name: String,
        units: i64,
        ends_at: Option<String>,
    });

    fn written(format: Format, rows: &[Sample]) -> String {
        let mut out = Vec::new();
        write(&mut out, format, rows).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn sample(name: &str, units: i64) -> Sample {
        Sample {
            name: name.to_owned(),
            units,
            ends_at: None,
        }
    }

    #[test]
    fn csv_has_its_headings_even_when_empty() {
        assert_eq!(written(Format::Csv, &[]), "name,units,ends_at\n");
    }

    #[test]
    fn csv_defuses_formulas_and_leaves_numbers() {
        let rows = [
            sample("=cmd|' /C calc'!A0", -5),
            sample("@x, y", 0),
            sample("-1+2", 1),
        ];
        assert_eq!(
            written(Format::Csv, &rows),
            "name,units,ends_at\n'=cmd|' /C calc'!A0,-5,\n\"'@x, y\",0,\n'-1+2,1,\n"
        );
    }

    #[test]
    fn json_keeps_types_and_text_as_they_are() {
        let json: serde_json::Value =
            serde_json::from_str(&written(Format::Json, &[sample("=1", -5)])).unwrap();
        assert_eq!(
            json,
            serde_json::json!([{"name": "=1", "units": -5, "ends_at": null}])
        );
    }

    #[test]
    fn a_table_shows_headings_and_no_control_characters() {
        let table = written(Format::Table, &[sample("\u{1b}[31mred", 3)]);
        assert!(table.contains("ends at"), "{table}");
        assert!(!table.contains('\u{1b}'), "{table}");
        assert!(table.contains("[31mred"), "{table}");
    }
}
