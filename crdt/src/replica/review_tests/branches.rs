//! Forked logs, ratified by several authorities, in any order of arrival.

use super::super::tests::{connect, meet, settle, texts};
use super::ratifications::{
    Histories, by, digest_of, fold, give, histories, members, registry_log, spare_authority, told,
};
use super::*;
use crate::certificate::{Claim, Cut};
use crate::replica::{RatifyError, Work};

fn state(node: &mut Replica, statements: &[Statement]) {
    node.record_statements(statements.to_vec(), NOW).unwrap();
    node.commit(NOW).unwrap();
}

/// The branch that is to stand: the longest, of equally long ones that with the lesser head.
fn first_of(histories: &Histories) -> usize {
    let order = |branch: &usize| {
        let (seq, head) = histories.end(*branch);
        (std::cmp::Reverse(seq), head)
    };
    (0..histories.branches.len()).min_by_key(order).unwrap()
}

fn only(histories: &Histories, branch: usize) -> Vec<[bool; 2]> {
    (0..histories.branches.len()).map(|one| [one == branch; 2]).collect()
}

#[test]
fn two_authorities_that_ratify_two_branches_apart_come_to_one() {
    for (lengths, know_of_the_fork, is_own) in
        [([40, 90], true, false), ([90, 40], false, false), ([50, 50], true, false), ([40, 90], true, true)]
    {
        let mut town = Town::new(170);
        let mut authorities = [55, 56].map(|seed| spare_authority(&town, seed));
        if is_own {
            authorities[0] = town.founded.authority.clone();
        }
        let mut members = members(&mut town, &["author", "one", "other", "late"]);
        let histories = histories(members[0].replica(), &lengths);
        let [_, one, other, late] = members.as_mut_slice() else { panic!("four members") };
        let mut nodes = [one.replica(), other.replica(), late.replica()];
        for (node, branch) in nodes.iter_mut().zip(&histories.branches) {
            give(node, branch);
        }
        let [one, other, late] = nodes;
        if know_of_the_fork {
            meet(one, other);
        } else {
            // Its branch counts until the fork is known, so there is nothing to ratify yet.
            let refused = one.ratify(&authorities[0], Work::In(histories.log), NOW);
            assert!(matches!(refused, Err(RatifyError::Nothing(_))), "{refused:?}");
        }
        for (branch, node) in [&mut *one, &mut *other].into_iter().enumerate() {
            let ratification = by(&authorities[branch], histories.ratification(branch));
            state(node, &[authorities[branch].statement.clone(), ratification]);
            fold(node);
            assert_eq!(histories.seen(node), only(&histories, branch), "each has its own");
        }
        for _ in 0..2 {
            meet(one, late);
            meet(late, other);
        }
        meet(one, other);
        let stands = first_of(&histories);
        for node in [&mut *one, &mut *other, &mut *late] {
            assert_eq!(histories.seen(node), only(&histories, stands), "{} {lengths:?}", node.own.name);
            assert_eq!(digest_of(node), digest_of_branch(&histories, stands, node));
        }
        // The authority that ratified it is removed: the other branch stands, on the node that never held it, too.
        let (certificate, rest) = (authorities[stands].statement.id, &authorities[1 - stands]);
        state(one, &[by(rest, Claim::Revocation { certificate, cuts: vec![] })]);
        for _ in 0..2 {
            meet(one, late);
            meet(late, other);
        }
        for node in [&mut *one, &mut *other, &mut *late] {
            assert_eq!(histories.seen(node), only(&histories, 1 - stands), "{} {lengths:?}", node.own.name);
            assert_eq!((node.unfolded(), node.has_staged()), (0, false));
        }
    }
}

/// Checks that a node counts a branch to its end, and gives back its digest.
fn digest_of_branch(histories: &Histories, branch: usize, node: &mut Replica) -> crate::sync::message::Digest {
    let state = node.logs[&histories.log].1;
    assert_eq!(node.effective(&state), histories.end(branch));
    digest_of(node)
}

fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![vec![]];
    }
    let insert = |order: &Vec<usize>, at: usize| {
        let mut order = order.clone();
        order.insert(at, count - 1);
        order
    };
    orders(count - 1).iter().flat_map(|order| (0..count).map(|at| insert(order, at)).collect::<Vec<_>>()).collect()
}

