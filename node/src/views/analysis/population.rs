//! People (人口分析): how many live where on what ground, in what kind of dwelling, since when, from where; and who came and left
//! in each month. Only numbers, never a person.
//!
//! Who lives here is told as of the last day of the period, by the days that are recorded; whoever has no first day lived here all
//! along. Origin and age come from identity numbers, where one is recorded and can be read here; of everybody else they are
//! not known, and it is told of how many, and of how many because their data is sealed or erased.

use std::collections::BTreeMap;

use rusqlite::Row;
use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::household::ResidentKind;
use townmesh_crdt::domain::id_number::IdNumber;
use townmesh_crdt::domain::region::RegionCode;

use super::super::query::{Query, word};
use super::super::reader::{QueryError, Reader};
use super::hazards::Hundredths;
use super::hours::day_of;
use super::{Span, cut, words};

/// Most villages of an answer.
const MAX_REGIONS: usize = 5_000;
/// Most months of an answer; the last ones are told.
const MAX_MONTHS: usize = 120;
/// People of one origin or age who are fewer than this are told together with the others like them: of one or two people a
/// neighbour knows who they are.
const FEWEST_TOLD: u64 = 3;

words! {
    /// How old.
    pub enum Age {
        /// Under 6.
        Infant = "0-5": "0—5 岁", "under 6";
        /// 6 to 17.
        Child = "6-17": "6—17 岁", "6 to 17";
        /// 18 to 34.
        Young = "18-34": "18—34 岁", "18 to 34";
        /// 35 to 59.
        Middle = "35-59": "35—59 岁", "35 to 59";
        /// 60 and more.
        Old = "60+": "60 岁及以上", "60 and more";
    }
}

words! {
    /// For how long somebody lives here.
    pub enum Stay {
        /// Under 30 days.
        Days = "under_30_days": "不足 30 天", "under 30 days";
        /// 30 days to half a year.
        Months = "30_days_to_half_year": "30 天至半年", "30 days to half a year";
        /// Half a year to three years.
        Years = "half_year_to_3_years": "半年至 3 年", "half a year to 3 years";
        /// Three years and more.
        Long = "3_years_and_more": "3 年及以上", "3 years and more";
        /// It is not recorded since when.
        Unknown = "unknown": "不详", "not known";
    }
}

impl Age {
    /// `None` of somebody who is not born yet.
    fn on(day: Day, birth: Day) -> Option<Self> {
        let ((year, month, of_month), (born, born_month, born_day)) = (day.calendar(), birth.calendar());
        let years = year - born - i32::from((month, of_month) < (born_month, born_day));
        match years {
            ..0 => None,
            0..6 => Some(Self::Infant),
            6..18 => Some(Self::Child),
            18..35 => Some(Self::Young),
            35..60 => Some(Self::Middle),
            60.. => Some(Self::Old),
        }
    }
}

impl Stay {
    fn of(since: Option<Day>, day: Day) -> Self {
        match since.map(|since| i64::from(day.0) - i64::from(since.0)) {
            None => Self::Unknown,
            Some(..30) => Self::Days,
            Some(30..183) => Self::Months,
            Some(183..1_096) => Self::Years,
            Some(1_096..) => Self::Long,
        }
    }
}

/// Which people.
#[derive(Debug, Clone, Default)]
pub struct PopulationFilter {
    /// Who came and left from here on, in milliseconds since 1970.
    pub from_ms: i64,
    /// Who came and left before, and who lives here just before, in milliseconds since 1970.
    pub until_ms: i64,
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// Only of this kind; households are then counted all the same.
    pub kind: Option<ResidentKind>,
}

/// Some of the people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Share {
    /// What they have in common.
    pub group: String,
    /// In Chinese.
    pub name: Option<String>,
    /// How many they are.
    pub people: u64,
}

/// Who came and who left in a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Month {
    /// Such as `2026-11`.
    pub month: String,
    /// First days here.
    pub moved_in: u64,
    /// Last days here.
    pub moved_out: u64,
}

