//! The columns of a ledger: their headers in Chinese and English, and which cell of a row holds which.

use townmesh_crdt::domain::key::normalise;
use townmesh_crdt::domain::region::RegionCode;

use super::error::LedgerError;

/// What a column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Village or community: 12 digits or its name.
    Region,
    /// Door number.
    Door,
    /// Which household behind the door.
    Number,
    /// Whom to call: name.
    Owner,
    /// Whom to call: phone.
    OwnerPhone,
    /// What the rooms are used for.
    Usage,
    /// A resident's name.
    Name,
    /// A resident's identity number, or passport for those from abroad.
    IdNumber,
    /// A resident's own phone.
    Phone,
    /// What the resident is to the head of the household.
    Relation,
    /// On what ground the resident lives here.
    Kind,
    /// First day here.
    MovedIn,
    /// Last day here.
    MovedOut,
    /// Number of rooms.
    Rooms,
    /// Floor area in square metres.
    Area,
    /// How many tenants are allowed.
    TenantLimit,
    /// Longitude in degrees, WGS-84.
    Longitude,
    /// Latitude in degrees, WGS-84.
    Latitude,
    /// Remarks about the household.
    Note,
    /// Why a row came back; never read.
    Reasons,
}

/// How a column is called: the field's name for `--map` and JSON, the header that is written, other known headers, and
/// an explanation for the template.
struct Names {
    column: Column,
    field: &'static str,
    header: &'static str,
    others: &'static [&'static str],
    explained: &'static str,
}

const fn names(
    column: Column,
    field: &'static str,
    header: &'static str,
    others: &'static [&'static str],
    explained: &'static str,
) -> Names {
    Names { column, field, header, others, explained }
}

/// In the order in which ledgers are written.
const NAMES: [Names; 20] = [
    names(
        Column::Region,
        "region",
        "村居",
        &["村居代码", "村", "社区", "村社区", "所属村居", "区域代码", "region_code", "village", "community"],
        "必填：12位区划代码或村居全称 / required: 12-digit code or the full name",
    ),
    names(
        Column::Door,
        "door",
        "门牌号",
        &["门牌", "地址", "住址", "详细地址", "房屋地址", "居住地址", "address", "door_number"],
        "必填 / required",
    ),
    names(
        Column::Number,
        "household_number",
        "户号",
        &["第几户", "number"],
        "同一门牌有多户时填 1、2… / 1, 2… where one door has several households",
    ),
    names(
        Column::Owner,
        "head",
        "户主",
        &["户主姓名", "房主", "房东", "业主", "联系人", "owner", "landlord"],
        "户主或房东姓名 / whom to call",
    ),
    names(
        Column::OwnerPhone,
        "phone",
        "电话",
        &[
            "户主电话",
            "联系电话",
            "房东电话",
            "房主电话",
            "联系方式",
            "手机",
            "手机号",
            "owner_phone",
            "head_phone",
            "telephone",
            "mobile",
        ],
        "手机号或 010-12345678 / mobile or landline",
    ),
    names(
        Column::Usage,
        "use",
        "居住类型",
        &["房屋用途", "用途", "房屋类型", "使用性质", "usage", "dwelling_use"],
        "自住、出租、商铺、作坊、集体宿舍、空置 / self_occupied, rental, shop, workshop, dormitory, vacant",
    ),
    names(
        Column::Name,
        "name",
        "人员姓名",
        &["姓名", "居民姓名", "租户姓名", "承租人", "resident", "resident_name", "full_name"],
        "每人一行，同户相邻；无人居住可留空 / one row per person, households together",
    ),
    names(
        Column::IdNumber,
        "id_number",
        "证件号",
        &["身份证号", "身份证", "身份证号码", "公民身份号码", "证件号码", "id", "idnumber", "id_card"],
        "18位身份证号；境外人员填护照号；请设为文本格式 / 18 characters, as text; passport for those from abroad",
    ),
    names(
        Column::Phone,
        "person_phone",
        "人员电话",
        &["本人电话", "居民电话", "租户电话", "resident_phone"],
        "本人电话 / the person's own phone",
    ),
    names(
        Column::Relation,
        "relation",
        "与户主关系",
        &["关系", "家庭关系", "relation_to_head", "relationship"],
        "户主、配偶、子女、父母、其他亲属、租户、员工、其他 / head, spouse, child, parent, relative, tenant, employee, other",
    ),
    names(
        Column::Kind,
        "kind",
        "人员类别",
        &["人口类型", "人员类型", "人口类别", "类别", "resident_kind"],
        "户籍、流动、境外 / registered, migrant, overseas",
    ),
    names(
        Column::MovedIn,
        "moved_in",
        "迁入日期",
        &["入住日期", "来京日期", "入住时间", "迁入时间", "move_in"],
        "如 2024-03-05 / such as 2024-03-05",
    ),
    names(
        Column::MovedOut,
        "moved_out",
        "迁出日期",
        &["搬离日期", "离开日期", "迁出时间", "move_out"],
        "仍居住则留空 / empty while living here",
    ),
    names(Column::Rooms, "rooms", "房间数", &["间数", "房屋间数"], "整数 / a whole number"),
    names(
        Column::Area,
        "area",
        "面积",
        &["建筑面积", "房屋面积", "面积平方米", "面积㎡", "area_m2"],
        "平方米，最多两位小数 / square metres",
    ),
    names(Column::TenantLimit, "tenant_limit", "核定人数", &["核定租住人数", "可住人数"], "整数 / a whole number"),
    names(Column::Longitude, "longitude", "经度", &["lon", "lng", "东经"], "WGS-84，单位度 / degrees"),
    names(Column::Latitude, "latitude", "纬度", &["lat", "北纬"], "WGS-84，单位度 / degrees"),
    names(
        Column::Note,
        "note",
        "备注",
        &["说明", "remark", "remarks", "notes"],
        "不要写个人信息 / nothing that identifies a person",
    ),
    names(Column::Reasons, "reasons", "退回原因", &["退回原因reasons"], ""),
];

