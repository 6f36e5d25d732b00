//! What follows from statements does not depend on their order.

use super::*;
use crate::certificate::NodeRole;
use ed25519_dalek::SigningKey;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn town() -> [u8; 32] {
    key(1).verifying_key().to_bytes()
}

fn certificate(kind: CertificateKind, seed: u8) -> Claim {
    Claim::Certificate(Certificate {
        kind,
        key: NodeId(key(seed).verifying_key().to_bytes()),
        exchange: [4; 32],
        name: "node".to_owned(),
        role: NodeRole::Village,
        scopes: policy::default_scopes(NodeRole::Village, &["110115005001".into()], &[]),
        roles: policy::default_roles(NodeRole::Village),
        not_before: 1,
        not_after: 2,
    })
}

/// Authority, invite, two redemptions, a revocation of one of them, two families, ratifications by the authority, a
/// node and an authority that is removed, in one order or another.
fn statements() -> Vec<Statement> {
    let sign = |claim, issuer, seed| Statement::sign(&town(), claim, issuer, [0; 8], &key(seed));
    let authority = sign(certificate(CertificateKind::Authority, 2), None, 1);
    let invite = sign(certificate(CertificateKind::Invite, 5), Some(authority.id), 2);
    let first = sign(certificate(CertificateKind::Node, 6), Some(invite.id), 5).with_possession(&key(6));
    let second = sign(certificate(CertificateKind::Node, 7), Some(invite.id), 5).with_possession(&key(7));
    let revocation = sign(Claim::Revocation { certificate: second.id, cuts: vec![] }, Some(authority.id), 2);
    let family = |key, year| Claim::Family { founding: Namespace::cases("110115005001", year), key: KeyId([key; 16]) };
    let (one, two) = (sign(family(1, "2026"), Some(authority.id), 2), sign(family(2, "2025"), Some(authority.id), 2));
    let removed = sign(certificate(CertificateKind::Authority, 8), None, 1);
    let removal = sign(Claim::Revocation { certificate: removed.id, cuts: vec![] }, Some(authority.id), 2);
    let ratified = |seq, head, issuer: &Statement, seed| {
        let claim = Claim::Ratification { log: log(), seq, head: EntryId([head; 32]) };
        sign(claim, Some(issuer.id), seed)
    };
    let ratifications = [
        ratified(5, 2, &authority, 2),
        ratified(5, 1, &authority, 2),
        ratified(7, 3, &authority, 2),
        ratified(9, 4, &removed, 8),
        ratified(8, 5, &first, 6),
    ];
    [vec![authority, invite, first, second, revocation, one, two, removed, removal], ratifications.into()].concat()
}

fn log() -> LogId {
    let author = NodeId(key(7).verifying_key().to_bytes());
    LogId { namespace: Namespace::town().id(&town()), author, epoch: 1, lane: crate::entry::Lane::Work }
}

/// What stands of [`log`], and up to where the removed node's certificate counts in it if all of it is held.
fn standing_places(trust: &Trust) -> (Vec<(u64, u8)>, Option<u64>) {
    let places = trust.ratified(&log()).map(|(seq, head)| (seq, head.0[0])).collect();
    let covers = |seq: u64, _: &EntryId| Ok::<u64, std::convert::Infallible>(seq);
    let removed = trust.certificate_ids_of(&log().author).next();
    (places, removed.map(|id| trust.counts_until(id, &log(), covers).unwrap()))
}

fn summary(trust: &Trust) -> (Vec<NodeId>, usize, Vec<String>) {
    let namespaces: BTreeSet<String> = trust.namespaces.values().map(ToString::to_string).collect();
    let namespaces = namespaces.into_iter().collect();
    (trust.nodes().map(|(node, ..)| node).collect(), trust.double_redemptions().count(), namespaces)
}