/// The people of one village, or of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RegionPopulation {
    /// Code of the village or community; `None` of all.
    pub region: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// People who live here.
    pub people: u64,
    /// 户籍.
    pub registered: u64,
    /// 流动.
    pub migrant: u64,
    /// 境外.
    pub overseas: u64,
    /// Of whom no kind is recorded.
    pub unknown_kind: u64,
    /// First days here in the period.
    pub moved_in: u64,
    /// Last days here in the period.
    pub moved_out: u64,
    /// Households.
    pub households: u64,
    /// Of these, let to tenants.
    pub rentals: u64,
    /// People who live in these.
    pub tenants: u64,
    /// People per rental.
    pub tenants_per_rental: Option<Hundredths>,
    /// Rentals with more people than their limit allows.
    pub over_limit: u64,
    /// Rentals without a recorded limit.
    pub without_limit: u64,
}

/// Who lives in the town.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Population {
    /// The day as of which people are counted.
    pub day: Day,
    /// Of all.
    pub total: RegionPopulation,
    /// By village, in the order of their codes.
    pub regions: Vec<RegionPopulation>,
    /// There are more villages than are told.
    pub truncated: bool,
    /// People by use of the dwelling.
    pub uses: Vec<Share>,
    /// Who came and left, by month.
    pub months: Vec<Month>,
    /// By province of the identity number; where fewer than three come from one, as `few`.
    pub origins: Vec<Share>,
    /// By age; where fewer than three are of one, as `few`.
    pub ages: Vec<Share>,
    /// By how long they live here.
    pub stays: Vec<Share>,
    /// Of how many origin and age are not known.
    pub unknown_origin: u64,
    /// Of these, because their data is sealed, its key is missing, or it was erased.
    pub sealed: u64,
}

/// One resident as they are counted.
struct Person {
    kind: Option<ResidentKind>,
    moved_in: Option<Day>,
    moved_out: Option<Day>,
    number: Option<IdNumber>,
    is_sealed: bool,
}

/// A household with what matters of it.
struct House {
    region: String,
    usage: Option<DwellingUse>,
    limit: Option<u64>,
    people: u64,
}

/// People under count.
struct Census {
    kind: Option<ResidentKind>,
    day: Day,
    span: Span,
    regions: BTreeMap<String, RegionPopulation>,
    uses: BTreeMap<Option<DwellingUse>, u64>,
    months: BTreeMap<(i32, u32), (u64, u64)>,
    origins: BTreeMap<u32, u64>,
    ages: BTreeMap<Age, u64>,
    stays: BTreeMap<Stay, u64>,
    unknown_origin: u64,
    sealed: u64,
}

impl Census {
    fn take(&mut self, house: &mut House, person: &Person) {
        let (span, day) = (self.span, self.day);
        let [first, last] = [day_of(span.from_ms), day];
        let lives_here =
            person.moved_in.is_none_or(|first| first <= day) && person.moved_out.is_none_or(|last| last >= day);
        // A dwelling is full of whomever lives in it.
        house.people += u64::from(lives_here);
        if self.kind.is_some() && person.kind != self.kind {
            return;
        }
        let month = |day: Option<Day>| day.filter(|day| (first..=last).contains(day)).map(Day::calendar);
        let region = self.regions.entry(house.region.clone()).or_default();
        if let Some((year, of_year, _)) = month(person.moved_in) {
            region.moved_in += 1;
            self.months.entry((year, of_year)).or_default().0 += 1;
        }
        if let Some((year, of_year, _)) = month(person.moved_out) {
            region.moved_out += 1;
            self.months.entry((year, of_year)).or_default().1 += 1;
        }
        if !lives_here {
            return;
        }
        region.people += 1;
        match person.kind {
            Some(ResidentKind::Registered) => region.registered += 1,
            Some(ResidentKind::Migrant) => region.migrant += 1,
            Some(ResidentKind::Overseas) => region.overseas += 1,
            Some(ResidentKind::Unknown(_)) | None => region.unknown_kind += 1,
        }
        *self.uses.entry(house.usage).or_default() += 1;
        *self.stays.entry(Stay::of(person.moved_in, day)).or_default() += 1;
        match person.number.and_then(|number| Some((number, Age::on(day, number.birth())?))) {
            Some((number, age)) => {
                *self.origins.entry(number.region() / 10_000).or_default() += 1;
                *self.ages.entry(age).or_default() += 1;
            }
            None => {
                self.unknown_origin += 1;
                self.sealed += u64::from(person.is_sealed);
            }
        }
    }

    /// A household whose people are all counted.
    fn leave(&mut self, house: &House) {
        let region = self.regions.entry(house.region.clone()).or_default();
        region.households += 1;
        if house.usage == Some(DwellingUse::Rental) {
            region.rentals += 1;
            region.tenants += house.people;
            region.over_limit += u64::from(house.limit.is_some_and(|limit| house.people > limit));
            region.without_limit += u64::from(house.limit.is_none());
        }
    }

