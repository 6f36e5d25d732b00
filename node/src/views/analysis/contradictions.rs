//! What gates and doors say and the registry does not (人房车核实): vehicles that are there day by day and belong to no door,
//! more people coming and going than are entered, in a village or behind one door of a rental, rooms that hold more tenants than
//! they may, rentals that nobody is entered in.
//!
//! Gates tell passages as events of the kind [`PASSAGE`]. What a parking gate says is a plate, and is compared with the book of
//! vehicles; what a door says is what it knows a person by, which says nothing to the registry: of people only the numbers
//! are compared.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::books::{BookKind, canonical_plate};
use townmesh_crdt::domain::device::DeviceKind;
use townmesh_crdt::domain::device_event::PASSAGE;
use townmesh_crdt::domain::key;
use townmesh_crdt::domain::region::RegionCode;

use super::super::books::masked_plate;
use super::super::query::Query;
use super::super::reader::{QueryError, Reader};
use super::hours::day_of;
use super::presence::{CrowdedDoor, Presence, SeenBy};
use super::{cut, rows};

/// Where contradictions are looked for.
#[derive(Debug, Clone, Copy)]
pub struct ContradictionFilter {
    /// Passages from here on, in milliseconds since 1970.
    pub from_ms: i64,
    /// Passages before, in milliseconds since 1970.
    pub until_ms: i64,
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// On so many days of the period something counts as living there.
    pub days: u32,
    /// How many of each are told.
    pub limit: Option<u32>,
    /// Whether plates are shown in full.
    pub reveal: bool,
}

/// A vehicle that is there day by day and belongs to no door of the village.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct StrangeVehicle {
    /// Village or community.
    pub region: String,
    /// Its plate, masked unless revealed.
    pub plate: String,
    /// On how many days it passed.
    pub days: u32,
    /// How often it passed.
    pub passages: u32,
    /// When it passed last, in milliseconds since 1970.
    pub last_ms: i64,
    /// By this the case that is opened for it is found again. It is told to nobody: a plate could be guessed from it.
    #[serde(skip)]
    pub key: String,
}

/// More people in a village day by day than are entered there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct UnknownPeople {
    /// Village or community.
    pub region: String,
    /// People whom its gates saw on so many days; see [`SeenBy`].
    pub seen: u64,
    /// How that is known.
    pub by: SeenBy,
    /// Residents who are entered.
    pub residents: u64,
    /// How many more there are.
    pub unknown: u64,
    /// See [`StrangeVehicle::key`].
    #[serde(skip)]
    pub key: String,
}

/// What is wrong with what is entered of a rental.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RentalFault {
    /// More people than its rooms may hold.
    TooMany,
    /// Nobody.
    Nobody,
}

/// A rental of which the entries cannot be right, or must not stay so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Rental {
    /// The household.
    pub document: String,
    /// Village or community.
    pub region: String,
    /// Door number.
    pub address: String,
    /// Which household behind that door.
    pub number: u16,
    /// What is wrong.
    pub fault: RentalFault,
    /// Residents who are entered.
    pub residents: u32,
    /// How many its rooms may hold.
    pub tenant_limit: Option<u32>,
    /// See [`StrangeVehicle::key`].
    #[serde(skip)]
    pub key: String,
}

/// What contradicts the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Contradictions {
    /// Vehicles, those there on most days first.
    pub vehicles: Vec<StrangeVehicle>,
    /// Villages with more people than are entered.
    pub people: Vec<UnknownPeople>,
    /// Rentals.
    pub rentals: Vec<Rental>,
    /// Doors of rentals behind which more people come and go than are entered.
    pub doors: Vec<CrowdedDoor>,
    /// There are more of one than are told.
    pub truncated: bool,
}

/// What one value of a passage came to in a region.
#[derive(Default)]
pub(super) struct Seen {
    days: BTreeSet<i32>,
    passages: u32,
    last_ms: i64,
    shown: String,
}