impl Column {
    /// The columns that ledgers are written with, in their order.
    pub fn written() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|names| names.column).filter(|column| *column != Self::Reasons)
    }

    /// The field's name, as in `--map` and in JSON lines.
    pub fn field(self) -> &'static str {
        self.names().map_or("", |names| names.field)
    }

    /// The header that is written.
    pub fn header(self) -> &'static str {
        self.names().map_or("", |names| names.header)
    }

    /// What to fill in, for the template.
    pub fn explained(self) -> &'static str {
        self.names().map_or("", |names| names.explained)
    }

    /// The column of a field name or a known header, however it is spaced and capitalised; remarks in parentheses and
    /// a star for required columns do not count.
    pub fn known(header: &str) -> Option<Self> {
        let normal = normal_header(header);
        let matches = |names: &&Names| {
            normal == names.field
                || [names.header].iter().chain(names.others).any(|known| normal == normal_header(known))
        };
        NAMES.iter().find(matches).map(|names| names.column)
    }

    fn names(self) -> Option<&'static Names> {
        NAMES.iter().find(|names| names.column == self)
    }
}

fn normal_header(header: &str) -> String {
    let normal = normalise(header);
    let plain = normal.trim_matches('*').split('(').next().unwrap_or_default();
    plain.replace(['-', '_'], "_")
}

/// A rule `--map` that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Not of the form `column=field`.
    #[error("“{0}”应写成 列=字段，例如 房东=head / write “{0}” as column=field, such as 房东=head")]
    Form(String),
    /// A field that ledgers do not have.
    #[error("没有字段“{field}”，可用：{known} / there is no field “{field}”; use one of: {known}")]
    Field {
        /// The field named.
        field: String,
        /// Those there are.
        known: String,
    },
}

/// How the headers of a file are understood, beyond those that are known by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    rules: Vec<(String, Column)>,
    default_region: Option<RegionCode>,
}

impl Mapping {
    /// The mapping of rules `column=field`; they go before the headers known by default.
    ///
    /// # Errors
    /// The first rule that is no such pair or names no field.
    pub fn parse<T: AsRef<str>>(rules: impl IntoIterator<Item = T>) -> Result<Self, MappingError> {
        let mut mapping = Self::default();
        for rule in rules {
            let rule = rule.as_ref();
            let (header, field) = rule.rsplit_once(['=', '＝']).ok_or_else(|| MappingError::Form(rule.to_owned()))?;
            let column = Column::known(field).ok_or_else(|| MappingError::Field {
                field: field.to_owned(),
                known: Column::written().map(Column::field).collect::<Vec<_>>().join(", "),
            })?;
            if header.trim().is_empty() {
                return Err(MappingError::Form(rule.to_owned()));
            }
            mapping.rules.push((header.trim().to_owned(), column));
        }
        Ok(mapping)
    }

    /// The same mapping for a file about one village, which need not have a region column.
    pub fn with_default_region(self, region: RegionCode) -> Self {
        Self { default_region: Some(region), ..self }
    }

    /// The village that rows without one belong to.
    pub fn default_region(&self) -> Option<RegionCode> {
        self.default_region
    }

    fn column(&self, header: &str) -> Option<Column> {
        let normal = normal_header(header);
        let ruled = self.rules.iter().find(|(named, _)| normal_header(named) == normal).map(|(_, column)| *column);
        // A default header gives way to a rule for the same column, so that 地址 may stand beside a mapped 门牌.
        let default = || Column::known(header).filter(|column| !self.rules.iter().any(|(_, ruled)| ruled == column));
        ruled.or_else(default)
    }
}

/// Which cell of a row holds which column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) header: Vec<String>,
    columns: Vec<Option<Column>>,
}

