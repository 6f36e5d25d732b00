//! The town's organisation: grids, teams, members.
//!
//! People and teams are named by their *code* (a staff number, an abbreviation), which never changes hands. A member's
//! name and work phone are known to the whole town: they are how one hand calls the other.

use std::collections::BTreeSet;

use super::codes::coded;
use super::date::Day;
use super::input::{self, InputError};
use super::key;
use super::polygon::Polygon;
use super::record::record;
use super::region::RegionCode;
use super::role::Roles;

coded! {
    /// What kind of ground a grid is; how many households one inspector has follows from it.
    pub enum GridKind: "kind of grid" {
        /// 村.
        Village = 1, "village", "村", "village";
        /// 社区.
        Community = 2, "community", "社区", "community";
        /// 村外.
        Outside = 3, "outside", "村外", "outside";
        /// 园区.
        Park = 4, "park", "园区", "park";
    }
}

coded! {
    /// Whom a team belongs to.
    pub enum TeamKind: "kind of team" {
        /// 部门.
        Department = 1, "department", "部门", "department";
        /// 镇级.
        Town = 2, "town", "镇级", "town";
        /// 村级.
        Village = 3, "village", "村级", "village";
        /// 党支部.
        PartyBranch = 4, "party_branch", "党支部", "party branch";
        /// 企业.
        Company = 5, "company", "企业", "company";
        /// 志愿者.
        Volunteers = 6, "volunteers", "志愿者", "volunteers";
        /// 微型消防站.
        MicroFireStation = 7, "micro_fire_station", "微型消防站", "micro fire station";
    }
}

record! {
    /// A grid (网格): the ground that an inspector patrols.
    pub struct Grid {
        /// Village or community that it lies in; part of the natural key.
        1 REGION region: Option<RegionCode>,
        /// Its code within the region; part of the natural key.
        2 CODE code: Option<String>,
        /// Its name.
        3 NAME name: Option<String>,
        /// What kind of ground it is.
        4 KIND kind: Option<GridKind>,
        /// Its outline.
        5 POLYGON polygon: Option<Polygon>,
        /// Who patrols it: members' codes.
        6 INSPECTORS inspectors: BTreeSet<String>,
        /// The named responsible person: a member's code.
        7 RESPONSIBLE responsible: Option<String>,
        /// Remarks.
        8 NOTE note: Option<String>,
        /// From this day on nobody patrols it: its ground was given to other grids.
        9 RETIRED retired: Option<Day>,
    }
}

impl Grid {
    /// Whether it is patrolled on a day. One that is not is left out of plans, of patrol coverage and of what lies where;
    /// what was recorded of it stays.
    pub fn stands_on(&self, day: Day) -> bool {
        self.retired.is_none_or(|since| day < since)
    }

    /// The key of its document; `None` while region or code is not known.
    pub fn natural_key(&self) -> Option<Vec<u8>> {
        Some(key::natural_key(&[&self.region?.to_string(), named(self.code.as_deref())?]))
    }

    /// Checks what somebody entered; see [`input`].
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), InputError> {
        input::word("kind", self.kind, GridKind::ALL)?;
        input::outline("polygon", self.polygon.as_ref())?;
        input::day("retired", self.retired)?;
        input::texts(&self.fields(), Self::table)
    }
}

record! {
    /// A team (队伍, 单位): who can own a case, be whistled for, and report back.
    pub struct Team {
        /// Its code; the natural key.
        1 CODE code: Option<String>,
        /// Its name.
        2 NAME name: Option<String>,
        /// Whom it belongs to.
        3 KIND kind: Option<TeamKind>,
        /// Where it works.
        4 REGION region: Option<RegionCode>,
        /// Who leads it: a member's code.
        5 LEADER leader: Option<String>,
        /// Phone of its duty desk.
        6 PHONE phone: Option<String>,
        /// Dissolved.
        7 RETIRED retired: Option<bool>,
        /// Remarks.
        8 NOTE note: Option<String>,
        /// The nodes that it works with: their names, as they were enrolled. An order is delivered when one of them has it.
        9 NODES nodes: BTreeSet<String>,
    }
}

