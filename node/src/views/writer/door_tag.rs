//! Dwellings and their door tags.

use townmesh_crdt::command::door_tag::DoorTagsRecord;
use townmesh_crdt::command::dwelling::DwellingRecord;
use townmesh_crdt::domain::key::normalise;

use super::registry::state_key;
use super::{Batch, Slot, coordinates, key};

const DWELLING: &str = "INSERT OR REPLACE INTO dwelling (row, region, address, door, usage, rooms, storeys, area_dm2, built, \
    grid, note, latitude, longitude, gone, mark, owner_name, owner_id_number, owner_phone, owner_state, conflicts, changed) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const TAG: &str = "INSERT INTO door_tag (row, tag, code, region, dwelling, entrance, issued_ms, issuer, token, retired_ms, \
    retired_why, retired, replaced_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

impl Batch<'_> {
    pub(super) fn dwelling(&mut self, slot: Slot<'_>, record: &DwellingRecord) -> rusqlite::Result<()> {
        let dwelling = &record.dwelling;
        let region = key(dwelling.region).unwrap_or_else(|| slot.region.to_owned());
        let address = dwelling.address.as_deref().unwrap_or_default();
        let (latitude, longitude) = coordinates(dwelling.position);
        let mark = self.mark(&record.id.to_string())?;
        let owner = dwelling.owner.as_ref();
        let values: &[&dyn rusqlite::ToSql] = &[
            &slot.row,
            &region,
            &address,
            &normalise(address),
            &key(dwelling.usage),
            &dwelling.rooms,
            &dwelling.storeys,
            &dwelling.area_dm2,
            &dwelling.built,
            &dwelling.grid,
            &dwelling.note,
            &latitude,
            &longitude,
            &key(dwelling.gone),
            &mark.key(),
            &owner.map(|owner| &owner.name).filter(|name| !name.is_empty()),
            &owner.and_then(|owner| owner.id_number.as_deref()),
            &owner.and_then(|owner| owner.phone.as_deref()),
            &state_key(record.owner_state),
            &(record.conflicts.len() as i64),
            &slot.changed,
        ];
        self.run(DWELLING, values)?;
        self.position(slot, dwelling.position.as_slice())?;
        let owner = owner.map(|owner| owner.name.as_str());
        self.words(slot, [address].into_iter().chain(dwelling.note.as_deref()).chain(owner))?;
        self.place_hazards(&record.id.to_string())
    }

    pub(super) fn door_tags(&mut self, slot: Slot<'_>, record: &DoorTagsRecord) -> rusqlite::Result<()> {
        self.clear(slot, "door_tag")?;
        for one in &record.tags {
            let tag = &one.tag;
            let values: &[&dyn rusqlite::ToSql] = &[
                &slot.row,
                &one.id.to_string(),
                &one.code.to_string(),
                &slot.region,
                &one.dwelling.to_string(),
                &tag.entrance_or_first(),
                &tag.issued_at.unwrap_or(0),
                &one.issuer.to_string(),
                &one.token.to_string(),
                &tag.retired_at,
                &key(tag.retired_why),
                &tag.is_retired(),
                &key(tag.replaced_by),
            ];
            self.run(TAG, values)?;
        }
        Ok(())
    }
}
