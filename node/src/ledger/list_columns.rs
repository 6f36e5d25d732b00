//! The columns in which each list is written.

use serde_json::Value;
use townmesh_crdt::domain::case::{CaseState, Lamp, Means, OrderKind, OrderStatus, Severity, Source};
use townmesh_crdt::domain::checklist::Grade;
use townmesh_crdt::domain::device::{DeviceKind, Protocol};
use townmesh_crdt::domain::door_tag::TagRetirement;
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::hazard::HazardState;
use townmesh_crdt::domain::region::RegionKind;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::town::{GridKind, TeamKind};

use super::lists::ListKind;
use super::sheet::SheetCell;
use crate::moment::in_town;

/// How a value is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// As it stands; lists joined.
    Plain,
    /// Milliseconds since 1970, as people of the town read them.
    Time,
    /// A word in Chinese; `None` for one that this version does not know, which is written as it stands.
    Word(fn(&str) -> Option<&'static str>),
}

/// A column: where its value stands in the row's JSON, its title, how it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListColumn {
    pub(super) pointer: &'static str,
    pub(super) title: &'static str,
    shape: Shape,
}

/// Words in Chinese.
pub(super) mod words {
    macro_rules! of {
        ($($name:ident: $kind:ident),+) => { $(
            pub(in super::super) fn $name(key: &str) -> Option<&'static str> {
                match key.parse::<super::$kind>() {
                    Ok(super::$kind::Unknown(_)) | Err(_) => None,
                    Ok(word) => Some(word.chinese()),
                }
            }
        )+ };
    }
    of!(grid_kind: GridKind, case_state: CaseState, dwelling_use: DwellingUse, lamp: Lamp, means: Means, order_kind: OrderKind, order_status: OrderStatus,
        severity: Severity, source: Source, grade: Grade, device_kind: DeviceKind, protocol: Protocol,
        hazard_state: HazardState, region_kind: RegionKind, role: Role, tag_retirement: TagRetirement, team_kind: TeamKind);

    /// The mark on a door.
    pub(in super::super) fn door_mark(key: &str) -> Option<&'static str> {
        match key {
            "green" => Some("绿"),
            "yellow" => Some("黄"),
            "red" => Some("红"),
            _ => None,
        }
    }

    /// Whether a door tag counts.
    pub(in super::super) fn tag_state(key: &str) -> Option<&'static str> {
        match key {
            "standing" => Some("在用"),
            "retired" => Some("停用"),
            _ => None,
        }
    }

    /// How people behind a gate are known.
    pub(in super::super) fn seen_by(key: &str) -> Option<&'static str> {
        match key {
            "identified" => Some("识别"),
            "counted" => Some("计数推算"),
            _ => None,
        }
    }

    /// What is wrong with what is entered of a rental.
    pub(in super::super) fn rental_fault(key: &str) -> Option<&'static str> {
        match key {
            "too_many" => Some("超员"),
            "nobody" => Some("无人登记"),
            _ => None,
        }
    }

    /// Whether a grid keeps the rule.
    pub(in super::super) fn grid_fit(key: &str) -> Option<&'static str> {
        match key {
            "fits" => Some("符合"),
            "too_few" => Some("偏小"),
            "too_much" => Some("偏大"),
            "unknown" => Some("无法判断"),
            _ => None,
        }
    }
}

pub(super) const fn plain(pointer: &'static str, title: &'static str) -> ListColumn {
    ListColumn { pointer, title, shape: Shape::Plain }
}

pub(super) const fn time(pointer: &'static str, title: &'static str) -> ListColumn {
    ListColumn { pointer, title, shape: Shape::Time }
}

pub(super) const fn word(
    pointer: &'static str,
    title: &'static str,
    of: fn(&str) -> Option<&'static str>,
) -> ListColumn {
    ListColumn { pointer, title, shape: Shape::Word(of) }
}

const LATITUDE: ListColumn = plain("/position/lat", "纬度");
const LONGITUDE: ListColumn = plain("/position/lon", "经度");

