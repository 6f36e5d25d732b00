//! The map of the town: lines, routes of vehicles, and villages coloured by their worst staleness.

use std::fmt::Write as _;

use super::{Forecast, charts};
use crate::town::{Place, Town};

const SIDE: f64 = 760.0;
const MARGIN: f64 = 60.0;
const ROUTES: [&str; 8] = ["#0b6e4f", "#7b2d8b", "#b3541e", "#1d5fa8", "#8a7a00", "#b0295c", "#3a7d7c", "#5b5b9a"];

/// From metres to units of the view box.
struct Scale {
    least: Place,
    metre: f64,
}

impl Scale {
    fn of(town: &Town) -> Self {
        let ends = |pick: fn(&Place) -> i64| {
            let all = || town.sites.iter().map(|site| pick(&site.place));
            (all().min().unwrap_or(0), all().max().unwrap_or(0))
        };
        let ((left, right), (bottom, top)) = (ends(|place| place.0), ends(|place| place.1));
        let metres = (right - left).max(top - bottom).max(1);
        Self { least: (left, bottom), metre: (SIDE - 2.0 * MARGIN) / metres as f64 }
    }

    fn point(&self, place: Place) -> (f64, f64) {
        let x = MARGIN + (place.0 - self.least.0) as f64 * self.metre;
        (x, SIDE - MARGIN - (place.1 - self.least.1) as f64 * self.metre)
    }
}

pub(super) fn map(forecast: &Forecast) -> String {
    let (town, scale) = (&forecast.town, Scale::of(&forecast.town));
    let place = |site: usize| town.sites.get(site).map_or((0.0, 0.0), |site| scale.point(site.place));
    let mut body = String::new();
    for site in &town.sites {
        let (x, y) = scale.point(site.place);
        for (x2, y2) in site.wires.iter().map(|other| place(*other)) {
            let _ = write!(
                body,
                "<line x1=\"{x:.0}\" y1=\"{y:.0}\" x2=\"{x2:.0}\" y2=\"{y2:.0}\" stroke=\"#9aa3ad\" stroke-dasharray=\"5 4\"/>"
            );
        }
    }
    let faint = if town.vehicles.len() > 12 { "0.25" } else { "0.8" };
    for (vehicle, stroke) in town.vehicles.iter().zip(ROUTES.iter().cycle()) {
        for route in &vehicle.routes {
            let stops = route.stops.iter().map(|stop| stop.site);
            let way = std::iter::once(vehicle.depot).chain(stops).chain([vehicle.depot]).map(place);
            let points: Vec<String> = way.map(|(x, y)| format!("{x:.0},{y:.0}")).collect();
            let _ = write!(
                body,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"2.5\" stroke-opacity=\"{faint}\"/>",
                points.join(" ")
            );
        }
    }
    for (number, site) in town.sites.iter().enumerate() {
        let (x, y) = place(number);
        let row = forecast.report.villages.iter().find(|village| village.site == number);
        let worst = row.map(|village| village.worst_to_center_min.max(village.worst_to_village_min));
        let _ = match worst {
            Some(worst) => write!(
                body,
                "<circle cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"11\" fill=\"{}\" stroke=\"#333\"/><text x=\"{x:.0}\" y=\"{:.0}\" class=\"mid halo\">{} · {worst:.0}</text>",
                charts::colour(worst),
                y - 17.0,
                site.name
            ),
            None => write!(
                body,
                "<rect x=\"{:.0}\" y=\"{:.0}\" width=\"22\" height=\"22\" fill=\"#222\"/><text x=\"{x:.0}\" y=\"{:.0}\" class=\"mid halo\">{}</text>",
                x - 11.0,
                y - 11.0,
                y + 29.0,
                site.name
            ),
        };
    }
    let keys = town.vehicles.iter().zip(ROUTES.iter().cycle()).take(24).map(|(vehicle, colour)| {
        format!("<span class=\"key\"><span class=\"bar\" style=\"background:{colour}\"></span>{}</span>", vehicle.name)
    });
    let keys: String = keys.collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"map\" viewBox=\"0 0 {SIDE} {SIDE}\" role=\"img\" aria-label=\"地图 / map\">{body}</svg>\n<p class=\"keys\">{keys}<span class=\"key\">┄ 专线 / line</span><span class=\"key\">■ 指挥中心 / center</span></p>"
    )
}
