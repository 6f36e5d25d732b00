//! What fields and their values are called when people have to choose between them.
//!
//! A field that is not listed is bookkeeping (who found a hazard first, when it last changed): where two sides differ
//! in it, the later one stands and nobody is asked.

use super::read::{At, Conflict, ConflictValue, Said, Settlement};
use crate::change::AssertionId;
use crate::clock::Millis;
use crate::document::{Candidate, Content, Register, Settled};
use crate::domain::checklist::Grade;
use crate::domain::date::Day;
use crate::domain::device::{Device, DeviceKind, Protocol};
use crate::domain::dwelling::{Dwelling, DwellingUse};
use crate::domain::hazard::{Hazard, HazardState};
use crate::domain::household::{Household, Relation, Resident, ResidentKind};
use crate::domain::position::Position;
use crate::domain::record::Scalar;
use crate::domain::region::{Region, RegionCode, RegionKind};
use crate::domain::same_person::SamePerson;
use crate::domain::town::{Grid, GridKind, Member, Team, TeamKind};
use crate::id::{DocumentId, NamespaceId, ResidentId};
use crate::replica::Replica;
use crate::store::StoreError;
use crate::value::{FieldId, Value};

/// A value as in JSON, in Chinese and in English.
pub(super) type Words = [String; 3];

/// A field that people may have to settle.
pub(super) struct Label {
    first: FieldId,
    last: FieldId,
    key: &'static str,
    chinese: &'static str,
    english: &'static str,
    show: fn(&Value) -> Words,
}

const fn label(
    number: FieldId,
    key: &'static str,
    chinese: &'static str,
    english: &'static str,
    show: fn(&Value) -> Words,
) -> Label {
    Label { first: number, last: number, key, chinese, english, show }
}

/// Shows a value of a type that has a text form.
macro_rules! text {
    ($type:ty) => {
        |value| match <$type as Scalar>::from_value(value) {
            Some(known) => same(known.to_string()),
            None => plain(value),
        }
    };
}

/// Shows a value of a coded enum by its names.
macro_rules! code {
    ($type:ty) => {
        |value| match <$type as Scalar>::from_value(value) {
            Some(known) => [known.to_string(), known.chinese().to_owned(), known.english().to_owned()],
            None => plain(value),
        }
    };
}

pub(super) const HOUSEHOLD: &[Label] = &[
    label(Household::REGION, "region", "村居", "region", text!(RegionCode)),
    label(Household::ADDRESS, "address", "门牌号", "address", plain),
    label(Household::NUMBER, "number", "户序号", "number", plain),
    label(Household::USE, "usage", "居住类型", "use", code!(DwellingUse)),
    label(Household::ROOMS, "rooms", "间数", "rooms", plain),
    label(Household::AREA, "area_dm2", "面积（平方分米）", "area (dm²)", plain),
    label(Household::POSITION, "position", "位置", "position", text!(Position)),
    label(Household::TENANT_LIMIT, "tenant_limit", "限住人数", "tenant limit", plain),
    label(Household::NOTE, "note", "备注", "remarks", plain),
];

pub(super) const DWELLING: &[Label] = &[
    label(Dwelling::REGION, "region", "村居", "region", text!(RegionCode)),
    label(Dwelling::ADDRESS, "address", "门牌号", "address", plain),
    label(Dwelling::USE, "usage", "居住类型", "use", code!(DwellingUse)),
    label(Dwelling::ROOMS, "rooms", "间数", "rooms", plain),
    label(Dwelling::STOREYS, "storeys", "层数", "storeys", plain),
    label(Dwelling::AREA, "area_dm2", "面积（平方分米）", "area (dm²)", plain),
    label(Dwelling::POSITION, "position", "位置", "position", text!(Position)),
    label(Dwelling::GRID, "grid", "网格", "grid", plain),
    label(Dwelling::BUILT, "built", "建成年份", "year built", plain),
    label(Dwelling::NOTE, "note", "备注", "remarks", plain),
    label(Dwelling::GONE, "gone", "拆除日期", "gone since", text!(Day)),
];

pub(super) const RESIDENT: &[Label] = &[
    label(Resident::KIND, "kind", "人员类别", "kind", code!(ResidentKind)),
    label(Resident::RELATION, "relation", "与户主关系", "relation", code!(Relation)),
    label(Resident::MOVED_IN, "moved_in", "迁入日期", "moved in", text!(Day)),
    label(Resident::MOVED_OUT, "moved_out", "迁出日期", "moved out", text!(Day)),
    label(Resident::VOID, "void", "误录", "recorded by mistake", yes_no),
];