impl Layout {
    /// The layout of a header row; `Ok(Err(missing))` when the row lacks required columns and so may be a title.
    pub(super) fn of(header: &[String], mapping: &Mapping) -> Result<Result<Self, Vec<Column>>, LedgerError> {
        let columns: Vec<Option<Column>> = header.iter().map(|text| mapping.column(text)).collect();
        let mut required = vec![Column::Region, Column::Door, Column::Name];
        required.retain(|column| *column != Column::Region || mapping.default_region.is_none());
        required.retain(|column| !columns.contains(&Some(*column)));
        if !required.is_empty() {
            return Ok(Err(required));
        }
        for (place, column) in columns.iter().enumerate().filter(|(_, column)| column.is_some()) {
            if let Some(earlier) = columns.iter().take(place).position(|one| one == column) {
                let at = |place: usize| header.get(place).cloned().unwrap_or_default();
                return Err(LedgerError::DuplicateColumn { first: at(earlier), second: at(place) });
            }
        }
        for (named, _) in &mapping.rules {
            if !header.iter().any(|text| normal_header(text) == normal_header(named)) {
                return Err(LedgerError::MappedColumnAbsent { header: named.clone(), found: header.join("、") });
            }
        }
        Ok(Ok(Self { header: header.to_vec(), columns }))
    }

    /// The layout of JSON lines: every column under its field name.
    pub(super) fn of_fields() -> Self {
        let columns: Vec<Column> = Column::written().collect();
        Self {
            header: columns.iter().map(|column| column.field().to_owned()).collect(),
            columns: columns.into_iter().map(Some).collect(),
        }
    }

    /// Where a JSON key belongs.
    pub(super) fn place_of_key(&self, key: &str, mapping: &Mapping) -> Option<usize> {
        let column = mapping.column(key)?;
        self.columns.iter().position(|one| *one == Some(column))
    }

    /// The cell of a column; empty where there is none.
    pub(super) fn cell<'a>(&self, cells: &'a [String], column: Column) -> &'a str {
        let place = self.columns.iter().position(|one| *one == Some(column));
        place.and_then(|place| cells.get(place)).map_or("", |cell| cell.as_str())
    }

    /// The header that a column has in this file; its own name where it has none.
    pub(super) fn header_of(&self, column: Column) -> &str {
        let place = self.columns.iter().position(|one| *one == Some(column));
        place.and_then(|place| self.header.get(place)).map_or(column.header(), |header| header.as_str())
    }

    /// Headers that mean nothing to a ledger.
    pub(super) fn ignored(&self) -> Vec<String> {
        let unknown =
            self.header.iter().zip(&self.columns).filter(|(text, column)| column.is_none() && !text.trim().is_empty());
        unknown.map(|(text, _)| text.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_known_in_chinese_and_english_however_they_are_dressed() {
        for (header, column) in [
            ("村居", Column::Region),
            (" 门 牌 号 *", Column::Door),
            ("面积（平方米）", Column::Area),
            ("身份证号码", Column::IdNumber),
            ("ID_Number", Column::IdNumber),
            ("id-number", Column::IdNumber),
            ("\u{FEFF}Region", Column::Region),
            ("联系电话", Column::OwnerPhone),
        ] {
            assert_eq!(Column::known(header), Some(column), "{header}");
        }
        assert_eq!(Column::known("序号"), None);
        assert_eq!(Column::known(""), None);
    }

    #[test]
    fn every_name_means_one_column() {
        let mut seen = std::collections::BTreeMap::new();
        for names in &NAMES {
            for name in [names.field, names.header].iter().chain(names.others) {
                assert_eq!(*seen.entry(normal_header(name)).or_insert(names.column), names.column, "{name}");
            }
        }
        assert_eq!(Column::written().count(), NAMES.len() - 1);
    }

    #[test]
    fn a_wrong_rule_says_how_to_write_it() {
        for rule in ["门牌", "=door", ""] {
            assert!(matches!(Mapping::parse([rule]), Err(MappingError::Form(_))), "{rule}");
        }
        let error = Mapping::parse(["门牌=window"]).unwrap_err().to_string();
        assert!(error.contains("window") && error.contains("door"), "{error}");
    }

    #[test]
    fn a_rule_goes_before_a_default() {
        let header = ["村居", "地址", "门牌", "姓名"].map(str::to_owned);
        assert!(matches!(Layout::of(&header, &Mapping::default()), Err(LedgerError::DuplicateColumn { .. })));
        let layout = Layout::of(&header, &Mapping::parse(["门牌=door"]).unwrap()).unwrap().unwrap();
        assert_eq!(layout.header_of(Column::Door), "门牌");
        assert_eq!(layout.ignored(), ["地址"]);
        let absent = Layout::of(&header, &Mapping::parse(["门牌=door", "栋=note"]).unwrap());
        assert!(matches!(absent, Err(LedgerError::MappedColumnAbsent { .. })));
    }
}
