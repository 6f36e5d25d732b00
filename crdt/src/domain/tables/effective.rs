//! The tables of a town as they stand: shipped rows under recorded ones, compiled for use.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::deadlines::limit;
use super::{
    ArrivalRow, CalendarDayRow, CategoryRow, ChecklistItemRow, ChecklistRow, DeskRow, GradeRow, LimitRow, MAX_ROWS,
    MeetingRow, ResponsibilityRow, ScorePart, ScoreRole, ScoreRow, Stage, StageLimitRow, TableKind, TableRow,
    TransitionRow, Weekday, WorkingHoursRow,
};
use crate::change::RecordKey;
use crate::clock::HybridTime;
use crate::domain::case::{Calendar, LifeCycle, Limit, Severity, Source, TableError, TransitionTable};
use crate::domain::checklist::{Checklist, ChecklistItem};
use crate::domain::columns::{self, Need};
use crate::domain::date::{Day, UTC_OFFSET_MINUTES};
use crate::domain::region::RegionCode;
use crate::domain::town::TeamKind;
use crate::value::Fields;

/// How far up the categories a limit or a responsibility is looked for.
pub(super) const MAX_DEPTH: usize = 8;

/// A row that somebody recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordedRow {
    /// What it says.
    pub fields: Fields,
    /// When that was last changed, by its author's clock.
    pub time: HybridTime,
}

/// A row as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveRow {
    /// Of which table.
    pub kind: TableKind,
    /// Under which key it stands in its document.
    pub key: RecordKey,
    /// What it says.
    pub fields: Fields,
    /// When it was recorded; `None` of one that the program ships.
    pub recorded: Option<HybridTime>,
}

impl Serialize for EffectiveRow {
    /// `{column: value}` of what it says, and `recorded_ms`: `null` of a shipped row.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        columns::serialize(self.kind.columns(), &self.fields, &mut map)?;
        map.serialize_entry("recorded_ms", &self.recorded.map(HybridTime::millis))?;
        map.end()
    }
}

impl EffectiveRow {
    /// Whether it was taken out.
    pub fn is_retired(&self) -> bool {
        columns::is_retired(&self.fields)
    }
}

/// All tables of a town as they stand.
#[derive(Debug, Clone)]
pub struct Tables {
    rows: BTreeMap<TableKind, Vec<EffectiveRow>>,
    /// Places of rows by their key.
    places: BTreeMap<TableKind, BTreeMap<RecordKey, usize>>,
    categories: BTreeMap<String, CategoryRow>,
    limits: BTreeMap<(String, Severity), Limit>,
    stage_limits: BTreeMap<(Stage, Day), Limit>,
    calendar: Calendar,
    checklists: Vec<Checklist>,
    responsibilities: BTreeMap<(RegionCode, String), ResponsibilityRow>,
    life_cycle: LifeCycle,
    case_digest: u64,
}

impl Default for Tables {
    /// The shipped rows alone.
    fn default() -> Self {
        Self::new(&BTreeMap::new())
    }
}

impl Tables {
    /// The tables of these recorded rows, by table and key. Rows that stand under another key than their own are left out.
    pub fn new(recorded: &BTreeMap<TableKind, BTreeMap<RecordKey, RecordedRow>>) -> Self {
        let nothing = BTreeMap::new();
        let of_kind = |kind: &TableKind| (*kind, effective(*kind, recorded.get(kind).unwrap_or(&nothing)));
        let rows: BTreeMap<TableKind, Vec<EffectiveRow>> = TableKind::ALL.iter().map(of_kind).collect();
        let mut tables = Self {
            categories: BTreeMap::new(),
            limits: BTreeMap::new(),
            stage_limits: BTreeMap::new(),
            calendar: Calendar::default(),
            checklists: vec![],
            responsibilities: BTreeMap::new(),
            life_cycle: LifeCycle::default(),
            case_digest: 0,
            places: rows.iter().map(|(kind, rows)| (*kind, places(rows))).collect(),
            rows,
        };
        tables.compile();
        tables.case_digest = tables.digest();
        tables
    }

    /// The same beside these editions of the rules of cases.
    pub fn with_life_cycle(mut self, life_cycle: LifeCycle) -> Self {
        self.life_cycle = life_cycle;
        self.case_digest = self.digest();
        self
    }

    fn compile(&mut self) {
        let categories = self.typed::<CategoryRow>().filter_map(|row| Some((row.code.clone()?, row)));
        self.categories = categories.collect();
        let limits = self.typed::<LimitRow>();
        let limits = limits.filter_map(|row| Some(((row.category?, row.severity?), limit(row.amount, row.unit)?)));
        self.limits = limits.collect();
        let stages = self.typed::<StageLimitRow>();
        let stages = stages.filter_map(|row| Some(((row.stage?, row.since?), limit(row.amount, row.unit)?)));
        self.stage_limits = stages.collect();
        let owners = self.typed::<ResponsibilityRow>();
        self.responsibilities = owners.filter_map(|row| Some(((row.region?, row.category.clone()?), row))).collect();
        self.calendar = self.compile_calendar();
        self.checklists = self.compile_checklists();
    }

