//! Checklists: what an inspection asks. A replicated table that a town may replace; the defaults are below.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::codes::coded;
use super::immutable::{self, Immutable, ImmutableError, Limit};

/// Most items of a checklist.
pub const MAX_ITEMS: usize = 256;
/// Longest title or question, in bytes of UTF-8.
pub const MAX_TEXT_BYTES: usize = 300;

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
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct ChecklistItem {
    /// Stable number within the checklist.
    #[n(0)]
    pub code: u16,
    /// The hazard in Simplified Chinese.
    #[n(1)]
    pub chinese: String,
    /// The hazard in English.
    #[n(2)]
    pub english: String,
    /// How serious it usually is.
    #[n(3)]
    pub grade: Grade,
}

/// A checklist pack. Encoded as in [`immutable`], with the keys given in the source.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Checklist {
    /// Stable number of the pack, by which inspections refer to it.
    #[n(0)]
    pub id: u16,
    /// Title in Simplified Chinese.
    #[n(1)]
    pub chinese: String,
    /// Title in English.
    #[n(2)]
    pub english: String,
    /// The questions in the order of asking.
    #[n(3)]
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

    /// The bytes to store.
    pub fn encode(&self) -> Result<Vec<u8>, ImmutableError> {
        immutable::encode(self)
    }

    /// The checklist of these bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, ImmutableError> {
        let checklist: Self = immutable::decode(bytes)?;
        let codes: std::collections::BTreeSet<u16> = checklist.items.iter().map(|item| item.code).collect();
        if codes.len() != checklist.items.len() {
            return Err(ImmutableError::Malformed { what: Self::WHAT, reason: "two items have one code".to_owned() });
        }
        Ok(checklist)
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

impl Immutable for Checklist {
    const WHAT: &'static str = "checklist";
    const MAX_BYTES: usize = 64 * 1024;

    fn limits(&self) -> Vec<Limit> {
        let texts = self.items.iter().flat_map(|item| [&item.chinese, &item.english]);
        let longest = texts.chain([&self.chinese, &self.english]).map(String::len).max().unwrap_or_default();
        vec![("items", self.items.len(), MAX_ITEMS), ("bytes in one text", longest, MAX_TEXT_BYTES)]
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
    use proptest::prelude::*;

    #[test]
    fn the_default_packs_round_trip_with_distinct_codes() {
        for checklist in Checklist::defaults() {
            assert_eq!(Checklist::decode(&checklist.encode().unwrap()), Ok(checklist));
        }
        assert_eq!(Checklist::household().items.len(), 12);
        assert_eq!(Checklist::household().item(4).unwrap().english, "e-bike charged indoors");
    }

    #[test]
    fn a_replaced_pack_must_keep_codes_apart_and_within_the_limits() {
        let mut pack = Checklist::household();
        pack.items.push(pack.items[0].clone());
        assert!(Checklist::decode(&pack.encode().unwrap()).unwrap_err().to_string().contains("two items"));
        pack.items[0].chinese = "长".repeat(101);
        assert!(pack.encode().unwrap_err().to_string().contains("303 bytes in one text, 300 are allowed"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(version) = bytes.first_mut() { *version = 1; }
            let _ = Checklist::decode(&bytes);
        }
    }
}
