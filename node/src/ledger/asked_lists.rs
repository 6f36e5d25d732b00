//! Lists that are written as the API answers them: each is a path, where its rows stand in the answer, and their columns.
//!
//! What they are found by, what of them is masked and what is noted of that is up to the path itself.

use super::list_columns::{ListColumn, plain, time, word, words};
use super::lists::{ListFormat, ListShape};

/// A list that is asked of the API.
#[derive(Debug)]
pub struct AskedList {
    /// Its name in paths and commands.
    pub name: &'static str,
    chinese: &'static str,
    /// The path that answers it.
    pub path: &'static str,
    /// Where its rows stand in the answer.
    pub rows: &'static str,
    /// Where the place of a row stands in it, if rows have one.
    place: Option<&'static str>,
    /// Whether the path answers a page at a time.
    pub pages: bool,
    /// Whether the path masks what it says of people unless a reason is stated.
    pub reveals: bool,
    columns: &'static [ListColumn],
}

impl AskedList {
    /// The list of a name.
    pub fn of_name(name: &str) -> Option<&'static Self> {
        ASKED.iter().find(|list| list.name == name)
    }

    /// Every one.
    pub fn all() -> &'static [Self] {
        ASKED
    }

    /// The formats in which it can be written: on the map only what has a place.
    pub fn formats(&self) -> &'static [ListFormat] {
        match self.place {
            Some(_) => &[ListFormat::Csv, ListFormat::Xlsx, ListFormat::GeoJson, ListFormat::Gpx],
            None => &[ListFormat::Csv, ListFormat::Xlsx],
        }
    }

    /// How it is written.
    pub fn shape(&self) -> ListShape {
        let (name, described) = match self.columns {
            [name, described, ..] => (name.pointer, described.pointer),
            [] | [_] => ("", ""),
        };
        ListShape {
            title: self.chinese,
            columns: self.columns,
            place: self.place.unwrap_or("/position"),
            waypoint: (name, [described, ""]),
        }
    }

    const fn new(
        (name, chinese): (&'static str, &'static str),
        path: &'static str,
        rows: &'static str,
        columns: &'static [ListColumn],
    ) -> Self {
        Self { name, chinese, path, rows, place: None, pages: false, reveals: false, columns }
    }

    const fn placed(self, place: &'static str) -> Self {
        Self { place: Some(place), ..self }
    }

    const fn paged(self) -> Self {
        Self { pages: true, ..self }
    }

    const fn revealing(self) -> Self {
        Self { reveals: true, ..self }
    }
}

/// A path whose rows stand under `rows`.
const fn rows(names: (&'static str, &'static str), path: &'static str, columns: &'static [ListColumn]) -> AskedList {
    AskedList::new(names, path, "/rows", columns)
}