    /// Rows of a table that the town uses, in the order of their keys.
    pub fn typed<R: TableRow>(&self) -> impl Iterator<Item = R> + '_ {
        let rows = self.rows(R::TABLE).iter().filter(|row| !row.is_retired());
        rows.map(|row| R::of_fields(&row.fields))
    }

    /// Every row of a table, those that were taken out too, in the order of their keys.
    pub fn rows(&self, kind: TableKind) -> &[EffectiveRow] {
        self.rows.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// The row under a key.
    pub fn row(&self, kind: TableKind, key: &RecordKey) -> Option<&EffectiveRow> {
        self.places.get(&kind)?.get(key).and_then(|place| self.rows(kind).get(*place))
    }

    /// Changes when cases have to be timed or judged anew.
    pub fn case_digest(&self) -> u64 {
        self.case_digest
    }

    /// The rules of cases, every edition of them.
    pub fn life_cycle(&self) -> &LifeCycle {
        &self.life_cycle
    }

    /// The rules of cases that the rows come to; nobody goes by them before they are published.
    ///
    /// # Errors
    /// [`TableError`] where there are too many.
    pub fn drafted_life_cycle(&self) -> Result<TransitionTable, TableError> {
        let rules = self.typed::<TransitionRow>().filter_map(TransitionRow::into_rule);
        let meetings = self.typed::<MeetingRow>().filter_map(MeetingRow::into_meeting);
        TransitionTable::new(rules.collect(), meetings.collect())
    }

    /// Working days and hours.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The checklists.
    pub fn checklists(&self) -> &[Checklist] {
        &self.checklists
    }

    /// A category by its code.
    pub fn category(&self, code: &str) -> Option<&CategoryRow> {
        self.categories.get(code)
    }

    /// Codes of every category.
    pub fn category_codes(&self) -> impl Iterator<Item = &str> {
        self.categories.keys().map(String::as_str)
    }

    /// A category and those above it, the narrowest first.
    pub(super) fn upwards<'a>(&'a self, category: &'a str) -> impl Iterator<Item = &'a str> {
        let parent = |code: &&'a str| self.categories.get(*code).and_then(|row| row.parent.as_deref());
        std::iter::successors(Some(category), parent).take(MAX_DEPTH)
    }

    /// A category and every one below it.
    pub fn within(&self, category: &str) -> Vec<String> {
        let below = self.category_codes().filter(|code| self.upwards(code).any(|one| one == category));
        let below: Vec<String> = below.map(str::to_owned).collect();
        // One that the table does not have (any more) stands for itself.
        if below.is_empty() { vec![category.to_owned()] } else { below }
    }

    /// How long a case of a category and severity may take: by its own row, that of general severity, or those of the
    /// categories above.
    pub fn limit(&self, category: &str, severity: Severity) -> Option<Limit> {
        let of = |category: &str, severity| self.limits.get(&(category.to_owned(), severity)).copied();
        self.upwards(category).find_map(|one| of(one, severity).or_else(|| of(one, Severity::General)))
    }

    /// How long a desk may take with what it begins at a moment, in milliseconds since 1970.
    pub fn stage_limit(&self, stage: Stage, started: u64) -> Option<Limit> {
        let today = Day::of_time(started.cast_signed(), UTC_OFFSET_MINUTES);
        self.stage_limits.range((stage, Day(i32::MIN))..=(stage, today)).next_back().map(|(_, limit)| *limit)
    }

    /// The row of a region for a category; neither of one above.
    pub(super) fn responsibility(&self, region: RegionCode, category: &str) -> Option<ResponsibilityRow> {
        self.responsibilities.get(&(region, category.to_owned())).cloned()
    }

    /// The desks, that which takes a case before others first.
    pub fn desks(&self) -> Vec<DeskRow> {
        let mut desks: Vec<DeskRow> = self.typed::<DeskRow>().collect();
        desks.sort_by_key(|desk| desk.rank);
        desks
    }

    /// The desk on which a case from this source and of this severity lies; `None` where the town has none for it.
    pub fn desk_of(&self, source: Option<Source>, severity: Option<Severity>) -> Option<DeskRow> {
        self.desks().into_iter().find(|desk| desk.takes(source, severity))
    }

    /// The parts of a score with their weights in percent.
    pub fn score(&self, role: ScoreRole) -> Vec<(ScorePart, u16)> {
        let rows = self.typed::<ScoreRow>().filter(|row| row.role == Some(role));
        rows.filter_map(|row| Some((row.part?, row.percent?))).collect()
    }

    /// Within how many minutes of an order teams of a kind are on the scene.
    pub fn arrival_minutes(&self) -> impl Iterator<Item = (TeamKind, u32)> + '_ {
        self.typed::<ArrivalRow>().filter_map(|row| row.kind.zip(row.minutes))
    }

    /// The letter of a score in hundredths (0 to 10,000); `None` where no grade begins that low.
    pub fn grade(&self, score: u64) -> Option<String> {
        let reached =
            self.typed::<GradeRow>().filter(|row| row.least.is_some_and(|least| u64::from(least) * 100 <= score));
        reached.max_by_key(|row| row.least).and_then(|row| row.letter)
    }

    /// A digest of everything that the times of a case depend on. Another version of the program may see others in the
    /// same tables, and reads the cases again.
    fn digest(&self) -> u64 {
        let known = format!("{:?}{:?}{:?}", self.calendar, self.stage_limits, self.life_cycle.digest());
        let mut first = [0; 8];
        first.copy_from_slice(&blake3::hash(known.as_bytes()).as_bytes()[..8]);
        u64::from_be_bytes(first)
    }

    fn compile_calendar(&self) -> Calendar {
        // Before the first row nothing is worked.
        let mut calendar = Calendar::new(UTC_OFFSET_MINUTES as i16, vec![], 0).unwrap_or_default();
        for row in self.typed::<WorkingHoursRow>() {
            let (Some(since), Some(weekdays), Some(hours)) = (row.since, row.weekdays, row.hours) else { continue };
            let bit = |day: &Weekday| match day.code() {
                code @ 1..=7 => 1_u8 << (code - 1),
                _ => 0,
            };
            let weekdays = weekdays.0.iter().map(bit).fold(0, |all, one| all | one);
            let from = u32::try_from(since.0).unwrap_or(0);
            calendar = match calendar.clone().with_era(from, hours.0, weekdays) {
                Ok(changed) => changed,
                Err(_) => calendar,
            };
        }
        let days = self.typed::<CalendarDayRow>();
        let days: Vec<(u32, bool)> =
            days.filter_map(|row| Some((u32::try_from(row.day?.0).ok()?, row.worked?))).collect();
        calendar.clone().with_exceptions(days).unwrap_or(calendar)
    }

    fn compile_checklists(&self) -> Vec<Checklist> {
        let mut items: BTreeMap<u16, Vec<ChecklistItem>> = BTreeMap::new();
        for row in self.typed::<ChecklistItemRow>() {
            let (Some(checklist), Some(code), Some(chinese), Some(grade)) =
                (row.checklist, row.code, row.chinese, row.grade)
            else {
                continue;
            };
            let english = row.english.unwrap_or_else(|| chinese.clone());
            items.entry(checklist).or_default().push(ChecklistItem { code, chinese, english, grade });
        }
        let packs = self.typed::<ChecklistRow>().filter_map(|row| {
            let (id, chinese) = (row.id?, row.chinese?);
            let english = row.english.unwrap_or_else(|| chinese.clone());
            Some(Checklist { id, chinese, english, items: items.remove(&id).unwrap_or_default() })
        });
        packs.collect()
    }
}

