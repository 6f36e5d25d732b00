//! How soon hazards are put right.

use super::deadlines::{check_limit, limit};
use super::{DeadlineUnit, Shipped, Tables, row};
use crate::domain::case::Limit;
use crate::domain::checklist::Grade;
use crate::domain::input::InputError;

row! {
    /// How long it may take to put a hazard right (整改时限).
    pub struct HazardLimitRow of HazardLimit {
        key {
            /// How serious it is.
            1 GRADE grade: Grade = "等级", "grade";
        }
        required {
            /// How many of the unit.
            2 AMOUNT amount: u32 = "时限", "limit";
            /// In what.
            3 UNIT unit: DeadlineUnit = "时限单位", "unit";
        }
        optional {}
    }
}

impl HazardLimitRow {
    fn check_values(&self) -> Result<(), InputError> {
        check_limit(self.amount, self.unit)
    }
}

impl Shipped for HazardLimitRow {
    fn shipped() -> Vec<Self> {
        use DeadlineUnit::{EmergencyHours, WorkingDays};
        let row = |grade, amount, unit| Self {
            grade: Some(grade),
            amount: Some(amount),
            unit: Some(unit),
            ..Self::default()
        };
        vec![
            row(Grade::General, 5, WorkingDays),
            row(Grade::Major, 2, WorkingDays),
            row(Grade::Severe, 24, EmergencyHours),
        ]
    }
}

impl Tables {
    /// How long it may take to put a hazard of this grade right; `None` where the town sets no limit.
    pub fn hazard_limit(&self, grade: Grade) -> Option<Limit> {
        let row = self.typed::<HazardLimitRow>().find(|row| row.grade == Some(grade))?;
        limit(row.amount, row.unit)
    }

    /// By when a hazard of this grade that was found at a moment is to be put right, both in milliseconds since 1970.
    pub fn hazard_due(&self, grade: Grade, found_at: i64) -> Option<i64> {
        let found_at = u64::try_from(found_at).ok()?;
        self.reached(found_at, self.hazard_limit(grade)?).and_then(|due| i64::try_from(due).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hazard_is_due_in_working_time_or_by_the_clock_as_its_grade_says() {
        let tables = Tables::default();
        // Friday 2025-11-21 16:00 in the town: two hours are left of that day, eight of Monday, and six of Tuesday.
        let friday = 1_763_712_000_000;
        let hour = 3_600_000;
        assert_eq!(tables.hazard_due(Grade::Major, friday), Some(friday + (4 * 24) * hour), "Tuesday 16:00");
        assert_eq!(
            tables.hazard_due(Grade::General, friday),
            Some(friday + (7 * 24) * hour),
            "the Friday after, 16:00"
        );
        assert_eq!(tables.hazard_due(Grade::Severe, friday), Some(friday + 24 * hour), "day and night");
        assert_eq!(tables.hazard_due(Grade::Unknown(9), friday), None);
        assert_eq!(tables.hazard_due(Grade::Severe, -1), None);
    }
}
