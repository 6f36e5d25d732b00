//! Who is in the town: centers, village offices, patrol vehicles, carriers, and where they are.

use std::collections::BTreeMap;

use townmesh_crdt::certificate::{Access, NodeRole};
use townmesh_crdt::clock::Millis;
use townmesh_crdt::domain::region::{RegionCode, RegionLevel};
use townmesh_crdt::enrol::Place;
use townmesh_crdt::namespace::{Namespace, NamespaceKind};

use super::WorldError;
use crate::dice::Dice;
use crate::generator::{HUANGCUN_REGIONS, parse_regions};
use crate::plan::{MINUTE, Options};

/// Side of the map in metres.
const TOWN: u32 = 9_000;
/// How far a vehicle's radio reaches, in metres.
const RADIUS: i64 = 450;
/// Metres that a vehicle drives in a minute.
const SPEED: i64 = 400;

/// How many centers, and how many village offices, a town of so many nodes has.
fn shares(nodes: usize) -> (usize, usize) {
    let centers = if nodes >= 60 { 2 } else { 1 };
    (centers, (nodes * 3 / 10).clamp(2, 47).min(nodes.saturating_sub(centers)))
}

/// Whether a node drives around.
pub(crate) fn is_vehicle(nodes: usize, node: usize) -> bool {
    let (centers, offices) = shares(nodes);
    node >= centers + offices
}

/// A place on the map, in metres.
pub(crate) type Point = (i64, i64);

/// One node of the town.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// Its name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) role: NodeRole,
    /// Codes of the regions that it reads and writes; empty for centers and carriers.
    pub(crate) regions: Vec<String>,
    /// Codes of the regions that it carries for.
    pub(crate) carries: Vec<String>,
    /// Where it stands, and when from and until when; one stay without end for what does not drive.
    pub(crate) route: Vec<(Millis, Millis, Point)>,
}

impl Spec {
    /// What it may do in a namespace, written down anew from the rules of the town: the checkers do not ask the policy
    /// that they check.
    pub(crate) fn access(&self, namespace: &Namespace) -> Option<Access> {
        let is_center = self.role == NodeRole::Center;
        let in_scope = |codes: &[String]| codes.contains(&namespace.region);
        match namespace.kind {
            NamespaceKind::Auth => Some(Access::Hold),
            NamespaceKind::Town => (self.role != NodeRole::Carrier).then_some(Access::Hold),
            NamespaceKind::Tracks => is_center.then_some(Access::Hold),
            NamespaceKind::Registry | NamespaceKind::Cases | NamespaceKind::Events => {
                if is_center || in_scope(&self.regions) {
                    Some(Access::Hold)
                } else {
                    in_scope(&self.carries).then_some(Access::Carry)
                }
            }
        }
    }

    /// The place as enrolment wants it.
    pub(crate) fn place(&self) -> Place {
        Place {
            name: self.name.clone(),
            role: self.role,
            regions: self.regions.clone(),
            carries: self.carries.clone(),
            acts_as: None,
        }
    }

    /// Where it is, so many milliseconds after the beginning.
    pub(crate) fn position(&self, at: Millis) -> Point {
        let next = self.route.partition_point(|(from, ..)| *from <= at);
        let Some((_, until, here)) = next.checked_sub(1).and_then(|last| self.route.get(last)).copied() else {
            return self.route.first().map_or((0, 0), |(.., point)| *point);
        };
        match self.route.get(next) {
            Some((arrival, _, there)) if at > until => {
                let (done, whole) = ((at - until) as i64, (*arrival - until).max(1) as i64);
                (here.0 + (there.0 - here.0) * done / whole, here.1 + (there.1 - here.1) * done / whole)
            }
            Some(_) | None => here,
        }
    }

    /// Whether a vehicle here reaches a node there.
    pub(crate) fn reaches(&self, other: &Self, at: Millis, radius: i64) -> bool {
        distance(self.position(at), other.position(at)) <= radius
    }
}

fn distance(one: Point, other: Point) -> i64 {
    let (x, y) = (one.0 - other.0, one.1 - other.1);
    (x * x + y * y).isqrt()
}

/// How two nodes can reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LinkKind {
    /// A line between an office and a center, or two centers.
    Wire,
    /// Radio, while one drives by.
    Radio,
    /// A thin mobile line of a vehicle to the center, now and then.
    Mobile,
}