/// Places of rows by their key.
fn places(rows: &[EffectiveRow]) -> BTreeMap<RecordKey, usize> {
    rows.iter().enumerate().map(|(place, row)| (row.key.clone(), place)).collect()
}

/// The rows of a table: shipped ones, and recorded ones over or beside them.
fn effective(kind: TableKind, recorded: &BTreeMap<RecordKey, RecordedRow>) -> Vec<EffectiveRow> {
    let shipped = kind.defaults().into_iter().filter_map(|fields| Some((kind.row_key(&fields)?, fields)));
    let mut rows: BTreeMap<RecordKey, EffectiveRow> =
        shipped.map(|(key, fields)| (key.clone(), EffectiveRow { kind, key, fields, recorded: None })).collect();
    for (key, row) in recorded.iter().take(MAX_ROWS) {
        // What a removed author wrote of a row counts no more, and may have been the rest of it.
        let mut fields = rows.get(key).map(|row| row.fields.clone()).unwrap_or_default();
        fields.extend(row.fields.clone());
        if kind.row_key(&fields).as_ref() == Some(key) {
            rows.insert(key.clone(), EffectiveRow { kind, key: key.clone(), fields, recorded: Some(row.time) });
        }
    }
    let keys: Vec<_> = kind.columns().iter().filter(|column| column.need == Need::Key).map(|one| one.number).collect();
    let mut rows: Vec<EffectiveRow> = rows.into_values().collect();
    rows.sort_by_cached_key(|row| keys.iter().map(|number| row.fields.get(number).cloned()).collect::<Vec<_>>());
    rows
}
