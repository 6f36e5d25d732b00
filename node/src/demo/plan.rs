//! Who is in the model town, and which links there are: a center, three village offices, two patrol vehicles.

use anyhow::Context as _;
use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::domain::region::RegionKind;
use townmesh_sim::generator::{HUANGCUN_REGIONS, parse_regions};

/// The center's name.
pub(super) const CENTER: &str = "center";
/// Its deputy for village 2, too: the two villages look after each other, and share no link.
pub(super) const VILLAGE_1: &str = "village-1";
/// The village whose records vehicle 1 carries without reading them.
pub(super) const VILLAGE_2: &str = "village-2";
/// A village with a vehicle of its own.
pub(super) const VILLAGE_3: &str = "village-3";
/// Drives between villages 1 and 2.
pub(super) const VEHICLE_1: &str = "vehicle-1";
/// Drives in village 3.
pub(super) const VEHICLE_2: &str = "vehicle-2";

/// A village by its code in the statistical table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Village {
    /// Twelve digits.
    pub(super) code: String,
    /// Its full name.
    pub(super) name: String,
}

/// A node of the town.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodePlan {
    pub(super) name: &'static str,
    /// What it is, in Chinese.
    pub(super) chinese: String,
    pub(super) role: NodeRole,
    /// Codes of the villages that it reads and writes; none for the center, which holds all.
    pub(super) regions: Vec<String>,
    /// Codes of the villages whose records it carries without reading.
    pub(super) carries: Vec<String>,
}

/// A link, named by its ends; the first one dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkPlan {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

impl LinkPlan {
    pub(super) fn touches(self, node: &str) -> bool {
        self.from == node || self.to == node
    }
}

/// The links of the town. Villages have none among each other.
pub(super) const LINKS: [LinkPlan; 8] = [
    LinkPlan { from: VILLAGE_1, to: CENTER },
    LinkPlan { from: VILLAGE_2, to: CENTER },
    LinkPlan { from: VILLAGE_3, to: CENTER },
    LinkPlan { from: VEHICLE_1, to: CENTER },
    LinkPlan { from: VEHICLE_2, to: CENTER },
    LinkPlan { from: VEHICLE_1, to: VILLAGE_1 },
    LinkPlan { from: VEHICLE_1, to: VILLAGE_2 },
    LinkPlan { from: VEHICLE_2, to: VILLAGE_3 },
];

/// The town.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) villages: [Village; 3],
    pub(super) nodes: Vec<NodePlan>,
}

impl Plan {
    /// The model town in the first three villages of the region table.
    pub(super) fn new() -> anyhow::Result<Self> {
        let regions = parse_regions(HUANGCUN_REGIONS).context("the built-in region table")?;
        let villages: Vec<Village> = regions
            .into_iter()
            .filter(|region| region.kind == Some(RegionKind::Village))
            .filter_map(|region| Some(Village { code: region.code?.to_string(), name: region.name? }))
            .take(3)
            .collect();
        let villages: [Village; 3] =
            villages.try_into().ok().context("the built-in region table has fewer than three villages")?;
        let [one, two, three] = villages.each_ref().map(|village| village.code.clone());
        let office = |village: &Village| village.name.trim_end_matches("村委会").to_owned() + "村委会";
        let node = |name, chinese, role, regions, carries| NodePlan { name, chinese, role, regions, carries };
        let nodes = vec![
            node(CENTER, "指挥中心".to_owned(), NodeRole::Center, vec![], vec![]),
            node(VILLAGE_1, office(&villages[0]), NodeRole::Village, vec![one.clone(), two.clone()], vec![]),
            node(VILLAGE_2, office(&villages[1]), NodeRole::Village, vec![two.clone()], vec![]),
            node(VILLAGE_3, office(&villages[2]), NodeRole::Village, vec![three.clone()], vec![]),
            node(VEHICLE_1, "巡逻车1".to_owned(), NodeRole::Patrol, vec![one], vec![two]),
            node(VEHICLE_2, "巡逻车2".to_owned(), NodeRole::Patrol, vec![three], vec![]),
        ];
        Ok(Self { villages, nodes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_villages_are_real_ones_and_villages_1_and_2_share_no_link() {
        let plan = Plan::new().unwrap();
        assert!(plan.villages.iter().all(|village| village.code.starts_with("110115005") && village.name.contains('村')));
        assert!(!LINKS.iter().any(|link| link.touches(VILLAGE_1) && link.touches(VILLAGE_2)));
        let vehicle = plan.nodes.iter().find(|node| node.name == VEHICLE_1).unwrap();
        assert_eq!(vehicle.carries, [plan.villages[1].code.clone()]);
        assert!(!vehicle.regions.contains(&plan.villages[1].code));
    }
}