const CASES: &[ListColumn] = &[
    plain("/number", "案卷编号"),
    plain("/region", "村居代码"),
    word("/state", "状态", words::case_state),
    word("/source", "来源", words::source),
    plain("/category", "类别"),
    word("/severity", "程度", words::severity),
    plain("/place", "地点"),
    plain("/description", "情况"),
    LATITUDE,
    LONGITUDE,
    plain("/reported_by", "上报人"),
    time("/found_ms", "发现时间"),
    time("/reported_ms", "上报时间"),
    time("/filed_ms", "立案时间"),
    word("/lamp", "灯", words::lamp),
    time("/due_ms", "到期"),
    time("/handled_ms", "处置完成"),
    time("/closed_ms", "结案时间"),
    plain("/supervised", "督办待回复"),
    time("/reply_due_ms", "督办时限"),
    plain("/waits", "待办事项"),
    plain("/rework", "返工次数"),
    plain("/conflicts", "待裁定冲突"),
    plain("/document", "案卷标识"),
];

const ORDERS: &[ListColumn] = &[
    plain("/number", "派遣单编号"),
    plain("/team", "队伍"),
    plain("/person", "人员"),
    plain("/task", "任务"),
    word("/kind", "方式", words::order_kind),
    plain("/lead", "牵头"),
    word("/status", "状态", words::order_status),
    time("/sent_ms", "派出时间"),
    plain("/sent_by", "派遣人"),
    word("/conveyed_by", "传达方式", words::means),
    time("/conveyed_ms", "传达时间"),
    plain("/result", "处置结果"),
    plain("/done_by", "处置人"),
    time("/done_ms", "完成时间"),
    plain("/case", "案卷标识"),
];

const DWELLINGS: &[ListColumn] = &[
    plain("/region", "村居代码"),
    plain("/address", "门牌号"),
    word("/use", "居住类型", words::dwelling_use),
    plain("/rooms", "间数"),
    plain("/storeys", "层数"),
    plain("/area_dm2", "面积（平方分米）"),
    plain("/built", "建成年份"),
    plain("/grid", "网格"),
    word("/mark", "隐患标记", words::door_mark),
    plain("/households", "户数"),
    plain("/owner/name", "房主"),
    plain("/owner/phone", "房主电话"),
    plain("/gone", "拆除日期"),
    plain("/conflicts", "待裁定冲突"),
    LATITUDE,
    LONGITUDE,
    plain("/note", "备注"),
    plain("/document", "房屋标识"),
];

const HAZARDS: &[ListColumn] = &[
    plain("/region", "村居代码"),
    plain("/address", "门牌号"),
    plain("/checklist", "检查表"),
    plain("/item", "检查项"),
    word("/grade", "等级", words::grade),
    word("/state", "状态", words::hazard_state),
    plain("/found_by", "发现人"),
    time("/found_ms", "发现时间"),
    time("/due_ms", "整改期限"),
    plain("/rectified_by", "整改人"),
    plain("/rechecked_by", "复查人"),
    time("/changed_ms", "最近变化"),
    plain("/occurrence", "第几次发现"),
    LATITUDE,
    LONGITUDE,
    plain("/note", "备注"),
    plain("/case", "案卷标识"),
    plain("/document", "隐患标识"),
];

const INSPECTIONS: &[ListColumn] = &[
    time("/time_ms", "检查时间"),
    plain("/inspector", "检查人"),
    plain("/checklist", "检查表"),
    plain("/answers", "检查结果"),
    plain("/hazards", "隐患数"),
    plain("/photos", "照片"),
    plain("/note", "备注"),
    plain("/void", "无效"),
    plain("/household", "户标识"),
    plain("/record", "记录标识"),
];

const DEVICES: &[ListColumn] = &[
    plain("/code", "设备编号"),
    plain("/name", "名称"),
    word("/kind", "类型", words::device_kind),
    word("/protocol", "协议", words::protocol),
    plain("/region", "村居代码"),
    plain("/place", "位置"),
    LATITUDE,
    LONGITUDE,
    plain("/owner", "维护队伍"),
    plain("/silence_limit_s", "失联判定秒数"),
    plain("/retired", "停用"),
    time("/last_heard_ms", "最近上报"),
];

