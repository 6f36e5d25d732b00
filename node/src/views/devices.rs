//! Lists of devices, what one of them said, and what alarmed.

use rusqlite::Row;
use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::command::UTC_OFFSET_MINUTES;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::device::{DeviceKind, Protocol};
use townmesh_crdt::domain::device_event::PASSAGE;
use townmesh_crdt::domain::key;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::policy::DocumentKind;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use super::books::masked_plate;
use super::query::{BoundingBox, Listed, Order, Page, Query, position, word};
use super::reader::{QueryError, Reader};

/// Which devices.
#[derive(Debug, Clone, Default)]
pub struct DeviceFilter {
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// Of this kind.
    pub kind: Option<DeviceKind>,
    /// In this part of the map.
    pub bounds: Option<BoundingBox>,
}

/// A device in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DeviceRow {
    /// Its document.
    pub document: String,
    /// Its code.
    pub code: String,
    /// What people call it.
    pub name: Option<String>,
    /// What it is.
    pub kind: Option<DeviceKind>,
    /// How it speaks.
    pub protocol: Option<Protocol>,
    /// Village or community.
    pub region: String,
    /// Where in it, in words.
    pub place: Option<String>,
    /// Where on the map.
    pub position: Option<Position>,
    /// The team that looks after it.
    pub owner: Option<String>,
    /// Seconds without a sign of life after which it counts as silent.
    pub silence_limit_s: Option<u32>,
    /// Taken down.
    pub retired: bool,
    /// When it was last heard, in milliseconds since 1970; `None` where nothing of it is known here.
    pub last_heard_ms: Option<i64>,
}

/// Which events of a device.
#[derive(Debug, Clone, Default)]
pub struct DeviceEventFilter {
    /// Code of the device.
    pub device: String,
    /// From here on, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Before, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// Only of this kind, such as `pm10`.
    pub kind: Option<String>,
}

/// Which alarms.
#[derive(Debug, Clone, Default)]
pub struct AlarmFilter {
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// From here on, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Before, in milliseconds since 1970.
    pub until_ms: Option<i64>,
}

/// What a device said once.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct DeviceEventRow {
    /// Id of the event.
    pub event: String,
    /// Code of the device.
    pub device: String,
    /// Village or community.
    pub region: String,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// What was measured or happened.
    pub kind: String,
    /// A number, a text or null.
    #[schema(schema_with = number_or_text)]
    pub value: serde_json::Value,
    /// A place, where that is what it told.
    pub position: Option<Position>,
    /// Whether it calls for somebody.
    pub alarm: bool,
}

/// What [`DeviceEventRow::value`] may be.
fn number_or_text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Number, Type::String, Type::Null]))
}

const DEVICE: &str = "d.document, v.*, (SELECT max(e.time_ms) FROM device_event e WHERE e.row = \
    (SELECT y.row FROM device_day y WHERE y.device = v.code ORDER BY y.day DESC LIMIT 1)) AS last_heard_ms";
const DEVICES: &str = "device v JOIN document d ON d.row = v.row";
const EVENT: &str = "e.*, y.device, y.region";
const EVENTS: &str = "device_day y JOIN device_event e ON e.row = y.row";

impl Reader {
    /// Devices by code.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn devices(&self, filter: &DeviceFilter, page: &Page) -> Result<Listed<DeviceRow>, QueryError> {
        let mut query = Query::default();
        query.region("v.region", filter.region);
        query.equals("v.kind", filter.kind);
        query.within("v.row", DocumentKind::Device, filter.bounds);
        let order = Order { columns: &["v.code", "v.row"], descending: false };
        query.list(&self.connection, (DEVICE, DEVICES), &order, page, |row| {
            Ok(DeviceRow {
                document: row.get("document")?,
                code: row.get("code")?,
                name: row.get("name")?,
                kind: word(row, "kind")?,
                protocol: word(row, "protocol")?,
                region: row.get("region")?,
                place: row.get("place")?,
                position: position(row)?,
                owner: row.get("owner")?,
                silence_limit_s: row.get("silence_limit_s")?,
                retired: row.get("retired")?,
                last_heard_ms: row.get("last_heard_ms")?,
            })
        })
    }

    /// What one device said, the latest first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn device_events(&self, filter: &DeviceEventFilter, page: &Page) -> Result<Listed<DeviceEventRow>, QueryError> {
        let mut query = Query::default();
        query.equals("y.device", Some(key::normalise(&filter.device)));
        let day = |time: i64| Day::of_time(time, UTC_OFFSET_MINUTES).to_string();
        if let Some(first) = filter.from_ms {
            query.and("y.day >= ?", [day(first)]);
        }
        if let Some(last) = filter.until_ms {
            query.and("y.day <= ?", [day(last)]);
        }
        query.between("e.time_ms", filter.from_ms, filter.until_ms);
        query.equals("e.kind", filter.kind.as_deref());
        // Days first: both tables are then read in the order of their indexes. A device that was moved has its day in two
        // villages, where the same event may have been recorded in both.
        let order = Order { columns: &["y.day", "e.time_ms", "e.event", "e.row"], descending: true };
        query.list(&self.connection, (EVENT, EVENTS), &order, page, event_row)
    }

    /// What alarmed, the latest first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn alarms(&self, filter: &AlarmFilter, page: &Page) -> Result<Listed<DeviceEventRow>, QueryError> {
        let mut query = Query::default();
        // A literal, so that SQLite sees that the index of alarms covers it.
        query.and::<Value>("e.alarm = 1", []);
        query.region("y.region", filter.region);
        query.between("e.time_ms", filter.from_ms, filter.until_ms);
        let order = Order { columns: &["e.time_ms", "e.event", "e.row"], descending: true };
        let from = "device_event e JOIN device_day y ON y.row = e.row";
        query.list(&self.connection, (EVENT, from), &order, page, event_row)
    }
}

fn event_row(row: &Row<'_>) -> rusqlite::Result<DeviceEventRow> {
    let id: [u8; 16] = row.get("event")?;
    let kind: String = row.get("kind")?;
    let is_passage = kind == PASSAGE;
    Ok(DeviceEventRow {
        event: townmesh_crdt::domain::device_event::EventId(id).to_string(),
        device: row.get("device")?,
        region: row.get("region")?,
        time_ms: row.get("time_ms")?,
        kind,
        value: match row.get("value")? {
            Value::Text(text) if is_passage => masked_plate(&text).into(),
            Value::Integer(_) | Value::Real(_) if is_passage => "*".into(),
            Value::Integer(number) => number.into(),
            Value::Real(number) => number.into(),
            Value::Text(text) => text.into(),
            Value::Null | Value::Blob(_) => serde_json::Value::Null,
        },
        position: position(row)?,
        alarm: row.get("alarm")?,
    })
}