impl LinkKind {
    /// Bytes in a second.
    pub(crate) fn rate(self) -> u64 {
        match self {
            Self::Wire => 500_000,
            Self::Radio => 250_000,
            Self::Mobile => 8_000,
        }
    }

    /// Least and greatest milliseconds on the way.
    pub(crate) fn latency(self) -> (u32, u32) {
        match self {
            Self::Wire => (4, 40),
            Self::Radio => (2, 15),
            Self::Mobile => (60, 600),
        }
    }
}

/// A pair of nodes that can reach each other at times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link {
    pub(crate) ends: (usize, usize),
    pub(crate) kind: LinkKind,
}

/// The town: its regions, its nodes, the links between them.
#[derive(Debug)]
pub(crate) struct Roster {
    pub(crate) regions: Vec<String>,
    pub(crate) specs: Vec<Spec>,
    pub(crate) links: Vec<Link>,
    /// When links are there, where a town file says so.
    pub(crate) timetable: Option<Timetable>,
}

/// What a town file says of links.
#[derive(Debug)]
pub(crate) struct Timetable {
    /// How far radio reaches, in metres.
    pub(crate) radius: i64,
    /// Bytes in a second.
    pub(crate) rates: crate::town::Rates,
    /// When a node has mobile coverage.
    pub(crate) mobile: BTreeMap<usize, Vec<(Millis, Millis)>>,
    /// What is cut off from when until when.
    pub(crate) cuts: Vec<(crate::town::Target, Millis, Millis)>,
}

impl Roster {
    pub(crate) fn of(options: &Options, length: Millis) -> Result<Self, WorldError> {
        let (centers, offices) = shares(options.nodes);
        if options.nodes < 4 {
            return Err(WorldError::TooSmall(options.nodes));
        }
        let table = parse_regions(HUANGCUN_REGIONS).map_err(|error| WorldError::Regions(error.to_string()))?;
        let codes = table.iter().filter_map(|region| region.code).filter(|code| code.level() == RegionLevel::Village);
        // In small towns two offices share a region, so that people edit the same things apart from each other.
        let regions: Vec<String> = codes
            .map(|code: RegionCode| code.to_string())
            .take(offices.div_ceil(if offices < 20 { 2 } else { 1 }))
            .collect();
        let mut dice = Dice::of(options.seed, "roster", 0);
        let points: Vec<Point> =
            regions.iter().map(|_| (i64::from(dice.below(TOWN)), i64::from(dice.below(TOWN)))).collect();
        let middle = (i64::from(TOWN / 2), i64::from(TOWN / 2));
        let mut specs = Vec::new();
        for number in 0..options.nodes {
            let spec = if number < centers {
                still(format!("center-{number}"), NodeRole::Center, vec![], middle)
            } else if number < centers + offices {
                let region = (number - centers) % regions.len();
                let (x, y) = points.get(region).copied().unwrap_or(middle);
                // Two offices of one region stand apart.
                let point = (x + 120 * ((number - centers) / regions.len()) as i64, y);
                let codes = regions.get(region).cloned().into_iter().collect();
                still(format!("office-{number}"), NodeRole::Village, codes, point)
            } else {
                vehicle(options.seed, number, &regions, &points, length)
            };
            specs.push(spec);
        }
        let links = links(&specs, centers);
        Ok(Self { regions, specs, links, timetable: None })
    }

    /// How far radio reaches, in metres.
    pub(crate) fn radius(&self) -> i64 {
        self.timetable.as_ref().map_or(RADIUS, |timetable| timetable.radius)
    }

    /// Bytes that a link carries in a second.
    pub(crate) fn rate(&self, kind: LinkKind) -> u64 {
        self.timetable.as_ref().map_or_else(|| kind.rate(), |timetable| timetable.rate(kind))
    }
}

fn still(name: String, role: NodeRole, regions: Vec<String>, point: Point) -> Spec {
    Spec { name, role, regions, carries: vec![], route: vec![(0, Millis::MAX, point)] }
}