const EVENTS: &[ListColumn] = &[
    time("/time_ms", "时间"),
    plain("/device", "设备编号"),
    plain("/region", "村居代码"),
    plain("/kind", "事件"),
    plain("/value", "数值"),
    plain("/alarm", "报警"),
    LATITUDE,
    LONGITUDE,
    plain("/event", "事件标识"),
];

const DOOR_TAGS: &[ListColumn] = &[
    plain("/code", "门牌编号"),
    plain("/region", "村居代码"),
    plain("/address", "门牌号"),
    plain("/entrance", "第几扇门"),
    word("/state", "状态", words::tag_state),
    time("/issued_ms", "制作时间"),
    plain("/issuer", "制作节点"),
    time("/retired_ms", "停用时间"),
    word("/retired_why", "停用原因", words::tag_retirement),
    plain("/replaced_by", "替换为"),
    LATITUDE,
    LONGITUDE,
    plain("/token", "二维码内容"),
    plain("/dwelling", "房屋标识"),
    plain("/tag", "门牌标识"),
];

const MEMBERS: &[ListColumn] = &[
    plain("/code", "人员编号"),
    plain("/name", "姓名"),
    plain("/team", "队伍"),
    plain("/region", "村居代码"),
    plain("/post", "岗位"),
    plain("/phone", "工作电话"),
    word("/roles", "角色", words::role),
    plain("/retired", "离岗"),
];

const TEAMS: &[ListColumn] = &[
    plain("/code", "队伍编号"),
    plain("/name", "名称"),
    word("/kind", "类型", words::team_kind),
    plain("/region", "村居代码"),
    plain("/leader", "负责人"),
    plain("/phone", "值班电话"),
    plain("/retired", "撤销"),
];

const REGIONS: &[ListColumn] = &[
    plain("/code", "区划代码"),
    plain("/name", "名称"),
    word("/kind", "类型", words::region_kind),
    plain("/parent", "上级"),
    LATITUDE,
    LONGITUDE,
];

/// The columns of a list.
pub(super) const fn columns(list: ListKind) -> &'static [ListColumn] {
    match list {
        ListKind::Cases => CASES,
        ListKind::Orders => ORDERS,
        ListKind::Dwellings => DWELLINGS,
        ListKind::Hazards => HAZARDS,
        ListKind::Inspections => INSPECTIONS,
        ListKind::Devices => DEVICES,
        ListKind::Events => EVENTS,
        ListKind::DoorTags => DOOR_TAGS,
        ListKind::Members => MEMBERS,
        ListKind::Teams => TEAMS,
        ListKind::Regions => REGIONS,
    }
}

impl ListColumn {
    /// The cell of a row.
    pub(super) fn cell(&self, row: &Value) -> SheetCell {
        let Some(value) = row.pointer(self.pointer) else { return SheetCell::Blank };
        match (self.shape, value) {
            (Shape::Time, Value::Number(number)) => number.as_i64().map(in_town).into(),
            (Shape::Plain, Value::Number(number)) => number.as_f64().map_or(SheetCell::Blank, SheetCell::Number),
            (_, Value::Null) => SheetCell::Blank,
            (_, value) => Some(self.text(value)).into(),
        }
    }

    fn text(&self, value: &Value) -> String {
        match (value, self.shape) {
            (Value::String(text), Shape::Word(of)) => of(text).map_or_else(|| text.clone(), ToOwned::to_owned),
            (Value::String(text), Shape::Plain | Shape::Time) => text.clone(),
            (Value::Bool(true), _) => "是".to_owned(),
            (Value::Bool(false), _) => "否".to_owned(),
            (Value::Array(values), _) => values.iter().map(|value| self.text(value)).collect::<Vec<_>>().join("、"),
            (Value::Null, _) => String::new(),
            (Value::Number(_) | Value::Object(_), _) => value.to_string(),
        }
    }
}