const ASKED: &[AskedList] = &[
    rows(("grids", "网格"), "/v1/grids", GRIDS).paged(),
    rows(("moves", "人员移交"), "/v1/moves", MOVES).paged().revealing(),
    rows(("same-people", "疑似同一人"), "/v1/same-people", SAME_PEOPLE).paged().revealing(),
    rows(("conflicts", "待裁定冲突"), "/v1/conflicts", CONFLICTS).paged().revealing(),
    rows(("settled-conflicts", "已裁定冲突"), "/v1/conflicts/settled", SETTLED).paged().revealing(),
    rows(("duplicate-cases", "疑似重复案卷"), "/v1/cases/duplicates", CASES_BEHIND).placed("/position"),
    rows(("escalations", "升级提醒"), "/v1/escalations", ESCALATIONS).placed("/position"),
    rows(("positions", "单位位置"), "/v1/positions", POSITIONS).placed("/position"),
    rows(("tracks", "轨迹"), "/v1/tracks", TRACKS).paged(),
    AskedList::new(("coverage", "巡查覆盖"), "/v1/coverage", "/grids", COVERAGE),
    rows(("counts", "各村居数量"), "/v1/counts", COUNTS),
    rows(("completeness", "数据完整性"), "/v1/completeness/regions", COMPLETENESS),
    rows(("delivery", "送达"), "/v1/delivery", DELIVERY),
    rows(("access-log", "查看记录"), "/v1/reveals", REVEALS).paged(),
    AskedList::new(("attendance", "出勤"), "/v1/staffing", "/people", ATTENDANCE),
    AskedList::new(("posts", "岗位"), "/v1/staffing", "/posts", POSTS),
    AskedList::new(("assessment", "考核"), "/v1/assessment", "/groups", ASSESSMENT),
    rows(("assessment-cases", "考核案卷"), "/v1/assessment/cases", CASES_BEHIND).placed("/position").paged(),
    rows(("scores", "评分"), "/v1/scores", SCORES),
    rows(("score-cases", "评分案卷"), "/v1/scores/cases", CASES_BEHIND).placed("/position").paged(),
    rows(("hot-spots", "热点"), "/v1/analysis/hot-spots", HOT_SPOTS).placed("/centre"),
    rows(("hot-spot-cases", "热点案卷"), "/v1/analysis/hot-spots/cases", CASES_BEHIND).placed("/position").paged(),
    rows(("trend-cases", "趋势案卷"), "/v1/analysis/trend/cases", CASES_BEHIND).placed("/position").paged(),
    rows(("intervals", "用时"), "/v1/analysis/intervals", INTERVALS),
    rows(("interval-cases", "用时案卷"), "/v1/analysis/intervals/cases", CASES_BEHIND).placed("/position").paged(),
    rows(("recurrence", "反复发生"), "/v1/analysis/recurrence", RECURRENCE).placed("/position"),
    AskedList::new(("hazard-statistics", "隐患统计"), "/v1/analysis/hazards", "/groups", HAZARDS),
    AskedList::new(("population", "人口"), "/v1/analysis/population", "/regions", POPULATION),
    rows(("proposals", "专项建议"), "/v1/analysis/proposals", PROPOSALS).placed("/centre"),
    AskedList::new(("strange-vehicles", "未登记车辆"), CONTRADICTIONS, "/vehicles", VEHICLES).revealing(),
    AskedList::new(("unknown-people", "未登记人员"), CONTRADICTIONS, "/people", PEOPLE).revealing(),
    AskedList::new(("rental-faults", "出租房问题"), CONTRADICTIONS, "/rentals", RENTALS).revealing(),
    AskedList::new(("crowded-doors", "人多于登记的出租房"), CONTRADICTIONS, "/doors", DOORS).revealing(),
    AskedList::new(("grid-plan", "网格划分"), "/v1/analysis/grids", "/grids", GRID_PLAN),
    AskedList::new(("grid-gaps", "无网格地块"), "/v1/analysis/grids", "/ground/gaps", GAPS),
    rows(("invites", "邀请"), "/v1/invites", INVITES),
    rows(("authorities", "授权"), "/v1/authorities", AUTHORITIES),
];

const CONTRADICTIONS: &str = "/v1/analysis/contradictions";

const REGION: ListColumn = plain("/region", "村居代码");
const DOCUMENT: ListColumn = plain("/document", "标识");
const GROUP: ListColumn = plain("/group", "分组");
const NAME: ListColumn = plain("/name", "名称");
const LATITUDE: ListColumn = plain("/position/lat", "纬度");
const LONGITUDE: ListColumn = plain("/position/lon", "经度");
const CENTRE: [ListColumn; 2] = [plain("/centre/lat", "纬度"), plain("/centre/lon", "经度")];

const GRIDS: &[ListColumn] = &[
    REGION,
    plain("/code", "网格编号"),
    NAME,
    word("/kind", "类型", words::grid_kind),
    plain("/inspectors", "巡查员"),
    plain("/responsible", "责任人"),
    plain("/hectares", "公顷"),
    plain("/retired", "停用日期"),
    plain("/note", "备注"),
    DOCUMENT,
];

