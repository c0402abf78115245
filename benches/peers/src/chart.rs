//! Some of the results as a picture: a bar for each contestant, on a logarithmic scale.

use plotters::coord::Shift;
use plotters::coord::ranged1d::SegmentValue;
use plotters::prelude::*;

use crate::measure::Row;
use crate::report::number;

/// A table, a case, and what the picture calls them.
const PANELS: [[&str; 3]; 8] = [
    [
        "Emission, not inlined, one type of handlers",
        "1 handler",
        "Emit to one handler",
    ],
    [
        "Emission, not inlined, one type of handlers",
        "64 handlers",
        "Emit to 64 handlers",
    ],
    [
        "An emission by name, a handler each",
        "1000 names in turn",
        "Emit by name, 1000 names in turn",
    ],
    [
        "Emission to four handlers that share nothing, by all threads together",
        "two threads, one signal",
        "Emit to 4 handlers, two threads on one signal",
    ],
    [
        "Subscribing a handler and cancelling it",
        "1000 others",
        "Subscribe and cancel, beside 1000 others",
    ],
    [
        "Subscribe, emit, cancel, emit",
        "1000 others",
        "Subscribe, emit, cancel, emit; 1000 others",
    ],
    [
        "Deferred and drained, 1000 at a time, an event",
        "1 handler",
        "Defer and drain, same thread, an event",
    ],
    [
        "From a producer to the thread that handles, an event",
        "two threads",
        "From one thread to another, an event",
    ],
];

const WIDTH: u32 = 1120;
const HEIGHT: u32 = 1560;

const OURS: RGBColor = RGBColor(0xd9, 0x5f, 0x02);
const THEIRS: RGBColor = RGBColor(0x8d, 0xa0, 0xcb);
const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);

pub fn draw(rows: &[Row]) -> String {
    let mut picture = String::new();
    let root = SVGBackend::with_string(&mut picture, (WIDTH, HEIGHT)).into_drawing_area();
    draw_all(&root, rows).expect("a picture in memory can be drawn");
    drop(root);
    picture
}

type Result<'p> =
    std::result::Result<(), DrawingAreaErrorKind<<SVGBackend<'p> as DrawingBackend>::ErrorType>>;

fn draw_all<'p>(root: &DrawingArea<SVGBackend<'p>, Shift>, rows: &[Row]) -> Result<'p> {
    root.fill(&WHITE)?;
    let style = ("sans-serif", 20).into_font().color(&INK);
    let root = root.titled("Nanoseconds, minima; logarithmic: less is better", style)?;
    for (area, [table, case, title]) in root.split_evenly((4, 2)).iter().zip(PANELS) {
        let is_here = |row: &&Row| row.build == "release" && row.table == table && row.case == case;
        let mut bars: Vec<_> = rows
            .iter()
            .filter(is_here)
            .map(|row| (row.contestant.replace('`', ""), row.minimum))
            .collect();
        // The cheapest on top.
        bars.sort_by(|one, other| other.1.total_cmp(&one.1));
        if !bars.is_empty() {
            draw_panel(area, title, &bars)?;
        }
    }
    root.present()
}

fn draw_panel<'p>(
    area: &DrawingArea<SVGBackend<'p>, Shift>,
    title: &str,
    bars: &[(String, f64)],
) -> Result<'p> {
    let (least, most) = (bars[bars.len() - 1].1, bars[0].1);
    // Room for the shortest bar, and for the number behind the longest.
    let (from, to) = (least / 3.0, most * (most / least * 3.0).powf(0.3));
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(title, ("sans-serif", 17).into_font().color(&INK))
        .y_label_area_size(210)
        .x_label_area_size(4)
        .build_cartesian_2d((from..to).log_scale(), (0..bars.len()).into_segmented())?;
    let name = |at: &SegmentValue<usize>| match at {
        SegmentValue::CenterOf(at) if *at < bars.len() => bars[*at].0.clone(),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_mesh()
        .disable_x_axis()
        .axis_style(INK)
        .y_labels(bars.len())
        .y_label_formatter(&name)
        .y_label_style(("sans-serif", 13).into_font().color(&INK))
        .draw()?;
    for (at, (contestant, cost)) in bars.iter().enumerate() {
        let color = if contestant.starts_with("slotcast") {
            OURS
        } else {
            THEIRS
        };
        let ends = [
            (from, SegmentValue::Exact(at)),
            (*cost, SegmentValue::Exact(at + 1)),
        ];
        let mut bar = Rectangle::new(ends, color.filled());
        bar.set_margin(2, 2, 0, 0);
        chart.draw_series([bar])?;
        let style = ("sans-serif", 13).into_font().color(&INK);
        let place = (*cost, SegmentValue::CenterOf(at));
        let text = EmptyElement::at(place) + Text::new(number(*cost), (4, -7), style);
        chart.draw_series([text])?;
    }
    Ok(())
}