/// A vehicle patrols one region and carries for some others; every tenth reads nothing and carries for all.
fn vehicle(seed: u64, number: usize, regions: &[String], points: &[Point], length: Millis) -> Spec {
    let mut dice = Dice::of(seed, "vehicle", number as u64);
    let is_carrier = number.is_multiple_of(10);
    let home = dice.below(regions.len() as u32) as usize;
    let mut stops: Vec<usize> = (0..2).map(|_| dice.below(regions.len() as u32) as usize).chain([home]).collect();
    stops.sort_unstable();
    stops.dedup();
    let named = |number: &usize| regions.get(*number).cloned();
    let (own, carries) = if is_carrier {
        (vec![], regions.to_vec())
    } else {
        (vec![home], stops.iter().filter(|stop| **stop != home).filter_map(named).collect())
    };
    let mut route = Vec::new();
    let (mut at, mut here) = (0, points.get(home).copied().unwrap_or_default());
    while at < length {
        let until = at + MINUTE * Millis::from(5 + dice.below(25));
        route.push((at, until, here));
        let stop = if is_carrier {
            dice.below(points.len() as u32) as usize
        } else {
            dice.one_of(&stops).copied().unwrap_or(home)
        };
        let there = points.get(stop).copied().unwrap_or(here);
        at = until + MINUTE * (1 + distance(here, there) / SPEED).unsigned_abs();
        here = there;
    }
    let (role, name) = if is_carrier { (NodeRole::Carrier, "carrier") } else { (NodeRole::Patrol, "vehicle") };
    Spec { name: format!("{name}-{number}"), role, regions: own.iter().filter_map(named).collect(), carries, route }
}

fn links(specs: &[Spec], centers: usize) -> Vec<Link> {
    let mut links = Vec::new();
    for (one, spec) in specs.iter().enumerate() {
        for (other, peer) in specs.iter().enumerate().skip(one + 1) {
            let kind = match (spec.role, peer.role) {
                (NodeRole::Center, NodeRole::Center) => LinkKind::Wire,
                // Each office has its line to one of the centers.
                (NodeRole::Center, NodeRole::Village) if other % centers == one => LinkKind::Wire,
                (NodeRole::Center, NodeRole::Patrol | NodeRole::Carrier) if other % centers == one => LinkKind::Mobile,
                (NodeRole::Village, NodeRole::Patrol | NodeRole::Carrier) if shares_region(spec, peer) => {
                    LinkKind::Radio
                }
                (NodeRole::Patrol | NodeRole::Carrier, NodeRole::Patrol | NodeRole::Carrier)
                    if (one + other) % 8 == 0 && shares_region(spec, peer) =>
                {
                    LinkKind::Radio
                }
                (
                    NodeRole::Center | NodeRole::Village | NodeRole::Patrol | NodeRole::Carrier,
                    NodeRole::Center | NodeRole::Village | NodeRole::Patrol | NodeRole::Carrier,
                ) => continue,
            };
            links.push(Link { ends: (one, other), kind });
        }
    }
    links
}

pub(crate) fn shares_region(one: &Spec, other: &Spec) -> bool {
    one.regions.iter().chain(&one.carries).any(|code| other.regions.contains(code) || other.carries.contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_town_has_two_centers_all_regions_and_vehicles_that_meet_villages() {
        let options = Options { nodes: 158, ..Options::default() };
        let roster = Roster::of(&options, crate::plan::DAY).unwrap();
        assert_eq!((roster.regions.len(), roster.specs.len()), (47, 158));
        let vehicles = roster.specs.iter().enumerate().filter(|(number, _)| is_vehicle(158, *number)).count();
        assert_eq!(vehicles, 109);
        let radio: Vec<&Link> = roster.links.iter().filter(|link| link.kind == LinkKind::Radio).collect();
        let meets = |link: &&&Link| {
            let (one, other) = link.ends;
            (0..24 * 60).any(|minute| roster.specs[one].reaches(&roster.specs[other], minute * MINUTE, RADIUS))
        };
        assert!(radio.iter().filter(meets).count() * 2 > radio.len(), "most vehicles come by");
    }

    #[test]
    fn a_vehicle_drives_from_stop_to_stop() {
        let spec = Spec {
            route: vec![(0, 10, (0, 0)), (20, 30, (100, 0))],
            ..still("v".into(), NodeRole::Patrol, vec![], (0, 0))
        };
        let places: Vec<Point> = [5, 15, 25, 99].into_iter().map(|at| spec.position(at)).collect();
        assert_eq!(places, [(0, 0), (50, 0), (100, 0), (100, 0)]);
    }
}
