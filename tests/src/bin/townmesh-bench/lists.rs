//! The lists and figures of a center over a year of cases: views filled with folded cases, then asked as the API asks.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Context as _;
use townmesh_crdt::command::read::{CaseRecord, Reading};
use townmesh_crdt::domain::case::{
    Action, Assignment, CaseEvent, CaseState, FoldInput, LifeCycle, LimitClock, OrderRef, Report as CaseReport,
    Severity, Source, fold,
};
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::tables::{ScoreRole, Tables};
use townmesh_crdt::id::{DocumentId, NodeId, RecordId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_node::views::{
    AssessmentFilter, BoundingBox, CaseFilter, CaseSort, Collection, FeatureFilter, GroupBy, MAX_FEATURES, Moments,
    Page, Reader, ScoreFilter, SortOrder,
};
use townmesh_sim::generator::{HUANGCUN_REGIONS, parse_regions};

use crate::report::{Goal, Report};
use crate::year::Feed;

pub(crate) const DAY: u64 = 86_400_000;
/// 2026-01-01 in Beijing.
pub(crate) const BEGIN: u64 = 1_767_196_800_000;
/// How often each list is asked for.
const ASKED: u64 = 200;
const TEAMS: u64 = 30;
const CATEGORIES: [&str; 6] = ["exposed_rubbish", "illegal_building", "wiring", "ebike_indoors", "facility", "order"];
const WORDS: [&str; 6] = ["暴露垃圾一堆", "违法建设施工", "飞线充电", "电动车入户", "道路破损积水", "夜间施工噪声"];

/// Fills the views with a year of so many cases.
pub(crate) fn fill(feed: &mut Feed<'_>, cases: usize, report: &mut Report) -> anyhow::Result<()> {
    eprintln!("{cases} cases: preparing");
    let (began, regions, table) = (Instant::now(), villages()?, LifeCycle::default());
    for number in 0..cases as u64 {
        let place = number as usize % regions.len();
        let region = *regions.get(place).context("there are no villages")?;
        let (document, reading) = case(number, cases as u64, region, &table);
        feed.take(place, &Namespace::cases(&region.to_string(), "2026"), DocumentKind::Case, document, reading)?;
    }
    feed.write()?;
    let rate = cases as f64 / began.elapsed().as_secs_f64();
    report.add("lists", cases, "cases folded and taken into the views", rate, "/s", Goal::None, None);
    Ok(())
}

/// What lists and figures take; the views hold the cases.
pub(crate) fn measure(reader: &Reader, cases: usize, report: &mut Report) -> anyhow::Result<()> {
    let regions: Vec<RegionCode> = villages()?;
    let region = |at: u64| regions.get(at as usize % regions.len()).copied();
    let listed = quantile(|at| {
        let filter = CaseFilter { region: region(at), state: Some(CaseState::Closed), ..CaseFilter::default() };
        Ok(reader.cases(&filter, &Page::default()).map(|listed| listed.rows.len())?)
    })?;
    report.add("lists", cases, "cases of a village and state, p99", listed, "s", Goal::AtMost(0.05), None);
    sorted(reader, cases, &regions, report)?;
    let found = quantile(|at| {
        let text = Some(format!("幸福路{}号", at * 37 % 10_000));
        Ok(reader.cases(&CaseFilter { text, ..CaseFilter::default() }, &Page::default()).map(|one| one.rows.len())?)
    })?;
    report.add("lists", cases, "text search, p99", found, "s", Goal::AtMost(0.1), None);
    tiles(reader, cases, report)?;
    for (by, what) in [(GroupBy::Region, "month assessed by region"), (GroupBy::Team, "month assessed by team")] {
        let worst = worst_month(|from_ms, until_ms, now_ms| {
            let filter = AssessmentFilter { from_ms, until_ms, now_ms, ..AssessmentFilter::default() };
            Ok(reader.assessment(&filter, Some(by))?.groups.len())
        })?;
        report.add("lists", cases, what, worst, "s", Goal::AtMost(1.0), None);
    }
    let tables = Tables::default();
    for role in ScoreRole::ALL {
        let worst = worst_month(|from_ms, until_ms, now_ms| {
            let filter = ScoreFilter {
                role: *role,
                by_person: false,
                from_ms,
                until_ms,
                now_ms,
                known: Moments::default(),
                region: None,
            };
            Ok(reader.scores(&filter, &tables)?.rows.len())
        })?;
        report.add("lists", cases, &format!("month scored: {}", role.english()), worst, "s", Goal::AtMost(1.0), None);
    }
    Ok(())
}

/// Lists with a filter and every sort, of a village and of the town.
fn sorted(reader: &Reader, cases: usize, regions: &[RegionCode], report: &mut Report) -> anyhow::Result<()> {
    let village = |at: u64| regions.get(at as usize % regions.len()).copied();
    let town = villages()?.first().and_then(|village| village.parent());
    let category = |at: u64| CATEGORIES.get(at as usize % CATEGORIES.len()).map(|one| (*one).to_owned());
    let month = |at: u64| {
        let from_ms = (BEGIN + at % 12 * 30 * DAY).cast_signed();
        (Some(from_ms), Some(from_ms + (30 * DAY).cast_signed()))
    };
    let filters: [(&str, &dyn Fn(u64) -> CaseFilter); 8] = [
        ("open cases", &|_| CaseFilter { open: Some(true), ..CaseFilter::default() }),
        ("cases of a village", &|at| CaseFilter { region: village(at), ..CaseFilter::default() }),
        ("cases of the town and a category", &|at| CaseFilter {
            region: town,
            category: category(at),
            ..CaseFilter::default()
        }),
        ("cases of a village, category and source", &|at| CaseFilter {
            region: village(at),
            category: category(at / 2),
            source: Some(Source::Public),
            ..CaseFilter::default()
        }),
        ("cases of a month", &|at| {
            let (from_ms, until_ms) = month(at);
            CaseFilter { from_ms, until_ms, ..CaseFilter::default() }
        }),
        ("closed cases of a month and a category", &|at| {
            let (from_ms, until_ms) = month(at);
            let (category, state) = (category(at), Some(CaseState::Closed));
            CaseFilter { from_ms, until_ms, category, state, ..CaseFilter::default() }
        }),
        ("cases of a year", &|_| {
            let until_ms = Some((BEGIN + 365 * DAY).cast_signed());
            CaseFilter { from_ms: Some(BEGIN.cast_signed()), until_ms, ..CaseFilter::default() }
        }),
        ("cases of a person", &|at| CaseFilter {
            person: Some(format!("handler-{}", at % 40)),
            ..CaseFilter::default()
        }),
    ];
    for (what, filter) in filters {
        let took = quantile(|at| {
            let sort = CaseSort::ALL.get(at as usize % CaseSort::ALL.len()).copied();
            let order = SortOrder::ALL.get(at as usize / 5 % 2).copied();
            let filter = CaseFilter { sort, order, ..filter(at) };
            let first = reader.cases(&filter, &Page::default())?;
            let next = reader.cases(&filter, &Page { limit: None, after: first.next })?;
            Ok(first.rows.len() + next.rows.len())
        })?;
        // Two pages are asked for each time.
        report.add("lists", cases, &format!("{what}, by each sort, p99"), took / 2.0, "s", Goal::AtMost(0.05), None);
    }
    Ok(())
}

/// Squares of the map, each with about a thousand cases, and the whole town at once.
fn tiles(reader: &Reader, cases: usize, report: &mut Report) -> anyhow::Result<()> {
    let side = (1_000.0 / cases as f64).sqrt().min(1.0);
    let tile = |at: u64, side: f64| {
        let (south, west) = (SOUTH + TALL * (1.0 - side) * spread(at, 3), WEST + WIDE * (1.0 - side) * spread(at, 4));
        let southwest = Position::from_degrees(south, west).context("the town lies on Earth")?;
        let northeast = Position::from_degrees(south + TALL * side, west + WIDE * side);
        let bounds = BoundingBox { southwest, northeast: northeast.context("the town lies on Earth")? };
        let filter = FeatureFilter { bounds: Some(bounds), ..FeatureFilter::default() };
        let page = Page { limit: Some(MAX_FEATURES), after: None };
        let features = reader.features(Collection::Cases, &filter, &page)?.rows;
        // What is sent of them is part of it.
        std::hint::black_box(serde_json::to_vec(&features)?);
        Ok(features.len())
    };
    let shown = quantile(|at| tile(at, side))?;
    report.add("lists", cases, "map tile of 1,000 cases, p99", shown, "s", Goal::AtMost(0.05), None);
    let whole = quantile(|at| tile(at, 1.0))?;
    report.add("lists", cases, "1,000 cases of the whole map, p99", whole, "s", Goal::AtMost(0.05), None);
    Ok(())
}

/// The corner and the size of the town in degrees: about 13 km by 17 km.
const SOUTH: f64 = 39.65;
const WEST: f64 = 116.26;
const TALL: f64 = 0.15;
const WIDE: f64 = 0.15;

/// Somewhere between 0 and 1, the same for the same numbers.
fn spread(number: u64, salt: u64) -> f64 {
    let mixed = (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ salt.wrapping_mul(0xC2B2_AE3D_27D4_EB4F))
        .wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (mixed >> 40) as f64 / (1_u64 << 24) as f64
}

fn position(number: u64) -> Option<Position> {
    Position::from_degrees(SOUTH + TALL * spread(number, 1), WEST + WIDE * spread(number, 2))
}

/// The most seconds that a question about one of twelve months takes; every month has an answer.
fn worst_month(mut ask: impl FnMut(i64, i64, i64) -> anyhow::Result<usize>) -> anyhow::Result<f64> {
    let month = 30 * DAY.cast_signed();
    let mut worst: f64 = 0.0;
    for at in 0..12 {
        let from_ms = BEGIN.cast_signed() + at * month;
        let began = Instant::now();
        let answers = ask(from_ms, from_ms + month, (BEGIN + 366 * DAY).cast_signed())?;
        worst = worst.max(began.elapsed().as_secs_f64());
        anyhow::ensure!(answers > 0, "month {at} has no answer");
    }
    Ok(worst)
}

pub(crate) fn villages() -> anyhow::Result<Vec<RegionCode>> {
    let regions = parse_regions(HUANGCUN_REGIONS)?;
    Ok(regions.into_iter().filter_map(|region| region.code).filter(|code| code.to_string().len() == 12).collect())
}

/// The 99th percentile of seconds over many questions.
fn quantile(mut ask: impl FnMut(u64) -> anyhow::Result<usize>) -> anyhow::Result<f64> {
    let mut took = Vec::new();
    let mut rows = 0;
    for at in 0..ASKED {
        let began = Instant::now();
        rows += ask(at)?;
        took.push(began.elapsed().as_secs_f64());
    }
    anyhow::ensure!(rows > 0, "no question has an answer");
    took.sort_by(f64::total_cmp);
    took.get((ASKED as usize * 99).div_ceil(100) - 1).copied().context("nothing was asked")
}

/// One case of the year: most are closed in time, some late, some still open.
fn case(number: u64, cases: u64, region: RegionCode, table: &LifeCycle) -> (DocumentId, Reading) {
    let id = DocumentId(wide(number, 0));
    let case = fold(&events(number, id, BEGIN + number * 365 * DAY / cases, region), table);
    (id, Reading::Case(CaseRecord { id, case, unreadable: 0, steps: vec![] }))
}

pub(crate) fn wide(number: u64, step: u8) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[15] = step;
    bytes
}