#[test]
fn any_order_of_statements_and_runs_gives_the_same() {
    let mut town = Town::new(171);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut langfa);
    let histories = histories(&mut langfa, &[4, 12]);
    let (authority, second) = (town.founded.authority.clone(), spare_authority(&town, 55));
    let common = histories.branches[0][1].clone();
    let cut = Cut { log: histories.log, seq: 2, head: common.id() };
    let certificate = langfa.identity.certificate;
    let statements = [
        by(&authority, Claim::Revocation { certificate, cuts: vec![cut] }),
        by(&authority, histories.ratification(0)),
        by(&second, histories.ratification(1)),
    ];
    for ratified in [[true, true], [true, false], [false, true], [false, false]] {
        let expected = match ratified {
            [_, true] => only(&histories, 1),
            [true, false] => only(&histories, 0),
            [false, false] => vec![[false; 2]; 2],
        };
        let mut digests = BTreeSet::new();
        // Every order of all of them, and some of the rest.
        let orders = orders(5).into_iter().step_by(if ratified == [true; 2] { 1 } else { 7 });
        for order in orders {
            let mut node = town.node("node", NodeRole::Village, &[LANGFA], &[]);
            meet(&mut center, &mut node);
            center.close_session(&node.node());
            state(&mut node, std::slice::from_ref(&second.statement));
            // Whoever lacks something of what counts asks for it again and again.
            let again = [3, 4, 3, 4];
            for piece in order.iter().copied().chain(again) {
                match piece {
                    0 => state(&mut node, &statements[..1]),
                    1 | 2 if ratified[piece - 1] => state(&mut node, &statements[piece..=piece]),
                    3 | 4 => give(&mut node, &histories.branches[piece - 3]),
                    _ => {}
                }
            }
            assert_eq!(histories.seen(&mut node), expected, "{order:?} {ratified:?}");
            assert_eq!(texts(&mut node, LANGFA, histories.before), ["before"], "{order:?}");
            assert_eq!(node.unfolded(), 0);
            digests.insert(digest_of(&mut node));
        }
        assert_eq!(digests.len(), 1, "{ratified:?}");
    }
}

/// Some messages of a session pass, then the connection is lost.
fn brush(one: &mut Replica, other: &mut Replica, rng: &mut ChaCha8Rng) {
    connect(one, other);
    for _ in 0..rng.next_u32() % 40 {
        let (from, to) =
            if rng.next_u32().is_multiple_of(2) { (&mut *one, &mut *other) } else { (&mut *other, &mut *one) };
        for _ in 0..=rng.next_u32() % 3 {
            if let Some(message) = from.poll_transmit(to.node()).unwrap() {
                to.receive(from.node(), &message, NOW).unwrap();
            }
        }
        if !rng.next_u32().is_multiple_of(4) {
            to.commit(NOW).unwrap();
        }
        if rng.next_u32().is_multiple_of(4) {
            fold(to);
        }
    }
    let ends = [one.node(), other.node()];
    one.close_session(&ends[1]);
    other.close_session(&ends[0]);
    one.commit(NOW).unwrap();
    other.commit(NOW).unwrap();
}

/// What every document that any branch is about says.
fn all_seen(histories: &Histories, node: &mut Replica) -> Vec<Vec<String>> {
    let documents = histories.documents.iter().flatten().chain([&histories.before]);
    documents.map(|document| texts(node, LANGFA, *document)).collect()
}

