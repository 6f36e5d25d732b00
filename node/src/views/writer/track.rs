//! Where units were. The points of a day stay together, as they travel: a year of them as rows would be most of the file.

use townmesh_crdt::command::track::TrackRecord;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::track;

use super::{Batch, Slot};

const TRACK: &str = "INSERT OR REPLACE INTO track (row, node, region, day, from_ms, until_ms, count, metres, points) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

impl Batch<'_> {
    pub(super) fn track(&mut self, slot: Slot<'_>, record: &TrackRecord) -> rusqlite::Result<()> {
        let (first, last) = (record.points.first(), record.points.last());
        let values: &[&dyn rusqlite::ToSql] = &[
            &slot.row,
            &record.node.to_string(),
            &slot.region,
            &record.day.to_string(),
            &first.map_or(0, |point| point.time_ms()),
            &last.map_or(0, |point| point.time_ms()),
            &(record.points.len() as i64),
            &(track::metres(&record.points).round() as i64),
            &track::encode(&record.points),
        ];
        self.run(TRACK, values)?;
        let places: Vec<Position> = record.points.iter().filter_map(|point| point.position()).collect();
        self.position(slot, &places)
    }
}