fn events(number: u64, case: DocumentId, at: u64, region: RegionCode) -> BTreeMap<RecordId, FoldInput> {
    let kind = (number % CATEGORIES.len() as u64) as usize;
    let source = [Source::Patrol, Source::Public, Source::Video, Source::Patrol][(number % 4) as usize];
    let report = CaseReport {
        source,
        category: None,
        place: format!("幸福路{}号", number * 7 % 10_000),
        // Every tenth is at a place where there were others.
        position: position(if number.is_multiple_of(10) { number * 7 % 10_000 } else { number }),
        description: format!("{}，第{number}件", WORDS[kind]),
        region: Some(region),
        device: None,
        reporter: None,
        photos: vec![],
        found_ms: None,
    };
    let category = CATEGORIES[kind].to_owned();
    let file = Action::File { category, severity: Severity::General, minutes: 480, clock: LimitClock::Working };
    let team = format!("team-{}", number % TEAMS);
    let orders = vec![Assignment { team: team.clone(), task: "处理".into() }];
    let order = OrderRef { event: RecordId(wide(number, 3)), index: 0 };
    let done = Action::OrderDone { order, result: "已处理".into(), photos: vec![] };
    let verify = Action::Verify { passed: true, finding: "属实".into(), photos: vec![] };
    let (hour, late) = (3_600_000, if number.is_multiple_of(7) { 9 * DAY } else { 5 * 3_600_000 });
    let life = [
        (0, Role::Inspector, Action::Report(Box::new(report))),
        (hour / 4, Role::IntakeClerk, Action::Accept),
        (hour / 2, Role::DutyHead, file),
        (hour, Role::Dispatcher, Action::Dispatch { orders, lead: 0 }),
        (late, Role::Handler, done),
        (late + hour, Role::Handler, Action::LeadClose { team, summary: "已处理".into() }),
        (late + 2 * hour, Role::Inspector, verify),
        (late + 3 * hour, Role::DutyHead, Action::Close),
    ];
    let steps = if number.is_multiple_of(19) { 4 } else { life.len() };
    let mut events = BTreeMap::new();
    for (step, (after, role, action)) in (0_u8..).zip(life.into_iter().take(steps)) {
        let seen = step.checked_sub(1).map(|before| RecordId(wide(number, before))).into_iter().collect();
        let event = CaseEvent {
            case,
            by: format!("{role}-{}", number % 40),
            role,
            seen,
            note: None,
            action,
            rules: None,
            restates: None,
        };
        let time = (at + after) << 16 | u64::from(step);
        let input = FoldInput { event, time, author: NodeId([1; 32]), void: None };
        events.insert(RecordId(wide(number, step)), input);
    }
    events
}
