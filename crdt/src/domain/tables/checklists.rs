//! What inspections ask.

use super::{Shipped, row};
use crate::domain::checklist::{Checklist, Grade};
use crate::domain::columns::words;
use crate::domain::input::{self, InputError};

words!(Grade);

row! {
    /// A checklist (检查表).
    pub struct ChecklistRow of Checklist {
        key {
            /// Its number, by which inspections refer to it.
            1 ID id: u16 = "检查表编号", "checklist";
        }
        required {
            /// Its title in Chinese.
            2 CHINESE chinese: String = "名称", "name";
        }
        optional {
            /// Its title in English.
            3 ENGLISH english: String = "英文名称", "name in English";
        }
    }
}

row! {
    /// A question of a checklist (检查项). Its number is never given to another question.
    pub struct ChecklistItemRow of ChecklistItem {
        key {
            /// Number of the checklist.
            1 CHECKLIST checklist: u16 = "检查表编号", "checklist";
            /// Its number within the checklist.
            2 CODE code: u16 = "检查项编号", "item";
        }
        required {
            /// The hazard in Chinese.
            3 CHINESE chinese: String = "隐患", "hazard";
            /// How serious it usually is.
            4 GRADE grade: Grade = "等级", "grade";
        }
        optional {
            /// The hazard in English.
            5 ENGLISH english: String = "英文", "hazard in English";
        }
    }
}

impl ChecklistRow {
    fn check_values(&self) -> Result<(), InputError> {
        input::number("id", self.id, 1..=u64::from(u16::MAX))
    }
}

impl ChecklistItemRow {
    fn check_values(&self) -> Result<(), InputError> {
        input::number("code", self.code, 1..=u64::from(u16::MAX))
    }
}

impl Shipped for ChecklistRow {
    fn shipped() -> Vec<Self> {
        let row = |pack: Checklist| Self {
            id: Some(pack.id),
            chinese: Some(pack.chinese),
            english: Some(pack.english),
            retired: None,
        };
        Checklist::defaults().into_iter().map(row).collect()
    }
}

impl Shipped for ChecklistItemRow {
    fn shipped() -> Vec<Self> {
        let rows = |pack: Checklist| {
            let of_pack = pack.id;
            pack.items.into_iter().map(move |item| Self {
                checklist: Some(of_pack),
                code: Some(item.code),
                chinese: Some(item.chinese),
                grade: Some(item.grade),
                english: Some(item.english),
                retired: None,
            })
        };
        Checklist::defaults().into_iter().flat_map(rows).collect()
    }
}
