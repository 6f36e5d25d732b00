//! Checklists: what an inspection asks. Rows of tables that a town may change ([`tables`](super::tables)); what it starts
//! with is below.

use serde::Serialize;

use super::codes::coded;

/// Most items of a checklist that one inspection answers.
pub const MAX_ITEMS: usize = 256;

coded! {
    /// How serious a hazard is.
    pub enum Grade: "hazard grade" {
        /// Put right soon.
        General = 1, "general", "一般", "general";
        /// Put right within days.
        Major = 2, "major", "较大", "major";
        /// Danger to life: put right at once.
        Severe = 3, "severe", "重大", "severe";
    }
}

/// One question of a checklist. Its code is never given to another question of the same checklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChecklistItem {
    /// Stable number within the checklist.
    pub code: u16,
    /// The hazard in Simplified Chinese.
    pub chinese: String,
    /// The hazard in English.
    pub english: String,
    /// How serious it usually is.
    pub grade: Grade,
}

/// A checklist pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checklist {
    /// Stable number of the pack, by which inspections refer to it.
    pub id: u16,
    /// Title in Simplified Chinese.
    pub chinese: String,
    /// Title in English.
    pub english: String,
    /// The questions in the order of asking.
    pub items: Vec<ChecklistItem>,
}

impl Checklist {
    /// Number of the default pack for households: electricity and fire.
    pub const HOUSEHOLD: u16 = 1;
    /// Number of the default pack for villages: environment and illegal building.
    pub const VILLAGE: u16 = 2;
    /// Number of the default pack for land outside: bare ground, rushed planting or building.
    pub const OUTSIDE: u16 = 3;

    /// The packs that a town starts with.
    pub fn defaults() -> Vec<Self> {
        DEFAULTS.iter().map(Self::of_rows).collect()
    }

    /// The default pack for households.
    pub fn household() -> Self {
        Self::of_rows(&HOUSEHOLD_ROWS)
    }

    /// The question with this code.
    pub fn item(&self, code: u16) -> Option<&ChecklistItem> {
        self.items.iter().find(|item| item.code == code)
    }

    fn of_rows((id, chinese, english, rows): &PackRows) -> Self {
        let items = rows.iter().map(|(code, grade, chinese, english)| ChecklistItem {
            code: *code,
            chinese: (*chinese).to_owned(),
            english: (*english).to_owned(),
            grade: *grade,
        });
        Self { id: *id, chinese: (*chinese).to_owned(), english: (*english).to_owned(), items: items.collect() }
    }
}

type ItemRow = (u16, Grade, &'static str, &'static str);
type PackRows = (u16, &'static str, &'static str, &'static [ItemRow]);

const DEFAULTS: [PackRows; 3] = [HOUSEHOLD_ROWS, VILLAGE_ROWS, OUTSIDE_ROWS];

const HOUSEHOLD_ROWS: PackRows = (
    Checklist::HOUSEHOLD,
    "入户用电消防检查",
    "household electricity and fire",
    &[
        (1, Grade::Severe, "彩钢板（泡沫夹芯）隔断", "foam-core panel partitions"),
        (2, Grade::Severe, "安全出口或疏散通道堵塞", "blocked exits"),
        (3, Grade::Major, "外窗防护栏不能开启", "window bars that cannot open"),
        (4, Grade::Severe, "电动自行车室内停放或充电", "e-bike charged indoors"),
        (5, Grade::Major, "厨房以外使用液化气罐", "LPG outside the kitchen"),
        (6, Grade::Major, "电线无保护或私拉乱接", "unprotected or spliced wiring"),
        (7, Grade::Major, "以铜丝等代替保险丝", "fuse substitutes"),
        (8, Grade::Major, "厨房、阳台、地下室出租住人", "kitchen, balcony or basement let as bedroom"),
        (9, Grade::Major, "可燃材料隔断", "combustible partitions"),
        (10, Grade::General, "未配备灭火器", "no extinguisher"),
        (11, Grade::General, "灭火器过期或失效", "expired extinguisher"),
        (12, Grade::Major, "租住人数超过面积标准", "too many tenants for the area"),
    ],
);

const VILLAGE_ROWS: PackRows = (
    Checklist::VILLAGE,
    "村内环境与违法建设检查",
    "village environment and illegal building",
    &[
        (1, Grade::General, "暴露垃圾", "exposed rubbish"),
        (2, Grade::General, "堆放渣土", "heaped rubble"),
        (3, Grade::General, "道路不洁", "dirty road"),
        (4, Grade::Major, "违法建设", "illegal building"),
        (5, Grade::Major, "消防通道被占", "fire lane obstructed"),
        (6, Grade::Major, "露天焚烧", "open burning"),
    ],
);

const OUTSIDE_ROWS: PackRows = (
    Checklist::OUTSIDE,
    "村外地块检查",
    "land outside",
    &[
        (1, Grade::General, "裸露地面未苫盖", "bare ground left uncovered"),
        (2, Grade::General, "抢栽抢种", "rushed planting"),
        (3, Grade::Major, "抢建", "rushed building"),
        (4, Grade::Major, "倾倒渣土垃圾", "dumped rubble or rubbish"),
    ],
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_packs_have_distinct_codes() {
        for checklist in Checklist::defaults() {
            let codes: std::collections::BTreeSet<u16> = checklist.items.iter().map(|item| item.code).collect();
            assert_eq!(codes.len(), checklist.items.len());
        }
        assert_eq!(Checklist::household().items.len(), 12);
        assert_eq!(Checklist::household().item(4).unwrap().english, "e-bike charged indoors");
    }
}
