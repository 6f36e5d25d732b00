//! A town file as the simulator wants it: nodes with their ways, links with their times.

use std::collections::{BTreeMap, BTreeSet};

use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::clock::Millis;

use super::{Outage, Target, Town, Window};
use crate::plan::{DAY, MINUTE};
use crate::world::roster::{Link, LinkKind, Roster, Spec, Timetable};

/// The simulated day begins at 06:00.
pub(crate) const DAWN: u32 = 6 * 60;

/// When each node has mobile coverage.
type Coverage = BTreeMap<usize, Vec<(Millis, Millis)>>;

impl Town {
    /// The roster for so many days, or nothing if a vehicle cannot keep its times.
    pub(crate) fn roster(&self, outages: &[Outage], outage_day: u32, days: u32) -> Option<Roster> {
        let mut specs: Vec<Spec> = self.sites.iter().map(|site| self.site_spec(site)).collect();
        for vehicle in &self.vehicles {
            let stays = vehicle.stays(self)?;
            let mut route = Vec::new();
            for day in 0..=days {
                let moved = stays.iter().map(|(from, until, place)| (moment(day, *from), moment(day, *until), *place));
                // What is over before the first dawn never was.
                route.extend(moved.filter(|(_, until, _)| *until > 0));
            }
            let (role, regions) = match &vehicle.region {
                Some(code) => (NodeRole::Patrol, vec![code.clone()]),
                None => (NodeRole::Carrier, vec![]),
            };
            specs.push(Spec { name: vehicle.name.clone(), role, regions, carries: vehicle.carries.clone(), route });
        }
        let (links, mobile) = self.links(&specs, days);
        let cuts = outages.iter().map(|outage| {
            let (from, until) = outage.window;
            (outage.target, moment(outage_day, from), moment(outage_day, until))
        });
        let timetable = Timetable { radius: i64::from(self.radius_m), rates: self.rates, mobile, cuts: cuts.collect() };
        let regions = self.regions.iter().map(|(code, _)| code.clone()).collect();
        Some(Roster { regions, specs, links, timetable: Some(timetable) })
    }

    fn site_spec(&self, site: &super::Site) -> Spec {
        let role = if site.region.is_some() { NodeRole::Village } else { NodeRole::Center };
        Spec {
            name: site.name.clone(),
            role,
            regions: site.region.iter().cloned().collect(),
            carries: vec![],
            route: vec![(0, Millis::MAX, site.place)],
        }
    }

    /// Lines, mobile links to the first center (which also are how everybody is deployed), and radio.
    fn links(&self, specs: &[Spec], days: u32) -> (Vec<Link>, Coverage) {
        let sites = self.sites.len();
        let center = (0..sites).find(|site| self.is_center(*site)).unwrap_or(0);
        let mut wires = BTreeSet::new();
        for (one, site) in self.sites.iter().enumerate() {
            wires.extend(site.wires.iter().map(|other| (one.min(*other), one.max(*other))));
        }
        let mut links: Vec<Link> = wires.iter().map(|ends| Link { ends: *ends, kind: LinkKind::Wire }).collect();
        let mut mobile = BTreeMap::new();
        for node in (0..specs.len()).filter(|node| *node != center) {
            let ends = (center.min(node), center.max(node));
            let windows = match self.sites.get(node) {
                Some(site) => &site.mobile,
                None => self.vehicles.get(node - sites).map_or(&NEVER, |vehicle| &vehicle.mobile),
            };
            // Also beside a line, which may be cut.
            if !wires.contains(&ends) || !windows.is_empty() {
                links.push(Link { ends, kind: LinkKind::Mobile });
            }
            mobile.insert(node, spread(windows, days));
        }
        for (one, spec) in specs.iter().enumerate() {
            for (other, peer) in specs.iter().enumerate().skip(sites.max(one + 1)) {
                let is_wanted = one < sites || self.vehicles_meet;
                // A center holds everything, and so shares something with everybody.
                if is_wanted && (self.is_center(one) || crate::world::roster::shares_region(spec, peer)) {
                    links.push(Link { ends: (one, other), kind: LinkKind::Radio });
                }
            }
        }
        // The better of two links between the same nodes is dialled first: the worse one does not take its place.
        links.sort_by_key(|link| (link.kind, link.ends));
        (links, mobile)
    }
}

static NEVER: Vec<Window> = vec![];

/// Milliseconds from dawn of the first day to a minute of some day; 0 for what lies before.
pub(crate) fn moment(day: u32, minute: u32) -> Millis {
    (Millis::from(day) * DAY + Millis::from(minute) * MINUTE).saturating_sub(Millis::from(DAWN) * MINUTE)
}

fn spread(windows: &[Window], days: u32) -> Vec<(Millis, Millis)> {
    let each = |day: u32| windows.iter().map(move |(from, until)| (moment(day, *from), moment(day, *until)));
    (0..=days).flat_map(each).collect()
}

impl Timetable {
    /// Whether a link other than radio is there by coverage and outages.
    pub(crate) fn is_there(&self, link: Link, now: Millis) -> bool {
        let (one, other) = link.ends;
        let cut = self.cuts.iter().any(|(target, from, until)| {
            let hits = match *target {
                Target::Node(node) => node == one || node == other,
                Target::Link(first, second) => (first.min(second), first.max(second)) == link.ends,
                Target::AllWires => link.kind == LinkKind::Wire,
                Target::AllMobile => link.kind == LinkKind::Mobile,
            };
            hits && (*from..*until).contains(&now)
        });
        let covered = |node: usize| {
            self.mobile
                .get(&node)
                .is_some_and(|windows| windows.iter().any(|(from, until)| (*from..*until).contains(&now)))
        };
        !cut && (link.kind != LinkKind::Mobile || covered(one) || covered(other))
    }

    /// Bytes in a second.
    pub(crate) fn rate(&self, kind: LinkKind) -> u64 {
        u64::from(match kind {
            LinkKind::Wire => self.rates.wire,
            LinkKind::Radio => self.rates.radio,
            LinkKind::Mobile => self.rates.mobile,
        })
    }
}
