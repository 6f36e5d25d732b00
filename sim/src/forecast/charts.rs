//! Charts as SVG text: bars of how long records took, a heat map of staleness, bytes per link.

use std::fmt::Write as _;

use super::Forecast;
use super::csv::day_and_time;
use super::report::{Arrival, minutes};
use crate::plan::MINUTE;
use crate::world::meter::Age;

/// Width of a chart in units of its view box.
const WIDTH: usize = 1_060;
/// Steps of staleness: below so many minutes, this colour.
const STEPS: [(f64, &str, &str); 6] = [
    (1.0, "#e8f4ea", "&lt; 1"),
    (15.0, "#cfe3b4", "1–15"),
    (60.0, "#f6dd82", "15–60"),
    (180.0, "#f2ab54", "60–180"),
    (360.0, "#dd6a3e", "180–360"),
    (f64::INFINITY, "#99253a", "≥ 360"),
];

/// The colour of so many minutes of staleness.
pub(super) fn colour(staleness_min: f64) -> &'static str {
    STEPS.iter().find(|(below, ..)| staleness_min < *below).map_or("#99253a", |(_, colour, _)| colour)
}

/// What the colours mean, and the frame of an outage where one is drawn.
pub(super) fn legend(with_outage: bool) -> String {
    let steps = STEPS.iter().map(|(_, colour, words)| {
        format!("<span class=\"key\"><span class=\"box\" style=\"background:{colour}\"></span>{words}</span>")
    });
    let outage =
        "<span class=\"key\"><span class=\"box\" style=\"border:1.5px dashed #1b2a41\"></span>断网 / outage</span>";
    let outage = if with_outage { outage } else { "" };
    format!("<p class=\"keys\">{} 分钟 / minutes {outage}</p>", steps.collect::<String>())
}

fn svg(height: usize, label: &str, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{label}\">{body}</svg>\n"
    )
}

/// Bars: how many records took how long; what never arrived has a bar of its own.
pub(super) fn histogram(arrival: &Arrival, label: &str) -> String {
    let mut bars: Vec<(String, usize, &str)> = Vec::new();
    let mut least = 0;
    for (bound, count) in &arrival.histogram {
        let words = match (least, *bound) {
            (0, bound) => format!("&lt; {bound} min"),
            (least, u32::MAX) => format!("≥ {} h", least / 60),
            (least, bound) if bound <= 60 => format!("{least}–{bound} min"),
            (least, bound) => format!("{}–{} h", least / 60, bound / 60),
        };
        bars.push((words, *count, "#3f74a8"));
        least = *bound;
    }
    bars.push(("未到 / not yet".to_owned(), arrival.not_arrived, "#99253a"));
    let (most, step) = (bars.iter().map(|(_, count, _)| *count).max().unwrap_or(1).max(1), WIDTH / bars.len());
    let mut body = String::new();
    for (number, (words, count, fill)) in bars.iter().enumerate() {
        let (x, height) = (number * step, (count * 130).div_ceil(most));
        let middle = x + step / 2;
        let (top, width) = (160 - height, step - 14);
        let _ = write!(
            body,
            "<rect x=\"{}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" fill=\"{fill}\"/><text x=\"{middle}\" y=\"{}\" class=\"mid\">{count}</text><text x=\"{middle}\" y=\"178\" class=\"mid small\">{words}</text>",
            x + 7,
            top - 5
        );
    }
    body += &format!("<line x1=\"0\" y1=\"160\" x2=\"{WIDTH}\" y2=\"160\" stroke=\"#888\"/>");
    svg(190, label, &body)
}

