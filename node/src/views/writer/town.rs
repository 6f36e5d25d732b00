//! Regions, grids, members, teams.

use townmesh_crdt::command::read::FieldsRecord;
use townmesh_crdt::domain::polygon::Polygon;
use townmesh_crdt::domain::region::{Region, RegionCode};
use townmesh_crdt::domain::town::{Grid, Member, Team};

use super::{Batch, Slot, coordinates, json, key};

const REGION: &str = "INSERT OR REPLACE INTO region (row, code, name, kind, parent, latitude, longitude, outline) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
const GRID: &str = "INSERT OR REPLACE INTO grid (row, region, code, name, kind, responsible, retired, detail) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
const MEMBER: &str = "INSERT OR REPLACE INTO member (row, code, name, team, region, post, phone, retired, roles) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
const TEAM: &str = "INSERT OR REPLACE INTO team (row, code, name, kind, region, leader, phone, retired, nodes) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

impl Batch<'_> {
    pub(super) fn region(&mut self, slot: Slot<'_>, record: &FieldsRecord<Region>) -> rusqlite::Result<()> {
        let region = &record.record;
        let (latitude, longitude) = coordinates(region.position);
        let kind = region.kind.or_else(|| region.code.map(RegionCode::kind));
        let parent = region.parent.or_else(|| region.code.and_then(RegionCode::parent));
        let outline = region.outline.as_ref().map(json).transpose()?;
        let values: &[&dyn rusqlite::ToSql] =
            &[&slot.row, &key(region.code), &region.name, &key(kind), &key(parent), &latitude, &longitude, &outline];
        self.run(REGION, values)?;
        self.position(slot, region.position.as_slice())
    }

    pub(super) fn grid(&mut self, slot: Slot<'_>, record: &FieldsRecord<Grid>) -> rusqlite::Result<()> {
        let grid = &record.record;
        let (region, retired) = (key(grid.region), key(grid.retired));
        let values: &[&dyn rusqlite::ToSql] =
            &[&slot.row, &region, &grid.code, &grid.name, &key(grid.kind), &grid.responsible, &retired, &json(grid)?];
        self.run(GRID, values)?;
        self.position(slot, grid.polygon.as_ref().map(Polygon::corners).unwrap_or_default())?;
        self.place_hazards(&record.id.to_string())
    }

    pub(super) fn member(&mut self, slot: Slot<'_>, record: &FieldsRecord<Member>) -> rusqlite::Result<()> {
        let member = &record.record;
        let region = key(member.region);
        let roles: Vec<String> = member.roles.iter().map(ToString::to_string).collect();
        self.run(
            MEMBER,
            &[
                &slot.row,
                &member.code.as_deref().unwrap_or_default(),
                &member.name,
                &member.team,
                &region,
                &member.post,
                &member.phone,
                &(member.retired == Some(true)),
                &json(&roles)?,
            ],
        )
    }

    pub(super) fn team(&mut self, slot: Slot<'_>, record: &FieldsRecord<Team>) -> rusqlite::Result<()> {
        let team = &record.record;
        let region = key(team.region);
        self.run(
            TEAM,
            &[
                &slot.row,
                &team.code.as_deref().unwrap_or_default(),
                &team.name,
                &key(team.kind),
                &region,
                &team.leader,
                &team.phone,
                &(team.retired == Some(true)),
                &json(&team.nodes)?,
            ],
        )
    }
}
