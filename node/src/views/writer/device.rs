//! Devices and what they say.

use std::collections::BTreeMap;

use rusqlite::ToSql;
use rusqlite::types::Value;
use townmesh_crdt::command::read::{DeviceDayRecord, FieldsRecord};
use townmesh_crdt::domain::device::Device;
use townmesh_crdt::domain::device_event::{Decimal, EventValue};

use super::super::analysis::HourOfWeek;
use super::{Batch, Slot, coordinates, key};

const DEVICE: &str = "INSERT OR REPLACE INTO device (row, code, name, kind, protocol, region, place, latitude, longitude, \
    owner, silence_limit_s, retired) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const DAY: &str = "INSERT OR REPLACE INTO device_day (row, device, region, day) VALUES (?, ?, ?, ?)";
const EVENT: &str = "INSERT INTO device_event (row, time_ms, event, kind, value, latitude, longitude, alarm) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (row, time_ms, event) DO UPDATE SET \
    value = excluded.value, latitude = excluded.latitude, longitude = excluded.longitude, alarm = excluded.alarm \
    WHERE value IS NOT excluded.value OR latitude IS NOT excluded.latitude OR longitude IS NOT excluded.longitude \
    OR alarm <> excluded.alarm";
const HOURS: &str = "INSERT INTO device_hour (row, kind, alarm, h0, h1, h2, h3, h4, h5, h6, h7, h8, h9, h10, h11, h12, h13, \
    h14, h15, h16, h17, h18, h19, h20, h21, h22, h23) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

impl Batch<'_> {
    pub(super) fn device(&mut self, slot: Slot<'_>, record: &FieldsRecord<Device>) -> rusqlite::Result<()> {
        let device = &record.record;
        let (latitude, longitude) = coordinates(device.position);
        let region = key(device.region).unwrap_or_else(|| slot.region.to_owned());
        self.run(
            DEVICE,
            &[
                &slot.row,
                &device.code.as_deref().unwrap_or_default(),
                &device.name,
                &key(device.kind),
                &key(device.protocol),
                &region,
                &device.place,
                &latitude,
                &longitude,
                &device.owner,
                &device.silence_limit_s,
                &(device.retired == Some(true)),
            ],
        )?;
        self.position(slot, device.position.as_slice())
    }

    /// A day grows all day long: what is there already is left alone, so that a new batch costs its own events.
    pub(super) fn device_day(&mut self, slot: Slot<'_>, record: &DeviceDayRecord) -> rusqlite::Result<()> {
        self.run(DAY, &[&slot.row, &record.device, &slot.region, &record.day.to_string()])?;
        self.hours(slot, record)?;
        self.events(slot, record)?;
        let mut count = self.connection.prepare_cached("SELECT count(*) FROM device_event WHERE row = ?")?;
        let stored: i64 = count.query_row([slot.row], |row| row.get(0))?;
        if stored == record.events.len() as i64 {
            return Ok(());
        }
        // Something lost its effect, which is rare: write the day anew.
        self.run("DELETE FROM device_event WHERE row = ?", &[&slot.row])?;
        self.events(slot, record)
    }

    /// How many events of each kind, alarms apart, each hour of the day has.
    fn hours(&self, slot: Slot<'_>, record: &DeviceDayRecord) -> rusqlite::Result<()> {
        self.clear(slot, "device_hour")?;
        let mut counts: BTreeMap<(&str, bool), [i64; 24]> = BTreeMap::new();
        for event in &record.events {
            let hours = counts.entry((event.kind.as_str(), event.alarm)).or_insert([0; 24]);
            if let Some(count) = hours.get_mut(HourOfWeek::of(event.time_ms).hour()) {
                *count += 1;
            }
        }
        for ((kind, alarm), hours) in &counts {
            let mut values: Vec<&dyn ToSql> = vec![&slot.row, kind, alarm];
            values.extend(hours.iter().map(|count| count as &dyn ToSql));
            self.run(HOURS, &values)?;
        }
        Ok(())
    }

    fn events(&self, slot: Slot<'_>, record: &DeviceDayRecord) -> rusqlite::Result<()> {
        for event in &record.events {
            let (value, position) = match &event.value {
                EventValue::Empty => (Value::Null, None),
                EventValue::Number(number) => (number_value(*number), None),
                EventValue::Text(text) => (Value::from(text.clone()), None),
                EventValue::Position(position) => (Value::Null, Some(*position)),
            };
            let (latitude, longitude) = coordinates(position);
            let id = event.id().0;
            self.run(
                EVENT,
                &[&slot.row, &event.time_ms, &id, &event.kind, &value, &latitude, &longitude, &event.alarm],
            )?;
        }
        Ok(())
    }
}

fn number_value(number: Decimal) -> Value {
    if number.scale() == 0 { Value::Integer(number.mantissa()) } else { Value::Real(number.to_f64()) }
}
