//! What entries, messages and cards are made of.

use minicbor::Decoder;
use townmesh_crdt::card::{Beacon, PositionCard};
use townmesh_crdt::certificate::Statement;
use townmesh_crdt::change::{self, Assertion, Item};
use townmesh_crdt::codec::BodyCodec;
use townmesh_crdt::entry::{self, Entry, HEADER_LEN, Header, LOG_ID_LEN, LogId};
use townmesh_crdt::fork::ForkProof;
use townmesh_crdt::grant::Grant;
use townmesh_crdt::refusal::Refusal;
use townmesh_crdt::replica::Manifest;
use townmesh_crdt::seal;
use townmesh_crdt::sync::Message;
use townmesh_crdt::value::Value;
use x25519_dalek::StaticSecret;

use super::accepted;

/// The town that statements must be for.
pub(super) const TOWN: [u8; 32] = [0x11; 32];

pub(super) fn message(bytes: &[u8]) -> Option<usize> {
    let Some(message) = accepted(Message::from_bytes(bytes))? else { return Some(0) };
    let again = message.to_bytes();
    assert_eq!(Message::from_bytes(&again), Ok(Some(message.clone())), "a message is read back");
    if let Message::Run(run) = &message {
        let _ = accepted(run.verify());
        for (id, entry) in run.entries() {
            assert_eq!((*id, Ok(())), (entry.id(), entry.check_body()), "a run rebuilds its headers");
        }
    }
    Some(again.len())
}

pub(super) fn manifest(bytes: &[u8]) -> Option<usize> {
    let manifest = Manifest::from_bytes(bytes)?;
    let again = manifest.to_bytes();
    assert_eq!(Manifest::from_bytes(&again), Some(manifest), "a manifest is read back");
    Some(again.len())
}

pub(super) fn entry(bytes: &[u8]) -> Option<usize> {
    if let Some(log) = bytes.first_chunk::<LOG_ID_LEN>().and_then(LogId::from_bytes) {
        assert!(bytes.starts_with(&log.to_bytes()), "a log id has one form");
    }
    if let Some(header) = bytes.first_chunk::<HEADER_LEN>().and_then(|bytes| accepted(Header::from_bytes(bytes))) {
        assert!(bytes.starts_with(&header.to_bytes()), "a header has one form");
    }
    let entry = accepted(Entry::from_bytes(bytes))?;
    assert_eq!(entry.to_bytes(), bytes, "an entry has one form");
    let _ = accepted(entry.check_body());
    let _ = entry.signature.map(|signature| accepted(entry::verify(&entry.header, &signature)));
    Some(bytes.len())
}

pub(super) fn items(bytes: &[u8]) -> Option<usize> {
    let items = accepted(change::decode_items(bytes))?;
    let items: Vec<Item> = items.into_iter().map(|(_, item)| item).collect();
    let again = change::encode_items(&items);
    let read = change::decode_items(&again).map(|items| items.into_iter().map(|(_, item)| item).collect::<Vec<_>>());
    assert_eq!(read, Ok(items), "items are read back");
    Some(again.len())
}

pub(super) fn item(bytes: &[u8]) -> Option<usize> {
    let Some(item) = accepted(Item::from_bytes(bytes))? else { return Some(0) };
    let again = item.to_bytes();
    assert_eq!(Item::from_bytes(&again), Ok(Some(item)), "an item is read back");
    Some(again.len())
}

pub(super) fn assertion(bytes: &[u8]) -> Option<usize> {
    let assertion = accepted(Assertion::from_value_bytes(vec![], bytes))?;
    let again = assertion.value_bytes();
    assert_eq!(Assertion::from_value_bytes(vec![], &again), Ok(assertion), "an assertion is read back");
    Some(again.len())
}

pub(super) fn body(bytes: &[u8]) -> Option<usize> {
    let mut codec = BodyCodec::new().expect("there is memory for the dictionary");
    let plain = accepted(codec.decompress(bytes))?;
    let packed = codec.compress(&plain);
    assert_eq!(codec.decompress(&packed).as_deref(), Ok(plain.as_slice()), "a body is read back");
    let _ = items(&plain);
    Some(plain.len())
}

pub(super) fn statement(bytes: &[u8]) -> Option<usize> {
    let statement = accepted(Statement::from_bytes(bytes, &TOWN))?;
    let again = statement.to_bytes();
    assert_eq!(Statement::from_bytes(&again, &TOWN), Ok(statement.clone()), "a statement is read back");
    let _ = accepted(statement.verify(&TOWN, None));
    Some(again.len())
}

pub(super) fn card(bytes: &[u8]) -> Option<usize> {
    let secret = StaticSecret::from([1; 32]);
    let grant = accepted(Grant::from_bytes(bytes));
    let opened = grant.and_then(|grant| grant.open(&secret)).map(|secrets| 32 * secrets.len());
    let _ = accepted(seal::open_own(&secret, &[9; 32], bytes));
    let _ = seal::personal_place(bytes);
    let beacon = accepted(Beacon::from_bytes(bytes)).map(|beacon| 16 * beacon.heads.len());
    let refusal = accepted(Refusal::from_bytes(bytes)).map(|refusal| 32 * refusal.refused.len());
    opened.or(beacon).or(refusal).or_else(|| accepted(PositionCard::from_bytes(bytes)).map(|_| 48))
}

pub(super) fn fork_proof(bytes: &[u8]) -> Option<usize> {
    let proof = accepted(ForkProof::from_bytes(bytes))?;
    let again = proof.to_bytes();
    assert_eq!(ForkProof::from_bytes(&again), Ok(proof.clone()), "a proof is read back");
    assert!(proof.place().is_some() && proof.card_key().is_some(), "a proof says what it proves");
    Some(again.len())
}

pub(super) fn value(bytes: &[u8]) -> Option<usize> {
    let value = accepted(Decoder::new(bytes).decode::<Value>())?;
    let again = accepted(minicbor::to_vec(&value))?;
    assert_eq!(accepted(minicbor::decode::<Value>(&again)), Some(value), "a value is read back");
    Some(again.len())
}
