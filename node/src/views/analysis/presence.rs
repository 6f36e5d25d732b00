//! How many people gates see day by day: in a village, and behind a door that has a gate of its own.
//!
//! A gate that knows people tells them apart, so they are counted. One that only counts tells passages without saying of whom;
//! whoever lives there goes out and comes in, so two passages are a person. The number that is reached on so many days is taken,
//! so that a feast is no crowd. What comes of that is a reason to look, not a finding.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::device::DeviceKind;
use townmesh_crdt::domain::device_event::PASSAGE;
use townmesh_crdt::domain::key;

use super::super::query::Query;
use super::super::reader::{QueryError, Reader};
use super::contradictions::{ContradictionFilter, key_of};
use super::hours::day_of;

/// Passages by which somebody who lives there is counted on a day: out and in.
const PASSAGES_OF_ONE: u64 = 2;

/// How it is known how many people there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeenBy {
    /// Gates told them apart.
    Identified,
    /// Gates counted passages: half of them, rounded down.
    Counted,
}

/// Behind the door of a rental more people come and go than are entered there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct CrowdedDoor {
    /// Village or community.
    pub region: String,
    /// Door number.
    pub address: String,
    /// Households behind that door.
    pub households: u64,
    /// People whom its gates saw on so many days.
    pub seen: u64,
    /// How that is known.
    pub by: SeenBy,
    /// Residents who are entered in those households.
    pub residents: u64,
    /// How many more there are.
    pub unknown: u64,
    /// By this the case that is opened for it is found again.
    #[serde(skip)]
    pub key: String,
}

/// How many people gates see at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Presence {
    pub(super) people: u64,
    pub(super) by: SeenBy,
}

/// A door: its region, and its address as all spellings of it have it.
type Door = (String, String);

/// A door behind which people rent.
struct RentedDoor {
    address: String,
    households: u64,
    residents: u64,
}

impl Reader {
    /// How many people gates see, by the place that a region and a gate are. Of those whom gates knew and those whom gates
    /// counted the larger number stands: the same people pass both.
    pub(super) fn presence<P: Ord + Clone>(
        &self,
        filter: &ContradictionFilter,
        place: impl Fn(&str, &str) -> Option<P>,
    ) -> Result<BTreeMap<P, Presence>, QueryError> {
        let mut present: BTreeMap<P, Presence> = BTreeMap::new();
        for (place, _) in self.seen(filter, DeviceKind::AccessGate, &place)?.into_keys() {
            present.entry(place).or_insert(Presence { people: 0, by: SeenBy::Identified }).people += 1;
        }
        for (place, mut days) in self.passages_counted(filter, &place)? {
            days.sort_unstable_by(|one, other| other.cmp(one));
            let reached = (filter.days as usize).checked_sub(1).and_then(|last| days.get(last)).copied().unwrap_or(0);
            let people = reached / PASSAGES_OF_ONE;
            let known = present.get(&place).map_or(0, |known| known.people);
            if people > known {
                present.insert(place, Presence { people, by: SeenBy::Counted });
            }
        }
        Ok(present)
    }

    /// Passages of each day that were told without saying of whom.
    fn passages_counted<P: Ord>(
        &self,
        filter: &ContradictionFilter,
        place: impl Fn(&str, &str) -> Option<P>,
    ) -> Result<BTreeMap<P, Vec<u64>>, QueryError> {
        let mut query = Query::default();
        query.region("y.region", filter.region);
        let [first, last] = [day_of(filter.from_ms), day_of(filter.until_ms)].map(|day| day.to_string());
        query.and("y.day >= ? AND y.day <= ?", [first, last]);
        query.one_of("y.device", self.gates(DeviceKind::AccessGate)?);
        query.and("e.kind = ? AND e.value IS NULL", [PASSAGE.to_owned()]);
        query.between("e.time_ms", Some(filter.from_ms), Some(filter.until_ms));
        let select = "y.region, y.device, y.day, count(*) FROM device_day y CROSS JOIN device_event e ON e.row = y.row";
        let counts = query.all(&self.connection, select, "GROUP BY y.row", |row| {
            let place = place(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?);
            Ok((place, row.get::<_, String>(2)?, row.get::<_, i64>(3)?.cast_unsigned()))
        })?;
        let mut by_day: BTreeMap<P, BTreeMap<String, u64>> = BTreeMap::new();
        for (place, day, passages) in counts {
            if let Some(place) = place {
                *by_day.entry(place).or_default().entry(day).or_default() += passages;
            }
        }
        Ok(by_day.into_iter().map(|(place, days)| (place, days.into_values().collect())).collect())
    }

    /// Rentals with a gate of their own that sees more people than are entered: a gate is that of the door whose address is its
    /// place.
    pub(super) fn crowded_doors(&self, filter: &ContradictionFilter) -> Result<Vec<CrowdedDoor>, QueryError> {
        let gates = self.gates_at_doors(filter)?;
        if gates.is_empty() {
            return Ok(vec![]);
        }
        let mut rented = self.rented_doors(filter)?;
        let present = self.presence(filter, |region, gate| {
            let door = (region.to_owned(), gates.get(gate)?.clone());
            rented.contains_key(&door).then_some(door)
        })?;
        let crowded = present.into_iter().filter_map(|(door, Presence { people: seen, by })| {
            let RentedDoor { address, households, residents } = rented.remove(&door)?;
            let unknown = seen.checked_sub(residents).filter(|unknown| *unknown > 0)?;
            let key = key_of(&["door", &door.0, &door.1]);
            Some(CrowdedDoor { region: door.0, address, households, seen, by, residents, unknown, key })
        });
        let mut doors: Vec<CrowdedDoor> = crowded.collect();
        doors.sort_by(|one, other| other.unknown.cmp(&one.unknown).then(one.key.cmp(&other.key)));
        Ok(doors)
    }

    /// The address at which each gate for people stands, by the gate's code.
    fn gates_at_doors(&self, filter: &ContradictionFilter) -> Result<BTreeMap<String, String>, QueryError> {
        let mut query = Query::default();
        query.region("region", filter.region);
        query.equals("kind", Some(DeviceKind::AccessGate));
        query.and::<Value>("retired = 0 AND place IS NOT NULL", []);
        let gates = query.all(&self.connection, "code, place FROM device", "", |row| {
            Ok((key::normalise(&row.get::<_, String>(0)?), key::normalise(&row.get::<_, String>(1)?)))
        })?;
        Ok(gates.into_iter().filter(|(_, place)| !place.is_empty()).collect())
    }

    /// Doors behind which at least one household rents, with all who are entered behind them.
    fn rented_doors(&self, filter: &ContradictionFilter) -> Result<BTreeMap<Door, RentedDoor>, QueryError> {
        let mut query = Query::default();
        query.region("region", filter.region);
        query.and::<Value>("address <> ''", []);
        let select = "region, door, min(address), count(*), sum(residents) FROM household";
        let rented = "GROUP BY region, door HAVING max(coalesce(usage, '') = 'rental')";
        let doors = query.all(&self.connection, select, rented, |row| {
            let [households, residents] = [row.get::<_, i64>(3)?, row.get::<_, i64>(4)?].map(i64::cast_unsigned);
            Ok(((row.get(0)?, row.get(1)?), RentedDoor { address: row.get(2)?, households, residents }))
        })?;
        Ok(doors.into_iter().collect())
    }
}