const MOVES: &[ListColumn] = &[
    plain("/from", "移出村居"),
    plain("/to", "移入村居"),
    plain("/person/name", "姓名"),
    plain("/person/phone", "电话"),
    plain("/state", "状态"),
    plain("/day", "日期"),
    time("/given_ms", "移交时间"),
    time("/changed_ms", "最近变化"),
    plain("/reason", "原因"),
    DOCUMENT,
];

const SAME_PEOPLE: &[ListColumn] = &[
    plain("/first/region", "甲村居"),
    plain("/first/address", "甲门牌号"),
    plain("/first/person/name", "甲姓名"),
    plain("/second/region", "乙村居"),
    plain("/second/address", "乙门牌号"),
    plain("/second/person/name", "乙姓名"),
    plain("/ground", "依据"),
    plain("/answer", "判定"),
    plain("/contested", "判定不一"),
    DOCUMENT,
];

const CONFLICTS: &[ListColumn] = &[
    REGION,
    plain("/chinese", "冲突"),
    plain("/kind", "种类"),
    plain("/subject", "对象"),
    plain("/place", "地点"),
    plain("/number", "案卷编号"),
    plain("/document_kind", "记录种类"),
    DOCUMENT,
    plain("/id", "冲突标识"),
];

const SETTLED: &[ListColumn] = &[
    REGION,
    plain("/chinese", "冲突"),
    plain("/choice/chinese", "裁定"),
    time("/settled_ms", "裁定时间"),
    plain("/subject", "对象"),
    plain("/place", "地点"),
    plain("/stands", "有效"),
    plain("/undoable", "可撤销"),
    DOCUMENT,
    plain("/id", "裁定标识"),
];

const CASES_BEHIND: &[ListColumn] = &[
    plain("/number", "案卷编号"),
    plain("/place", "地点"),
    REGION,
    word("/state", "状态", words::case_state),
    word("/source", "来源", words::source),
    plain("/category", "类别"),
    word("/severity", "程度", words::severity),
    plain("/description", "情况"),
    LATITUDE,
    LONGITUDE,
    plain("/reported_by", "上报人"),
    time("/reported_ms", "上报时间"),
    time("/filed_ms", "立案时间"),
    word("/lamp", "灯", words::lamp),
    time("/due_ms", "到期"),
    time("/closed_ms", "结案时间"),
    plain("/rework", "返工次数"),
    plain("/document", "案卷标识"),
];

const ESCALATIONS: &[ListColumn] = &[
    plain("/number", "案卷编号"),
    plain("/place", "地点"),
    REGION,
    word("/role", "提醒岗位", words::role),
    plain("/team", "队伍"),
    plain("/used_percent", "已用时限 %"),
    plain("/percent", "提醒时限 %"),
    word("/state", "状态", words::case_state),
    word("/lamp", "灯", words::lamp),
    time("/due_ms", "到期"),
    LATITUDE,
    LONGITUDE,
    plain("/document", "案卷标识"),
];

const POSITIONS: &[ListColumn] = &[
    plain("/name", "单位"),
    plain("/role", "角色"),
    time("/at_ms", "时间"),
    LATITUDE,
    LONGITUDE,
    plain("/available", "可派"),
    plain("/stale", "过时"),
    plain("/crew/open_orders", "未完任务"),
    plain("/distance_m", "距离（米）"),
    plain("/node", "节点"),
];

const TRACKS: &[ListColumn] = &[
    plain("/day", "日期"),
    plain("/node", "节点"),
    REGION,
    plain("/metres", "米"),
    plain("/count", "点数"),
    time("/from_ms", "始"),
    time("/until_ms", "止"),
    DOCUMENT,
];

const COVERAGE: &[ListColumn] = &[
    REGION,
    plain("/code", "网格编号"),
    NAME,
    plain("/percent", "覆盖率 %"),
    plain("/visited", "到过的格"),
    plain("/cells", "格数"),
    plain("/units", "单位数"),
    time("/first_ms", "最早"),
    time("/last_ms", "最晚"),
];

