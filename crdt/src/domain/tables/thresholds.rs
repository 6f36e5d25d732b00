//! From where on analyses call something what they call it.

use super::{Shipped, Tables, row};
use crate::domain::codes::coded;
use crate::domain::columns::words;
use crate::domain::input::{self, InputError};

words!(Threshold);

coded! {
    /// What a town may draw otherwise.
    pub enum Threshold: "threshold" {
        /// So many cases or hazards of one kind in one square call for a campaign; fewer are handled case by case.
        CampaignLeast = 1, "campaign_least", "专项行动起点（件）", "cases that call for a campaign";
        /// At so many places of one square a problem is regional: several units handle it together.
        RegionalPlaces = 2, "regional_places", "区域性问题（处）", "places of a regional problem";
        /// What came so often at one place is stubborn: comprehensive enforcement.
        StubbornTimes = 3, "stubborn_times", "顽固问题（次）", "times of a stubborn problem";
        /// Of one case so many days before it are looked at for how it should be handled.
        LookedBackDays = 4, "looked_back_days", "处置方式回看（天）", "days looked back for the handling form";
        /// What followed within so many days of the time before counts as come back, where one case is looked at.
        RecurringDays = 5, "recurring_days", "处置方式复发间隔（天）", "days within which a case has come back";
        /// Within so many days something counts as come back in analyses, where nobody names a number.
        RecurrenceDays = 6, "recurrence_days", "重复发生间隔（天）", "days within which something has come back";
        /// Whoever offends so often does so again.
        OffenderTimes = 7, "offender_times", "屡犯起点（次）", "times of a repeat offender";
        /// What came so often at one place becomes a case of its own.
        RecurrenceCase = 8, "recurrence_case", "重复发生立案（次）", "times that open a case of their own";
        /// So much in one square becomes a case of its own.
        HotSpotCase = 9, "hot_spot_case", "热点立案（件）", "weight of a hot spot that opens a case";
    }
}

row! {
    /// From where on an analysis calls something what it calls it (分析阈值).
    pub struct ThresholdRow of Threshold {
        key {
            /// Which.
            1 THRESHOLD threshold: Threshold = "阈值", "threshold";
        }
        required {
            /// From here on.
            2 VALUE value: u32 = "数值", "value";
        }
        optional {}
    }
}

impl ThresholdRow {
    fn check_values(&self) -> Result<(), InputError> {
        input::number("value", self.value, 1..=3_653)
    }
}

impl Threshold {
    /// What the program ships.
    fn shipped(self) -> Option<u32> {
        match self {
            Self::CampaignLeast | Self::StubbornTimes | Self::RecurrenceCase => Some(3),
            Self::RegionalPlaces => Some(5),
            Self::LookedBackDays | Self::RecurrenceDays => Some(90),
            Self::RecurringDays => Some(30),
            Self::OffenderTimes => Some(2),
            Self::HotSpotCase => Some(10),
            Self::Unknown(_) => None,
        }
    }
}

impl Shipped for ThresholdRow {
    fn shipped() -> Vec<Self> {
        let row =
            |threshold: &Threshold| Self { threshold: Some(*threshold), value: threshold.shipped(), ..Self::default() };
        Threshold::ALL.iter().map(row).collect()
    }
}

impl Tables {
    /// From where on the town draws it; what the program ships where the town has taken the row out.
    pub fn threshold(&self, threshold: Threshold) -> u32 {
        let row = self.typed::<ThresholdRow>().find(|row| row.threshold == Some(threshold));
        row.and_then(|row| row.value).or(threshold.shipped()).unwrap_or(1)
    }
}
