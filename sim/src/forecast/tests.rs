use super::*;
use crate::plan::{Step, What, Work};
use crate::town::SMALL;

/// A village without any line, which one vehicle visits from 10:10 to 10:30; radio reaches 450 m, one minute's drive.
const TOWN: &str = "[town]
name = \"t\"
[[region]]
code = \"110115005201\"
name = \"r\"
[[node]]
name = \"center\"
role = \"center\"
position = [0, 0]
[[node]]
name = \"village\"
role = \"village\"
region = \"110115005201\"
position = [4000, 0]
[[vehicle]]
name = \"carrier\"
role = \"carrier\"
depot = \"center\"
[[vehicle.route]]
depart = \"10:00\"
stops = [{ node = \"village\", dwell_min = 20 }]
";

fn clock(hour: u64, minute: u64) -> u64 {
    (hour - 6) * 60 + minute
}

/// One record at the village at 9:00 and 11:00, one at the center at 9:30, and what is to be seen at some moments.
#[test]
fn staleness_is_what_a_hand_made_schedule_says() {
    let town = Town::parse(TOWN).unwrap();
    let options = Options { hours: 6, ..Options::default() };
    let mut plan = plan(&town, &options);
    let step = |node, (hour, minute), dice| Step {
        at: clock(hour, minute) * MINUTE,
        node,
        what: What::Work(Work::Household),
        dice,
    };
    plan.steps = vec![step(1, (9, 0), 1), step(0, (9, 30), 2), step(1, (11, 0), 3)];
    let inquiry = Inquiry { town: &town, options: &options, plan };
    let roster = inquiry.roster(&town).unwrap();
    let contacts = contacts::contacts(&roster, inquiry.minutes());
    let watched = World::watch(&inquiry.plan, inquiry.roster(&town).unwrap(), 5).unwrap();
    let births = model::births(&watched, town.nodes());
    let modelled = model::ages(&roster, &contacts, &births, &inquiry.samples());
    assert_eq!((watched.records.len(), &watched.violations), (3, &vec![]));
    let whole = |millis: u64| (millis + MINUTE / 2) / MINUTE;
    for ((hour, minute), to_center, to_village) in [
        ((8, 30), 0, 0),
        ((9, 5), 5, 0),
        ((9, 45), 45, 15),
        ((10, 5), 65, 35),
        // The vehicle is near at 10:09.
        ((10, 10), 70, 0),
        ((10, 35), 95, 0),
        // It is back at the center at 10:39.
        ((10, 40), 0, 0),
        ((12, 0), 60, 0),
    ] {
        let at = clock(hour, minute);
        let sample = watched.moments.iter().position(|moment| *moment == at * MINUTE).unwrap();
        let (center, village) = watched.ages[1][sample];
        assert_eq!(
            (whole(center), whole(village)),
            (to_center, to_village),
            "simulated {hour}:{minute}: {:?}",
            watched.ages[1]
        );
        let (center, village) = modelled[1][sample];
        assert_eq!((u64::from(center), u64::from(village)), (to_center, to_village), "modelled {hour}:{minute}");
    }
}

fn small(options: &Options) -> Forecast {
    forecast(&Town::parse(SMALL).unwrap(), options, |_| {}).unwrap()
}

#[test]
fn a_connected_village_is_hardly_stale_until_its_line_is_cut() {
    let town = Town::parse(SMALL).unwrap();
    let options = Options { hours: 5, confirm: 0, ..Options::default() };
    let quiet = small(&options);
    let wired = |forecast: &Forecast| {
        let rows = forecast.report.villages.iter().filter(|row| row.name != "village-8");
        rows.map(|row| row.worst_to_center_min).fold(0.0, f64::max)
    };
    assert!(wired(&quiet) < 1.0, "{:?}", quiet.report.villages);
    let outages = vec![Outage::parse("center-1 08:00-11:00", &town).unwrap()];
    let cut = small(&Options { outages, ..options });
    assert!(wired(&cut) > 60.0, "{:?}", cut.report.villages);
    let (model, run) = (cut.report.staleness_modelled.mean_min, cut.report.staleness.mean_min);
    assert!((model - run).abs() < 0.15 * run + 1.0, "the model says {model}, the simulation {run}");
}

#[test]
fn the_report_is_the_same_for_one_seed_needs_no_network_and_its_tables_parse() {
    let town = Town::parse(SMALL).unwrap();
    let outages = vec![Outage::parse("center-1 08:00-10:00", &town).unwrap()];
    let options = Options { hours: 4, confirm: 1, outages, ..Options::default() };
    let (one, two) = (small(&options), small(&options));
    assert_eq!(one.page(), two.page());
    assert_eq!(one.tables(), two.tables());
    assert_eq!(serde_json::to_string(&one.report).unwrap(), serde_json::to_string(&two.report).unwrap());
    let page = one.page();
    let bare = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for word in ["http:", "https:", "<script", "src=", "url("] {
        assert!(!bare.contains(word), "{word}");
    }
    check_nesting(&page);
    for (name, table) in one.tables() {
        let mut lines = table.lines().map(|line| line.split(',').count());
        let columns = lines.next().unwrap();
        assert!(columns > 3 && lines.all(|fields| fields == columns), "{name}");
        assert!(table.lines().count() > 3, "{name}");
    }
}

/// Every element that is opened is closed, in order.
fn check_nesting(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let (_, body) = page.split_once("<!DOCTYPE html>").unwrap();
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap();
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) => assert_eq!(open.pop(), Some(name), "{tag}"),
            (false, true) => {}
            (false, false) => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn who_did_not_change_its_way_meets_the_others_as_before() {
    let town = Town::parse(SMALL).unwrap();
    let options = Options { hours: 12, ..Options::default() };
    let inquiry = Inquiry { town: &town, options: &options, plan: plan(&town, &options) };
    let before = contacts::contacts(&inquiry.roster(&town).unwrap(), inquiry.minutes());
    let candidates = changes::all(&town, &(0..town.sites.len()).collect::<Vec<_>>());
    assert!(candidates.len() > 50);
    let mut moved = 0;
    for change in candidates {
        let Some(after) = change.apply(&town) else { continue };
        let roster = inquiry.roster(&after).unwrap();
        let all = contacts::contacts(&roster, inquiry.minutes());
        let vehicle = town.sites.len() + change.vehicle();
        assert_eq!(contacts::changed(&before, &roster, inquiry.minutes(), vehicle), all, "{change:?}");
        moved += usize::from(all != before);
    }
    assert!(moved > 20, "{moved} changes make a difference");
}