const COUNTS: &[ListColumn] = &[
    REGION,
    NAME,
    plain("/households", "户数"),
    plain("/residents", "人数"),
    plain("/yellow", "黄牌"),
    plain("/red", "红牌"),
    plain("/conflicts", "待裁定"),
];

const COMPLETENESS: &[ListColumn] =
    &[REGION, NAME, plain("/kind", "数据"), time("/complete_to_ms", "完整至"), plain("/except", "除外节点")];

const DELIVERY: &[ListColumn] = &[
    plain("/name", "节点名称"),
    plain("/role", "角色"),
    plain("/access", "权限"),
    plain("/delivered", "已送达"),
    plain("/waiting", "待送条数"),
    plain("/overdue", "逾期"),
    plain("/reason", "原因"),
    time("/heard_ms", "最近联系"),
    plain("/node", "节点"),
];

const REVEALS: &[ListColumn] = &[
    time("/time_ms", "时间"),
    plain("/user", "用户"),
    plain("/peer", "来源"),
    plain("/kind", "内容"),
    plain("/reason", "理由"),
    plain("/count", "条数"),
    plain("/documents", "记录"),
];

const ATTENDANCE: &[ListColumn] = &[
    plain("/member", "人员编号"),
    plain("/team", "队伍"),
    plain("/post", "岗位"),
    plain("/shifts", "班次"),
    plain("/attended", "出勤"),
    plain("/missed", "缺勤"),
    plain("/late", "迟到"),
    plain("/left_early", "早退"),
    plain("/minutes", "分钟"),
    plain("/planned_minutes", "应在分钟"),
    plain("/metres", "巡查米数"),
    plain("/orders", "任务数"),
];

const POSTS: &[ListColumn] = &[
    REGION,
    plain("/post", "岗位"),
    plain("/standard", "标准"),
    plain("/required", "应有"),
    plain("/filled", "实有"),
    plain("/missing", "缺"),
    plain("/members", "人员"),
];

const ASSESSMENT: &[ListColumn] = &[
    plain("/rank", "名次"),
    GROUP,
    plain("/due", "应结"),
    plain("/closed", "已结"),
    plain("/closed_in_time", "按期结"),
    plain("/overdue", "逾期未结"),
    plain("/rates/closing", "结案率 %"),
    plain("/rates/on_time_closing", "按期结案率 %"),
    plain("/filed", "立案"),
    plain("/reports", "上报"),
    plain("/valid_reports", "有效上报"),
    plain("/missed", "漏报"),
    plain("/reworked", "返工"),
    plain("/rates/rework", "返工率 %"),
    plain("/rates/satisfaction", "满意率 %"),
    plain("/rates/solution", "解决率 %"),
];

const SCORES: &[ListColumn] =
    &[plain("/rank", "名次"), plain("/subject", "编号"), plain("/score", "得分"), plain("/grade", "等级")];

const HOT_SPOTS: &[ListColumn] = &[
    plain("/square", "方格"),
    plain("/weight", "权重"),
    plain("/cases", "案卷"),
    plain("/hazards", "隐患"),
    plain("/events", "事件"),
    plain("/alarms", "报警"),
    CENTRE[0],
    CENTRE[1],
];

const INTERVALS: &[ListColumn] = &[
    GROUP,
    plain("/orders", "派遣单"),
    plain("/found_to_report/median_s", "发现到上报中位（秒）"),
    plain("/report_to_order/median_s", "上报到派遣中位（秒）"),
    plain("/report_to_person/median_s", "上报到人中位（秒）"),
    plain("/order_to_acknowledged/median_s", "派遣到签收中位（秒）"),
    plain("/person_to_scene/median_s", "到人到到场中位（秒）"),
    plain("/order_to_scene/median_s", "派遣到到场中位（秒）"),
    plain("/to_arrive", "应按时到场"),
    plain("/arrived_in_time", "按时到场"),
    plain("/arrived_in_time_percent", "按时到场率 %"),
];