#[test]
fn any_order_of_arrival_gives_the_same_trust() {
    let all = statements();
    let build = |order: &[usize]| {
        let mut trust = Trust::new(town());
        for at in order {
            // A node's ratification is refused, at once or when its certificate comes.
            let added = trust.add(all[*at].clone());
            assert!(added.is_ok() || *at == 13, "{added:?}");
        }
        trust
    };
    let first: Vec<usize> = (0..all.len()).collect();
    let expected = summary(&build(&first));
    assert_eq!(standing_places(&build(&first)), (vec![(7, 3), (5, 1), (5, 2)], Some(7)));
    assert_eq!(expected.0, vec![NodeId(key(6).verifying_key().to_bytes())]);
    assert_eq!(expected.1, 1);
    assert_eq!(expected.2, ["auth", "cases/110115005001/2026"]);
    for shift in 0..all.len() {
        let mut order = first.clone();
        order.rotate_left(shift);
        for _ in 0..2 {
            let trust = build(&order);
            assert_eq!(summary(&trust), expected);
            assert_eq!(standing_places(&trust), standing_places(&build(&first)));
            order.reverse();
        }
    }
}

/// Whom the authority kept does not pay for those whom it removed; those share their room for ever.
#[test]
fn who_is_left_of_those_who_share_an_invite_counts_the_others_no_more() {
    let mut trust = Trust::new(town());
    statements().into_iter().for_each(|statement| _ = trust.add(statement));
    let [kept, removed] = [6, 7].map(|seed| NodeId(key(seed).verifying_key().to_bytes()));
    assert_eq!((trust.sharers_of_invite(&kept), trust.sharers_of_invite(&removed)), (1, 2));
}

/// The founding with the lesser key stands, and periods that were refused under the other are to be read again.
#[test]
fn another_founding_of_a_family_has_its_periods_read_again() {
    let year = |year: &str| Namespace::cases("110115005001", year);
    let all = statements();
    let [authority, stands, other] = [0, 5, 6].map(|at| all[at].clone());
    for (first, second, is_refounded) in [(&stands, &other, false), (&other, &stands, true)] {
        let mut trust = Trust::new(town());
        trust.add(authority.clone()).unwrap();
        trust.add(first.clone()).unwrap();
        assert!(trust.open_period(year("2026")) && trust.open_period(year("2027")));
        _ = trust.add(second.clone()).unwrap();
        assert_eq!(trust.take_refounded(), is_refounded);
        assert!(!trust.take_refounded(), "once");
        assert!(trust.open_period(year("2027")));
        let names: Vec<String> = trust.namespaces().values().map(|known| known.period.clone()).collect();
        assert_eq!(names.iter().filter(|name| !name.is_empty()).count(), 2, "{names:?}");
    }
}

#[test]
fn periods_open_one_after_the_other() {
    let mut trust = Trust::new(town());
    for statement in statements() {
        _ = trust.add(statement);
    }
    let year = |year: &str| Namespace::cases("110115005001", year);
    trust.open_period(year("2028"));
    assert!(!trust.namespaces().contains_key(&year("2028").id(&town())), "2027 is not open yet");
    assert_eq!(trust.period(&year("2027")), Err(year("2027")));
    assert_eq!(trust.period(&year("2050")), Ok(year("2026")));
    trust.open_period(year("2027"));
    assert!(trust.namespaces().contains_key(&year("2028").id(&town())));
}

#[test]
fn the_calendar_goes_on() {
    let next = |name: &str| next_period(&name.parse().unwrap()).map(|namespace| namespace.period);
    let cases = [
        ("cases/110115005001/2026", Some("2027")),
        ("events/110115005001/2026-11", Some("2026-12")),
        ("events/110115005001/2026-12", Some("2027-01")),
        ("tracks/2026-02-28", Some("2026-03-01")),
        ("tracks/2028-02-28", Some("2028-02-29")),
        ("tracks/2026-12-31", Some("2027-01-01")),
        ("town", None),
    ];
    for (name, expected) in cases {
        assert_eq!(next(name).as_deref(), expected, "{name}");
    }
}
