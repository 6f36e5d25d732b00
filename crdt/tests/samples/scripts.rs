//! Inputs for the targets that read a script: documents, cases, replicas.

use townmesh_crdt::change::{Change, Item, encode_items};
use townmesh_crdt::domain::case::{Action, Assignment, LimitClock, Severity};
use townmesh_crdt::id::{CertificateId, DocumentId, NamespaceId, NodeId, RecordId};
use townmesh_crdt::shelf::{MAX_ROWS, Row, ShelfSeal};
use townmesh_crdt::sync::{KeyRun, Message};
use townmesh_crdt::value::{Fields, Value};

use super::domain::{case_event, report};
use super::log::assertion;
use super::{Sample, hostile_cbor, sample};

pub(super) fn samples() -> Vec<Sample> {
    [documents(), cases(), replicas()].concat()
}

/// A change on top of the changes with these numbers, that writes one text to fields 1 and 2.
fn change(deps: &[u8], text: &str, supersedes: &[u8]) -> Item {
    let named = |number: &u8| [&[*number][..], &[0; 31]].concat().try_into().unwrap_or([0; 32]);
    let ids: Vec<[u8; 8]> = supersedes.iter().map(|number| [*number, 0, 0, 0, 0, 0, 0, 0]).collect();
    let fields = Fields::from([(1, Value::from(text)), (2, Value::from("x"))]);
    let change = Change { deps: deps.iter().map(named).collect(), assertions: vec![assertion(&[], fields, &ids)] };
    Item::Change { kind: 10, document: DocumentId([9; 16]), change }
}

fn documents() -> Vec<Sample> {
    let script = |turn: u8, items: &[Item]| [&[turn][..], &encode_items(items)].concat();
    let merge =
        [change(&[], "a", &[]), change(&[0], "b", &[0]), change(&[0], "c", &[0]), change(&[1, 2], "d", &[1, 2])];
    let chain: Vec<Item> =
        (0..24_u8).map(|number| change(&number.checked_sub(1).map_or(vec![], |dep| vec![dep]), "x", &[])).collect();
    let circle = [change(&[], "a", &[1]), change(&[0], "b", &[0]), change(&[1], "c", &[2])];
    let mut samples = hostile_cbor("document", &[0]);
    samples.extend([
        sample("document", "empty", []),
        sample("document", "valid-branches-and-a-merge", script(2, &merge)),
        sample("document", "valid-chain-of-24-changes", script(13, &chain)),
        sample(
            "document",
            "valid-changes-that-wait-for-ever",
            script(1, &[change(&[200], "a", &[]), change(&[0, 201], "b", &[])]),
        ),
        sample("document", "valid-assertions-that-supersede-in-a-circle", script(1, &circle)),
        sample(
            "document",
            "valid-change-without-assertions",
            script(0, &[Item::Change { kind: 0, document: DocumentId([0; 16]), change: Change::default() }]),
        ),
        sample("document", "valid-equal-changes", script(1, &[change(&[], "a", &[]), change(&[], "a", &[])])),
    ]);
    samples
}

/// A step of a case at a time.
fn at(time: u8, event: &[u8]) -> Vec<u8> {
    [&[time][..], &(event.len() as u16).to_be_bytes(), event].concat()
}

fn cases() -> Vec<Sample> {
    let number = |number: u8| RecordId([number; 16]);
    let order = || Assignment { team: "team".into(), task: "清理".into() };
    let file = Action::File {
        category: "environment".into(),
        severity: Severity::General,
        minutes: 480,
        clock: LimitClock::Working,
    };
    let history = [
        case_event(report(), &[]),
        case_event(Action::Accept, &[number(0)]),
        case_event(file, &[number(1)]),
        case_event(Action::Dispatch { orders: vec![order(), order()], lead: 0 }, &[number(2)]),
        case_event(Action::Refuse { reason: "重复".into() }, &[number(0)]),
        case_event(Action::LeadClose { team: "team".into(), summary: "完成".into() }, &[number(3)]),
    ];
    let script =
        |events: &[Vec<u8>]| -> Vec<u8> { events.iter().zip(1..).flat_map(|(event, time)| at(time, event)).collect() };
    let valid = script(&history);
    let reversed: Vec<Vec<u8>> = history.iter().rev().cloned().collect();
    let garbage = [&[1, 0xa8][..], &[0x9a, 0xff, 0xff, 0xff, 0xff]].concat();
    let nothing: [(&str, Vec<u8>); 5] = [
        ("empty", vec![]),
        ("length-past-the-end", vec![1, 0xff, 0xff, 1, 0xa0]),
        ("event-of-4-billion-items", at(1, &garbage)),
        ("deeply-nested-event", at(1, &[&[1][..], &[0x81; super::DEPTH]].concat())),
        ("only-empty-events", at(0, &[]).repeat(100)),
    ];
    let mut samples: Vec<Sample> =
        nothing.into_iter().map(|(name, bytes)| sample("case_history", name, bytes)).collect();
    samples.extend([
        sample("case_history", "valid-with-a-concurrent-refusal", valid.clone()),
        sample("case_history", "valid-backwards", script(&reversed)),
        sample(
            "case_history",
            "valid-events-that-wait-for-ever",
            script(&[case_event(Action::Accept, &[number(200)])]),
        ),
        sample("case_history", "valid-many-reports", script(&vec![case_event(report(), &[]); 48])),
        sample("case_history", "valid-cut-in-the-last-event", &valid[..valid.len() - 4]),
    ]);
    samples
}