impl Reader {
    /// What gates and entries say that cannot both be right.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn contradictions(&self, filter: &ContradictionFilter) -> Result<Contradictions, QueryError> {
        self.at_once(|| {
            let (mut vehicles, mut people) = (self.strange_vehicles(filter)?, self.unknown_people(filter)?);
            let (mut rentals, mut doors) = (self.rentals(filter)?, self.crowded_doors(filter)?);
            let most = rows(filter.limit);
            let truncated =
                [cut(&mut vehicles, most), cut(&mut people, most), cut(&mut rentals, most), cut(&mut doors, most)]
                    .contains(&true);
            Ok(Contradictions { vehicles, people, rentals, doors, truncated })
        })
    }

    /// Everything that passed gates of a kind on so many days, in any spelling, by the place that a region and a gate are.
    pub(super) fn seen<P: Ord>(
        &self,
        filter: &ContradictionFilter,
        gates: DeviceKind,
        place: impl Fn(&str, &str) -> Option<P>,
    ) -> Result<BTreeMap<(P, String), Seen>, QueryError> {
        let mut query = Query::default();
        query.region("y.region", filter.region);
        let [first, last] = [day_of(filter.from_ms), day_of(filter.until_ms)].map(|day| day.to_string());
        query.and("y.day >= ? AND y.day <= ?", [first, last]);
        query.one_of("y.device", self.gates(gates)?);
        query.and("e.kind = ? AND e.value IS NOT NULL AND typeof(e.value) <> 'blob'", [PASSAGE.to_owned()]);
        query.between("e.time_ms", Some(filter.from_ms), Some(filter.until_ms));
        // Gates and their days first: they are few beside the events.
        let select = "y.region, CAST(e.value AS TEXT), e.time_ms, y.device FROM device_day y CROSS JOIN device_event e ON e.row = y.row";
        let events = query.all(&self.connection, select, "", |row| {
            let place = place(&row.get::<_, String>(0)?, &row.get::<_, String>(3)?);
            Ok((place, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
        })?;
        let mut seen: BTreeMap<(P, String), Seen> = BTreeMap::new();
        for (place, value, time_ms) in events {
            let Some(place) = place else { continue };
            let one = seen.entry((place, canonical_plate(&value))).or_default();
            one.days.insert(day_of(time_ms).0);
            one.passages += 1;
            if time_ms >= one.last_ms {
                (one.last_ms, one.shown) = (time_ms, value);
            }
        }
        let days = filter.days as usize;
        seen.retain(|(_, value), one| one.days.len() >= days && !value.is_empty());
        Ok(seen)
    }

    /// Codes of gates of a kind, as the days of devices name them.
    pub(super) fn gates(&self, kind: DeviceKind) -> Result<Vec<String>, QueryError> {
        let mut query = Query::default();
        query.equals("kind", Some(kind));
        query.and::<Value>("retired = 0", []);
        let codes = query.all(&self.connection, "code FROM device", "", |row| row.get::<_, String>(0))?;
        let codes: BTreeSet<String> = codes.iter().map(|code| key::normalise(code)).collect();
        Ok(codes.into_iter().collect())
    }

    fn strange_vehicles(&self, filter: &ContradictionFilter) -> Result<Vec<StrangeVehicle>, QueryError> {
        let known = self.plates(filter.region)?;
        let strange = self
            .seen(filter, DeviceKind::ParkingGate, |region, _| Some(region.to_owned()))?
            .into_iter()
            .filter(|(place, _)| !known.contains(place));
        let mut vehicles: Vec<StrangeVehicle> = strange
            .map(|((region, plate), seen)| StrangeVehicle {
                key: key_of(&["vehicle", &region, &plate]),
                plate: if filter.reveal { seen.shown } else { masked_plate(&seen.shown) },
                region,
                days: u32::try_from(seen.days.len()).unwrap_or(u32::MAX),
                passages: seen.passages,
                last_ms: seen.last_ms,
            })
            .collect();
        vehicles.sort_by(|one, other| other.days.cmp(&one.days).then(one.key.cmp(&other.key)));
        Ok(vehicles)
    }

    /// Region and plate of every vehicle that is entered.
    fn plates(&self, region: Option<RegionCode>) -> Result<BTreeSet<(String, String)>, QueryError> {
        let mut query = Query::default();
        query.equals("book", Some(BookKind::Vehicle));
        query.and::<Value>("retired = 0", []);
        query.region("region", region);
        let select = "region, json_extract(detail, '$.plate') FROM book_entry";
        let rows = query.all(&self.connection, select, "", |row| {
            Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?))
        })?;
        Ok(rows.into_iter().filter_map(|(region, plate)| Some((region?, canonical_plate(&plate?)))).collect())
    }

    fn unknown_people(&self, filter: &ContradictionFilter) -> Result<Vec<UnknownPeople>, QueryError> {
        let seen = self.presence(filter, |region, _| Some(region.to_owned()))?;
        let mut query = Query::default();
        query.region("region", filter.region);
        let select = "region, sum(residents) FROM household";
        let residents = query.all(&self.connection, select, "GROUP BY region", |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })?;
        let residents: BTreeMap<String, u64> = residents.into_iter().collect();
        let more = seen.into_iter().filter_map(|(region, seen)| {
            let entered = residents.get(&region).copied().unwrap_or(0);
            let Presence { people: seen, by } = seen;
            let unknown = seen.checked_sub(entered).filter(|unknown| *unknown > 0)?;
            Some(UnknownPeople { key: key_of(&["people", &region]), region, seen, by, residents: entered, unknown })
        });
        let mut people: Vec<UnknownPeople> = more.collect();
        people.sort_by(|one, other| other.unknown.cmp(&one.unknown).then(one.region.cmp(&other.region)));
        Ok(people)
    }

    fn rentals(&self, filter: &ContradictionFilter) -> Result<Vec<Rental>, QueryError> {
        let mut query = Query::default();
        query.region("h.region", filter.region);
        query.and::<Value>("h.usage = 'rental' AND (h.residents > h.tenant_limit OR h.residents = 0)", []);
        let select = "d.document, h.region, h.address, h.number, h.residents, h.tenant_limit FROM household h \
                      JOIN document d ON d.row = h.row";
        query.all(
            &self.connection,
            select,
            "ORDER BY h.residents DESC, h.region, h.address, h.number, d.document",
            |row| {
                let (document, residents): (String, u32) = (row.get(0)?, row.get(4)?);
                Ok(Rental {
                    key: key_of(&["rental", &document]),
                    region: row.get(1)?,
                    address: row.get(2)?,
                    number: row.get(3)?,
                    fault: if residents == 0 { RentalFault::Nobody } else { RentalFault::TooMany },
                    residents,
                    tenant_limit: row.get(5)?,
                    document,
                })
            },
        )
    }
}

/// What a contradiction is found again by, on every node alike: half a BLAKE3 (derive-key context
/// `townmesh 2026-11 contradiction`) of the kind of contradiction and what it is about.
pub(super) fn key_of(parts: &[&str]) -> String {
    let hash = blake3::derive_key("townmesh 2026-11 contradiction", &key::natural_key(parts));
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
