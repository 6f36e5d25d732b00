//! Regions, grids, members, teams.

use super::*;
use crate::command::CommandError;
use crate::command::entity::Writing;
use crate::command::town::{self, Imported};
use crate::domain::date::Day;
use crate::domain::region::{Region, RegionKind};
use crate::domain::role::Role;
use crate::domain::town::{Grid, Member, Team};

fn regions() -> Vec<Region> {
    let region = |code: &str, name: &str| {
        let code = code.parse().unwrap();
        Region { code: Some(code), name: Some(name.into()), kind: Some(code.kind()), ..Region::default() }
    };
    vec![region("110115005", "黄村地区"), region(LANGFA, "长丰园一区社区居委会")]
}

#[test]
fn the_region_table_is_imported_once() {
    let mut town = Town::new(50);
    let first = town::import_regions(&mut town.one, &regions(), NOW).unwrap();
    assert_eq!(first, Imported { created: 2, ..Imported::default() });
    town.one.commit(NOW).unwrap();
    let second = town::import_regions(&mut town.one, &regions(), NOW).unwrap();
    assert_eq!(second, Imported { unchanged: 2, ..Imported::default() });
    assert!(!town.one.has_staged());
    let all = town::all::<Region>(&mut town.one).unwrap();
    assert!(all.iter().any(|one| one.record.kind == Some(RegionKind::Community)));
    assert_eq!((all.len(), town::all::<Team>(&mut town.one).unwrap().len()), (2, 0));
}

#[test]
fn a_form_clears_and_an_import_does_not() {
    let mut town = Town::new(51);
    let member = Member {
        code: Some("xcy-1".into()),
        name: Some("某某".into()),
        post: Some("巡查".into()),
        ..Member::default()
    };
    let document = town::record(&mut town.one, &member, Writing::Known, NOW).unwrap().into_value();
    let bare = Member { code: Some("ＸＣＹ－1".into()), ..Member::default() };
    assert_eq!(town::record(&mut town.one, &bare, Writing::Known, NOW).unwrap().key(), "unchanged");
    assert_eq!(town::record(&mut town.one, &bare, Writing::Whole, NOW).unwrap().key(), "changed");
    let read = town::read::<Member>(&mut town.one, document).unwrap().unwrap().record;
    assert_eq!((read.code.as_deref(), read.name), (Some("xcy-1"), None));
    assert_eq!(town::record(&mut town.one, &Member::default(), Writing::Whole, NOW).unwrap_err().code(), "missing_key");
}

#[test]
fn two_people_who_grant_different_roles_both_do_and_different_names_are_a_question() {
    let mut town = Town::new(52);
    let member = Member { code: Some("xcy-1".into()), ..Member::default() };
    let document = town::record(&mut town.one, &member, Writing::Whole, NOW).unwrap().into_value();
    town.meet();
    let granted = |role, name: &str| Member { roles: [role].into(), name: Some(name.into()), ..member.clone() };
    town::record(&mut town.one, &granted(Role::Inspector, "某甲"), Writing::Whole, NOW).unwrap();
    town::record(&mut town.two, &granted(Role::Handler, "某乙"), Writing::Whole, NOW).unwrap();
    town.meet();
    town.readings();
    let met = town::read::<Member>(&mut town.center, document).unwrap().unwrap();
    assert_eq!(met.record.roles, [Role::Inspector, Role::Handler].into());
    let names: Vec<&str> = met.conflicts.iter().map(|conflict| conflict.chinese).collect();
    assert_eq!(names, ["姓名"]);
}

#[test]
fn a_retired_grid_is_retired_for_all_and_its_code_is_not_another_grid() {
    let mut town = Town::new(53);
    let grid = |code: &str| Grid { region: Some(langfa()), code: Some(code.into()), ..Grid::default() };
    let document = town::record(&mut town.one, &grid("G1"), Writing::Known, NOW).unwrap().into_value();
    let day = Some(Day(20_000));
    assert_eq!(town::retire_grid(&mut town.one, document, day, NOW).unwrap().key(), "changed");
    assert_eq!(town::retire_grid(&mut town.one, document, day, NOW).unwrap().key(), "unchanged");
    town.meet();
    assert_eq!(town::grid(&mut town.center, document).unwrap().and_then(|grid| grid.retired), day);
    assert_eq!(town::record(&mut town.center, &grid("g1"), Writing::Known, NOW).unwrap().into_value(), document);
    assert_eq!(town::retire_grid(&mut town.center, document, None, NOW).unwrap().key(), "changed");
    assert_eq!(town::grid(&mut town.center, document).unwrap().and_then(|grid| grid.retired), None);
    let member = Member { code: Some("xcy-1".into()), ..Member::default() };
    let member = town::record(&mut town.one, &member, Writing::Known, NOW).unwrap().into_value();
    assert_eq!(town::retire_grid(&mut town.one, member, day, NOW).unwrap_err().code(), "not_found");
}

#[test]
fn grids_are_imported_together_or_not_at_all() {
    let mut town = Town::new(54);
    let grid = |code: &str| Grid { region: Some(langfa()), code: Some(code.into()), ..Grid::default() };
    let wrong = [grid("G1"), grid(" "), grid("ｇ1"), Grid { name: Some(" ".into()), ..grid("G3") }];
    let Err(CommandError::Rows(rows)) = town::import(&mut town.one, &wrong, NOW) else { panic!("it was taken") };
    assert_eq!(
        rows.iter().map(|(place, error)| (*place, error.code())).collect::<Vec<_>>(),
        [(1, "blank"), (2, "twice"), (3, "blank")]
    );
    assert!(!town.one.has_staged());
    let both = [grid("G1"), grid("G2")];
    let first = town::import(&mut town.one, &both, NOW).unwrap();
    assert_eq!(first, Imported { created: 2, ..Imported::default() });
}
