//! The results as tables for people.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::chart;
use crate::measure::Row;
use crate::results;

const INTRODUCTION: &str = "\
# What slotcast costs beside others

Made by `benches/peers/run` from `results.tsv`; `benches/README.md` says how it is measured. All figures are costs: less
is better. A cell has the minimum, the median behind a stroke, and in brackets the **ratio** of the minimum to that of the
first line of its table, which was measured anew beside each of the others.

![The costs of some workloads](chart.svg)
";

/// Writes the tables and the chart beside the file with the results.
pub fn write(path: &Path) {
    let (notes, rows) =
        results::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let notes: String = notes.iter().map(|note| format!("- {note}\n")).collect();
    let texts = [
        ("RESULTS.md", markdown(&notes, &rows)),
        ("chart.svg", chart::draw(&rows)),
    ];
    for (name, text) in texts {
        fs::write(path.with_file_name(name), text).expect("the report can be written");
    }
}

pub fn markdown(notes: &str, rows: &[Row]) -> String {
    let mut text = format!("{INTRODUCTION}\n{notes}");
    let of = |build: &str| {
        rows.iter()
            .filter(|row| row.build == build)
            .collect::<Vec<_>>()
    };
    let (release, lto) = (of("release"), of("lto"));
    for (table, unit) in names(&release, |row| (&*row.table, &*row.unit)) {
        let is_this = |row: &&&Row| row.table == table && row.unit == unit;
        let rows: Vec<_> = release.iter().filter(is_this).copied().collect();
        _ = write!(text, "\n## {table}\n\nIn {unit}.\n\n");
        pivot(&mut text, &rows, cell);
        let rows: Vec<_> = lto.iter().filter(is_this).copied().collect();
        if !rows.is_empty() {
            text += "\nWith `lto` and one codegen unit:\n\n";
            pivot(&mut text, &rows, cell);
        }
    }
    let layouts: Vec<_> = rows
        .iter()
        .filter(|row| row.build.starts_with("layout"))
        .collect();
    let tables = names(&layouts, |row| &*row.table);
    if !tables.is_empty() {
        text += "\n# Where the linker puts it\n\nThe ratios of the aligned code above, and behind an arrow the worst of \
                 the layouts: the same program without alignment, its functions in four random orders.\n";
    }
    for table in tables {
        _ = write!(text, "\n## {table}\n\n");
        let rows: Vec<_> = layouts
            .iter()
            .filter(|row| row.table == table)
            .copied()
            .collect();
        pivot(&mut text, &rows, |row, all| {
            let is_same = |it: &&&Row| {
                (&it.table, &it.case, &it.contestant) == (&row.table, &row.case, &row.contestant)
            };
            let worst = all
                .iter()
                .filter(is_same)
                .map(|it| it.ratio())
                .fold(0.0, f64::max);
            let aligned = release
                .iter()
                .find(is_same)
                .map_or(f64::NAN, |it| it.ratio());
            format!("{aligned:.2} → {worst:.2}")
        });
    }
    text
}

/// Without repetitions, in the order in which they come first.
fn names<'r, N: PartialEq>(rows: &[&'r Row], name: impl Fn(&'r Row) -> N) -> Vec<N> {
    let mut names = Vec::new();
    for row in rows {
        let name = name(row);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A table with a line for each contestant and a column for each case.
fn pivot(text: &mut String, rows: &[&Row], cell: impl Fn(&Row, &[&Row]) -> String) {
    let cases = names(rows, |row| &*row.case);
    _ = writeln!(text, "| | {} |", cases.join(" | "));
    _ = writeln!(text, "|---|{}", "---:|".repeat(cases.len()));
    for contestant in names(rows, |row| &*row.contestant) {
        let name = match contestant.starts_with("slotcast") {
            true => format!("**{contestant}**"),
            false => contestant.to_owned(),
        };
        _ = write!(text, "| {name} |");
        for case in &cases {
            let is_here = |row: &&&Row| row.contestant == contestant && row.case == *case;
            let cell = rows
                .iter()
                .find(is_here)
                .map_or(String::new(), |row| cell(row, rows));
            _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
}

fn cell(row: &Row, _all: &[&Row]) -> String {
    let mut text = number(row.minimum);
    if row.median != row.minimum {
        _ = write!(text, " / {}", number(row.median));
    }
    // Nothing is a multiple of nothing.
    if row.bare_minimum > 0.0 {
        _ = write!(text, " ({:.2})", row.ratio());
    }
    text
}

pub fn number(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
