//! Up to when deadlines count as passed: nobody is late beyond what is known of their region.
//!
//! A village's own offices are waited for, however long they are cut off: nobody is blamed for an outage. Others that may
//! write there, too (centers, vehicles), are waited for while they were heard of within a day: a box in repair keeps
//! no town from being judged. A region of which nothing was ever heard is not judged at all; nor is one judged further
//! while something of it is here that documents or lists do not show yet.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use townmesh_crdt::certificate::{Certificate, NodeRole};
use townmesh_crdt::clock::Millis;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::namespace::{Namespace, NamespaceKind};
use townmesh_crdt::replica::{Completeness, Replica};

use super::Api;
use super::completeness::read_here;
use super::error::ApiError;
use crate::engine;
use crate::views::Moments;

/// So long those are waited for who are not of the region.
const WAITED_FOR: Millis = 24 * 60 * 60 * 1000;
/// So long the views are waited for: figures are asked for seldom, and what was judged before stands in for them.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before everything else: no deadline lies there.
const NEVER: i64 = 0;

/// How far each region was judged when everything that is here of it was shown.
#[derive(Debug, Default)]
pub(super) struct Judged(Mutex<BTreeMap<(NamespaceKind, String), i64>>);

/// What is known of a region.
struct Known {
    region: String,
    /// Up to when it is complete.
    until: i64,
    /// Whether documents show all that is here.
    is_folded: bool,
}

impl Api {
    /// Up to when deadlines of a kind of documents count as passed, by the region in which they are recorded.
    ///
    /// # Errors
    /// [`ApiError`] if the engine does not answer.
    pub(super) async fn moments(&self, kind: NamespaceKind, region: Option<RegionCode>) -> Result<Moments, ApiError> {
        let within = region.map(|region| region.to_string()).unwrap_or_default();
        let read = move |replica: &mut Replica| (known(replica, kind, &within, engine::now()), replica.feed_end());
        let (known, end) = self.engine().read(read).await?;
        let is_shown = self.views_reach(end, PATIENCE).await;
        Ok(self.judged().note(kind, known, is_shown))
    }
}

impl Judged {
    /// What is shown in full is judged as far as it is known; the rest as far as it was before.
    fn note(&self, kind: NamespaceKind, known: Vec<Known>, is_shown: bool) -> Moments {
        let mut judged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let moments = known.into_iter().map(|Known { region, until, is_folded }| {
            let before = judged.entry((kind, region.clone())).or_insert(NEVER);
            if is_folded && is_shown {
                *before = until;
            }
            (region, *before)
        });
        Moments(moments.collect())
    }
}

/// Each region of which this node reads such documents, and regions within it.
fn known(replica: &mut Replica, kind: NamespaceKind, within: &str, now: Millis) -> Vec<Known> {
    let regions = read_here(replica, |namespace| namespace.kind == kind && namespace.region.starts_with(within));
    let groups: Vec<&[Namespace]> = regions.values().map(Vec::as_slice).collect();
    let complete = replica.completeness_of_each(&groups, now);
    let behind = replica.unfolded_namespaces();
    let known = regions.iter().zip(complete).map(|(((region, _), spaces), all)| Known {
        until: judged_to(&writers(replica, kind, region, &all), now).cast_signed(),
        is_folded: spaces.iter().all(|space| !behind.contains(&replica.namespace_id(space))),
        region: region.clone(),
    });
    known.collect()
}

/// Who writes there: up to when all is here that they held, and whether they are an office of the region.
fn writers(replica: &Replica, kind: NamespaceKind, region: &str, all: &[Completeness]) -> Vec<(Option<Millis>, bool)> {
    let is_own = |one: &Completeness| {
        replica.trust().current(&one.node).is_some_and(|(_, certificate)| is_office_of(certificate, kind, region))
    };
    all.iter().map(|one| (one.until, is_own(one))).collect()
}

/// The least moment of those who are waited for; now where nobody else writes.
fn judged_to(writers: &[(Option<Millis>, bool)], now: Millis) -> Millis {
    let is_heard = |until: Option<Millis>| until.is_some_and(|until| until.saturating_add(WAITED_FOR) >= now);
    let waited_for = writers.iter().filter(|(until, is_own)| *is_own || is_heard(*until));
    let least = waited_for.map(|(until, _)| until.unwrap_or_default()).min();
    // Where others write of whom nothing was heard, it is not known that nothing is missing.
    least.unwrap_or(if writers.is_empty() { now } else { 0 })
}

/// Whether a node is an office of this region, and not one that reads it among all others.
fn is_office_of(certificate: &Certificate, kind: NamespaceKind, region: &str) -> bool {
    let mut scopes = certificate.scopes.iter();
    certificate.role == NodeRole::Village
        && scopes.any(|scope| scope.kind == kind && !scope.region.is_empty() && region.starts_with(&scope.region))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = 60 * 60 * 1000;
    const NOW: Millis = 1000 * 24 * HOUR;

    #[test]
    fn an_office_is_waited_for_however_long_others_for_a_day() {
        let ago = |hours: Millis| Some(NOW - hours * HOUR);
        let judged = |writers: &[(Option<Millis>, bool)]| judged_to(writers, NOW);
        assert_eq!(judged(&[]), NOW, "nobody else writes there");
        assert_eq!(judged(&[(ago(1), true), (ago(3), false)]), NOW - 3 * HOUR);
        assert_eq!(judged(&[(ago(1), true), (ago(25), false)]), NOW - HOUR, "a vehicle in repair");
        assert_eq!(judged(&[(ago(100), true), (ago(1), false)]), NOW - 100 * HOUR, "a village that is cut off");
        assert_eq!(judged(&[(None, true), (ago(1), false)]), 0, "an office of which nothing was ever heard");
        assert_eq!(judged(&[(ago(1), true), (None, false)]), NOW - HOUR);
        assert_eq!(judged(&[(None, false)]), 0);
        assert_eq!(judged(&[(ago(48), false)]), 0, "of nobody anything was heard for long");
    }

    #[test]
    fn what_is_not_shown_yet_is_judged_as_far_as_before() {
        let judged = Judged::default();
        let note = |until, is_folded, is_shown| {
            let known = vec![Known { region: "110115005001".into(), until, is_folded }];
            judged.note(NamespaceKind::Cases, known, is_shown).0["110115005001"]
        };
        assert_eq!(note(10, true, false), NEVER);
        assert_eq!(note(20, true, true), 20);
        assert_eq!(note(30, false, true), 20);
        assert_eq!(note(40, true, false), 20);
        assert_eq!(note(50, true, true), 50);
    }
}