const RECURRENCE: &[ListColumn] = &[
    plain("/place", "地点"),
    plain("/words/0", "问题"),
    REGION,
    plain("/count", "次数"),
    plain("/reopened", "重开"),
    time("/first_ms", "首次"),
    time("/last_ms", "最近"),
    plain("/intervals_days", "间隔（天）"),
    LATITUDE,
    LONGITUDE,
    plain("/household", "户标识"),
];

const HAZARDS: &[ListColumn] = &[
    GROUP,
    NAME,
    plain("/found", "发现"),
    plain("/open", "未整改"),
    plain("/overdue", "超期"),
    plain("/rectified", "已整改"),
    plain("/rechecked", "已复查"),
    plain("/median_days", "中位整改天数"),
    plain("/mean_days", "平均整改天数"),
    plain("/inspected", "已检查户"),
    plain("/households", "户数"),
    plain("/inspected_share", "检查率 %"),
];

const POPULATION: &[ListColumn] = &[
    REGION,
    NAME,
    plain("/people", "人数"),
    plain("/registered", "户籍"),
    plain("/migrant", "流动"),
    plain("/overseas", "境外"),
    plain("/moved_in", "迁入"),
    plain("/moved_out", "迁出"),
    plain("/households", "户数"),
    plain("/rentals", "出租"),
    plain("/tenants", "租客"),
    plain("/tenants_per_rental", "每户租客"),
    plain("/over_limit", "超员"),
];

const PROPOSALS: &[ListColumn] = &[
    plain("/square", "方格"),
    plain("/words/0", "问题"),
    REGION,
    plain("/form", "处置形式"),
    plain("/reason/0", "理由"),
    plain("/count", "起数"),
    plain("/places", "处数"),
    plain("/households", "户数"),
    CENTRE[0],
    CENTRE[1],
];

const VEHICLES: &[ListColumn] =
    &[REGION, plain("/plate", "车牌"), plain("/days", "天数"), plain("/passages", "次数"), time("/last_ms", "最近")];

const PEOPLE: &[ListColumn] = &[
    REGION,
    plain("/seen", "常见人数"),
    word("/by", "依据", words::seen_by),
    plain("/residents", "登记人数"),
    plain("/unknown", "多出"),
];

const RENTALS: &[ListColumn] = &[
    REGION,
    plain("/address", "门牌号"),
    plain("/number", "户序号"),
    word("/fault", "问题", words::rental_fault),
    plain("/residents", "登记人数"),
    plain("/tenant_limit", "限住人数"),
    plain("/document", "户标识"),
];

const DOORS: &[ListColumn] = &[
    REGION,
    plain("/address", "门牌号"),
    plain("/households", "户数"),
    plain("/seen", "常见人数"),
    word("/by", "依据", words::seen_by),
    plain("/residents", "登记人数"),
    plain("/unknown", "多出"),
];

const GRID_PLAN: &[ListColumn] = &[
    REGION,
    plain("/code", "网格编号"),
    NAME,
    word("/kind", "类型", words::grid_kind),
    plain("/households", "户数"),
    plain("/hectares", "公顷"),
    plain("/inspectors", "巡查员数"),
    plain("/inspectors_needed", "应有巡查员"),
    word("/fit", "结论", words::grid_fit),
];

const GAPS: &[ListColumn] = &[
    REGION,
    plain("/hectares", "公顷"),
    plain("/percent", "占比 %"),
    plain("/southwest/lat", "南纬度"),
    plain("/southwest/lon", "西经度"),
    plain("/northeast/lat", "北纬度"),
    plain("/northeast/lon", "东经度"),
];

const INVITES: &[ListColumn] = &[
    NAME,
    plain("/role", "角色"),
    plain("/regions", "村居"),
    plain("/carries", "携带"),
    plain("/state", "状态"),
    time("/valid_until_ms", "有效至"),
    plain("/id", "邀请标识"),
];

const AUTHORITIES: &[ListColumn] = &[
    NAME,
    plain("/revoked", "已注销"),
    time("/valid_until_ms", "有效至"),
    plain("/open_invites", "未用邀请"),
    plain("/id", "授权标识"),
];