impl Team {
    /// The key of its document; `None` while the code is not known.
    pub fn natural_key(&self) -> Option<Vec<u8>> {
        named(self.code.as_deref()).map(|code| key::natural_key(&[code]))
    }

    /// Checks what somebody entered; see [`input`].
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), InputError> {
        input::word("kind", self.kind, TeamKind::ALL)?;
        input::texts(&self.fields(), Self::table)?;
        input::work_phone("phone", self.phone.as_deref())
    }
}

record! {
    /// A member (人员) of the town's staff or of a unit that governs with it.
    pub struct Member {
        /// Staff number or account; the natural key.
        1 CODE code: Option<String>,
        /// Name.
        2 NAME name: Option<String>,
        /// The team: its code.
        3 TEAM team: Option<String>,
        /// Where they work.
        4 REGION region: Option<RegionCode>,
        /// The post that they fill.
        5 POST post: Option<String>,
        /// Work phone.
        6 PHONE phone: Option<String>,
        /// Left.
        7 RETIRED retired: Option<bool>,
        /// Remarks.
        8 NOTE note: Option<String>,
        /// What they may do: a field for each role, its number this one plus the role's code (up to 63).
        #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeSet<super::role::Role>))]
        64 ROLES roles: Roles,
    }
}

impl Member {
    /// The key of their document; `None` while the code is not known.
    pub fn natural_key(&self) -> Option<Vec<u8>> {
        named(self.code.as_deref()).map(|code| key::natural_key(&[code]))
    }

    /// Checks what somebody entered; see [`input`].
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), InputError> {
        input::texts(&self.fields(), Self::table)?;
        input::work_phone("phone", self.phone.as_deref())
    }
}

/// A code that says something.
fn named(code: Option<&str>) -> Option<&str> {
    code.filter(|code| !key::normalise(code).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::position::Position;
    use crate::domain::record::{apply, difference};
    use crate::domain::role::Role;

    #[test]
    fn every_record_round_trips_and_uses_each_number_once() {
        let corners = [(0, 0), (0, 9), (9, 0)].iter().filter_map(|(y, x)| Position::from_e7(*y, *x)).collect();
        let grid = Grid {
            code: Some("G1".into()),
            polygon: Polygon::new(corners).ok(),
            inspectors: ["xcy-1".to_owned(), "xcy-2".to_owned()].into(),
            ..Grid::default()
        };
        assert_eq!(Grid::read(&grid.fields()), grid);
        assert_eq!(serde_json::from_str::<Grid>(&serde_json::to_string(&grid).unwrap()).unwrap(), grid);
        let tables = [Grid::table(), Team::table(), Member::table()];
        assert_eq!(tables.map(|table| table.len()), [Grid::NUMBERS, Team::NUMBERS, Member::NUMBERS]);
    }

    #[test]
    fn a_grid_stands_until_the_day_of_its_retirement() {
        let grid = Grid { retired: Some(Day(100)), ..Grid::default() };
        assert_eq!([99, 100, 101].map(|day| grid.stands_on(Day(day))), [true, false, false]);
        assert!(Grid::default().stands_on(Day(i32::MAX)));
    }

    #[test]
    fn two_people_who_grant_different_roles_both_do() {
        let before = Member { code: Some("m1".into()), roles: [Role::Inspector].into(), ..Member::default() };
        let granted = |role| Member { roles: [Role::Inspector, role].into(), ..before.clone() }.fields();
        let mut fields = before.fields();
        for new in [granted(Role::Handler), granted(Role::Dispatcher)] {
            apply(&mut fields, &difference(&before.fields(), &new));
        }
        assert_eq!(Member::read(&fields).roles, [Role::Inspector, Role::Handler, Role::Dispatcher].into());
    }

    #[test]
    fn a_key_needs_a_code_and_knows_one_spelling() {
        let member = |code: &str| Member { code: Some(code.into()), ..Member::default() }.natural_key();
        assert_eq!(member("XCY-01"), member("ｘｃｙ－01 "));
        assert_eq!((member(" "), Team::default().natural_key(), Grid::default().natural_key()), (None, None, None));
    }
}
