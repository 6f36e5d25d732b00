//! Contacts: who can reach whom from when until when, as lines, coverage, outages and the ways of vehicles have it.

use townmesh_crdt::clock::Millis;

use crate::plan::{DEPLOYMENT, MINUTE};
use crate::world::roster::{Link, LinkKind, Roster};

/// A stretch of time in which two nodes can reach each other, in minutes after dawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) link: Link,
    pub(crate) from: u32,
    /// The first minute in which they cannot.
    pub(crate) until: u32,
}

/// All contacts until a minute. Links are looked at once a minute, as in the simulation.
pub(crate) fn contacts(roster: &Roster, until: u32) -> Vec<Contact> {
    found_on(roster, until, |_| true)
}

/// All contacts of a town in which one node goes other ways than before; the others meet as they did.
pub(crate) fn changed(before: &[Contact], roster: &Roster, until: u32, node: usize) -> Vec<Contact> {
    let is_its = |link: &Link| link.ends.0 == node || link.ends.1 == node;
    let mut all = found_on(roster, until, is_its);
    all.extend(before.iter().filter(|contact| !is_its(&contact.link)));
    all.sort_by_key(|contact| (contact.from, contact.link));
    all
}

fn found_on(roster: &Roster, until: u32, is_asked: impl Fn(&Link) -> bool) -> Vec<Contact> {
    let mut found = Vec::new();
    for link in roster.links.iter().filter(|link| is_asked(link)) {
        let mut open = None;
        for minute in 0..=until {
            match (minute < until && is_there(roster, *link, Millis::from(minute) * MINUTE), open) {
                (true, None) => open = Some(minute),
                (false, Some(from)) => {
                    found.push(Contact { link: *link, from, until: minute });
                    open = None;
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
    }
    found.sort_by_key(|contact| (contact.from, contact.link));
    found
}

fn is_there(roster: &Roster, link: Link, now: Millis) -> bool {
    let (one, other) = link.ends;
    match (link.kind, roster.specs.get(one), roster.specs.get(other)) {
        (LinkKind::Radio, Some(one), Some(other)) => one.reaches(other, now, roster.radius()),
        (LinkKind::Mobile, ..) if now < DEPLOYMENT => true,
        (LinkKind::Wire | LinkKind::Mobile, ..) => {
            roster.timetable.as_ref().is_some_and(|timetable| timetable.is_there(link, now))
        }
        (LinkKind::Radio, ..) => false,
    }
}
