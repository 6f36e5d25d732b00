//! Households and the people in them.
//!
//! One household document holds the household's own record and one record per resident under a random resident id.
//! Names, identity numbers and phones are never in these fields in clear: [`Household::OWNER`] and
//! [`Resident::PERSONAL`] hold sealed bytes (the encoding of [`PersonalData`] under that person's key).

use super::codes::coded;
use super::date::Day;
use super::dwelling::DwellingUse;
use super::input::{self, Holder, InputError};
use super::key;
use super::person::PersonalData;
use super::position::Position;
use super::record::record;
use super::region::RegionCode;
use crate::value::FieldId;

record! {
    /// A household (户): who lives or works together behind one door.
    pub struct Household {
        /// Village or community; part of the natural key.
        1 REGION region: Option<RegionCode>,
        /// Door number (门牌号) within the region, as on the plate; part of the natural key.
        2 ADDRESS address: Option<String>,
        /// Which household behind that door, from 1; part of the natural key. Not written for the first.
        3 NUMBER number: Option<u16>,
        /// What the rooms are used for.
        4 USE usage: Option<DwellingUse>,
        /// Rooms.
        5 ROOMS rooms: Option<u16>,
        /// Floor area in square decimetres (a hundredth of a square metre).
        6 AREA area_dm2: Option<u32>,
        /// Where the door is.
        7 POSITION position: Option<Position>,
        /// How many tenants the rooms may hold.
        8 TENANT_LIMIT tenant_limit: Option<u16>,
        /// Remarks; nothing that identifies a person.
        9 NOTE note: Option<String>,
    }
    sealed {
        /// Whom to call: the owner or head of the household (户主).
        16 OWNER owner: Option<PersonalData>,
    }
}

impl Household {
    /// The fields of the natural key.
    pub const KEY: [FieldId; 3] = [Self::REGION, Self::ADDRESS, Self::NUMBER];

    /// Which household behind its door, from 1.
    pub fn number_or_first(&self) -> u16 {
        self.number.unwrap_or(1)
    }

    /// The key of its document; `None` while region or address is not known.
    pub fn natural_key(&self) -> Option<Vec<u8>> {
        natural_key(self.region?, self.address.as_deref()?, self.number_or_first())
    }

    /// Checks what somebody entered; see [`input`].
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), InputError> {
        self.address.iter().try_for_each(|address| input::line("address", address))?;
        input::word("usage", self.usage, DwellingUse::ALL)?;
        input::number("number", self.number, 1..=u16::MAX.into())?;
        input::number("rooms", self.rooms, input::ROOMS)?;
        input::number("area_dm2", self.area_dm2, input::AREA_DM2)?;
        input::number("tenant_limit", self.tenant_limit, input::ROOMS)?;
        self.note.iter().try_for_each(|note| input::note("note", note))?;
        let owner = self.owner.iter().try_for_each(|owner| input::person(owner, Holder::Owner));
        owner.map_err(|error| error.within("owner"))
    }
}

/// The key of a household's document; `None` where the address is blank.
pub fn natural_key(region: RegionCode, address: &str, number: u16) -> Option<Vec<u8>> {
    let blank = key::normalise(address).is_empty();
    (!blank).then(|| key::natural_key(&[&region.to_string(), address, &number.to_string()]))
}

coded! {
    /// On what ground somebody lives here.
    pub enum ResidentKind: "kind of resident" {
        /// Registered here: 户籍.
        Registered = 1, "registered", "户籍", "registered";
        /// Registered elsewhere: 流动.
        Migrant = 2, "migrant", "流动", "migrant";
        /// From abroad: 境外.
        Overseas = 3, "overseas", "境外", "overseas";
    }
}

coded! {
    /// What somebody is to the head of the household.
    pub enum Relation: "relation" {
        /// 户主.
        Head = 1, "head", "户主", "head of household";
        /// 配偶.
        Spouse = 2, "spouse", "配偶", "spouse";
        /// 子女.
        Child = 3, "child", "子女", "child";
        /// 父母.
        Parent = 4, "parent", "父母", "parent";
        /// Another relative.
        Relative = 5, "relative", "其他亲属", "other relative";
        /// 租户.
        Tenant = 6, "tenant", "租户", "tenant";
        /// 员工.
        Employee = 7, "employee", "员工", "employee";
        /// Any other.
        Other = 8, "other", "其他", "other";
    }
}