pub(super) const HAZARD: &[Label] = &[
    label(Hazard::GRADE, "grade", "等级", "grade", code!(Grade)),
    label(Hazard::STATE, "state", "状态", "state", code!(HazardState)),
    label(Hazard::CASE, "case", "关联案卷", "case", text!(DocumentId)),
    label(Hazard::NOTE, "note", "备注", "remarks", plain),
];

pub(super) const SAME_PERSON: &[Label] =
    &[label(SamePerson::ANSWER, "answer", "是否同一人", "same person?", super::duplicates::words)];

pub(super) const DEVICE: &[Label] = &[
    label(Device::NAME, "name", "名称", "name", plain),
    label(Device::KIND, "kind", "类型", "kind", code!(DeviceKind)),
    label(Device::PROTOCOL, "protocol", "协议", "protocol", code!(Protocol)),
    label(Device::REGION, "region", "村居", "region", text!(RegionCode)),
    label(Device::PLACE, "place", "安装地点", "place", plain),
    label(Device::POSITION, "position", "位置", "position", text!(Position)),
    label(Device::OWNER, "owner", "责任单位", "owner", plain),
    label(Device::SILENCE_LIMIT, "silence_limit_s", "离线判定（秒）", "silence limit (s)", plain),
    label(Device::RETIRED, "retired", "已停用", "retired", yes_no),
    label(Device::NOTE, "note", "备注", "remarks", plain),
];

pub(super) const REGION: &[Label] = &[
    label(Region::NAME, "name", "名称", "name", plain),
    label(Region::KIND, "kind", "类型", "kind", code!(RegionKind)),
    label(Region::PARENT, "parent", "上级", "parent", text!(RegionCode)),
    label(Region::POSITION, "position", "位置", "position", text!(Position)),
    label(Region::OUTLINE, "outline", "范围", "outline", outline),
];

pub(super) const GRID: &[Label] = &[
    label(Grid::NAME, "name", "名称", "name", plain),
    label(Grid::KIND, "kind", "类型", "kind", code!(GridKind)),
    label(Grid::POLYGON, "polygon", "范围", "outline", outline),
    label(Grid::INSPECTORS, "inspectors", "巡查员", "inspectors", plain),
    label(Grid::RESPONSIBLE, "responsible", "责任人", "responsible", plain),
    label(Grid::NOTE, "note", "备注", "remarks", plain),
    label(Grid::RETIRED, "retired", "停用日期", "retired on", text!(Day)),
];

pub(super) const TEAM: &[Label] = &[
    label(Team::NAME, "name", "名称", "name", plain),
    label(Team::KIND, "kind", "类型", "kind", code!(TeamKind)),
    label(Team::REGION, "region", "所在区域", "region", text!(RegionCode)),
    label(Team::LEADER, "leader", "负责人", "leader", plain),
    label(Team::PHONE, "phone", "值班电话", "phone", plain),
    label(Team::RETIRED, "retired", "已撤销", "retired", yes_no),
    label(Team::NOTE, "note", "备注", "remarks", plain),
    label(Team::NODES, "nodes", "所用节点", "nodes", plain),
];

pub(super) const MEMBER: &[Label] = &[
    label(Member::NAME, "name", "姓名", "name", plain),
    label(Member::TEAM, "team", "队伍", "team", plain),
    label(Member::REGION, "region", "所在区域", "region", text!(RegionCode)),
    label(Member::POST, "post", "岗位", "post", plain),
    label(Member::PHONE, "phone", "工作电话", "phone", plain),
    label(Member::RETIRED, "retired", "已离职", "retired", yes_no),
    label(Member::NOTE, "note", "备注", "remarks", plain),
    // One field for each role; see `Roles`.
    Label {
        first: Member::ROLES,
        last: Member::ROLES + 63,
        key: "roles",
        chinese: "角色",
        english: "role",
        show: yes_no,
    },
];

/// The fields of one record of a document that people have to settle.
pub(super) fn conflicts(content: &Content, record: &[u8], labels: &[Label]) -> Vec<Conflict> {
    let registers = content.records.get(record).into_iter().flatten();
    let registers = registers.filter(|(_, register)| register.is_conflict());
    registers.filter_map(|(number, register)| conflict(content, record, *number, register, labels)).collect()
}

fn label_of(labels: &[Label], number: FieldId) -> Option<&Label> {
    labels.iter().find(|label| (label.first..=label.last).contains(&number))
}

fn conflict(
    content: &Content,
    record: &[u8],
    number: FieldId,
    register: &Register,
    labels: &[Label],
) -> Option<Conflict> {
    let label = label_of(labels, number)?;
    let at = At { record: record.to_vec(), field: number };
    Some(Conflict {
        record: ResidentId::from_slice(record),
        field: label.key,
        chinese: label.chinese,
        english: label.english,
        personal: false,
        values: sides(content, &at, &register.values, label.show),
        at,
    })
}

