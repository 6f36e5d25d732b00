//! Dwellings and their door tags.

use townmesh_crdt::command::door_tag::DoorTagsRecord;
use townmesh_crdt::command::dwelling::DwellingRecord;
use townmesh_crdt::domain::key::normalise;

use super::{Batch, Slot, coordinates, key};

const DWELLING: &str = "INSERT OR REPLACE INTO dwelling (row, region, address, door, latitude, longitude, gone, mark) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
const TAG: &str = "INSERT INTO door_tag (row, tag, code, region, dwelling, entrance, issued_ms, issuer, token, retired_ms, \
    retired_why, retired, replaced_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

impl Batch<'_> {
    pub(super) fn dwelling(&mut self, slot: Slot<'_>, record: &DwellingRecord) -> rusqlite::Result<()> {
        let dwelling = &record.dwelling;
        let region = key(dwelling.region).unwrap_or_else(|| slot.region.to_owned());
        let address = dwelling.address.as_deref().unwrap_or_default();
        let (latitude, longitude) = coordinates(dwelling.position);
        let mark = self.mark(&record.id.to_string())?;
        let values: &[&dyn rusqlite::ToSql] = &[
            &slot.row,
            &region,
            &address,
            &normalise(address),
            &latitude,
            &longitude,
            &key(dwelling.gone),
            &mark.key(),
        ];
        self.run(DWELLING, values)
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