/// A row for each village, a cell for each sample.
pub(super) fn heat_map(forecast: &Forecast, pick: fn(&Age) -> u64, label: &str) -> String {
    const LEFT: usize = 130;
    let moments = &forecast.watched.moments;
    let villages = &forecast.report.villages;
    let row_height = if villages.len() > 20 { 14 } else { 24 };
    let across = (WIDTH - LEFT) as f64 / moments.len().max(1) as f64;
    let bottom = villages.len() * row_height;
    let mut body = String::new();
    for (number, village) in villages.iter().enumerate() {
        let y = number * row_height;
        let _ = write!(
            body,
            "<text x=\"{}\" y=\"{}\" class=\"end small\">{}</text>",
            LEFT - 8,
            y + row_height / 2 + 4,
            village.name
        );
        let ages = forecast.watched.ages.get(village.site).map(Vec::as_slice).unwrap_or_default();
        let colours: Vec<&str> = ages.iter().map(|age| colour(minutes(pick(age)))).collect();
        let mut at = 0;
        // Cells of one colour that follow each other are one rectangle.
        for run in colours.chunk_by(|one, other| one == other) {
            let (x, width) = (LEFT as f64 + at as f64 * across, run.len() as f64 * across);
            let fill = run.first().copied().unwrap_or_default();
            let height = row_height - 2;
            let _ =
                write!(body, "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{fill}\"/>");
            at += run.len();
        }
    }
    body += &cuts(forecast, LEFT as f64, across, bottom);
    for (number, moment) in moments.iter().enumerate() {
        let (_, time) = day_and_time((moment / MINUTE) as u32);
        let hour = time.split(':').next().and_then(|hour| hour.parse::<u32>().ok()).unwrap_or(0);
        if time.ends_with(":00") && hour.is_multiple_of(2) {
            let x = LEFT as f64 + number as f64 * across;
            let _ = write!(
                body,
                "<line x1=\"{x:.1}\" y1=\"0\" x2=\"{x:.1}\" y2=\"{}\" stroke=\"#0003\"/><text x=\"{x:.1}\" y=\"{}\" class=\"mid small\">{time}</text>",
                bottom + 4,
                bottom + 18
            );
        }
    }
    svg(bottom + 26, label, &body)
}

/// The hours of outages: a dashed frame over all rows, which hides no colour.
fn cuts(forecast: &Forecast, left: f64, across: f64, bottom: usize) -> String {
    let moments = &forecast.watched.moments;
    // The first sample at or after a minute.
    let place =
        |minute: i64| left + moments.partition_point(|moment| ((moment / MINUTE) as i64) < minute) as f64 * across;
    let mut body = String::new();
    for (from, until) in &forecast.cuts {
        let (x, end) = (place(*from), place(*until));
        let _ = write!(
            body,
            "<rect x=\"{x:.1}\" y=\"-1\" width=\"{:.1}\" height=\"{}\" fill=\"none\" stroke=\"#1b2a41\" stroke-width=\"1.5\" stroke-dasharray=\"6 4\"><title>断网 / outage</title></rect>",
            (end - x).max(1.0),
            bottom + 1
        );
    }
    body
}

/// Horizontal bars of the links that carried most.
pub(super) fn links(forecast: &Forecast) -> String {
    const MOST: usize = 30;
    const LEFT: usize = 300;
    let rows = &forecast.report.links;
    let greatest = rows.first().map_or(1, |row| row.bytes_forth + row.bytes_back).max(1);
    let mut body = String::new();
    for (number, row) in rows.iter().take(MOST).enumerate() {
        let bytes = row.bytes_forth + row.bytes_back;
        let (y, width) = (number * 22, (bytes as f64 / greatest as f64 * 600.0).max(1.0));
        let fill = match row.kind {
            "wire" => "#3f74a8",
            "radio" => "#2f8f6b",
            _ => "#8a5fb0",
        };
        let _ = write!(
            body,
            "<text x=\"{}\" y=\"{}\" class=\"end small\">{} – {}</text><rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"18\" fill=\"{fill}\"/><text x=\"{:.1}\" y=\"{}\" class=\"small\">{}</text>",
            LEFT - 8,
            y + 14,
            row.from,
            row.to,
            LEFT as f64 + width + 6.0,
            y + 14,
            bytes_text(bytes)
        );
    }
    svg(rows.len().min(MOST) * 22 + 4, "每条链路的字节数 / bytes per link", &body)
}

/// Bytes as people read them.
pub(super) fn bytes_text(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.2} MB", bytes as f64 / 1e6),
    }
}
