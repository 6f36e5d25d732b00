//! The tables of a forecast. Names hold neither commas nor quotes: town files are refused otherwise.

use std::fmt::Write as _;

use super::Forecast;
use super::report::minutes;
use crate::plan::MINUTE;
use crate::town::clock_text;
use crate::town::roster::DAWN;

impl Forecast {
    /// The CSV files: name and text.
    pub fn tables(&self) -> [(&'static str, String); 4] {
        [
            ("staleness.csv", self.staleness_table()),
            ("links.csv", self.links_table()),
            ("vehicles.csv", self.vehicles_table()),
            ("contacts.csv", self.contacts_table()),
        ]
    }

    fn staleness_table(&self) -> String {
        let mut text = "day,time,village,to_center_min,to_village_min\n".to_owned();
        for (sample, moment) in self.watched.moments.iter().enumerate() {
            let (day, time) = day_and_time((moment / MINUTE) as u32);
            for village in &self.report.villages {
                let ages = self.watched.ages.get(village.site).and_then(|row| row.get(sample));
                let (to_center, to_village) = ages.copied().unwrap_or_default();
                let (one, other) = (minutes(to_center), minutes(to_village));
                let _ = writeln!(text, "{day},{time},{},{one:.2},{other:.2}", village.name);
            }
        }
        text
    }

    fn links_table(&self) -> String {
        let mut text = "from,to,kind,bytes_forth,bytes_back\n".to_owned();
        for row in &self.report.links {
            let _ = writeln!(text, "{},{},{},{},{}", row.from, row.to, row.kind, row.bytes_forth, row.bytes_back);
        }
        text
    }

    fn vehicles_table(&self) -> String {
        let mut text = "vehicle,metres_a_day,radio_contacts,radio_bytes_in,radio_bytes_out,mobile_bytes\n".to_owned();
        for row in &self.report.vehicles {
            let super::VehicleRow { name, metres_a_day, contacts, radio_in, radio_out, mobile } = row;
            let _ = writeln!(text, "{name},{metres_a_day},{contacts},{radio_in},{radio_out},{mobile}");
        }
        text
    }

    fn contacts_table(&self) -> String {
        let mut text = "from,to,kind,begins_day,begins,ends_day,ends,bytes\n".to_owned();
        for row in &self.report.contacts {
            let ((day, begins), (end_day, ends)) = (day_and_time(row.begins_min), day_and_time(row.ends_min));
            let _ =
                writeln!(text, "{},{},{},{day},{begins},{end_day},{ends},{}", row.from, row.to, row.kind, row.bytes);
        }
        text
    }
}

/// The day from 1, and the time of day.
pub(super) fn day_and_time(minute_after_dawn: u32) -> (u32, String) {
    let minute = minute_after_dawn + DAWN;
    (minute / crate::town::MINUTES_A_DAY + 1, clock_text(minute))
}
