//! Files that are imported in parts.

use std::io::Read;
use std::num::NonZeroUsize;

use super::*;

const ROWS: usize = 25;

fn orders(bad: Option<usize>) -> String {
    let mut text = "system,order,ordered_at,sold_to,line,sku,quantity\n".to_owned();
    for line in 0..ROWS {
        let quantity = if bad == Some(line) { "many" } else { "2" };
        text.push_str(&format!(
            "erp,PARTS-1,2026-09-01,C-200,{line},PARTS,{quantity}\n"
        ));
    }
    text
}

fn fixture() -> Fixture {
    let fixture = Fixture::with_samples(Kind::Parties);
    let sku = "sku,title,product,model\nPARTS,Parts,PUMP-PRO,perpetual\n";
    assert!(fixture.import(Kind::Skus, sku).committed);
    fixture
}

fn in_parts(
    fixture: &Fixture,
    source: impl Read,
    rows: usize,
) -> Result<ImportReport, ImportError> {
    let rows = NonZeroUsize::new(rows).unwrap();
    run_in_parts(Kind::Orders, source, &fixture.options, rows, &fixture.store)
}

fn lines(fixture: &Fixture) -> i64 {
    fixture.number(
        "SELECT count(*) AS n FROM order_lines \
         JOIN orders ON orders.id = order_id WHERE reference = 'PARTS-1'",
    )
}

#[test]
fn parts_come_to_the_same_as_the_whole() {
    for rows in [1, 7, ROWS, 1_000] {
        let fixture = fixture();
        let report = in_parts(&fixture, orders(None).as_bytes(), rows).unwrap();
        assert!(report.committed, "{:?}", report.errors);
        assert_eq!((report.rows, report.created), (ROWS as u64, ROWS as u64));
        assert_eq!(lines(&fixture), ROWS as i64);
        let again = in_parts(&fixture, orders(None).as_bytes(), 10).unwrap();
        assert_eq!((again.created, again.unchanged), (0, ROWS as u64));
        let whole = fixture.import(Kind::Orders, &orders(None));
        assert_eq!(whole.unchanged, ROWS as u64);
    }
}

#[test]
fn a_bad_row_undoes_its_part_and_ends_the_import_and_the_rest_follows_when_it_is_mended() {
    let fixture = fixture();
    let report = in_parts(&fixture, orders(Some(13)).as_bytes(), 5).unwrap();
    assert!(!report.committed);
    assert_eq!((report.kept, report.created, report.refused), (10, 10, 1));
    // The header is line 1.
    assert_eq!(report.errors[0].line, 15);
    assert_eq!(lines(&fixture), 10);
    let report = in_parts(&fixture, orders(None).as_bytes(), 5).unwrap();
    assert_eq!((report.unchanged, report.created), (10, 15));
    assert_eq!(lines(&fixture), ROWS as i64);
}

/// As when the process is killed, or the file is on a medium that is pulled out.
#[test]
fn what_was_cut_off_goes_on_where_it_ended() {
    struct Cut<'a>(&'a [u8]);
    impl Read for Cut<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Err(std::io::Error::other("pulled out"));
            }
            let length = buffer.len().min(self.0.len()).min(16);
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }
    let fixture = fixture();
    let text = orders(None);
    let cut = Cut(&text.as_bytes()[..text.len() / 2]);
    let told = in_parts(&fixture, cut, 4).unwrap_err().to_string();
    assert!(told.contains("cannot be read"), "{told}");
    let there = lines(&fixture);
    assert!((8..=12).contains(&there) && there % 4 == 0, "{there}");
    let report = in_parts(&fixture, text.as_bytes(), 4).unwrap();
    assert_eq!(report.unchanged, there as u64);
    assert_eq!(lines(&fixture), ROWS as i64);
}

/// Of rows whose cells take twice as much when they are written, as they are in a file.
#[test]
fn no_piece_is_larger_than_it_may_be_however_many_rows_it_may_have() {
    const BYTES: usize = 10_000;
    let header = "system,party,name\n";
    let row = |n: usize| format!("erp,P-{n},\"{}\"\n", "\"\"".repeat(n % 97));
    let file: String = std::iter::once(header.to_owned())
        .chain((0..1_000).map(row))
        .collect();
    let rows = NonZeroUsize::new(10_000).unwrap();
    let mut pieces = Vec::new();
    cut(Kind::Parties, file.as_bytes(), (rows, BYTES), |piece| {
        pieces.push(piece);
        true
    })
    .unwrap();
    let csv = |piece: &Piece| String::from_utf8(piece.csv.clone()).unwrap();
    assert!(pieces.iter().all(|piece| piece.csv.len() <= BYTES));
    // And none is much smaller, but for the last.
    let (last, others) = pieces.split_last().unwrap();
    assert!(others.iter().all(|piece| piece.csv.len() > BYTES / 2));
    assert!(others.len() > 5 && !last.csv.is_empty());
    let whole: String = pieces
        .iter()
        .map(|piece| csv(piece).replace(header, ""))
        .collect();
    let plain = |text: &str| text.replace("\"\"\n", "\n");
    assert_eq!(plain(&whole), plain(&file.replace(header, "")));
    // The lines are those of the file.
    let lines: Vec<_> = pieces.iter().map(|piece| piece.line_in_file(2)).collect();
    assert_eq!(lines[0], 2);
    let of_first = csv(&pieces[0]).lines().count() as u64;
    assert_eq!(lines[1], of_first + 1);
    // One that is too large by itself goes alone.
    let mut alone = 0;
    cut(Kind::Parties, file.as_bytes(), (rows, 1), |_| {
        alone += 1;
        true
    })
    .unwrap();
    assert_eq!(alone, 1_000);
}