    fn told(self, names: &BTreeMap<String, String>) -> Population {
        let mut total = RegionPopulation::default();
        let mut regions: Vec<RegionPopulation> = Vec::new();
        for (code, region) in self.regions {
            total.add(&region);
            regions
                .push(RegionPopulation { name: names.get(&code).cloned(), region: Some(code), ..region }.with_rate());
        }
        let truncated = cut(&mut regions, MAX_REGIONS);
        let uses = self.uses.into_iter().map(|(usage, people)| Share {
            group: usage.map_or_else(|| "unknown".to_owned(), |usage| usage.to_string()),
            name: usage.map(|usage| usage.chinese().to_owned()),
            people,
        });
        let origins = self.origins.into_iter().map(|(province, people)| Share {
            group: province.to_string(),
            name: province_called(province).map(str::to_owned),
            people,
        });
        let share =
            |group: &str, name: &str, people| Share { group: group.to_owned(), name: Some(name.to_owned()), people };
        let ages = self.ages.into_iter().map(|(age, people)| share(age.name(), age.words()[0], people));
        let stays = self.stays.into_iter().map(|(stay, people)| share(stay.name(), stay.words()[0], people));
        let month = |((year, month), (moved_in, moved_out)): ((i32, u32), (u64, u64))| Month {
            month: format!("{year:04}-{month:02}"),
            moved_in,
            moved_out,
        };
        let earlier = self.months.len().saturating_sub(MAX_MONTHS);
        Population {
            day: self.day,
            total: total.with_rate(),
            regions,
            truncated,
            uses: uses.collect(),
            months: self.months.into_iter().skip(earlier).map(month).collect(),
            origins: few_together(origins.collect()),
            ages: few_together(ages.collect()),
            stays: few_together(stays.collect()),
            unknown_origin: self.unknown_origin,
            sealed: self.sealed,
        }
    }
}

impl RegionPopulation {
    fn add(&mut self, other: &Self) {
        self.people += other.people;
        self.registered += other.registered;
        self.migrant += other.migrant;
        self.overseas += other.overseas;
        self.unknown_kind += other.unknown_kind;
        self.moved_in += other.moved_in;
        self.moved_out += other.moved_out;
        self.households += other.households;
        self.rentals += other.rentals;
        self.tenants += other.tenants;
        self.over_limit += other.over_limit;
        self.without_limit += other.without_limit;
    }

    fn with_rate(self) -> Self {
        let rate = (self.tenants * 100).checked_div(self.rentals).map(Hundredths);
        Self { tenants_per_rental: rate, ..self }
    }
}

/// The groups with most people first; those too small to be told apart as one.
fn few_together(shares: Vec<Share>) -> Vec<Share> {
    let (mut few, mut told): (Vec<Share>, Vec<Share>) = shares.into_iter().partition(|one| one.people < FEWEST_TOLD);
    told.sort_by_key(|share| std::cmp::Reverse(share.people));
    let of = |few: &[Share]| few.iter().map(|one| one.people).sum::<u64>();
    // One small group alone, or few people in all, would be known from the others: the next one joins them.
    while !few.is_empty() && (few.len() == 1 || of(&few) < FEWEST_TOLD) {
        let Some(next) = told.pop() else { break };
        few.push(next);
    }
    let people = of(&few);
    if people > 0 {
        told.push(Share { group: "few".into(), name: Some("其余各组".into()), people });
    }
    told
}

