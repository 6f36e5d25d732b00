//! Statements: the chain from the root, who may state what, altered bytes.

use super::*;
use proptest::prelude::*;

const TOWN_KEY: [u8; 32] = [1; 32];

fn signer(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn town() -> [u8; 32] {
    SigningKey::from_bytes(&TOWN_KEY).verifying_key().to_bytes()
}

pub(crate) fn node_certificate(role: NodeRole, scopes: Vec<Scope>) -> Certificate {
    Certificate {
        kind: CertificateKind::Node,
        key: NodeId(signer(3).verifying_key().to_bytes()),
        exchange: [4; 32],
        name: "langfa-1".into(),
        role,
        scopes,
        roles: crate::policy::default_roles(role),
        not_before: 1,
        not_after: 2,
    }
}

fn certificate(kind: CertificateKind, seed: u8) -> Certificate {
    let scopes = crate::policy::default_scopes(NodeRole::Village, &["110115005001".into()], &[]);
    Certificate {
        kind,
        key: NodeId(signer(seed).verifying_key().to_bytes()),
        ..node_certificate(NodeRole::Village, scopes)
    }
}

#[test]
fn the_chain_from_root_to_redeemed_invite_verifies() {
    let authority = Statement::sign(
        &town(),
        Claim::Certificate(certificate(CertificateKind::Authority, 2)),
        None,
        [0; 8],
        &signer(1),
    );
    let invite = Statement::sign(
        &town(),
        Claim::Certificate(certificate(CertificateKind::Invite, 5)),
        Some(authority.id),
        [0; 8],
        &signer(2),
    );
    let node = Statement::sign(
        &town(),
        Claim::Certificate(certificate(CertificateKind::Node, 6)),
        Some(invite.id),
        [0; 8],
        &signer(5),
    )
    .with_possession(&signer(6));
    let chain = [
        (&authority, None),
        (&invite, Some(certificate(CertificateKind::Authority, 2))),
        (&node, Some(certificate(CertificateKind::Invite, 5))),
    ];
    for (statement, issuer) in chain {
        let read = Statement::from_bytes(&statement.to_bytes(), &town()).unwrap();
        assert_eq!(&read, statement);
        assert_eq!(read.verify(&town(), issuer.as_ref()), Ok(()));
    }
    assert_eq!(Statement::from_bytes(&node.to_bytes(), &[7; 32]), Err(StatementError::OtherTown));
}

fn ratification() -> Claim {
    let author = NodeId([3; 32]);
    let log = LogId { namespace: Namespace::town().id(&town()), author, epoch: 1, lane: crate::entry::Lane::Work };
    Claim::Ratification { log, seq: 3, head: EntryId([4; 32]) }
}

#[test]
fn root_and_authorities_ratify() {
    let authority = certificate(CertificateKind::Authority, 2);
    for (issuer, seed) in [(None, 1), (Some(&authority), 2)] {
        let id = issuer.map(|_| CertificateId([8; 32]));
        let statement = Statement::sign(&town(), ratification(), id, [0; 8], &signer(seed));
        let read = Statement::from_bytes(&statement.to_bytes(), &town()).unwrap();
        assert_eq!(read, statement);
        assert_eq!(read.verify(&town(), issuer), Ok(()));
    }
}

#[test]
fn nobody_states_more_than_they_may() {
    let wider = Certificate {
        scopes: crate::policy::default_scopes(NodeRole::Center, &[], &[]),
        ..certificate(CertificateKind::Node, 6)
    };
    let mightier =
        Certificate { roles: crate::policy::default_roles(NodeRole::Center), ..certificate(CertificateKind::Node, 6) };
    let cases = [
        (Some(CertificateKind::Invite), Claim::Certificate(mightier)),
        (None, Claim::Certificate(certificate(CertificateKind::Node, 6))),
        (Some(CertificateKind::Authority), Claim::Certificate(certificate(CertificateKind::Authority, 6))),
        (Some(CertificateKind::Invite), Claim::Certificate(certificate(CertificateKind::Invite, 6))),
        (Some(CertificateKind::Invite), Claim::Certificate(wider)),
        (Some(CertificateKind::Node), Claim::Certificate(certificate(CertificateKind::Node, 6))),
        (Some(CertificateKind::Node), Claim::Revocation { certificate: CertificateId([1; 32]), cuts: vec![] }),
        (Some(CertificateKind::Invite), ratification()),
        (Some(CertificateKind::Node), ratification()),
        (Some(CertificateKind::Invite), Claim::Family { founding: Namespace::town(), key: KeyId([1; 16]) }),
    ];
    for (issuer, claim) in cases {
        let key = if issuer.is_some() { signer(5) } else { signer(1) };
        let statement = Statement::sign(&town(), claim, issuer.map(|_| CertificateId([8; 32])), [0; 8], &key);
        let issuer = issuer.map(|kind| certificate(kind, 5));
        assert!(
            matches!(statement.verify(&town(), issuer.as_ref()), Err(StatementError::NotAllowed(_))),
            "{statement:?}"
        );
    }
}

#[test]
fn altered_statements_and_weak_keys_are_refused() {
    let statement = Statement::sign(
        &town(),
        Claim::Certificate(certificate(CertificateKind::Authority, 2)),
        None,
        [0; 8],
        &signer(1),
    );
    let bytes = statement.to_bytes();
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        let accepted = Statement::from_bytes(&altered, &town()).is_ok_and(|read| read.verify(&town(), None).is_ok());
        assert!(!accepted, "byte {at}");
    }
    let mut weak = certificate(CertificateKind::Authority, 2);
    weak.key = NodeId([0; 32]);
    let statement = Statement::sign(&town(), Claim::Certificate(weak), None, [0; 8], &signer(1));
    assert_eq!(Statement::from_bytes(&statement.to_bytes(), &town()), Err(StatementError::WeakKey));
}

proptest! {
    #[test]
    fn any_bytes_are_a_statement_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Statement::from_bytes(&bytes, &town());
    }
}