fn live_through_forks(seed: u64) {
    let mut town = Town::new(seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xf0_4c);
    let authorities = [town.founded.authority.clone(), spare_authority(&town, 55)];
    let mut members = members(&mut town, &["author", "a", "b", "c", "d"]);
    let mut below = |bound: u32| (rng.next_u32() % bound) as usize;
    let lengths = [(); 3].map(|()| 1 + below(if seed.is_multiple_of(2) { 12 } else { 150 }));
    let histories = histories(members[0].replica(), &lengths);
    let author = members.remove(0).node();
    state(members[0].replica(), &[authorities[1].statement.clone()]);
    for _ in 0..30 {
        let at = below(4);
        let node = members[at].replica();
        match below(12) {
            0..4 => {
                let branch = &histories.branches[below(3)];
                let until = 1 + below(branch.len() as u32);
                give(node, &branch[..until]);
            }
            4..6 => _ = node.ratify(&authorities[below(2)], Work::Of(author), NOW),
            6 if node.trust().current(&author).is_some() => {
                _ = node.revoke(&authorities[0], author, below(3) > 0, NOW);
            }
            7 if below(4) == 0 => {
                let certificate = authorities[1].statement.id;
                state(node, &[by(&authorities[0], Claim::Revocation { certificate, cuts: vec![] })]);
            }
            8 => {
                let mut restart = ChaCha8Rng::seed_from_u64(below(u32::MAX) as u64);
                members[at].reopen(&mut restart, NOW);
            }
            _ => {
                let other = (at + 1 + below(3)) % 4;
                let (low, high) = members.split_at_mut(at.max(other));
                let mut choice = ChaCha8Rng::seed_from_u64(below(u32::MAX) as u64);
                brush(low[at.min(other)].replica(), high[0].replica(), &mut choice);
            }
        }
        if below(3) > 0 {
            members[at].replica().commit(NOW).unwrap();
        }
    }
    members.iter_mut().for_each(|member| fold(member.replica()));
    settle_all(&mut members, &histories, seed);
    for member in &mut members {
        let before = all_seen(&histories, member.replica());
        member.reopen(&mut town.rng, NOW);
        fold(member.replica());
        assert_eq!(all_seen(&histories, member.replica()), before, "seed {seed}: a restart changes nothing");
    }
    settle_all(&mut members, &histories, seed);
}

/// All meet each other, as often as it takes for news to come round, and come to be equal.
fn settle_all(members: &mut [Member], histories: &Histories, seed: u64) {
    for _ in 0..2 {
        for high in 1..members.len() {
            for low in 0..high {
                let (lower, higher) = members.split_at_mut(high);
                let (one, other) = (lower[low].replica(), higher[0].replica());
                connect(one, other);
                settle(one, other);
            }
        }
    }
    let all: Vec<_> = members
        .iter_mut()
        .map(|member| {
            let node = member.replica();
            let end = node.logs.get(&histories.log).map(|(_, state)| *state).map(|state| node.effective(&state));
            (end, digest_of(node), all_seen(histories, node), node.unfolded())
        })
        .collect();
    for (at, one) in all.iter().enumerate() {
        assert_eq!(one, &all[0], "seed {seed}: member {at}");
        assert_eq!(one.3, 0, "seed {seed}");
    }
}

#[test]
fn any_order_of_forks_and_ratifications_ends_in_the_same_town() {
    let count = std::env::var("FORK_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(60);
    for seed in 0..count {
        let outcome = std::panic::catch_unwind(|| live_through_forks(seed));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

#[test]
fn a_branch_of_auth_is_adopted_with_what_it_states() {
    let mut town = Town::new(172);
    let mut members = members(&mut town, &["author", "one", "other"]);
    let author = members[0].replica();
    let period = |month: u32| Namespace::events(LANGFA, &format!("2026-{month:02}"));
    let log = LogId { namespace: author.namespace_id(&Namespace::auth()), lane: Lane::Urgent, ..registry_log(author) };
    let (snapshot, trust) = (author.logs.clone(), author.trust.clone());
    let mut branches = Vec::new();
    for certified in [1, 2_u8] {
        author.logs.clone_from(&snapshot);
        author.trust = trust.clone();
        author.digests.clear();
        if certified == 2 {
            author.period(&period(12), NOW).unwrap();
            author.commit(NOW).unwrap();
        }
        let claim = Claim::Revocation { certificate: CertificateId([certified; 32]), cuts: vec![] };
        state(author, &[by(&town.founded.authority, claim)]);
        branches.push(super::ratifications::entries_of(author, &log));
    }
    let [_, one, other] = members.as_mut_slice() else { panic!("three members") };
    let (node, holder) = (one.replica(), other.replica());
    give(node, &branches[0]);
    give(holder, &branches[1]);
    connect(node, holder);
    settle(node, holder);
    assert_eq!(node.trust().period(&period(12)), Err(period(12)), "it was not passed on");
    holder.ratify(&town.founded.authority, Work::In(log), NOW).unwrap();
    holder.commit(NOW).unwrap();
    meet(node, holder);
    assert_eq!(told(node).len(), 1);
    assert_eq!(node.unfolded(), 0);
    for _ in 0..2 {
        let node = one.replica();
        assert_eq!(node.trust().period(&period(12)), Ok(period(12)), "what it states has effect");
        for certificate in [1, 2] {
            assert!(node.trust().is_revoked(&CertificateId([certificate; 32])), "a statement vouches for itself");
        }
        one.reopen(&mut town.rng, NOW);
    }
}
