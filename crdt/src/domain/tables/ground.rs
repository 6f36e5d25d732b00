//! Who looks after which ground: the rule of grids, and responsibilities.

use super::{Shipped, row};
use crate::domain::codes::coded;
use crate::domain::columns::words;
use crate::domain::input::{Fault, InputError};
use crate::domain::region::RegionCode;
use crate::domain::town::GridKind;

words!(GridKind, ResponsibleLevel);

coded! {
    /// Which level answers for a problem.
    pub enum ResponsibleLevel: "level of responsibility" {
        /// 区级.
        District = 1, "district", "区级", "district";
        /// 镇级.
        Town = 2, "town", "镇级", "town";
        /// 村级.
        Village = 3, "village", "村级", "village";
        /// 社会.
        Society = 4, "society", "社会", "society";
    }
}

row! {
    /// How much ground one inspector has (网格划分标准): households in a village or community, area outside.
    pub struct GridRuleRow of GridRule {
        key {
            /// Which kind of grid.
            1 KIND kind: GridKind = "网格类型", "kind of grid";
        }
        required {}
        optional {
            /// Least households of a grid.
            2 LEAST_HOUSEHOLDS least_households: u32 = "最少户数", "least households";
            /// Most households of a grid.
            3 MOST_HOUSEHOLDS most_households: u32 = "最多户数", "most households";
            /// Most area of a grid in hectares; 300 mu are 20.
            4 MOST_HECTARES most_hectares: u32 = "最大面积（公顷）", "most hectares";
        }
    }
}

row! {
    /// Who owns which cases where (责任清单). The narrowest region that has a row for the category, or for one above it,
    /// decides.
    pub struct ResponsibilityRow of Responsibility {
        key {
            /// District, town or village.
            1 REGION region: RegionCode = "区划代码", "region";
            /// Code of the category.
            2 CATEGORY category: String = "类别编号", "category";
        }
        required {
            /// Which level.
            3 LEVEL level: ResponsibleLevel = "责任层级", "level";
            /// The team that owns it: its code.
            4 OWNER owner: String = "责任单位", "owner";
        }
        optional {
            /// The team that goes there: its code.
            5 HANDLER handler: String = "处置队伍", "handling team";
            /// The named person: a member's code.
            6 PERSON person: String = "责任人", "person";
            /// Who stands in: a member's code.
            7 DEPUTY deputy: String = "副职", "deputy";
        }
    }
}

impl GridRuleRow {
    fn check_values(&self) -> Result<(), InputError> {
        match (self.least_households, self.most_households) {
            (Some(least), Some(most)) if most < least => Err(InputError::new(
                "most_households",
                Fault::Number { got: most.into(), range: least.into()..=u64::from(u32::MAX) },
            )),
            _ => Ok(()),
        }
    }
}

impl ResponsibilityRow {
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "each row has a check")]
    fn check_values(&self) -> Result<(), InputError> {
        Ok(())
    }
}

impl Shipped for GridRuleRow {
    fn shipped() -> Vec<Self> {
        let households = |kind, least, most| Self {
            kind: Some(kind),
            least_households: Some(least),
            most_households: Some(most),
            ..Self::default()
        };
        vec![
            households(GridKind::Village, 50, 100),
            households(GridKind::Community, 300, 500),
            Self { kind: Some(GridKind::Outside), most_hectares: Some(20), ..Self::default() },
        ]
    }
}

impl Shipped for ResponsibilityRow {
    /// None: regions and teams are a town's own.
    fn shipped() -> Vec<Self> {
        vec![]
    }
}
