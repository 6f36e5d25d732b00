//! The parts that people play.

use std::collections::BTreeSet;

use super::codes::coded;
use super::record::Field;
use crate::value::{FieldId, Fields, Value};

coded! {
    /// A role: what somebody may do. Which role may do what is decided by the policy, not here.
    pub enum Role: "role" {
        /// Patrols a grid, visits, reports, verifies; never handles what they found.
        Inspector = 1, "inspector", "网格巡查员", "inspector";
        /// Takes calls, walk-ins and alarms in; checks for duplicates.
        IntakeClerk = 2, "intake_clerk", "受理员", "intake clerk";
        /// Files, closes, voids.
        DutyHead = 3, "duty_head", "值班长", "duty head";
        /// Dispatches; approves return, extension, suspension.
        Dispatcher = 4, "dispatcher", "派遣员", "dispatcher";
        /// Accepts an order, rectifies, reports back.
        Handler = 5, "handler", "处置队员", "handler";
        /// Supervises, opens a response plan.
        Commander = 6, "commander", "指挥长", "commander";
        /// Keeps a village's households, residents and door tags.
        VillageClerk = 7, "village_clerk", "村居文员", "village clerk";
        /// Reads assessment and decision views.
        Leader = 8, "leader", "领导", "leader";
        /// Prepares them.
        Analyst = 9, "analyst", "分析员", "analyst";
        /// The named responsible person of a street or lane.
        LaneChief = 10, "lane_chief", "街巷长", "lane chief";
        /// Passes a team's order to a named person.
        BackOffice = 11, "back_office", "执法中心内勤", "enforcement back office";
        /// Speaks for a department.
        Liaison = 12, "liaison", "部门联络员", "department liaison";
        /// Reads logs and checks samples.
        Auditor = 13, "auditor", "审计员", "auditor";
        /// Keeps nodes and devices running.
        Technician = 14, "technician", "技术员", "technician";
    }
}

/// A set of roles. In a record each role has a field of its own (the set's number plus the role's code, [`Value::Bool`]),
/// so that two people who grant different roles at the same time both do.
pub type Roles = BTreeSet<Role>;

/// Codes that fit behind the first number of a set of roles; newer roles beyond it cannot stand in a record.
const MAX_CODES: u16 = 64;

impl Field for Roles {
    fn write(&self, number: FieldId, fields: &mut Fields) {
        let codes = self.iter().map(|role| role.code()).filter(|code| *code < MAX_CODES);
        fields.extend(codes.filter_map(|code| Some((number.checked_add(code.try_into().ok()?)?, Value::Bool(true)))));
    }

    fn read(number: FieldId, fields: &Fields) -> Self {
        let end = u16::from(number) + MAX_CODES;
        let granted =
            fields.range(number..).filter(|(field, value)| u16::from(**field) < end && **value == Value::Bool(true));
        granted.map(|(field, _)| Role::from_code(u16::from(field - number))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_own_code_and_stands_in_its_own_field() {
        let all: Roles = Role::ALL.iter().copied().chain([Role::Unknown(63)]).collect();
        let mut fields = Fields::new();
        all.write(100, &mut fields);
        assert_eq!(fields.len(), Role::ALL.len() + 1);
        fields.insert(99, Value::Bool(true));
        fields.insert(164, Value::Bool(true));
        fields.insert(162, Value::Null);
        assert_eq!(Roles::read(100, &fields), all);
    }
}
