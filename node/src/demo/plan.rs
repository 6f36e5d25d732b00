//! Who is in the model town, and which links there are: a center, three village offices, two patrol vehicles.

use anyhow::Context as _;
use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::domain::region::RegionKind;
use townmesh_sim::generator::{HUANGCUN_REGIONS, parse_regions};

/// The center's name.
pub const CENTER: &str = "center";
/// Its deputy for village 2, too: the two villages look after each other, and share no link.
pub const VILLAGE_1: &str = "village-1";
/// The village whose records vehicle 1 carries without reading them.
pub const VILLAGE_2: &str = "village-2";
/// A village with a vehicle of its own.
pub const VILLAGE_3: &str = "village-3";
/// Drives between villages 1 and 2.
pub const VEHICLE_1: &str = "vehicle-1";
/// Drives in village 3.
pub const VEHICLE_2: &str = "vehicle-2";

/// A village by its code in the statistical table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Village {
    /// Twelve digits.
    pub code: String,
    /// Its full name.
    pub name: String,
}

/// A node of the town.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePlan {
    /// Its name, which is also that of its folder.
    pub name: &'static str,
    /// What it is, in Chinese.
    pub chinese: String,
    /// Its role.
    pub role: NodeRole,
    /// Codes of the villages that it reads and writes; none for the center, which holds all.
    pub regions: Vec<String>,
    /// Codes of the villages whose records it carries without reading.
    pub carries: Vec<String>,
}

/// A link, named by its ends; the first one dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkPlan {
    /// The node that dials.
    pub from: &'static str,
    /// The node that is dialled.
    pub to: &'static str,
}

impl LinkPlan {
    /// Whether the node is at one of its ends.
    pub fn touches(self, node: &str) -> bool {
        self.from == node || self.to == node
    }
}

/// The links of the town. Villages have none among each other.
const LINKS: [LinkPlan; 8] = [
    LinkPlan { from: VILLAGE_1, to: CENTER },
    LinkPlan { from: VILLAGE_2, to: CENTER },
    LinkPlan { from: VILLAGE_3, to: CENTER },
    LinkPlan { from: VEHICLE_1, to: CENTER },
    LinkPlan { from: VEHICLE_2, to: CENTER },
    LinkPlan { from: VEHICLE_1, to: VILLAGE_1 },
    LinkPlan { from: VEHICLE_1, to: VILLAGE_2 },
    LinkPlan { from: VEHICLE_2, to: VILLAGE_3 },
];

/// A town.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its villages.
    pub villages: Vec<Village>,
    /// Its nodes; the first one is the center.
    pub nodes: Vec<NodePlan>,
    /// Its links: the only way from one node to another.
    pub links: Vec<LinkPlan>,
}

impl Plan {
    /// The model town in the first three villages of the region table.
    ///
    /// # Errors
    /// When the built-in region table is not as it should be.
    pub fn model_town() -> anyhow::Result<Self> {
        let regions = parse_regions(HUANGCUN_REGIONS).context("the built-in region table")?;
        let villages: Vec<Village> = regions
            .into_iter()
            .filter(|region| region.kind == Some(RegionKind::Village))
            .filter_map(|region| Some(Village { code: region.code?.to_string(), name: region.name? }))
            .take(3)
            .collect();
        let [first, second, third] = villages.as_slice() else {
            anyhow::bail!("the built-in region table has fewer than three villages");
        };
        let [one, two, three] = [first, second, third].map(|village| village.code.clone());
        let node = |name, chinese, role, regions, carries| NodePlan { name, chinese, role, regions, carries };
        let nodes = vec![
            node(CENTER, "指挥中心".to_owned(), NodeRole::Center, vec![], vec![]),
            node(VILLAGE_1, first.name.clone(), NodeRole::Village, vec![one.clone(), two.clone()], vec![]),
            node(VILLAGE_2, second.name.clone(), NodeRole::Village, vec![two.clone()], vec![]),
            node(VILLAGE_3, third.name.clone(), NodeRole::Village, vec![three.clone()], vec![]),
            node(VEHICLE_1, "巡逻车1".to_owned(), NodeRole::Patrol, vec![one], vec![two]),
            node(VEHICLE_2, "巡逻车2".to_owned(), NodeRole::Patrol, vec![three], vec![]),
        ];
        Ok(Self { villages, nodes, links: LINKS.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_villages_are_real_ones_and_villages_1_and_2_share_no_link() {
        let plan = Plan::model_town().unwrap();
        assert!(
            plan.villages.iter().all(|village| village.code.starts_with("110115005") && village.name.contains('村'))
        );
        assert!(!LINKS.iter().any(|link| link.touches(VILLAGE_1) && link.touches(VILLAGE_2)));
        let vehicle = plan.nodes.iter().find(|node| node.name == VEHICLE_1).unwrap();
        assert_eq!(vehicle.carries, [plan.villages[1].code.clone()]);
        assert!(!vehicle.regions.contains(&plan.villages[1].code));
    }
}
