//! The desks of the command center, and which cases lie on which.

use super::{Shipped, row};
use crate::domain::case::{Severity, Source};
use crate::domain::columns::{List, words};
use crate::domain::input::InputError;

words!(Source);

row! {
    /// A desk of the command center (指挥中心席位). A case lies on the first desk, by rank, whose sources and severities it has; a
    /// desk that names none takes all.
    pub struct DeskRow of Desk {
        key {
            /// Its code.
            1 CODE code: String = "席位编号", "code";
        }
        required {
            /// What it is called.
            2 CHINESE chinese: String = "中文名称", "in Chinese";
            /// Which desk takes a case before another: the least first.
            3 RANK rank: u16 = "先后次序", "rank";
        }
        optional {
            /// What it is called in English.
            4 ENGLISH english: String = "英文名称", "in English";
            /// Cases from these sources.
            5 SOURCES sources: List<Source> = "案件来源", "sources";
            /// Cases of these severities.
            6 SEVERITIES severities: List<Severity> = "严重程度", "severities";
            /// The team that sits there: its code.
            7 TEAM team: String = "值守队伍", "team";
            /// The phone on it.
            8 PHONE phone: String = "电话", "phone";
        }
    }
}

impl DeskRow {
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "each row has a check")]
    fn check_values(&self) -> Result<(), InputError> {
        Ok(())
    }

    /// Whether it takes cases from this source and of this severity, as far as they are known.
    pub fn takes(&self, source: Option<Source>, severity: Option<Severity>) -> bool {
        fn has<T: Ord>(named: Option<&List<T>>, one: Option<T>) -> bool {
            named.is_none_or(|List(all)| all.is_empty() || one.is_some_and(|one| all.contains(&one)))
        }
        has(self.sources.as_ref(), source) && has(self.severities.as_ref(), severity)
    }
}

impl Shipped for DeskRow {
    /// The five desks under one roof (DOMAIN.md); what is urgent lies on that for emergencies wherever it came from.
    fn shipped() -> Vec<Self> {
        let desk = |code: &str, rank, chinese: &str, english: &str, sources: &[Source]| Self {
            code: Some(code.to_owned()),
            rank: Some(rank),
            chinese: Some(chinese.to_owned()),
            english: Some(english.to_owned()),
            sources: (!sources.is_empty()).then(|| List(sources.iter().copied().collect())),
            ..Self::default()
        };
        vec![
            Self {
                severities: Some(List([Severity::Urgent].into())),
                ..desk("emergency", 1, "应急席", "emergency", &[])
            },
            desk("hotline", 2, "非紧急救助席（12345）", "non-emergency (12345)", &[Source::Public]),
            desk("cameras", 3, "视频席", "cameras", &[Source::Video, Source::Data]),
            desk("enforcement", 4, "执法中心内勤席", "enforcement back office", &[Source::Enforcement]),
            desk("grid", 5, "网格席", "grid", &[]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tables;
    use super::*;

    fn desk(source: Option<Source>, severity: Option<Severity>) -> Option<String> {
        Tables::default().desk_of(source, severity).and_then(|desk| desk.code)
    }

    #[test]
    fn a_case_lies_on_one_desk_and_what_is_urgent_on_that_for_emergencies() {
        assert_eq!(desk(Some(Source::Public), None).as_deref(), Some("hotline"));
        assert_eq!(desk(Some(Source::Public), Some(Severity::General)).as_deref(), Some("hotline"));
        assert_eq!(desk(Some(Source::Public), Some(Severity::Urgent)).as_deref(), Some("emergency"));
        assert_eq!(desk(Some(Source::Video), None).as_deref(), Some("cameras"));
        assert_eq!(desk(Some(Source::Enforcement), Some(Severity::Serious)).as_deref(), Some("enforcement"));
        assert_eq!(desk(Some(Source::Patrol), None).as_deref(), Some("grid"));
        assert_eq!(desk(None, None).as_deref(), Some("grid"), "what is known of no source lies somewhere, too");
    }
}
