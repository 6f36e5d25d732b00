//! Who looks after which ground: the rule of grids, and responsibilities.

use serde::Serialize;

use super::effective::MAX_DEPTH;
use super::{Shipped, Tables, row};
use crate::domain::codes::coded;
use crate::domain::columns::words;
use crate::domain::input::{Fault, InputError};
use crate::domain::key;
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

row! {
    /// Who owns which cases in a grid (网格责任清单); decides before the rows of regions.
    pub struct GridResponsibilityRow of GridResponsibility {
        key {
            /// Village or community.
            1 REGION region: RegionCode = "区划代码", "region";
            /// Code of the grid in it.
            2 GRID grid: String = "网格编号", "grid";
            /// Code of the category.
            3 CATEGORY category: String = "类别编号", "category";
        }
        required {
            /// Which level.
            4 LEVEL level: ResponsibleLevel = "责任层级", "level";
            /// The team that owns it: its code.
            5 OWNER owner: String = "责任单位", "owner";
        }
        optional {
            /// The team that goes there: its code.
            6 HANDLER handler: String = "处置队伍", "handling team";
            /// The named person: a member's code.
            7 PERSON person: String = "责任人", "person";
            /// Who stands in: a member's code.
            8 DEPUTY deputy: String = "副职", "deputy";
        }
    }
}

row! {
    /// Who answers for a street or lane (街巷长名录).
    pub struct LaneRow of Lane {
        key {
            /// Village, community or town that it lies in.
            1 REGION region: RegionCode = "区划代码", "region";
            /// What it is called, as it stands in addresses.
            2 NAME name: String = "街巷名称", "street or lane";
        }
        required {
            /// Its chief: a member's code.
            3 CHIEF chief: String = "街巷长", "lane chief";
        }
        optional {
            /// Who stands in: a member's code.
            4 DEPUTY deputy: String = "副职", "deputy";
            /// The team that keeps it: its code.
            5 TEAM team: String = "责任单位", "team";
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

/// Has nothing to compare within a row.
macro_rules! any_values {
    ( $($row:ident),* ) => {
        $( impl $row {
            fn check_values(&self) -> Result<(), InputError> {
                Ok(())
            }
        } )*
    };
}
any_values!(ResponsibilityRow, GridResponsibilityRow, LaneRow);

/// Who owns a case: the row of a grid or region that decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Responsible {
    /// Whose row it is.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub region: RegionCode,
    /// The grid's code, where a grid decides.
    pub grid: Option<String>,
    /// Code of the category of the row: that of the case, or one above it.
    pub category: String,
    /// Which level.
    pub level: Option<ResponsibleLevel>,
    /// The team that owns it: its code.
    pub owner: Option<String>,
    /// The team that goes there: its code.
    pub handler: Option<String>,
    /// The named person: a member's code.
    pub person: Option<String>,
    /// Who stands in: a member's code.
    pub deputy: Option<String>,
}

impl Responsible {
    pub(super) fn of_region(row: ResponsibilityRow) -> Option<Self> {
        let ResponsibilityRow { region, category, level, owner, handler, person, deputy, .. } = row;
        Some(Self { region: region?, grid: None, category: category?, level, owner, handler, person, deputy })
    }

    pub(super) fn of_grid(row: GridResponsibilityRow) -> Option<Self> {
        let GridResponsibilityRow { region, grid, category, level, owner, handler, person, deputy, .. } = row;
        Some(Self { region: region?, grid: Some(grid?), category: category?, level, owner, handler, person, deputy })
    }
}

impl Tables {
    /// Who owns a case of a category in a region, in these grids of it: a grid with a row decides, else the narrowest
    /// region with one; there the narrowest category.
    pub fn responsible(&self, region: RegionCode, grids: &[String], category: &str) -> Option<Responsible> {
        let of_grids: Vec<GridResponsibilityRow> =
            self.typed::<GridResponsibilityRow>().filter(|row| row.region == Some(region)).collect();
        let is_of = |row: &&GridResponsibilityRow, category: &str| {
            let is_here = row.grid.as_ref().is_some_and(|grid| grids.iter().any(|one| key::is_same(one, grid)));
            is_here && row.category.as_deref() == Some(category)
        };
        let of_grid = self.upwards(category).find_map(|category| of_grids.iter().find(|row| is_of(row, category)));
        if let Some(row) = of_grid {
            return Responsible::of_grid(row.clone());
        }
        let regions = std::iter::successors(Some(region), |region| region.parent()).take(MAX_DEPTH);
        let mut places = regions.flat_map(|region| self.upwards(category).map(move |category| (region, category)));
        places.find_map(|(region, category)| self.responsibility(region, category)).and_then(Responsible::of_region)
    }

    /// The streets and lanes that a place in a region names, the longest name first.
    pub fn lanes(&self, region: RegionCode, place: &str) -> Vec<LaneRow> {
        let place = key::normalise(place);
        let is_named = |row: &LaneRow| {
            let is_around = row.region.is_some_and(|of| region.is_within(of));
            is_around && row.name.as_deref().map(key::normalise).is_some_and(|name| place.contains(&name))
        };
        let mut lanes: Vec<LaneRow> = self.typed::<LaneRow>().filter(is_named).collect();
        lanes.sort_by_key(|row| std::cmp::Reverse(row.name.as_ref().map(|name| name.chars().count())));
        lanes
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
            // A park is ground outside, too.
            Self { kind: Some(GridKind::Park), most_hectares: Some(20), ..Self::default() },
        ]
    }
}

impl Shipped for ResponsibilityRow {
    /// None: regions and teams are a town's own.
    fn shipped() -> Vec<Self> {
        vec![]
    }
}

impl Shipped for GridResponsibilityRow {
    /// None: grids and teams are a town's own.
    fn shipped() -> Vec<Self> {
        vec![]
    }
}

impl Shipped for LaneRow {
    /// None: lanes are a town's own.
    fn shipped() -> Vec<Self> {
        vec![]
    }
}
