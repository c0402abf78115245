//! The raw results: a line for each row, its columns separated by tabs, behind notes that begin with `#`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use crate::measure::Row;

const COLUMNS: &str =
    "build\ttable\tcase\tcontestant\tunit\tminimum\tmedian\tbare minimum\tbare median";

/// Adds rows to a file, which begins with the names of the columns if it is new.
pub fn append(path: &Path, rows: &[Row]) {
    write(path, rows).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn write(path: &Path, rows: &[Row]) -> io::Result<()> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    if !text.lines().any(|line| line == COLUMNS) {
        writeln!(file, "{COLUMNS}")?;
    }
    for row in rows {
        let names = [
            &row.build,
            &row.table,
            &row.case,
            &row.contestant,
            &row.unit,
        ];
        let numbers = [row.minimum, row.median, row.bare_minimum, row.bare_median];
        let names = names.map(String::as_str).join("\t");
        let numbers = numbers.map(|it| format!("{it:.3}")).join("\t");
        writeln!(file, "{names}\t{numbers}")?;
    }
    Ok(())
}

/// The notes, without their `#`, and the rows.
pub fn read(path: &Path) -> io::Result<(Vec<String>, Vec<Row>)> {
    let (mut notes, mut rows) = (Vec::new(), Vec::new());
    for line in BufReader::new(File::open(path)?).lines() {
        let line = line?;
        if let Some(note) = line.strip_prefix("# ") {
            notes.push(note.to_owned());
        } else if line != COLUMNS {
            rows.push(parse(&line).ok_or_else(|| io::Error::other(line))?);
        }
    }
    Ok((notes, rows))
}

fn parse(line: &str) -> Option<Row> {
    let mut columns = line.split('\t');
    let mut text = || Some(columns.next()?.to_owned());
    let [build, table, case, contestant, unit] = [text()?, text()?, text()?, text()?, text()?];
    let mut number = || columns.next()?.parse().ok();
    Some(Row {
        build,
        table,
        case,
        contestant,
        unit,
        minimum: number()?,
        median: number()?,
        bare_minimum: number()?,
        bare_median: number()?,
    })
}