record! {
    /// A resident (居民) of a household.
    pub struct Resident {
        /// On what ground they live here.
        1 KIND kind: Option<ResidentKind>,
        /// What they are to the head of the household.
        2 RELATION relation: Option<Relation>,
        /// First day here.
        3 MOVED_IN moved_in: Option<Day>,
        /// Last day here; not known while they live here.
        4 MOVED_OUT moved_out: Option<Day>,
        /// Recorded by mistake or twice: not shown, not counted.
        5 VOID void: Option<bool>,
    }
    sealed {
        /// Who it is.
        16 PERSONAL personal: Option<PersonalData>,
    }
}

impl Resident {
    /// Number of the field that names the move ([`moves`](super::moves)) by which they came. Written with that alone, so it is no
    /// part of what people enter.
    pub const CAME_BY: FieldId = 6;
    /// Number of the field that holds where they lived before ([`moves::Stay`](super::moves::Stay)), sealed under the same key as
    /// who they are. Written with [`Self::CAME_BY`].
    pub const HISTORY: FieldId = 17;

    /// Checks what somebody entered; see [`input`]. `known_kind` is the kind that is recorded, for an edit without one.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self, known_kind: Option<ResidentKind>) -> Result<(), InputError> {
        input::word("kind", self.kind, ResidentKind::ALL)?;
        input::word("relation", self.relation, Relation::ALL)?;
        input::day("moved_in", self.moved_in)?;
        input::day("moved_out", self.moved_out)?;
        input::stay(self.moved_in, self.moved_out)?;
        let holder = Holder::Resident(self.kind.or(known_kind));
        let personal = self.personal.iter().try_for_each(|personal| input::person(personal, holder));
        personal.map_err(|error| error.within("personal"))
    }

    /// Whether they live here on `day`, as far as is known.
    pub fn lives_here_on(&self, day: Day) -> bool {
        let arrived = self.moved_in.is_none_or(|first| first <= day);
        let left = self.moved_out.is_some_and(|last| last < day);
        arrived && !left && self.void != Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Fields, Value};
    use proptest::prelude::*;

    fn household() -> Household {
        Household {
            region: "110115005220".parse().ok(),
            address: Some("幸福路 12号".into()),
            usage: Some(DwellingUse::Rental),
            rooms: Some(8),
            position: Position::from_degrees(39.8, 116.3),
            owner: Some(PersonalData { name: "甲".into(), ..PersonalData::default() }),
            ..Household::default()
        }
    }

    #[test]
    fn a_household_round_trips_without_its_sealed_part() {
        let read = Household::read(&household().fields());
        assert_eq!(read, Household { owner: None, ..household() });
        assert_eq!(Household::table().len(), Household::NUMBERS);
        assert_eq!(Resident::table().len(), Resident::NUMBERS);
    }

    #[test]
    fn no_personal_data_enters_the_fields() {
        let personal = PersonalData { name: "甲乙".into(), ..PersonalData::default() };
        let resident = Resident { personal: Some(personal), kind: Some(ResidentKind::Migrant), ..Resident::default() };
        assert_eq!(resident.fields(), Fields::from([(Resident::KIND, Value::Int(2))]));
    }

    #[test]
    fn an_edit_names_only_what_changed() {
        let old = household();
        let new = Household { rooms: None, usage: Some(DwellingUse::from_code(77)), ..old.clone() };
        let edit = Household::difference(&old, &new);
        assert_eq!(edit, Fields::from([(Household::USE, Value::Int(77)), (Household::ROOMS, Value::Null)]));
    }

    #[test]
    fn the_first_household_behind_a_door_has_one_key_however_it_was_typed() {
        let typed = Household { address: Some("幸福路１２号".into()), number: Some(1), ..household() };
        assert_eq!(typed.natural_key(), household().natural_key());
        let second = Household { number: Some(2), ..household() };
        assert_ne!(second.natural_key(), household().natural_key());
        assert_eq!(Household { address: Some("　".into()), ..household() }.natural_key(), None);
    }

    #[test]
    fn a_resident_is_counted_from_the_first_to_the_last_day() {
        let resident = Resident { moved_in: Some(Day(10)), moved_out: Some(Day(20)), ..Resident::default() };
        let days: Vec<i32> = (8..23).filter(|day| resident.lives_here_on(Day(*day))).collect();
        assert_eq!(days, (10..=20).collect::<Vec<_>>());
        assert!(!Resident { void: Some(true), ..resident }.lives_here_on(Day(15)));
    }

    proptest! {
        #[test]
        fn any_fields_are_read_without_panic(numbers in proptest::collection::btree_map(any::<u8>(), any::<i64>(), 0..20)) {
            let fields: Fields = numbers.into_iter().map(|(number, value)| (number, Value::Int(value))).collect();
            let _ = (Household::read(&fields), Resident::read(&fields));
        }
    }
}
