//! What an authority stated reaches everybody, whatever becomes of the log that it stands in.

use super::super::restating::{CENTER_PATIENCE, PATIENCE};
use super::super::sync_tests::{flood, take};
use super::super::tests::{connect, meet, settle};
use super::ratifications::{entries_of, give};
use super::*;
use crate::certificate::Claim;
use crate::entry::Entry;

/// Enough logs of `auth` that nothing more of their author is taken.
const FLOOD: std::ops::Range<u64> = 100..110;

struct Case {
    town: Town,
    victim: CertificateId,
    revocation: Statement,
    period: Namespace,
    /// Through whom both are recorded.
    office: Replica,
    /// How many entries of its log all hold before.
    introduced: usize,
    center: Replica,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut town = Town::new(seed);
        let victim = town.node("victim", NodeRole::Village, &[HAIZI], &[]);
        let mut center = town.node("center", NodeRole::Center, &[], &[]);
        let mut office = town.node("office", NodeRole::Village, &[LANGFA], &[]);
        meet(&mut center, &mut office);
        let introduced = entries_of(&office, &auth_log(&office)).len();
        let claim = Claim::Revocation { certificate: victim.identity.certificate, cuts: vec![] };
        let authority = &town.founded.authority;
        let revocation =
            Statement::sign(&authority.town, claim, Some(authority.statement.id), [1; 8], &authority.signing);
        let period = Namespace::events(LANGFA, "2026-12");
        Self { victim: victim.identity.certificate, town, revocation, period, office, introduced, center }
    }

    /// Both are recorded, in the log that ends here.
    fn record(&mut self) -> Vec<Entry> {
        self.office.record_statements(vec![self.town.founded.authority.statement.clone()], NOW).unwrap();
        self.office.record_statements(vec![self.revocation.clone()], NOW).unwrap();
        self.office.period(&self.period, NOW).unwrap();
        self.office.commit(NOW).unwrap();
        entries_of(&self.office, &auth_log(&self.office))
    }

    /// Whether a node knows of the removal, and of the period.
    fn is_known(&self, node: &Replica) -> [bool; 2] {
        [node.trust.is_revoked(&self.victim), node.trust.namespaces().contains_key(&node.namespace_id(&self.period))]
    }
}

fn auth_log(node: &Replica) -> LogId {
    LogId {
        namespace: node.namespace_id(&Namespace::auth()),
        author: node.node(),
        epoch: node.epoch,
        lane: Lane::Urgent,
    }
}

/// How many entries a node wrote in `auth`.
fn written(node: &Replica) -> u64 {
    let own = node.logs().filter(|state| state.log.author == node.node());
    own.filter(|state| state.log.namespace == auth_log(node).namespace).map(|state| state.height).sum()
}

#[test]
fn what_stands_in_a_flooders_log_comes_to_those_who_met_the_flood_first() {
    let mut case = Case::new(310);
    let mut late = case.town.node("late", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut case.center, &mut late);
    let first = case.record();
    let log = auth_log(&case.office);
    take(&mut case.center, &first, 1);
    assert_eq!(case.is_known(&case.center), [true, true]);
    let before = written(&case.center);
    for epoch in FLOOD {
        let entries = flood(&mut case.office, epoch, 60);
        take(&mut late, &entries, 8);
        take(&mut case.center, &entries, 8);
    }
    case.center.commit(NOW).unwrap();
    assert!(late.floods(&log.author) && case.center.floods(&log.author));
    let rest = crate::sync::Run::new(first[case.introduced..].to_vec()).unwrap();
    assert_eq!(late.ingest(rest).unwrap(), Ingested::OverQuota);
    assert_eq!(case.is_known(&late), [false, false]);
    case.center.commit(NOW + CENTER_PATIENCE).unwrap();
    case.center.commit(NOW + CENTER_PATIENCE).unwrap();
    meet(&mut case.center, &mut late);
    assert_eq!(case.is_known(&late), [true, true]);
    // Once is enough.
    let restated = written(&case.center);
    assert!(restated > before);
    case.center.heed_end();
    case.center.commit(NOW).unwrap();
    case.center.commit(NOW + CENTER_PATIENCE).unwrap();
    late.heed_end();
    late.commit(NOW).unwrap();
    late.commit(NOW + 2 * PATIENCE).unwrap();
    assert_eq!((written(&case.center), written(&late)), (restated, 1));
}