/// What several said about a field. Offices that said the same are one side.
pub(super) fn sides(
    content: &Content,
    at: &At,
    candidates: &[Candidate],
    show: impl Fn(&Value) -> Words,
) -> Vec<ConflictValue> {
    let mut sides: Vec<ConflictValue> = Vec::new();
    for candidate in candidates {
        let [value, chinese, english] = show(&candidate.value);
        let said = said(content, at, candidate);
        match sides.iter_mut().find(|side| side.value == value) {
            Some(side) => side.said.push(said),
            None => sides.push(ConflictValue { value, chinese, english, since: Some(said.at), said: vec![said] }),
        }
    }
    sides
}

/// Who said what a candidate says, first; their name is found by its assertion.
pub(super) fn said(content: &Content, at: &At, candidate: &Candidate) -> Said {
    let (assertion, time) = content.origin(&at.record, at.field, candidate.assertion);
    said_by(content, at, assertion, time.millis())
}

/// That a statement of a record was made.
pub(super) fn said_by(content: &Content, at: &At, assertion: AssertionId, time: Millis) -> Said {
    let by = content.written_by(&at.record, assertion).map(str::to_owned);
    Said { assertion, node: None, by, at: time }
}

/// A settlement of one of these fields in words; `None` for other fields, about which nobody is asked.
pub(super) fn settlement(content: &Content, settled: &Settled, labels: &[Label]) -> Option<Settlement> {
    let label = label_of(labels, settled.field)?;
    Some(settlement_of(content, settled, (label.key, label.chinese, label.english), label.show))
}

/// A settlement of the field that is called so.
pub(super) fn settlement_of(
    content: &Content,
    settled: &Settled,
    (field, chinese, english): (&'static str, &str, &str),
    show: impl Fn(&Value) -> Words,
) -> Settlement {
    let at = At { record: settled.record.clone(), field: settled.field };
    let [value, value_chinese, value_english] = show(&settled.choice.value);
    let (assertion, time) = (settled.choice.assertion, settled.choice.time.millis());
    let said = vec![said_by(content, &at, assertion, time)];
    Settlement {
        record: ResidentId::from_slice(&settled.record),
        field,
        chinese: chinese.to_owned(),
        english: english.to_owned(),
        personal: false,
        choice: ConflictValue { value, chinese: value_chinese, english: value_english, since: Some(time), said },
        sides: sides(content, &at, &settled.sides, show),
        stands: settled.stands,
        alone: settled.alone,
        at,
    }
}

/// Writes beside each statement which node made it.
pub(super) fn sign<'a>(
    replica: &Replica,
    namespace: NamespaceId,
    document: DocumentId,
    said: impl IntoIterator<Item = &'a mut Said>,
) -> Result<(), StoreError> {
    let said: Vec<&mut Said> = said.into_iter().collect();
    let assertions = said.iter().map(|one| one.assertion).collect();
    let authors = replica.authors_of(namespace, document, &assertions)?;
    said.into_iter().for_each(|one| one.node = authors.get(&one.assertion).copied());
    Ok(())
}

/// Every statement in a document's conflicts.
pub(super) fn said_in(conflicts: &mut [Conflict]) -> impl Iterator<Item = &mut Said> {
    conflicts.iter_mut().flat_map(|conflict| &mut conflict.values).flat_map(|value| &mut value.said)
}

/// Every statement in a document's settlements.
pub(super) fn said_in_settled(settled: &mut [Settlement]) -> impl Iterator<Item = &mut Said> {
    let values = settled.iter_mut().flat_map(|one| one.sides.iter_mut().chain([&mut one.choice]));
    values.flat_map(|value| &mut value.said)
}

fn same(text: String) -> Words {
    [text.clone(), text.clone(), text]
}

/// Any value, as far as it has words.
fn plain(value: &Value) -> Words {
    match value {
        Value::Null => [String::new(), "（已清除）".into(), "(cleared)".into()],
        Value::Bool(truth) => same(truth.to_string()),
        Value::Int(number) => same(number.to_string()),
        Value::Text(text) => same(text.clone()),
        Value::Bytes(bytes) => same(crate::id::hex(bytes)),
    }
}

fn yes_no(value: &Value) -> Words {
    match value {
        Value::Bool(true) => ["true".into(), "是".into(), "yes".into()],
        Value::Bool(false) | Value::Null => ["false".into(), "否".into(), "no".into()],
        Value::Int(_) | Value::Text(_) | Value::Bytes(_) => plain(value),
    }
}

/// Two outlines cannot be told apart in words; when each was drawn stands beside it.
fn outline(value: &Value) -> Words {
    let [value, ..] = plain(value);
    [value, "范围图形".into(), "an outline".into()]
}