/// Lets the village hear these bytes.
fn raw(message: &[u8]) -> Vec<u8> {
    [&[0][..], &(message.len() as u16).to_be_bytes(), message].concat()
}

/// A well-signed entry: `choice` is namespace, lane and epoch, `time` the upper byte of its time.
fn forged(choice: u8, time: u8, body: &[u8]) -> Vec<u8> {
    [&[6, choice, time][..], &(body.len() as u16).to_be_bytes(), body].concat()
}

/// Person keys for the last place of a shelf of somebody unknown.
fn last_person_key() -> Message {
    let seal = ShelfSeal { certificate: CertificateId([1; 32]), signature: [0; 64] };
    let start = MAX_ROWS - 1;
    let (namespace, author) = (NamespaceId([7; 16]), NodeId([1; 32]));
    Message::PersonKeys(KeyRun { namespace, author, epoch: 1, start, keys: vec![Row::Key([0; 32])], seal })
}

fn replicas() -> Vec<Sample> {
    const SETTLE: u8 = 4;
    const CONNECT: u8 = 5;
    const ANSWER: u8 = 7;
    let plain = |items: &[Item]| [&[0][..], &encode_items(items)].concat();
    let household = plain(&[change(&[], "a", &[]), change(&[], "b", &[])]);
    let record =
        |kind: u8, bytes: &[u8]| plain(&[Item::Record { kind, document: DocumentId([9; 16]), bytes: bytes.to_vec() }]);
    let after_meeting = |steps: &[Vec<u8>]| [&[1][..], &steps.concat(), &[SETTLE, ANSWER]].concat();
    let totals = Message::Totals { entries: u64::MAX, bytes: u64::MAX }.to_bytes();
    let again: Vec<u8> = (0..40).flat_map(|number| [1, number]).collect();
    let backwards: Vec<u8> = (0..40).rev().flat_map(|number| [1, number]).collect();
    let flipped: Vec<u8> = (0..40).flat_map(|number| [2, number, 0, 40 + number, 1]).collect();
    let short: Vec<u8> = (0..40).flat_map(|number| [3, number, 0, 40]).collect();
    vec![
        sample("replica", "empty", []),
        sample("replica", "valid-session", [&[0][..], &again, &[SETTLE, ANSWER]].concat()),
        sample("replica", "session-backwards", [&[0][..], &backwards, &[SETTLE, ANSWER]].concat()),
        sample("replica", "session-repeated", after_meeting(&[again])),
        sample("replica", "session-with-flipped-bits", [&[0][..], &flipped, &[SETTLE, ANSWER]].concat()),
        sample("replica", "session-cut-short", after_meeting(&[short])),
        sample("replica", "connects-again-and-again", [&[1][..], &[CONNECT; 60]].concat()),
        sample(
            "replica",
            "garbage-messages",
            after_meeting(&[raw(&[0x9f]), raw(&[]), raw(&[0x82, 3, 0x80]), raw(&[0xff; 64])]),
        ),
        sample("replica", "greatest-totals", after_meeting(&[raw(&totals), raw(&totals)])),
        sample("replica", "person-keys-past-the-last-index", after_meeting(&[raw(&last_person_key().to_bytes())])),
        sample("replica", "forged-household-twice-in-one-entry", after_meeting(&[forged(2, 0, &household)])),
        sample(
            "replica",
            "forged-entry-from-the-end-of-time",
            after_meeting(&[forged(2, 0xff, &household), forged(2, 0, &household)]),
        ),
        sample(
            "replica",
            "forged-fork",
            after_meeting(&[forged(0xf2, 0, &household), forged(0xf2, 1, &household), forged(0xf2, 2, &[])]),
        ),
        sample(
            "replica",
            "forged-body-that-is-no-body",
            after_meeting(&[forged(2, 0, &[9, 9, 9]), forged(1, 0, &[]), forged(2, 0, &household)]),
        ),
        sample(
            "replica",
            "forged-statement",
            after_meeting(&[forged(0, 0, &record(40, &[0x82, 0x41, 0, 0x41, 0])), forged(0, 0, &household)]),
        ),
        sample(
            "replica",
            "forged-period",
            after_meeting(&[
                forged(0, 0, &record(41, b"cases/110115005001/2027")),
                forged(0, 0, &record(41, &[0xff; 40])),
            ]),
        ),
        sample(
            "replica",
            "forged-records-of-every-kind",
            after_meeting(&(0..48).map(|kind| forged(kind % 4, 0, &record(kind, &[1, 0xa0]))).collect::<Vec<_>>()),
        ),
    ]
}