#[test]
fn what_stands_past_a_fork_is_stated_again_by_a_village_that_waited() {
    let mut case = Case::new(311);
    let mut holder = Member::join(&mut case.town, "holder", NodeRole::Village, &[LANGFA], &[]);
    let mut late = case.town.node("late", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut case.center, holder.replica());
    meet(&mut case.center, &mut late);
    let begin = case.office.logs.clone();
    let epoch = case.office.epoch;
    let first = case.record();
    give(holder.replica(), &first);
    assert_eq!(case.is_known(holder.replica()), [true, true]);
    // A copy of the office's disk goes on in the same log.
    case.office.logs = begin;
    case.office.epoch = epoch;
    case.office.digests.clear();
    let other = Namespace::events(HAIZI, "2026-12");
    let document = DocumentId(crate::change::record_id(b"other").0);
    case.office
        .put(&Namespace::auth(), DocumentKind::Period, document, other.to_string().into(), Lane::Urgent, NOW)
        .unwrap();
    case.office.commit(NOW).unwrap();
    give(&mut late, &entries_of(&case.office, &auth_log(&case.office)));
    assert_eq!(case.is_known(&late), [false, false]);
    // They differ in what they know, and do not say otherwise.
    connect(holder.replica(), &mut late);
    settle(holder.replica(), &mut late);
    assert!(!late.progress(&holder.node()).unwrap().equal);
    assert_eq!(case.is_known(&late), [false, false], "it takes nothing past the fork");
    // Others may be quicker.
    holder.replica().commit(NOW + PATIENCE / 2).unwrap();
    assert_eq!(written(holder.replica()), 1);
    // A restart does not make it forget.
    holder.reopen(&mut case.town.rng, NOW + PATIENCE / 2);
    assert!(holder.replica().poll_timeout() <= NOW + PATIENCE * 5 / 2);
    holder.replica().commit(NOW + PATIENCE * 5 / 2).unwrap();
    assert!(written(holder.replica()) > 1);
    meet(holder.replica(), &mut late);
    assert_eq!(case.is_known(&late), [true, true]);
}

#[test]
fn what_lies_beyond_a_quota_or_is_made_by_an_invite_is_not_taken_for_stated() {
    let mut case = Case::new(312);
    let log = auth_log(&case.office);
    let first = case.record();
    take(&mut case.center, &first, 1);
    // The author forks the log before the removal, and repeats the removal where nobody heeds it.
    let entries = flood(&mut case.office, 77, 66);
    let bytes = case.revocation.to_bytes();
    let document = DocumentId(crate::change::record_id(&bytes).0);
    case.office.put(&Namespace::auth(), DocumentKind::Statement, document, bytes, Lane::Urgent, NOW).unwrap();
    case.office.commit(NOW).unwrap();
    let all = entries_of(&case.office, &auth_log(&case.office));
    // The last run begins within the quota.
    take(&mut case.center, &all, 17);
    assert_eq!(case.center.logs[&all[0].header.log].1.height, entries.len() as u64 + 1);
    let mut second = first[case.introduced].clone();
    second.header.time = crate::clock::HybridTime(second.header.time.0 + 1);
    second.signature = Some(crate::entry::sign(&second.header, &case.office.identity.signing));
    let run = crate::sync::Run::new(vec![second]).unwrap();
    assert_eq!(case.center.ingest(run).unwrap(), Ingested::Diverged);
    let before = written(&case.center);
    case.center.commit(NOW).unwrap();
    case.center.commit(NOW).unwrap();
    case.center.commit(NOW + CENTER_PATIENCE).unwrap();
    assert!(case.center.forks.contains_key(&log) && written(&case.center) > before);
    let own = entries_of(&case.center, &auth_log(&case.center));
    let stated: Vec<Vec<u8>> =
        own.iter().flat_map(|entry| case.center.auth_records(entry, DocumentKind::Statement)).collect();
    assert!(stated.contains(&case.revocation.to_bytes()));
    let office = case.office.chain.last().unwrap();
    assert!(!stated.contains(office), "its certificate stands in its own log");
}