impl Reader {
    /// Who lives in a region, and who came and left.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn population(&self, filter: &PopulationFilter) -> Result<Population, QueryError> {
        let span = Span { from_ms: filter.from_ms, until_ms: filter.until_ms };
        let mut census = Census {
            kind: filter.kind,
            day: day_of(span.until_ms.saturating_sub(1)),
            span,
            regions: BTreeMap::new(),
            uses: BTreeMap::new(),
            months: BTreeMap::new(),
            origins: BTreeMap::new(),
            ages: BTreeMap::new(),
            stays: BTreeMap::new(),
            unknown_origin: 0,
            sealed: 0,
        };
        self.at_once(|| {
            let mut query = Query::default();
            query.region("h.region", filter.region);
            let select = "h.row, h.region, h.usage, h.tenant_limit, r.resident, r.kind, r.moved_in, r.moved_out, \
                 r.id_number, r.state FROM household h LEFT JOIN resident r ON r.row = h.row AND r.void = 0";
            // By household: the people of one come together.
            let mut current: Option<(i64, House)> = None;
            query.all(&self.connection, select, "ORDER BY h.row", |row| {
                let number: i64 = row.get("row")?;
                if current.as_ref().is_none_or(|(known, _)| *known != number) {
                    let before = current.replace((number, house(row)?));
                    before.iter().for_each(|(_, house)| census.leave(house));
                }
                let (Some((_, house)), Some(person)) = (current.as_mut(), person(row)?) else { return Ok(()) };
                census.take(house, &person);
                Ok(())
            })?;
            current.iter().for_each(|(_, house)| census.leave(house));
            let regions = self.regions()?.into_iter();
            Ok(census.told(&regions.filter_map(|region| region.code.zip(region.name)).collect()))
        })
    }
}

fn house(row: &Row<'_>) -> rusqlite::Result<House> {
    let limit: Option<i64> = row.get("tenant_limit")?;
    Ok(House {
        region: row.get("region")?,
        usage: word(row, "usage")?,
        limit: limit.map(i64::cast_unsigned),
        people: 0,
    })
}

/// `None` of a household without people.
fn person(row: &Row<'_>) -> rusqlite::Result<Option<Person>> {
    if row.get_ref("resident")? == rusqlite::types::ValueRef::Null {
        return Ok(None);
    }
    let number: Option<String> = row.get("id_number")?;
    let state: Value = row.get("state")?;
    Ok(Some(Person {
        kind: word(row, "kind")?,
        moved_in: word(row, "moved_in")?,
        moved_out: word(row, "moved_out")?,
        number: number.and_then(|number| IdNumber::parse(&number).ok()),
        is_sealed: state != Value::from("open".to_owned()),
    }))
}

/// The name of a province by the first two digits of an identity number (GB/T 2260).
fn province_called(code: u32) -> Option<&'static str> {
    PROVINCES.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

const PROVINCES: [(u32, &str); 35] = [
    (11, "北京"),
    (12, "天津"),
    (13, "河北"),
    (14, "山西"),
    (15, "内蒙古"),
    (21, "辽宁"),
    (22, "吉林"),
    (23, "黑龙江"),
    (31, "上海"),
    (32, "江苏"),
    (33, "浙江"),
    (34, "安徽"),
    (35, "福建"),
    (36, "江西"),
    (37, "山东"),
    (41, "河南"),
    (42, "湖北"),
    (43, "湖南"),
    (44, "广东"),
    (45, "广西"),
    (46, "海南"),
    (50, "重庆"),
    (51, "四川"),
    (52, "贵州"),
    (53, "云南"),
    (54, "西藏"),
    (61, "陕西"),
    (62, "甘肃"),
    (63, "青海"),
    (64, "宁夏"),
    (65, "新疆"),
    (71, "台湾"),
    (81, "香港"),
    (82, "澳门"),
    (83, "台湾（居住证）"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_not_had_a_birthday_yet_is_a_year_younger() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let age = |birth: &str| Age::on(day("2026-06-15"), day(birth));
        for (birth, expected) in [
            ("2026-06-16", None),
            ("2026-06-15", Some(Age::Infant)),
            ("2020-06-16", Some(Age::Infant)),
            ("2020-06-15", Some(Age::Child)),
            ("2008-07-01", Some(Age::Child)),
            ("2008-06-15", Some(Age::Young)),
            ("1991-06-16", Some(Age::Young)),
            ("1991-05-31", Some(Age::Middle)),
            ("1966-06-16", Some(Age::Middle)),
            ("1966-06-15", Some(Age::Old)),
        ] {
            assert_eq!(age(birth), expected, "{birth}");
        }
    }

    #[test]
    fn a_stay_is_as_long_as_its_days() {
        let stay = |days: i32| Stay::of(Some(Day(20_000 - days)), Day(20_000));
        let expected = [Stay::Days, Stay::Months, Stay::Months, Stay::Years, Stay::Years, Stay::Long];
        assert_eq!([29, 30, 182, 183, 1_095, 1_096].map(stay), expected);
        assert_eq!(Stay::of(None, Day(0)), Stay::Unknown);
    }
}
